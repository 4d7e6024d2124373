/**
 * A real Prometheus scrapes an application with everything in it. What the dashboard and the alerts ask for must be there:
 * `apt-get install prometheus` gives both programs.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  IdempotencyStoreMemory,
  Integration,
  Operation,
  Outbox,
  OutboxStoreMemory,
  OutboxWorker,
  Policy,
  Reason,
  Receiver,
  Telemetry
} from "breakwater"
import { HttpIntegration, HttpOperation, HttpReceiver } from "breakwater/http"
import { Context, Data, Effect, Layer, Logger, Schedule, Schema } from "effect"
import { HttpClient, HttpClientResponse, HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createSocket, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { alerts, queries } from "../../scripts/grafana.ts"
import { root } from "../../scripts/run.ts"
import { labelsFor } from "../../src/internal/series.ts"

const missing = ["prometheus", "promtool"].filter((name) => spawnSync(name, ["--version"]).status !== 0)

// ---- the application

class Down extends Data.TaggedError("Down") {}

const Thing = Schema.Struct({ id: Schema.String })

class ShopApi extends HttpApi.make("shop").add(
  HttpApiGroup.make("shop").add(
    HttpApiEndpoint.get("get", "/things/:id", { params: { id: Schema.String }, success: Thing })
  )
) {}

class Shop extends Integration.Service<Shop>()(
  "shop",
  {
    policy: Policy.standard({ maxAttempts: 3, schedule: Policy.backoff({ base: 10, throttledBase: 10 }) }),
    exhausted: Exhaustion.fail,
    orElse: () => new Down()
  },
  {
    get: HttpOperation.endpoint(ShopApi, "shop", "get"),
    limited: Operation.query("limited", {
      success: Schema.Int,
      send: () => Effect.delay(Effect.succeed(1), 20),
      policy: Policy.stack(
        Policy.standard(),
        Policy.bulkhead({ concurrency: 1, queue: 100 }),
        Policy.rateLimit({ limit: 1_000, window: "1 second" })
      )
    }),
    broken: Operation.query("broken", {
      success: Schema.Int,
      send: () => Effect.fail("sick" as const),
      classify: () => Reason.unavailable({ status: 503 }),
      exhausted: Exhaustion.fallback("nothing", () => Effect.succeed(0)),
      policy: Policy.stack(
        Policy.standard({ maxAttempts: 1 }),
        Policy.breaker({ consecutive: 2, openFor: "300 millis", maxOpenFor: "300 millis", rate: false }),
        Policy.breaker({
          name: "tenants",
          consecutive: 2,
          openFor: "1 minute",
          maxOpenFor: "1 minute",
          rate: false,
          key: () => "tenant"
        })
      )
    }),
    store: Outbox.writeAhead(
      Operation.mutation("store", {
        input: Schema.String,
        success: Thing,
        idempotency: Idempotency.keyed((order: string) => IdempotencyKey.derive("store", order), { lifetime: "1 day" }),
        send: (id) => Effect.succeed({ id })
      })
    )
  }
) {}

let requests = 0
const provider = HttpClient.make((request) =>
  Effect.sync(() =>
    HttpClientResponse.fromWeb(
      request,
      ++requests % 4 === 0
        ? new Response("", { status: 503 })
        : new Response(JSON.stringify({ id: "1" }), { headers: { "content-type": "application/json" } })
    )
  )
)

const ShopLive = HttpIntegration.layer(Shop, { baseUrl: "https://shop.example", drain: 0 }).pipe(
  Layer.provideMerge([OutboxStoreMemory.layer, Layer.succeed(HttpClient.HttpClient, provider)])
)
const Worker = OutboxWorker.layer(
  Shop,
  { store: { onDelivered: () => Effect.void, onDead: () => Effect.void, onNeedsReconcile: () => Effect.void } },
  { pollInterval: "50 millis", drain: 0 }
)

const Idempotent = HttpReceiver.middleware({
  name: "shop",
  mode: Receiver.leased({ onLostLease: "hold" }),
  principal: "shared"
})
const Charges = HttpRouter.add("POST", "/charges", Effect.succeed(HttpServerResponse.jsonUnsafe({ id: "1" }))).pipe(
  Layer.provide(Idempotent.layer),
  Layer.provide(IdempotencyStoreMemory.layer)
)

/** The application's server, with the metrics as the recipe has them. */
const Server = HttpRouter.serve(
  Layer.mergeAll(Charges, PrometheusMetrics.layerHttp({ metricNameMapper: Telemetry.prometheusName })),
  { disableLogger: true, disableListenLog: true }
).pipe(
  Layer.provideMerge(
    NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 0 })
  )
)

/** One round of calls: each way in which they end and wait. */
const round = (n: number, url: string) =>
  Effect.gen(function* () {
    const shop = yield* Shop
    yield* Effect.exit(shop.get({ params: { id: "1" } }))
    yield* Effect.all([shop.limited(), shop.limited()], { concurrency: "unbounded" })
    yield* shop.broken()
    yield* shop.store(`o-${n}`)
    yield* Effect.promise(() =>
      fetch(`${url}/charges`, { method: "POST", headers: { "idempotency-key": `key-${n}-of-shop` }, body: "{}" })
    )
  })

// ---- Prometheus

/** The scalars of a text format, or of an expression: metrics and labels alike. */
const series = Object.entries(Telemetry.metrics).flatMap(([name, { type }]) => {
  const family = Telemetry.prometheusName(name)
  return type === "histogram" ? ["_bucket", "_count", "_sum"].map((suffix) => `${family}${suffix}`) : [family]
})
const labels = new Set(
  Object.values(Telemetry.metrics).flatMap(({ labels }) => labels.map((label) => label.replaceAll(".", "_")))
)

const named = (text: string) =>
  new Set((text.match(/\b(?:breakwater|http)_\w+/g) ?? []).filter((word) => series.includes(word)))

/** Words of an expression that are neither a series nor a label of this package. */
const unknown = (text: string) =>
  (text.match(/\b(?:breakwater|http)_\w+/g) ?? []).filter((word) => !series.includes(word) && !labels.has(word))

const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket().listen(0, "127.0.0.1", () => {
    const { port } = socket.address() as AddressInfo
    socket.close(() => resume(Effect.succeed(port)))
  })
})

const prometheus = (target: string) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-prometheus-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    writeFileSync(
      join(folder, "prometheus.yml"),
      JSON.stringify({
        global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
        rule_files: [join(root, "grafana/alerts.yaml")],
        scrape_configs: [{ job_name: "shop", static_configs: [{ targets: [target] }] }]
      })
    )
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          "prometheus",
          [
            `--config.file=${join(folder, "prometheus.yml")}`,
            `--storage.tsdb.path=${join(folder, "data")}`,
            `--web.listen-address=127.0.0.1:${port}`,
            "--log.level=error"
          ],
          { stdio: ["ignore", "ignore", "inherit"] }
        )
      ),
      (child) =>
        Effect.callback<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    return (path: string, parameters: Readonly<Record<string, string>> = {}) =>
      Effect.tryPromise(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`)
        const body = (await answer.json()) as { readonly status: string; readonly error?: string; readonly data: any }
        if (body.status !== "success") throw new Error(`${path} ${JSON.stringify(parameters)}: ${body.error}`)
        return body.data
      })
  })

describe.skipIf(missing.length > 0)(
  `Prometheus${missing.length > 0 ? ` (no ${missing.join(" and no ")})` : ""}`,
  () => {
    it("accepts the alerts, and they fire in the tests of them as they should", () => {
      for (const args of [
        ["check", "rules", join(root, "grafana/alerts.yaml")],
        ["test", "rules", join(root, "test/telemetry/alerts.test.yaml")]
      ]) {
        const { status, stderr, stdout } = spawnSync("promtool", args, { encoding: "utf8" })
        assert.strictEqual(status, 0, stdout + stderr)
      }
      const tested = readFileSync(join(root, "test/telemetry/alerts.test.yaml"), "utf8")
      for (const { alert } of alerts) {
        assert.match(tested, new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n\\s+- exp_labels`), alert)
        assert.match(tested, new RegExp(`alertname: ${alert}\\n\\s+exp_alerts: \\[\\]`), alert)
      }
    })

    it.live(
      "finds every series that the dashboard and the alerts name, with units and totals",
      () =>
        Effect.gen(function* () {
          const context = yield* Layer.build(Layer.mergeAll(Server, Layer.provideMerge(Worker, ShopLive)))
          const { address } = Context.get(context, HttpServer.HttpServer)
          const port = address._tag === "UnixPathAddress" ? assert.fail("it listens on a path") : address.port
          const url = `http://127.0.0.1:${port}`
          let n = 0
          const load = Effect.suspend(() => round(++n, url)).pipe(Effect.repeat(Schedule.spaced("50 millis")))
          yield* Effect.forkScoped(Effect.provideContext(load, context))
          // The limit is 2,000 sets; one that has none left to give takes the same way.
          yield* Effect.withFiber(({ context }) =>
            Effect.sync(() => labelsFor(context, "a.metric", { n: "1" }, { name: Telemetry.names.overflow, limit: 0 }))
          )
          const ask = yield* prometheus(`127.0.0.1:${port}`)

          const asked = [...queries, ...alerts.map(({ expr }) => expr)]
          assert.deepStrictEqual(asked.flatMap(unknown), [])
          const wanted = new Set(asked.flatMap((expr) => [...named(expr)]))
          // Two scrapes at least, or there is no rate yet.
          const present = Effect.gen(function* () {
            const found = yield* Effect.forEach([...wanted], (name) =>
              Effect.map(
                ask("query", { query: `min(count_over_time(${name}[1m])) > 2` }),
                ({ result }) => [name, result.length > 0] as const
              )
            )
            const absent = found.filter(([, there]) => !there).map(([name]) => name)
            return absent.length === 0 ? undefined : yield* Effect.fail(absent)
          })
          yield* Effect.retry(present, { schedule: Schedule.spaced("500 millis"), times: 60 })
          // The dashboard shows all that there is.
          for (const name of Object.keys(Telemetry.metrics)) {
            const family = Telemetry.prometheusName(name)
            assert.isTrue(
              [...wanted].some((series) => series.startsWith(family)),
              family
            )
          }

          for (const query of queries) {
            const expr = query.replaceAll("$__rate_interval", "30s").replaceAll(/\$\w+/g, ".*")
            const { result } = yield* ask("query", { query: expr })
            assert.isAbove(result.length, 0, expr)
          }
          const { groups } = yield* Effect.retry(
            Effect.filterOrFail(ask("rules"), ({ groups }) =>
              groups[0].rules.every(({ health }: { readonly health: string }) => health !== "unknown")
            ),
            { schedule: Schedule.spaced("500 millis"), times: 20 }
          )
          assert.deepStrictEqual(
            groups[0].rules.map(({ health, lastError, name }: Record<string, string>) => [name, health, lastError]),
            alerts.map(({ alert }) => [alert, "ok", undefined])
          )
          const firing = groups[0].rules.filter(({ state }: { readonly state: string }) => state !== "inactive")
          assert.include(
            firing.map(({ name }: { readonly name: string }) => name),
            "BreakwaterTelemetryOverflow"
          )

          const scraped = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))
          const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], {
            input: scraped,
            encoding: "utf8"
          })
          assert.strictEqual(status, 0, stdout + stderr)
          const types = Object.fromEntries(
            [...scraped.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
          )
          for (const [name, { type }] of Object.entries(Telemetry.metrics)) {
            assert.strictEqual(types[Telemetry.prometheusName(name)], type, name)
          }
          for (const line of scraped.split("\n").filter((line) => /^(?:breakwater|http)_/.test(line))) {
            assert.deepStrictEqual(unknown(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, "")), [], line)
          }
        }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
      90_000
    )
  }
)
