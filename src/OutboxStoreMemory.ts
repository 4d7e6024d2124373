/**
 * An outbox in memory: for tests, and for one process that may forget on restart.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { OutboxQueue, type Waiting } from "./internal/outboxQueue.ts"
import { blocks, keepDiscarded, millisOf } from "./internal/outboxTimes.ts"
import { changed, claimed, entryOf, grouped, inOrder, matches, readyAt, settled } from "./internal/outboxTransitions.ts"
import type { Audit, Entry } from "./OutboxEntry.ts"
import {
  type Change,
  type Claimed,
  type Filter,
  type Learned,
  type Offer,
  type Offered,
  OutboxStore,
  type Paused,
  type Store,
  type Verdict
} from "./OutboxStore.ts"

/** What stands for an entry, whatever becomes of it: every transition gives it another one. */
interface Row extends Waiting {
  entry: Entry
  readonly lane: Lane | undefined
  audits: ReadonlyArray<Audit>
}

interface Lane {
  last: number
  /** How many entries there are, those that have ended included. */
  size: number
  /** Those that were not delivered and not discarded, in their order. */
  readonly rows: Set<Row>
}

type Names = { readonly integration: string; readonly operation: string }

const idOf = (integration: string, name: string): string => `${integration.length}:${integration}${name}`

/**
 * Makes a store. Each has entries of its own.
 *
 * **Details**
 *
 * Its clock is the one that it was made under, whoever calls it: make it under `TestClock`, and a test moves its leases and
 * due times. It is part of no transaction: `transaction` and `outside` run what they are given as it is. Nothing is
 * forgotten but by `sweep`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Store> = Effect.map(Clock.Clock, (clock): Store => {
  const rows = new Map<string, Row>()
  const lanes = new Map<string, Lane>()
  const queues = new Map<string, OutboxQueue<Row>>()
  const ended = new OutboxQueue<Row>()
  const pauses = new Map<string, Paused>()
  const wakers = new Set<(what: Names) => void>()
  const atomic = <A>(f: (now: number) => A): Effect.Effect<A> => Effect.sync(() => f(clock.currentTimeMillisUnsafe()))

  const wake = ({ integration, operation }: Names): void => {
    for (const waker of wakers) waker({ integration, operation })
  }
  const isPaused = ({ integration, operation }: Names): boolean =>
    pauses.size > 0 &&
    (pauses.has(pauseOf({ integration, operation: undefined })) || pauses.has(pauseOf({ integration, operation })))
  const queueOf = ({ integration, operation }: Names): OutboxQueue<Row> => {
    const id = idOf(integration, operation)
    const known = queues.get(id)
    if (known !== undefined) return known
    const queue = new OutboxQueue<Row>()
    queues.set(id, queue)
    return queue
  }

  /** Puts an entry into its next state. */
  const write = (row: Row, change: Partial<Entry>, forgetAt?: number): Entry => {
    queueOf(row.entry).drop(row)
    const entry = { ...row.entry, ...change }
    row.entry = entry
    const ready = readyAt(entry)
    if (ready !== undefined) queueOf(entry).add(row, ready)
    if (forgetAt !== undefined) {
      ended.add(row, forgetAt)
      row.lane?.rows.delete(row)
    }
    return entry
  }
  /** Makes the next of a lane pending, if it waits for nobody any more. */
  const advance = (lane: Lane | undefined, now: number): void => {
    for (const row of lane?.rows ?? []) {
      if (!blocks(row.entry)) continue
      if (row.entry.state === "Waiting") wake(write(row, { state: "Pending", changedAt: now }))
      return
    }
  }
  const isBusy = (lane: Lane | undefined): boolean => lane !== undefined && isBehind(lane, undefined)
  /** Whether an entry of a lane, before this one, has not ended, or blocks it. */
  const isBehind = (lane: Lane, row: Row | undefined): boolean => {
    for (const other of lane.rows) {
      if (other === row) return false
      if (blocks(other.entry)) return true
    }
    return false
  }

  const claimRow = (row: Row, now: number, lease: number): Claimed => {
    const entry = write(row, claimed(row.entry, now, lease))
    return { entry, now }
  }

  const offer = (offer: Offer, now: number): Offered => {
    const known = rows.get(offer.id)
    if (known !== undefined) {
      return known.entry.fingerprint === offer.fingerprint
        ? { _tag: "Exists", entry: known.entry }
        : { _tag: "Mismatch" }
    }
    const lane = offer.lane && laneOf(offer.integration, offer.lane.name)
    const waits = isBusy(lane)
    const row: Row = { entry: entryOf(offer, now, lane && ++lane.last), slot: undefined, lane, audits: [] }
    rows.set(offer.id, row)
    if (lane !== undefined) {
      lane.size++
      lane.rows.add(row)
    }
    if (waits) write(row, { state: "Waiting" })
    else if (offer.lease !== undefined && !isPaused(offer)) {
      return { _tag: "Stored", claim: claimRow(row, now, millisOf(offer.lease)) }
    } else wake(write(row, {}))
    return { _tag: "Stored", claim: undefined }
  }
  const laneOf = (integration: string, name: string): Lane => {
    const id = idOf(integration, name)
    const known = lanes.get(id)
    if (known !== undefined) return known
    const lane: Lane = { last: 0, size: 0, rows: new Set() }
    lanes.set(id, lane)
    return lane
  }

  const settle = (row: Row, verdict: Verdict, learned: Learned, now: number): void => {
    const keep = verdict._tag === "Delivered" ? now + millisOf(verdict.keep) : undefined
    const entry = write(row, settled(row.entry, verdict, learned, now), keep)
    if (!blocks(entry)) advance(row.lane, now)
    if (verdict._tag === "Again" && entry.dueAt === now) wake(entry)
  }

  const change = (row: Row, change: Change, now: number): boolean => {
    const { lane, state } = row.entry
    const open = state === "Dead" || state === "NeedsReconcile"
    if (!open && !(change._tag === "Discard" && (state === "Pending" || state === "Waiting"))) return false
    // Only in a lane whose entries do not all say the same.
    const behind = row.lane !== undefined && lane?.onDead === "block" && isBehind(row.lane, row)
    const ends = change._tag === "Discard" || change._tag === "Resolve"
    const keep = ends ? now + millisOf(change.keep ?? keepDiscarded) : undefined
    const entry = write(row, changed(row.entry, change, behind, now), keep)
    if (entry.state === "Pending") wake(entry)
    advance(row.lane, now)
    return true
  }

  const found = (filter: Filter): Array<Entry> =>
    Array.from(rows.values(), ({ entry }) => entry).filter((entry) => matches(filter, entry))

  return {
    name: "memory",
    offer: (options) => atomic((now) => offer(options, now)),
    openTransaction: Effect.withFiber(({ context: { mapUnsafe } }) => {
      // Where Effect's SQL clients say which of them has opened the innermost transaction.
      const service: { readonly key: string } | undefined = mapUnsafe.get("effect/sql/CurrentTransactionService")
      return Effect.succeed(service !== undefined && mapUnsafe.has(service.key) ? "other" : "none")
    }),
    outside: (self) => self,
    claim: ({ integration, lease, limit, operation }) =>
      atomic((now) => {
        const names = { integration, operation }
        const due: Array<Row> = []
        const queue = queues.get(idOf(integration, operation))
        if (queue === undefined || isPaused(names)) return []
        while (due.length < limit) {
          const row = queue.take(now)
          if (row === undefined) break
          due.push(row)
        }
        return due.map((row) => claimRow(row, now, millisOf(lease)))
      }),
    settle: ({ epoch, id }, verdict, learned) =>
      atomic((now) => {
        const row = rows.get(id)
        if (row === undefined || row.entry.state !== "Leased" || row.entry.epoch !== epoch) return false
        settle(row, verdict, learned, now)
        return true
      }),
    transaction: (self) => self,
    isBusy: ({ integration, name }) => Effect.sync(() => isBusy(lanes.get(idOf(integration, name)))),
    get: (id) => Effect.sync(() => Option.fromNullishOr(rows.get(id)?.entry)),
    list: (filter, { after, limit }) =>
      Effect.sync(() =>
        found(filter)
          .filter((entry) => after === undefined || inOrder(after, entry) < 0)
          .toSorted(inOrder)
          .slice(0, limit)
      ),
    groups: (filter) => Effect.sync(() => grouped(found(filter))),
    change: ({ generation, id }, to, audit) =>
      atomic((now) => {
        const row = rows.get(id)
        if (row === undefined || row.entry.generation !== generation || !change(row, to, now)) return false
        row.audits = [...row.audits, { ...audit, at: now }]
        return true
      }),
    audits: (id) => Effect.sync(() => rows.get(id)?.audits ?? []),
    pause: (what) => Effect.sync(() => void pauses.set(pauseOf(what), { ...what })),
    resume: (what) =>
      Effect.sync(() => {
        if (!pauses.delete(pauseOf(what))) return
        const { integration } = what
        const operations = new Set(found({ ...what, states: ["Pending"] }).map(({ operation }) => operation))
        for (const operation of operations) wake({ integration, operation })
      }),
    paused: Effect.sync(() => Array.from(pauses.values())),
    sweep: ({ limit }) =>
      atomic((now) => {
        let swept = 0
        while (swept < limit) {
          const row = ended.take(now)
          if (row === undefined) break
          const { id, integration, lane } = row.entry
          rows.delete(id)
          if (row.lane !== undefined && --row.lane.size === 0) lanes.delete(idOf(integration, lane?.name ?? ""))
          swept++
        }
        return swept
      }),
    onOffer: (waker) => {
      // The same function may be given twice, and then ends twice.
      const own = (what: Names) => waker(what)
      return Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => wakers.add(own)),
          () => Effect.sync(() => wakers.delete(own))
        )
      )
    }
  }
})

const pauseOf = ({ integration, operation }: Paused): string =>
  operation === undefined ? `all of ${integration}` : idOf(integration, operation)

/**
 * A store of its own for every build of the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<OutboxStore> = Layer.effect(OutboxStore, make)
