/** Secrets that are planted wherever a call has a place for one appear in nothing that it tells. */
import { assert, describe, it } from "@effect/vitest"
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  OutboxStoreMemory,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import {
  Arbitrary,
  Cause,
  Context,
  Data,
  Effect,
  Exit,
  Fiber,
  Inspectable,
  Layer,
  Logger,
  Metric,
  Redacted,
  Schema
} from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { PrometheusMetrics } from "effect/observability"
import { inspect } from "node:util"
import { collect, type Collected } from "./collect.ts"

/** The places. `noted` is what a test makes of one: unique, so that a find says where it was. */
const places = [
  "bearer",
  "queryKey",
  "basicUser",
  "basicPassword",
  "apiKey",
  "header",
  "fixedHeader",
  "query",
  "pathParam",
  "password",
  "nested",
  "answered",
  "answerHeader",
  "cookie",
  "declared",
  "body",
  "bodyKey",
  "thrown",
  "location"
] as const
type Place = (typeof places)[number]
type Secrets = Readonly<Record<Place, string>>

/** Texts as secrets are: letters, digits, and what changes its form in a URL, in JSON or in base64. */
const secrets: Arbitrary.Arbitrary<Secrets> = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffff }))), {
    minLength: places.length,
    maxLength: places.length
  }),
  (numbers) =>
    Object.fromEntries(
      places.map((place, at) => [place, `sk_${place}_${numbers[at]!.toString(36)}${at % 2 === 0 ? "+/=&%" : ""}x`])
    ) as Secrets
)

/** The forms in which a text may turn up. */
const forms = (secret: string): ReadonlyArray<string> => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  btoa(secret).replace(/=+$/, "")
]

// ---- an integration with a place for each

const Secret = Schema.RedactedFromValue(Schema.String)

class Refused extends Schema.TaggedError<Refused>()(
  "Refused",
  { why: Secret, hint: Schema.String },
  { httpApiStatus: 402 }
) {}

const endpoint = {
  params: { id: Schema.String },
  query: { api_key: Schema.String, token: Secret },
  headers: { "x-password": Secret },
  payload: Schema.Struct({
    user: Schema.String,
    password: Secret,
    nested: Schema.Struct({ pins: Schema.Array(Secret) })
  }),
  success: Schema.Struct({
    id: Schema.String.check(Schema.isMaxLength(8)),
    token: Secret,
    tokens: Schema.Record(Schema.String, Schema.Int)
  }),
  error: Refused
}

class VaultApi extends HttpApi.make("vault").add(
  HttpApiGroup.make("vault").add(
    HttpApiEndpoint.post("mint", "/users/:id/tokens", endpoint),
    HttpApiEndpoint.post("park", "/users/:id/tokens", endpoint)
  )
) {}

type Minting = { readonly payload: { readonly user: string } }

class Down extends Data.TaggedError("Down")<{ readonly failure: CallFailure.CallFailure }> {}
class Told extends Data.TaggedError("Told")<{}> {}

const keyed = Idempotency.keyed(({ payload }: Minting) => IdempotencyKey.derive("mint", payload.user), {
  lifetime: "24 hours"
})

class Vault extends Integration.Service<Vault>()(
  "vault",
  {
    policy: Policy.stack(
      Policy.standard({ attemptTimeout: "2 seconds", maxAttempts: 2, schedule: Policy.backoff({ base: 0 }) }),
      Policy.breaker({ consecutive: 2, openFor: "1 minute", maxOpenFor: "1 minute" })
    ),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Down({ failure })
  },
  {
    mint: HttpOperation.endpoint(VaultApi, "vault", "mint", {
      idempotency: keyed,
      translate: { Refused: () => new Told() }
    }),
    park: HttpOperation.endpoint(VaultApi, "vault", "park", {
      idempotency: keyed,
      exhausted: Exhaustion.park,
      translate: { Refused: () => new Told() }
    }),
    sdk: Operation.mutation("sdk", {
      idempotency: Idempotency.inherent("the same again"),
      input: Schema.Struct({
        password: Schema.Redacted(Schema.String),
        how: Schema.Literals(["fails", "dies", "garbage"])
      }),
      success: Schema.Struct({ token: Schema.RedactedFromValue(Schema.String) }),
      send: ({ how, password }) =>
        how === "garbage"
          ? Effect.succeed({ token: { of: Redacted.value(password) } })
          : how === "fails"
            ? Effect.fail(new Error(`no such password: ${Redacted.value(password)}`))
            : Effect.die(new Error(`a bug with ${Redacted.value(password)}`)),
      classify: () => Reason.unavailable()
    })
  }
) {}

type Request = HttpClientRequest.HttpClientRequest
type Respond = (
  request: Request,
  secrets: Secrets
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const answer =
  (
    status: number,
    body: (secrets: Secrets) => unknown,
    headers: (secrets: Secrets) => Record<string, string> = () => ({})
  ): Respond =>
  (request, secrets) =>
    Effect.sync(() =>
      HttpClientResponse.fromWeb(
        request,
        new Response(JSON.stringify(body(secrets)), {
          status,
          headers: { "content-type": "application/json", ...headers(secrets) }
        })
      )
    )

const good = ({ answered, bodyKey }: Secrets) => ({ id: "t_1", token: answered, tokens: { [bodyKey]: 1 } })

/** What the provider does, by the outcome that it leads to. */
const outcomes: Readonly<Record<string, Respond>> = {
  success: answer(200, good, ({ answerHeader, cookie }) => ({ "x-token": answerHeader, "set-cookie": `s=${cookie}` })),
  "an undeclared error": answer(404, ({ body }) => ({ error: body })),
  "an error of the server": answer(500, ({ body }) => body),
  "a declared error": answer(402, ({ body, declared }) => ({ _tag: "Refused", why: declared, hint: body })),
  "a declared error of another shape": answer(402, ({ declared }) => ({ _tag: "Refused", why: { of: declared } })),
  "a redirect": answer(
    302,
    () => null,
    ({ location }) => ({ location: `https://elsewhere.example/?token=${encodeURIComponent(location)}` })
  ),
  "a secret of another shape": answer(200, (all) => ({ ...good(all), token: { of: all.answered } })),
  "a field of another shape": answer(200, (all) => ({ ...good(all), id: [all.body] })),
  "a value under a secret key": answer(200, ({ bodyKey, body }) => ({
    ...good,
    id: "1",
    token: "t",
    tokens: { [bodyKey]: body }
  })),
  "a field that is too long": answer(200, (all) => ({ ...good(all), id: all.body })),
  "no JSON": (request, { body }) =>
    Effect.sync(() =>
      HttpClientResponse.fromWeb(request, new Response(`<${body}`, { headers: { "content-type": "application/json" } }))
    ),
  "a timeout": () => Effect.never,
  "a broken connection": (request, { thrown }) =>
    Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({
          request,
          cause: new Error(`cannot reach ${request.url} with ${thrown}`),
          description: thrown
        })
      })
    ),
  "a defect": (request, { thrown }) => Effect.die(new Error(`${thrown} at ${request.url}`))
}

const auths = (secrets: Secrets): Readonly<Record<string, Auth.Auth>> => ({
  bearer: Auth.bearer(Redacted.make(secrets.bearer)),
  queryKey: Auth.queryKey("api_key", Redacted.make(secrets.queryKey)),
  basic: Auth.basic(secrets.basicUser, Redacted.make(secrets.basicPassword)),
  apiKey: Auth.apiKey("x-api-key", Redacted.make(secrets.apiKey)),
  failing: Auth.custom("of the test", () => Effect.fail(new Error(`no token for ${secrets.thrown}`)))
})

/** All that the signals and the failures show, in every way in which one may look at them. */
const shownBy = (signals: Collected, exits: ReadonlyArray<Exit.Exit<unknown, unknown>>): string => {
  const failures = exits.flatMap((exit) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return error instanceof Down ? [error.failure] : []
  })
  return [
    inspect(signals.trees(), { depth: 20 }),
    ...signals.spans.map(({ status }) =>
      status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
    ),
    inspect(signals.points(), { depth: 20 }),
    PrometheusMetrics.formatUnsafe(Context.make(Metric.MetricRegistry, signals.registry)),
    inspect(signals.events, { depth: 20 }),
    JSON.stringify(signals.events),
    ...signals.lines,
    ...failures.flatMap((failure) => [
      String(failure),
      JSON.stringify(failure),
      inspect(failure, { depth: 20 }),
      Cause.pretty(Cause.fail(failure)),
      Inspectable.toStringUnknown(failure)
    ])
  ].join("\n")
}

const findings = (shown: string, secrets: Secrets) =>
  places.filter((place) => forms(secrets[place]).some((form) => shown.includes(form)))

const opened = (respond: Respond, secrets: Secrets, auth: Auth.Auth) =>
  Effect.map(
    Layer.build(
      HttpIntegration.layer(Vault, {
        baseUrl: "https://vault.example",
        headers: { "x-fixed": secrets.fixedHeader },
        auth,
        drain: 0
      }).pipe(
        Layer.provide([
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.make((request) => respond(request, secrets))
          ),
          OutboxStoreMemory.layer
        ])
      )
    ),
    (context) => Context.get(context, Vault)
  )

const everyLogger = [Telemetry.formatJson, Telemetry.formatLogFmt, Logger.formatSimple] as const

describe("a planted secret is in no span, line, metric, event or failure of", () => {
  for (const [name, respond] of Object.entries(outcomes)) {
    it.effect.prop(
      name,
      { secrets },
      ({ secrets }) =>
        Effect.gen(function* () {
          const signals = collect(...everyLogger)
          const input = {
            params: { id: secrets.pathParam },
            query: { api_key: secrets.query, token: Redacted.make(secrets.query) },
            headers: { "x-password": Redacted.make(secrets.header) },
            payload: {
              user: "ada",
              password: Redacted.make(secrets.password),
              nested: { pins: [Redacted.make(secrets.nested)] }
            }
          }
          const exits: Array<Exit.Exit<unknown, unknown>> = []
          for (const auth of Object.values(auths(secrets))) {
            const vault = yield* opened(respond, secrets, auth)
            // The third call of a provider that fails meets an open circuit.
            for (const call of [vault.mint(input), vault.park(input), vault.mint(input)]) {
              const fiber = yield* Effect.forkChild(signals.watch(Effect.exit(call)), { startImmediately: true })
              yield* TestClock.adjust("2 seconds")
              yield* TestClock.adjust("2 seconds")
              exits.push(yield* Fiber.join(fiber))
            }
            const given = yield* Effect.forkChild(signals.watch(vault.mint(input)), { startImmediately: true })
            yield* Fiber.interrupt(given)
          }
          assert.strictEqual(signals.events.length, 20)
          assert.isAtLeast(signals.lines.length, 60)
          assert.deepStrictEqual(findings(shownBy(signals, exits), secrets), [])
        }),
      { arbitrary: { runs: 5, seed: name } }
    )
  }

  it.effect.prop(
    "an operation without HTTP",
    { secrets },
    ({ secrets }) =>
      Effect.gen(function* () {
        const signals = collect(...everyLogger)
        const vault = yield* opened(outcomes["success"]!, secrets, auths(secrets)["bearer"]!)
        const password = Redacted.make(secrets.password)
        const exits: Array<Exit.Exit<unknown, unknown>> = []
        for (const how of ["fails", "dies", "garbage"] as const) {
          exits.push(yield* signals.watch(Effect.exit(vault.sdk({ how, password }))))
        }
        exits.push(yield* signals.watch(Effect.exit(vault.sdk({ how: secrets.thrown as never, password }))))
        exits.push(yield* signals.watch(Effect.exit(vault.sdk({ how: "fails", password: secrets.password as never }))))
        assert.strictEqual(signals.events.length, 5)
        assert.deepStrictEqual(findings(shownBy(signals, exits), secrets), [])
      }),
    { arbitrary: { runs: 20, seed: "sdk" } }
  )
})

it("what looks for a secret finds one in each of its forms", () => {
  const planted = Object.fromEntries(places.map((place) => [place, `sk_${place}+/=&"x`])) as Secrets
  for (const form of forms(planted.bearer)) assert.deepStrictEqual(findings(`-${form}-`, planted), ["bearer"])
})

it.effect("a base URL that is refused is shown without its credentials, query and fragment", () =>
  Effect.gen(function* () {
    for (const url of [
      "https://ada:sk_1@vault.example",
      "https://vault.example/?api_key=sk_1",
      "https://vault.example/#sk_1",
      "ftp://ada:sk_1@vault.example/?token=sk_1",
      "vault.example?token=sk_1",
      "ada:sk_1@vault.example",
      "https://ada:x?sk_1@vault.example"
    ]) {
      const exit = yield* Effect.exit(
        Layer.build(
          HttpIntegration.layer(Vault, { baseUrl: url }).pipe(
            Layer.provide([
              Layer.succeed(
                HttpClient.HttpClient,
                HttpClient.make(() => Effect.never)
              ),
              OutboxStoreMemory.layer
            ])
          )
        )
      )
      assert.isTrue(Exit.isFailure(exit))
      const shown = inspect(exit, { depth: 20 })
      assert.include(shown, "baseUrl")
      assert.notInclude(shown, "sk_1")
    }
  }).pipe(Effect.scoped)
)
