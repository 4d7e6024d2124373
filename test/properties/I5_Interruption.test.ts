// I5: interruption ends a call at once, wherever it is; nothing more is sent; every permit and probe is returned.
import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  between,
  callOf,
  interruptAtOnce,
  names,
  oneOf,
  script,
  seed,
  seededly,
  settle,
  transient,
  tries,
  watchedBreaker,
  watchedBulkhead,
  world
} from "./support.ts"

describe("I5: interruption", () => {
  it.effect.prop(
    "at any time: in a queue, on the wire, in the body, in a backoff, in a look",
    {
      seed,
      faults: script(transient, { minLength: 4, maxLength: 12 }),
      name: oneOf(names),
      callers: between(1, 4),
      victim: between(0, 3),
      at: between(0, 7_000)
    },
    ({ at, callers, faults, name, seed, victim }) =>
      Effect.gen(function* () {
        let healthy = false
        let arrivals = 0
        const bulkhead = watchedBulkhead(1, 2)
        const breaker = watchedBreaker({ consecutive: 2, openFor: 300, maxOpenFor: 600 })
        const { acme, events, provider } = yield* world({
          faults: () => (healthy ? undefined : faults[arrivals++ % faults.length]),
          only: [name],
          policy: Policy.stack(
            Policy.standard({ attemptTimeout: "1 second", totalDeadline: "6 seconds", maxAttempts: 5 }),
            bulkhead.policy,
            breaker.policy
          )
        })
        const fibers = yield* Effect.forEach(Array.from({ length: callers }), (_, n) =>
          Effect.forkChild(callOf(acme, name, `o-${n}`), { startImmediately: true })
        )
        yield* TestClock.adjust(at)
        const fiber = fibers[victim % callers]!
        const running = fiber.pollUnsafe() === undefined
        const before = yield* Clock.currentTimeMillis
        const exit = yield* interruptAtOnce(fiber)
        assert.strictEqual(yield* Clock.currentTimeMillis, before)
        if (running) assert.isTrue(Exit.hasInterrupts(exit))
        if (callers === 1) {
          // Nobody else calls: nothing at all is sent from now on, and nothing is held.
          const sent = provider.requests.length
          assert.strictEqual(bulkhead.permits.taken, 0)
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(provider.requests.length, sent)
        }
        for (const other of fibers) yield* settle(Fiber.await(other))
        assert.strictEqual(events.length, callers)
        assert.strictEqual(bulkhead.permits.taken, 0)
        assert.strictEqual(bulkhead.permits.waiting.size, 0)
        const state = yield* breaker.state()
        if (state._tag === "HalfOpen") assert.isFalse(state.probing)
        // Whatever was left behind, the next call gets through.
        healthy = true
        yield* TestClock.adjust("1 minute")
        assert.isTrue(Exit.isSuccess(yield* settle(callOf(acme, name, "o-next"))))
      }).pipe(seededly(seed)),
    tries(200)
  )
})
