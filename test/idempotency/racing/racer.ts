/**
 * One process of a race: does what its parent asks for, over connections of its own. Started by arena.ts.
 */
import type { IdempotencyStore } from "breakwater"
import { Duration, Effect, Exit, Option, Random, Schedule } from "effect"
import { closeSync, openSync, writeSync } from "node:fs"
import { draw, perform, timeless } from "../../../src/testing/internal/conformance/histories.ts"
import type { Answer, Op } from "../../../src/testing/internal/conformance/model.ts"
import { noEpoch } from "../mutants/noEpoch.ts"
import { overwriteOnClaim } from "../mutants/overwriteOnClaim.ts"
import { type Isolation, type Kind, openStore } from "./stores.ts"

export interface Setup {
  readonly kind: Kind
  readonly place: string
  readonly process: number
  readonly keys: number
  /** How many racers of every key run in this process. */
  readonly racers: number
  readonly isolation: Isolation | undefined
  /** Whether its store overwrites on claim and knows no epoch, to see that the race finds it. */
  readonly broken: boolean
}

export type Task =
  /** Every racer claims every key. */
  | { readonly _tag: "claim"; readonly round: string }
  /** The owners give up the leases that they won in this round. */
  | { readonly _tag: "giveUp"; readonly round: string }
  /** The owners of this round complete. */
  | { readonly _tag: "complete"; readonly round: string }
  /** Every key is claimed once, for its answer. */
  | { readonly _tag: "replay" }
  /**
   * Random calls for every key, each written down before it is made and when it has returned. A process that `dies` does
   * so in the middle: when it has the answer to one call, and others are on their way.
   */
  | {
      readonly _tag: "history"
      readonly keys: number
      readonly dies: boolean
      readonly seed: string
      readonly calls: number
      readonly file: string
      readonly base: string
    }

/** What became of a task: counts by answer, and what was won or read, as [key, epoch or text]. */
export interface Done {
  readonly counts: { readonly [answer: string]: number }
  readonly won: ReadonlyArray<readonly [key: number, epoch: number, takenOver: boolean]>
  readonly read: ReadonlyArray<readonly [key: number, result: string | undefined]>
}

/** A call in the file of a history. */
export type Line =
  | { readonly id: number; readonly key: number; readonly op: Op; readonly invoked: number }
  | { readonly id: number; readonly answer: Answer; readonly returned: number }

const scope = "race"
const inFlight = 16

/** SQLite may be locked by another process. Nothing was written then, and a racer comes again. */
const patient = <A>(self: Effect.Effect<A, IdempotencyStore.StoreError>, onBusy: () => void) =>
  Effect.retry(
    Effect.tapError(self, ({ reason }) => Effect.sync(() => reason === "Busy" && onBusy())),
    { while: ({ reason }) => reason === "Busy", schedule: Schedule.spaced("5 millis"), times: 2_000 }
  )

const run = (setup: Setup, store: IdempotencyStore.Store) => {
  const keys = Array.from({ length: setup.keys }, (_, key) => key)
  const owners = new Map<string, Map<number, IdempotencyStore.Owner>>()
  const ofRound = (round: string) => owners.get(round) ?? owners.set(round, new Map()).get(round)!

  return Effect.fnUntraced(function* (task: Task) {
    const counts: { [answer: string]: number } = {}
    const count = (answer: string) => (counts[answer] = (counts[answer] ?? 0) + 1)
    const won: Array<readonly [number, number, boolean]> = []
    const read: Array<readonly [number, string | undefined]> = []
    const each = <A>(items: Iterable<A>, f: (item: A) => Effect.Effect<unknown, unknown>) =>
      Effect.forEach(items, f, { concurrency: inFlight, discard: true })
    const claim = (key: number) =>
      Effect.tap(
        patient(
          store.claim({
            scope,
            key: `k${key}`,
            fingerprint: "f",
            lease: Duration.hours(1),
            timeToLive: Duration.hours(1),
            onLostLease: "rerun"
          }),
          () => count("busy")
        ),
        (claim) => Effect.sync(() => count(claim._tag))
      )
    const write = (name: string, self: Effect.Effect<boolean, IdempotencyStore.StoreError>) =>
      Effect.map(
        patient(self, () => count("busy")),
        (own) => count(`${name} ${own}`)
      )

    switch (task._tag) {
      case "claim": {
        const mine = ofRound(task.round)
        yield* each(keys, (key) =>
          Effect.forEach(
            Array.from({ length: setup.racers }),
            () =>
              Effect.map(claim(key), (claim) => {
                if (claim._tag !== "Started") return
                won.push([key, claim.epoch, claim.takenOver])
                mine.set(key, { scope, key: `k${key}`, epoch: claim.epoch })
              }),
            { concurrency: "unbounded", discard: true }
          )
        )
        break
      }
      case "giveUp":
        yield* each(ofRound(task.round).values(), (owner) => write("giveUp", store.renew(owner, Duration.zero)))
        break
      case "complete":
        yield* each(ofRound(task.round), ([key, owner]) =>
          write("complete", store.complete(owner, { result: `${task.round} ${key}`, timeToLive: Duration.hours(1) }))
        )
        break
      case "replay":
        yield* each(keys, (key) =>
          Effect.map(claim(key), (claim) => read.push([key, claim._tag === "Replay" ? claim.result : claim._tag]))
        )
        break
      case "history":
        yield* history(setup, store, task)
    }
    return { counts, won, read } satisfies Done
  })
}

const history = Effect.fnUntraced(function* (
  setup: Setup,
  store: IdempotencyStore.Store,
  task: Task & { readonly _tag: "history" }
) {
  const file = openSync(task.file, "a")
  const base = BigInt(task.base)
  // The monotonic clock of the machine, which all processes read.
  const stamp = () => Number(process.hrtime.bigint() - base)
  const line = (entry: Line) => writeSync(file, `${JSON.stringify(entry)}\n`)
  let ids = 0
  let made = 0
  const half = Math.floor((task.keys * task.calls) / 2)
  const calls = Effect.fnUntraced(function* (key: number) {
    const epochs: Array<number> = []
    for (let n = 0; n < task.calls; n++) {
      const op = yield* draw(epochs, timeless)
      const id = ++ids
      line({ id, key, op, invoked: stamp() })
      const exit = yield* Effect.exit(perform(store, { scope, key: `h${key}` }, op))
      const returned = stamp()
      if (++made === half && task.dies) process.kill(process.pid, "SIGKILL")
      if (Exit.isFailure(exit)) continue
      line({ id, answer: exit.value, returned })
      if (exit.value._tag === "Claim" && exit.value.claim._tag === "Started") epochs.push(exit.value.claim.epoch)
    }
  })
  yield* Effect.forEach(
    Array.from({ length: task.keys }, (_, key) => key),
    (key) => Random.withSeed(calls(key), `${task.seed}/${setup.process}/${key}`),
    { concurrency: inFlight, discard: true }
  )
  closeSync(file)
})

/** What `JSON.parse` gives of an answer, as an answer. */
export const revive = (answer: Answer): Answer => {
  if (answer._tag === "Claim" && answer.claim._tag === "InFlight") {
    return { _tag: "Claim", claim: { _tag: "InFlight", retryAfter: Duration.hours(1) } }
  }
  if (answer._tag === "Claim" && answer.claim._tag === "Replay") {
    return { _tag: "Claim", claim: { _tag: "Replay", result: answer.claim.result } }
  }
  if (answer._tag !== "Record") return answer
  const found = answer.record as
    { readonly _tag: "None" } | { readonly _tag: "Some"; readonly value: IdempotencyStore.Record }
  return { _tag: "Record", record: found._tag === "None" ? Option.none() : Option.some(found.value) }
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) {
  const setup = JSON.parse(process.argv[2]!) as Setup
  const program = Effect.gen(function* () {
    const store = yield* openStore(setup.kind, setup.place, setup.isolation)
    const broken = { ...store, ...overwriteOnClaim.change?.(store), ...noEpoch.change?.(store) }
    const perform = run(setup, setup.broken ? broken : store)
    yield* Effect.callback<void>((resume) => {
      // A parent that is gone wants nothing more.
      process.on("disconnect", () => process.exit(1))
      process.on("message", (task: Task | "end") => {
        if (task === "end") return resume(Effect.void)
        Effect.runPromise(perform(task)).then(
          (done) => process.send?.({ done }),
          (error: unknown) => process.send?.({ failed: String(error) })
        )
      })
      process.send?.({ ready: true })
    })
  })
  await Effect.runPromise(Effect.scoped(program))
  process.exit(0)
}
