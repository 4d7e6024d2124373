/**
 * The sweeps of the outbox's soak: what is written for them to forget, and what they must leave alone. Both are entries of
 * an integration that nobody works for.
 */
import type { OutboxStore } from "breakwater"
import { Duration, Effect, Option } from "effect"

type Store = OutboxStore.Store

const integration = "soak/sweep"
const short = Duration.millis(1)
const long = Duration.hours(1)

/** So many entries, and so few at a time: a process is struck before it is through. */
const many = 40
const limit = 2

interface Kept {
  readonly verdict: OutboxStore.Verdict | undefined
  readonly state: string
}

/** One entry for each reason not to be forgotten. */
const kept: Readonly<Record<string, Kept>> = {
  leased: { verdict: undefined, state: "Leased" },
  pending: {
    verdict: { _tag: "Again", delay: long, counts: true, pausing: true, answer: undefined },
    state: "Pending"
  },
  dead: { verdict: { _tag: "Dead", why: "rejected" }, state: "Dead" },
  unclear: { verdict: { _tag: "NeedsReconcile", why: "unclear" }, state: "NeedsReconcile" },
  "before its time": { verdict: { _tag: "Delivered", result: "{}", keep: long }, state: "Delivered" }
}

const write = (store: Store, id: string, verdict: OutboxStore.Verdict | undefined) =>
  Effect.flatMap(
    store.offer({
      id,
      integration,
      operation: "sweep",
      key: id,
      fingerprint: "f",
      origin: "write-ahead",
      payload: "{}",
      correlationId: id,
      traceparent: undefined,
      lane: undefined,
      outcome: "NotSent",
      firstSentAgo: undefined,
      inDoubtAgo: undefined,
      attempts: 0,
      history: [],
      delay: Duration.zero,
      expiresAfter: undefined,
      lease: long
    }),
    (offered) =>
      offered._tag !== "Stored" || offered.claim === undefined
        ? Effect.die(new Error(`an entry for a sweep was ${offered._tag}`))
        : verdict === undefined
          ? Effect.void
          : Effect.asVoid(
              store.settle(offered.claim.entry, verdict, {
                outcome: "Applied",
                firstSentAgo: undefined,
                inDoubtAgo: undefined,
                history: []
              })
            )
  )

const idOf = (sweep: string, name: string | number): string => `${sweep} ${name}`

/** Writes what the sweeps forget and what they leave, and waits until the time of the former has passed. */
export const prepareSweep = (store: Store, sweep: string) =>
  Effect.gen(function* () {
    for (const [name, { verdict }] of Object.entries(kept)) yield* write(store, idOf(sweep, name), verdict)
    const over = { _tag: "Delivered", result: "{}", keep: short } as const
    for (let n = 0; n < many; n++) yield* write(store, idOf(sweep, n), over)
    yield* Effect.sleep("3 millis")
  })

/** Sweeps again and again until it is told to stop, so that whoever strikes meets a statement on its way. */
export const sweepUntil = (store: Store, isOver: () => boolean, onSwept: (forgotten: number) => void) =>
  Effect.repeat(
    Effect.tap(store.sweep({ limit }), (forgotten) => Effect.sync(() => onSwept(forgotten))),
    { until: isOver }
  )

/** What is wrong with the entries of these sweeps, after one more sweep of everything. */
export const judgeSweeps = (store: Store, sweeps: Iterable<string>) =>
  Effect.gen(function* () {
    const wrong: Array<string> = []
    yield* Effect.repeat(store.sweep({ limit: 1_000 }), { until: (forgotten) => forgotten < 1_000 })
    for (const sweep of sweeps) {
      for (const [name, { state }] of Object.entries(kept)) {
        const found = Option.getOrUndefined(yield* store.get(idOf(sweep, name)))
        if (found?.state !== state) wrong.push(`a sweep took what was ${name}: ${sweep}: ${found?.state}`)
      }
      for (let n = 0; n < many; n++) {
        const found = Option.getOrUndefined(yield* store.get(idOf(sweep, n)))
        if (found !== undefined) wrong.push(`a sweep left what was over: ${sweep}: ${n} ${found.state}`)
      }
    }
    return wrong
  })
