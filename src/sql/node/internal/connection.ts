// The two faces of one SQLite connection: the one that a lease gives, and the one that takes its turn.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { bind, type Database, isBlank, iterate, type Mode, type Row, run } from "./database.ts"
import type { Patience, Sleeping } from "./patience.ts"
import { isForWriter, type Operation, sqlError } from "./sqliteError.ts"

export interface Connection extends SqlConnection.Connection {
  /** `execute` without rows, whose waits may be interruptible where the rest is not. */
  readonly begin: (sql: string, sleeping: Sleeping) => Effect.Effect<void, SqlError>
  /** The rows of a statement, read as they are pulled. The first are read at once. */
  readonly cursor: (
    sql: string,
    params: ReadonlyArray<unknown>,
    transformRows: Transform
  ) => Effect.Effect<Stream.Stream<unknown, SqlError>, SqlError, Scope.Scope>
  readonly isTransaction: () => boolean
  /** Lends the connection: what a lease began and did not end is rolled back when the scope closes. */
  readonly lease: Effect.Effect<void, never, Scope.Scope>
}

type Transform = Parameters<SqlConnection.Connection["execute"]>[2]

/** The connection itself. Whoever holds it is alone. */
export const make = (database: Database, patience: Patience): Connection => {
  // Set from the moment when SQLite, on its own, has ended a transaction that its owner believes to be open.
  let lost: SqlError | undefined

  const attempt = <A>(sql: string, body: (at: (operation: Operation) => void) => A): Effect.Effect<A, SqlError> =>
    Effect.suspend(() => {
      let operation: Operation = "prepare"
      const before = database.inTransaction()
      return Effect.try({
        try: () => {
          if (lost !== undefined) {
            // Anything else would be carried out, and kept, outside of the transaction.
            if (!/^\s*(?:begin|rollback)\b/i.test(sql)) throw lost
            lost = undefined
          }
          return body((next) => {
            operation = next
          })
        },
        catch: (cause) => {
          const error = sqlError(cause, operation)
          if (before && !database.inTransaction()) lost = rolledBack(error)
          return error
        }
      })
    })

  const execute = (
    sql: string,
    params: ReadonlyArray<unknown>,
    mode: Mode,
    options?: { readonly cached?: boolean; readonly sleeping?: Sleeping }
  ): Effect.Effect<unknown, SqlError> =>
    Effect.withFiber((fiber) => {
      const bigints = fiber.getRef(SqlClient.SafeIntegers)
      return patience(
        attempt(sql, (at) => {
          const statement = database.prepare(sql, options?.cached ?? true)
          at("execute")
          return run(statement, bind(params), mode, bigints)
        }),
        options?.sleeping
      )
    })

  const script = (text: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, SqlError> =>
    Effect.withFiber((fiber) => {
      const bigints = fiber.getRef(SqlClient.SafeIntegers)
      let rest = text
      let rows: unknown = []
      const next = Effect.suspend(() =>
        patience(
          attempt(rest, (at) => {
            const first = database.prepareFirst(rest)
            if (params.length > 0 && !isBlank(first.rest)) {
              throw new SyntaxError(
                "a script of several statements takes no parameters: send its statements one by one"
              )
            }
            at("execute")
            return { rest: first.rest, rows: run(first.statement, bind(params), "rows", bigints) }
          })
        )
      )
      return Effect.map(
        Effect.whileLoop({
          while: () => !isBlank(rest),
          body: () => next,
          step: (done) => {
            rest = done.rest
            rows = done.rows
          }
        }),
        () => rows
      )
    })

  const cursor: Connection["cursor"] = (sql, params, transformRows) =>
    Effect.withFiber((fiber) => {
      const bigints = fiber.getRef(SqlClient.SafeIntegers)
      const opened = patience(
        attempt(sql, (at) => {
          // Not from the cache: whoever runs the same text meanwhile would reset it.
          const statement = database.prepare(sql, false)
          at("execute")
          const rows = iterate(statement, bind(params), bigints)
          return { first: rows.take(), rows }
        })
      )
      return Effect.map(
        Effect.acquireRelease(opened, ({ rows }) => Effect.ignore(Effect.try(rows.end))),
        ({ first, rows }) => {
          let next: ReadonlyArray<Row> | undefined = first
          const more = attempt(sql, (at) => {
            at("execute")
            return rows.take()
          })
          const pull = Effect.suspend(() => {
            const read = next === undefined ? more : Effect.succeed(next)
            next = undefined
            return Effect.flatMap(read, (rows) =>
              Arr.isReadonlyArrayNonEmpty(rows) ? Effect.succeed(transformed(rows, transformRows)) : Cause.done()
            )
          })
          return Stream.fromPull(Effect.succeed(pull))
        }
      )
    })

  const rows = (effect: Effect.Effect<unknown, SqlError>, transformRows: Transform) =>
    Effect.map(effect as Effect.Effect<ReadonlyArray<Row>, SqlError>, (rows) => transformRows?.(rows) ?? rows)
  const values = (effect: Effect.Effect<unknown, SqlError>) =>
    effect as Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>

  return {
    execute: (sql, params, transformRows) => rows(execute(sql, params, "rows"), transformRows),
    executeRaw: (sql, params) => execute(sql, params, "raw"),
    executeValues: (sql, params) => values(execute(sql, params, "values")),
    executeValuesUnprepared: (sql, params) => values(execute(sql, params, "values", { cached: false })),
    executeUnprepared: (sql, params, transformRows) => rows(script(sql, params), transformRows),
    executeStream: (sql, params, transformRows) => Stream.unwrap(cursor(sql, params, transformRows)),
    begin: (sql, sleeping) => Effect.asVoid(execute(sql, [], "raw", { sleeping })),
    cursor,
    isTransaction: database.inTransaction,
    lease: Effect.asVoid(
      Effect.acquireRelease(Effect.sync(database.inTransaction), (before) =>
        Effect.suspend(() => {
          lost = undefined
          return before || !database.inTransaction() ? Effect.void : Effect.orDie(execute("ROLLBACK", [], "raw"))
        })
      )
    )
  }
}

/**
 * A connection for those who hold no lease: every statement waits for its turn, and a stream reads on a connection of its
 * own, so that the one who consumes it may write meanwhile.
 */
export const taking = (
  borrow: SqlConnection.Borrower,
  reader: Effect.Effect<Connection, SqlError, Scope.Scope> | undefined
): SqlConnection.Connection => ({
  execute: (...args) => borrow((connection) => connection.execute(...args)),
  executeRaw: (...args) => borrow((connection) => connection.executeRaw(...args)),
  executeValues: (...args) => borrow((connection) => connection.executeValues(...args)),
  executeValuesUnprepared: (...args) => borrow((connection) => connection.executeValuesUnprepared(...args)),
  executeUnprepared: (...args) => borrow((connection) => connection.executeUnprepared(...args)),
  executeStream: (sql, params, transformRows) => {
    const atOnce = Stream.fromIterableEffect(borrow((connection) => connection.execute(sql, params, transformRows)))
    if (reader === undefined) return atOnce
    return Stream.unwrap(
      Effect.flatMap(reader, (connection) => connection.cursor(sql, params, transformRows)).pipe(
        Effect.catchIf(isForWriter, () => Effect.succeed(atOnce))
      )
    )
  }
})

const transformed = (rows: Arr.NonEmptyReadonlyArray<Row>, transformRows: Transform): typeof rows =>
  transformRows === undefined ? rows : (transformRows(rows) as typeof rows)

const rolledBack = (error: SqlError): SqlError =>
  new SqlError({
    reason: new UnknownError({
      cause: error,
      operation: error.reason.operation,
      message:
        `SQLite has rolled back the whole transaction because of this: ${error.message}. ` +
        "Nothing of it was kept; let the failure end the transaction, and run it again from the start"
    })
  })
