/**
 * What every store of an outbox must do, as cases that any test runner can run.
 *
 * **When to use**
 *
 * With a store of your own (`OutboxStore.Store` over another database), and with breakwater's stores over your own
 * infrastructure: a proxy, a failover, a version of a server.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { type Check, type Harness, open } from "./internal/outbox/bench.ts"
import { hands } from "./internal/outbox/hands.ts"
import { histories } from "./internal/outbox/histories.ts"
import { keeping } from "./internal/outbox/keeping.ts"
import { lanes } from "./internal/outbox/lanes.ts"
import { offers } from "./internal/outbox/offers.ts"
import { verdicts } from "./internal/outbox/verdicts.ts"
import { workers } from "./internal/outbox/workers.ts"
import { Violation } from "./StoreHarness.ts"

export type { Harness, Opened } from "./internal/outbox/bench.ts"
export type { Effort, Time } from "./StoreHarness.ts"
export { Violation } from "./StoreHarness.ts"

/**
 * One case: something that a store must do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** What must hold. */
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
 * Every case: what an offer stores, what a claim gets, how it ends and who may end it, lanes, what a person may do and what
 * a worker makes of it, what is forgotten, lists and texts, races, and random sequences against a model.
 *
 * **When to use**
 *
 * To make a test of each, in the runner of your choice.
 *
 * **Details**
 *
 * Every case opens a store of its own. Where the harness moves `TestClock`, run the cases under it; where time is real,
 * run them with the live clock. A failure of a random case names its seed and run.
 *
 * **Example** (One test per case)
 *
 * ```ts
 * import { OutboxStoreMemory } from "breakwater"
 * import { OutboxConformance } from "breakwater/testing"
 * import { Effect } from "effect"
 * import { TestClock } from "effect/testing"
 *
 * const harness: OutboxConformance.Harness = {
 *   name: "memory",
 *   open: Effect.map(OutboxStoreMemory.make, (store) => ({
 *     handles: [store, store],
 *     time: { _tag: "Settable", advance: TestClock.adjust }
 *   }))
 * }
 *
 * const one = OutboxConformance.cases.find(({ name }) => name.startsWith("lane"))!
 *
 * await Effect.runPromise(Effect.provide(one.run(harness), TestClock.layer())) // => undefined
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [
  ...offers,
  ...verdicts,
  ...lanes,
  ...hands,
  ...workers,
  ...keeping,
  ...histories
].map(caseOf)

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
