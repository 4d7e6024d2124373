import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStoreMemory } from "breakwater"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as StoreConformance from "../../src/testing/StoreConformance.ts"
import { more } from "./mutants/more.ts"
import type { Mutant } from "./mutants/mutant.ts"
import { noEpoch } from "./mutants/noEpoch.ts"
import { leaseAsLongAsTheRecord, leaseWithinTheRecord, recordAsShortAsTheLease } from "./mutants/oneTimeToLive.ts"
import { lookThenWrite, overwriteOnClaim } from "./mutants/overwriteOnClaim.ts"
import { processClock } from "./mutants/processClock.ts"

const named: ReadonlyArray<Mutant> = [
  noEpoch,
  processClock,
  leaseAsLongAsTheRecord,
  recordAsShortAsTheLease,
  leaseWithinTheRecord,
  overwriteOnClaim,
  lookThenWrite
]

const check = ({ handles, name }: Pick<Mutant, "handles" | "name">) =>
  StoreConformance.check({
    name,
    open: Effect.map(handles, (handles) => ({
      handles,
      time: { _tag: "Settable", advance: TestClock.adjust } as const
    })),
    effort: { runs: 30, keys: 5, racers: 8 }
  })

const reports = new Map<Mutant, StoreConformance.Report>()
const reportOf = (mutant: Mutant) =>
  Effect.suspend(() => {
    const known = reports.get(mutant)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(check(mutant), (report) => Effect.sync(() => reports.set(mutant, report)))
  })

const mutants = [...named, ...more]

describe("the kit finds every mutant of a store, by the case that is made for it", () => {
  for (const mutant of mutants) {
    it.effect(mutant.name, () =>
      Effect.gen(function* () {
        const names = (yield* reportOf(mutant)).failed.map((violation) => violation.case!)
        const missed = mutant.foundBy.filter((expected) => !names.some((name) => name.startsWith(expected)))
        assert.deepStrictEqual(missed, [], `these found it: ${names.join(" | ") || "none"}`)
      })
    )
  }

  it.effect(
    "and no case is there that finds none",
    () =>
      Effect.gen(function* () {
        const found = new Set<string>()
        for (const mutant of mutants) {
          for (const violation of (yield* reportOf(mutant)).failed) found.add(violation.case!)
        }
        const idle = StoreConformance.cases.filter(({ name }) => !found.has(name))
        assert.deepStrictEqual(
          idle.map(({ name }) => name),
          []
        )
      }),
    120_000
  )

  it.effect("a report names the store, the case, what was expected and what came instead", () =>
    Effect.gen(function* () {
      const report = yield* check(overwriteOnClaim)
      const text = StoreConformance.format(report)
      assert.include(text, "overwrite on claim: R3: a live lease is in flight")
      assert.include(text, 'expected "InFlight", got {"_tag":"Started"')
      assert.match(text, new RegExp(`${report.passed.length} of ${StoreConformance.cases.length} cases hold$`))
      const memory = yield* check({ name: "memory", handles: Effect.map(IdempotencyStoreMemory.make, (s) => [s, s]) })
      assert.strictEqual(
        StoreConformance.format(memory),
        `memory: ${memory.passed.length} of ${memory.passed.length} cases hold`
      )
    })
  )
})
