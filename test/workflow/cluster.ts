/** A runner of Effect Cluster over a PostgreSQL of its own, with the workflows of the shop. */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import { PgClient } from "@effect/sql-pg"
import { Integration, Telemetry } from "breakwater"
import { Context, Effect, Exit, Layer, Option, Redacted, Scope } from "effect"
import { ClusterWorkflowEngine, RunnerAddress } from "effect/cluster"
import { SqlClient } from "effect/sql"
import type { WorkflowEngine } from "effect/workflow"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { Payments, workflows, type World } from "./shop.ts"

export const url = process.env["DATABASE_URL"]
let databases = 0

/** A database of its own: the locks of a cluster belong to a database. It is dropped at the end. */
export const database = Effect.gen(function* () {
  const name = `breakwater_workflow_${process.pid}_${++databases}`
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

export const runner = Effect.fnUntraced(function* (database: string, { layer }: Pick<World, "layer">) {
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
