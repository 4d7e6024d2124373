/**
 * What every store of idempotency records must do, as cases that any test runner can run.
 *
 * **When to use**
 *
 * With a store of your own (`IdempotencyStore.Store` over another database), and with breakwater's stores over your own
 * infrastructure: a proxy, a failover, a version of a server.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Check } from "./internal/conformance/bench.ts"
import { open } from "./internal/conformance/bench.ts"
import { claims } from "./internal/conformance/claims.ts"
import { histories } from "./internal/conformance/histories.ts"
import { keeping } from "./internal/conformance/keeping.ts"
import { owners } from "./internal/conformance/owners.ts"
import { races } from "./internal/conformance/races.ts"
import { type Harness, Violation } from "./StoreHarness.ts"

export type { Effort, Harness, Opened, Time } from "./StoreHarness.ts"
export { Violation } from "./StoreHarness.ts"

/**
 * One case: something that a store must do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** What must hold, with the number of its rule where it has one (`R3`, `O2`). */
  readonly name: string
  /** Opens a new store of the harness, and fails with what does not hold. */
  readonly run: (harness: Harness) => Effect.Effect<void, Violation>
}

const caseOf = ({ body, name }: Check): Case => ({
  name,
  run: (harness) =>
    Effect.scoped(Effect.flatMap(open(harness), body)).pipe(
      Effect.asVoid,
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const error = Cause.squash(cause)
        const where = { store: harness.name, case: name }
        return Effect.fail(
          error instanceof Violation
            ? new Violation({
                what: error.what,
                actual: error.actual,
                expected: error.expected,
                history: error.history,
                cause: error.cause,
                ...where
              })
            : new Violation({ what: "it failed", cause: error, ...where })
        )
      })
    )
})

/**
 * Every case, in the order of the contract: what a claim finds (R1 to R9), what an owner may do (O1 to O8), fences, what
 * is held and swept, names and sizes, races, interruption, and random histories against a model.
 *
 * **When to use**
 *
 * To make a test of each, in the runner of your choice.
 *
 * **Details**
 *
 * Every case opens a store of its own. Where the harness moves `TestClock`, run the cases under it; where time is real,
 * run them with the live clock. Random cases print their seed.
 *
 * **Example** (One test per case)
 *
 * ```ts
 * import { IdempotencyStoreMemory } from "breakwater"
 * import { StoreConformance } from "breakwater/testing"
 * import { Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const harness: StoreConformance.Harness = {
 *   name: "memory",
 *   open: Effect.map(IdempotencyStoreMemory.make, (store) => ({
 *     handles: [store, store],
 *     time: { _tag: "Settable", advance: TestClock.adjust }
 *   }))
 * }
 *
 * const one = StoreConformance.cases.find(({ name }) => name.startsWith("R8") || name.startsWith("R6"))!
 *
 * await Effect.runPromise(Effect.provide(one.run(harness), TestClock.layer())) // => undefined
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [...claims, ...owners, ...keeping, ...races, ...histories].map(caseOf)

/**
 * How a store did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly store: string
  /** The names of the cases that held. */
  readonly passed: ReadonlyArray<string>
  readonly failed: ReadonlyArray<Violation>
}

/**
 * Runs every case, one after the other, and reports how the store did. It never fails: a store that breaks every rule has
 * a long report.
 *
 * @category running
 * @since 0.1.0
 */
export const check = (harness: Harness): Effect.Effect<Report> =>
  Effect.map(
    Effect.forEach(cases, ({ name, run }) =>
      Effect.match(run(harness), { onFailure: (violation) => violation, onSuccess: () => name })
    ),
    (outcomes): Report => ({
      store: harness.name,
      passed: outcomes.filter((outcome) => typeof outcome === "string"),
      failed: outcomes.filter((outcome) => typeof outcome !== "string")
    })
  )

/**
 * A report as text: a line per case that failed, and a count.
 *
 * @category running
 * @since 0.1.0
 */
export const format = (report: Report): string => {
  const { failed, passed, store } = report
  const count = `${store}: ${passed.length} of ${passed.length + failed.length} cases hold`
  return [...failed.map(({ message }) => message), count].join("\n")
}
