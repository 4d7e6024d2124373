import { assert, describe, it } from "@effect/vitest"
import { OutboxStoreMemory } from "breakwater"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as OutboxConformance from "../../src/testing/OutboxConformance.ts"
import { type Mutant, mutants } from "./StoreMutants.ts"

const check = ({ make, name }: Pick<Mutant, "make" | "name">) =>
  OutboxConformance.check({
    name,
    open: Effect.map(make, (store) => ({
      handles: [store, store],
      time: { _tag: "Settable", advance: TestClock.adjust } as const
    })),
    effort: { runs: 25, keys: 5, racers: 6 }
  })

const reports = new Map<Mutant, OutboxConformance.Report>()
const reportOf = (mutant: Mutant) =>
  Effect.suspend(() => {
    const known = reports.get(mutant)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.tap(check(mutant), (report) => Effect.sync(() => reports.set(mutant, report)))
  })

describe("the kit finds every mutant of an outbox's store, by the case that is made for it", () => {
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
        const idle = OutboxConformance.cases.filter(({ name }) => !found.has(name))
        assert.deepStrictEqual(
          idle.map(({ name }) => name),
          []
        )
      }),
    120_000
  )

  it.effect("a report names the store, the case, what was expected and what came instead", () =>
    Effect.gen(function* () {
      const mutant = mutants.find(({ name }) => name === "no limit of a claim")!
      const report = yield* reportOf(mutant)
      const text = OutboxConformance.format(report)
      assert.include(text, "no limit of a claim: claim: gets what is due of its operation")
      assert.match(text, /the first three: expected "?\[.*"d/)
      assert.match(text, new RegExp(`${report.passed.length} of ${OutboxConformance.cases.length} cases hold$`))
      const memory = yield* check({ name: "memory", make: OutboxStoreMemory.make })
      assert.strictEqual(
        OutboxConformance.format(memory),
        `memory: ${memory.passed.length} of ${memory.passed.length} cases hold`
      )
    })
  )
})
