/** A kill at every point, and a defect that the soak must find. The long run is `npm run soak -- --target outbox`. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { type Bundle, bundleOf } from "../bundle.ts"
import { program } from "./main.ts"
import { isolations, missing } from "../../idempotency/racing/stores.ts"
import { cutPoints, points } from "./protocol.ts"
import type { Report } from "./report.ts"
import { soak } from "./soak.ts"

const scope = Scope.makeUnsafe()
let bundle: Bundle

/** What was found, with all that is needed to look at it. */
const found = ({ executedTwice, lost, needsReconcile, unexpected }: Report) => ({
  lost,
  executedTwice,
  needsReconcile,
  unexpected
})
const nothing = { lost: 0, executedTwice: 0, needsReconcile: 0, unexpected: 0 }

const minutes = 180_000

beforeAll(async () => {
  bundle = await Effect.runPromise(Scope.provide(bundleOf(program), scope))
}, minutes)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

describe("a soak of the outbox on SQLite", () => {
  it.live(
    "a kill at every point: every committed call is made once, and its end is told once",
    () =>
      Effect.gen(function* () {
        const report = yield* soak({ store: "sqlite", kills: points.length, stops: 3, faults: 0.1 }, bundle)
        const all = JSON.stringify(report, null, 2)
        assert.deepStrictEqual(found(report), nothing, all)
        assert.deepStrictEqual(Object.keys(report.killsByPoint).toSorted(), points.toSorted())
        assert.strictEqual(report.delivered + report.dead, report.offered, all)
        assert.isAtLeast(report.delivered, 10)
        assert.isAtLeast(report.rolledBack, 1)
        assert.isAtLeast(report.redriven, 1)
        // Whoever is stopped has its answer and has not written it down, or waits for it: another one took over meanwhile.
        // One may be killed before it can be turned away, on a busy machine; not all three.
        assert.deepStrictEqual(Object.values(report.stopsByPoint), [1, 1, 1])
        assert.isAtLeast(report.fenced, 1)
      }),
    minutes
  )

  // The other mutants are found by `npm run soak -- --target outbox --mutant …`: each of them takes as long again.
  it.live(
    "a verdict that is not one transaction with its handler is found",
    () =>
      Effect.gen(function* () {
        const report = yield* soak(
          {
            store: "sqlite",
            mutant: "no transaction",
            points: ["during verdict"],
            kills: 1,
            stops: 0,
            faults: 0,
            settleMillis: 5_000
          },
          bundle
        )
        assert.isAtLeast(report.unexpected, 1, JSON.stringify(report, null, 2))
        assert.match(report.examples.join("\n"), /its (delivery|death) was told 2 times/)
      }),
    minutes
  )
})

describe.skipIf(missing("postgres") !== undefined)("a soak of the outbox on PostgreSQL", () => {
  for (const isolation of isolations) {
    it.live(
      `${isolation}: connections that are cut at every point lose nothing, and nothing is done twice`,
      () =>
        Effect.gen(function* () {
          const options = {
            store: "postgres",
            isolation,
            kills: 2,
            stops: 0,
            cuts: cutPoints.length,
            faults: 0.1
          } as const
          const report = yield* soak(options, bundle)
          const all = JSON.stringify(report, null, 2)
          assert.deepStrictEqual(found(report), nothing, all)
          assert.deepStrictEqual(Object.keys(report.cutsByPoint).toSorted(), cutPoints.toSorted())
          assert.strictEqual(report.delivered + report.dead, report.offered, all)
          // A transaction of an order was open when its connection went, and so was a verdict's.
          assert.isAtLeast(report.cutOff.order, 1, all)
          assert.isAtLeast(report.cutOff.verdict, 1, all)
          if (isolation === "read committed") assert.deepStrictEqual(report.conflicts, { order: 0, verdict: 0 })
        }),
      minutes
    )
  }
})
