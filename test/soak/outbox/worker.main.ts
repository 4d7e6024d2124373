/**
 * One process of the outbox's soak: it takes orders, and works for the outbox. Started, struck and started again by
 * fleet.ts.
 */
import { Outbox, OutboxStore, OutboxWorker } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { SqlOutboxStore } from "breakwater/sql"
import { Cause, Data, Duration, Effect, Exit, Fiber, Layer, Logger, Schedule, Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import { flushCompileCache } from "node:module"
import { openSql } from "./database.ts"
import { disturbanceOf } from "./disturbance.ts"
import { arm, at, goOn, isArmed, tell, watched, watchedClient } from "./points.ts"
import { applicationOf, type Asked, limits, type Order, type Setup, tablesOf } from "./protocol.ts"
import { Shop } from "./shop.ts"
import { prepareSweep, sweepUntil } from "./sweeping.ts"

const setup = JSON.parse(process.argv[2]!) as Setup
const tables = tablesOf(setup.kind, setup.place)

class RolledBack extends Data.TaggedError("RolledBack") {}

// ---- what is done for an order, and for the end of an entry

const commits = new Map<string, () => void>()
const mayCommit = (order: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    commits.set(order, () => resume(Effect.void))
    tell({ _tag: "Offered", order })
  })

/** The business write and the call, both or neither. */
const place = ({ lane, order, rollsBack }: Order) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const shop = yield* Shop
    yield* sql`INSERT INTO ${sql(tables.orders)} ${sql.insert({ order_id: order })}`
    const stored = yield* lane === undefined
      ? shop.charge({ payload: { order } })
      : shop.ship({ payload: { order, lane } })
    if (!Outbox.isQueued(stored)) return yield* Effect.die(new Error(`sent before the commit: ${order}`))
    yield* mayCommit(order)
    if (rollsBack) return yield* new RolledBack()
    yield* at("before offer commits")
  })

const about = (cause: Cause.Cause<unknown> = Cause.empty) => ({
  why: Cause.pretty(cause).slice(0, 1_000),
  by: disturbanceOf(Cause.squash(cause))
})

const takeOrder = (order: Order) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const exit = yield* Effect.exit(sql.withTransaction(place(order)))
    const ended = (how: "committed" | "rolled back" | "exists" | "failed", cause?: Cause.Cause<unknown>) =>
      tell({ _tag: "Ended", order: order.order, how, ...about(cause) })
    if (Exit.isSuccess(exit)) {
      yield* at("after offer")
      return ended("committed")
    }
    const error = Cause.squash(exit.cause)
    if (error instanceof RolledBack) return ended("rolled back")
    if (isSqlError(error) && error.reason._tag === "UniqueViolation") return ended("exists")
    ended("failed", exit.cause)
  })

const redrive = (id: string, generation: number) =>
  Effect.gen(function* () {
    const store = yield* OutboxStore.OutboxStore
    const change = { _tag: "Redrive", delay: Duration.zero, newKey: undefined } as const
    yield* store.change({ id, generation }, change, { action: "redrive", by: "soak", evidence: "it is in stock again" })
    tell({ _tag: "Redriven", id })
  })

let sweeps = 0
const sweepNow = Effect.gen(function* () {
  const store = yield* OutboxStore.OutboxStore
  const sweep = `${setup.name}/${++sweeps}`
  yield* prepareSweep(store, sweep)
  let isOver = false
  yield* Effect.all(
    [
      // It says first that it is here: SQLite does its work at once, and returns when it is over.
      Effect.tap(at("during sweep", sweep), () => Effect.sync(() => (isOver = true))),
      sweepUntil(
        store,
        () => isOver,
        (forgotten) => forgotten > 0 && tell({ _tag: "Swept", forgotten })
      )
    ],
    { concurrency: 2, discard: true }
  )
})

type Ended = { readonly input: { readonly payload: { readonly order: string } } | undefined }

/** One row per end. Where a commit to a file is awaited, a large one, so that the commit takes a while. */
const writeEnd = (kind: string) => (_: unknown, entry: Ended) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const pad = setup.kind === "sqlite" && isArmed("during verdict commit") ? "x".repeat(1_500_000) : ""
    const order_id = entry.input?.payload.order ?? "unreadable"
    yield* sql`INSERT INTO ${sql(tables.ends)} ${sql.insert({ order_id, kind, pad })}`
  })
const unclear = writeEnd("unclear")
const handlers = {
  onDelivered: writeEnd("delivered"),
  onDead: writeEnd("dead"),
  onNeedsReconcile: (entry: Ended) => unclear(undefined, entry)
}

// ---- the process

const errors = Logger.make(({ cause, logLevel, message }) => {
  if (logLevel === "Error" || logLevel === "Fatal") {
    const what = `${String(message)}: ${Cause.pretty(cause)}`.slice(0, 2_000)
    tell({ _tag: "Broken", what, by: disturbanceOf(Cause.squash(cause)) })
  }
})

const Worker = OutboxWorker.layer(
  Shop,
  { charge: handlers, ship: handlers },
  {
    concurrency: 4,
    schedule: Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("400 millis")])),
    // A claim whose process is killed counts as an attempt: no number of kills is to be the end of an entry.
    maxAttempts: 1_000,
    pollInterval: "100 millis",
    grace: limits.grace,
    drain: "200 millis"
  }
)

const program = Effect.gen(function* () {
  const sql = yield* openSql({ ...setup, application: applicationOf(setup) })
  const store = yield* Effect.provideService(SqlOutboxStore.make({ table: tables.outbox }), SqlClient.SqlClient, sql)
  const Client = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => watchedClient(client, setup.name, setup.mutant))
  ).pipe(Layer.provide(FetchHttpClient.layer))
  const layer = Worker.pipe(
    Layer.provideMerge(HttpIntegration.layer(Shop, { baseUrl: setup.providerUrl, drain: "200 millis" })),
    Layer.provide(Client),
    Layer.provideMerge(Layer.succeed(OutboxStore.OutboxStore, watched(store, sql, setup.mutant))),
    Layer.provideMerge(Layer.succeed(SqlClient.SqlClient, sql)),
    Layer.provideMerge(Logger.layer([errors]))
  )
  const context = yield* Layer.build(layer)
  const scope = yield* Scope.Scope
  const run = (
    self: Effect.Effect<unknown, unknown, Shop | OutboxStore.OutboxStore | SqlClient.SqlClient | Scope.Scope>
  ) => {
    const told = Effect.catchCause(self, (cause) =>
      Effect.sync(() => {
        if (Cause.hasInterruptsOnly(cause)) return
        tell({ _tag: "Broken", what: Cause.pretty(cause).slice(0, 2_000), by: disturbanceOf(Cause.squash(cause)) })
      })
    )
    Effect.runForkWith(context)(Effect.forkIn(Effect.provideService(told, Scope.Scope, scope), scope))
  }
  process.on("message", (asked: Asked) => {
    switch (asked._tag) {
      case "Order":
        return run(takeOrder(asked.order))
      case "Commit":
        commits.get(asked.order)?.()
        return void commits.delete(asked.order)
      case "Redrive":
        return run(redrive(asked.id, asked.generation))
      case "GoOn":
        return goOn()
      case "Arm":
        arm(asked.point)
        if (asked.point === "during sweep") run(sweepNow)
    }
  })
  tell({ _tag: "Ready" })
  if (setup.keepsCode) yield* Effect.delay(Effect.sync(flushCompileCache), "300 millis")
  return yield* Effect.never
})

// A parent that is gone wants nothing more.
process.on("disconnect", () => process.exit(1))
const fiber = Effect.runFork(Effect.scoped(program))
process.once("SIGTERM", () => fiber.interruptUnsafe())
const exit = await Effect.runPromise(Fiber.await(fiber))
if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
  tell({ _tag: "Broken", what: Cause.pretty(exit.cause).slice(0, 2_000) })
}
process.disconnect()
process.exit(0)
