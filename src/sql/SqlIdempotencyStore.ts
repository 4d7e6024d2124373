/**
 * Idempotency records in a SQL database: PostgreSQL for many processes, SQLite for one machine. The only store that can
 * take part in the application's own transactions.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import {
  type Claim,
  IdempotencyStore,
  type Owner,
  type Record,
  type Step,
  type Store,
  StoreError,
  TransactionalStore
} from "../IdempotencyStore.ts"
import { hashOf } from "../internal/fingerprint.ts"
import { makeDialect } from "./internal/dialect.ts"
import { migrations } from "./internal/migrations.ts"
import { within } from "./internal/within.ts"

// So that the declarations of who exports a layer of this store can name what it provides.
export type { IdempotencyStore, TransactionalStore } from "../IdempotencyStore.ts"

/**
 * Options of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name of the table. Default: `breakwater_idempotency`. */
  readonly table?: string | undefined
}

const defaultTable = "breakwater_idempotency"

/**
 * Creates the table, or brings an older one up to date, by Effect's `Migrator`. What was done is kept in a table of its own,
 * named after the store's: `breakwater_idempotency_migrations`.
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
  return Migrator.make({})({ loader: Migrator.fromRecord(migrations(table)), table: `${table}_migrations` })
}

interface Row {
  readonly scope: string
  readonly idem_key: string
  readonly fingerprint: string
  /** `A` for a row that is free again, and is kept for its epoch alone. */
  readonly state: "R" | "D" | "H" | "A"
  readonly epoch: number | bigint
  readonly takeovers: number | bigint
  readonly on_lost_lease: Record["onLostLease"]
  readonly lease_until: number | bigint
  readonly expires_at: number | bigint
  readonly steps: string
  readonly result: string | null
  readonly created_at: number | bigint
}

const stepsOf = (text: string): ReadonlyArray<Step> => JSON.parse(text) as ReadonlyArray<Step>

const states = { R: "Running", D: "Done", H: "Held", A: "Done" } as const

/** What a record is found by: an index does not take scopes and keys of any length. */
const idOf = (scope: string, key: string): string => hashOf(`${scope.length}:${scope}${key}`)

/** Milliseconds of a duration, rounded up; one without an end has one in a hundred thousand years. */
const millisOf = (duration: Duration.Duration): number => Math.min(Math.ceil(Duration.toMillis(duration)), 4e15)

/** Text that a database gives back as it was: half a surrogate pair would come back as another name. */
const isWritable = (text: string): boolean =>
  !/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)
const unwritable = "scope, key and fingerprint must be well-formed text without NUL"

const recordOf = (row: Row): Record => ({
  scope: row.scope,
  key: row.idem_key,
  fingerprint: row.fingerprint,
  state: states[row.state],
  epoch: Number(row.epoch),
  onLostLease: row.on_lost_lease,
  leaseUntil: Number(row.lease_until),
  expiresAt: Number(row.expires_at),
  steps: stepsOf(row.steps),
  result: row.result ?? undefined,
  createdAt: Number(row.created_at)
})

/** Errors after which nothing was written: the database has said so. */
const definite = new Set([
  "DeadlockError",
  "SerializationError",
  "LockTimeoutError",
  "ConstraintError",
  "UniqueViolation",
  "SqlSyntaxError",
  "AuthenticationError",
  "AuthorizationError",
  "StatementTimeoutError"
])
const startOver = new Set(["DeadlockError", "SerializationError"])
const busy = new Set([...startOver, "LockTimeoutError"])
const pauses = Schedule.jittered(Schedule.spaced("5 millis"))

/**
 * Makes a store over the `SqlClient` of the context. The table must be there.
 *
 * **Details**
 *
 * Every transition is one statement; a claim that finds the key taken reads it with a second one. Leases and times to live
 * are measured by the database's clock. Inside a transaction of the same client, transitions are part of it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<TransactionalStore["Service"], never, SqlClient.SqlClient> =>
  Effect.map(SqlClient.SqlClient, (sql) => {
    const table = sql(options?.table ?? defaultTable)
    const dialect = makeDialect(sql)
    const { name, now } = dialect
    const from = (millis: Duration.Duration) => sql`${now} + ${millisOf(millis)}`

    const failed =
      (operation: keyof Store, writes: boolean) =>
      (error: SqlError): StoreError => {
        const reason = error.reason._tag
        return new StoreError({
          reason: busy.has(reason) ? "Busy" : "Unavailable",
          store: name,
          operation,
          tookEffect: !writes || definite.has(reason) ? "no" : "unknown",
          cause: error
        })
      }
    /**
     * Where the database asks to start over (SERIALIZABLE, a deadlock), a statement of its own does. Within a transaction
     * that is for the transaction to do.
     */
    const again = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
      Effect.flatMap(Effect.serviceOption(sql.transactionService), (open) =>
        Option.isSome(open)
          ? statement
          : Effect.retry(statement, { times: 50, while: ({ reason }) => startOver.has(reason._tag), schedule: pauses })
      )
    const write = (operation: keyof Store, statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
      Effect.mapBoth(again(statement), { onFailure: failed(operation, true), onSuccess: (rows) => rows.length > 0 })

    const owns = ({ epoch, key, scope }: Owner) => sql`id = ${idOf(scope, key)} AND epoch = ${epoch} AND state = 'R'`
    // A row that is free again stays a while: its epoch must not come again within the same tick of the clock.
    const absent = sql`state = 'A', steps = '[]', result = NULL, expires_at = ${now} + 60000`
    /** A lease that has ended, of a claim that is not to be run again. */
    const held = sql`(state = 'H' OR (state = 'R' AND on_lost_lease = 'hold' AND lease_until <= ${now}))`
    // The epoch too: one that is not older than this tick of the clock would come again.
    const forgotten = sql`(expires_at <= ${now} AND epoch < ${now} * 1000 AND (state IN ('A', 'D') OR (state = 'R' AND on_lost_lease <> 'hold' AND lease_until <= ${now})))`

    const claim: Store["claim"] = (request) => {
      const { fingerprint, key, lease, onLostLease, scope, timeToLive } = request
      if (!isWritable(scope) || !isWritable(key) || !isWritable(fingerprint)) {
        return Effect.fail(
          new StoreError({ reason: "Malformed", store: name, operation: "claim", tookEffect: "no", cause: unwritable })
        )
      }
      // What is there, seen from the row that is to be written: its time of creation is now.
      const over = sql`old.lease_until <= excluded.created_at AND old.state = 'R'`
      const gone = sql`(old.state = 'A' OR (old.expires_at <= excluded.created_at AND (old.state = 'D' OR (${over} AND old.on_lost_lease <> 'hold'))))`
      const lapsed = sql`(${over} AND old.fingerprint = excluded.fingerprint)`
      const holding = sql`(${over} AND old.on_lost_lease = 'hold')`
      const column = (name: string, value: Fragment | string) =>
        sql`${sql(name)} = CASE WHEN ${holding} THEN old.${sql(name)} ELSE ${typeof value === "string" ? sql.literal(value) : value} END`
      const insert = sql<Row>`
        INSERT INTO ${table} AS old (id, scope, idem_key, fingerprint, state, epoch, takeovers, on_lost_lease, lease_until, expires_at, steps, result, created_at)
        SELECT ${dialect.text(idOf(scope, key))}, ${dialect.text(scope)}, ${dialect.text(key)}, ${dialect.text(fingerprint)}, 'R', clock.now * 1000, 0, ${dialect.text(onLostLease)},
          clock.now + ${millisOf(lease)}, clock.now + ${millisOf(timeToLive)}, '[]', NULL, clock.now
        FROM (SELECT ${now} AS now) AS clock WHERE true
        ON CONFLICT (id) DO UPDATE SET
          state = CASE WHEN ${holding} THEN 'H' ELSE 'R' END,
          ${column("epoch", dialect.greatest(sql`old.epoch + 1`, sql`excluded.epoch`))},
          ${column("takeovers", sql`CASE WHEN ${gone} THEN 0 ELSE old.takeovers + 1 END`)},
          ${column("steps", sql`CASE WHEN ${gone} OR old.on_lost_lease <> 'resume' THEN '[]' ELSE old.steps END`)},
          ${column("fingerprint", "excluded.fingerprint")},
          ${column("on_lost_lease", "excluded.on_lost_lease")},
          ${column("lease_until", "excluded.lease_until")},
          ${column("expires_at", "excluded.expires_at")},
          ${column("result", "NULL")},
          ${column("created_at", "excluded.created_at")}
        WHERE ${gone} OR ${lapsed}
        RETURNING state, epoch, takeovers, lease_until, steps`
      const read = sql<Row & { readonly now: number | bigint }>`
        SELECT *, ${now} AS now FROM ${table} WHERE id = ${idOf(scope, key)} AND state <> 'A'`
      const attempt = (left: number): Effect.Effect<Claim, StoreError> =>
        Effect.flatMap(
          Effect.mapError(again(insert), failed("claim", true)),
          ([started]): Effect.Effect<Claim, StoreError> => {
            if (started?.state === "H") return Effect.succeed({ _tag: "Held" })
            if (started !== undefined) {
              return Effect.succeed({
                _tag: "Started",
                epoch: Number(started.epoch),
                leaseUntil: Number(started.lease_until),
                takenOver: Number(started.takeovers) > 0,
                steps: stepsOf(started.steps)
              })
            }
            return Effect.flatMap(Effect.mapError(again(read), failed("claim", false)), ([row]) => {
              const found = row === undefined ? undefined : foundBy(row, Number(row.now), fingerprint)
              if (found !== undefined) return Effect.succeed(found)
              // It was forgotten, or its lease ended, between the two statements.
              return left > 0
                ? attempt(left - 1)
                : Effect.fail(
                    new StoreError({
                      reason: "Busy",
                      store: name,
                      operation: "claim",
                      tookEffect: "no",
                      cause: undefined
                    })
                  )
            })
          }
        )
      return attempt(10)
    }

    const store: Store = {
      claim,
      renew: (owner, lease) =>
        write("renew", sql`UPDATE ${table} SET lease_until = ${from(lease)} WHERE ${owns(owner)} RETURNING epoch`),
      saveStep: (owner, step) =>
        write(
          "saveStep",
          sql`UPDATE ${table} SET steps = ${dialect.addStep(step)} WHERE ${owns(owner)} RETURNING epoch`
        ),
      complete: (owner, { result, timeToLive }) =>
        write(
          "complete",
          sql`UPDATE ${table} SET state = 'D', result = ${result ?? null}, steps = '[]', expires_at = ${from(timeToLive)} WHERE ${owns(owner)} RETURNING epoch`
        ),
      release: (owner) => write("release", sql`UPDATE ${table} SET ${absent} WHERE ${owns(owner)} RETURNING epoch`),
      hold: (owner) => write("hold", sql`UPDATE ${table} SET state = 'H' WHERE ${owns(owner)} RETURNING epoch`),
      resolve: ({ key, scope }, resolution) =>
        write(
          "resolve",
          resolution._tag === "Absent"
            ? sql`UPDATE ${table} SET ${absent} WHERE id = ${idOf(scope, key)} AND ${held} RETURNING epoch`
            : sql`UPDATE ${table} SET state = 'D', result = ${resolution.result ?? null}, steps = '[]', expires_at = ${from(resolution.timeToLive)} WHERE id = ${idOf(scope, key)} AND ${held} RETURNING epoch`
        ),
      get: ({ key, scope }) =>
        Effect.mapBoth(again(sql<Row>`SELECT * FROM ${table} WHERE id = ${idOf(scope, key)} AND state <> 'A'`), {
          onFailure: failed("get", false),
          onSuccess: ([row]) => (row === undefined ? Option.none() : Option.some(recordOf(row)))
        }),
      held: ({ limit, scope }) =>
        Effect.mapBoth(
          again(
            sql<Row>`SELECT * FROM ${table} WHERE ${held} ${scope === undefined ? sql`` : sql`AND scope = ${scope}`} ORDER BY created_at, id LIMIT ${limit}`
          ),
          {
            onFailure: failed("held", false),
            onSuccess: (rows) => rows.map((row): Record => ({ ...recordOf(row), state: "Held" }))
          }
        ),
      sweep: ({ limit }) =>
        Effect.mapBoth(
          again(
            sql<Row>`DELETE FROM ${table} WHERE ${dialect.isOneOf(sql`SELECT id FROM ${table} WHERE ${forgotten} ORDER BY expires_at LIMIT ${limit}`)} AND ${forgotten} RETURNING state`
          ),
          {
            onFailure: failed("sweep", true),
            onSuccess: (rows) => rows.filter(({ state }) => state !== "A").length
          }
        )
    }

    return {
      ...store,
      transaction: ({ lockTimeout }) => dialect.transaction(lockTimeout, failed),
      savepoint: (self) => within(sql.withTransaction, self, (error) => failed("claim", true)(error))
    }
  })

/** What a key that could not be claimed is, at this moment; `undefined` if it could be claimed now. */
const foundBy = (row: Row, now: number, fingerprint: string): Claim | undefined => {
  const leaseUntil = Number(row.lease_until)
  const live = row.state === "R" && leaseUntil > now
  const isHeld = row.state === "H" || (row.state === "R" && !live && row.on_lost_lease === "hold")
  if (!live && !isHeld && Number(row.expires_at) <= now) return undefined
  if (row.fingerprint !== fingerprint) return { _tag: "Mismatch" }
  if (row.state === "D") return { _tag: "Replay", result: row.result ?? undefined }
  if (isHeld) return { _tag: "Held" }
  return live ? { _tag: "InFlight", retryAfter: Duration.millis(leaseUntil - now) } : undefined
}

/**
 * The store over the context's `SqlClient`, as `IdempotencyStore` and as `TransactionalStore`. Runs the migrations first.
 *
 * **Example** (Records in a SQLite database in memory)
 *
 * ```ts
 * import { Receiver } from "breakwater"
 * import { SqlIdempotencyStore } from "breakwater/sql"
 * import { SqliteClient } from "breakwater/sql/node"
 * import { Effect, Layer, Schema } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * const Database = SqliteClient.layer({ filename: ":memory:" })
 * const Records = SqlIdempotencyStore.layer().pipe(Layer.provideMerge(Database))
 *
 * const pay = Receiver.once({
 *   name: "pay",
 *   mode: Receiver.transactional(),
 *   input: Schema.Struct({ id: Schema.String, amount: Schema.Int }),
 *   key: ({ id }) => id,
 *   success: Schema.Void
 * })(({ amount }) => Effect.asVoid(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO payments VALUES (${amount})`)))
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   yield* sql`CREATE TABLE payments (amount INTEGER)`
 *   yield* pay({ id: "p-1", amount: 42 })
 *   yield* pay({ id: "p-1", amount: 42 })
 *   return (yield* sql`SELECT amount FROM payments`).length
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Records)) // => 1
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
): Layer.Layer<IdempotencyStore | TransactionalStore, Migrator.MigrationError | SqlError, SqlClient.SqlClient> =>
  Layer.effectContext(
    Effect.gen(function* () {
      if (options?.migrate !== false) yield* migrate(options)
      const store = yield* make(options)
      return Context.make(IdempotencyStore, store).pipe(Context.add(TransactionalStore, store))
    })
  )
