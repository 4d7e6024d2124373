/**
 * Record real traffic once, replay it ever after: an `HttpClient` that keeps what went over the wire in a file, without
 * secrets, and answers from that file in CI, without a network.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import { CassetteError } from "./CassetteError.ts"
import type { Mode, Options, ReplayOptions } from "./CassetteOptions.ts"
import type { Exchange } from "./Exchange.ts"
import { record, replay } from "./internal/cassetteClient.ts"
import * as File from "./internal/cassetteFile.ts"

export { CassetteError, type CassetteReason } from "./CassetteError.ts"
export type { Mode, Options, ReplayOptions } from "./CassetteOptions.ts"
export type { Body, Exchange, Failure, Part, Request, Response } from "./Exchange.ts"
export type { Matching, Predicate } from "./internal/cassetteMatch.ts"
export type { Redact } from "./internal/redact.ts"

/**
 * A client that answers from a file, or records into it.
 *
 * **When to use**
 *
 * To test an integration against what the provider really sends, without its network, its rate limits and its secrets in
 * CI. Where the provider's mistakes matter more than its answers, use `FaultInjection`.
 *
 * **Details**
 *
 * Nothing is recorded unless it is asked for: a file that is missing or malformed fails the layer, and says so. Set
 * `BREAKWATER_CASSETTE=record` to record anew, `append` to record only what is missing. The file is written when the
 * layer's scope ends, in one piece; a process that is killed leaves the old one. Give every test file its own cassette.
 *
 * A request that has no recording dies with a `CassetteError`: it names the nearest recorded request, what differs, and
 * the command that records it. An integration may translate that defect away, so the layer's scope ends with it as well.
 *
 * **What is redacted**
 *
 * Before anything is written, and before requests are compared: the headers `authorization`, `proxy-authorization`,
 * `cookie` and `set-cookie`; headers, query parameters, form and JSON fields (at any depth, requests and answers) whose
 * name contains token, secret, api-key, password, passphrase, signature, credential, private-key or access-key; the
 * query parameters `key` and `sig`; user and password in a URL; JWTs; and, with `api`, what the contract calls
 * `Schema.Redacted`. Such names are also found in texts that are no JSON. A secret of eight characters or more, with a
 * digit, is then looked for in all other places. An idempotency key is no secret and stays. A binary body can't be looked
 * into: leave it out by `redact.with`.
 *
 * In its place stands the text `[redacted]`, so that a redacted field of an answer decodes only as a string. Booleans
 * stay, and numbers below a name like `total_tokens`. When requests are compared, `[redacted]` equals every value.
 *
 * **What is recorded**
 *
 * Answers in the order in which their requests were sent, and lost connections by their code: breakwater reads a
 * replayed `ECONNRESET` as it read the true one. An answer is read to its end before it is handed on, so an endless
 * stream can't be recorded. A request that was given up before its answer came is not recorded.
 *
 * **Example** (A test that records once)
 *
 * ```ts no-run
 * import { NodeHttpClient, NodeServices } from "@effect/platform-node"
 * import { Exhaustion, Integration, Policy } from "breakwater"
 * import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
 * import { Cassette } from "breakwater/testing"
 * import { Config, Layer, Redacted, Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * class RatesApi extends HttpApi.make("rates").add(
 *   HttpApiGroup.make("rates").add(
 *     HttpApiEndpoint.get("of", "/v1/rates/:base", {
 *       params: { base: Schema.String },
 *       success: Schema.Struct({ USD: Schema.Number })
 *     })
 *   )
 * ) {}
 *
 * class RatesDown extends Schema.TaggedError<RatesDown>()("RatesDown", { outcome: Schema.String }) {}
 *
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   {
 *     policy: Policy.standard(),
 *     exhausted: Exhaustion.fail,
 *     orElse: ({ outcome }) => new RatesDown({ outcome })
 *   },
 *   { of: HttpOperation.endpoint(RatesApi, "rates", "of") }
 * ) {}
 *
 * // record: RATES_KEY=… BREAKWATER_CASSETTE=record npx vitest run test/rates.test.ts
 * // replay: npx vitest run test/rates.test.ts
 * export const RatesTest = HttpIntegration.layer(Rates, {
 *   baseUrl: "https://api.rates.example",
 *   // A replay needs no true key.
 *   auth: Auth.bearer(Config.withDefault(Config.Redacted("RATES_KEY"), Redacted.make("replayed")))
 * }).pipe(
 *   Layer.provide(Cassette.layer("test/cassettes/rates.ndjson", { api: RatesApi })),
 *   Layer.provide(NodeHttpClient.layerUndici),
 *   Layer.provide(NodeServices.layer)
 * )
 * ```
 *
 * @see {@link layerReplay} for a layer that can't record and needs no client.
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  path: string,
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient, CassetteError, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const fs = yield* FileSystem.FileSystem
      const mode = options.mode ?? (yield* modeOf(path))
      if (mode === "replay") return yield* replay(path, yield* File.readLines(fs, path), options)
      const before = yield* File.contentOf(fs, path)
      const known = before === undefined || mode === "record" ? [] : yield* File.parse(path, before)
      return yield* record(fs, client, { path, before, known }, options)
    })
  )

/**
 * A client that answers from a file, and nothing else: it needs no other client.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReplay = (
  path: string,
  options: ReplayOptions = {}
): Layer.Layer<HttpClient.HttpClient, CassetteError, FileSystem.FileSystem> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.flatMap(FileSystem.FileSystem, (fs) =>
      Effect.flatMap(File.readLines(fs, path), (lines) => replay(path, lines, options))
    )
  )

/**
 * A client that answers from exchanges that are given: a recording of a few lines, in the test itself.
 *
 * **Example** (One exchange)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HttpClient } from "effect/http"
 * import { Cassette } from "breakwater/testing"
 *
 * const recorded = Cassette.layerMemory([
 *   {
 *     request: { method: "GET", url: "https://api.example/rates?base=EUR", headers: {} },
 *     response: { status: 200, headers: { "content-type": "application/json" }, body: { json: { USD: 1.1 } } },
 *     elapsed: 12
 *   }
 * ])
 *
 * const rates = Effect.flatMap(HttpClient.get("https://api.example/rates?base=EUR"), (response) => response.json)
 *
 * await Effect.runPromise(Effect.provide(rates, recorded)) // => { USD: 1.1 }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (
  exchanges: ReadonlyArray<Exchange>,
  options: ReplayOptions = {}
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    replay(
      "(memory)",
      exchanges.map((exchange) => ({ exchange })),
      options
    )
  )

/**
 * The exchanges of a cassette, as they stand in its file: what `Contract.check` looks at.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = (path: string): Effect.Effect<ReadonlyArray<Exchange>, CassetteError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.map(File.readLines(fs, path), (lines) => lines.map(({ exchange }) => exchange))
  )

// ---- modes

const modes = ["replay", "record", "append"] as const

const modeOf = (path: string): Effect.Effect<Mode, CassetteError> =>
  Effect.mapError(
    Config.withDefault(Config.Literals(modes, "BREAKWATER_CASSETTE"), "replay"),
    () =>
      new CassetteError({
        reason: "InvalidMode",
        path,
        detail: `the configuration BREAKWATER_CASSETTE must be one of ${modes.join(", ")}`
      })
  )
