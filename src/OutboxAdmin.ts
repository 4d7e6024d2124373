/**
 * What a person does about stored calls: looks at them, makes dead ones again, gives them up, says that they happened.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { advice, failed, type Given, newKeyOf, noteOf, problemOf, refusal, statsOf, unlike } from "./internal/admin.ts"
import { answerBy } from "./internal/durable.ts"
import type { Audit, Entry, State } from "./OutboxEntry.ts"
import type { OutboxError } from "./OutboxError.ts"
import {
  type Change,
  Cipher,
  type Filter,
  type Group,
  OutboxStore,
  type Paused,
  type StoreError
} from "./OutboxStore.ts"

/**
 * Who changes an entry, and why. Both are needed, and are kept in the entry's audit trail.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signed {
  readonly by: string
  /** Why, and on what evidence: a ticket, what the provider says. */
  readonly evidence: string
}

/**
 * How entries are made again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Redrive extends Signed {
  /**
   * Send it under a new key: the provider takes it for another call. Only where it is known that it did not happen. The key
   * is derived from the old one, so that the same wish twice gives the same key. Default: false, key and bytes stay.
   */
  readonly newKey?: boolean | undefined
  /** For an entry without a key that may have happened: send it once more all the same. Default: false. */
  readonly again?: boolean | undefined
  /** How many become due per second. Default: all at once. */
  readonly rate?: number | undefined
  /** At most so many, the oldest first. Default: all that the filter finds. */
  readonly limit?: number | undefined
}

/**
 * What a change has done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Changed {
  /** The entries as they were before, oldest first. */
  readonly changed: ReadonlyArray<Entry>
  /** Those that the filter found and that were left as they are, and why. */
  readonly refused: ReadonlyArray<OutboxError>
}

/**
 * An entry, and what people did to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shown {
  readonly entry: Entry
  /** Oldest first. */
  readonly audits: ReadonlyArray<Audit>
}

/**
 * The entries of one operation.
 *
 * @category models
 * @since 0.1.0
 */
export interface OperationStats {
  readonly integration: string
  readonly operation: string
  readonly counts: Readonly<Record<State, number>>
  /** How long the oldest that has not ended has been waiting, in milliseconds. */
  readonly oldestAge: number | undefined
  /** Whether the operation, or its whole integration, is paused. */
  readonly paused: boolean
}

/**
 * The state of an outbox.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly operations: ReadonlyArray<OperationStats>
  readonly paused: ReadonlyArray<Paused>
}

/**
 * The tools. Every failure is an `OutboxError` whose message says what to do next.
 *
 * @category models
 * @since 0.1.0
 */
export interface Admin {
  /** One page of entries, oldest first. `next` is where the page after this one begins. Default limit: 50. */
  readonly list: (
    filter?: Filter,
    page?: { readonly limit?: number | undefined; readonly after?: Pick<Entry, "createdAt" | "id"> | undefined }
  ) => Effect.Effect<
    { readonly entries: ReadonlyArray<Entry>; readonly next: Pick<Entry, "createdAt" | "id"> | undefined },
    OutboxError
  >
  /** By its id, or all entries with a key: operations may share one. Fails with `NotFound` if there is none. */
  readonly show: (idOrKey: string) => Effect.Effect<readonly [Shown, ...Array<Shown>], OutboxError>
  /** Entries that ended, or wait, alike, the most of them first. Without `states`: those that are dead or unclear. */
  readonly groups: (filter?: Filter) => Effect.Effect<ReadonlyArray<Group>, OutboxError>
  /**
   * Makes dead or unclear entries again, with the key and the bytes that they had. Attempts count from zero, and it expires
   * no more.
   *
   * **Details**
   *
   * Without `states` a filter means those that are dead or unclear. What it finds and can't be redriven is in `refused`; with
   * an id that is the failure. An entry that may have happened under a key that the provider may have forgotten, or that may
   * be sent once only, fails with `NeedsNewKey` unless `newKey` (with a key) or `again` (without one) is true.
   */
  readonly redrive: (which: string | Filter, options: Redrive) => Effect.Effect<Changed, OutboxError>
  /** Gives entries up. Their payload is gone; they are kept for `keep`, by default 30 days. Pending ones too, if named. */
  readonly discard: (
    which: string | Filter,
    options: Signed & { readonly keep?: Duration.Duration | undefined; readonly limit?: number | undefined }
  ) => Effect.Effect<Changed, OutboxError>
  /**
   * Writes down that an entry happened. It is never sent again.
   *
   * **Details**
   *
   * `result` is what it succeeded with, in the encoded (JSON) form of its schema; `null` for an operation without one. With
   * a result the entry is pending once more: a worker runs `onDelivered` with it, in the transaction in which the entry is
   * delivered, and again if that fails, as for any delivery. Then `Outbox.await` gives it. A result that the schema does not
   * read makes the entry unclear again: its `why` is `schema`, and its history says what is wrong with it.
   *
   * Without a result nobody can be told one. The entry is delivered at once, no handler is run, what it would have done is
   * for the person to do, and `Outbox.await` fails with `ResultGone`.
   *
   * The delivered entry is kept for `keep`. Default: 30 days.
   */
  readonly resolve: (
    id: string,
    options: Signed & { readonly result?: unknown; readonly keep?: Duration.Duration | undefined }
  ) => Effect.Effect<Changed, OutboxError>
  /** Stops an operation, or a whole integration, in every process. Calls that run are not stopped. */
  readonly pause: (what: Paused) => Effect.Effect<void, OutboxError>
  /** Goes on. False if exactly this was not paused. */
  readonly resume: (what: Paused) => Effect.Effect<boolean, OutboxError>
  readonly stats: Effect.Effect<Stats, OutboxError>
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class OutboxAdmin extends Context.Service<OutboxAdmin, Admin>()("breakwater/OutboxAdmin") {}

/**
 * What a redrive or a discard means if it is not said: entries that wait for a person.
 *
 * @category constants
 * @since 0.1.0
 */
export const unwell: ReadonlyArray<State> = ["Dead", "NeedsReconcile"]

/**
 * One sentence: what a person can do about an entry in this state.
 *
 * @category destructors
 * @since 0.1.0
 */
export const next: (entry: Entry) => string = advice

const pageSize = 200

const storeFailed =
  (id: string, before = "") =>
  (error: StoreError): OutboxError =>
    failed(
      "StoreFailed",
      id,
      `${before}${error.message}${error.tookEffect === "unknown" ? ": look at it before you do it again" : ""}`,
      error
    )

/**
 * Makes the tools over the store of the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Admin, never, OutboxStore> = Effect.gen(function* () {
  const store = yield* OutboxStore
  const cipher = yield* Cipher

  const find = (id: string) =>
    Effect.flatMap(
      Effect.mapError(store.get(id), storeFailed(id)),
      Option.match({
        onNone: () => Effect.fail(failed("NotFound", id, `there is no entry ${id}: it may have been forgotten`)),
        onSome: Effect.succeed
      })
    )

  /** Every entry that a filter finds, page by page; a page may change what it found. */
  const each = (
    filter: Filter,
    limit: number,
    f: (entry: Entry) => Effect.Effect<void, OutboxError>
  ): Effect.Effect<void, OutboxError> => {
    const from = (after: Entry | undefined, left: number): Effect.Effect<void, OutboxError> =>
      left <= 0
        ? Effect.void
        : Effect.flatMap(
            Effect.mapError(store.list(filter, { limit: Math.min(pageSize, left), after }), storeFailed("")),
            (page) =>
              Effect.andThen(
                Effect.forEach(page, f, { discard: true }),
                page.length < Math.min(pageSize, left)
                  ? Effect.void
                  : Effect.suspend(() => from(page.at(-1), left - page.length))
              )
          )
    return from(undefined, limit)
  }

  const change = Effect.fnUntraced(function* (
    what: "redrive" | "discard" | "resolve",
    which: string | Filter,
    given: Given,
    changeOf: (entry: Entry, index: number) => Change
  ) {
    const problem = problemOf(given)
    if (problem !== undefined) return yield* failed("Invalid", "", problem)
    const changed: Array<Entry> = []
    const refused: Array<OutboxError> = []
    const one = (entry: Entry): Effect.Effect<void, OutboxError> => {
      const problem = refusal(what, entry, given)
      if (problem !== undefined) return Effect.sync(() => void refused.push(problem))
      const to = changeOf(entry, changed.length)
      const replaced = to._tag === "Redrive" && to.newKey !== undefined
      const audit = {
        action: replaced ? ("redrive with a new key" as const) : what,
        by: given.by.trim(),
        evidence: `${given.evidence.trim()}${replaced ? ` ${noteOf(entry.key ?? "")}` : ""}`
      }
      return Effect.flatMap(
        Effect.mapError(
          store.change(entry, to, audit),
          storeFailed(entry.id, changed.length === 0 ? "" : `after ${changed.length} entries: `)
        ),
        (own) =>
          own
            ? Effect.sync(() => void changed.push(entry))
            : Effect.map(Effect.option(find(entry.id)), (now) => {
                // Somebody was faster.
                refused.push(
                  unlike(
                    what,
                    Option.getOrElse(now, () => entry)
                  )
                )
              })
      )
    }
    if (typeof which !== "string") {
      yield* each({ ...which, states: which.states ?? unwell }, given.limit ?? Infinity, one)
      return { changed, refused }
    }
    yield* Effect.flatMap(find(which), one)
    if (refused[0] !== undefined) return yield* refused[0]
    return { changed, refused }
  })

  return {
    list: (filter = {}, page = {}) => {
      const limit = page.limit ?? 50
      return Effect.map(
        Effect.mapError(store.list(filter, { limit: limit + 1, after: page.after }), storeFailed("")),
        (found) => {
          const entries = found.slice(0, limit)
          return { entries, next: found.length > limit ? entries.at(-1) : undefined }
        }
      )
    },
    show: (idOrKey) =>
      Effect.gen(function* () {
        const byId = yield* store.get(idOrKey)
        const found = Option.isSome(byId) ? [byId.value] : yield* store.list({ key: idOrKey }, { limit: pageSize })
        const shown = yield* Effect.forEach(found, (entry) =>
          Effect.map(store.audits(entry.id), (audits): Shown => ({ entry, audits }))
        )
        const [first, ...rest] = shown
        if (first !== undefined) return [first, ...rest] as readonly [Shown, ...Array<Shown>]
        return yield* failed(
          "NotFound",
          idOrKey,
          `there is no entry with the id or the key ${idOrKey}: a delivered one is forgotten after a while`
        )
      }).pipe(Effect.catchTag("OutboxStoreError", (error) => Effect.fail(storeFailed(idOrKey)(error)))),
    groups: (filter = {}) =>
      Effect.mapBoth(store.groups({ ...filter, states: filter.states ?? unwell }), {
        onFailure: storeFailed(""),
        onSuccess: (groups) => groups.toSorted((a, b) => b.count - a.count || a.oldest - b.oldest)
      }),
    redrive: (which, options) =>
      change("redrive", which, options, (entry, index) => ({
        _tag: "Redrive",
        delay: options.rate === undefined ? Duration.zero : Duration.millis((index * 1000) / options.rate),
        newKey: options.newKey === true && entry.key !== undefined ? newKeyOf(entry, entry.key) : undefined,
        again: options.again === true && entry.key === undefined
      })),
    discard: (which, options) => change("discard", which, options, () => ({ _tag: "Discard", keep: options.keep })),
    resolve: (id, options) =>
      Effect.suspend(() => {
        const { keep = Duration.days(30), result } = options
        return result === undefined
          ? change("resolve", id, options, () => ({ _tag: "Resolve", keep }))
          : Effect.flatMap(
              Effect.mapError(answerBy(cipher, result, keep), ({ message }) =>
                failed("Invalid", id, `${message}: nothing was changed`)
              ),
              (answer) => change("resolve", id, options, () => ({ _tag: "Answer", answer }))
            )
      }),
    pause: (what) => Effect.mapError(store.pause(what), storeFailed("")),
    resume: (what) =>
      Effect.mapError(
        Effect.flatMap(store.paused, (paused) =>
          paused.some((own) => own.integration === what.integration && own.operation === what.operation)
            ? Effect.as(store.resume(what), true)
            : Effect.succeed(false)
        ),
        storeFailed("")
      ),
    stats: Effect.gen(function* () {
      const groups = yield* store.groups({})
      const paused = yield* store.paused
      const now = yield* Clock.currentTimeMillis
      return statsOf(groups, paused, now)
    }).pipe(Effect.mapError(storeFailed("")))
  } satisfies Admin
})

/**
 * The tools over an `OutboxStore`.
 *
 * **Example** (Everything that died because the provider was down, made again, ten per second)
 *
 * ```ts
 * import { OutboxAdmin, OutboxStoreMemory } from "breakwater"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const admin = yield* OutboxAdmin.OutboxAdmin
 *   const { changed, refused } = yield* admin.redrive(
 *     { integration: "payments", reason: "Unavailable" },
 *     { by: "ada", evidence: "INC-42: the provider is back", rate: 10 }
 *   )
 *   return [changed.length, refused.length]
 * })
 *
 * await Effect.runPromise(
 *   Effect.provide(program, OutboxAdmin.layer.pipe(Layer.provide(OutboxStoreMemory.layer)))
 * ) // => [0, 0]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<OutboxAdmin, never, OutboxStore> = Layer.effect(OutboxAdmin, make)
