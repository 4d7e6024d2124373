/**
 * A stored call in every state, as a version writes it, and what every later version must make of it. What a released
 * version was found to promise stands in its folder: a scenario that is changed or added here counts for the next release.
 */
import { Outbox, type OutboxStore } from "breakwater"
import { Duration, Effect } from "effect"
import { inputOf, type OperationName, resultOf } from "./outboxShop.ts"
import type { World } from "./outboxWorld.ts"

type Why = NonNullable<Outbox.Entry["why"]>

/** A stored call of a released version. */
export interface Promised {
  readonly order: string
  readonly operation: OperationName
  readonly state: Outbox.Entry["state"]
  readonly why: Outbox.Entry["why"] | null
  /** What it is once a worker has been at work. */
  readonly worked: Outbox.Entry["state"]
  /** Whether the worker sends it for that. */
  readonly sent: boolean
  /** How a person makes it go again; null where nobody can, or need. */
  readonly redrive: "as it was" | "anew" | null
  readonly audits: ReadonlyArray<Parameters<OutboxStore.Store["change"]>[2]["action"]>
  /** Whether a sweep may forget it. */
  readonly forgotten: boolean
}

interface Scenario {
  readonly promised: Promised
  /** Writes it, and returns its id. */
  readonly write: (world: World) => Effect.Effect<string, unknown>
}

const long = Duration.days(30)
const instant = Duration.millis(1)
/** Longer than `instant`, whatever the resolution of a store's clock is. */
const settled = Effect.sleep("20 millis")
export const signed = { by: "ops@example.com", evidence: "TICKET-1: é🦀 ' \\ \"" } as const

const history: OutboxStore.Learned["history"] = [
  {
    at: 1_700_000_000_000,
    reason: "Unavailable",
    message: 'HTTP 503 é🦀 "',
    outcome: "Unknown",
    status: 503,
    attempts: 2,
    elapsed: 812,
    requestId: "req_1"
  },
  {
    at: 1_700_000_001_000,
    reason: "Timeout",
    message: "no answer in time",
    outcome: "Unknown",
    status: undefined,
    attempts: 1,
    elapsed: 1_000,
    requestId: undefined
  }
]
const doubtful: OutboxStore.Learned = { outcome: "Unknown", firstSentAgo: 60_000, inDoubtAgo: 30_000, history }
const refused: OutboxStore.Learned = { outcome: "Refused", firstSentAgo: 60_000, inDoubtAgo: undefined, history }

const scenario = (
  operation: OperationName,
  order: string,
  promised: Partial<Promised> & Pick<Promised, "state">,
  write: Scenario["write"]
): Scenario => ({
  promised: {
    order,
    operation,
    why: null,
    worked: promised.state,
    sent: false,
    redrive: null,
    audits: [],
    forgotten: false,
    ...promised
  },
  write
})

type Queued = Exclude<OperationName, "park">

/** Ends the claim of a call that was stored with one. */
const ended = (operation: Queued, order: string, verdict: OutboxStore.Verdict, learned: OutboxStore.Learned) =>
  Effect.fnUntraced(function* (world: World) {
    const { claim, id } = yield* world.queue(operation, order, { lease: long })
    if (claim === undefined) return yield* Effect.die(new Error(`${order} was not claimed`))
    const own = yield* world.store.settle(claim.entry, verdict, learned)
    return own ? id : yield* Effect.die(new Error(`${order} was not settled`))
  })
const then =
  (write: Scenario["write"], next: (world: World, id: string) => Effect.Effect<unknown, unknown>): Scenario["write"] =>
  (world) =>
    Effect.tap(write(world), (id) => next(world, id))

const dead = (why: Why): OutboxStore.Verdict => ({ _tag: "Dead", why })
const unclear = (why: Why): OutboxStore.Verdict => ({ _tag: "NeedsReconcile", why })
const redriven = { state: "Pending", worked: "Delivered", sent: true, audits: ["redrive"] } as const

/** The calls that end badly, with each reason that a worker gives. */
const deaths: ReadonlyArray<readonly [Why, OutboxStore.Learned]> = [
  ["rejected", refused],
  ["exhausted", doubtful],
  ["expired", refused],
  ["schema", refused],
  ["key expired", refused]
]
const doubts: ReadonlyArray<readonly [Why, Promised["redrive"]]> = [
  ["unclear", "as it was"],
  ["expired", "as it was"],
  ["schema", "as it was"],
  ["key expired", "anew"]
]

export const scenarios: ReadonlyArray<Scenario> = [
  // Of `pay` all have ended, so that a worker or a claim finds the one that is meant.
  scenario("pay", "delivered", { state: "Delivered" }, (world) =>
    Effect.gen(function* () {
      const { id } = yield* world.queue("pay", "delivered")
      yield* world.workUntil("pay", id, "Delivered")
      return id
    })
  ),
  scenario("pay", "declined", { state: "Dead", why: "rejected", redrive: "as it was" }, (world) =>
    Effect.gen(function* () {
      world.provider.answers.set("declined", "declined")
      const { id } = yield* world.queue("pay", "declined")
      yield* world.workUntil("pay", id, "Dead")
      return id
    })
  ),
  scenario(
    "pay",
    "redriven, and dead again",
    { state: "Dead", why: "exhausted", redrive: "as it was", audits: ["redrive"] },
    then(ended("pay", "redriven, and dead again", dead("rejected"), refused), (world, id) =>
      Effect.gen(function* () {
        yield* world.admin.redrive(id, signed)
        const names = { integration: "released/Shop", operation: "pay" }
        const [claim] = yield* world.store.claim({ ...names, limit: 1, lease: long })
        if (claim?.entry.id !== id) return yield* Effect.die(new Error("another one was claimed"))
        yield* world.store.settle(claim.entry, dead("exhausted"), doubtful)
      })
    )
  ),
  scenario("charge", "pending", { state: "Pending", worked: "Delivered", sent: true }, (world) =>
    Effect.map(world.queue("charge", "pending"), ({ id }) => id)
  ),
  scenario("charge", "pending, for later", { state: "Pending" }, (world) =>
    Effect.map(world.queue("charge", "pending, for later", { delay: long }), ({ id }) => id)
  ),
  scenario("charge", "pending, until it expires", { state: "Pending", worked: "Delivered", sent: true }, (world) =>
    Effect.map(world.queue("charge", "pending, until it expires", { expiresAfter: long }), ({ id }) => id)
  ),
  scenario("charge", "pending, and expired", { state: "Pending", worked: "Dead" }, (world) =>
    Effect.map(
      Effect.tap(world.queue("charge", "pending, and expired", { expiresAfter: instant }), settled),
      ({ id }) => id
    )
  ),
  scenario(
    "charge",
    "pending, after tries",
    { state: "Pending", worked: "Delivered", sent: true },
    ended(
      "charge",
      "pending, after tries",
      { _tag: "Again", delay: Duration.zero, counts: true, pausing: true, answer: undefined },
      doubtful
    )
  ),
  scenario("charge", "answered", { state: "Pending", worked: "Delivered" }, (world) =>
    answered(world, "answered", world.call("charge", inputOf("answered")))
  ),
  scenario("charge", "answered with a no", { state: "Pending", worked: "Dead" }, (world) => {
    world.provider.answers.set("answered with a no", "declined")
    return answered(world, "answered with a no", Effect.flip(world.call("charge", inputOf("answered with a no"))))
  }),
  scenario("park", "parked", { state: "Pending", worked: "Delivered", sent: true }, (world) =>
    parked(world, "parked", "down")
  ),
  scenario("park", "parked, and unclear", { state: "Pending", worked: "Delivered", sent: true }, (world) =>
    parked(world, "parked, and unclear", "lost")
  ),
  scenario("charge", "claimed", { state: "Leased" }, (world) =>
    Effect.map(world.queue("charge", "claimed", { lease: long }), ({ id }) => id)
  ),
  scenario("charge", "claimed, and left", { state: "Leased", worked: "Delivered", sent: true }, (world) =>
    Effect.map(world.queue("charge", "claimed, and left", { lease: instant }), ({ id }) => id)
  ),
  scenario("once", "claimed, and left, once", { state: "Leased", worked: "NeedsReconcile" }, (world) =>
    Effect.map(world.queue("once", "claimed, and left, once", { lease: instant }), ({ id }) => id)
  ),
  scenario(
    "charge",
    "delivered, past its time",
    { state: "Delivered", forgotten: true },
    ended(
      "charge",
      "delivered, past its time",
      { _tag: "Delivered", result: JSON.stringify({ result: resultOf("old") }), keep: instant },
      { ...doubtful, outcome: "Applied" }
    )
  ),
  ...deaths.map(([why, learned]) =>
    scenario(
      "charge",
      `dead, ${why}`,
      { state: "Dead", why, redrive: "as it was" },
      ended("charge", `dead, ${why}`, dead(why), learned)
    )
  ),
  ...doubts.map(([why, redrive]) =>
    scenario(
      "charge",
      `unclear, ${why}`,
      { state: "NeedsReconcile", why, redrive },
      ended("charge", `unclear, ${why}`, unclear(why), doubtful)
    )
  ),
  scenario(
    "once",
    "unclear, sent once",
    { state: "NeedsReconcile", why: "sent once", redrive: "anew" },
    ended("once", "unclear, sent once", unclear("sent once"), doubtful)
  ),
  scenario(
    "charge",
    "discarded",
    { state: "Discarded", audits: ["discard"] },
    then(ended("charge", "discarded", dead("rejected"), refused), ({ admin }, id) => admin.discard(id, signed))
  ),
  scenario(
    "charge",
    "discarded, past its time",
    { state: "Discarded", audits: ["discard"], forgotten: true },
    then(ended("charge", "discarded, past its time", dead("exhausted"), doubtful), ({ admin }, id) =>
      admin.discard(id, { ...signed, keep: instant })
    )
  ),
  scenario(
    "charge",
    "redriven",
    redriven,
    then(ended("charge", "redriven", dead("exhausted"), doubtful), ({ admin }, id) => admin.redrive(id, signed))
  ),
  scenario(
    "charge",
    "redriven with a new key",
    { ...redriven, audits: ["redrive with a new key"] },
    then(ended("charge", "redriven with a new key", unclear("key expired"), doubtful), ({ admin }, id) =>
      admin.redrive(id, { ...signed, newKey: true })
    )
  ),
  scenario(
    "once",
    "redriven, once more",
    redriven,
    then(ended("once", "redriven, once more", unclear("sent once"), doubtful), ({ admin }, id) =>
      admin.redrive(id, { ...signed, again: true })
    )
  ),
  scenario(
    "charge",
    "resolved",
    { state: "Delivered", audits: ["resolve"] },
    then(ended("charge", "resolved", unclear("unclear"), doubtful), ({ admin }, id) => admin.resolve(id, signed))
  ),
  scenario(
    "charge",
    "resolved with a result",
    { state: "Pending", worked: "Delivered", audits: ["resolve"] },
    then(ended("charge", "resolved with a result", unclear("unclear"), doubtful), ({ admin }, id) =>
      admin.resolve(id, { ...signed, result: resultOf("resolved with a result") })
    )
  ),
  // A lane that is stopped by a dead one.
  scenario(
    "ship",
    "north/1",
    { state: "Dead", why: "exhausted", redrive: "as it was" },
    ended("ship", "north/1", dead("exhausted"), doubtful)
  ),
  scenario("ship", "north/2", { state: "Waiting" }, (world) =>
    Effect.map(world.queue("ship", "north/2"), ({ id }) => id)
  ),
  // One whose first is at work.
  scenario("ship", "south/1", { state: "Leased" }, (world) =>
    Effect.map(world.queue("ship", "south/1", { lease: long }), ({ id }) => id)
  ),
  scenario("ship", "south/2", { state: "Waiting" }, (world) =>
    Effect.map(world.queue("ship", "south/2"), ({ id }) => id)
  ),
  // One that goes.
  ...["Pending", "Waiting", "Waiting"].map((state, n) =>
    scenario(
      "ship",
      `east/${n + 1}`,
      { state: state as "Pending" | "Waiting", worked: "Delivered", sent: true },
      (world) => Effect.map(world.queue("ship", `east/${n + 1}`), ({ id }) => id)
    )
  ),
  // One that goes on without a dead one.
  scenario(
    "tell",
    "west/1",
    { state: "Dead", why: "rejected", redrive: "as it was" },
    ended("tell", "west/1", dead("rejected"), refused)
  ),
  scenario("tell", "west/2", { state: "Pending", worked: "Delivered", sent: true }, (world) =>
    Effect.map(world.queue("tell", "west/2"), ({ id }) => id)
  ),
  // An operation that is paused.
  scenario("fax", "paused", { state: "Pending" }, (world) => Effect.map(world.queue("fax", "paused"), ({ id }) => id))
]

/** What is paused, beside the entries. */
export const paused: ReadonlyArray<OutboxStore.Paused> = [
  { integration: "released/Other", operation: undefined },
  { integration: "released/Shop", operation: "fax" }
]

/** A call that was made, and whose end no handler has heard of. */
function answered(world: World, order: string, call: Effect.Effect<unknown, unknown>): Effect.Effect<string, unknown> {
  return Effect.andThen(call, onlyOf(world, order))
}

/** A call that the provider did not answer. */
function parked(world: World, order: string, how: "down" | "lost"): Effect.Effect<string, unknown> {
  return Effect.gen(function* () {
    world.provider.answers.set(order, how)
    const stored = yield* world.call("park", inputOf(order))
    return Outbox.isParked(stored) ? stored.id : yield* Effect.die(new Error(`${order} was not parked`))
  })
}

/** The id of the one whose payload names this order. */
const onlyOf = ({ store }: World, order: string) =>
  Effect.flatMap(store.list({ integration: "released/Shop" }, { limit: 1_000 }), (entries) => {
    const [found] = entries.filter(({ payload }) => payload.includes(`"${order}"`))
    return found === undefined ? Effect.die(new Error(`${order} is not stored`)) : Effect.succeed(found.id)
  })

/** Writes every scenario, and returns their ids. What is over at once is over when it returns. */
export const write = (world: World): Effect.Effect<ReadonlyArray<string>, unknown> =>
  Effect.gen(function* () {
    const ids: Array<string> = []
    for (const { promised, write } of scenarios) {
      const id = yield* write(world)
      const { state, why } = yield* world.entry(id)
      if (state !== promised.state || (why ?? null) !== promised.why) {
        return yield* Effect.die(
          new Error(`${promised.order} is ${state} ${why}, not ${promised.state} ${promised.why}`)
        )
      }
      ids.push(id)
    }
    for (const what of paused) yield* world.admin.pause(what)
    // What was parked is due after a second.
    yield* Effect.sleep("1100 millis")
    return ids
  })
