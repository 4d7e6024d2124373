// I8: no attempt starts unless it ends before the provider may forget the key, counted from the first send: this call's,
// or an earlier process's that `issuedAt` tells of.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Clock, Context, Effect, Layer, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { between, Failed, failureOf, oneOf, seed, seededly, settle, tries } from "./support.ts"

const attemptTimeout = 4_000
const now0 = 1_000_000_000

/** The margin of DESIGN, once more. */
const marginOf = (lifetime: number) => Math.min(60_000, lifetime / 60)

const integration = (options: {
  readonly lifetime: number
  readonly issuedAgo: number | undefined
  readonly every: number
  readonly stall: number
  readonly outcome: "lost" | "throttled"
}) =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    const events: Array<Telemetry.CallObserved> = []
    class Bank extends Integration.Service<Bank>()(
      "test/Bank",
      {
        policy: Policy.stack(
          Policy.totalDeadline("10 minutes"),
          Policy.retry(Schedule.spaced(options.every), { maxAttempts: 20 }),
          Policy.attemptTimeout(attemptTimeout),
          // A layer that dawdles before each attempt, so that time passes after retry has looked at the clock.
          Policy.make({
            slot: "call",
            name: "dawdle",
            build: () => Effect.succeed((step) => (call) => Effect.delay(step(call), options.stall))
          })
        ),
        exhausted: Exhaustion.fail,
        orElse: (failure) => new Failed({ failure })
      },
      {
        pay: Operation.mutation("pay", {
          input: Schema.String,
          idempotency: Idempotency.keyed((input: string) => IdempotencyKey.derive("pay", input), {
            lifetime: options.lifetime,
            issuedAt: options.issuedAgo === undefined ? undefined : () => now0 - options.issuedAgo!
          }),
          success: Schema.String,
          classify: () => (options.outcome === "lost" ? Reason.unavailable() : Reason.throttled()),
          translate: {},
          send: () =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.suspend(() => {
                sent.push(now)
                return Effect.fail("no")
              })
            )
        })
      }
    ) {}
    const layer = Integration.layer(Bank).pipe(
      Layer.provide(Telemetry.layerObserver((event) => events.push(event))),
      Layer.orDie
    )
    const bank = Context.get(yield* Layer.build(layer), Bank)
    yield* TestClock.setTime(now0)
    const exit = yield* settle(bank.pay("o-1"))
    return { sent, failure: failureOf(exit)!, event: events[0]! }
  })

describe("I8: the key's lifetime", () => {
  it.effect.prop(
    "every attempt ends, its timeout and a margin included, before the key may be forgotten",
    {
      seed,
      lifetime: between(6_000, 300_000),
      ago: between(-100_000, 400_000),
      every: between(1, 40_000),
      stall: oneOf([0, 0, 500, 7_000]),
      outcome: oneOf(["lost", "throttled"] as const)
    },
    ({ ago, every, lifetime, outcome, seed, stall }) =>
      Effect.gen(function* () {
        const issuedAgo = ago <= 0 ? undefined : ago
        const { event, failure, sent } = yield* integration({ lifetime, issuedAgo, every, stall, outcome })
        const first = issuedAgo === undefined ? sent[0] : now0 - issuedAgo
        for (const at of sent) {
          assert.isAtMost(at + attemptTimeout + marginOf(lifetime), first! + lifetime + 1e-6, `${failure.message}`)
        }
        // What an earlier process sent may have happened, whatever this one was told.
        if (sent.length === 0) {
          assert.isDefined(issuedAgo)
          assert.strictEqual(failure.outcome, "Unknown", failure.message)
          assert.strictEqual(event.outcome, "Unknown")
        }
        if (outcome === "lost") assert.strictEqual(failure.outcome, "Unknown")
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect("the first send is this call's, even if `issuedAt` lies in the future", () =>
    Effect.gen(function* () {
      const { sent } = yield* integration({
        lifetime: 60_000,
        issuedAgo: -86_400_000,
        every: 10_000,
        stall: 0,
        outcome: "lost"
      })
      assert.deepStrictEqual(
        sent.map((at) => at - now0),
        [0, 10_000, 20_000, 30_000, 40_000, 50_000]
      )
    }).pipe(seededly(1))
  )

  it.effect("says why it stopped, before the wait that would lead past the end", () =>
    Effect.gen(function* () {
      const { failure, sent } = yield* integration({
        lifetime: 60_000,
        issuedAgo: undefined,
        every: 25_000,
        stall: 0,
        outcome: "lost"
      })
      assert.deepStrictEqual(
        sent.map((at) => at - now0),
        [0, 25_000, 50_000]
      )
      assert.strictEqual(failure.stopped, "the provider may forget the key before another attempt ends")
      assert.strictEqual(failure.reason._tag, "Unavailable")
    }).pipe(seededly(1))
  )

  it.effect("a key that an earlier process sent too long ago is not sent again, and its outcome is Unknown", () =>
    Effect.gen(function* () {
      const { failure, sent } = yield* integration({
        lifetime: 60_000,
        issuedAgo: 59_000,
        every: 1_000,
        stall: 0,
        outcome: "lost"
      })
      assert.deepStrictEqual(sent, [])
      assert.strictEqual(failure.reason._tag, "KeyExpired")
      assert.strictEqual(failure.outcome, "Unknown")
      assert.include(failure.message, "it may have happened")
    }).pipe(seededly(1))
  )
})
