// What PostgreSQL and SQLite say differently.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { type Step, type Store, StoreError } from "../../IdempotencyStore.ts"
import { within } from "./within.ts"

export interface Dialect {
  readonly name: "postgresql" | "sqlite"
  /** Epoch milliseconds of the database's clock, at this moment: not at the start of the transaction. */
  readonly now: Fragment
  /** A parameter whose type the database can't see from where it stands. */
  readonly text: (value: string) => Fragment
  readonly greatest: (a: Fragment, b: Fragment) => Fragment
  readonly addStep: (step: Step) => Fragment
  /** Whether a row is one of those that a query with a limit found, which is run once. */
  readonly isOneOf: (limited: Fragment) => Fragment
  readonly transaction: (
    lockTimeout: Duration.Duration,
    failed: (operation: keyof Store, writes: boolean) => (error: SqlError) => StoreError
  ) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | StoreError, R>
}

export const makeDialect = (sql: SqlClient.SqlClient): Dialect =>
  sql.onDialectOrElse({
    pg: (): Dialect => ({
      name: "postgresql",
      now: sql`(extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
      text: (value) => sql`${value}::text`,
      greatest: (a, b) => sql`greatest(${a}, ${b})`,
      addStep: ({ data, name }) =>
        sql`((SELECT coalesce(jsonb_agg(step ORDER BY place), '[]'::jsonb) FROM jsonb_array_elements(steps::jsonb) WITH ORDINALITY AS old (step, place) WHERE step ->> 'name' <> ${name}::text) || jsonb_build_array(jsonb_build_object('name', ${name}::text, 'data', ${data}::text)))::text`,
      // `IN` would run the query again for every row that it meets, and so delete more than the limit.
      isOneOf: (limited) => sql`id = ANY (ARRAY(${limited} FOR UPDATE SKIP LOCKED))`,
      transaction: (lockTimeout, failed) => {
        // Parameters are not allowed here; a number of milliseconds can't be anything else.
        const limit = sql.literal(String(Math.max(1, Math.ceil(Duration.toMillis(lockTimeout)))))
        return (self) =>
          outermost(sql, failed, (body) => Effect.andThen(sql`SET LOCAL lock_timeout = ${limit}`, body), self)
      }
    }),
    orElse: (): Dialect => ({
      name: "sqlite",
      now: sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
      text: (value) => sql`${value}`,
      greatest: (a, b) => sql`max(${a}, ${b})`,
      addStep: ({ data, name }) =>
        sql`json_insert((SELECT json_group_array(json(value)) FROM json_each(steps) WHERE json_extract(value, '$.name') <> ${name}), '$[#]', json_object('name', ${name}, 'data', ${data}))`,
      isOneOf: (limited) => sql`id IN (${limited})`,
      transaction: (lockTimeout, failed) => (self) =>
        // Transactions take turns: what is waited for is the turn.
        turn(lockTimeout, (started) => outermost(sql, failed, (body) => Effect.andThen(started, body), self))
    })
  })

/** A transaction whose failed commit says that it is not known whether it took place. */
const outermost = <A, E, R>(
  sql: SqlClient.SqlClient,
  failed: (operation: keyof Store, writes: boolean) => (error: SqlError) => StoreError,
  begin: <A2, E2, R2>(body: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2 | SqlError, R2>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError, R> =>
  Effect.suspend(() => {
    let done = false
    const body = Effect.map(self, (value) => {
      done = true
      return value
    })
    return within(
      (inner) => sql.withTransaction(begin(inner)),
      body,
      // Before the body was done nothing can have been committed.
      (error) => failed("complete", done)(error)
    )
  })

const turn = <A, E, R>(
  limit: Duration.Duration,
  run: (started: Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError, R> =>
  Effect.suspend(() => {
    let started = false
    const late = Effect.andThen(
      Effect.sleep(limit),
      Effect.suspend(() =>
        started
          ? Effect.never
          : Effect.fail(
              new StoreError({
                reason: "Busy",
                store: "sqlite",
                operation: "claim",
                tookEffect: "no",
                cause: undefined
              })
            )
      )
    )
    const start = Effect.sync(() => {
      started = true
    })
    return Effect.raceFirst(run(start), late)
  })
