import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory } from "breakwater"
import { Duration, Effect, Layer } from "effect"
import * as ReceiverConformance from "../../src/testing/ReceiverConformance.ts"
import { ofEndpoints, ofRoutes } from "./receiverServers.ts"
import { leasedStores, sqlStores } from "./receiverStores.ts"

const suite = (harness: ReceiverConformance.Harness, skip?: string) =>
  describe.skipIf(skip !== undefined)(`${harness.name}${skip === undefined ? "" : `: ${skip}`}`, () => {
    for (const { name, run } of ReceiverConformance.cases) it.live(name, () => run(harness), 60_000)
  })

for (const onFailure of ["rerun", "hold", "rollback"] as const) suite(ofRoutes({ onFailure }))
for (const onFailure of ["hold", "rollback"] as const) suite(ofEndpoints({ onFailure }))

for (const over of sqlStores) {
  for (const onFailure of ["rerun", "hold", "rollback"] as const) suite(ofRoutes({ onFailure, over }), over.skip)
  suite(ofEndpoints({ onFailure: "rollback", over }), over.skip)
}
for (const over of leasedStores) {
  for (const onFailure of ["rerun", "hold"] as const) suite(ofRoutes({ onFailure, over }), over.skip)
}

describe("mutants", () => {
  /** The mutant "delete on error": a claim whose handler failed is forgotten. */
  const deletesOnError = Layer.effect(
    IdempotencyStore.IdempotencyStore,
    Effect.map(IdempotencyStoreMemory.make, (store): IdempotencyStore.Store => ({
      ...store,
      hold: store.release,
      renew: (owner, lease) => (Duration.isZero(lease) ? store.release(owner) : store.renew(owner, lease))
    }))
  )

  for (const onFailure of ["rerun", "hold"] as const) {
    it.live(`"delete on error" fails the kit (${onFailure})`, () =>
      Effect.gen(function* () {
        const report = yield* ReceiverConformance.check(
          ofRoutes({ onFailure, over: { name: "a mutant", layer: deletesOnError } })
        )
        assert.deepStrictEqual(
          report.failed.map((violation) => violation.case),
          ["after a 5xx it may have happened", "after a handler that threw it may have happened"]
        )
        assert.include(
          ReceiverConformance.format(report),
          "the status of another request after a 500: expected 422, got 201"
        )
      })
    )
  }

  it.live('"record before authorisation" fails the kit', () =>
    Effect.gen(function* () {
      const tenants = "keys of tenants, and of methods, are apart"
      const failedCases = (shared: "after authorisation" | "before authorisation") =>
        Effect.map(ReceiverConformance.check(ofRoutes({ onFailure: "hold", shared })), ({ failed }) =>
          failed.map((violation) => violation.case)
        )
      assert.deepStrictEqual(yield* failedCases("after authorisation"), [tenants])
      assert.deepStrictEqual(yield* failedCases("before authorisation"), [
        tenants,
        "who may not do it reads nothing and records nothing"
      ])
    })
  )
})
