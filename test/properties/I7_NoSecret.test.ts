// I7: no secret in a span, a log line, a metric, an event or an error, however the call ends.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Cause,
  Context,
  Data,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Redacted,
  References,
  Schema,
  SchemaGetter,
  Tracer
} from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { Failed, failureOf, oneOf, seed, seededly, settle, tries } from "./support.ts"

const secret = "sk_live_q9x7Zt31"
/** The forms in which it may show: as it is, and as Basic credentials. */
const forms = [secret, btoa(`user:${secret}`).replace(/=+$/, ""), btoa(secret).replace(/=+$/, "")]

const deep = (value: unknown): string =>
  [
    String(value),
    inspect(value, { depth: 30, showHidden: true, getters: false }),
    (() => {
      try {
        return JSON.stringify(value, (_key, v) => (typeof v === "bigint" ? String(v) : v)) ?? ""
      } catch {
        return ""
      }
    })()
  ].join("\n")

/** All that leaves a process about its calls, as text. */
const sinks = () => {
  const written: Array<string> = []
  const write = (where: string, ...values: ReadonlyArray<unknown>) =>
    values.forEach((value) => written.push(`[${where}] ${typeof value === "string" ? value : deep(value)}`))
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make<unknown, void>((options) => {
    write("log", ...(Array.isArray(options.message) ? options.message : [options.message]))
    write("log", Logger.formatJson.log(options), Logger.formatLogFmt.log(options), Logger.formatSimple.log(options))
    write("log", Cause.pretty(options.cause))
  })
  const registry: Metric.MetricRegistry = new Map()
  return {
    write,
    layer: Logger.layer([logger]),
    run: <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      self.pipe(
        Effect.withTracer(tracer),
        Effect.provideService(Metric.MetricRegistry, registry),
        Effect.provideService(References.MinimumLogLevel, "All")
      ),
    text: Effect.gen(function* () {
      for (const span of spans) {
        write("span", span.name, [...span.attributes], span.events, span.links, span.status)
        if (span.status._tag === "Ended" && Exit.isFailure(span.status.exit)) {
          const { cause } = span.status.exit
          write("span", Cause.pretty(cause))
          for (const error of Cause.prettyErrors(cause))
            write("span", error, error.message, error.stack ?? "", error.cause)
        }
      }
      write("metric", yield* Effect.provideService(Metric.snapshot, Metric.MetricRegistry, registry))
      write("metric", yield* Effect.provideService(Metric.dump, Metric.MetricRegistry, registry))
      return written
    })
  }
}

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}

const Api = HttpApi.make("secrets").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.post("create", "/v1/charges/:card", {
      params: { card: Schema.String },
      query: { token: Schema.String },
      headers: { "x-partner": Schema.String },
      payload: Schema.Struct({ card: Schema.RedactedFromValue(Schema.String), amount: Schema.Int }),
      success: Schema.Struct({ id: Schema.Int, owner: Schema.optional(Schema.RedactedFromValue(Schema.Int)) }),
      error: CardError
    })
  )
)

class Told extends Data.TaggedError("Told")<{}> {}

class Charges extends Integration.Service<Charges>()(
  "test/Charges",
  {
    policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "5 seconds" }),
    shared: Policy.shared({ breaker: Policy.breaker({ consecutive: 4 }) }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Failed({ failure })
  },
  {
    create: HttpOperation.endpoint(Api, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", String(payload.amount)), {
        lifetime: "1 day"
      }),
      translate: { CardError: () => new Told() }
    })
  }
) {}

const auths: Readonly<Record<string, Auth.Auth>> = {
  bearer: Auth.bearer(Redacted.make(secret)),
  basic: Auth.basic("user", Redacted.make(secret)),
  header: Auth.apiKey("X-Api-Key", Redacted.make(secret)),
  query: Auth.queryKey("api_key", Redacted.make(secret)),
  unreadable: Auth.bearer(Effect.fail(new Error(`no access to ${secret}`))),
  broken: Auth.bearer(Effect.die(new Error(`a bug near ${secret}`)))
}

/** Answers and ends that carry the secret back. */
const answers: Readonly<Record<string, FaultInjection.Fault | "transport" | "reading" | "dies">> = {
  "another shape": FaultInjection.wrongShape({ id: secret, owner: secret, nested: { [secret]: secret } }),
  "a redacted field of another type": FaultInjection.wrongShape({ id: 1, owner: secret }),
  "no JSON": FaultInjection.wrongMediaType("application/json", `{"id": ${secret}`),
  "a page": FaultInjection.wrongMediaType("text/html", `<p>${secret}</p>`),
  "a media type that tells": FaultInjection.wrongMediaType("text/plain", secret),
  "a declared error": FaultInjection.status(402, { body: { _tag: "CardError", code: secret } }),
  "a declared error of another shape": FaultInjection.status(402, { body: { _tag: "CardError", code: [secret] } }),
  "a problem": FaultInjection.status(400, {
    headers: { "content-type": "application/problem+json" },
    body: { type: "urn:breakwater:problem:key-reused", detail: secret, title: secret }
  }),
  "an error page": FaultInjection.status(500, { body: { echo: { authorization: secret } } }),
  "a redirect": FaultInjection.status(302, { headers: { location: `https://other.example/?token=${secret}` } }),
  "a challenge": FaultInjection.status(401, { headers: { "www-authenticate": `Bearer error="${secret}"` } }),
  throttled: FaultInjection.status(429, { retryAfter: 1, headers: { "set-cookie": `session=${secret}` } }),
  "a cut body": FaultInjection.cutBody,
  "a stalled body": FaultInjection.stallInBody,
  nothing: FaultInjection.stallBeforeHeaders({ executes: true }),
  transport: "transport",
  reading: "reading",
  dies: "dies",
  success: FaultInjection.wrongShape({ id: 1, owner: 7, more: secret })
}

/** A client whose own errors hold the request, as those of real ones do. */
const leaky = (how: "transport" | "reading" | "dies") =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) => {
      const cause = Object.assign(
        new Error(`connect to ${url.href} with ${request.headers["authorization"]} ${secret}`),
        {
          code: "ECONNRESET",
          request: { url: url.href, headers: { ...request.headers, secret } },
          errors: [new Error(secret)]
        }
      )
      return how === "dies"
        ? Effect.die(cause)
        : Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause, description: secret })
            })
          )
    })
  )

const shows = (texts: ReadonlyArray<string>) => texts.filter((text) => forms.some((form) => text.includes(form)))

describe("I7: no secret", () => {
  it.effect.prop(
    "over HTTP: credentials, redacted fields, answers and errors, wherever they come back",
    { seed, auth: oneOf(Object.keys(auths)), answer: oneOf(Object.keys(answers)), giveUp: oneOf([false, false, true]) },
    ({ answer, auth, giveUp, seed }) =>
      Effect.gen(function* () {
        const out = sinks()
        const fault = answers[answer]!
        const provider = FaultInjection.make({
          respond: () => ({ body: { id: 1, secret } }),
          faults: () => (typeof fault === "string" ? undefined : fault)
        })
        yield* Effect.gen(function* () {
          const layer = HttpIntegration.layer(Charges, {
            baseUrl: "https://acme.example",
            auth: auths[auth],
            correlationHeader: "x-correlation-id",
            traceparent: "w3c"
          }).pipe(
            Layer.provide(typeof fault === "string" ? leaky(fault) : provider.layer),
            Layer.provide(Telemetry.layerObserver((event) => out.write("event", event)))
          )
          const charges = Context.get(yield* Layer.build(Layer.orDie(layer)), Charges)
          const call = charges.create({
            params: { card: secret },
            query: { token: secret },
            headers: { "x-partner": secret },
            payload: { card: Redacted.make(secret), amount: 2 }
          })
          const exit = yield* settle<unknown, Failed | Told, never>(
            giveUp ? Effect.timeoutOption(call, "500 millis") : call
          )
          const failure = failureOf(exit)
          if (failure !== undefined) {
            out.write(
              "failure",
              failure,
              failure.message,
              failure.stack ?? "",
              failure.toJSON(),
              Cause.pretty(Cause.fail(failure))
            )
            out.write("failure", new Failed({ failure }))
          }
        }).pipe(out.run, Effect.provide(out.layer))
        assert.deepStrictEqual(shows(yield* out.text), [])
      }).pipe(seededly(seed)),
    tries(250)
  )

  class SdkError extends Data.TaggedError("SdkError")<{ readonly config: unknown; readonly message: string }> {}

  const ends = {
    fails: () => Effect.fail(new SdkError({ config: { headers: { secret } }, message: secret })),
    dies: () => Effect.die(new Error(secret)),
    "dies without an error": () => Effect.die(secret),
    "answers nonsense": () => Effect.succeed({ id: secret }),
    "is unavailable": () => Effect.fail(new SdkError({ config: secret, message: secret }))
  }
  const places = ["send", "input", "derive", "attempt layer", "call layer", "fallback", "classify"] as const

  it.effect.prop(
    "over any effect: its errors, defects, answers and inputs, and those of custom layers",
    { seed, end: oneOf(Object.keys(ends) as ReadonlyArray<keyof typeof ends>), place: oneOf(places) },
    ({ end, place, seed }) =>
      Effect.gen(function* () {
        const out = sinks()
        yield* Effect.gen(function* () {
          const dying = (slot: "call" | "attempt") =>
            Policy.make({
              slot: slot as "call",
              name: slot,
              build: () => Effect.succeed(() => () => Effect.die(new Error(secret)))
            })
          class Sdk extends Integration.Service<Sdk>()(
            "test/Sdk",
            {
              policy: Policy.stack(
                Policy.standard(),
                place === "attempt layer" ? dying("attempt") : place === "call layer" ? dying("call") : Policy.noop
              ),
              exhausted: Exhaustion.fallbackUnlessItHappened("a test", () => Effect.die(new Error(secret))),
              orElse: (failure) => new Failed({ failure })
            },
            {
              send: Operation.mutation("send", {
                input: Schema.Struct({ token: Schema.RedactedFromValue(Schema.String), id: Schema.Int }),
                idempotency: Idempotency.keyed(
                  () => {
                    if (place === "derive") throw new Error(secret)
                    return IdempotencyKey.derive("send", "1")
                  },
                  { lifetime: "1 day" }
                ),
                success: Schema.Struct({ id: Schema.Int }),
                classify: () => {
                  if (place === "classify") throw new Error(secret)
                  return end === "is unavailable"
                    ? Reason.unavailable()
                    : place === "fallback"
                      ? Reason.throttled()
                      : undefined
                },
                translate: { SdkError: (error) => new Failed({ failure: (error.config as undefined)! }) },
                send: () => ends[end]() as Effect.Effect<unknown, SdkError>
              })
            }
          ) {}
          const layer = Integration.layer(Sdk).pipe(
            Layer.provide(Telemetry.layerObserver((event) => out.write("event", event)))
          )
          const sdk = Context.get(yield* Layer.build(Layer.orDie(layer)), Sdk)
          const input = { token: Redacted.make(secret), id: place === "input" ? (secret as never as number) : 1 }
          const exit = yield* settle(Effect.mapError(sdk.send(input), ({ failure }) => failure))
          const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          if (failure instanceof Error && "attempts" in failure)
            out.write("failure", failure, failure.message, failure.stack ?? "")
        }).pipe(out.run, Effect.provide(out.layer))
        assert.deepStrictEqual(shows(yield* out.text), [])
      }).pipe(seededly(seed)),
    tries(120)
  )

  const rejections: ReadonlyArray<readonly [string, () => unknown]> = [
    ["an error", () => new Error(secret)],
    ["an error of a class of its own", () => Object.assign(new TypeError(secret), { config: { token: secret } })],
    ["an error with a tag", () => ({ _tag: "Down", message: secret })],
    ["a text", () => secret],
    ["an object", () => ({ token: secret })]
  ]

  it.effect.each(rejections)("a promise that is rejected with %s", ([, reject]) =>
    Effect.gen(function* () {
      const out = sinks()
      class Sdk extends Integration.Service<Sdk>()(
        "test/Sdk",
        { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        {
          call: Operation.fromPromise("call", {
            idempotency: Idempotency.atMostOnce("no key"),
            success: Schema.String,
            call: () => Promise.reject(reject())
          }),
          unavailable: Operation.fromPromise("unavailable", {
            idempotency: Idempotency.atMostOnce("no key"),
            success: Schema.String,
            call: () => Promise.reject(reject()),
            classify: () => Reason.unavailable()
          })
        }
      ) {}
      yield* Effect.gen(function* () {
        const layer = Integration.layer(Sdk).pipe(
          Layer.provide(Telemetry.layerObserver((event) => out.write("event", event)))
        )
        const sdk = Context.get(yield* Layer.build(Layer.orDie(layer)), Sdk)
        for (const call of [sdk.call(), sdk.unavailable()]) {
          const failure = failureOf(yield* settle(call))!
          out.write("failure", failure, failure.message, failure.stack ?? "")
        }
      }).pipe(out.run, Effect.provide(out.layer))
      assert.deepStrictEqual(shows(yield* out.text), [])
    }).pipe(seededly(1))
  )

  it.effect("an encoding that dies with it, and a drain that reports what it cut", () =>
    Effect.gen(function* () {
      const out = sinks()
      const Input = Schema.String.pipe(
        Schema.decodeTo(Schema.String, {
          decode: SchemaGetter.passthrough(),
          encode: SchemaGetter.transformEffect((text: string) => Effect.die(new Error(text)))
        })
      )
      class Sdk extends Integration.Service<Sdk>()(
        "test/Sdk",
        { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        {
          dies: Operation.query("dies", { input: Input, success: Schema.String, send: () => Effect.never }),
          stalls: Operation.query("stalls", { input: Schema.String, success: Schema.String, send: () => Effect.never })
        }
      ) {}
      yield* Effect.gen(function* () {
        const running = yield* Effect.forkChild(
          Effect.scoped(
            Effect.gen(function* () {
              const layer = Layer.orDie(Integration.layer(Sdk, { drain: "100 millis" }))
              const sdk = Context.get(yield* Layer.build(layer), Sdk)
              const failure = failureOf(yield* Effect.exit(sdk.dies(secret)))
              out.write("failure", failure)
              yield* Effect.forkDetach(Effect.exit(sdk.stalls(secret)), { startImmediately: true })
            })
          )
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(running)
      }).pipe(out.run, Effect.provide(out.layer))
      const texts = yield* out.text
      assert.isTrue(texts.some((text) => text.includes("shut down while stalls was running")))
      assert.deepStrictEqual(shows(texts), [])
    }).pipe(seededly(1))
  )

  it("the check sees a secret in each of its forms", () => {
    assert.strictEqual(
      shows([`a ${secret}`, `Basic ${btoa(`user:${secret}`)}`, deep({ a: { b: [new Error(secret)] } })]).length,
      3
    )
  })
})
