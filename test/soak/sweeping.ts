/**
 * The sweeps of a soak: what is written for them to forget, and what they must leave alone.
 *
 * The load sees a record of its own that is swept too early only if it asks again: a record that is done has two answers
 * then, and in a transaction it is done twice. A claim that runs and is swept shows nowhere, because the provider knows the
 * key of its call. So every sweep that is struck has records beside it that no sweep may forget, and when all is over they
 * are looked for. What it may forget is looked for too: nothing of it may be left behind.
 */
import type { IdempotencyStore } from "breakwater"
import { Duration, Effect, Option } from "effect"

type Store = IdempotencyStore.Store

const scope = "soak/sweep"
const short = Duration.millis(1)
const long = Duration.hours(1)

/** So many records, and so few at a time: a process is struck before it is through. */
const many = 80
const limit = 2

interface Kept {
  readonly lease: Duration.Duration
  readonly timeToLive: Duration.Duration
  readonly onLostLease: IdempotencyStore.OnLostLease
  readonly end: "run" | "complete" | "hold"
  readonly state: IdempotencyStore.State
}

/** One record for each reason not to be forgotten. */
const kept: Readonly<Record<string, Kept>> = {
  "under a lease": { lease: long, timeToLive: short, onLostLease: "rerun", end: "run", state: "Running" },
  "before its time": { lease: short, timeToLive: long, onLostLease: "rerun", end: "run", state: "Running" },
  "not to run again": { lease: short, timeToLive: short, onLostLease: "hold", end: "run", state: "Running" },
  held: { lease: short, timeToLive: short, onLostLease: "rerun", end: "hold", state: "Held" },
  done: { lease: short, timeToLive: long, onLostLease: "rerun", end: "complete", state: "Done" }
}

const keyOf = (attempt: string, name: string | number): string => `${attempt} ${name}`

const write = (store: Store, key: string, { end, ...options }: Omit<Kept, "state">) =>
  Effect.flatMap(store.claim({ scope, key, fingerprint: "f", ...options }), (claim) => {
    // An attempt writes once: whatever is there is not its own.
    if (claim._tag !== "Started") return Effect.die(new Error(`a record for a sweep was ${claim._tag}`))
    const owner = { scope, key, epoch: claim.epoch }
    if (end === "run") return Effect.succeed(true)
    return end === "hold"
      ? store.hold(owner)
      : store.complete(owner, { result: undefined, timeToLive: options.timeToLive })
  })

/** Writes what the sweeps of an attempt forget and what they leave, and waits until the time of the former has passed. */
export const prepareSweep = (store: Store, attempt: string): Effect.Effect<void, IdempotencyStore.StoreError> =>
  Effect.gen(function* () {
    yield* Effect.forEach(Object.entries(kept), ([name, record]) => write(store, keyOf(attempt, name), record))
    const over = { lease: long, timeToLive: short, onLostLease: "rerun", end: "complete" } as const
    const all = Array.from({ length: many }, (_, n) => keyOf(attempt, n))
    yield* Effect.forEach(all, (key) => write(store, key, over), { concurrency: 4, discard: true })
    yield* Effect.sleep("3 millis")
  })

/** Sweeps again and again until it is told to stop, so that whoever strikes meets a statement on its way. */
export const sweepUntil = (
  store: Store,
  isOver: () => boolean,
  onSwept: (forgotten: number) => void
): Effect.Effect<void, IdempotencyStore.StoreError> =>
  Effect.asVoid(
    Effect.repeat(
      Effect.tap(store.sweep({ limit }), (forgotten) => Effect.sync(() => onSwept(forgotten))),
      { until: isOver }
    )
  )

/** What is wrong with the records of these attempts, after one more sweep of everything. */
export const judgeSweeps = (store: Store, attempts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const wrong: Array<string> = []
    yield* Effect.repeat(store.sweep({ limit: 1_000 }), { until: (forgotten) => forgotten < 1_000 })
    for (const attempt of attempts) {
      for (const [name, { state }] of Object.entries(kept)) {
        const found = Option.getOrUndefined(yield* store.get({ scope, key: keyOf(attempt, name) }))
        if (found?.state !== state) wrong.push(`a sweep took what was ${name}: ${attempt}: ${found?.state}`)
      }
      for (const n of Array.from({ length: many }, (_, n) => n)) {
        const found = Option.getOrUndefined(yield* store.get({ scope, key: keyOf(attempt, n) }))
        if (found !== undefined) wrong.push(`a sweep left what was over: ${attempt}: ${n} ${found.state}`)
      }
    }
    return wrong
  })
