// What the cases of the outbox's conformance kit share: two handles, a way to let time pass, and claims about answers.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { hashOf } from "../../../internal/fingerprint.ts"
import type { Entry, Lane, OnDead, Try } from "../../../OutboxEntry.ts"
import type { Claimed, Learned, Offer, Store, StoreError } from "../../../OutboxStore.ts"
import { type Effort, type Time, Violation } from "../../StoreHarness.ts"

/**
 * An empty store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  /**
   * Two handles on one and the same store, as two processes would have them: with connections of their own where there
   * are connections, and the same value twice where there are none. The kit runs the second ten minutes ahead: every one
   * of its effects reads another `Clock`.
   */
  readonly handles: readonly [Store, Store]
  readonly time: Time
}

/**
 * A store on the bench.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness {
  /** What the store is called in messages. */
  readonly name: string
  /** Opens a new, empty store (a schema, or tables of its own), and drops it when its scope closes. */
  readonly open: Effect.Effect<Opened, unknown, Scope.Scope>
  /** `keys` is how many entries are raced for, or offered in a race. */
  readonly effort?: Effort | undefined
}

export const hour = Duration.hours(1)
const tenMinutes = 600_000

/** A store in the hands of a case. */
export interface Bench {
  readonly a: Store
  /** The same store, by a process whose clock is ten minutes ahead. */
  readonly b: Store
  /** Whether time stands still until it is moved. */
  readonly exact: boolean
  /** Short enough to be waited for, and long enough for a handful of calls. */
  readonly lease: Duration.Duration
  /** Lets so much time pass, or a little more where time is real. */
  readonly pass: (by: Duration.Duration) => Effect.Effect<void, unknown>
  /** Lets almost so much time pass: all but a millisecond, or nothing where time is real. */
  readonly passAlmost: (by: Duration.Duration) => Effect.Effect<void, unknown>
  readonly seed: string
  readonly runs: number
  readonly keys: number
  readonly racers: number
}

/** One case, and how it looks at a store. */
export interface Check {
  readonly name: string
  readonly body: (bench: Bench) => Effect.Effect<unknown, unknown, Scope.Scope>
}

export const check = (
  name: string,
  body: (bench: Bench) => Effect.fn.Return<unknown, unknown, Scope.Scope>
): Check => ({ name, body: Effect.fnUntraced(body) })

/** Opens the store of a harness. */
export const open = (harness: Harness): Effect.Effect<Bench, unknown, Scope.Scope> =>
  Effect.map(harness.open, ({ handles, time }): Bench => {
    const exact = time._tag === "Settable"
    const millis = Duration.millis
    return {
      a: handles[0],
      b: inTenMinutes(handles[1]),
      exact,
      lease: exact ? Duration.seconds(30) : (time.lease ?? millis(500)),
      pass: (by) => (exact ? time.advance(by) : Effect.sleep(Duration.sum(by, millis(25)))),
      passAlmost: (by) => (exact ? time.advance(Duration.subtract(by, millis(1))) : Effect.void),
      seed: harness.effort?.seed ?? "breakwater",
      runs: harness.effort?.runs ?? 40,
      keys: harness.effort?.keys ?? 40,
      racers: harness.effort?.racers ?? 8
    }
  })

/** A clock ten minutes ahead, that sleeps as the real one does. */
const ahead = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + tenMinutes,
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + tenMinutes),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(tenMinutes) * 1_000_000n,
  currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(tenMinutes) * 1_000_000n),
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

const inTenMinutes = (store: Store): Store => {
  const late = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.clockWith((clock) => Effect.provideService(self, Clock.Clock, ahead(clock)))
  return {
    ...store,
    offer: (offer) => late(store.offer(offer)),
    claim: (options) => late(store.claim(options)),
    settle: (owner, verdict, learned) => late(store.settle(owner, verdict, learned)),
    isBusy: (lane) => late(store.isBusy(lane)),
    get: (id) => late(store.get(id)),
    list: (filter, page) => late(store.list(filter, page)),
    groups: (filter) => late(store.groups(filter)),
    change: (entry, change, audit) => late(store.change(entry, change, audit)),
    audits: (id) => late(store.audits(id)),
    pause: (what) => late(store.pause(what)),
    resume: (what) => late(store.resume(what)),
    paused: late(store.paused),
    sweep: (options) => late(store.sweep(options))
  }
}

// ---- what is offered and said

export const names = { integration: "billing", operation: "charge" }

/** An id for every name. */
export const idOf = (name: string): string => hashOf(name).slice(0, 32)

/** What is offered where a case asks for nothing else. */
export const offering = (name: string, more: Partial<Offer> = {}): Offer => ({
  id: idOf(name),
  ...names,
  key: name,
  fingerprint: "f:1",
  origin: "write-ahead",
  payload: `payload of ${name}`,
  correlationId: `c:${name}`,
  traceparent: undefined,
  lane: undefined,
  outcome: "NotSent",
  firstSentAgo: undefined,
  inDoubtAgo: undefined,
  attempts: 0,
  history: [],
  delay: Duration.zero,
  expiresAfter: undefined,
  lease: undefined,
  ...more
})

export const lane = (name = "lane", onDead: OnDead = "block"): Lane => ({ name, onDead })

export const aTry = (more: Partial<Try> = {}): Try => ({
  at: 1_700_000_000_000,
  reason: "Unavailable",
  message: "the provider is down",
  outcome: "Unknown",
  status: 503,
  attempts: 2,
  elapsed: 12,
  requestId: "r-1",
  ...more
})

export const learning = (more: Partial<Learned> = {}): Learned => ({
  outcome: "Applied",
  firstSentAgo: undefined,
  inDoubtAgo: undefined,
  history: [aTry({ reason: "Success", message: "", status: 200 })],
  ...more
})

export const delivered = (result: string | undefined = "result", keep: Duration.Duration = hour) =>
  ({ _tag: "Delivered", result, keep }) as const
export const again = (delay: Duration.Duration = Duration.zero, answer: string | undefined = undefined) =>
  ({ _tag: "Again", delay, counts: true, pausing: true, answer }) as const
export const dead = { _tag: "Dead", why: "rejected" } as const
export const note = { action: "redrive", by: "ada", evidence: "she looked" } as const
export const redrive = { _tag: "Redrive", delay: Duration.zero, newKey: undefined } as const
export const discard = { _tag: "Discard", keep: hour } as const
export const answer = { _tag: "Answer", answer: "seen" } as const
export const resolve = { _tag: "Resolve", keep: hour } as const

// ---- claims about answers

export const violated = (what: string, actual: unknown, expected: unknown): Effect.Effect<never, Violation> =>
  Effect.fail(new Violation({ what, actual, expected }))

export const same = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, Violation> =>
  Equal.equals(actual, expected) ? Effect.void : violated(what, actual, expected)

/** A span of the store's time: to the millisecond where it stands still, roughly where it is real. */
export const span = (bench: Bench, what: string, actual: number | undefined, expected: Duration.Duration) => {
  const off = Math.abs((actual ?? Infinity) - Duration.toMillis(expected))
  return off <= (bench.exact ? 0 : 250) ? Effect.void : violated(what, actual, `${Duration.toMillis(expected)} ms`)
}

/** The entry, which must be there. */
export const stored = (store: Store, name: string): Effect.Effect<Entry, Violation | StoreError> =>
  Effect.flatMap(store.get(idOf(name)), (found) =>
    Option.isSome(found) ? Effect.succeed(found.value) : violated(`the entry ${name}`, undefined, "to be there")
  )

/** Offers, and must not find it there. */
export const put = (
  store: Store,
  name: string,
  more: Partial<Offer> = {}
): Effect.Effect<Claimed | undefined, Violation | StoreError> =>
  Effect.flatMap(store.offer(offering(name, more)), (offered) =>
    offered._tag === "Stored" ? Effect.succeed(offered.claim) : violated(`the offer of ${name}`, offered, "Stored")
  )

/** Claims what is due. */
export const claim = (bench: Bench, store: Store, limit = 100, of = names) =>
  store.claim({ ...of, limit, lease: bench.lease })

/** What is claimed, by its key, sorted. */
export const keysOf = (claims: ReadonlyArray<Claimed>): ReadonlyArray<string | undefined> =>
  claims.map(({ entry }) => entry.key).toSorted()

/** Claims, and must get these. */
export const claims = (bench: Bench, store: Store, expected: ReadonlyArray<string>, what = "what is claimed") =>
  Effect.tap(claim(bench, store), (claimed) => same(what, keysOf(claimed), expected.toSorted()))

/** Claims, and must get this one and no other. */
export const mine = (bench: Bench, store: Store, name: string): Effect.Effect<Entry, Violation | StoreError> =>
  Effect.flatMap(claims(bench, store, [name]), ([first]) =>
    first === undefined ? violated("what is claimed", undefined, name) : Effect.succeed(first.entry)
  )

/** Stores an entry that has ended in this way. */
export const ended = Effect.fnUntraced(function* (
  bench: Bench,
  name: string,
  verdict: Parameters<Store["settle"]>[1],
  more: Partial<Offer> = {}
) {
  const own = yield* put(bench.a, name, { lease: bench.lease, ...more })
  if (own === undefined) return yield* violated(`the claim of ${name}`, own, "to be had with the offer")
  yield* same(`the end of ${name}`, yield* bench.a.settle(own.entry, verdict, learning()), true)
  return yield* stored(bench.a, name)
})

export const states = (store: Store, of: ReadonlyArray<string>) =>
  Effect.forEach(of, (name) => Effect.map(stored(store, name), ({ state }) => state))

/** No change by a call that is to be refused, through either handle. */
export const refused = Effect.fnUntraced(function* (
  bench: Bench,
  what: string,
  name: string,
  call: (store: Store) => Effect.Effect<boolean, StoreError>
) {
  const before = yield* stored(bench.a, name)
  const notes = yield* bench.a.audits(idOf(name))
  for (const store of [bench.a, bench.b]) {
    yield* same(what, yield* call(store), false)
    yield* same(`the entry after ${what}`, yield* stored(bench.a, name), before)
    yield* same(`the notes after ${what}`, yield* bench.a.audits(idOf(name)), notes)
  }
})
