// The database under an outbox: what PostgreSQL and SQLite say differently, transactions, and failures.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { StoreError } from "../../OutboxStore.ts"
import { makeDialect } from "./dialect.ts"
import { within } from "./within.ts"

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

/** Where Effect's clients say which of them has opened the innermost transaction. */
const Current = Context.Reference<{ readonly key: string } | undefined>("effect/sql/CurrentTransactionService", {
  defaultValue: () => undefined
})

/** Whether what runs has left an open transaction of this database, which can't go on before it is back. */
const Outside = Context.Reference<boolean>("breakwater/sql/Outbox/Outside", { defaultValue: () => false })

const json = JSON.stringify

export const makeDatabase = (sql: SqlClient.SqlClient) => {
  const { isOneOf, name, now: clock } = makeDialect(sql)
  const pg = name === "postgresql"

  const failed =
    (operation: string, writes: boolean) =>
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
  const isOpen = Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

  /**
   * Where the database asks to start over (SERIALIZABLE, a deadlock), a statement or transaction of its own does. Within a
   * transaction that is for the transaction to do.
   */
  const again = <A, E>(self: Effect.Effect<A, E | StoreError>): Effect.Effect<A, E | StoreError> =>
    Effect.flatMap(isOpen, (open) =>
      open ? self : Effect.retry(self, { times: 50, while: isToStartOver, schedule: pauses })
    )

  // What has left a transaction must not wait for it: it would wait for ever. In SQLite every writer waits for it, in
  // PostgreSQL who wants one of its rows.
  const patient = <A, E>(self: Effect.Effect<A, E | StoreError>): Effect.Effect<A, E | StoreError> =>
    Effect.flatMap(Effect.service(Outside), (outside) =>
      !outside
        ? self
        : pg
          ? inTransaction("write", Effect.andThen(sql`SET LOCAL lock_timeout = 5000`, self))
          : Effect.fail(
              new StoreError({
                reason: "Busy",
                store: name,
                operation: "write outside of the open transaction",
                tookEffect: "no",
                cause: "SQLite has one writer, and that is the open transaction"
              })
            )
    )

  /** A transaction, or a savepoint in one. Before the body is done, nothing can have been committed. */
  const inTransaction = <A, E>(
    operation: string,
    body: Effect.Effect<A, E>
  ): Effect.Effect<A, Exclude<E, SqlError> | StoreError> =>
    Effect.suspend(() => {
      let done = false
      const marked = Effect.map(body, (value) => {
        done = true
        return value
      })
      return Effect.mapError(
        within(sql.withTransaction, marked, (error) => error),
        (error) => (isSqlError(error) ? failed(operation, done)(error) : error)
      ) as Effect.Effect<A, Exclude<E, SqlError> | StoreError>
    })

  return {
    name,
    /** The clock at this moment, which may differ within a statement. */
    clock,
    /** The clock once for a statement: what an index can be searched with. */
    now: sql`(SELECT ${clock})`,
    /** A parameter whose type the database can't see from where it stands. */
    text: (value: string | undefined): Fragment => (pg ? sql`${value ?? null}::text` : sql`${value ?? null}`),
    number: (value: number | undefined): Fragment => (pg ? sql`${value ?? null}::bigint` : sql`${value ?? null}`),
    isOneOf,
    /** The values of a list of any length. */
    each: (values: ReadonlyArray<string>): Fragment =>
      pg
        ? sql`(SELECT jsonb_array_elements_text(${json(values)}::jsonb))`
        : sql`(SELECT value FROM json_each(${json(values)}))`,
    materialized: sql.literal(pg ? "AS MATERIALIZED" : "AS"),
    /** Rows that nobody else has locked, locked. */
    skippingLocked: sql.literal(pg ? "FOR UPDATE SKIP LOCKED" : ""),

    reads: <A>(operation: string, statement: Effect.Effect<A, SqlError>) =>
      Effect.flatMap(Effect.service(Outside), (outside) =>
        again(
          outside && !pg
            ? patient(Effect.mapError(statement, failed(operation, false)))
            : Effect.mapError(statement, failed(operation, false))
        )
      ),
    writes: <A>(operation: string, statement: Effect.Effect<A, SqlError>) =>
      again(patient(Effect.mapError(statement, failed(operation, true)))),
    /** Several statements, all or none. */
    atomic: <A, E>(operation: string, body: Effect.Effect<A, E>): Effect.Effect<A, Exclude<E, SqlError> | StoreError> =>
      again(patient(inTransaction(operation, body))),

    /**
     * The caller's effect in a transaction, its failures kept apart from the database's. It is run again where the database
     * asks to start over, whoever was told so: nothing of it was committed.
     */
    transaction: <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | StoreError, R> => {
      const once = Effect.suspend(() => {
        let done = false
        const body = Effect.map(self, (value) => {
          done = true
          return value
        })
        return within(sql.withTransaction, body, (error) => failed("commit", done)(error))
      })
      return Effect.flatMap(isOpen, (open) =>
        open ? once : Effect.retry(once, { times: 50, while: isToStartOver, schedule: pauses })
      )
    },
    openTransaction: Effect.withFiber(({ context: { mapUnsafe } }) => {
      if (mapUnsafe.has(sql.transactionService.key)) return Effect.succeed("own" as const)
      const service = mapUnsafe.get(Current.key) as { readonly key: string } | undefined
      // Who runs after a commit still sees whose it was.
      return Effect.succeed(
        service !== undefined && mapUnsafe.has(service.key) ? ("other" as const) : ("none" as const)
      )
    }),
    outside: <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(isOpen, (open) =>
        open
          ? Effect.updateContext(
              self,
              (context: Context.Context<R>) =>
                // Whoever runs it needs no transaction, whatever the type of what it needs.
                context.pipe(
                  Context.omit(sql.transactionService, Current),
                  Context.add(Outside, true)
                ) as Context.Context<R>
            )
          : self
      ) as Effect.Effect<A, E, R>
  }
}

export type Database = ReturnType<typeof makeDatabase>

const isToStartOver = (error: unknown): boolean => {
  const cause = error instanceof StoreError ? error.cause : error
  return isSqlError(cause) && startOver.has(cause.reason._tag)
}
