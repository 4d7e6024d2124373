/** A runner that is killed in the middle of an activity: another one finishes the workflow, and the provider does it once. */
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey } from "breakwater"
import { Deferred, Effect } from "effect"
import { DurableDeferred } from "effect/workflow"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { layerOver, listen, type Request } from "./bank.ts"
import { database, runner, url } from "./cluster.ts"
import { Agreed, Sell } from "./shop.ts"

const main = fileURLToPath(new URL("./runner.main.ts", import.meta.url))

/** A runner in a process of its own, once it says that it is there. */
const start = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(main, args, {
          execArgv: ["-C", "@breakwater/source"],
          stdio: ["ignore", "ignore", "inherit", "ipc"]
        })
      ),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    yield* Effect.callback<void, Error>((resume) => {
      child.once("exit", (code) => resume(Effect.fail(new Error(`the runner ended with ${code}`))))
      child.once("message", () => resume(Effect.void))
    })
    return child
  })

const exited = (child: ChildProcess) =>
  Effect.callback<string | null>((resume) => {
    if (child.signalCode !== null) return resume(Effect.succeed(child.signalCode))
    child.once("exit", (_, signal) => resume(Effect.succeed(signal)))
  })

describe.skipIf(url === undefined)("WorkflowActivity on a runner that is killed", () => {
  it.live(
    "is finished by the other runner, and was executed once, under one key",
    () =>
      Effect.gen(function* () {
        const struck = yield* Deferred.make<Request>()
        const a: { child: ChildProcess | undefined } = { child: undefined }
        // The provider has done it, and the process that asked is gone before it has an answer.
        const provider = yield* listen((request) => {
          if (request.runner !== "a" || a.child === undefined) return "answer"
          if (!a.child.killed) {
            a.child.kill("SIGKILL")
            Deferred.doneUnsafe(struck, Effect.succeed(request))
          }
          return "be silent"
        })
        const address = yield* database
        const b = yield* runner(address, { layer: layerOver(provider.url, "b") })
        a.child = yield* start(address, provider.url, "a")

        // One order after the other, until one belongs to the runner that is struck.
        const orders: Array<string> = []
        const order = Effect.suspend(() => {
          const order = `order-${orders.length}`
          orders.push(order)
          return Effect.andThen(b.run(Sell.execute({ order }, { discard: true })), Effect.sleep("50 millis"))
        })
        const first = yield* Effect.raceFirst(Deferred.await(struck), Effect.forever(order))
        assert.strictEqual(yield* exited(a.child), "SIGKILL")

        const idOf = (order: string) => Sell.executionId({ order })
        yield* b.run(
          Effect.forEach(orders, (order) =>
            Effect.flatMap(idOf(order), (executionId) => {
              const token = DurableDeferred.tokenFromExecutionId(Agreed, { workflow: Sell, executionId })
              return DurableDeferred.succeed(Agreed, { token, value: undefined })
            })
          )
        )
        const results = yield* b.run(
          Effect.forEach(orders, (order) => Sell.execute({ order }), { concurrency: "unbounded" })
        )
        for (const charges of results) assert.deepStrictEqual(charges, ["ch_40", "ch_2"])

        // The one that was under way was asked for by both, under one key, and done once.
        const asked = provider.requests.filter(({ key }) => key === first.key).map(({ runner }) => runner)
        assert.strictEqual(asked[0], "a")
        assert.isAtLeast(asked.length, 2)
        assert.deepStrictEqual(new Set(asked.slice(1)), new Set(["b"]))
        const expected = yield* Effect.forEach(orders, (order) =>
          Effect.map(idOf(order), (id) =>
            ["1", "2"].map((number) =>
              IdempotencyKey.toText(IdempotencyKey.derive("test/workflow/Payments/charge", id, number))
            )
          )
        )
        assert.deepStrictEqual(provider.ledger.map(({ key }) => key).toSorted(), expected.flat().toSorted())
      }).pipe(Effect.scoped),
    120_000
  )
})
