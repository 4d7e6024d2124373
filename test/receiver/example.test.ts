// The orders API of examples/receiver over a socket: on SQLite always, on PostgreSQL where `DATABASE_URL` says where; and
// as a process that is killed and started again.
import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Webhook } from "breakwater"
import { HttpReceiver } from "breakwater/http"
import { SqliteClient } from "breakwater/sql/node"
import {
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Fiber,
  FileSystem,
  Layer,
  Logger,
  Redacted,
  type Scope
} from "effect"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Server } from "../../examples/receiver/server.ts"

const { problems } = HttpReceiver
const chair = { sku: "chair", quantity: 2 }

/** The payment provider, which signs what it sends. */
const signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
const provider = Webhook.standard({ secrets: Redacted.make(signing) })

// ---- a database of its own, as the environment that the example reads

interface Database {
  readonly env: Readonly<Record<string, string>>
  readonly sql: SqlClient.SqlClient
}

const folder = Effect.provide(
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
  NodeFileSystem.layer
)

const sqlOf = <E>(layer: Layer.Layer<SqlClient.SqlClient, E>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, SqlClient.SqlClient))

const sqlite: Effect.Effect<Database, unknown, Scope.Scope> = Effect.gen(function* () {
  const filename = `${yield* folder}/orders.db`
  return { env: { ORDERS_DB: filename }, sql: yield* sqlOf(SqliteClient.layer({ filename })) }
})

const url = process.env["DATABASE_URL"]
let databases = 0

const postgres: Effect.Effect<Database, unknown, Scope.Scope> = Effect.gen(function* () {
  const name = `breakwater_orders_${process.pid}_${++databases}`
  const own = new URL(url ?? "")
  own.pathname = `/${name}`
  const admin = yield* sqlOf(PgClient.layer({ url: Redacted.make(url ?? "") }))
  yield* Effect.acquireRelease(admin`CREATE DATABASE ${admin(name)}`, () =>
    Effect.orDie(admin`DROP DATABASE ${admin(name)} WITH (FORCE)`)
  )
  return { env: { DATABASE_URL: own.href }, sql: yield* sqlOf(PgClient.layer({ url: Redacted.make(own.href) })) }
})

// ---- its client

const clientOf = (baseUrl: string, client: HttpClient.HttpClient) => {
  const answerOf = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function* () {
      const response = yield* client.execute(HttpClientRequest.prependUrl(request, baseUrl))
      const text = yield* response.text
      return {
        status: response.status,
        text,
        json: /json/.test(response.headers["content-type"] ?? "") ? JSON.parse(text) : undefined,
        replayed: response.headers["idempotent-replayed"] === "true"
      }
    })
  return {
    place: (key: string | undefined, order: unknown) =>
      HttpClientRequest.post("/orders").pipe(
        HttpClientRequest.bodyJsonUnsafe(order),
        key === undefined ? (request) => request : HttpClientRequest.setHeader("idempotency-key", key),
        answerOf
      ),
    get: (path: string) => answerOf(HttpClientRequest.get(path)),
    /** A delivery of an event; `sent` is the body that arrives, if it is another than was signed. */
    settle: (id: string, event: unknown, sent?: unknown) =>
      Effect.gen(function* () {
        const body = JSON.stringify(event)
        const headers = yield* Webhook.sign(provider, { id, body })
        return yield* HttpClientRequest.post("/webhooks/payments").pipe(
          HttpClientRequest.bodyText(sent === undefined ? body : JSON.stringify(sent), "application/json"),
          HttpClientRequest.setHeaders(headers),
          answerOf
        )
      })
  }
}

const undici = Effect.map(Layer.build(NodeHttpClient.layerUndici), (context) =>
  Context.get(context, HttpClient.HttpClient)
)

/** The example in this process, until the scope closes. */
const open = ({ env }: Database) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Server.pipe(
        Layer.provide(
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { PAYMENTS_WEBHOOK_SECRET: signing, ...env, PORT: "0" } }))
        ),
        Layer.provideMerge(Logger.layer([]))
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    return clientOf(HttpServer.formatAddress(address), yield* undici)
  })

const rows = ({ sql }: Database) =>
  Effect.gen(function* () {
    const orders = yield* sql`SELECT id FROM orders`
    const stock = yield* sql<{ readonly remaining: number }>`SELECT remaining FROM stock ORDER BY sku`
    const records = yield* sql<{ readonly state: string }>`SELECT state FROM breakwater_idempotency ORDER BY state`
    return {
      orders: orders.length,
      stock: stock.map(({ remaining }) => remaining),
      records: records.map(({ state }) => state).join("")
    }
  })

const settled = (orderId: string) => ({ type: "payment.settled", data: { orderId } })

const suite = (name: string, database: typeof sqlite, skip?: string) =>
  describe.skipIf(skip !== undefined)(`the orders API on ${name}${skip === undefined ? "" : `: ${skip}`}`, () => {
    it.live("a repeat gets the same answer, and one order is placed", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { get, place } = yield* open(own)
        const first = yield* place("k-1", chair)
        assert.deepInclude(first.json, chair)
        assert.deepStrictEqual([first.status, first.replayed], [201, false])
        const again = yield* place("k-1", { quantity: 2, sku: "chair" })
        assert.deepStrictEqual(again, { ...first, replayed: true })
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "D" })
        const found = yield* get(`/orders/${first.json.id}`)
        assert.deepStrictEqual([found.status, found.json], [200, first.json])
      })
    )

    it.live("ten at once with one key place one order, and all get it", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { place } = yield* open(own)
        const answers = yield* Effect.forEach(Array.from({ length: 10 }), () => place("k-1", chair), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1)
        assert.strictEqual(answers.filter(({ replayed }) => !replayed).length, 1)
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "D" })
      })
    )

    it.live("another body under the same key is 422, and no key is 400: nothing is done", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { place } = yield* open(own)
        yield* place("k-1", chair)
        const other = yield* place("k-1", { ...chair, quantity: 3 })
        assert.deepStrictEqual([other.status, other.json.type], [422, problems.keyReused])
        const keyless = yield* place(undefined, chair)
        assert.deepStrictEqual([keyless.status, keyless.json.type], [400, problems.keyMissing])
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "D" })
      })
    )

    it.live("what the shop refuses is rolled back, and is this key's answer from then on", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { place } = yield* open(own)
        const refused = yield* place("k-1", { sku: "lamp", quantity: 2 })
        assert.deepStrictEqual([refused.status, refused.json], [410, { _tag: "OutOfStock", sku: "lamp" }])
        assert.deepStrictEqual(yield* place("k-1", { sku: "lamp", quantity: 2 }), { ...refused, replayed: true })
        assert.deepStrictEqual(yield* rows(own), { orders: 0, stock: [1000, 1], records: "D" })
      })
    )

    it.live("a database that fails halfway rolls all of it back, and the same key may come again", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { place } = yield* open(own)
        yield* own.sql`ALTER TABLE stock RENAME TO gone`
        assert.strictEqual((yield* place("k-1", chair)).status, 500)
        yield* own.sql`ALTER TABLE gone RENAME TO stock`
        assert.deepStrictEqual(yield* rows(own), { orders: 0, stock: [1000, 1], records: "" })
        const { replayed, status } = yield* place("k-1", chair)
        assert.deepStrictEqual([status, replayed], [201, false])
      })
    )

    it.live("a request that is wrong says where, and its key may come again", () =>
      Effect.gen(function* () {
        const { get, place } = yield* open(yield* database)
        const wrong = yield* place("k-1", { sku: "chair", quantity: 101 })
        assert.strictEqual(wrong.status, 400)
        assert.deepStrictEqual(
          wrong.json.errors.map(({ path }: { readonly path: unknown }) => path),
          [["payload", "quantity"]]
        )
        assert.strictEqual((yield* place("k-1", chair)).status, 201)
        assert.strictEqual((yield* get("/orders/none")).status, 404)
      })
    )

    it.live("a settled payment marks its order, and a repeat of the event does nothing", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { get, place, settle } = yield* open(own)
        const { id } = (yield* place("k-1", chair)).json
        const statusOf = Effect.map(get(`/orders/${id}`), ({ json }) => json.status)
        assert.strictEqual(yield* statusOf, "placed")
        const first = yield* settle("msg_1", settled(id))
        assert.deepStrictEqual([first.status, first.text, yield* statusOf], [200, "", "paid"])
        // Were it handled again, it would be marked again.
        yield* own.sql`UPDATE orders SET status = 'placed'`
        assert.deepStrictEqual([(yield* settle("msg_1", settled(id))).status, yield* statusOf], [200, "placed"])
        assert.deepStrictEqual([(yield* settle("msg_2", settled(id))).status, yield* statusOf], [200, "paid"])
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "DDD" })
      })
    )

    it.live("a payment for another order than was signed, or with no signature, marks none and leaves no record", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { get, place, settle } = yield* open(own)
        const { id } = (yield* place("k-1", chair)).json
        const tampered = yield* settle("msg_1", settled("another"), settled(id))
        assert.deepStrictEqual([tampered.status, tampered.text], [401, ""])
        assert.strictEqual((yield* get(`/orders/${id}`)).json.status, "placed")
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "D" })
        // The id was not used up.
        assert.strictEqual((yield* settle("msg_1", settled(id))).status, 200)
        assert.strictEqual((yield* get(`/orders/${id}`)).json.status, "paid")
      })
    )

    it.live("a payment of an order that is not there yet is not acknowledged, and its repeat marks it", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { get, settle } = yield* open(own)
        assert.strictEqual((yield* settle("msg_1", settled("o-1"))).status, 500)
        assert.strictEqual((yield* rows(own)).records, "")
        yield* own.sql`INSERT INTO orders ${own.sql.insert({ id: "o-1", ...chair })}`
        assert.strictEqual((yield* settle("msg_1", settled("o-1"))).status, 200)
        assert.strictEqual((yield* get("/orders/o-1")).json.status, "paid")
        // Nothing is done about other events; a settled payment that can't be read is refused.
        assert.strictEqual((yield* settle("msg_2", { type: "payment.failed" })).status, 200)
        assert.strictEqual((yield* settle("msg_3", { type: "payment.settled" })).status, 422)
        assert.strictEqual((yield* rows(own)).records, "DD")
      })
    )

    it.live("while the first delivery is at work no other is acknowledged", () =>
      Effect.gen(function* () {
        const own = yield* database
        const { get, place, settle } = yield* open(own)
        const { id } = (yield* place("k-1", chair)).json
        const held = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        // Somebody else holds the order, so the first delivery can't end.
        const holder = yield* Effect.forkChild(
          own.sql.withTransaction(
            Effect.gen(function* () {
              yield* own.sql`UPDATE orders SET sku = sku WHERE id = ${id}`
              yield* Deferred.succeed(held, undefined)
              yield* Deferred.await(release)
            })
          )
        )
        yield* Deferred.await(held)
        const answers: Array<number> = []
        const deliveries = yield* Effect.forkChild(
          Effect.forEach(
            [1, 2],
            () =>
              Effect.tap(settle("msg_1", settled(id)), ({ status }) => Effect.sync(() => void answers.push(status))),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.sleep("500 millis")
        // Both wait for the transaction; neither is told that it was done.
        assert.deepStrictEqual(answers, [])
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(holder)
        yield* Fiber.join(deliveries)
        assert.deepStrictEqual(answers, [200, 200])
        assert.strictEqual((yield* get(`/orders/${id}`)).json.status, "paid")
        assert.deepStrictEqual(yield* rows(own), { orders: 1, stock: [998, 1], records: "DD" })
      })
    )

    it.live("its documentation names the key and every problem", () =>
      Effect.gen(function* () {
        const { get } = yield* open(yield* database)
        const { parameters, responses } = (yield* get("/openapi.json")).json.paths["/orders"].post
        assert.deepStrictEqual(
          parameters.map(({ name }: { readonly name: string }) => name),
          ["idempotency-key"]
        )
        assert.deepStrictEqual(Object.keys(responses), ["201", "400", "409", "410", "413", "422", "500", "503"])
        assert.include((yield* get("/docs")).text, "swagger-ui")
      })
    )
  })

suite("SQLite", sqlite)
suite("PostgreSQL", postgres, url === undefined ? "DATABASE_URL is not set" : undefined)

// ---- as a process

const main = fileURLToPath(new URL("../../examples/receiver/main.ts", import.meta.url))

const start = (env: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["-C", "@breakwater/source", main], {
          // Whether the machine has a database of its own must not matter here.
          env: { PATH: process.env["PATH"], ...env, PORT: "0" },
          stdio: ["ignore", "pipe", "pipe"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const exit = new Promise<number | string | null>((resolve) =>
      child.once("exit", (code, signal) => resolve(code ?? signal))
    )
    let told = ""
    const url = yield* Effect.callback<string, Error>((resume) => {
      const hear = (chunk: unknown) => {
        told += String(chunk)
        const found = /curl -i (\S+)\/orders/.exec(told)
        if (found !== null) resume(Effect.succeed(found[1] ?? ""))
      }
      child.stdout.on("data", hear)
      child.stderr.on("data", hear)
      child.once("exit", (code) => resume(Effect.fail(new Error(`it ended with ${code}:\n${told}`))))
    })
    const end = (signal: "SIGINT" | "SIGKILL") =>
      Effect.promise(() => {
        child.kill(signal)
        return exit
      })
    return { ...clientOf(url, yield* undici), end, told: () => told }
  })

describe("the orders API as a process", () => {
  it.live(
    "is killed: the next one still knows the key, and ends with Ctrl-C",
    () =>
      Effect.gen(function* () {
        const env = { ORDERS_DB: `${yield* folder}/orders.db` }
        const one = yield* start(env)
        const first = yield* one.place("k-1", chair)
        assert.strictEqual(first.status, 201)
        assert.strictEqual(yield* one.end("SIGKILL"), "SIGKILL")

        const two = yield* start(env)
        assert.deepStrictEqual(yield* two.place("k-1", chair), { ...first, replayed: true })
        assert.strictEqual((yield* two.place("k-1", { ...chair, quantity: 9 })).status, 422)
        assert.strictEqual(yield* two.end("SIGINT"), 130)
        assert.notInclude(two.told(), "ERROR")
      }),
    60_000
  )
})
