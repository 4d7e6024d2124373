// I11: a repeat of a reconcilable call only after a look that started at least `settle` after the end of the last attempt
// that may have happened, and found nothing. On both sides of the promise that `settle` is: a provider that keeps it, and
// one that carries requests out later than that.
import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { FaultInjection } from "breakwater/testing"
import { Arbitrary, Clock, Effect, Exit, Option } from "effect"
import { TestClock } from "effect/testing"
import {
  between,
  callOf,
  certainlyNot,
  failureOf,
  oneOf,
  script,
  seed,
  seededly,
  settle,
  settleTime,
  thing,
  transient,
  tries,
  type World,
  world
} from "./support.ts"

const policy = Policy.standard({ maxAttempts: 5, totalDeadline: "9 minutes" })

/** Faults of a provider that keeps its word: what it has not done within `settle` of losing the caller, it never does. */
const honest = transient.filter((fault) => fault._tag !== "StallBeforeHeaders" || fault.after.toString() === "0 millis")

describe("I11: looking before repeating", () => {
  it.effect.prop(
    "a transfer is never done twice, and every repeat follows a look that came late enough",
    { seed, faults: script(honest) },
    ({ faults, seed }) =>
      Effect.gen(function* () {
        const { acme, events, lookups, provider } = yield* world({ faults, only: ["transfer"], policy })
        const exit = yield* settle(callOf(acme, "transfer"))
        assert.isAtMost(provider.ledger.length, 1)
        const [event] = events
        for (const [index, request] of provider.requests.entries()) {
          const last = provider.requests.slice(0, index).findLast(({ fault }) => !certainlyNot(fault))
          if (last === undefined) continue
          const doubtful = event!.attempts[last.index]!
          const ended = event!.startedAt + doubtful.startedAfter + doubtful.elapsed
          assert.isTrue(
            lookups.some((at) => at >= ended + settleTime - 1e-6 && at <= request.at),
            `no look between ${ended + settleTime} and ${request.at}: ${lookups.join()}`
          )
        }
        // What was done is found: the call succeeds, or says that it may have happened.
        if (provider.ledger.length === 1 && Exit.isFailure(exit)) {
          assert.isFalse(["NotSent", "Refused"].includes(failureOf(exit)!.outcome))
        }
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect("found: the call succeeds with what was found, and nothing is sent again", () =>
    Effect.gen(function* () {
      const { acme, events, lookups, provider } = yield* world({
        faults: [FaultInjection.responseLost],
        only: ["transfer"],
        policy
      })
      const exit = yield* settle(callOf(acme, "transfer"))
      assert.deepStrictEqual(exit, Exit.succeed(thing))
      assert.deepStrictEqual(lookups, [settleTime])
      assert.strictEqual(provider.requests.length, 1)
      assert.strictEqual(events[0]!.outcome, "Applied")
    }).pipe(seededly(1))
  )

  it.effect("not found: the call is sent again", () =>
    Effect.gen(function* () {
      const { acme, lookups, provider } = yield* world({
        faults: [FaultInjection.resetBeforeReading],
        only: ["transfer"],
        policy
      })
      const exit = yield* settle(callOf(acme, "transfer"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(lookups, [settleTime])
      assert.strictEqual(provider.requests.length, 2)
    }).pipe(seededly(1))
  )

  it.effect("could not look: the call is not sent again, and may have happened", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world({
        faults: [FaultInjection.responseLost],
        only: ["transfer"],
        policy,
        find: () => Effect.die(new Error("the lookup is down"))
      })
      const failure = failureOf(yield* settle(callOf(acme, "transfer")))!
      assert.strictEqual(failure.stopped, "whether it happened could not be looked up")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(provider.requests.length, 1)
    }).pipe(seededly(1))
  )

  it.effect.each([FaultInjection.cutBody, FaultInjection.stallInBody, FaultInjection.hugeBody(6_000_000)])(
    "a 2xx whose body was lost has happened: it is looked up, never sent again ($_tag)",
    (fault) =>
      Effect.gen(function* () {
        const { acme, lookups, provider } = yield* world({ faults: [fault, fault, fault], only: ["transfer"], policy })
        const exit = yield* settle(callOf(acme, "transfer"))
        assert.strictEqual(provider.ledger.length, 1)
        assert.strictEqual(provider.requests.length, 1)
        assert.strictEqual(lookups.length, 1)
        assert.deepStrictEqual(exit, Exit.succeed(thing))
      }).pipe(seededly(1))
  )

  it.effect("a 2xx that can't be found yet is not sent again either", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world({
        faults: [FaultInjection.cutBody],
        only: ["transfer"],
        policy,
        find: () => Effect.succeed(Option.none())
      })
      const failure = failureOf(yield* settle(callOf(acme, "transfer")))!
      assert.strictEqual(failure.outcome, "Applied")
      assert.strictEqual(provider.requests.length, 1)
    }).pipe(seededly(1))
  )

  it.effect.prop(
    "a slow look still counts from its start",
    { seed, slow: between(0, 5_000) },
    ({ seed, slow }) =>
      Effect.gen(function* () {
        const { acme, lookups, provider } = yield* world({
          faults: [FaultInjection.resetBeforeReading, FaultInjection.resetBeforeReading],
          only: ["transfer"],
          policy,
          find: () => Effect.as(Effect.sleep(slow), Option.none())
        })
        yield* settle(callOf(acme, "transfer"))
        assert.strictEqual(provider.requests.length, 3)
        assert.approximately(lookups[0]!, settleTime, 1e-6)
        assert.isAtLeast(provider.requests[1]!.at, settleTime + slow - 1e-6)
        assert.isAtLeast(lookups[1]!, provider.requests[1]!.at + settleTime - 1e-6)
        assert.isAtLeast(yield* TestClock.testClockWith((clock) => clock.currentTimeMillis), provider.requests[2]!.at)
      }).pipe(seededly(seed)),
    tries(40)
  )
})

// ---- a provider that carries requests out after its caller has left

const attemptTimeout = 10_000
const patient = Policy.standard({ maxAttempts: 5, totalDeadline: "9 minutes", attemptTimeout })

/** Carried out `late` milliseconds after the attempt has ended: silently, or by a provider that is slow to answer. */
const lateBy = (late: number, silent: boolean): FaultInjection.Fault =>
  silent ? FaultInjection.executesLate(attemptTimeout + late) : FaultInjection.latency(attemptTimeout + late)

/** Two of three requests are carried out late, by what is drawn from `late`; the others meet any other fault, or none. */
const lates = (late: Arbitrary.Arbitrary<number>) =>
  Arbitrary.array(
    Arbitrary.map(
      Arbitrary.all({ which: between(0, 2), late, silent: between(0, 1), other: oneOf([undefined, ...honest]) }),
      ({ late, other, silent, which }) => (which === 0 ? other : lateBy(late, silent === 1))
    ),
    { minLength: 1, maxLength: 5 }
  )

interface Look {
  readonly at: number
  readonly found: boolean
  /** The request that it came before, or would have. Times do not tell: an attempt may end in the moment it begins. */
  readonly before: number
}

/** One transfer to its end, and to the end of all that the provider still does after it. */
const transfer = (faults: FaultInjection.Faults) =>
  Effect.gen(function* () {
    const looks: Array<Look> = []
    const find = () =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        const found = own.provider.ledger.length > 0
        looks.push({ at, found, before: own.provider.requests.length })
        return found ? Option.some(thing) : Option.none()
      })
    const own: World = yield* world({ faults, only: ["transfer"], policy: patient, find })
    const exit = yield* settle(callOf(own.acme, "transfer"))
    yield* TestClock.adjust("10 minutes")
    return { ...own, looks, exit, failure: failureOf(exit) }
  })

type Transferred = Effect.Success<ReturnType<typeof transfer>>

/** What holds of every call, whether or not its provider keeps the promise. */
const promised = ({ events, exit, failure, looks, provider }: Transferred) => {
  const event = events[0]!
  const { requests } = provider
  const inDoubt = (index: number) => !certainlyNot(requests[index]?.fault)
  const endOf = (index: number) => {
    const attempt = event.attempts[index]!
    return event.startedAt + attempt.startedAfter + attempt.elapsed
  }

  assert.strictEqual(events.length, 1)
  assert.isAtMost(requests.length, 5)
  for (let index = 1; index < requests.length; index++) {
    // One look for one repeat, that came late enough and found nothing; none where it certainly did not happen.
    const own = looks.filter(({ before }) => before === index)
    if (!inDoubt(index - 1)) {
      assert.deepStrictEqual(own, [], `request ${index} was looked for though it had been refused`)
      continue
    }
    assert.strictEqual(own.length, 1, `request ${index} follows ${own.length} looks`)
    assert.isFalse(own[0]!.found, `request ${index} was sent though it was found`)
    assert.isAtLeast(own[0]!.at, endOf(index - 1) + settleTime - 1e-6, `the look before request ${index} was early`)
  }
  // So often as it was looked in vain, so often it was sent again after a doubt, and never more.
  const repeats = requests.slice(1).filter((_, index) => inDoubt(index)).length
  assert.strictEqual(looks.filter(({ found }) => !found).length, repeats)
  assert.isAtMost(provider.ledger.length, 1 + repeats)

  // What a look has found is the call's success, and its end.
  const found = looks.findIndex((look) => look.found)
  if (found >= 0) {
    assert.strictEqual(found, looks.length - 1)
    assert.deepStrictEqual(exit, Exit.succeed(thing))
  }
  // "It did not happen" is said only where every doubt was looked into, late enough, and in vain.
  if (failure !== undefined && ["NotSent", "Refused"].includes(failure.outcome)) {
    const last = requests.findLastIndex((_, index) => inDoubt(index))
    if (last >= 0)
      assert.isTrue(looks.some(({ at, before }) => before === last + 1 && at >= endOf(last) + settleTime - 1e-6))
  }
  return { endOf }
}

describe("I11: carried out late, but within `settle`", () => {
  const kept = (result: Transferred) => {
    promised(result)
    const { exit, failure, looks, provider } = result
    assert.isAtMost(provider.ledger.length, 1, `done ${provider.ledger.length} times`)
    // What was done is found by the first look after it, or may have happened.
    const [done] = provider.ledger
    if (done === undefined) return
    assert.isFalse(looks.some(({ at, found }) => at > done.at && !found))
    if (Exit.isFailure(exit)) assert.isFalse(["NotSent", "Refused"].includes(failure!.outcome))
  }

  it.effect.prop(
    "below: never done twice, and found",
    { seed, faults: lates(between(-attemptTimeout, settleTime - 1)) },
    ({ faults, seed }) => Effect.map(transfer(faults), kept).pipe(seededly(seed)),
    tries(200)
  )

  // The first attempt alone begins at a whole millisecond: two sums of fractions need not meet.
  it.effect.prop(
    "equal: what is done in the last moment is found by the look of the same moment",
    { seed, silent: between(0, 1), faults: lates(between(0, settleTime - 1)) },
    ({ faults, seed, silent }) =>
      Effect.gen(function* () {
        const result = yield* transfer([lateBy(settleTime, silent === 1), ...faults])
        kept(result)
        assert.deepStrictEqual(result.looks, [{ at: attemptTimeout + settleTime, found: true, before: 1 }])
        assert.strictEqual(result.provider.ledger[0]!.at, attemptTimeout + settleTime)
        assert.strictEqual(result.provider.requests.length, 1)
      }).pipe(seededly(seed)),
    tries(40)
  )
})

describe("I11: carried out later than `settle`: the provider breaks its promise", () => {
  it.effect.prop(
    "what is left: one look for one repeat, late enough, and no denial without a look",
    { seed, faults: lates(between(settleTime + 1, 5 * settleTime)) },
    ({ faults, seed }) =>
      Effect.gen(function* () {
        const result = yield* transfer(faults)
        const { endOf } = promised(result)
        const { failure, looks, provider } = result
        const late = provider.ledger.filter(({ at, request }) => at > endOf(request) + settleTime)
        // One is done in time at most, and only where none was seen: the others are the provider's breach.
        assert.isAtMost(provider.ledger.length - late.length, 1)
        if (failure !== undefined && ["NotSent", "Refused"].includes(failure.outcome)) {
          // A denial is wrong only by what was done after the last look.
          assert.strictEqual(late.length, provider.ledger.length)
          for (const { at } of late) assert.isTrue(looks.every((look) => look.at < at))
        }
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect.prop(
    "on either side, mixed: the same holds",
    { seed, faults: lates(between(-attemptTimeout, 3 * settleTime)) },
    ({ faults, seed }) => Effect.map(transfer(faults), promised).pipe(seededly(seed)),
    tries(200)
  )

  it.effect("it is done twice, which no client can prevent: `settle` must be what the provider keeps", () =>
    Effect.gen(function* () {
      const { exit, looks, provider } = yield* transfer([lateBy(settleTime + 1, true)])
      assert.deepStrictEqual(exit, Exit.succeed(thing))
      assert.deepStrictEqual(looks, [{ at: attemptTimeout + settleTime, found: false, before: 1 }])
      assert.deepStrictEqual(
        provider.ledger.map(({ request }) => request),
        [1, 0]
      )
    }).pipe(seededly(1))
  )

  it.effect("it is even denied, where the repeat was refused: the look was believed", () =>
    Effect.gen(function* () {
      const refused = FaultInjection.times(4, FaultInjection.refused)
      const { failure, provider } = yield* transfer([lateBy(5 * settleTime, true), ...refused])
      assert.strictEqual(failure!.outcome, "NotSent")
      assert.deepStrictEqual(
        provider.ledger.map(({ request }) => request),
        [0]
      )
    }).pipe(seededly(1))
  )
})
