/**
 * How a repeat of an operation is made safe. A mutating operation can't be defined without saying it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { IdempotencyKey } from "./IdempotencyKey.ts"
import { check, format } from "./internal/duration.ts"

/**
 * What a repeat means: `Safe` changes nothing at the provider, `Idempotent` may be repeated after it may have happened,
 * `AtMostOnce` may be repeated only while it certainly has not.
 *
 * @category models
 * @since 0.1.0
 */
export type Repeat = "Safe" | "Idempotent" | "AtMostOnce"

/**
 * A `Repeat`, as types tell it: `Inherent` is `Idempotent` at once, but late it may overwrite what is newer, since nothing
 * tells the provider that it is a repeat.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = Repeat | "Inherent"

/**
 * Where a provider reads the key.
 *
 * @category models
 * @since 0.1.0
 */
export type Placement =
  | {
      readonly _tag: "Header"
      readonly name: string
      readonly quoted: boolean
      readonly format: "hex" | "uuid"
      readonly maxLength: number
    }
  | {
      readonly _tag: "BodyField"
      readonly path: ReadonlyArray<string>
      readonly format: "hex" | "uuid"
      readonly maxLength: number
    }
  | {
      readonly _tag: "GraphqlDirective"
      readonly variable: string
      readonly format: "hex" | "uuid"
      readonly maxLength: number
    }

/**
 * How a repeat is made safe, as data. `In` is the operation's input and `A` what a look-up may find as its success.
 *
 * @category models
 * @since 0.1.0
 */
export interface Idempotency<in In, out A, out R, out M extends Kind> {
  readonly repeat: Repeat
  readonly strategy: Strategy
  readonly "~in": (_: In) => void
  readonly "~a": () => A
  readonly "~r": () => R
  readonly "~m": () => M
}

/**
 * The data behind an `Idempotency`, as the runner and the plan read it.
 *
 * @category models
 * @since 0.1.0
 */
export type Strategy =
  | { readonly _tag: "Safe"; readonly reason: string }
  | { readonly _tag: "Inherent"; readonly reason: string }
  | {
      readonly _tag: "Keyed"
      readonly derive: (input: never) => IdempotencyKey
      readonly lifetime: Duration.Input | "forever"
      readonly placement: Placement
      readonly issuedAt: ((input: never) => number) | undefined
    }
  | {
      readonly _tag: "Reconcilable"
      readonly find: (input: never) => Effect.Effect<Option.Option<unknown>, unknown, unknown>
      readonly settle: Duration.Input
      readonly lookFirst: boolean
    }
  | ({ readonly _tag: "Conditional" } & Precondition)
  | { readonly _tag: "AtMostOnce"; readonly reason: string }

/**
 * A condition under which the provider makes a change, as the runner reads it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Precondition {
  /** The entity tag of the version that may be changed, `*` for "none must exist", or nothing: the input says it itself. */
  readonly sends:
    | { readonly header: "if-match"; readonly etag: (input: never) => string; readonly weak: boolean }
    | { readonly header: "if-none-match" }
    | { readonly header: undefined; readonly reason: string }
  /** The statuses that say that the condition does not hold. */
  readonly conflicts: ReadonlySet<number>
  /** Looks whether the change was made. */
  readonly applied: ((input: never) => Effect.Effect<Option.Option<unknown>, unknown, unknown>) | undefined
  readonly conclusive: boolean
  readonly mayHaveBeenSent: boolean
}

/**
 * An `Idempotency` of any operation.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = Idempotency<never, unknown, unknown, Kind>

const make = <In, A, R, M extends Kind>(repeat: Repeat, strategy: Strategy): Idempotency<In, A, R, M> =>
  ({ repeat, strategy }) as Idempotency<In, A, R, M>

/**
 * A header that carries the key. `Idempotency-Key`, raw, 255 characters, unless told otherwise.
 *
 * **Details**
 *
 * The IETF draft (draft-ietf-httpapi-idempotency-key-header) wants a quoted structured-field string: `quoted: true`.
 * Stripe, Adyen and most others read the raw text. Length and characters are checked when the key is derived.
 *
 * @category placements
 * @since 0.1.0
 */
export const header = (options?: {
  readonly name?: string | undefined
  readonly quoted?: boolean | undefined
  readonly format?: "hex" | "uuid" | undefined
  readonly maxLength?: number | undefined
}): Placement => ({
  _tag: "Header",
  name: (options?.name ?? "idempotency-key").toLowerCase(),
  quoted: options?.quoted ?? false,
  format: options?.format ?? "hex",
  maxLength: options?.maxLength ?? 255
})

/**
 * A field of a JSON body that carries the key, such as `idempotency_key` (Square) or `ClientToken` (AWS).
 *
 * @category placements
 * @since 0.1.0
 */
export const bodyField = (
  path: string | ReadonlyArray<string>,
  options?: { readonly format?: "hex" | "uuid" | undefined; readonly maxLength?: number | undefined }
): Placement => ({
  _tag: "BodyField",
  path: typeof path === "string" ? [path] : path,
  format: options?.format ?? "hex",
  maxLength: options?.maxLength ?? 64
})

/**
 * The argument of a GraphQL directive that carries the key, such as Shopify's `@idempotent(key: $idempotencyKey)`. The
 * key is written to the named entry of the body's `variables`.
 *
 * @category placements
 * @since 0.1.0
 */
export const graphqlDirective = (options?: {
  readonly variable?: string | undefined
  readonly format?: "hex" | "uuid" | undefined
  readonly maxLength?: number | undefined
}): Placement => ({
  _tag: "GraphqlDirective",
  variable: options?.variable ?? "idempotencyKey",
  format: options?.format ?? "uuid",
  maxLength: options?.maxLength ?? 255
})

/**
 * The provider deduplicates on a key.
 *
 * **Details**
 *
 * `lifetime` is how long the provider remembers a key after its first use (Stripe: 24 hours), or `"forever"`. No attempt
 * starts unless it ends before that: a repeat after the provider forgot the key is a second charge. `issuedAt` gives the
 * time of an earlier first use in epoch milliseconds, for intents that outlive a process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyed = <In>(
  derive: (input: In) => IdempotencyKey,
  options: {
    readonly lifetime: Duration.Input | "forever"
    readonly placement?: Placement | undefined
    readonly issuedAt?: ((input: In) => number) | undefined
  }
): Idempotency<In, never, never, "Idempotent"> =>
  make("Idempotent", {
    _tag: "Keyed",
    derive,
    lifetime: options.lifetime,
    placement: options.placement ?? header(),
    issuedAt: options.issuedAt
  })

/**
 * A repeat has the same effect as the first time by the operation's nature: PUT and DELETE, or an endpoint that says so.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inherent = (reason: string): Idempotency<unknown, never, never, "Inherent"> =>
  make("Idempotent", { _tag: "Inherent", reason })

/**
 * The provider can be asked whether it happened: a repeat is sent only after `find` found nothing.
 *
 * **Details**
 *
 * `settle` is how long after an attempt of unknown outcome the provider may still apply it or show it; `find` starts no
 * earlier. What it finds becomes the call's success. If `find` fails, the call is not repeated.
 *
 * `lookFirst` looks before the first attempt too: for an intent that a process before this one may have carried out, such
 * as a job that runs again after a crash. It costs a look per call, and can't see what an earlier process sent less than
 * `settle` ago: start again later than that. If that look fails, nothing is sent, and the outcome is `Unknown`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reconcilable = <In, A, E, R>(
  find: (input: In) => Effect.Effect<Option.Option<A>, E, R>,
  options: { readonly settle: Duration.Input; readonly lookFirst?: boolean | undefined }
): Idempotency<In, A, R, "Idempotent"> =>
  make("Idempotent", {
    _tag: "Reconcilable",
    find: find as (input: never) => Effect.Effect<Option.Option<unknown>, unknown, unknown>,
    settle: options.settle,
    lookFirst: options.lookFirst ?? false
  })

/**
 * What is known of a change that is made under a condition, beside the condition.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConditionalOptions<in In, out A, out E, out R> {
  /**
   * Looks whether the change was made, such as by a GET that compares what is there with what was asked for. It runs only
   * where a 412 leaves that open: after an attempt that may have been applied. What it finds becomes the call's success.
   */
  readonly applied?: ((input: In) => Effect.Effect<Option.Option<A>, E, R>) | undefined
  /**
   * That `applied` proves the contrary if it finds nothing. Say so only if what it looks for outlives later changes by
   * others, such as an entry in a history. Default: false; the outcome stays `Unknown` then, because somebody else may
   * have changed what this call had made.
   */
  readonly conclusive?: boolean | undefined
  /**
   * That an earlier process may have sent this very change, such as a job that runs again after a crash: then the first
   * 412 may be the answer to one's own work too. Default: false. An outbox remembers by itself.
   */
  readonly mayHaveBeenSent?: boolean | undefined
  /** The statuses that say that the condition does not hold. Default: 412. */
  readonly conflict?: number | ReadonlyArray<number> | undefined
}

const preconditionOf = <In, A, E, R>(
  sends: Precondition["sends"],
  options: ConditionalOptions<In, A, E, R> | undefined
): Strategy => ({
  _tag: "Conditional",
  sends,
  conflicts: new Set([options?.conflict ?? 412].flat()),
  applied: options?.applied as Precondition["applied"],
  conclusive: options?.conclusive ?? false,
  mayHaveBeenSent: options?.mayHaveBeenSent ?? false
})

/**
 * The provider makes the change only to the version that an entity tag names (`If-Match`, RFC 9110, 13.1.1): the second
 * of two equal requests is answered 412. So a PUT, a PATCH, even a POST may be repeated, and sent late it never
 * overwrites what is newer.
 *
 * **When to use**
 *
 * Where a read gives an `ETag` and the write takes it back. `Conditional.update` reads again when somebody was faster.
 *
 * **Details**
 *
 * `etag` gives the text of the `ETag` as it was read, quotes included. Not sent, and `InvalidInput`, are a text without
 * quotes, a weak tag (`W/"…"` matches nothing under `If-Match`; `weak: "send"` for a provider that is known to compare
 * them), and `*`, which any version matches: a repeat would be a second change.
 *
 * A 412 on a first attempt is `Refused`: somebody else changed it. After an attempt that may have been applied the same
 * 412 may be the answer to one's own work, so the call is never reported as refused then, not even by a declared error's
 * case of `translate`: it ends in `orElse`, as `PreconditionFailed` with outcome `Unknown`, unless `applied` can look.
 *
 * **Gotchas**
 *
 * A provider whose tags are hashes of the content gives an old tag back once the old content is back: a repeat would then
 * undo whoever put it back. Where that matters, ask for versions that never return.
 *
 * **Example** (A document that is renamed)
 *
 * ```ts
 * import { Idempotency } from "breakwater"
 * import { HttpOperation } from "breakwater/http"
 * import { Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * const Docs = HttpApi.make("docs").add(
 *   HttpApiGroup.make("docs").add(
 *     HttpApiEndpoint.patch("rename", "/docs/:id", {
 *       params: { id: Schema.String },
 *       headers: { "if-match": Schema.String },
 *       payload: Schema.Struct({ title: Schema.String }),
 *       success: Schema.Struct({ title: Schema.String })
 *     })
 *   )
 * )
 *
 * export const rename = HttpOperation.endpoint(Docs, "docs", "rename", {
 *   idempotency: Idempotency.conditional(({ headers }) => headers["if-match"])
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const conditional: {
  <In>(etag: (input: In) => string): Idempotency<In, never, never, "Idempotent">
  <In, A = never, E = never, R = never>(
    etag: (input: In) => string,
    // What `applied` says of its input must not narrow that of `etag`.
    options: ConditionalOptions<NoInfer<In>, A, E, R> & {
      /** What becomes of a weak tag. Default: `"refuse"`. */
      readonly weak?: "refuse" | "send" | undefined
    }
  ): Idempotency<In, NoInfer<A>, NoInfer<R>, "Idempotent">
} = <In, A, E, R>(
  etag: (input: In) => string,
  options?: ConditionalOptions<In, A, E, R> & { readonly weak?: "refuse" | "send" | undefined }
): Idempotency<In, never, never, "Idempotent"> =>
  make(
    "Idempotent",
    preconditionOf(
      { header: "if-match", etag: etag as (input: never) => string, weak: options?.weak === "send" },
      options
    )
  )

/**
 * The provider makes it only if there is none yet (`If-None-Match: *`, RFC 9110, 13.1.2): the second of two equal requests
 * is answered 412.
 *
 * **Details**
 *
 * A 412 is `Refused` on a first attempt, for it exists already; after one that may have been applied it may be one's own,
 * as with `conditional`. Late it may bring back what was deleted since, so an outbox asks for a lane or `expiresAfter`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const createOnly: {
  (): Idempotency<unknown, never, never, "Inherent">
  <In, A = never, E = never, R = never>(
    options: ConditionalOptions<In, A, E, R>
  ): Idempotency<In, NoInfer<A>, NoInfer<R>, "Inherent">
} = <In, A, E, R>(options?: ConditionalOptions<In, A, E, R>): Idempotency<In, never, never, "Inherent"> =>
  make("Idempotent", preconditionOf({ header: "if-none-match" }, options))

/**
 * The request itself names the version that it changes, in its query or its body, or as an argument of an SDK, and the
 * provider makes the change to no other: GitHub's `sha`, Kubernetes' `resourceVersion`, a `?version=3`.
 *
 * **Details**
 *
 * `reason` says which part it is. `conflict` gives the status of a provider that does not answer 412: GitHub and
 * Kubernetes say 409. Where no status tells it, `classify` says `Reason.preconditionFailed()`. Everything else is as with
 * `conditional`.
 *
 * **Example** (GitHub's contents: the second of two equal requests is a conflict)
 *
 * ```ts
 * import { Idempotency } from "breakwater"
 *
 * const idempotency = Idempotency.versioned("the blob's sha", { conflict: 409 })
 *
 * Idempotency.describe(idempotency) // => "conditional on a version in the request: the blob's sha"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const versioned: {
  (reason: string): Idempotency<unknown, never, never, "Idempotent">
  <In, A = never, E = never, R = never>(
    reason: string,
    options: ConditionalOptions<In, A, E, R>
  ): Idempotency<In, NoInfer<A>, NoInfer<R>, "Idempotent">
} = <In, A, E, R>(
  reason: string,
  options?: ConditionalOptions<In, A, E, R>
): Idempotency<In, never, never, "Idempotent"> =>
  make("Idempotent", preconditionOf({ header: undefined, reason }, options))

/**
 * A POST that only reads, such as a search with a body.
 *
 * @category constructors
 * @since 0.1.0
 */
export const readOnly = (reason: string): Idempotency<unknown, never, never, "Safe"> =>
  make("Safe", { _tag: "Safe", reason })

/**
 * Nothing makes a repeat safe: it is sent again only while it certainly did not happen.
 *
 * @category constructors
 * @since 0.1.0
 */
export const atMostOnce = (reason: string): Idempotency<unknown, never, never, "AtMostOnce"> =>
  make("AtMostOnce", { _tag: "AtMostOnce", reason })

const lengthOf = (input: Duration.Input): string => format(check("", input).millis)

/**
 * One sentence about where the key comes from, for plans.
 *
 * @category destructors
 * @since 0.1.0
 */
export const describe = (self: { readonly strategy: Strategy }): string => {
  const strategy = self.strategy
  switch (strategy._tag) {
    case "Safe":
      return `safe: ${strategy.reason}`
    case "Inherent":
      return `idempotent by nature: ${strategy.reason}`
    case "Keyed": {
      const at = strategy.placement
      const place =
        at._tag === "Header"
          ? `header ${at.name}${at.quoted ? " (quoted)" : ""}`
          : at._tag === "BodyField"
            ? `body field ${at.path.join(".")}`
            : `GraphQL variable ${at.variable}`
      return `key from the input, in ${place}, kept ${strategy.lifetime === "forever" ? "for ever" : `for ${lengthOf(strategy.lifetime)}`}`
    }
    case "Reconcilable":
      return `looks ${strategy.lookFirst ? "before it sends, and " : ""}before it repeats, ${lengthOf(strategy.settle)} after an unknown outcome`
    case "Conditional": {
      const { applied, sends } = strategy
      const condition =
        sends.header === "if-match"
          ? "an entity tag (If-Match)"
          : sends.header === "if-none-match"
            ? "there being none yet (If-None-Match)"
            : `a version in the request: ${sends.reason}`
      return `conditional on ${condition}${applied === undefined ? "" : ", looks after a conflict in doubt"}`
    }
    case "AtMostOnce":
      return `at most once: ${strategy.reason}`
  }
}
