/**
 * Effect's `SqlClient` over the SQLite that Node brings: a database without a server and without a dependency.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { check } from "../../internal/duration.ts"
import * as Connection from "./internal/connection.ts"
import { openScoped } from "./internal/open.ts"
import * as Patience from "./internal/patience.ts"

const TypeId = "~breakwater/sql/node/SqliteClient"

/**
 * Effect's `SqlClient`, and the options that it was made with.
 *
 * @category models
 * @since 0.1.0
 */
export interface SqliteClient extends SqlClient.SqlClient {
  readonly [TypeId]: typeof TypeId
  readonly options: Options
  /** SQLite has no update of several rows from values; use `insert` with `ON CONFLICT … DO UPDATE`. */
  readonly updateValues: never
}

/**
 * The service of a `SqliteClient`. What needs any database asks for `SqlClient`, which the same layer gives.
 *
 * @category services
 * @since 0.1.0
 */
export const SqliteClient = Context.Service<SqliteClient>("breakwater/sql/node/SqliteClient")

/**
 * Which file, and how it is used.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The file, which is created if it does not exist; its folder must. `":memory:"` is a database of this client alone. */
  readonly filename: string
  /** Whether to refuse every write. The file must exist. Default: false. */
  readonly readonly?: boolean | undefined
  /**
   * How long to wait for a lock that another process, or another client of this one, holds, before a statement fails with
   * `LockTimeoutError`. Waiting keeps the event loop free. Zero does not wait. Default: 5 seconds.
   */
  readonly busyTimeout?: Duration.Input | undefined
  /**
   * Whether to put the file into WAL mode, in which nobody who reads waits for one who writes. It fails where the mode
   * can't be had. False leaves the file in the mode that it has: for a network file system, which WAL does not support.
   * Default: true.
   */
  readonly wal?: boolean | undefined
  /**
   * How far a commit has gone when it succeeds. `"full"`: to the disk. `"normal"`: in WAL mode a loss of power may undo the
   * last commits, though it never damages the file; a crash of the process undoes nothing. Default: `"full"`.
   */
  readonly synchronous?: "normal" | "full" | undefined
  /** Whether foreign keys are enforced. Default: true. */
  readonly foreignKeys?: boolean | undefined
  /** How many prepared statements are kept, the last used ones. Default: 200. */
  readonly prepareCacheSize?: number | undefined
  /** Attributes of every span, beside `db.system.name`. */
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
  /** Turns the names of columns into those of a row: `String.snakeToCamel`. */
  readonly transformResultNames?: ((name: string) => string) | undefined
  /** Turns the names of identifiers into those of columns: `String.camelToSnake`. */
  readonly transformQueryNames?: ((name: string) => string) | undefined
}

/**
 * Opens a database, and closes it with the scope.
 *
 * **When to use**
 *
 * Use `layer`, unless one program needs several databases.
 *
 * **Details**
 *
 * One connection, and one statement at a time, which runs on the thread of JavaScript: a statement of a second stops
 * everything for a second, but between two statements others run. A transaction has the connection for itself; the others
 * wait in a queue, first come, first served, and can be interrupted there. When the scope closes under a transaction it is
 * rolled back, and its next statement fails.
 *
 * - **Transactions** start with `BEGIN IMMEDIATE`, so that one which reads first and then writes never finds that another
 *   process was faster. For a long one that only reads provide `SqlClient.BeginTransaction` with `"BEGIN"`. Nested ones are
 *   savepoints. If SQLite itself rolls one back (a full disk, `ON CONFLICT ROLLBACK`), every further statement in it fails.
 * - **Other processes** may use the same file. A lock of theirs is waited for, up to `busyTimeout` of Effect's clock (under
 *   a `TestClock` it has to be moved), with the connection held.
 * - **Streams** read as they are pulled: inside a transaction on its connection, and else on a read-only connection of
 *   their own, so that a write while one runs does not wait for it; they see the file as it was at their start. All rows
 *   are read at once where that can't be: in memory, from a temporary table, and from a write with `RETURNING`. Without WAL
 *   a stream blocks commits until it ends.
 * - **Values**: text, numbers, bigints, booleans (1 and 0), `Date`s (ISO 8601 in UTC, which SQLite's own functions read,
 *   to the millisecond), bytes (`Uint8Array`, other views, `ArrayBuffer`), null and undefined (NULL). A whole number is
 *   stored as INTEGER. NaN, arrays and objects are refused.
 * - **Rows** are ordinary objects. Integers are numbers; one beyond 2⁵³ fails rather than lose digits, unless
 *   `SqlClient.SafeIntegers` is provided with true: then all are bigints. Bytes are `Uint8Array`s.
 * - `.raw` of a statement without rows is `{ changes, lastInsertRowid }`. `.unprepared` runs a script of several statements
 *   and gives the rows of the last one; everything else refuses more than one.
 *
 * | reason of the `SqlError` | retryable | SQLite                                                             |
 * |--------------------------|-----------|--------------------------------------------------------------------|
 * | `UniqueViolation`        | no        | a unique index or a primary key; `constraint` names the columns    |
 * | `ConstraintError`        | no        | NOT NULL, CHECK, FOREIGN KEY, STRICT, a trigger's `RAISE`          |
 * | `LockTimeoutError`       | yes       | locked for longer than `busyTimeout`; or by an open stream         |
 * | `SerializationError`     | yes       | a transaction begun with `BEGIN` is too old to write               |
 * | `SqlSyntaxError`         | no        | syntax, an unknown table or column, more than one statement        |
 * | `AuthorizationError`     | no        | a write to a database that is read-only                            |
 * | `ConnectionError`        | yes       | the file can't be opened                                           |
 * | `UnknownError`           | no        | anything else: a full disk, no database, a value that is refused   |
 *
 * Node 22 prints an `ExperimentalWarning` when it loads its SQLite; Node 24 does not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<SqliteClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const { millis, problem } = check("busyTimeout", options.busyTimeout ?? "5 seconds", { zero: true })
    if (problem !== undefined) {
      return yield* new SqlError({ reason: new UnknownError({ cause: problem, message: problem, operation: "open" }) })
    }
    const patience = Patience.make(millis)
    const database = yield* openScoped(options, patience)
    const connection = Connection.make(database, patience)
    const { borrower, isTransaction, onCommitFailure, transactionAcquirer } = SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore: Semaphore.makeUnsafe(1),
      isTransaction: connection.isTransaction
    })
    const lease = Effect.tap(transactionAcquirer, () => connection.lease)
    const { path } = database
    const reader =
      path === undefined
        ? undefined
        : Effect.map(openScoped({ ...options, filename: path, readonly: true }, patience), (own) =>
            Connection.make(own, patience)
          )
    const spanAttributes: ReadonlyArray<readonly [string, unknown]> = [
      ...Object.entries(options.spanAttributes ?? {}),
      ["db.system.name", "sqlite"]
    ]
    const client = yield* SqlClient.make({
      acquirer: Effect.succeed(Connection.taking(borrower, reader)),
      borrower,
      transactionAcquirer: lease,
      compiler: Statement.makeCompilerSqlite(options.transformQueryNames),
      driver: "sqlite-node",
      spanAttributes,
      isTransaction,
      transformRows:
        options.transformResultNames && Statement.defaultTransforms(options.transformResultNames, false).array
    })

    const control = (sql: string) => Effect.asVoid(connection.execute(sql, [], undefined))
    // After SQLite has ended a transaction itself there is nothing left to roll back or to release.
    const cleanup = (sql: string) => Effect.suspend(() => (connection.isTransaction() ? control(sql) : Effect.void))
    const withTransaction = SqlClient.makeWithTransaction({
      transactionService: client.transactionService,
      spanAttributes,
      // BEGIN is here because only here the wait for another process's lock can be interrupted.
      acquireConnection: (restore) =>
        Effect.flatMap(restore(lease), () =>
          Effect.withFiber((fiber) =>
            Effect.as(
              connection.begin(fiber.getRef(SqlClient.BeginTransaction) ?? "BEGIN IMMEDIATE", restore),
              connection
            )
          )
        ),
      begin: () => Effect.void,
      savepoint: (_, id) => control(`SAVEPOINT breakwater_${id}`),
      releaseSavepoint: (_, id) => cleanup(`RELEASE SAVEPOINT breakwater_${id}`),
      commit: () => control("COMMIT"),
      onCommitFailure,
      rollback: () => cleanup("ROLLBACK"),
      rollbackSavepoint: (_, id) => cleanup(`ROLLBACK TO SAVEPOINT breakwater_${id}`)
    })

    return Object.assign(client as SqliteClient, {
      [TypeId]: TypeId,
      options,
      withTransaction,
      // There is one connection only: a transaction that reserves gets its own, and does not wait for itself.
      reserve: Effect.flatMap(
        Effect.serviceOption(client.transactionService),
        Option.match({ onNone: () => lease, onSome: ([own]) => Effect.succeed(own) })
      )
    })
  })

/**
 * A database for a program: as `SqlClient`, which Effect's and breakwater's modules ask for, and as `SqliteClient`.
 *
 * **Details**
 *
 * Fails with a `SqlError` when the file can't be opened, is no database, or can't be put into WAL mode. See `make` for
 * transactions, streams, values and errors.
 *
 * **Example** (A transfer that is made as a whole, or not at all)
 *
 * ```ts
 * import { SqliteClient } from "breakwater/sql/node"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   yield* sql`CREATE TABLE accounts (owner TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0)) STRICT`
 *   yield* sql`INSERT INTO accounts ${sql.insert([
 *     { owner: "ada", cents: 500 },
 *     { owner: "bob", cents: 0 }
 *   ])}`
 *   const pay = (cents: number) =>
 *     sql.withTransaction(
 *       Effect.andThen(
 *         sql`UPDATE accounts SET cents = cents + ${cents} WHERE owner = 'bob'`,
 *         sql`UPDATE accounts SET cents = cents - ${cents} WHERE owner = 'ada'`
 *       )
 *     )
 *   yield* pay(200)
 *   const refused = yield* Effect.flip(pay(400))
 *   return [refused.reason._tag, yield* sql`SELECT cents FROM accounts ORDER BY owner`.values]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, SqliteClient.layer({ filename: ":memory:" })))
 * // => ["ConstraintError", [[300], [200]]]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<SqliteClient | SqlClient.SqlClient, SqlError> =>
  layerOf(make(options))

/**
 * The same, with options from the configuration.
 *
 * **Example** (The file from the environment)
 *
 * ```ts
 * import { SqliteClient } from "breakwater/sql/node"
 * import { Config } from "effect"
 *
 * export const Database = SqliteClient.layerConfig({
 *   filename: Config.String("DATABASE_FILE"),
 *   busyTimeout: Config.Duration("DATABASE_BUSY_TIMEOUT").pipe(Config.withDefault("5 seconds"))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<SqliteClient | SqlClient.SqlClient, SqlError | Config.ConfigError> =>
  layerOf(Effect.flatMap(Config.unwrap(options), make))

const layerOf = <E>(
  client: Effect.Effect<SqliteClient, E, Scope.Scope | Reactivity.Reactivity>
): Layer.Layer<SqliteClient | SqlClient.SqlClient, E> =>
  Layer.provide(
    Layer.effectContext(
      Effect.map(client, (client) => Context.add(Context.make(SqliteClient, client), SqlClient.SqlClient, client))
    ),
    Reactivity.layer
  )
