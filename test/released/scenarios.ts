/**
 * A record in every state, as a version writes it, and what every later version must find there. What a released version
 * was found to promise stands in its folder: a scenario that is changed or added here counts for the next release.
 */
import type { IdempotencyStore } from "breakwater"
import { Duration, Effect } from "effect"

type Store = IdempotencyStore.Store
type Step = IdempotencyStore.Step

/** What the next claim of the same request finds. */
export type Finds =
  | { readonly _tag: "Started"; readonly takenOver: boolean; readonly steps: ReadonlyArray<Step> }
  | { readonly _tag: "Replay"; readonly result: string | null }
  | { readonly _tag: "InFlight" }
  | { readonly _tag: "Held" }

/** A record of a released version. */
export interface Promised {
  readonly scope: string
  readonly key: string
  readonly fingerprint: string
  readonly finds: Finds
  /** How a look sees it; null where it may be forgotten already. */
  readonly record: {
    readonly state: IdempotencyStore.State
    readonly onLostLease: IdempotencyStore.OnLostLease
    readonly steps: ReadonlyArray<Step>
    readonly result: string | null
  } | null
  /** Whether it is listed as held. */
  readonly held: boolean
  /** Whether a sweep may forget it. */
  readonly forgotten: boolean
}

/** Of a promise, what its state does not say. */
interface Scenario {
  readonly promised: Promised
  /** Writes it, and returns the last owner. */
  readonly write: (store: Store) => Effect.Effect<IdempotencyStore.Owner, unknown>
}

const long = Duration.days(30)
const instant = Duration.millis(1)
/** Longer than `instant`, whatever the resolution of a store's clock is. */
const settled = Effect.sleep("20 millis")

const one: Step = { name: "reserve", data: '{"seat":"12A"}' }
const two: Step = { name: 'pay "now"', data: "é🦀\\\n" }
const scope = "orders|acct_42|POST /orders"
const fingerprint = `h1:${"0123456789abcdef".repeat(4)}`

type Claiming = Partial<Pick<IdempotencyStore.ClaimOptions, "lease" | "timeToLive" | "onLostLease">>

const scenario = (
  key: string,
  claiming: Claiming,
  promised: Partial<Promised> & Pick<Promised, "finds">,
  then: (
    store: Store,
    owner: IdempotencyStore.Owner,
    claim: Effect.Effect<IdempotencyStore.Claim, unknown>
  ) => Effect.Effect<unknown, unknown> = () => Effect.void
): Scenario => {
  const address = { scope: promised.scope ?? scope, key }
  const options = { ...address, fingerprint, lease: long, timeToLive: long, onLostLease: "rerun" as const, ...claiming }
  return {
    promised: { record: null, held: false, forgotten: false, ...promised, ...address, fingerprint },
    write: (store) =>
      Effect.gen(function* () {
        const claimed = yield* store.claim(options)
        if (claimed._tag !== "Started") return yield* Effect.die(new Error(`${key}: ${claimed._tag}`))
        const owner = { ...address, epoch: claimed.epoch }
        const last = yield* then(store, owner, store.claim(options))
        return typeof last === "number" ? { ...owner, epoch: last } : owner
      })
  }
}

const running = (onLostLease: IdempotencyStore.OnLostLease, steps: ReadonlyArray<Step> = []): Promised["record"] => ({
  state: "Running",
  onLostLease,
  steps,
  result: null
})
const done = (result: string | null): Promised["record"] => ({
  state: "Done",
  onLostLease: "rerun",
  steps: [],
  result
})
const heldWith = (steps: ReadonlyArray<Step>): Promised["record"] => ({ ...running("hold", steps)!, state: "Held" })
const started = (takenOver: boolean, steps: ReadonlyArray<Step> = []): Finds => ({ _tag: "Started", takenOver, steps })
const inFlight: Finds = { _tag: "InFlight" }
const replay = (result: string | null): Finds => ({ _tag: "Replay", result })

const saving =
  (...steps: ReadonlyArray<Step>) =>
  (store: Store, owner: IdempotencyStore.Owner) =>
    Effect.forEach(steps, (step) => store.saveStep(owner, step), { discard: true })
const completing =
  (result: string | undefined, timeToLive = long) =>
  (store: Store, owner: IdempotencyStore.Owner) =>
    store.complete(owner, { result, timeToLive })
const answer = '{"status":201,"body":"{\\"id\\":\\"ch_1\\"}","note":"é🦀 \' \\\\"}'

export const scenarios: ReadonlyArray<Scenario> = [
  scenario("running, rerun", {}, { finds: inFlight, record: running("rerun") }),
  scenario(
    "running, resume",
    { onLostLease: "resume" },
    { finds: inFlight, record: running("resume", [one, two]) },
    saving(one, two)
  ),
  scenario("running, hold", { onLostLease: "hold" }, { finds: inFlight, record: running("hold") }),
  scenario("running, past its time to live", { timeToLive: instant }, { finds: inFlight, record: running("rerun") }),
  scenario("lapsed, rerun", { lease: instant }, { finds: started(true), record: running("rerun", [one]) }, saving(one)),
  scenario(
    "lapsed, resume",
    { lease: instant, onLostLease: "resume" },
    { finds: started(true, [{ ...one, data: "again" }, two]) },
    // A step that is saved again: SQL puts it last, Redis too.
    saving({ ...one, data: "first" }, { ...one, data: "again" }, two)
  ),
  scenario(
    "lapsed, hold",
    { lease: instant, onLostLease: "hold" },
    { finds: { _tag: "Held" }, held: true },
    saving(one)
  ),
  scenario(
    "lapsed, hold, past its time to live",
    { lease: instant, timeToLive: instant, onLostLease: "hold" },
    { finds: { _tag: "Held" }, held: true }
  ),
  scenario(
    "lapsed, hold, and found so",
    { lease: instant, onLostLease: "hold" },
    { finds: { _tag: "Held" }, held: true, record: heldWith([]) },
    (_, __, claim) => Effect.andThen(settled, claim)
  ),
  scenario(
    "lapsed, past its time to live",
    { lease: instant, timeToLive: instant, onLostLease: "resume" },
    { finds: started(false), forgotten: true },
    saving(one)
  ),
  scenario("given up", {}, { finds: started(true), record: running("rerun") }, (store, owner) =>
    store.renew(owner, Duration.zero)
  ),
  scenario("taken over", { lease: instant }, { finds: inFlight, record: running("rerun") }, (store, owner, claim) =>
    Effect.gen(function* () {
      yield* settled
      const taken = yield* claim
      if (taken._tag !== "Started" || !taken.takenOver) return yield* Effect.die(new Error(taken._tag))
      yield* store.renew({ ...owner, epoch: taken.epoch }, long)
      return taken.epoch
    })
  ),
  scenario(
    "held",
    { onLostLease: "hold", timeToLive: instant },
    { finds: { _tag: "Held" }, held: true, record: heldWith([one, two]) },
    (store, owner) => Effect.andThen(saving(one, two)(store, owner), store.hold(owner))
  ),
  scenario("done", {}, { finds: replay(answer), record: done(answer) }, completing(answer)),
  scenario("done after steps", {}, { finds: replay("ok"), record: done("ok") }, (store, owner) =>
    Effect.andThen(saving(one)(store, owner), completing("ok")(store, owner))
  ),
  scenario("done, empty", {}, { finds: replay(""), record: done("") }, completing("")),
  scenario("done, not kept", {}, { finds: replay(null), record: done(null) }, completing(undefined)),
  scenario("done, past its time to live", {}, { finds: started(false), forgotten: true }, completing("old", instant)),
  scenario("released", {}, { finds: started(false) }, (store, owner) => store.release(owner)),
  scenario("resolved, done", {}, { finds: replay("by hand"), record: done("by hand") }, (store, owner) =>
    Effect.andThen(store.hold(owner), store.resolve(owner, { _tag: "Done", result: "by hand", timeToLive: long }))
  ),
  scenario("resolved, absent", {}, { finds: started(false) }, (store, owner) =>
    Effect.andThen(store.hold(owner), store.resolve(owner, { _tag: "Absent" }))
  ),
  scenario(
    `a long key: ${"é🦀".repeat(80)}`,
    {},
    { scope: `a long scope: ${"s".repeat(300)}`, finds: replay("long"), record: done("long") },
    completing("long")
  )
]

/** Writes every scenario, and returns the epoch of each one's last owner. What is over at once is over when it returns. */
export const write = (store: Store): Effect.Effect<ReadonlyArray<number>, unknown> =>
  Effect.tap(
    Effect.forEach(scenarios, (one) => Effect.map(one.write(store), ({ epoch }) => epoch)),
    () => settled
  )
