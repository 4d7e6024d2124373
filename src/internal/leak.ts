import type { CallFailure } from "../CallFailure.ts"

/**
 * An error with a literal tag.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tagged {
  readonly _tag: string
}

/**
 * Says why a type can't be an error that a call site sees, or `never` for one that can.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Leak<E> = 0 extends 1 & E
  ? "a call site would see `any` as error: return an error of your own with a literal _tag"
  : unknown extends E
    ? "a call site would see `unknown` as error: return an error of your own with a literal _tag"
    : E extends { readonly _tag: infer T extends string }
      ? string extends T
        ? "an error without a literal _tag can't be caught by it: give it one"
        : T extends "CallFailure" | "HttpClientError" | "SchemaError"
          ? `${T} would leak to the call site: translate it into an error of your own`
          : never
      : "an error without a literal _tag can't be caught by it: give it one"

/**
 * `unknown` if a function returns a fit error, else the sentence that refuses it.
 *
 * @category type-level
 * @since 0.1.0
 */
export type NoLeak<F> = F extends (...args: never) => infer E
  ? [Leak<E>] extends [never]
    ? unknown
    : Leak<E>
  : unknown

/**
 * `unknown` if no case leaks, else an object whose leaking cases are sentences.
 *
 * @category type-level
 * @since 0.1.0
 */
export type NoLeaks<C> = { readonly [K in keyof C]: NoLeak<C[K]> }

/**
 * What `orElse` returns, `never` if it was not given.
 *
 * @category type-level
 * @since 0.1.0
 */
export type OrElse<L> = L extends (...args: never) => infer X ? X : never

/**
 * The least that is asked of an `orElse`.
 *
 * @category type-level
 * @since 0.1.0
 */
// Were this `unknown`, a function that returns `unknown` would be identical to it, and nothing would be inferred for `L`.
export type OrElseShape<In> = (failure: CallFailure, input: In) => {} | null | undefined
