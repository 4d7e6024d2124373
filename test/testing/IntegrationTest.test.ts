import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, Integration, Operation, type Outcome, Policy, Reason } from "breakwater"
import { Auth, HttpOperation } from "breakwater/http"
import {
  expectExecuted,
  expectOutcome,
  expectSpans,
  FaultInjection,
  IntegrationTest,
  Upstream
} from "breakwater/testing"
import { Cause, Clock, Context, Data, Effect, Exit, Layer, Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

class Mails extends HttpApi.make("mails").add(
  HttpApiGroup.make("mails").add(
    HttpApiEndpoint.get("get", "/mails/:id", {
      params: { id: Schema.String },
      success: Schema.Struct({ id: Schema.String })
    }),
    HttpApiEndpoint.post("send", "/mails", {
      payload: Schema.Struct({ to: Schema.String }),
      success: Schema.Struct({ id: Schema.String })
    })
  )
) {}

class Down extends Data.TaggedError("Down")<{ readonly outcome: Outcome.Outcome }> {}

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: ({ outcome }: { readonly outcome: Outcome.Outcome }) => new Down({ outcome })
}

class Mailer extends Integration.Service<Mailer>()("shop/Mailer", defaults, {
  get: HttpOperation.endpoint(Mails, "mails", "get"),
  send: HttpOperation.endpoint(Mails, "mails", "send", { idempotency: Idempotency.atMostOnce("it has no key") })
}) {}

const mail = { payload: { to: "a@shop.test" } }

describe("IntegrationTest.layer", () => {
  it.effect("runs the real policies: three attempts of a read, one of what may have happened", () => {
    const upstream = Upstream.make(Mails, { faults: FaultInjection.times(4, FaultInjection.status(503)) })
    return Effect.gen(function* () {
      const mailer = yield* Mailer
      const recording = yield* IntegrationTest.Recording
      const read = yield* Effect.flip(IntegrationTest.settle(mailer.get({ params: { id: "1" } })))
      assert.deepStrictEqual(read, new Down({ outcome: "Unknown" }))
      expectOutcome(recording).of("get", {
        callOutcome: "exhausted",
        attempts: ["Unavailable", "Unavailable", "Unavailable"]
      })
      const sent = yield* Effect.flip(IntegrationTest.settle(mailer.send(mail)))
      assert.deepStrictEqual(sent, new Down({ outcome: "Unknown" }))
      expectOutcome(recording).of("shop/Mailer send", { attempts: ["Unavailable"] })
      expectExecuted(upstream).never()
    }).pipe(Effect.provide(IntegrationTest.layer(Mailer, upstream)))
  })

  it.effect("takes the options of HttpIntegration.layer", () => {
    const upstream = Upstream.make(Mails, { faults: [FaultInjection.status(503)] })
    const layer = IntegrationTest.layer(Mailer, upstream, {
      auth: Auth.bearer(Redacted.make("s3cret-token")),
      correlationHeader: "x-correlation",
      policy: { get: Policy.standard({ maxAttempts: 1 }) },
      baseUrl: "https://mails.example"
    })
    return Effect.gen(function* () {
      const exit = yield* Effect.exit((yield* Mailer).get({ params: { id: "1" } }))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(upstream.requests.length, 1)
      assert.strictEqual(upstream.requests[0]!.url, "https://mails.example/mails/1")
      assert.strictEqual(upstream.requests[0]!.headers["authorization"], "Bearer s3cret-token")
      const recording = yield* IntegrationTest.Recording
      expectSpans(recording).without(Redacted.make("s3cret-token"))
      expectOutcome(recording).of("get", { correlationId: upstream.requests[0]!.headers["x-correlation"]! })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a FaultInjection will do where no contract is at hand", () => {
    const provider = FaultInjection.make({ respond: () => ({ body: { id: "m-1" } }) })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* (yield* Mailer).send(mail), { id: "m-1" })
      expectExecuted(provider).once("POST /mails")
    }).pipe(Effect.provide(IntegrationTest.layer(Mailer, provider)))
  })

  it.effect("two runs of one test take the same virtual time, jitter included", () => {
    const run = Effect.gen(function* () {
      const started = yield* Clock.currentTimeMillis
      yield* Effect.exit(IntegrationTest.settle((yield* Mailer).get({ params: { id: "1" } })))
      const { calls } = yield* IntegrationTest.Recording
      return [calls[0]!.startedAt - started, calls[0]!.attempts.map(({ waited }) => waited)] as const
    })
    const fresh = () =>
      Effect.provide(
        run,
        IntegrationTest.layer(
          Mailer,
          Upstream.make(Mails, { faults: [FaultInjection.cutBody, FaultInjection.refused] })
        )
      )
    return Effect.gen(function* () {
      const first = yield* fresh()
      assert.isAbove(first[1][2]!, 0)
      assert.deepStrictEqual(yield* fresh(), first)
    })
  })

  it.effect("the spans are those that a backend would get", () => {
    const upstream = Upstream.make(Mails, { faults: [FaultInjection.status(503, { retryAfter: 1 })] })
    return Effect.gen(function* () {
      yield* IntegrationTest.settle((yield* Mailer).get({ params: { id: "1" } }))
      expectSpans(yield* IntegrationTest.Recording).of("get", {
        call: { name: "shop/Mailer get", failed: false, attributes: { "breakwater.attempts": 2 } },
        attempts: [
          { name: "GET /mails/:id", failed: true, attributes: { "http.response.status_code": 503 } },
          { failed: false, attributes: { "http.request.resend_count": 1 } }
        ]
      })
    }).pipe(Effect.provide(IntegrationTest.layer(Mailer, upstream)))
  })
})

describe("IntegrationTest.record", () => {
  class Sdk extends Context.Service<Sdk, { readonly send: (to: string) => Effect.Effect<string, "down"> }>()(
    "test/Sdk"
  ) {}
  class Texts extends Integration.Service<Texts>()("shop/Texts", defaults, {
    send: Operation.mutation("send", {
      input: Schema.String,
      success: Schema.String,
      idempotency: Idempotency.atMostOnce("it has no key"),
      send: (to) => Effect.flatMap(Sdk, (sdk) => sdk.send(to)),
      translate: {},
      classify: () => Reason.unavailable()
    })
  }) {}

  it.effect("records an integration over an SDK, whose effects meet faults", () =>
    Effect.gen(function* () {
      const faults = yield* FaultInjection.forEffect({
        faults: [FaultInjection.responseLost],
        error: () => "down" as const
      })
      const sdk = Layer.succeed(Sdk, { send: (to) => faults.around("send", Effect.succeed(`sent to ${to}`)) })
      const layer = IntegrationTest.record(Integration.layer(Texts).pipe(Layer.provide(sdk)))
      yield* Effect.gen(function* () {
        const { send } = yield* Texts
        const error = yield* Effect.flip(IntegrationTest.settle(send("a")))
        assert.deepStrictEqual(error, new Down({ outcome: "Unknown" }))
        assert.strictEqual(yield* send("b"), "sent to b")
        const recording = yield* IntegrationTest.Recording
        expectOutcome(recording).calls(2, "send")
        expectOutcome(recording).of("send", { outcome: "Applied", callOutcome: "ok", attempts: ["Success"] })
        assert.strictEqual(faults.ledger.length, 2)
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("IntegrationTest.settle", () => {
  it.effect("gives the call's own exit", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* IntegrationTest.settle(Effect.delay(Effect.succeed(1), "3 minutes")), 1)
      assert.strictEqual(yield* Effect.flip(IntegrationTest.settle(Effect.delay(Effect.fail("no"), "3 minutes"))), "no")
      const defect = yield* Effect.exit(IntegrationTest.settle(Effect.die("bug")))
      assert.isTrue(Exit.isFailure(defect) && Cause.hasDies(defect.cause))
    })
  )

  it.effect("dies where a call does not end, and interrupts it", () =>
    Effect.gen(function* () {
      let interrupted = false
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const exit = yield* Effect.exit(IntegrationTest.settle(hanging, { limit: "5 minutes" }))
      assert.isTrue(interrupted)
      assert.include(
        Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "",
        "the call did not end within 5m of virtual time"
      )
    })
  )
})
