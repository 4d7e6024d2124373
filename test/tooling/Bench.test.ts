import { assert, describe, it } from "@effect/vitest"
import { run } from "../../scripts/run.ts"
import { bytesVerdict, limitOf, ratioVerdict } from "../bench/budget.ts"
import { check } from "../bench/check.ts"
import { parse } from "../bench/options.ts"
import type { Feature, Peer } from "../bench/peer.ts"
import { hand } from "../bench/peers/hand.ts"
import { merged, type Table, textOf } from "../bench/report.ts"
import { median, shuffled, spread } from "../bench/stats.ts"
import { figuresOf, leastOf, passes, resultOf, type Round, type Suite, type Target } from "../bench/suite.ts"

const suites = ["in-process", "http"]

describe("the command line", () => {
  const optionsOf = (...argv: ReadonlyArray<string>) => {
    const parsed = parse(argv, suites)
    return parsed._tag === "Options" ? parsed.options : assert.fail(`refused: ${argv.join(" ")}`)
  }

  it("has seven rounds of everything by default", () => {
    assert.deepStrictEqual(optionsOf(), { only: [], rounds: 7, json: false, write: false })
  })

  it("takes its flags, with and without the -- of npm", () => {
    const options = { only: ["http", "in-process"], rounds: 9, json: true, write: true }
    const argv = ["--only", "http", "--only", "in-process", "--rounds", "9", "--json", "--write"]
    assert.deepStrictEqual(optionsOf(...argv), options)
    assert.deepStrictEqual(optionsOf("--", ...argv), options)
    assert.strictEqual(optionsOf("--quick").rounds, 3)
    assert.deepStrictEqual(parse(["--help"], suites), { _tag: "Help" })
  })

  it.each([
    [["--nope"], "Unknown option '--nope'"],
    [["--only", "nope"], "--only nope: there is no such suite; there are in-process, http"],
    [["--only"], "Option '--only <value>' argument missing"],
    [["--rounds", "0"], "--rounds 0: expected a number from 1 to 999"],
    [["--rounds", "many"], "--rounds many: expected a number from 1 to 999"],
    [["--rounds", "5", "--quick"], "--rounds and --quick exclude each other"],
    [["http"], "Unexpected argument 'http'"]
  ] as const)("refuses %j", (argv, problem) => {
    assert.deepStrictEqual(parse(argv, suites), { _tag: "Wrong", problem })
  })

  it("ends with 2 and one line for a wrong flag", () => {
    const ran = run(process.execPath, ["-C", "@breakwater/source", "test/bench/main.ts", "--json", "--only", "nope"])
    assert.strictEqual(ran.status, 2)
    assert.strictEqual(ran.stdout, "")
    assert.match(ran.stderr, /^bench: --only nope: there is no such suite; there are in-process, [^\n]+\n$/)
  })
})

describe("figures of rounds", () => {
  it("have a median, also of an even number", () => {
    assert.strictEqual(median([9, 1, 5]), 5)
    assert.strictEqual(median([10, 9, 1, 2]), 5.5)
    assert.deepStrictEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 })
  })

  it("have a least of each, whichever rounds have it", () => {
    const all = [{ ours: 3, theirs: 5 }, { ours: 4, theirs: 2 }, { ours: 6 }]
    assert.deepStrictEqual(leastOf(all), { ours: 3, theirs: 2 })
  })

  it("are taken in another order, and each once", () => {
    const values = Array.from({ length: 50 }, (_, n) => n)
    const order = shuffled(values)
    assert.notDeepEqual(order, values)
    assert.deepStrictEqual(
      order.toSorted((a, b) => a - b),
      values
    )
  })
})

const target: Target = { name: "ours / theirs", ratio: (round) => round["ours"]! / round["theirs"]!, target: 0.5 }
const rounds: ReadonlyArray<Round> = [
  { ours: 10, theirs: 100 },
  { ours: 90, theirs: 100 },
  { ours: 100, theirs: 200 }
]

describe("a target", () => {
  it("is judged by the median of the rounds' ratios, not by the ratio of medians", () => {
    assert.deepStrictEqual(resultOf(target, rounds), {
      name: "ours / theirs",
      target: 0.5,
      ratio: 0.5,
      min: 0.1,
      max: 0.9,
      pass: true
    })
  })

  it("is missed as soon as the median is over it", () => {
    const { pass, ratio } = resultOf(target, [{ ours: 501, theirs: 1_000 }])
    assert.deepStrictEqual({ pass, ratio }, { pass: false, ratio: 0.501 })
  })

  it("is missed where nothing was measured", () => {
    assert.isFalse(resultOf(target, [{ ours: 1 }]).pass)
    assert.isFalse(passes({ target: 1, bound: "atLeast" }, Number.NaN))
  })

  it("may be a least", () => {
    const least = { ...target, bound: "atLeast" } as const
    assert.isTrue(resultOf(least, [{ ours: 6, theirs: 10 }]).pass)
    assert.isFalse(resultOf(least, [{ ours: 4, theirs: 10 }]).pass)
  })
})

const suite: Suite = {
  name: "some",
  title: "Some calls",
  method: "by hand",
  rows: [
    { id: "ours", name: "breakwater", unit: "ns CPU", docs: "docs/policies/README.md", lacks: [] },
    { id: "theirs", name: "a peer", unit: "ns CPU", docs: "https://peer.example/docs", lacks: ["span", "key"] }
  ],
  targets: [target],
  run: () => Promise.resolve(rounds)
}

const machine: Table["machine"] = {
  node: "v24.0.0",
  v8: "13.6",
  os: "Linux 6",
  cpu: "a processor",
  cores: 2,
  memoryGB: 4,
  load: 0,
  commit: "0000000",
  packages: { effect: "4.1.0" }
}

const tableOf = (over: Partial<Table> = {}): Table => ({
  machine,
  results: [resultOf(target, rounds)],
  figures: figuresOf(suite, rounds),
  ...over
})

describe("the table", () => {
  it("says what each peer does not do, where it is configured from, and which targets are missed", () => {
    const results = [resultOf(target, rounds), resultOf({ ...target, name: "missed", target: 0.2 }, rounds)]
    assert.strictEqual(
      textOf(suite, figuresOf(suite, rounds), results),
      `Some calls
  by hand

                  median         min         max
  breakwater        90.0        10.0         100  ns CPU
  a peer             100         100         200  ns CPU

  What each does not do:
  a peer      span, key

  Configured from:
  breakwater  docs/policies/README.md
  a peer      https://peer.example/docs

  ok   0.500 [0.100–0.900], target 0.5: ours / theirs
  MISS 0.500 [0.100–0.900], target 0.2: missed`
    )
  })

  it("keeps what a run of other suites did not measure", () => {
    const before = tableOf()
    const now: Table = {
      machine: { ...machine, commit: "1111111" },
      results: [{ name: "other", target: 1, ratio: 2, min: 2, max: 2, pass: false }],
      figures: [{ suite: "other", id: "ours", unit: "µs", median: 2, min: 2, max: 2 }]
    }
    const { figures, machine: of, results } = merged(before, now)
    assert.strictEqual(of.commit, "1111111")
    assert.deepStrictEqual(results, [...before.results, ...now.results])
    assert.deepStrictEqual(figures, [...before.figures, ...now.figures])
    assert.deepStrictEqual(merged(undefined, now), now)
  })

  it("replaces what was measured again", () => {
    const again = tableOf({ results: [resultOf(target, [rounds[0]!])], figures: figuresOf(suite, [rounds[0]!]) })
    assert.deepStrictEqual(merged(tableOf(), again), again)
  })
})

describe("the guard", () => {
  const committed = tableOf({
    figures: [{ suite: "allocation", id: "ours", unit: "bytes", median: 1_000, min: 990, max: 1_010 }]
  })

  it("refuses more than five percent more garbage, and only that", () => {
    assert.deepStrictEqual(bytesVerdict(committed, "ours", 1_050), {
      fine: true,
      line: "ours: 1050 bytes per call, committed 1000 (+5.0 %)"
    })
    assert.deepStrictEqual(bytesVerdict(committed, "ours", 1_051), {
      fine: false,
      line: "ours: 1051 bytes per call, committed 1000 (+5.1 %): more than 5 % over"
    })
    assert.deepStrictEqual(bytesVerdict(committed, "ours", 900), {
      fine: true,
      line: "ours: 900 bytes per call, committed 1000 (−10.0 %): npm run bench -- --only allocation --write"
    })
    assert.isFalse(bytesVerdict(committed, "theirs", 1).fine)
  })

  it("holds a ratio to its target and fifteen percent, and one that is missed to what was committed", () => {
    const close = (limit: number | undefined, expected: number) => assert.closeTo(limit ?? Number.NaN, expected, 1e-9)
    close(limitOf(committed, target), 0.5 * 1.15)
    close(limitOf(tableOf({ results: [{ ...committed.results[0]!, ratio: 2, pass: false }] }), target), 2 * 1.15)
    close(limitOf(committed, { ...target, bound: "atLeast" }), 0.5 / 1.15)
    assert.isUndefined(limitOf(committed, { ...target, name: "new" }))
  })

  it("says what it measured and where the limit is", () => {
    const over = [{ ours: 60, theirs: 100 }]
    assert.deepStrictEqual(ratioVerdict(committed, target, resultOf(target, over)), {
      fine: false,
      line: "0.6 [0.6–0.6], limit 0.575: ours / theirs"
    })
    assert.isTrue(ratioVerdict(committed, target, resultOf(target, rounds)).fine)
    assert.isFalse(ratioVerdict(committed, { ...target, name: "new" }, resultOf(target, rounds)).fine)
  })
})

describe("the check before a measurement", () => {
  const bare: Peer = {
    name: "no policy at all",
    docs: "",
    has: [],
    lacks: [],
    make: (leaf) => ({ call: () => leaf(undefined, undefined) })
  }

  it("finds every claim that is not true", async () => {
    const features: ReadonlyArray<Feature> = hand.has
    const lies = await Promise.all(features.map((feature) => check("bare", { ...bare, has: [feature] }, 150)))
    assert.deepStrictEqual(
      lies.map((problems) => problems.map((problem) => problem.split(": ")[1])),
      features.map((feature) => [feature])
    )
  })

  it("believes what is true", async () => {
    assert.deepStrictEqual(await check("hand", hand), [])
    assert.deepStrictEqual(await check("bare", bare), [])
  })
})
