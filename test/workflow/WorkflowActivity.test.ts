/** Operations as activities of workflows, on the engine in memory. */
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, Integration } from "breakwater"
import { Cause, Effect, Exit, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { DurableDeferred, WorkflowEngine } from "effect/workflow"
import {
  Agreed,
  CardDeclined,
  Declined,
  keysOf,
  Late,
  Lost,
  makeProvider,
  Payments,
  PaymentsDown,
  Post,
  Retry,
  Sell,
  Twice,
  workflows,
  type World
} from "./shop.ts"

/** A process: an engine that knows nothing yet, over a provider that does. */
const engine = ({ layer }: Pick<World, "layer">) =>
  workflows.pipe(
    Layer.provideMerge(WorkflowEngine.layerMemory),
    Layer.provide(Integration.layer(Payments)),
    Layer.provide(layer)
  )

/** Ids are hashed by the platform, outside of Effect's clock. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Moves the clock until a workflow has ended. */
const join = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) yield* Effect.andThen(turn, TestClock.adjust("10 minutes"))
  return yield* Fiber.join(fiber)
})

/** Sells, and agrees once the workflow waits for that. */
const sell = Effect.fnUntraced(function* (order: string) {
  const fiber = yield* Effect.forkChild(Sell.execute({ order }))
  const executionId = yield* Sell.executionId({ order })
  while (true) {
    const state = yield* Sell.poll(executionId)
    if (Option.isSome(state) && state.value._tag === "Suspended") break
    yield* turn
  }
  const token = DurableDeferred.tokenFromExecutionId(Agreed, { workflow: Sell, executionId })
  yield* DurableDeferred.succeed(Agreed, { token, value: undefined })
  return yield* join(fiber)
})

describe("WorkflowActivity", () => {
  it.effect("is not sent again when the workflow goes on after a suspension; two discriminators are two keys", () => {
    const world = makeProvider()
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* sell("o1"), ["ch_40", "ch_2"])
      assert.deepStrictEqual(
        world.sent.map(({ amount }) => amount),
        [40, 2]
      )
      assert.strictEqual(new Set(keysOf(world)).size, 2)
      for (const key of keysOf(world)) assert.match(key ?? "", /^[0-9a-f]{32}$/)
      // Another order is another execution.
      yield* sell("o2")
      assert.strictEqual(new Set(keysOf(world)).size, 4)
    }).pipe(Effect.provide(engine(world)))
  })

  it.effect("has the same key in a process that has forgotten everything", () => {
    const world = makeProvider()
    const once = Effect.suspend(() => sell("o1").pipe(Effect.provide(engine(world), { local: true })))
    return Effect.gen(function* () {
      yield* once
      yield* once
      const [a, b, c, d] = keysOf(world)
      assert.deepStrictEqual([a, b], [c, d])
      assert.strictEqual(world.sent.length, 4)
      // Another key for an execution that is under way would be a second charge.
      const executionId = yield* Sell.executionId({ order: "o1" })
      const key = (number: string) =>
        IdempotencyKey.toText(IdempotencyKey.derive("test/workflow/Payments/charge", executionId, number))
      assert.deepStrictEqual([a, b], [key("1"), key("2")])
    })
  })

  it.effect("has the same key in every attempt", () => {
    const world = makeProvider()
    world.next(new Lost())
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Retry.execute({ order: "o1" }), ["ch_40"])
      assert.strictEqual(world.sent.length, 2)
      assert.strictEqual(new Set(keysOf(world)).size, 1)
    }).pipe(Effect.provide(engine(world)))
  })

  it.effect("is not sent again when the provider may have forgotten the key since", () => {
    const world = makeProvider()
    world.next(new Lost())
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(Late.execute({ order: "o1" })))
      assert.deepStrictEqual(yield* join(fiber), new PaymentsDown({ reason: "KeyExpired" }))
      assert.strictEqual(world.sent.length, 1)
    }).pipe(Effect.provide(engine(world)))
  })

  it.effect("is one call for one discriminator, whatever the input says", () => {
    const world = makeProvider()
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Twice.execute({ order: "o1" }), ["ch_40", "ch_40"])
      assert.strictEqual(world.sent.length, 1)
    }).pipe(Effect.provide(engine(world)))
  })

  it.effect("fails with the application's own error, which the engine keeps", () => {
    const world = makeProvider()
    world.next(new Declined({ code: "no_funds" }))
    return Effect.gen(function* () {
      const declined = new CardDeclined({ code: "no_funds" })
      assert.deepStrictEqual(yield* Effect.flip(Sell.execute({ order: "o1" })), declined)
      assert.deepStrictEqual(yield* Effect.flip(Sell.execute({ order: "o1" })), declined)
      assert.strictEqual(world.sent.length, 1)
    }).pipe(Effect.provide(engine(world)))
  })

  it.effect("dies where a repeat after a crash would be a second time", () => {
    const world = makeProvider()
    return Effect.gen(function* () {
      const exit = yield* Effect.exit(Post.execute({ order: "o1" }))
      assert.isTrue(Exit.isFailure(exit))
      assert.match(
        Cause.pretty((exit as Exit.Failure<never, never>).cause),
        /WorkflowActivity: test\/workflow\/Payments\/letter may be sent once only/
      )
    }).pipe(Effect.provide(engine(world)))
  })
})
