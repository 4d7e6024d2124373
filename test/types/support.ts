/** True when the two types are the same, `any`, optional and readonly members included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

type IsAny<A> = 0 extends 1 & A ? true : false

/** `never` where the types differ and the value is `any`, which every other parameter would accept. */
type Exactly<Expected, Actual> =
  Equal<Actual, Expected> extends true
    ? Actual
    : IsAny<Actual> extends true
      ? never
      : { readonly expected: Expected; readonly actual: Actual }

/** One argument too many where the value is `never`, which every parameter accepts. */
type NotNever<Expected, Actual> =
  Equal<Actual, Expected> extends true ? [] : [Actual] extends [never] ? [reason: "the value is never"] : []

/**
 * Holds a value's type to exactly `Expected`: `expectType<number>()(1 as number)`.
 *
 * A wider or narrower type is refused, and the message shows both.
 */
export const expectType =
  <Expected>() =>
  <Actual>(_value: Exactly<Expected, Actual>, ..._reason: NotNever<Expected, Actual>): void => {}
