// The doubles of a test, around an operation whose answer is a stream.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Policy, Streaming } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { expectOutcome, expectSpans, FaultInjection, IntegrationTest, Upstream } from "breakwater/testing"
import { Cause, Data, Effect, Exit, Schema, Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

const Row = Schema.Struct({ n: Schema.Number })
class Rows extends HttpApi.make("rows").add(
  HttpApiGroup.make("rows").add(
    HttpApiEndpoint.get("all", "/rows", { success: HttpApiSchema.StreamNdjson({ schema: Row }) })
  )
) {}

class Failed extends Data.TaggedError("Failed")<{ readonly why: string }> {}
class Export extends Integration.Service<Export>()(
  "shop/Export",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ reason }) => new Failed({ why: reason._tag })
  },
  {
    all: HttpOperation.stream(Rows, "rows", "all", {
      limits: { total: "1 minute" },
      end: Streaming.lastElement(({ n }) => n === 3)
    })
  }
) {}

const rows = Stream.make({ n: 1 }, { n: 2 }, { n: 3 })
const upstreamOf = (faults: FaultInjection.Faults) =>
  Upstream.make(Rows, { handlers: { rows: { all: () => Effect.succeed(rows) } }, faults })

const collect = Effect.gen(function* () {
  const service = yield* Export
  const got: Array<number> = []
  const exit = yield* IntegrationTest.settle(
    Effect.exit(Stream.runForEach(service.all(), ({ n }) => Effect.sync(() => void got.push(n))))
  )
  return { got, error: Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined }
})

describe("a stream in a test", () => {
  it.effect("comes from an Upstream, through its faults, and is recorded", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* collect, { got: [1, 2, 3], error: undefined })
      const recording = yield* IntegrationTest.Recording
      expectOutcome(recording).of("all", { callOutcome: "ok_after_retry" })
      expectSpans(recording).of("all", { call: { failed: false, attributes: { "breakwater.stream.elements": 3 } } })
    }).pipe(Effect.provide(IntegrationTest.layer(Export, upstreamOf([FaultInjection.status(503)]))))
  )

  it.effect("is cut by a fault in its body", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* collect, { got: [1], error: new Failed({ why: "Truncated" }) })
    }).pipe(Effect.provide(IntegrationTest.layer(Export, upstreamOf([FaultInjection.cutBody]))))
  )

  it.effect("stalls by a fault in its body, for as long as it may be silent", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* collect, { got: [1], error: new Failed({ why: "Truncated" }) })
      const { calls } = yield* IntegrationTest.Recording
      assert.strictEqual(calls[0]!.latency, 30_000)
    }).pipe(Effect.provide(IntegrationTest.layer(Export, upstreamOf([FaultInjection.stallInBody]))))
  )

  it.effect("is mocked as any method, and one without a mock dies, naming itself", () =>
    Effect.gen(function* () {
      const mocked = Effect.provide(collect, Export.layerMock({ all: () => Stream.make({ n: 7 }) }))
      assert.deepStrictEqual((yield* mocked).got, [7])
      const exit = yield* Effect.exit(
        Effect.provide(
          Effect.flatMap(Export, (service) => Stream.runDrain(service.all())),
          Export.layerMock({})
        )
      )
      assert.isTrue(Exit.isFailure(exit) && /all was called, but has no mock/.test(String(Cause.squash(exit.cause))))
    })
  )

  it.effect("a policy that a test puts in its place is checked when the layer is built", () =>
    Effect.gen(function* () {
      const hedged = Policy.stack(Policy.standard(), Policy.hedge({ after: "1 second" }))
      const error = yield* Effect.flip(
        Effect.provide(collect, IntegrationTest.layer(Export, upstreamOf([]), { policy: { all: hedged } }))
      )
      assert.match(String((error as Error).message), /a stream can't have it/)
    })
  )
})
