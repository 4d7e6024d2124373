/** The same activities on Effect Cluster: two runners over one PostgreSQL, of which one goes away. */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, Integration, Telemetry } from "breakwater"
import { Context, Effect, Exit, Layer, Option, Redacted, Scope } from "effect"
import { ClusterWorkflowEngine, RunnerAddress } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { DurableDeferred, type WorkflowEngine } from "effect/workflow"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { Agreed, keysOf, makeProvider, Payments, Sell, workflows, type World } from "./shop.ts"

const url = process.env["DATABASE_URL"]

/** A database of its own: the locks of a cluster belong to a database. It is dropped at the end. */
const database = Effect.gen(function* () {
  const name = `breakwater_workflow_${process.pid}`
  const context = yield* Layer.build(PgClient.layer({ url: Redacted.make(url ?? "") }))
  const sql = Context.get(context, SqlClient.SqlClient)
  yield* Effect.acquireRelease(sql`CREATE DATABASE ${sql(name)}`, () =>
    Effect.orDie(sql`DROP DATABASE ${sql(name)} WITH (FORCE)`)
  )
  const address = new URL(url ?? "")
  address.pathname = `/${name}`
  return address.href
})

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const runner = Effect.fnUntraced(function* (database: string, { layer }: World) {
  const port = yield* freePort
  const cluster = NodeClusterSocket.layer({
    storage: "sql",
    serialization: "ndjson",
    shardingConfig: {
      runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)),
      shardsPerGroup: 20,
      // All of it faster than in production, where the defaults are right.
      refreshAssignmentsInterval: "200 millis",
      runnerJoinDebounce: "100 millis",
      shardLockRefreshInterval: "500 millis",
      shardLockExpiration: "3 seconds",
      entityMessagePollInterval: "200 millis",
      entityReplyPollInterval: "100 millis",
      sendRetryInterval: "100 millis",
      entityTerminationTimeout: "1 second"
    }
  })
  const all = workflows.pipe(
    Layer.provideMerge(ClusterWorkflowEngine.layer),
    Layer.provide(cluster),
    Layer.provide(PgClient.layer({ url: Redacted.make(database) })),
    Layer.provide(Integration.layer(Payments)),
    Layer.provide(Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })),
    Layer.provide(layer)
  )
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const context = yield* Layer.buildWithMemoMap(all, Layer.makeMemoMapUnsafe(), scope)
  return {
    run: <A, E>(self: Effect.Effect<A, E, WorkflowEngine.WorkflowEngine>) => Effect.provideContext(self, context),
    close: Scope.close(scope, Exit.void)
  }
})

const orders = Array.from({ length: 16 }, (_, n) => `order-${n}`)
const each = <A, E, R>(f: (order: string) => Effect.Effect<A, E, R>) =>
  Effect.forEach(orders, f, { concurrency: "unbounded" })

const isSuspended = (order: string) =>
  Effect.flatMap(Sell.executionId({ order }), (id) =>
    Effect.map(Sell.poll(id), (state) => Option.isSome(state) && state.value._tag === "Suspended")
  )

describe.skipIf(url === undefined)("WorkflowActivity on two runners", () => {
  it.live(
    "goes on at the other runner when one goes away, without a second call, and with the same keys",
    () => {
      const worlds = [makeProvider(), makeProvider()] as const
      return Effect.gen(function* () {
        const address = yield* database
        const a = yield* runner(address, worlds[0])
        const b = yield* runner(address, worlds[1])
        yield* Effect.sleep("2 seconds")
        yield* a.run(each((order) => Sell.execute({ order }, { discard: true })))
        while (!(yield* b.run(each(isSuspended))).every((suspended) => suspended)) yield* Effect.sleep("100 millis")
        const [first, second] = [worlds[0].sent.length, worlds[1].sent.length]
        assert.strictEqual(first + second, orders.length)
        assert.isAbove(first, 0)
        assert.isAbove(second, 0)

        yield* a.close
        yield* b.run(
          each((order) =>
            Effect.flatMap(Sell.executionId({ order }), (executionId) => {
              const token = DurableDeferred.tokenFromExecutionId(Agreed, { workflow: Sell, executionId })
              return DurableDeferred.succeed(Agreed, { token, value: undefined })
            })
          )
        )
        const results = yield* b.run(each((order) => Sell.execute({ order })))
        for (const charges of results) assert.deepStrictEqual(charges, ["ch_40", "ch_2"])
        assert.strictEqual(worlds[0].sent.length, first)
        const expected = yield* each((order) =>
          Effect.map(Sell.executionId({ order }), (id) =>
            ["1", "2"].map((number) =>
              IdempotencyKey.toText(IdempotencyKey.derive("test/workflow/Payments/charge", id, number))
            )
          )
        )
        assert.deepStrictEqual([...keysOf(worlds[0]), ...keysOf(worlds[1])].toSorted(), expected.flat().toSorted())
      }).pipe(Effect.scoped)
    },
    60_000
  )
})
