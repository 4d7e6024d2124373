/** Twenty kills, and defects that the soak must find. The long run is `npm run soak`. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { type Bundle, bundle } from "./bundle.ts"
import { type Mode, type Mutant, mutants, type Point, points } from "./protocol.ts"
import { type Options, type Report, soak } from "./soak.ts"

const scope = Scope.makeUnsafe()
let program: Bundle

const run = (options: Pick<Options, "mode" | "kills" | "stops"> & Partial<Options>) =>
  Effect.suspend(() => soak({ store: "sqlite", ...options }, program))

/** What was found, with all that is needed to look at it. */
const found = ({ duplicated, lost, violations }: Report) => ({ lost, duplicated, violations })
const nothing = { lost: 0, duplicated: 0, violations: 0 }

const minutes = 180_000

describe("a soak of the receiver on SQLite", () => {
  beforeAll(async () => {
    program = await Effect.runPromise(Scope.provide(bundle, scope))
  }, minutes)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it.live.each<{ readonly mode: Mode }>([{ mode: "transactional" }, { mode: "leased" }])(
    "ten kills, $mode: nothing is lost, and nothing is done twice",
    ({ mode }) =>
      Effect.gen(function* () {
        const report = yield* run({ mode, kills: 10, stops: 1 })
        assert.deepStrictEqual(found(report), nothing, JSON.stringify(report, null, 2))
        assert.isAtLeast(report.kills, 10)
        assert.deepStrictEqual(Object.keys(report.killsByPoint).toSorted(), points("sqlite", mode).toSorted())
        assert.isAtLeast(report.stops, 1)
        // The first that is stopped has done its work and not written it down: another one took over meanwhile.
        if (mode === "leased") assert.isAtLeast(report.fenced, 1)
        // That sweeps do sweep, the mutant below shows: of the one or two here each may be struck before it has begun.
      }),
    minutes
  )

  it.live.each<{
    readonly mutant: Mutant
    readonly point: Point
    readonly finds: "lost" | "duplicated" | "violations"
    readonly kills: number
  }>([
    { mutant: "no child key", point: "after child call", finds: "duplicated", kills: 1 },
    { mutant: "done too early", point: "after claim", finds: "lost", kills: 1 },
    // One that is struck at once has swept nothing.
    { mutant: "sweeps too much", point: "during sweep", finds: "violations", kills: 8 }
  ])(
    "$mutant: $finds",
    ({ finds, kills, mutant, point }) =>
      Effect.gen(function* () {
        const mode = mutants[mutant]
        const report = yield* run({
          mode,
          mutant,
          points: [point],
          kills,
          stops: 0,
          servers: 2,
          settleMillis: 5_000
        })
        assert.isAtLeast(report[finds], 1, JSON.stringify(report, null, 2))
      }),
    minutes
  )
})
