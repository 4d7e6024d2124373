/**
 * An outbox in a SQL database: PostgreSQL for many processes, SQLite for one machine. What is stored within the
 * application's own transaction is sent if that is committed, and only then.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { OutboxStore, type Store } from "../OutboxStore.ts"
import { makeHand } from "./internal/outboxHand.ts"
import { makeParts, type Names } from "./internal/outboxLanes.ts"
import { makeLook } from "./internal/outboxLook.ts"
import { migrations, tablesOf } from "./internal/outboxMigrations.ts"
import { makeOffer } from "./internal/outboxOffer.ts"
import { makeWork } from "./internal/outboxWork.ts"

// So that the declarations of who exports a layer of this store can name what it provides.
export type { OutboxStore } from "../OutboxStore.ts"

/**
 * Options of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The name of the table of entries; those of lanes, notes, pauses and migrations are named after it. Default:
   * `breakwater_outbox`.
   */
  readonly table?: string | undefined
}

const defaultTable = "breakwater_outbox"

/**
 * Creates the tables, or brings older ones up to date, by Effect's `Migrator`. What was done is kept in a table of its own:
 * `breakwater_outbox_migrations`.
 *
 * **When to use**
 *
 * Run it once per deployment, before new processes start; old ones go on working. `layer` runs it too unless told not to.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migrate = (
  options?: Options
): Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | SqlError,
  SqlClient.SqlClient
> => {
  const table = options?.table ?? defaultTable
  return Migrator.make({})({ loader: Migrator.fromRecord(migrations(table)), table: tablesOf(table).migrations })
}

/**
 * Makes a store over the `SqlClient` of the context. The tables must be there.
 *
 * **Details**
 *
 * Leases and due times are measured by the database's clock, at the moment of a statement. Within a transaction of the same
 * client, what the store does is part of it; nobody else sees it, and `onOffer` is not called, before the outermost commit.
 * Alone, a statement or transaction that the database asks to start over (SERIALIZABLE, a deadlock) does; within the
 * caller's it fails with `Busy`, and the caller starts over.
 *
 * An offer to a lane locks the lane until its transaction ends: a transaction that offers to several lanes does so in one
 * order everywhere, or the database ends one of two that wait for each other. On SQLite, `outside` can't write while the
 * transaction that it left is open, for that is the one writer: it fails with `Busy` at once. On PostgreSQL it waits five
 * seconds at most for what that transaction has locked.
 *
 * Texts with NUL or half a surrogate pair are refused as `Malformed`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Store, never, SqlClient.SqlClient> =>
  Effect.map(SqlClient.SqlClient, (sql): Store => {
    const parts = makeParts(sql, options?.table ?? defaultTable)
    const { db, wakers } = parts
    return {
      name: db.name,
      ...makeWork(parts),
      ...makeHand(parts),
      ...makeLook(parts),
      offer: makeOffer(parts),
      openTransaction: db.openTransaction,
      outside: db.outside,
      transaction: db.transaction,
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

/**
 * The store over the context's `SqlClient`. Runs the migrations first.
 *
 * **Example** (Whether an offer would be part of the transaction that is open)
 *
 * ```ts
 * import { OutboxStore } from "breakwater"
 * import { SqlOutboxStore } from "breakwater/sql"
 * import { SqliteClient } from "breakwater/sql/node"
 * import { Effect, Layer } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * const Database = SqliteClient.layer({ filename: ":memory:" })
 * const Calls = SqlOutboxStore.layer().pipe(Layer.provideMerge(Database))
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   const store = yield* OutboxStore.OutboxStore
 *   return yield* sql.withTransaction(store.openTransaction)
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Calls)) // => "own"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: Options & {
    /** Whether the migrations run when the layer is built. Default: true. */
    readonly migrate?: boolean | undefined
  }
): Layer.Layer<OutboxStore, Migrator.MigrationError | SqlError, SqlClient.SqlClient> =>
  Layer.effect(
    OutboxStore,
    Effect.gen(function* () {
      if (options?.migrate !== false) yield* migrate(options)
      return yield* make(options)
    })
  )
