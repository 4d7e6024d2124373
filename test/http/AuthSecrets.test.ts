// Secrets, tokens and signatures of every kind of credentials are in nothing that a call tells or keeps.
import { assert, describe, it } from "@effect/vitest"
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  OutboxStore,
  OutboxStoreMemory,
  Policy,
  Telemetry
} from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Cassette } from "breakwater/testing"
import {
  Cause,
  Config,
  ConfigProvider,
  Context,
  Data,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Inspectable,
  Layer,
  Logger,
  Metric,
  Redacted
} from "effect"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { Watch } from "../../src/dashboard/internal/watch.ts"
import { CurrentHub, Hub } from "../../src/internal/hub.ts"
import { collect } from "../telemetry/collect.ts"
import { json, OrdersApi, World } from "./tokens.ts"
import { until } from "./wire.ts"

class Down extends Data.TaggedError("Down")<{ readonly failure: CallFailure.CallFailure }> {}

const keyed = Idempotency.keyed(
  ({ payload }: { readonly payload: { readonly order: string } }) => IdempotencyKey.derive("order", payload.order),
  { lifetime: "1 day" }
)

class Shop extends Integration.Service<Shop>()(
  "shop",
  {
    policy: Policy.standard({ attemptTimeout: "8 seconds", maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Down({ failure })
  },
  {
    create: HttpOperation.endpoint(OrdersApi, "orders", "create", { idempotency: keyed }),
    park: HttpOperation.endpoint(OrdersApi, "orders", "once", { idempotency: keyed, exhausted: Exhaustion.park })
  }
) {}

const secret = (what: string) => `S3CR3T-${what}-q+/=&x`
const redacted = (what: string) => Redacted.make(secret(what))
const tokenUrl = "https://login.example/token"
const clientId = "client"

const auths: Readonly<Record<string, Auth.Auth>> = {
  bearer: Auth.bearer(redacted("bearer")),
  basic: Auth.basic("user", redacted("password")),
  "an API key": Auth.apiKey("X-Api-Key", redacted("apikey")),
  "a query key": Auth.queryKey("api_key", redacted("query")),
  "a configuration": Auth.bearer(Config.Redacted("KEY")),
  "one's own": Auth.custom("own", () => Effect.fail(new Error(secret("thrown")))),
  "client credentials": Auth.clientCredentials({ tokenUrl, clientId, clientSecret: redacted("client") }),
  "client credentials in the body": Auth.clientCredentials({
    tokenUrl,
    clientId,
    clientSecret: redacted("client"),
    placement: "body"
  }),
  "a refresh token": Auth.refreshToken({
    tokenUrl,
    clientId,
    clientSecret: redacted("client"),
    refreshToken: redacted("refresh"),
    onRotated: (token) => Effect.fail(new Error(Redacted.value(token)))
  }),
  "a refresh token that is stored": Auth.refreshToken({
    tokenUrl,
    clientId,
    refreshToken: redacted("refresh"),
    onRotated: () => Effect.void
  }),
  "a signature": Auth.awsSigV4({
    service: "s3",
    region: "eu-central-1",
    credentials: { accessKeyId: "AKIA1", secretAccessKey: redacted("aws"), sessionToken: redacted("session") }
  })
}

const provider = ConfigProvider.make((path) =>
  Effect.succeed(path[0] === "KEY" ? ConfigProvider.makeValue(secret("config")) : undefined)
)

const token = (n: number) =>
  json(200, {
    access_token: secret(`access${n}`),
    refresh_token: secret(`refreshed${n}`),
    token_type: "Bearer",
    expires_in: 3600
  })

const refuses: World["api"] = (asked) => json(401, { echo: asked.headers, token: secret("echoed") })

/** What the token endpoint and the provider do. */
const worlds: Readonly<Record<string, (world: World) => void>> = {
  "refuses all": (world) => {
    world.token = (_, n) => token(n)
    world.api = refuses
  },
  fails: (world) => {
    world.token = (_, n) => token(n)
    world.api = (asked) => json(500, { echo: asked.headers })
  },
  "gives no tokens": (world) => {
    world.token = (asked) =>
      json(400, { error: "invalid_grant", error_description: `no such ${secret("echoed")} ${asked.body}` })
    world.api = refuses
  },
  "says what else may be an error": (world) => {
    world.token = (asked) => json(400, { error: `${secret("echoed")} ${asked.body}` })
    world.api = refuses
  },
  "answers tokens of another shape": (world) => {
    world.token = () => json(200, { access_token: { of: secret("access1") }, token_type: secret("echoed") })
    world.api = refuses
  },
  "breaks the connection to the token endpoint": (world) => {
    world.token = () => Effect.fail("lost")
    world.api = refuses
  }
}

/** A text as it is, in a URL, in JSON, and in base64 wherever it begins. */
const pieces = ["S3CR3T", ...["S3CR3T", "client:S3CR3T", "user:S3CR3T"].map((text) => btoa(text).slice(0, -2))]

const cassettes = () => {
  const files = new Map<string, string>()
  const layer = FileSystem.layerNoop({
    readFileString: (path) => Effect.sync(() => files.get(path) ?? ""),
    writeFileString: (path, content) => Effect.sync(() => void files.set(path, content)),
    rename: (from, to) => Effect.sync(() => void files.set(to, files.get(from)!))
  })
  return { files, layer }
}

describe("no secret, token or signature is told or kept", () => {
  for (const [what, set] of Object.entries(worlds)) {
    for (const [kind, auth] of Object.entries(auths)) {
      it.effect(`of ${kind}, by a provider that ${what}`, () =>
        Effect.gen(function* () {
          const world = new World()
          set(world)
          const signals = collect(Telemetry.formatJson, Telemetry.formatLogFmt, Logger.formatSimple)
          const hub = new Hub()
          const watch = new Watch(hub, 0)
          const { files, layer } = cassettes()
          const exits: Array<Exit.Exit<unknown, Down>> = []
          let entries: unknown
          yield* Effect.scoped(
            Effect.gen(function* () {
              const store = yield* Layer.build(OutboxStoreMemory.layer)
              const context = yield* Layer.build(
                HttpIntegration.layer(Shop, { baseUrl: "https://api.example", auth, drain: 0 }).pipe(
                  Layer.provide([
                    Cassette.layer("c", { mode: "record" }).pipe(Layer.provide([world.client, layer])),
                    Layer.succeedContext(store)
                  ])
                )
              )
              const shop = Context.get(context, Shop)
              for (const call of [shop.create, shop.park, shop.create]) {
                const fiber = yield* Effect.forkChild(
                  signals.watch(Effect.exit(call({ payload: { order: "7" } }) as Effect.Effect<unknown, Down>))
                )
                // WebCrypto answers in its own time.
                if (kind === "a signature") yield* until(() => fiber.pollUnsafe() !== undefined)
                for (let n = 0; n < 4; n++) yield* TestClock.adjust("5 seconds")
                exits.push(yield* Fiber.join(fiber))
              }
              entries = yield* Context.get(store, OutboxStore.OutboxStore).list({}, { limit: 100 } as never)
            })
          ).pipe(Effect.provideService(CurrentHub, hub), Effect.provideService(ConfigProvider.ConfigProvider, provider))
          const failures = exits.flatMap((exit) => {
            const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
            return error instanceof Down ? [error.failure] : []
          })
          const signatures = [...world.calls, ...world.tokens].flatMap(
            ({ headers }) => /Signature=(\w+)/.exec(headers["authorization"] ?? "")?.[1] ?? []
          )
          const shown = [
            inspect(signals.trees(), { depth: 20 }),
            ...signals.spans.map(({ status }) =>
              status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
            ),
            inspect(signals.points(), { depth: 20 }),
            PrometheusMetrics.formatUnsafe(Context.make(Metric.MetricRegistry, signals.registry)),
            JSON.stringify(signals.events),
            ...signals.lines,
            JSON.stringify(watch.snapshot(60_000)),
            JSON.stringify(entries),
            // A secret that a provider has made up, and tells in words of its own, is known to nobody else.
            ...Array.from(files.values(), (text) => text.replaceAll(secret("echoed"), "")),
            ...failures.flatMap((failure) => [
              String(failure),
              failure.stack ?? "",
              JSON.stringify(failure),
              inspect(failure, { depth: 20 }),
              Cause.pretty(Cause.fail(failure)),
              Inspectable.toStringUnknown(failure)
            ]),
            inspect(auth, { depth: 5 })
          ].join("\n")
          assert.isAtLeast(failures.length, 1)
          assert.isAtLeast(signals.lines.length, 9)
          if (kind !== "one's own") assert.isAbove(files.get("c")!.length, 100)
          assert.deepStrictEqual(
            [...pieces, ...signatures].filter((piece) => shown.includes(piece)),
            []
          )
        })
      )
    }
  }
})
