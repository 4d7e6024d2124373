// I10: the outcome of a call is a fold over its attempts, against a model that was written from DESIGN's sentence alone.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outcome, Policy, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { callOf, Declined, Failed, script, seed, seededly, settle, tries, world } from "./support.ts"

type Evidence = Outcome.Evidence

/**
 * "`Applied` if any attempt was; else `Unknown` if any was, unless a later attempt with the same key was answered by a
 * success or a declared error with a 4xx status; else `Refused` if any was; else `NotSent`."
 */
const model = (attempts: ReadonlyArray<Evidence>): Outcome.Outcome => {
  const some = (outcome: Outcome.Outcome) => attempts.some((attempt) => attempt.outcome === outcome)
  const open = attempts.some(
    (attempt, i) => attempt.outcome === "Unknown" && !attempts.some((later, j) => j > i && later.resolves)
  )
  return some("Applied") ? "Applied" : open ? "Unknown" : some("Refused") ? "Refused" : "NotSent"
}

const kinds: ReadonlyArray<Evidence> = (["NotSent", "Refused", "Unknown", "Applied"] as const).flatMap((outcome) => [
  { outcome, resolves: false },
  { outcome, resolves: true }
])

/** Calls `f` with every sequence of at most `length` kinds. */
const everySequence = (length: number, f: (attempts: ReadonlyArray<Evidence>) => void): number => {
  let count = 0
  const extend = (attempts: ReadonlyArray<Evidence>) => {
    f(attempts)
    count++
    if (attempts.length < length) for (const kind of kinds) extend([...attempts, kind])
  }
  extend([])
  return count
}

/** What the client can know about one arrival, whatever the provider did: DESIGN's table, once more. */
const evidenceOf = (fault: FaultInjection.Fault | undefined): Evidence => {
  switch (fault?._tag) {
    case undefined:
      return { outcome: "Applied", resolves: true }
    case "Refused":
      return { outcome: "NotSent", resolves: false }
    case "StallInBody":
    case "CutBody":
    case "HugeBody":
    case "WrongShape":
      return { outcome: "Applied", resolves: false }
    case "Status":
      return fault.status === 429
        ? { outcome: "Refused", resolves: false }
        : fault.status === 402
          ? { outcome: "Refused", resolves: true }
          : { outcome: "Unknown", resolves: false }
    default:
      return { outcome: "Unknown", resolves: false }
  }
}

describe("I10: the fold", () => {
  it("agrees with the model over all sequences of up to five attempts of every kind", () => {
    const count = everySequence(5, (attempts) => {
      const got = Outcome.fold(attempts)
      if (got !== model(attempts)) assert.fail(`${got}, expected ${model(attempts)}: ${JSON.stringify(attempts)}`)
    })
    assert.strictEqual(count, (8 ** 6 - 1) / 7)
  })

  it("never gets less certain that it may have happened by a local rejection", () => {
    everySequence(4, (attempts) => {
      const before = Outcome.fold(attempts)
      assert.strictEqual(Outcome.fold([...attempts, { outcome: "NotSent", resolves: false }]), before)
    })
  })

  const declined = FaultInjection.status(402, { body: { _tag: "CardError", code: "no_funds" } })
  // Without executions, so that the table of keys has nothing to replay: each arrival is what its fault says.
  const faults = [
    FaultInjection.refused,
    FaultInjection.resetBeforeReading,
    FaultInjection.stallBeforeHeaders({ executes: false }),
    FaultInjection.status(500),
    FaultInjection.status(503, { retryAfter: 1 }),
    FaultInjection.status(408),
    FaultInjection.status(429),
    FaultInjection.inProgress409,
    FaultInjection.status(401),
    FaultInjection.status(404),
    FaultInjection.status(409),
    declined
  ]
  const ends: ReadonlyArray<FaultInjection.Fault> = [
    FaultInjection.cutBody,
    FaultInjection.stallInBody,
    FaultInjection.hugeBody(6_000_000),
    FaultInjection.wrongShape(),
    FaultInjection.wrongMediaType()
  ]

  it.effect.prop(
    "is what a call over HTTP reports, for every sequence of answers",
    { seed, faults: script([...faults, ...faults, ...ends], { minLength: 5, maxLength: 5 }) },
    ({ faults, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults,
          only: ["charge"],
          policy: Policy.standard({ maxAttempts: 5, totalDeadline: "9 minutes" })
        })
        yield* settle(callOf(acme, "charge"))
        const [event] = events
        const seen = provider.requests.map((request) =>
          // 401, 404 and an unrecognised 409 are final; the first two say that nothing was done by this attempt.
          request.fault?._tag === "Status" && (request.fault.status === 401 || request.fault.status === 404)
            ? { outcome: "Refused" as const, resolves: false }
            : evidenceOf(request.fault)
        )
        // A body that is cut when the answer came from the table of keys is cut all the same.
        assert.strictEqual(event!.outcome, model(seen), JSON.stringify(event, null, 1))
        assert.deepStrictEqual(
          event!.attempts.map(({ outcome, resolves }) => ({ outcome, resolves })),
          seen
        )
      }).pipe(seededly(seed)),
    tries(200)
  )

  // A declared error settles what came before it only where a provider stores such an answer under the key.
  const settles = [400, 402, 405, 410, 422]
  const silent = [401, 403, 404, 408, 409, 412, 421, 425, 429, 500, 503]

  it.effect.each([...settles, ...silent])("a declared %i after an attempt of unknown outcome", (status) =>
    Effect.gen(function* () {
      class Told extends Schema.TaggedError<Told>()("Told", {}, { httpApiStatus: status }) {}
      const Api = HttpApi.make("declared").add(
        HttpApiGroup.make("things").add(
          HttpApiEndpoint.post("create", "/things", { success: Schema.String, error: Told })
        )
      )
      const events: Array<Telemetry.CallObserved> = []
      class Things extends Integration.Service<Things>()(
        "test/Things",
        {
          policy: Policy.standard({ maxAttempts: 2 }),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          create: HttpOperation.endpoint(Api, "things", "create", {
            idempotency: Idempotency.keyed(() => IdempotencyKey.derive("create", "1"), { lifetime: "forever" }),
            translate: { Told: () => new Declined({ code: "told" }) }
          })
        }
      ) {}
      const provider = FaultInjection.make({
        respond: () => ({ body: "ok" }),
        faults: [FaultInjection.resetBeforeReading, FaultInjection.status(status, { body: { _tag: "Told" } })]
      })
      const layer = HttpIntegration.layer(Things, { baseUrl: "https://acme.example" }).pipe(
        Layer.provide([provider.layer, Telemetry.layerObserver((event) => events.push(event))])
      )
      const things = Context.get(yield* Layer.build(layer), Things)
      yield* settle(things.create())
      assert.deepStrictEqual(
        events[0]!.attempts.map(({ reason }) => reason),
        ["Disconnected", "Declared"]
      )
      assert.strictEqual(events[0]!.outcome, settles.includes(status) ? "Refused" : "Unknown")
    }).pipe(seededly(1))
  )
})
