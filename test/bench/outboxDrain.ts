/**
 * Parked calls drain through a worker with flat memory: a provider is down while so many calls are made, each of which is
 * parked; then it is up, and a real worker makes them all. The heap is looked at when nothing is left in it that is not
 * needed, before the first and after every quarter.
 */
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxStore,
  OutboxWorker,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { Context, Data, Deferred, Effect, Exit, Latch, Layer, Logger, Schema, Scope } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

class Down extends Data.TaggedError("Down") {}
class Lost extends Error {}

/** What is behind the calls. It counts what was done for each, in a list whose size does not change. */
class Provider extends Context.Service<Provider, { isUp: boolean; readonly done: Uint8Array }>()("bench/Provider") {}

const Charge = Schema.Struct({ order: Schema.Int, amount: Schema.Int, customer: Schema.String })
const Charged = Schema.Struct({ id: Schema.String })

class Shop extends Integration.Service<Shop>()(
  "bench/Shop",
  {
    policy: Policy.standard({ maxAttempts: 1 }),
    exhausted: Exhaustion.park,
    orElse: () => new Down()
  },
  {
    charge: Operation.mutation("charge", {
      input: Charge,
      success: Charged,
      idempotency: Idempotency.keyed(
        ({ order }: typeof Charge.Type) => IdempotencyKey.derive("charge", String(order)),
        {
          lifetime: "24 hours"
        }
      ),
      classify: () => Reason.unreachable(),
      send: ({ order }) =>
        Effect.flatMap(Provider, (provider) => {
          if (!provider.isUp) return Effect.fail(new Lost())
          provider.done[order]!++
          return Effect.succeed({ id: `ch_${order}` })
        })
    })
  }
) {}

export interface Drained {
  readonly store: string
  readonly entries: number
  /** Why there were not as many as were asked for. */
  readonly fewer: string | undefined
  /** To park and to drain all of them. */
  readonly seconds: number
  readonly parkedPerSecond: number
  /** The looks at the heap are not counted. */
  readonly drainedPerSecond: number
  /** Bytes of heap after a collection, by how many per cent were drained. */
  readonly heap: Readonly<Record<"0" | "25" | "50" | "75" | "100", number>>
  /** Entries that the store still held at the end. */
  readonly left: number
  /** Calls that were not made once exactly. */
  readonly notOnce: number
  /** All were made once, all have left, and the heap did not grow beyond the start. */
  readonly pass: boolean
}

/** Bytes of heap that differ from one collection to the next although nothing was kept, as code that was compiled. */
export const noise = 2 ** 20

/** For so long all of it may take, in milliseconds; with a slower store there are fewer entries. */
const patience = 180_000
const concurrency = 16

const used = Effect.sync(() => {
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
})

/** Parks so many, and drains them. The store is empty before and after. */
const round = (store: OutboxStore.Store, n: number) =>
  Effect.gen(function* () {
    const provider = { isUp: false, done: new Uint8Array(n) }
    const layer = Integration.layer(Shop).pipe(
      Layer.provide(Layer.succeed(Provider, provider)),
      Layer.provideMerge(Layer.succeed(OutboxStore.OutboxStore, store)),
      Layer.provideMerge(Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })),
      Layer.provideMerge(Logger.layer([]))
    )
    const context = yield* Layer.build(layer)
    const shop = Context.get(context, Shop)
    const began = performance.now()
    yield* Effect.provideContext(
      Effect.forEach(
        Array.from({ length: concurrency }, (_, n) => n),
        (lane) =>
          Effect.gen(function* () {
            for (let order = lane; order < n; order += concurrency) {
              // Where the store takes longer than a call waits for it, the caller comes again: the key is the same.
              const answer = yield* Effect.retry(shop.charge({ order, amount: 4_200, customer: `cus_${order}` }), {
                times: 20
              })
              if (!Outbox.isParked(answer)) return yield* Effect.die(new Error(`${order} was not parked`))
            }
          }),
        { concurrency: "unbounded", discard: true }
      ),
      context
    )
    const parked = performance.now() - began

    // At every quarter the provider keeps those who come waiting, until the heap was looked at.
    const open = yield* Latch.make(true)
    const quarters = yield* Effect.forEach([1, 2, 3, 4], (quarter) =>
      Effect.map(Deferred.make<void>(), (reached) => ({ at: Math.ceil((n * quarter) / 4), reached }))
    )
    let delivered = 0
    const broken: Array<string> = []
    const Worker = OutboxWorker.layer(
      Shop,
      {
        charge: {
          onDelivered: () =>
            Effect.suspend(() => {
              delivered++
              const quarter = quarters.find(({ at }) => at === delivered)
              if (quarter !== undefined) {
                open.closeUnsafe()
                Deferred.doneUnsafe(quarter.reached, Exit.void)
              }
              return Effect.void
            }),
          onDead: (_, { id, why }) => Effect.sync(() => void broken.push(`${id} is dead: ${why}`)),
          onNeedsReconcile: ({ id, why }) => Effect.sync(() => void broken.push(`${id} is unclear: ${why}`))
        }
      },
      { concurrency, pollInterval: "100 millis", keepResults: "1 millis" }
    )
    const swept = Effect.repeat(store.sweep({ limit: 1_000 }), { until: (forgotten) => forgotten < 1_000 })
    const look = Effect.andThen(Effect.andThen(Effect.sleep("20 millis"), swept), used)
    const heap = [yield* look]
    provider.isUp = true
    const scope = yield* Scope.fork(yield* Effect.scope)
    const claimed: OutboxStore.Store = {
      ...store,
      claim: (options) => Effect.andThen(open.await, store.claim(options))
    }
    let looking = 0
    const started = performance.now()
    yield* Layer.buildWithScope(Worker, scope).pipe(
      Effect.provideContext(Context.add(context, OutboxStore.OutboxStore, claimed))
    )
    for (const { reached } of quarters) {
      yield* Deferred.await(reached)
      const began = performance.now()
      heap.push(yield* look)
      looking += performance.now() - began
      yield* open.open
    }
    const drained = performance.now() - started - looking
    yield* Scope.close(scope, Exit.void)
    if (broken.length > 0) return yield* Effect.die(new Error(broken[0]))
    yield* look
    return {
      parkedPerSecond: (n * 1_000) / parked,
      drainedPerSecond: (n * 1_000) / drained,
      millis: parked + drained,
      heap,
      left: (yield* store.list({}, { limit: 1_000 })).length,
      notOnce: provider.done.filter((times) => times !== 1).length
    }
  }).pipe(Effect.scoped)

/** Drains so many out of this store, or as many as it can in three minutes. */
export const drain = (
  { about, store }: { readonly store: OutboxStore.Store; readonly about: string },
  wanted: number
): Effect.Effect<Drained, unknown> =>
  Effect.gen(function* () {
    // First a few, so that what is compiled and cached on the way is there before the first look.
    const few = Math.min(wanted, 5_000)
    const { millis } = yield* round(store, few)
    const inTime = Math.floor(((patience / millis) * few) / 1_000) * 1_000
    const entries = Math.max(Math.min(wanted, inTime), Math.min(wanted, 1_000))
    const { drainedPerSecond, heap, left, notOnce, parkedPerSecond, ...took } = yield* round(store, entries)
    const [start, a, b, c, end] = heap as [number, number, number, number, number]
    return {
      store: `${store.name} (${about})`,
      entries,
      fewer: entries < wanted ? `${wanted} would have taken longer than ${patience / 1_000} s` : undefined,
      seconds: Math.round(took.millis / 1_000),
      parkedPerSecond: Math.round(parkedPerSecond),
      drainedPerSecond: Math.round(drainedPerSecond),
      heap: { 0: start, 25: a, 50: b, 75: c, 100: end },
      left,
      notOnce,
      pass: left === 0 && notOnce === 0 && Math.max(a, b, c, end) <= start + noise
    }
  })
