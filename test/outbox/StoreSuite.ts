/**
 * The conformance kit as tests: one per case. Every store runs the same ones.
 */
import { describe, it } from "@effect/vitest"
import * as OutboxConformance from "../../src/testing/OutboxConformance.ts"

export interface SuiteOptions {
  /** Whether the store's time is real, or lives on a server: the cases then run with the live clock. */
  readonly live?: boolean
  /** Why the suite can't run here. Its tests are reported as skipped, by name. */
  readonly skip?: string | undefined
  readonly timeout?: number
}

export const storeSuite = (harness: OutboxConformance.Harness, options: SuiteOptions = {}): void => {
  const { live = false, skip, timeout = 60_000 } = options
  // `PROPERTY_SEED=7` tries other random histories; a failure says which seed and run it was.
  const effort = { ...harness.effort, seed: process.env.PROPERTY_SEED ?? harness.effort?.seed }
  const test = live ? it.live : it.effect
  describe.skipIf(skip !== undefined)(
    `${harness.name} keeps the contract of an outbox${skip === undefined ? "" : `: ${skip}`}`,
    () => {
      for (const { name, run } of OutboxConformance.cases) test(name, () => run({ ...harness, effort }), timeout)
    }
  )
}
