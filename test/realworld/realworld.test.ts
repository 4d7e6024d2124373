import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Option } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { exitCode, realworld, World } from "./cli.ts"
import { isKept, type Row, rowOf, type Scenario, scenariosOf } from "./harness.ts"
import { linesOf } from "./lines.ts"
import { textReport } from "./report.ts"
import { script } from "./script.ts"
import { type Slice, Store, type Variant } from "./Slice.ts"
import { slice as effectBasics } from "./effect-basics/index.ts"
import { slice as packageMetrics } from "./package-metrics/index.ts"
import { slices } from "./slices.ts"

const figures = ({ duplicates, hangs, untyped }: Row["recipe"]) => [duplicates, hangs, untyped]

// Some seconds of work each, on a machine that has other work to do.
const timeout = 60_000

describe("eight real integrations", () => {
  it("are eight, each of a public file of its own", () => {
    assert.strictEqual(slices.length, 8)
    assert.strictEqual(new Set(slices.map(({ source }) => source)).size, 8)
  })

  it.live.each(slices)(
    "$name: breakwater is 0, 0, 0 and no longer than by hand",
    (slice) =>
      Effect.gen(function* () {
        const row = yield* rowOf(slice)
        assert.deepStrictEqual(figures(row.breakwater), [0, 0, 0])
        // By hand holds too, but for the mixed scenario (Slice.ts): a shorter program that does not would be no measure.
        assert.deepStrictEqual([row.byHand.duplicates, row.byHand.hangs], [0, 0])
        if (row.byHand.untyped > 0) {
          const untyped = (yield* scenariosOf(slice, "byHand")).filter(({ untyped }) => untyped !== undefined)
          assert.deepStrictEqual([...new Set(untyped.map(({ fault }) => fault))], ["dropped after send, then 429"])
        }
        assert.isAtMost(row.breakwater.lines, row.byHand.lines)
        assert.isTrue(isKept(row))
        // The recipe meets the faults, or the slice proves nothing.
        assert.isAbove(row.recipe.hangs, 0)
        assert.isAbove(row.recipe.untyped, 0)
        if (slice.steps.length > 0) assert.isAbove(row.recipe.duplicates, 0)
        else assert.strictEqual(row.recipe.duplicates, 0)
      }),
    timeout
  )

  it.live("every request of a variant meets every fault, and the crash", () =>
    Effect.gen(function* () {
      const scenarios = yield* scenariosOf(effectBasics, "recipe")
      const faults = script.flatMap(({ name, passes }) => (passes ? [name, `${name}, twice`] : [name]))
      for (const at of ["allTodos, request 1", "createTodo, request 2", "getTodo, request 3"]) {
        assert.deepStrictEqual(
          scenarios.filter((scenario) => scenario.at === at).map(({ fault }) => fault),
          [...faults, "crash"]
        )
      }
      const create = new Map(scenarios.filter(({ at }) => at.startsWith("createTodo")).map((s) => [s.fault, s]))
      assert.deepStrictEqual(
        [...create]
          .filter(([, { duplicates }]) => duplicates > 0)
          .map(([fault, { duplicates }]) => [fault, duplicates]),
        [
          ["dropped after send", 1],
          ["dropped after send, twice", 2],
          ["503, but it was done", 1],
          ["503, but it was done, twice", 2],
          ["crash", 1]
        ]
      )
      assert.isTrue(create.get("stalled body")!.hung)
      assert.include(create.get("changed shape")!.untyped, "TodosError")
    })
  )
})

// ---- programs of which it is known how they end

class Failed extends Data.TaggedError("Failed")<{ readonly outcome: "NotSent" | "Refused" | "Unknown" | "Applied" }> {}

/** Makes one thing, and reads the answer to its end. */
const make = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const response = yield* client.execute(HttpClientRequest.post("https://acme.example/things"))
  return response.status === 201
    ? ((yield* response.json) as { readonly id: number })
    : yield* Effect.fail(response.status)
})

const sliceOf = (breakwater: Variant): Slice => ({
  name: "toy",
  source: "none",
  steps: ["POST /things"],
  provider: () => {
    let things = 0
    return { respond: () => ({ status: 201, body: { id: ++things } }) }
  },
  isSuccess: (value) => typeof value === "object" && value !== null && "id" in value,
  claimOf: (error) => (error instanceof Failed ? { step: "POST /things", outcome: error.outcome } : undefined),
  variants: { recipe: Effect.never, byHand: Effect.never, breakwater }
})

/** The scenario of one fault. */
const scenario = (breakwater: Variant, fault: string): Effect.Effect<Scenario> =>
  Effect.map(scenariosOf(sliceOf(breakwater), "breakwater"), (scenarios) => {
    const found = scenarios.find((scenario) => scenario.fault === fault)
    assert.isDefined(found)
    return found
  })

const ended = Effect.fnUntraced(function* (
  breakwater: Variant,
  fault: string,
  expected: Partial<Pick<Scenario, "duplicates" | "hung" | "untyped">>
) {
  const { duplicates, hung, untyped } = yield* scenario(breakwater, fault)
  assert.deepStrictEqual({ duplicates, hung, untyped }, { duplicates: 0, hung: false, untyped: undefined, ...expected })
})

const saying = (outcome: Failed["outcome"]): Variant => Effect.mapError(make, () => new Failed({ outcome }))

describe("the harness", () => {
  it.live("counts what was done twice, once for each time too many", () =>
    Effect.gen(function* () {
      yield* ended(Effect.retry(make, { times: 3 }), "dropped after send", { duplicates: 1 })
      yield* ended(Effect.retry(make, { times: 3 }), "dropped after send, twice", { duplicates: 2 })
      yield* ended(Effect.retry(make, { times: 3 }), "503", {})
      yield* ended(make, "crash", { duplicates: 1 })
    })
  )

  it.live("counts a program that has not ended after 2 minutes, and nothing else of it", () =>
    Effect.gen(function* () {
      yield* ended(make, "stalled body", { hung: true })
      const after = (seconds: number) =>
        Effect.timeoutOrElse(make, {
          duration: seconds * 1_000,
          orElse: () => Effect.fail(new Failed({ outcome: "Unknown" }))
        })
      yield* ended(after(119), "stalled body", {})
      yield* ended(after(121), "stalled body", { hung: true })
    })
  )

  it.live("counts a foreign error, a defect and a success that is none", () =>
    Effect.gen(function* () {
      yield* ended(make, "503", { untyped: "ended with 503" })
      yield* ended(Effect.orDie(make), "503", { untyped: "ended with 503" })
      yield* ended(
        Effect.orElseSucceed(make, () => ({ id: 0 })),
        "503",
        {
          untyped: "success, but POST /things was never carried out"
        }
      )
      yield* ended(
        Effect.orElseSucceed(make, () => "done"),
        "dropped after send",
        { untyped: 'success with "done"' }
      )
    })
  )

  it.live("counts an error of the application's own only where it says what is not so", () =>
    Effect.gen(function* () {
      const lie = (outcome: string) => ({ untyped: `said ${outcome} of POST /things, which is not so` })
      for (const [outcome, done, notDone] of [
        ["NotSent", lie("NotSent"), {}],
        ["Refused", lie("Refused"), {}],
        ["Unknown", {}, {}],
        ["Applied", {}, lie("Applied")]
      ] as const) {
        yield* ended(saying(outcome), "503, but it was done", done)
        yield* ended(saying(outcome), "503", notDone)
      }
    })
  )

  it.live("refuses every request after a mixed fault, and counts who believes the last answer", () =>
    Effect.gen(function* () {
      const fault = "dropped after send, then 429"
      const runs: Array<Array<unknown>> = []
      const trying = (ofRefusal: Failed["outcome"]) =>
        Effect.suspend(() => {
          const told: Array<unknown> = []
          runs.push(told)
          return make.pipe(
            Effect.tapError((error) => Effect.sync(() => told.push(error))),
            Effect.retry({ times: 3 }),
            Effect.mapError((error) => new Failed({ outcome: error === 429 ? ofRefusal : "Unknown" }))
          )
        })
      yield* ended(trying("Refused"), fault, { untyped: "said Refused of POST /things, which is not so" })
      // No other fault lasts so long.
      assert.strictEqual(runs.filter((told) => told.slice(1).join() === "429,429,429").length, 1)
      yield* ended(trying("Unknown"), fault, {})
    })
  )

  it.live("a crash takes the memory, runs no finalizer, and leaves the store", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [begun: boolean, cleaned: boolean]> = []
      const program = Effect.gen(function* () {
        const store = yield* Store
        const begun = !(yield* store.insert("begun", ""))
        seen.push([begun, Option.isSome(yield* store.get("cleaned"))])
        if (begun) return { id: 1 }
        return yield* Effect.ensuring(make, store.set("cleaned", ""))
      })
      yield* ended(program, "crash", {})
      assert.deepStrictEqual(seen.slice(-2), [
        [false, false],
        [true, false]
      ])
    })
  )

  it.live("a process that has crashed sends nothing any more", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const store = yield* Store
        if (!(yield* store.insert("begun", ""))) return yield* Effect.as(Effect.sleep("1 minute"), { id: 1 })
        return yield* make.pipe(Effect.timeout("1 second"), Effect.retry({ times: 5 }))
      })
      yield* ended(program, "crash", {})
    })
  )

  it.live("refuses a program that fails where nothing goes wrong, and a step that is not listed", () =>
    Effect.gen(function* () {
      const refused = (slice: Slice, message: string) =>
        Effect.map(Effect.exit(scenariosOf(slice, "breakwater")), (exit) => {
          assert.isTrue(Exit.isFailure(exit))
          assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", message)
        })
      yield* refused(
        sliceOf(Effect.andThen(make, make)),
        "toy/breakwater.ts fails where nothing goes wrong: 1 duplicates"
      )
      yield* refused(sliceOf(Effect.never), "toy/breakwater.ts fails where nothing goes wrong: it hangs")
      yield* refused({ ...sliceOf(make), steps: [] }, "toy: POST /things changed something, but is none of its steps")
    })
  )
})

// ---- lines

const shared = `
export const both = 1
export const inner = {
  a: 1
}
export class Own {
  b = inner
}
`

describe("lines", () => {
  it("are those that are neither blank, nor import, nor comment", () => {
    const source = [
      "/** A",
      " * comment. */",
      'import { a } from "a"',
      "import {",
      "  b,",
      "  c",
      '} from "b"',
      "",
      'const text = "// no comment"',
      "const template = `",
      "import { d } from 'd'",
      "`",
      "// a comment",
      "const call = a(b, {",
      "  c // with a comment",
      "})"
    ].join("\n")
    assert.strictEqual(linesOf({ "x.ts": source }, ["x.ts"], "x.ts"), 7)
  })

  it("hold what is declared elsewhere for one variant alone", () => {
    const x = 'import { both, Own } from "./shared.ts"\nexport const x = both'
    const y = 'import { both } from "./shared.ts"\nexport const y = both'
    const of = (variant: string, y_: string) =>
      linesOf({ "shared.ts": shared, "x.ts": x, "y.ts": y_ }, ["x.ts", "y.ts"], variant)
    // Own, and through it `inner`.
    assert.strictEqual(of("x.ts", y), 1 + 3 + 3)
    assert.strictEqual(of("y.ts", y), 1)
    const all = 'import * as shared from "./shared.ts"\nexport const y = shared'
    assert.strictEqual(of("x.ts", all), 1)
    assert.strictEqual(of("y.ts", all), 1)
    const inner = 'import { inner as other, both } from "./shared.ts"\nexport const y = [both, other]'
    assert.strictEqual(of("x.ts", inner), 1 + 3)
  })
})

// ---- what is printed

const rows: ReadonlyArray<Row> = ["openauth-stripe", "slack"].map((name) => ({
  name,
  recipe: { duplicates: 12, hangs: 3, untyped: 40, lines: 100 },
  byHand: { duplicates: 0, hangs: 0, untyped: 0, lines: 80 },
  breakwater: { duplicates: 0, hangs: 0, untyped: 0, lines: 80 }
}))

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, chosen: ReadonlyArray<Slice>) {
  const text = { out: "", err: "" }
  const exit = yield* Effect.exit(realworld(args)).pipe(
    Effect.provideService(World, {
      out: (more) => {
        text.out += more
      },
      err: (more) => {
        text.err += more
      },
      slices: chosen
    })
  )
  return { ...text, code: exitCode(exit) }
})

describe("npm run realworld", () => {
  it("prints a table of at most 80 columns, with a sum", () => {
    const text = textReport(rows)
    for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
    assert.match(
      text,
      /^openauth-stripe {2}recipe +12 +3 +40 +100\n +by hand +0 +0 +0 +80\n +breakwater +0 +0 +0 +80\n/m
    )
    assert.match(text, /^all +recipe +24 +6 +80 +200$/m)
    assert.notInclude(text, "breakwater is not")
  })

  it("says which rows are not kept", () => {
    const [first, second] = rows as [Row, Row]
    for (const breakwater of [
      { ...first.breakwater, duplicates: 1 },
      { ...first.breakwater, hangs: 1 },
      { ...first.breakwater, untyped: 1 },
      { ...first.breakwater, lines: 81 }
    ]) {
      assert.isFalse(isKept({ ...first, breakwater }))
      assert.include(textReport([{ ...first, breakwater }, second]), "longer than by hand, in:\n  openauth-stripe\n")
    }
  })

  it.live("--json prints one object on standard output, and nothing else", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run(["--json", "--only", "package-metrics"], slices)
      assert.deepStrictEqual([code, err], [0, ""])
      // The same every time.
      const row = yield* rowOf(packageMetrics)
      assert.strictEqual(out, `${JSON.stringify({ integrations: [row] })}\n`)
      assert.deepStrictEqual(Object.keys(row), ["name", "recipe", "byHand", "breakwater"])
      assert.deepStrictEqual(Object.keys(row.recipe), ["duplicates", "hangs", "untyped", "lines"])
    })
  )

  it.live("exits with 1 where breakwater's row is not kept, or a slice is broken", () =>
    Effect.gen(function* () {
      const { variants } = packageMetrics
      const worse = { ...packageMetrics, variants: { ...variants, breakwater: variants.recipe } }
      const notKept = yield* run(["--only", "package-metrics"], [worse])
      assert.deepStrictEqual([notKept.code, notKept.err], [1, ""])
      assert.include(notKept.out, "longer than by hand, in:\n  package-metrics\n")
      const broken = yield* run([], [{ ...effectBasics, steps: [] }])
      assert.strictEqual(broken.code, 1)
      assert.include(broken.err, "createTodo changed something, but is none of its steps")
    })
  )

  it.live("refuses wrong flags, and suggests the right ones", () =>
    Effect.gen(function* () {
      for (const [args, message] of [
        [["--jsn"], "realworld: Unrecognized flag: --jsn in command realworld\n\n  Did you mean this?\n    --json"],
        [["--only", "github"], '--only: "github"'],
        [["more"], 'Unexpected positional argument: "more"']
      ] as const) {
        const { code, err, out } = yield* run(args, slices)
        assert.deepStrictEqual([code, out], [2, ""])
        assert.include(err, message)
        assert.notMatch(err, /^\s+at /m, "a stack trace")
      }
    })
  )
})
