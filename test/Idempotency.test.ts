import { assert, describe, it } from "@effect/vitest"
import { type CallFailure, Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { expectOutcome, IntegrationTest } from "breakwater/testing"
import { Cause, Context, Data, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"

class Failed extends Data.TaggedError("Failed")<{ readonly failure: CallFailure.CallFailure }> {}

/** What the provider did, and how it is looked up. */
class Ledger extends Context.Service<
  Ledger,
  { readonly sent: Array<string>; readonly find: (id: string) => Effect.Effect<Option.Option<string>, "down"> }
>()("test/Ledger") {}

class Transfers extends Integration.Service<Transfers>()(
  "test/Transfers",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
  {
    send: Operation.mutation("send", {
      input: Schema.String,
      success: Schema.String,
      idempotency: Idempotency.reconcilable((id: string) => Effect.flatMap(Ledger, ({ find }) => find(id)), {
        settle: "1 second",
        lookFirst: true
      }),
      policy: Policy.stack(Policy.standard(), Policy.retryNever("it is started again from outside")),
      send: (id) =>
        Effect.map(Ledger, ({ sent }) => {
          sent.push(id)
          return `sent ${id}`
        })
    })
  }
) {}

const honest = (sent: Array<string>) => ({
  sent,
  find: (id: string) => Effect.succeed(sent.includes(id) ? Option.some(`found ${id}`) : Option.none())
})

const layerOf = (ledger: Ledger["Service"]) =>
  IntegrationTest.record(Integration.layer(Transfers).pipe(Layer.provide(Layer.succeed(Ledger, ledger))))

const send = Effect.flatMap(Transfers, ({ send }) => send("t-1"))

describe("Idempotency.reconcilable with lookFirst", () => {
  it.effect("sends what is not there yet, and a process that starts again does not", () => {
    const ledger = honest([])
    return Effect.gen(function* () {
      assert.strictEqual(yield* Effect.provide(send, layerOf(ledger)), "sent t-1")
      const again = Effect.gen(function* () {
        assert.strictEqual(yield* send, "found t-1")
        expectOutcome(yield* IntegrationTest.Recording).of("send", {
          outcome: "Applied",
          callOutcome: "ok",
          attempts: []
        })
      })
      yield* Effect.provide(again, layerOf(ledger))
      assert.deepStrictEqual(ledger.sent, ["t-1"])
    })
  })

  it.effect.each([
    ["fails", Effect.fail("down" as const)],
    ["dies", Effect.die(new Error("a bug"))]
  ] as const)("a look that %s sends nothing, and claims nothing", ([, look]) => {
    const ledger = { sent: [], find: () => look }
    return Effect.gen(function* () {
      const { failure } = yield* Effect.flip(send)
      assert.deepStrictEqual(
        [failure.outcome, failure.stopped, failure.attempts.length, failure.reason._tag],
        ["Unknown", "whether it happened could not be looked up", 0, "Failed"]
      )
      assert.include(failure.message, "nothing was sent")
      assert.deepStrictEqual(ledger.sent, [])
      expectOutcome(yield* IntegrationTest.Recording).of("send", { outcome: "Unknown", callOutcome: "exhausted" })
    }).pipe(Effect.provide(layerOf(ledger)))
  })

  it.effect("a look that hangs is cut by the total deadline, and claims nothing", () => {
    let interrupted = false
    const ledger = {
      sent: [],
      find: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
    }
    return Effect.gen(function* () {
      const { failure } = yield* Effect.flip(IntegrationTest.settle(send))
      assert.strictEqual(failure.outcome, "Unknown")
      assert.strictEqual(failure.stopped, "no time is left for another attempt")
      assert.isTrue(interrupted)
      assert.deepStrictEqual(ledger.sent, [])
    }).pipe(Effect.provide(layerOf(ledger)))
  })

  it.effect("the caller may leave during the look", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(send, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      expectOutcome(yield* IntegrationTest.Recording).of("send", { callOutcome: "cancelled", attempts: [] })
    }).pipe(Effect.provide(layerOf({ sent: [], find: () => Effect.never })))
  )

  it("the plan says so", () => {
    const [operation] = Integration.plan(Transfers).operations
    assert.strictEqual(operation!.key, "looks before it sends, and before it repeats, 1 s after an unknown outcome")
  })
})
