import { assert, describe, it } from "@effect/vitest"
import { Deadline } from "breakwater"
import { HttpDeadline } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Duration, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { callOf, seededly, settle, tries, world, between } from "../properties/support.ts"
import { Policy } from "breakwater"

const served = (options: Parameters<typeof HttpDeadline.layer>[0], headers: Record<string, string>) =>
  Effect.gen(function* () {
    const app = HttpRouter.add(
      "GET",
      "/left",
      Effect.map(Deadline.remaining, (left) =>
        HttpServerResponse.jsonUnsafe({ left: left === undefined ? null : Duration.toMillis(left) })
      )
    ).pipe(Layer.provide(HttpDeadline.layer(options)))
    const { dispose, handler } = HttpRouter.toWebHandler(app, { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const response = yield* Effect.promise(() => handler(new Request("http://shop.test/left", { headers })))
    const { left } = (yield* Effect.promise(() => response.json())) as { readonly left: number | null }
    return left
  }).pipe(Effect.scoped)

describe("HttpDeadline.layer", () => {
  it.effect("gives a handler what is left of its caller's time, and never more", () =>
    Effect.gen(function* () {
      const envoy = { "x-envoy-expected-rq-timeout-ms": "150000" }
      const within = (left: number | null, most: number) => {
        assert.isNotNull(left)
        assert.isAtMost(left!, most)
        assert.isAbove(left!, most - 20_000)
      }
      within(yield* served(undefined, envoy), 150_000)
      within(yield* served({ reserve: "30 seconds" }, envoy), 120_000)
      within(yield* served({ max: "100 seconds" }, envoy), 100_000)
      within(yield* served({ max: "100 seconds" }, {}), 100_000)
      within(yield* served({ header: "X-Timeout" }, { "x-timeout": "200000" }), 200_000)
      within(yield* served({ header: "grpc-timeout" }, { "grpc-timeout": "200S" }), 200_000)
      assert.strictEqual(yield* served({ reserve: "200 seconds" }, envoy), 0)
    })
  )

  it.effect.each(["", "soon", "-5", "1e3", "1.5", "0x10", "9".repeat(13), "1500m"])(
    "one that can't be read gives no deadline: %j",
    (text) =>
      Effect.gen(function* () {
        assert.isNull(yield* served(undefined, { "x-envoy-expected-rq-timeout-ms": text }))
      })
  )

  it.effect.each(["", "5", "m", "123456789S", "5s", "-1S", "1.5S"])("nor one of gRPC: %j", (text) =>
    Effect.gen(function* () {
      assert.isNull(yield* served({ header: "grpc-timeout" }, { "grpc-timeout": text }))
    })
  )
})

describe("HttpDeadline.toHeader", () => {
  it.effect.prop(
    "is read back as no more than what was written, and at most a second less",
    { millis: between(0, 2_000_000_000), grpc: between(0, 1) },
    ({ grpc, millis }) =>
      Effect.sync(() => {
        const header = grpc === 1 ? "grpc-timeout" : HttpDeadline.header
        const read = Duration.toMillis(HttpDeadline.fromHeader(HttpDeadline.toHeader(millis, { header }), { header })!)
        assert.isAtMost(read, millis)
        assert.isAbove(read, millis - 1_000)
      }),
    tries(500)
  )

  it("gRPC's form has at most eight digits", () => {
    for (const millis of [0, 1, 99_999_999, 100_000_000, 1e12, Number.MAX_SAFE_INTEGER]) {
      assert.match(HttpDeadline.toHeader(millis, { header: "grpc-timeout" }), /^\d{1,8}[mS]$/)
    }
  })
})

describe("HttpIntegration's deadlineHeader", () => {
  it.effect("tells each attempt's own limit, or what is left of the call", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world({
        faults: [
          FaultInjection.stallBeforeHeaders({ executes: false }),
          FaultInjection.stallBeforeHeaders({ executes: false })
        ],
        policy: Policy.standard({
          attemptTimeout: "3 seconds",
          totalDeadline: "30 seconds",
          schedule: Policy.backoff({ base: 0 })
        }),
        http: { deadlineHeader: "X-Envoy-Expected-Rq-Timeout-Ms" }
      })
      yield* settle(callOf(acme, "get").pipe(Deadline.within("4 seconds")))
      assert.deepStrictEqual(
        provider.requests.map(({ headers }) => headers["x-envoy-expected-rq-timeout-ms"]),
        ["3000", "1000"]
      )
    }).pipe(seededly(1))
  )

  it.effect("is not sent where it was not asked for", () =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world()
      yield* settle(callOf(acme, "get").pipe(Deadline.within("4 seconds")))
      assert.isFalse(Object.keys(provider.requests[0]!.headers).some((name) => /timeout/i.test(name)))
    }).pipe(seededly(1))
  )
})
