/**
 * One server of a soak: `HttpReceiver` over a real store, on a socket. Started, struck and started again by servers.ts.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { IdempotencyKey, IdempotencyStore, Receiver } from "breakwater"
import { Context, Duration, Effect, Layer, Logger, Redacted, Schema, type Scope } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import { flushCompileCache } from "node:module"
import { join } from "node:path"
import * as HttpReceiver from "../../src/http/HttpReceiver.ts"
import { mutated } from "./mutants.ts"
import { at, Current, currentOf, listenForGo, tell, watched, watchedTransactional } from "./points.ts"
import { type Answered, effectsTable, type Order, recordsTable, type Setup } from "./protocol.ts"

// ---- the store

/** Loads what the store needs, and nothing else. */
const sqlOf = Effect.fnUntraced(function* ({ databaseUrl, kind, place }: Setup) {
  const layer =
    kind === "sqlite"
      ? (yield* Effect.promise(() => import("../../src/sql/node/SqliteClient.ts"))).layer({
          filename: join(place, "records.db"),
          synchronous: "normal"
        })
      : (yield* Effect.promise(() => import("@effect/sql-pg/PgClient"))).layer({
          url: Redacted.make(databaseUrl!),
          maxConnections: 8
        })
  return Context.get(yield* Layer.build(layer as Layer.Layer<SqlClient.SqlClient, unknown>), SqlClient.SqlClient)
})

const redisOf = Effect.fnUntraced(function* ({ place, redisUrl }: Setup) {
  const NodeRedis = yield* Effect.promise(() => import("@effect/platform-node/NodeRedis"))
  const { make } = yield* Effect.promise(() => import("../../src/redis/RedisIdempotencyStore.ts"))
  const redis = yield* Layer.build(NodeRedis.layer({ url: redisUrl! }))
  return yield* Effect.provideContext(make({ prefix: place }), redis)
})

const storeOf = (setup: Setup): Effect.Effect<Context.Context<never>, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { kind, mode, mutant, place } = setup
    if (kind === "redis") {
      return Context.make(IdempotencyStore.IdempotencyStore, watched(mutated(yield* redisOf(setup), mutant)))
    }
    const sql = yield* sqlOf(setup)
    const { make } = yield* Effect.promise(() => import("../../src/sql/SqlIdempotencyStore.ts"))
    const table = recordsTable(kind, place)
    const store = yield* Effect.provideService(make({ table }), SqlClient.SqlClient, sql)
    if (mode === "leased") {
      return Context.make(
        IdempotencyStore.IdempotencyStore,
        watched(mutated(store, mutant, sql`DELETE FROM ${sql(table)}`))
      )
    }
    const transaction: typeof store.transaction = () => (self) => self
    const transactional = mutant === "no transaction" ? { ...store, transaction } : store
    return Context.make(IdempotencyStore.TransactionalStore, watchedTransactional(transactional, sql)).pipe(
      Context.add(SqlClient.SqlClient, sql)
    )
  })

// ---- what is done for an order

const Order = Schema.Struct({ order: Schema.String, decline: Schema.Boolean })
const orderOf: Effect.Effect<Order, unknown, HttpServerRequest.HttpServerRequest> = HttpServerRequest.schemaBodyJson(
  Order
) as never

const answer = (status: number, body: Answered) => HttpServerResponse.jsonUnsafe(body, { status })

/**
 * Writes a row. The request whose commit is awaited writes a large one, so that the commit takes a while; one that fits
 * into SQLite's cache, so that it is the commit which writes it to the file.
 */
const write = (setup: Setup) =>
  Effect.gen(function* () {
    const { decline, order } = yield* orderOf
    const { attempt, point } = yield* Current
    const sql = yield* SqlClient.SqlClient
    const table = effectsTable(setup.kind as "sqlite", setup.place)
    const pad = point === "during commit" && setup.kind === "sqlite" ? "x".repeat(1_500_000) : ""
    yield* sql`INSERT INTO ${sql(table)} ${sql.insert({ order_id: order, attempt, pad })}`
    yield* Effect.sleep("5 millis")
    return answer(decline ? 402 : 201, { order, attempt, made: `row of ${attempt}` })
  })

/** Calls the provider, with a key that every run for this order has. */
const call = (setup: Setup) =>
  Effect.gen(function* () {
    const { decline, order } = yield* orderOf
    const { attempt, point } = yield* Current
    const key = yield* Receiver.childKey("charge")
    // A lease is renewed when a third of it has passed.
    yield* Effect.sleep(point === "during renew" ? Duration.millis(setup.leaseMillis * 0.7) : Duration.millis(5))
    const response = yield* HttpClient.execute(
      HttpClientRequest.post(setup.providerUrl).pipe(
        HttpClientRequest.setHeader(
          "idempotency-key",
          setup.mutant === "no child key" ? `${order} ${attempt}` : IdempotencyKey.toText(key)
        ),
        HttpClientRequest.bodyJsonUnsafe({ order, decline })
      )
    )
    const { id = "" } = (yield* response.json) as { readonly id?: string }
    yield* at("after child call")
    if (response.status === 201) return answer(201, { order, attempt, made: id })
    if (response.status === 402) return answer(402, { order, attempt, made: "" })
    // The provider is still at work for a run of this order whose process was killed. The next run asks again.
    return HttpServerResponse.empty({ status: 500 })
  })

// ---- the server

const principal = "shared"

type Routes = Layer.Layer<never, never, HttpRouter.HttpRouter>

const routes = (setup: Setup): Routes => {
  const current = HttpRouter.middleware<{ provides: Current }>()((handler) =>
    Effect.flatMap(currentOf, (current) => Effect.provideService(handler, Current, current))
  )
  if (setup.mode === "transactional") {
    const mode = Receiver.transactional({ lockTimeout: "1 second" })
    const once = HttpReceiver.middleware({ name: "soak", mode, principal })
    return HttpRouter.add("POST", "/orders", write(setup)).pipe(Layer.provide(once.combine(current).layer)) as Routes
  }
  const mode = Receiver.leased({ onLostLease: "rerun", lease: Duration.millis(setup.leaseMillis) })
  const once = HttpReceiver.middleware({ name: "soak", mode, principal })
  return HttpRouter.add("POST", "/orders", call(setup)).pipe(Layer.provide(once.combine(current).layer)) as Routes
}

const errors = Logger.make(({ cause, logLevel, message }) => {
  if (logLevel === "Error" || logLevel === "Fatal") {
    tell({ _tag: "Broken", what: `${String(message)} ${JSON.stringify(cause)}`.slice(0, 2_000) })
  }
})

const serve = (setup: Setup) =>
  Effect.gen(function* () {
    const store = yield* storeOf(setup)
    const served = HttpRouter.serve(routes(setup), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(Layer.succeedContext(store)),
      Layer.provide(FetchHttpClient.layer),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
      Layer.provide(Logger.layer([errors]))
    ) as Layer.Layer<HttpServer.HttpServer, unknown>
    const { address } = Context.get(yield* Layer.build(served), HttpServer.HttpServer)
    listenForGo()
    // A parent that is gone wants nothing more.
    process.on("disconnect", () => process.exit(1))
    tell({ _tag: "Ready", port: (address as { readonly port: number }).port })
    if (setup.keepsCode) yield* Effect.delay(Effect.sync(flushCompileCache), "300 millis")
    return yield* Effect.never
  })

await Effect.runPromise(Effect.scoped(serve(JSON.parse(process.argv[2]!) as Setup)))
