// Jobs over sockets: a 202 with Operation-Location and Retry-After, and an API that has the state of a job in its body.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Polling } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { type CallFailure, Reason } from "breakwater"
import { Context, Data, Effect, Layer, Schedule, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { type Exchange, json, quiet, serve, undici } from "./wire.ts"

const Order = Schema.Struct({ order: Schema.String })
const Render = Schema.Struct({
  state: Schema.Literals(["queued", "running", "done", "failed"]),
  url: Schema.optional(Schema.String)
})
const hints = { "retry-after": Schema.optionalKey(Schema.String) }

class FarmApi extends HttpApi.make("farm").add(
  HttpApiGroup.make("farm").add(
    // The answer says where the job's state is, as with Azure's long-running operations.
    HttpApiEndpoint.post("render", "/v1/renders", {
      payload: Order,
      success: HttpApiSchema.WithHeaders(Schema.Struct({}), { "operation-location": Schema.String, ...hints }).pipe(
        HttpApiSchema.status(202)
      )
    }),
    HttpApiEndpoint.get("state", "/v1/operations/:id", {
      params: { id: Schema.String },
      success: HttpApiSchema.WithHeaders(Render, hints)
    }),
    // The answer has the job in its body.
    HttpApiEndpoint.post("createJob", "/v2/jobs", {
      payload: Order,
      success: Schema.Struct({ id: Schema.String, status: Schema.String })
    }),
    HttpApiEndpoint.get("getJob", "/v2/jobs/:id", {
      params: { id: Schema.String },
      success: Schema.Struct({ id: Schema.String, status: Schema.String, result: Schema.NullOr(Schema.String) })
    })
  )
) {}

class FarmDown extends Data.TaggedError("FarmDown")<{ readonly reason: CallFailure.CallFailure["reason"] }> {}
class RenderFailed extends Schema.TaggedError<RenderFailed>()("RenderFailed", {}) {}
class RenderLate extends Data.TaggedError("RenderLate")<{
  readonly outcome: string
  readonly reason: unknown
  readonly job: Polling.Job | undefined
}> {}

const keyed = Idempotency.keyed(
  ({ payload }: { readonly payload: typeof Order.Type }) => IdempotencyKey.derive("render", payload.order),
  { lifetime: "1 day" }
)

class Farm extends Integration.Service<Farm>()(
  "test/Farm",
  {
    policy: Policy.standard({ schedule: Policy.backoff({ base: 1 }) }),
    exhausted: Exhaustion.fail,
    orElse: ({ reason }) => new FarmDown({ reason })
  },
  {
    render: HttpOperation.endpoint(FarmApi, "farm", "render", { idempotency: keyed }),
    state: HttpOperation.endpoint(FarmApi, "farm", "state"),
    createJob: HttpOperation.endpoint(FarmApi, "farm", "createJob", { idempotency: keyed }),
    getJob: HttpOperation.endpoint(FarmApi, "farm", "getJob")
  }
) {}

/** Both kinds of job as operations of one integration, for a provider at this address. */
const rendersOf = (url: string) => {
  const byLocation = Polling.make("test/byLocation", {
    job: Schema.Struct({ id: Schema.String }),
    start: (payload: typeof Order.Type) =>
      Effect.gen(function* () {
        const { headers } = yield* (yield* Farm).render({ payload })
        const at = { path: "/v1/operations/:id", origins: [url] } as const
        const job = yield* Polling.fromLocation(headers["operation-location"], at)
        return Polling.started(job, { retryAfter: headers["retry-after"] })
      }),
    status: (params) =>
      Effect.gen(function* () {
        const { body, headers } = yield* (yield* Farm).state({ params })
        switch (body.state) {
          case "queued":
          case "running":
            return Polling.running({ retryAfter: headers["retry-after"] })
          case "done":
            return Polling.succeeded(body.url ?? "")
          case "failed":
            return Polling.failed(new RenderFailed())
        }
      }),
    within: "30 seconds",
    // Long, so that what is asked sooner was asked because the provider said so.
    schedule: Schedule.spaced("20 seconds")
  })
  const byBody = Polling.make("test/byBody", {
    job: Schema.Struct({ id: Schema.String }),
    start: (payload: typeof Order.Type) =>
      Effect.gen(function* () {
        const { id } = yield* (yield* Farm).createJob({ payload })
        return Polling.started({ id }, { retryAfter: 0.01 })
      }),
    status: (params) =>
      Effect.gen(function* () {
        const { result, status } = yield* (yield* Farm).getJob({ params })
        switch (status) {
          case "IN_PROGRESS":
            return Polling.running()
          case "SUCCEEDED":
            return Polling.succeeded(result ?? "")
          case "FAILED":
            return Polling.failed(new RenderFailed())
          default:
            return Polling.unexpected
        }
      }),
    within: "20 seconds",
    schedule: Schedule.spaced("10 millis")
  })
  const options = {
    input: Order,
    success: Schema.String,
    idempotency: Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive("render", order), {
      lifetime: "1 day"
    }),
    classify: ({ reason }: FarmDown) =>
      reason.outcome === "NotSent" ? Reason.unreachable() : Reason.unavailable(reason),
    translate: { RenderFailed: (error: RenderFailed) => error }
  }
  return class Renders extends Integration.Service<Renders>()(
    "test/Renders",
    {
      exhausted: Exhaustion.fail,
      orElse: (failure) =>
        new RenderLate({ outcome: failure.outcome, reason: failure.reason.error, job: Polling.jobFrom(failure) })
    },
    {
      byLocation: Polling.operation("byLocation", { ...options, polling: byLocation }),
      byBody: Polling.operation("byBody", { ...options, polling: byBody })
    }
  ) {}
}

describe("Polling.operation over HTTP", () => {
  /** One call of a provider whose answers these are, in order; and what it was asked. */
  const called = (
    method: "byLocation" | "byBody",
    answers: (url: string) => ReadonlyArray<(exchange: Exchange) => void>
  ) =>
    Effect.gen(function* () {
      const provider = yield* serve()
      const scripts = [...answers(provider.url)]
      provider.script((exchange) => (scripts.length > 1 ? scripts.shift()! : scripts[0]!)(exchange))
      const Renders = rendersOf(provider.url)
      const context = yield* Layer.build(
        Integration.layer(Renders).pipe(
          Layer.provide(HttpIntegration.layer(Farm, { baseUrl: provider.url })),
          Layer.provide(undici)
        )
      )
      const exit = yield* Effect.exit(Context.get(context, Renders)[method]({ order: "7" }))
      return { exit, asked: provider.requests.map(({ method, url }) => `${method} ${url}`), provider }
    }).pipe(Effect.provide(quiet))

  const failureOf = ({ exit }: { readonly exit: unknown }) =>
    (exit as { readonly cause: { readonly reasons: ReadonlyArray<{ readonly error: RenderLate }> } }).cause.reasons[0]!
      .error

  it.live("follows Operation-Location, when Retry-After says", () =>
    Effect.gen(function* () {
      const { asked, exit, provider } = yield* called("byLocation", (url) => [
        json(503, {}),
        json(202, {}, { "operation-location": `${url}/v1/operations/op%2F1?api-version=2`, "retry-after": "1" }),
        json(200, { state: "running" }, { "retry-after": "1" }),
        json(200, { state: "done", url: "/files/7" })
      ])
      assert.deepStrictEqual(exit, (yield* Effect.exit(Effect.succeed("/files/7"))) as never)
      assert.deepStrictEqual(asked, [
        "POST /v1/renders",
        "POST /v1/renders",
        "GET /v1/operations/op%2F1",
        "GET /v1/operations/op%2F1"
      ])
      const keys = provider.requests.slice(0, 2).map(({ headers }) => headers["idempotency-key"])
      assert.strictEqual(keys[0], keys[1])
      assert.isDefined(keys[0])
    })
  )

  it.live("takes a relative one", () =>
    Effect.gen(function* () {
      const { asked, exit } = yield* called("byLocation", () => [
        json(202, {}, { "operation-location": "/v1/operations/8", "retry-after": "1" }),
        json(200, { state: "failed" })
      ])
      assert.deepStrictEqual(failureOf({ exit }), new RenderFailed() as never)
      assert.deepStrictEqual(asked, ["POST /v1/renders", "GET /v1/operations/8"])
    })
  )

  it.live("refuses one on another origin: nothing is asked there or here, and it is unclear", () =>
    Effect.gen(function* () {
      const elsewhere = yield* serve(json(200, { state: "done", url: "/stolen" }))
      const { asked, exit } = yield* called("byLocation", () => [
        json(202, {}, { "operation-location": `${elsewhere.url}/v1/operations/7`, "retry-after": "1" })
      ])
      const { job, outcome, reason } = failureOf({ exit })
      assert.instanceOf(reason, Polling.PollingError)
      assert.deepStrictEqual(
        [(reason as Polling.PollingError).reason, outcome, job],
        ["BadLocation", "Unknown", undefined]
      )
      assert.deepStrictEqual(asked, ["POST /v1/renders"])
      assert.lengthOf(elsewhere.requests, 0)
    })
  )

  it.live("asks an API of jobs until the end, past an answer that is lost", () =>
    Effect.gen(function* () {
      const { asked, exit } = yield* called("byBody", () => [
        json(200, { id: "j1", status: "IN_PROGRESS" }),
        json(200, { id: "j1", status: "IN_PROGRESS", result: null }),
        ({ socket }) => void socket.destroy(),
        json(404, {}),
        json(200, { id: "j1", status: "SUCCEEDED", result: "/files/8" })
      ])
      assert.deepStrictEqual(exit, (yield* Effect.exit(Effect.succeed("/files/8"))) as never)
      assert.deepStrictEqual(asked, ["POST /v2/jobs", ...Array.from({ length: 4 }, () => "GET /v2/jobs/j1")])
    })
  )

  it.live("ends at a state that nobody knows", () =>
    Effect.gen(function* () {
      const { exit } = yield* called("byBody", () => [
        json(200, { id: "j2", status: "IN_PROGRESS" }),
        json(200, { id: "j2", status: "ARCHIVED", result: null })
      ])
      const { job, outcome, reason } = failureOf({ exit })
      assert.deepStrictEqual(
        [(reason as Polling.PollingError).reason, outcome, job?.ref],
        ["UnknownState", "Unknown", { id: "j2" }]
      )
    })
  )
})
