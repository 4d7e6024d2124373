/**
 * Record real traffic once, replay it ever after: an `HttpClient` that keeps what went over the wire in a file, without
 * secrets, and answers from that file in CI, without a network.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import type * as HttpApi from "effect/http-api/HttpApi"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { CassetteError, recordWith } from "./CassetteError.ts"
import type { Exchange } from "./Exchange.ts"
import * as File from "./internal/cassetteFile.ts"
import type { Matching, Predicate } from "./internal/cassetteMatch.ts"
import { Deck, describeMiss } from "./internal/deck.ts"
import * as Playback from "./internal/playback.ts"
import { type Redact, Redactor } from "./internal/redact.ts"
import { redactionOf } from "./internal/redactSchema.ts"

export { CassetteError, type CassetteReason } from "./CassetteError.ts"
export type { Body, Exchange, Failure, Part, Request, Response } from "./Exchange.ts"
export type { Matching, Predicate } from "./internal/cassetteMatch.ts"
export type { Redact } from "./internal/redact.ts"

/**
 * What a cassette does with a request.
 *
 * | mode     | a recorded request | any other                    | the file                            |
 * |----------|--------------------|------------------------------|-------------------------------------|
 * | `replay` | is answered        | dies, and the layer with it  | is only read                        |
 * | `record` | is sent            | is sent                      | is replaced when the layer ends     |
 * | `append` | is answered        | is sent                      | grows by the new ones, at its end   |
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "replay" | "record" | "append"

/**
 * Options of a replay.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayOptions {
  /** The contract of the provider: what it calls `Schema.Redacted` is redacted wherever it stands. */
  readonly api?: HttpApi.Constraint | undefined
  /** What is redacted beside the defaults, and what is not. */
  readonly redact?: Redact | undefined
  /** When two requests are the same. Default: equal method, path, query and body. */
  readonly match?: Matching | Predicate | undefined
  /** What answers a request that comes more often than it was recorded. Default: `"fail"`. */
  readonly exhausted?: "fail" | "repeatLast" | undefined
  /** Whether a recording that is never asked for fails the test. Default: `"ignore"`. */
  readonly unused?: "ignore" | "fail" | undefined
  /** How long an answer takes, by Effect's `Clock`: no time, or as long as when it was recorded. Default: `"none"`. */
  readonly latency?: "none" | "recorded" | undefined
}

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ReplayOptions {
  /** Default: the configuration `BREAKWATER_CASSETTE`, and `"replay"` without it. */
  readonly mode?: Mode | undefined
}

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
 * import { HttpIntegration, HttpOperation } from "breakwater/http"
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
 *   auth: HttpIntegration.bearer(Config.withDefault(Config.Redacted("RATES_KEY"), Redacted.make("replayed")))
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

type Request = HttpClientRequest.HttpClientRequest
type Answer = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const redactorOf = ({ api, redact }: ReplayOptions): Redactor =>
  new Redactor(redact ?? {}, api === undefined ? undefined : redactionOf(api))

const deckOf = (lines: ConstructorParameters<typeof Deck>[0], redactor: Redactor, options: ReplayOptions): Deck =>
  new Deck(lines, redactor, { match: options.match ?? {}, exhausted: options.exhausted ?? "fail" })

/** A recorded exchange, played for a request. */
const play = (request: Request, { elapsed, failure, response }: Exchange, options: ReplayOptions): Answer => {
  const answer: Answer =
    response === undefined
      ? Effect.suspend(() => Effect.fail(Playback.lose(request, failure ?? { codes: [] })))
      : Playback.play(request, response)
  return options.latency === "recorded" ? Effect.delay(answer, elapsed) : answer
}

const unrecordable = (path: string, { detail }: Playback.Unrecordable): CassetteError =>
  new CassetteError({
    reason: "Unrecordable",
    path,
    detail: `${detail}, and can't be looked into for secrets. Ask for another encoding, such as "accept-encoding: identity"`
  })

/** Ends a test with what went wrong in it, even where the integration made an error of its own of it. */
const endWith = (path: string, errors: ReadonlyArray<CassetteError>): Effect.Effect<void> => {
  const [first, ...more] = errors
  if (first === undefined) return Effect.void
  return Effect.die(
    more.length === 0
      ? first
      : new CassetteError({
          reason: first.reason,
          path,
          detail: [
            ...errors.slice(0, 3).map(({ detail }) => detail),
            ...(errors.length > 3 ? [`… and ${errors.length - 3} more`] : [])
          ].join("\n")
        })
  )
}

const replay = (
  path: string,
  lines: ConstructorParameters<typeof Deck>[0],
  options: ReplayOptions
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const redactor = redactorOf(options)
    const deck = deckOf(lines, redactor, options)
    const errors: Array<CassetteError> = []
    const fail = (error: CassetteError) => {
      errors.push(error)
      return Effect.die(error)
    }
    yield* Effect.addFinalizer((exit) => {
      const { unused } = deck
      if (errors.length === 0 && exit._tag === "Success" && options.unused === "fail" && unused.length > 0) {
        const detail = `never asked for:\n${unused.map((line) => `  ${line}`).join("\n")}\nRecord again to be rid of them: ${recordWith("record")}`
        return Effect.die(new CassetteError({ reason: "Unused", path, detail }))
      }
      return endWith(path, errors)
    })
    return HttpClient.make((request, url) =>
      Effect.catch(
        Effect.flatMap(Playback.capture(request, url.href), ({ request: sent }): Answer => {
          const found = deck.take(redactor.lookedUp(sent))
          if (found._tag === "Found") return play(request, found.exchange, options)
          const how = found.recorded > 0 ? "record" : "append"
          const detail = `${describeMiss(redactor.shown(sent), found)}\n  Record it: ${recordWith(how)}`
          return fail(new CassetteError({ reason: "Miss", path, detail }))
        }),
        (error) => (error instanceof Playback.Unrecordable ? fail(unrecordable(path, error)) : Effect.fail(error))
      )
    )
  })

interface Place {
  readonly path: string
  /** What the file held when the recording began. */
  readonly before: string | undefined
  /** What is replayed rather than sent. */
  readonly known: ReadonlyArray<File.Line>
}

const record = (
  fs: FileSystem.FileSystem,
  client: HttpClient.HttpClient,
  { before, known, path }: Place,
  options: ReplayOptions
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const redactor = redactorOf(options)
    const deck = deckOf(known, redactor, options)
    /** In the order in which they were sent; what is not answered yet, or never will be, is a hole. */
    const recorded: Array<Exchange | undefined> = []
    const errors: Array<CassetteError> = []
    const fail = (error: Playback.Unrecordable) => {
      const named = unrecordable(path, error)
      errors.push(named)
      return Effect.die(named)
    }
    yield* Effect.addFinalizer(() => {
      const exchanges = recorded.filter((exchange) => exchange !== undefined)
      // A test that sent nothing must not replace a cassette that holds something.
      const nothingNew = exchanges.length === 0 && before !== undefined
      const lines = [
        ...known.map(({ text }) => text),
        ...exchanges.map((exchange) => File.lineOf(redactor.final(exchange)))
      ]
      const written = nothingNew ? Effect.void : File.write(fs, path, before, File.contentFrom(lines))
      return Effect.andThen(Effect.orDie(written), endWith(path, errors))
    })

    const send = (captured: Playback.Captured): Answer =>
      Effect.gen(function* () {
        const at = recorded.push(undefined) - 1
        const started = yield* Clock.currentTimeMillis
        const keep = (came: Pick<Exchange, "response" | "failure">) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            recorded[at] = redactor.exchange({ request: captured.request, ...came, elapsed: now - started })
          })
        const response = yield* Effect.tapError(client.postprocess(Effect.succeed(captured.sendable)), ({ reason }) =>
          reason._tag === "TransportError" ? keep({ failure: Playback.failureFrom(reason.cause) }) : Effect.void
        )
        if (response.status === 101) {
          return yield* fail(new Playback.Unrecordable("the answer hands over the connection (101)"))
        }
        const received = yield* Playback.receive(response)
        const kept = yield* Effect.catch(Playback.responseFrom(response, received), fail)
        yield* keep({ response: kept })
        return Playback.passOn(response, received)
      })

    return HttpClient.makeWith(
      (prepared) =>
        Effect.flatMap(prepared, (request) =>
          Effect.flatMap(
            Effect.catch(Playback.capture(request, urlOf(request)), (error) =>
              error instanceof Playback.Unrecordable ? fail(error) : Effect.fail(error)
            ),
            (captured): Answer => {
              const found = deck.take(redactor.lookedUp(captured.request))
              return found._tag === "Found" ? play(request, found.exchange, options) : send(captured)
            }
          )
        ),
      client.preprocess
    )
  })

/** Where a request goes. One that goes nowhere fails when it is sent. */
const urlOf = ({ hash, url, urlParams }: Request): string =>
  Result.match(Url.make(url, urlParams, Option.getOrUndefined(hash)), {
    onFailure: () => url,
    onSuccess: ({ href }) => href
  })
