// Where the outbox is: an address becomes a client, and its tables are looked for.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type * as Terminal from "effect/Terminal"
import { existsSync } from "node:fs"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import type { OutboxError } from "../../OutboxError.ts"
import { OutboxStore } from "../../OutboxStore.ts"
import * as SqliteClient from "../../sql/node/SqliteClient.ts"
import * as SqlOutboxStore from "../../sql/SqlOutboxStore.ts"
import { type Failed, failed, wrongUsage } from "./failed.ts"
import { postgres } from "./postgres.ts"

export interface Place {
  readonly database: Option.Option<Redacted.Redacted<string>>
  readonly table: string
}

const clientOf = (
  address: Redacted.Redacted<string>,
  readonly: boolean
): Effect.Effect<Layer.Layer<SqlClient.SqlClient, Failed | SqlError>, Failed> =>
  Effect.suspend(() => {
    const text = Redacted.value(address)
    if (/^postgres(?:ql)?:\/\//i.test(text)) return Effect.succeed(postgres(address))
    const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]
    if (scheme !== undefined && scheme !== "sqlite") {
      return Effect.fail(
        wrongUsage(`--database: "${scheme}://" is not known; give postgres://…, sqlite:FILE or the path of a file`)
      )
    }
    const filename = text.replace(/^sqlite:(?:\/\/)?/, "")
    if (filename === "") return Effect.fail(wrongUsage("--database: the path of a file is missing after sqlite:"))
    return existsSync(filename)
      ? // The journal mode of the file is for its owner to choose.
        Effect.succeed(SqliteClient.layer({ filename, readonly, wal: false }))
      : Effect.fail(failed(`there is no file ${filename}`))
  })

/** What a database says, without what it was asked. */
export const saidBy = (error: SqlError): string => {
  const { cause } = error.reason
  return cause instanceof Error && cause.message !== "" ? cause.message : error.reason._tag
}

/** Whether a table can be read; fails if the database can't. */
export const hasTable = (table: string): Effect.Effect<boolean, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.catchTag(Effect.as(sql`SELECT 1 FROM ${sql(table)} WHERE 1 = 0`, true), "SqlError", (error) =>
      error.reason._tag === "SqlSyntaxError" ? Effect.succeed(false) : Effect.fail(error)
    )
  )

/** Runs what needs the outbox. Nothing is created or migrated: that is for the application to do. */
export const withOutbox = <A>(
  { database, table }: Place,
  access: "read" | "write",
  self: Effect.Effect<
    A,
    Failed | OutboxError | SqlError,
    OutboxAdmin.OutboxAdmin | OutboxStore | SqlClient.SqlClient | Terminal.Terminal
  >
): Effect.Effect<A, Failed, Terminal.Terminal> =>
  Effect.gen(function* () {
    if (Option.isNone(database)) {
      return yield* wrongUsage("which database? Give --database, or set DATABASE_URL")
    }
    const client = yield* clientOf(database.value, access === "read")
    const store = Layer.effect(
      OutboxStore,
      Effect.gen(function* () {
        if (yield* hasTable(table)) return yield* SqlOutboxStore.make({ table })
        return yield* failed(
          `there is no table ${table} in this database: the application creates it when it starts; give --table if it has another name`
        )
      })
    )
    return yield* Effect.provide(self, OutboxAdmin.layer.pipe(Layer.provideMerge(store), Layer.provideMerge(client)))
  }).pipe(
    Effect.mapError((error) =>
      isSqlError(error)
        ? failed(`the database could not be asked: ${saidBy(error)}`)
        : error._tag === "OutboxError"
          ? failed(isSqlError(error.cause) ? `${error.message} (${saidBy(error.cause)})` : error.message)
          : error
    )
  )
