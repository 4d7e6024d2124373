// One run per key at a time, an answer only for who asked for it, everybody by their own deadline, and nothing left behind:
// whoever gives up, whenever.
import { assert, describe, it } from "@effect/vitest"
import { Deadline, Outcome, Policy, Reason } from "breakwater"
import { Arbitrary, Deferred, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, catalog, type CatalogOptions, forUser, patient, type Sent, start, tagOf } from "./askers.ts"
import { ownClock, stage } from "./stepping.ts"
import { failureOf, oneOf, say, seed, seededly, tries, watchedBulkhead } from "./support.ts"

const users = ["ada", "bob"] as const
const ids = ["a", "b"] as const

/** What the n-th send does, by a script. */
const behaviours = ["answers", "answers late", "fails", "never ends", "does not let go", "dies"] as const
type Behaviour = (typeof behaviours)[number]

const behave = (behaviour: Behaviour): ReturnType<NonNullable<CatalogOptions["send"]>> => {
  switch (behaviour) {
    case "answers":
      return Effect.sleep(100)
    case "answers late":
      return Effect.sleep(900)
    case "fails":
      return Effect.andThen(Effect.sleep(200), say(Reason.unavailable()))
    case "never ends":
      return Effect.never
    case "does not let go":
      return Effect.uninterruptible(Effect.sleep(400))
    case "dies":
      return Effect.andThen(Effect.sleep(50), Effect.die(new Error("boom")))
  }
}

const limit = 2_000

interface Ask {
  readonly user: string
  readonly id: string
  readonly at: number
  /** When it gives up, if it does, and the deadline that it brings, if it does. */
  readonly givesUp: number | undefined
  readonly deadline: number | undefined
}

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const asks: Arbitrary.Arbitrary<Array<Ask>> = Arbitrary.array(
  Arbitrary.map(
    Arbitrary.schema(
      Schema.Struct({
        user: Schema.Literals(users),
        id: Schema.Literals(ids),
        at: whole(0, 12),
        givesUp: whole(0, 40),
        deadline: whole(100, 2_000)
      })
    ),
    ({ at, deadline, givesUp, id, user }): Ask => ({
      user,
      id,
      at: at * 50,
      givesUp: givesUp > 20 ? undefined : givesUp * 50,
      deadline: deadline > 1_000 ? undefined : deadline
    })
  ),
  { minLength: 2, maxLength: 8 }
)

const overlap = (a: Sent, b: Sent) => a.began < (b.ended ?? Infinity) && b.began < (a.ended ?? Infinity)

describe("coalescing", () => {
  it.effect.prop(
    "any callers at any time: one run per key, the right answer by the right time, one event each",
    { seed, asks, script: Arbitrary.array(oneOf(behaviours), { minLength: 1, maxLength: 6 }) },
    ({ asks, script, seed }) =>
      Effect.gen(function* () {
        const bulkhead = watchedBulkhead(8, 0)
        const { events, get, sent, state } = yield* catalog({
          policy: Policy.stack(
            patient,
            Policy.totalDeadline(limit),
            Policy.attemptTimeout(limit),
            Policy.retry(Policy.backoff({ base: 50 }), { maxAttempts: 2 }),
            bulkhead.policy
          ),
          coalesce: forUser,
          send: ({ n }) => behave(script[(n - 1) % script.length]!)
        })
        const began = yield* TestClock.testClockWith((clock) => clock.currentTimeMillis)
        const running: Array<{ readonly ask: Ask; readonly fiber: Fiber.Fiber<unknown, unknown>; ended?: number }> = []
        const moments = new Set(asks.flatMap(({ at, givesUp }) => [at, at + (givesUp ?? 0)]))
        const ordered = [...moments].toSorted((a, b) => a - b)
        let now = 0
        for (const moment of [...ordered, ordered.at(-1)! + limit + 500]) {
          yield* TestClock.adjust(moment - now)
          now = moment
          for (const ask of asks) {
            if (ask.at !== moment) continue
            const call = get(ask.id, ask.user)
            const fiber = yield* start(ask.deadline === undefined ? call : call.pipe(Deadline.within(ask.deadline)))
            running.push({ ask, fiber })
          }
          for (const { ask, fiber } of running) {
            if (ask.givesUp !== undefined && ask.at + ask.givesUp === moment) fiber.interruptUnsafe()
          }
          yield* TestClock.adjust(0)
        }
        assert.strictEqual(running.length, asks.length)
        for (const { ask, fiber } of running) {
          const exit = fiber.pollUnsafe()
          assert.isDefined(exit, "a caller did not end")
          if (Exit.isSuccess(exit!)) {
            const answer = exit.value as typeof Answer.Type
            assert.deepStrictEqual([answer.user, answer.id], [ask.user, ask.id], "somebody else's answer")
            const one = sent[answer.n - 1]!
            // No answer from before it asked.
            assert.isAtLeast(one.ended! - began, ask.at)
          }
          if (ask.givesUp === undefined) assert.isFalse(Exit.hasInterrupts(exit!), "it was not given up")
        }
        for (const a of sent) {
          for (const b of sent) {
            if (a === b || a.user !== b.user || a.id !== b.id) continue
            assert.isFalse(overlap(a, b), `two runs at once: ${JSON.stringify([a, b])}`)
          }
          assert.isDefined(a.ended, "a send goes on though nobody waits")
        }
        // One event each, by their own deadline; a send that does not let go is waited for.
        assert.strictEqual(events.length, asks.length)
        const grace = script.includes("does not let go") ? 400 : 0
        for (const event of events) {
          const own = Math.max(
            ...asks.filter(({ at }) => at === event.startedAt - began).map((a) => a.deadline ?? limit)
          )
          assert.isAtMost(event.latency, Math.min(limit, own) + grace)
        }
        // Attempts are told once, and what was sent is never said not to have been.
        const told = events.reduce((sum, { attempts }) => sum + attempts.length, 0)
        assert.isAtMost(told, sent.length + events.filter((e) => e.callOutcome === "cancelled").length)
        for (const event of events) {
          if (event.decisions.some(({ decided }) => decided === "joined")) {
            assert.deepStrictEqual(event.attempts, [])
          }
        }
        assert.strictEqual(state.runs(), 0)
        assert.strictEqual(bulkhead.permits.taken, 0)
      }).pipe(seededly(seed)),
    tries(600)
  )

  it.effect.prop(
    "while observing, nobody shares, and who would have is told",
    { seed, asks },
    ({ asks, seed }) =>
      Effect.gen(function* () {
        const { events, get, sent, state } = yield* catalog({
          coalesce: Policy.withMode(forUser, "observe"),
          send: () => Effect.sleep(200)
        })
        let now = 0
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const model = new Map<string, number>()
        let joins = 0
        for (const { at, id, user } of asks.toSorted((a, b) => a.at - b.at)) {
          yield* TestClock.adjust(at - now)
          now = at
          fibers.push(yield* start(get(id, user)))
          // Nobody gives up here: the run would end with the answer of its first caller.
          const key = `${user} ${id}`
          if ((model.get(key) ?? 0) > at) joins++
          else model.set(key, at + 200)
        }
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(new Set(fibers.map(tagOf)), new Set(["ok"]))
        assert.strictEqual(sent.length, asks.length)
        assert.strictEqual(events.flatMap(({ decisions }) => decisions).length, joins)
        assert.strictEqual(state.watched(), 0)
      }).pipe(seededly(seed)),
    tries(300)
  )

  // On the live clock, where ten thousand limits cost no sorting; nothing waits for it.
  it.live(
    "ten thousand keys, then nothing",
    () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { get, sent, state } = yield* catalog({ coalesce: forUser, send: () => Deferred.await(gate) })
        const fibers = yield* Effect.forEach(Array.from({ length: 10_000 }), (_, n) => start(get(`${n}`)))
        assert.strictEqual(state.runs(), 10_000)
        for (const fiber of fibers.slice(0, 100)) yield* Fiber.interrupt(fiber)
        assert.strictEqual(state.runs(), 9_900)
        yield* Deferred.succeed(gate, undefined)
        for (const fiber of fibers) yield* Fiber.await(fiber)
        assert.strictEqual(state.runs(), 0)
        assert.strictEqual(sent.length, 10_000)
      }).pipe(seededly(1)),
    60_000
  )
})

describe("interruption at every yield point", () => {
  const build = () => {
    const bulkhead = watchedBulkhead(1, 0)
    const turns = Effect.forEach([1, 2, 3], () => Effect.yieldNow, { discard: true })
    return {
      bulkhead,
      make: catalog({ policy: Policy.stack(patient, bulkhead.policy), coalesce: forUser, send: () => turns })
    }
  }

  /** The first asks; the second asks after `gap` turns; after k turns these give up. */
  const interrupted = (who: ReadonlyArray<"leader" | "joiner">, gap: number, k: number) => {
    const { bulkhead, make } = build()
    const { built, close, run, start, stepper } = stage(ownClock(), make)
    const where = `${who.join("+")}, gap = ${gap}, k = ${k}`
    const leader = start(built.get())
    for (let n = 0; n < gap; n++) stepper.step()
    const joiner = start(built.get())
    for (let n = 0; n < k; n++) stepper.step()
    const ended = leader.pollUnsafe() !== undefined && joiner.pollUnsafe() !== undefined
    const victims = who.map((one) => (one === "leader" ? leader : joiner))
    for (const victim of victims) victim.interruptUnsafe()
    stepper.drain()
    for (const fiber of [leader, joiner]) {
      const exit = fiber.pollUnsafe()
      assert.isDefined(exit, `${where}: a caller did not end`)
      if (!victims.includes(fiber)) assert.isTrue(Exit.isSuccess(exit!), `${where}: ${String(exit)}`)
      if (Exit.isFailure(exit!)) assert.isUndefined(failureOf(exit), where)
    }
    assert.strictEqual(built.state.runs(), 0, `${where}: a run is left`)
    assert.strictEqual(bulkhead.permits.taken, 0, `${where}: a permit is lost`)
    assert.isTrue(
      built.sent.every((one) => one.ended !== undefined),
      `${where}: a send goes on`
    )
    // Before its first turn a call has not begun; from then on it is observed, once.
    assert.isAtMost(built.events.length, 2, where)
    for (const event of built.events) {
      if (event.decisions.some(({ decided }) => decided === "joined")) assert.deepStrictEqual(event.attempts, [], where)
    }
    if (built.sent.length > 0 && built.events.length === 2) {
      assert.isFalse(
        built.events.every(({ outcome }) => Outcome.didNotHappen(outcome)),
        `${where}: what was sent is said not to have been`
      )
    }
    assert.isTrue(Exit.isSuccess(run(built.get())), `${where}: the next call`)
    assert.isTrue(close(), `${where}: the layer does not close`)
    return ended
  }

  for (const who of [["leader"], ["joiner"], ["leader", "joiner"], ["joiner", "leader"]] as const) {
    it(
      who.join(", then "),
      () => {
        let points = 0
        for (const gap of [0, 14, 27]) {
          for (let k = 0; !interrupted(who, gap, k); k++) {
            points++
            assert.isBelow(k, 5_000)
          }
        }
        assert.isAbove(points, 100)
      },
      60_000
    )
  }
})
