import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { Checkout, type ClientEntry } from "../../examples/checkout/client.ts"
import { effectClient } from "../../examples/checkout/clients/effect.ts"
import { CardDeclined, InventoryUnavailable, MailUnavailable } from "../../examples/checkout/errors.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"
import { runClient } from "../../examples/checkout/harness.ts"
import { Providers, ProvidersError } from "../../examples/checkout/provider/handle.ts"
import type { RunResult } from "../../examples/checkout/tally.ts"

type Steps = Checkout["Service"]

/** A client that does what Effect's recipe does, except for the steps that are given. */
const variant = (change: (steps: Steps) => Partial<Steps>): ClientEntry => ({
  ...effectClient,
  layer: (options) =>
    Layer.effect(
      Checkout,
      Effect.map(Checkout, (steps) => Checkout.of({ ...steps, ...change(steps) }))
    ).pipe(Layer.provide(effectClient.layer(options)))
})

const calm = { seed: 1, rate: 0 }
const orders = generateOrders(40)
const few = orders.slice(0, 5)
const third = few[2]?.id

/** All figures but the time. */
const counts = ({ figures: { seconds: _, ...counts } }: RunResult) => counts

const clean = {
  name: "effect",
  ordersDone: 5,
  executedTwice: 0,
  hung: 0,
  untyped: 0,
  receiptUnknown: 0,
  requestsPerOrder: 3
} as const

layer(Providers.layer, { excludeTestServices: true })("runClient", (it) => {
  it.effect("finishes every order when nothing goes wrong", () =>
    Effect.gen(function* () {
      const result = yield* runClient({ client: effectClient, orders, faults: calm })
      assert.deepStrictEqual(counts(result), { ...clean, ordersDone: 40 })
      assert.deepStrictEqual(
        result.integrations.map(({ attempts, calls, name, outcomes }) => ({ attempts, calls, name, outcomes })),
        ["inventory", "cards", "mail"].map((name) => ({ attempts: 40, calls: 40, name, outcomes: { ok: 40 } }))
      )
    })
  )

  it.effect("gives the same figures for the same seed, four orders at a time or twelve", () =>
    Effect.gen(function* () {
      const faults = {
        seed: 5,
        rate: 0.35,
        kinds: ["responseLost", "status503", "cutBody", "resetBeforeReading"]
      } as const
      const [four, twelve] = yield* Effect.all(
        [4, 12].map((concurrency) =>
          runClient({ client: effectClient, orders: orders.slice(0, 12), faults, concurrency })
        ),
        { concurrency: 2 }
      )
      assert.isDefined(four)
      assert.isDefined(twelve)
      assert.deepStrictEqual(counts(four), counts(twelve))
      assert.deepStrictEqual(four.audit.faults, twelve.audit.faults)
      assert.isAbove(four.figures.executedTwice, 0)
      assert.isAbove(four.figures.untyped, 0)
      assert.isBelow(four.figures.ordersDone, 12)
    })
  )

  it.effect("counts from the ledger what was executed twice, whatever the client says", () =>
    Effect.gen(function* () {
      const client = variant(({ receipt }) => ({ receipt: (order) => Effect.andThen(receipt(order), receipt(order)) }))
      const result = yield* runClient({ client, orders: few, faults: calm })
      assert.deepStrictEqual(counts(result), { ...clean, executedTwice: 5, requestsPerOrder: 4 })
    })
  )

  it.effect("does not believe a client that says it has charged", () =>
    Effect.gen(function* () {
      const result = yield* runClient({
        client: variant(() => ({ charge: () => Effect.void })),
        orders: few,
        faults: calm
      })
      assert.deepStrictEqual(counts(result), { ...clean, ordersDone: 0, requestsPerOrder: 2 })
    })
  )

  it.effect("ends an order at a failed step, and takes a failure from the list as typed", () =>
    Effect.gen(function* () {
      const client = variant(({ charge, reserve }) => ({
        reserve: (order) =>
          order.id === third ? Effect.fail(new InventoryUnavailable({ outcome: "NotSent" })) : reserve(order),
        charge: (order) => (order.id === few[0]?.id ? Effect.fail(new CardDeclined({ code: "no" })) : charge(order))
      }))
      const result = yield* runClient({ client, orders: few, faults: calm })
      assert.deepStrictEqual(counts(result), { ...clean, ordersDone: 3, requestsPerOrder: 2 })
      assert.deepStrictEqual(
        result.integrations.map(({ outcomes }) => outcomes),
        [{ ok: 4, NotSent: 1 }, { ok: 3, Refused: 1 }, { ok: 3 }]
      )
    })
  )

  it.effect("counts a receipt as done when its failure was reported as Unknown, and only then", () =>
    Effect.gen(function* () {
      const failing = (outcome: "Unknown" | "NotSent") =>
        variant(() => ({ receipt: () => Effect.fail(new MailUnavailable({ outcome })) }))
      const unknown = yield* runClient({ client: failing("Unknown"), orders: few, faults: calm })
      assert.deepStrictEqual(counts(unknown), { ...clean, receiptUnknown: 5, requestsPerOrder: 2 })
      const notSent = yield* runClient({ client: failing("NotSent"), orders: few, faults: calm })
      assert.deepStrictEqual(counts(notSent), { ...clean, ordersDone: 0, requestsPerOrder: 2 })
    })
  )

  it.effect("counts defects, foreign errors and calls that end themselves as untyped", () =>
    Effect.gen(function* () {
      for (const end of [Effect.die(new Error("bug")), Effect.fail(new TypeError("fetch failed")), Effect.interrupt]) {
        const client = variant(({ receipt }) => ({ receipt: (order) => (order.id === third ? end : receipt(order)) }))
        const result = yield* runClient({ client, orders: few, faults: calm })
        assert.deepStrictEqual(counts(result), { ...clean, ordersDone: 4, untyped: 1, requestsPerOrder: 2.8 })
        assert.match(result.samples.join(), /^receipt ord_0003_\w+: untyped /)
      }
    })
  )

  it.effect("cuts a call that hangs, and does not wait for one that cannot be interrupted", () =>
    Effect.forEach(
      [Effect.never, Effect.uninterruptible(Effect.never)],
      Effect.fnUntraced(function* (hang) {
        const client = variant(({ receipt }) => ({ receipt: (order) => (order.id === third ? hang : receipt(order)) }))
        const result = yield* runClient({ client, orders: few, faults: calm, hungAfterMs: 1_000 })
        assert.deepStrictEqual(counts(result), { ...clean, ordersDone: 4, hung: 1, requestsPerOrder: 2.8 })
      }),
      { concurrency: 2 }
    )
  )

  it.effect("waits for an execution that outlives its client before it audits", () =>
    Effect.gen(function* () {
      const faults = { seed: 3, rate: 1, kinds: ["stallBeforeHeaders"] } as const
      const result = yield* runClient({ client: effectClient, orders: few, faults, hungAfterMs: 50 })
      assert.strictEqual(result.figures.hung, 5)
      assert.strictEqual(result.audit.pending, 0)
      // Half of the stalled requests execute, at the earliest 100 ms after they arrived: after all of them were cut.
      assert.isAbove(result.audit.ledger.length, 0)
      assert.isTrue(result.audit.ledger.every(({ at }) => at >= 100))
    })
  )

  it.effect("fails at once, and blames no client, when the provider process dies", () =>
    Effect.gen(function* () {
      const problem = new ProvidersError({ problem: "ended (SIGKILL)" })
      const client = variant(() => ({ reserve: () => Effect.never }))
      const dying = Effect.map(Providers, ({ start }) =>
        Providers.of({ start: (plan) => Effect.map(start(plan), (run) => ({ ...run, died: Effect.fail(problem) })) })
      )
      const failure = yield* runClient({ client, orders: few, faults: calm }).pipe(
        Effect.provideServiceEffect(Providers, dying),
        Effect.flip
      )
      assert.strictEqual(failure, problem)
    })
  )

  it.effect("reports the figures so far when it is interrupted", () =>
    Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      const client = variant(({ receipt }) => ({
        receipt: (order) =>
          order.id === third ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : receipt(order)
      }))
      let partial: RunResult | undefined
      const onInterrupted = (result: RunResult) => {
        partial = result
      }
      const fiber = yield* Effect.forkChild(
        runClient({ client, orders: few, faults: calm, concurrency: 1, onInterrupted })
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.isDefined(partial)
      assert.strictEqual(partial.ordersEnded, 2)
      assert.deepStrictEqual(counts(partial), { ...clean, ordersDone: 2, requestsPerOrder: 2.67 })
    })
  )
})
