// What the cases of the conformance kit share: two handles, a way to let time pass, and claims about answers.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Address, Claim, ClaimOptions, Owner, Record, Store, StoreError } from "../../../IdempotencyStore.ts"
import { type Harness, Violation } from "../../StoreHarness.ts"

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
  readonly forgets: "swept" | "itself"
  readonly seed: string
  readonly runs: number
  readonly keys: number
  readonly racers: number
}

/** One case, and how it looks at a store. */
export interface Check {
  readonly name: string
  readonly body: (bench: Bench) => Effect.Effect<unknown, unknown>
}

export const check = (name: string, body: (bench: Bench) => Effect.fn.Return<unknown, unknown>): Check => ({
  name,
  body: Effect.fnUntraced(body)
})

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
      forgets: harness.forgets ?? "swept",
      seed: harness.effort?.seed ?? "breakwater",
      runs: harness.effort?.runs ?? 40,
      keys: harness.effort?.keys ?? 40,
      racers: harness.effort?.racers ?? 16
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
    claim: (options) => late(store.claim(options)),
    renew: (owner, lease) => late(store.renew(owner, lease)),
    saveStep: (owner, step) => late(store.saveStep(owner, step)),
    complete: (owner, options) => late(store.complete(owner, options)),
    release: (owner) => late(store.release(owner)),
    hold: (owner) => late(store.hold(owner)),
    resolve: (address, resolution) => late(store.resolve(address, resolution)),
    get: (address) => late(store.get(address)),
    held: (options) => late(store.held(options)),
    sweep: (options) => late(store.sweep(options))
  }
}

// ---- claims about answers

export const violated = (what: string, actual: unknown, expected: unknown): Effect.Effect<never, Violation> =>
  Effect.fail(new Violation({ what, actual, expected }))

export const same = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, Violation> =>
  Equal.equals(actual, expected) ? Effect.void : violated(what, actual, expected)

export const holds = (
  what: string,
  actual: unknown,
  fine: boolean,
  expected: string
): Effect.Effect<void, Violation> => (fine ? Effect.void : violated(what, actual, expected))

/** A span of the store's time: to the millisecond where it stands still, roughly where it is real. */
export const span = (bench: Bench, what: string, actual: number, expected: Duration.Duration) => {
  const off = Math.abs(actual - Duration.toMillis(expected))
  return holds(what, actual, off <= (bench.exact ? 0 : 250), `${Duration.toMillis(expected)} ms`)
}

/** An address of its own for every part of a case. */
export const at = (key: string, scope = "scope"): Address => ({ scope, key })

/** What a claim asks for, where a case asks for nothing else. */
export const asking = (bench: Bench, address: Address, more: Partial<ClaimOptions> = {}): ClaimOptions => ({
  fingerprint: "f:1",
  lease: bench.lease,
  timeToLive: hour,
  onLostLease: "rerun",
  ...address,
  ...more
})

export type Started = Extract<Claim, { readonly _tag: "Started" }> & { readonly owner: Owner }

/** Claims, and must get it. */
export const started = (
  store: Store,
  options: ClaimOptions,
  what = "the claim"
): Effect.Effect<Started, Violation | StoreError> =>
  Effect.flatMap(store.claim(options), (claim) =>
    claim._tag === "Started"
      ? Effect.succeed({ ...claim, owner: { scope: options.scope, key: options.key, epoch: claim.epoch } })
      : violated(what, claim, "Started")
  )

/** Claims, and must be told this. */
export const told = (
  store: Store,
  options: ClaimOptions,
  expected: Exclude<Claim["_tag"], "Started">,
  what = "the claim"
): Effect.Effect<Claim, Violation | StoreError> =>
  Effect.tap(store.claim(options), (claim) => (claim._tag === expected ? Effect.void : violated(what, claim, expected)))

/** Claims what was done, and must be given its answer. */
export const replayed = (store: Store, options: ClaimOptions, result: string | undefined, what = "the claim") =>
  Effect.flatMap(store.claim(options), (claim) => same(what, claim, { _tag: "Replay", result }))

/** The record, which must be there. */
export const stored = (store: Store, address: Address): Effect.Effect<Record, Violation | StoreError> =>
  Effect.flatMap(store.get(address), (found) =>
    Option.isSome(found) ? Effect.succeed(found.value) : violated("the record", undefined, "to be there")
  )

/** Every write of an owner. */
export const writes: ReadonlyArray<
  readonly [name: string, write: (store: Store, owner: Owner) => Effect.Effect<boolean, StoreError>]
> = [
  ["renew", (store, owner) => store.renew(owner, hour)],
  ["saveStep", (store, owner) => store.saveStep(owner, { name: "stale", data: "stale" })],
  ["complete", (store, owner) => store.complete(owner, { result: "stale", timeToLive: hour })],
  ["release", (store, owner) => store.release(owner)],
  ["hold", (store, owner) => store.hold(owner)]
]

/** No write of this owner changes anything, through either handle. */
export const fenced = Effect.fnUntraced(function* (bench: Bench, owner: Owner, who: string) {
  const before = yield* bench.a.get(owner)
  for (const [name, write] of writes) {
    for (const store of [bench.a, bench.b]) {
      yield* same(`${name} of ${who}`, yield* write(store, owner), false)
      yield* same(`the record after ${name} of ${who}`, yield* bench.a.get(owner), before)
    }
  }
})
