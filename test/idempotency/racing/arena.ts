/**
 * Races between processes for the records of one store, and the judgement of what they did: exactly one winner per key,
 * exactly one take-over, no write of a stale owner, one answer for all; and for random calls, of which one process is
 * killed in the middle, an order for every key that the contract allows.
 */
import { Effect, type Scope } from "effect"
import { fork, type ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { line, type Made, model } from "../../../src/testing/internal/conformance/model.ts"
import { linearize } from "../../../src/testing/internal/linearize.ts"
import { type Done, type Line, revive, type Setup, type Task } from "./racer.ts"
import { type Isolation, type Kind, prepare } from "./stores.ts"

export interface Options {
  readonly store: Kind
  readonly keys: number
  /** Racers per key, over all processes. */
  readonly racers: number
  readonly processes: number
  /** Keys of the random histories, and calls per key and process. */
  readonly histories: number
  readonly calls: number
  readonly seed: string
  /** Of PostgreSQL. Default: that of its server. */
  readonly isolation?: Isolation | undefined
  /** Whether the store has two defects, to see that the race finds them. */
  readonly broken?: boolean
}

export interface Report {
  readonly options: Options
  readonly seconds: number
  readonly claims: number
  readonly claimsPerSecond: number
  readonly winners: number
  readonly takeOvers: number
  /** How often a call had to come again because another process held the database. */
  readonly busy: number
  readonly histories: {
    readonly keys: number
    readonly calls: number
    readonly open: number
    readonly undecided: number
  }
  readonly violations: number
  /** The first two of every kind. */
  readonly examples: ReadonlyArray<string>
}

interface Racer {
  readonly does: (task: Task) => Effect.Effect<Done, Error>
}

type Racers = ReadonlyArray<Racer>

const nothing: Done = { counts: {}, won: [], read: [] }

const start = (setup: Setup): Effect.Effect<Racer, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const child: ChildProcess = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(fileURLToPath(new URL("./racer.ts", import.meta.url)), [JSON.stringify(setup)], {
          execArgv: ["-C", "@breakwater/source"],
          stdio: ["ignore", "inherit", "inherit", "ipc"]
        })
      ),
      (child) => Effect.sync(() => (child.connected ? child.send("end") : undefined))
    )
    /** What the process says next. Its end is an answer only where it was to die. */
    const told = (dies: boolean) =>
      Effect.callback<Done, Error>((resume) => {
        const end = (effect: Effect.Effect<Done, Error>) => {
          child.off("message", onMessage)
          child.off("exit", onExit)
          resume(effect)
        }
        const onMessage = ({ done, failed }: { readonly done?: Done; readonly failed?: string }) =>
          end(failed === undefined ? Effect.succeed(done ?? nothing) : Effect.fail(new Error(failed)))
        const onExit = () =>
          end(dies ? Effect.succeed(nothing) : Effect.fail(new Error("a racer ended before it was told to")))
        child.on("message", onMessage)
        child.on("exit", onExit)
      })
    yield* told(false)
    return {
      does: (task) =>
        Effect.suspend(() => {
          child.send(task)
          return told(task._tag === "history" && task.dies)
        })
    }
  })

/** Runs the races. The processes and what they wrote are gone when it returns. */
export const race = (options: Options): Effect.Effect<Report, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { histories, keys, processes, racers, store } = options
      const place = yield* prepare(store, options.isolation)
      const examples: Array<string> = []
      let violations = 0
      const violation = (what: string) => {
        violations++
        const kind = what.slice(0, what.indexOf(":"))
        if (examples.filter((example) => example.startsWith(kind)).length < 2) examples.push(what)
      }
      const setup = {
        kind: store,
        place,
        keys,
        racers: Math.ceil(racers / processes),
        isolation: options.isolation,
        broken: options.broken ?? false
      }
      const all = yield* Effect.forEach(
        Array.from({ length: processes }, (_, process) => process),
        (process) => start({ ...setup, process }),
        { concurrency: "unbounded" }
      )
      const every = (task: Task) =>
        Effect.map(
          Effect.forEach(all, ({ does }) => does(task), { concurrency: "unbounded" }),
          (done) => {
            const counts: { [answer: string]: number } = {}
            for (const one of done) {
              for (const [answer, n] of Object.entries(one.counts)) counts[answer] = (counts[answer] ?? 0) + n
            }
            busy += counts["busy"] ?? 0
            return { counts, won: done.flatMap(({ won }) => won), read: done.flatMap(({ read }) => read) }
          }
        )
      let busy = 0

      const wonOnce = (round: string, won: Done["won"], takenOver: boolean) => {
        const winners = new Map<number, Array<number>>()
        for (const [key, epoch, taken] of won) {
          winners.set(key, [...(winners.get(key) ?? []), epoch])
          if (taken !== takenOver) violation(`${round}: k${key} was ${taken ? "" : "not "}taken over`)
        }
        for (let key = 0; key < keys; key++) {
          const epochs = winners.get(key) ?? []
          if (epochs.length !== 1) violation(`${round}: k${key} has ${epochs.length} winners: ${epochs.join(", ")}`)
        }
        return winners
      }
      const only = (round: string, counts: Done["counts"], allowed: ReadonlyArray<string>, total: number) => {
        const sum = allowed.reduce((sum, answer) => sum + (counts[answer] ?? 0), 0)
        const others = Object.keys(counts).filter((answer) => answer !== "busy" && !allowed.includes(answer))
        if (sum !== total || others.length > 0) violation(`${round}: ${JSON.stringify(counts)} of ${total}`)
      }
      const claims = keys * setup.racers * processes

      const started = process.hrtime.bigint()
      const first = yield* every({ _tag: "claim", round: "first" })
      const seconds = Number(process.hrtime.bigint() - started) / 1e9
      only("first claims", first.counts, ["Started", "InFlight"], claims)
      const before = wonOnce("first claims", first.won, false)

      only("leases given up", (yield* every({ _tag: "giveUp", round: "first" })).counts, ["giveUp true"], keys)
      const second = yield* every({ _tag: "claim", round: "second" })
      only("take-overs", second.counts, ["Started", "InFlight"], claims)
      for (const [key, [epoch]] of wonOnce("take-overs", second.won, true)) {
        const earlier = before.get(key)?.[0] ?? 0
        if (!(epoch! > earlier)) violation(`take-overs: the epoch of k${key} went from ${earlier} to ${epoch}`)
      }

      // Both owners of every key at once: the first is fenced, and the second is not.
      const [stale, own] = yield* Effect.all(
        [every({ _tag: "complete", round: "first" }), every({ _tag: "complete", round: "second" })],
        { concurrency: 1 }
      )
      only("completions of those who were taken over", stale.counts, ["complete false"], keys)
      only("completions of owners", own.counts, ["complete true"], keys)
      const replay = yield* every({ _tag: "replay" })
      only("replays", replay.counts, ["Replay"], keys * processes)
      for (const [key, result] of replay.read) {
        if (result !== `second ${key}`) violation(`replays: k${key} answered ${result}`)
      }

      const judged = histories === 0 ? noHistories : yield* historiesOf(options, all, violation)
      return {
        options,
        seconds,
        claims,
        claimsPerSecond: Math.round(claims / seconds),
        winners: first.won.length,
        takeOvers: second.won.length,
        busy,
        histories: judged,
        violations,
        examples
      }
    })
  )

const noHistories = { keys: 0, calls: 0, open: 0, undecided: 0 }

/** Random calls from every process, of which the first is killed in the middle of its own; judged key by key. */
const historiesOf = Effect.fnUntraced(function* (
  { calls, histories, processes, seed }: Options,
  all: Racers,
  violation: (what: string) => void
) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-history-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const base = String(process.hrtime.bigint())
  const fileOf = (process: number) => join(folder, `${process}.ndjson`)
  yield* Effect.forEach(
    all,
    ({ does }, process) =>
      does({ _tag: "history", keys: histories, seed, calls, base, file: fileOf(process), dies: process === 0 }),
    { concurrency: "unbounded", discard: true }
  )

  const made = new Map<number, Array<Made>>()
  for (let process = 0; process < processes; process++) {
    const open = new Map<number, { -readonly [K in keyof Made]: Made[K] }>()
    // The last line of a process that was killed may be cut: its call stays open, or was never made.
    const lines = readFileSync(fileOf(process), "utf8").split("\n").slice(0, -1)
    for (const entry of lines.map((text) => JSON.parse(text) as Line)) {
      if ("op" in entry) {
        const { invoked, key, op } = entry
        const call = { op, invoked, returned: undefined, answer: undefined, now: 0, by: `process ${process}` }
        open.set(entry.id, call)
        made.set(key, [...(made.get(key) ?? []), call])
      } else {
        const call = open.get(entry.id)!
        call.returned = entry.returned
        call.answer = revive(entry.answer)
      }
    }
  }
  let undecided = 0
  for (const [key, history] of made) {
    const verdict = linearize(model(false), history, 200_000)
    if (verdict._tag === "Undecided") undecided++
    if (verdict._tag !== "NotLinearizable") continue
    const lines = history.toSorted((a, b) => a.invoked - b.invoked).map(line)
    violation(`histories: h${key} has no order that the contract allows:\n${lines.join("\n")}`)
  }
  const every = Array.from(made.values()).flat()
  const open = every.filter(({ returned }) => returned === undefined).length
  return { keys: made.size, calls: every.length, open, undecided }
})
