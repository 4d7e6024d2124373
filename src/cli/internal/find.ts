// What a person calls an entry: its id, the beginning of it as tables print it, or its key.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { noteOf } from "../../internal/admin.ts"
import * as OutboxAdmin from "../../OutboxAdmin.ts"
import type { OutboxError } from "../../OutboxError.ts"
import { tablesOf } from "../../sql/internal/outboxMigrations.ts"
import { type Failed, failed } from "./failed.ts"
import { clean } from "./print.ts"

type Shown = OutboxAdmin.Shown

const isPrefix = /^[0-9a-f]{6,31}$/

/** How much of an id a table prints. */
export const short = (id: string): string => id.slice(0, 8)

/** All entries of this name: one by an id, and by a key perhaps several. */
export const find = (
  name: string,
  table: string
): Effect.Effect<
  ReadonlyArray<Shown>,
  Failed | OutboxError | SqlError,
  OutboxAdmin.OutboxAdmin | SqlClient.SqlClient
> =>
  Effect.gen(function* () {
    const admin = yield* OutboxAdmin.OutboxAdmin
    const found = yield* Effect.option(admin.show(name))
    if (Option.isSome(found)) return found.value
    if (isPrefix.test(name)) {
      const sql = yield* SqlClient.SqlClient
      const ids = yield* sql<{
        readonly id: string
      }>`SELECT id FROM ${sql(table)} WHERE id >= ${name} AND id < ${`${name}g`} ORDER BY id LIMIT 5`
      if (ids.length > 1) {
        return yield* failed(`${name} is the beginning of several ids: ${ids.map(({ id }) => id).join(", ")}`)
      }
      if (ids[0] !== undefined) return yield* admin.show(ids[0].id)
    }
    // Says why: there is none, or the store failed.
    return yield* admin.show(name)
  }).pipe(
    Effect.mapError((error) =>
      error._tag === "OutboxError" && error.reason === "NotFound"
        ? failed(`there is no entry with the id or the key ${clean(name)}; a delivered one is forgotten after a while`)
        : error
    )
  )

/** Entries that had this key before they were redriven with a new one, as the audit trail says. */
export const findRenamed = (
  key: string,
  table: string
): Effect.Effect<ReadonlyArray<Shown>, OutboxError | SqlError, OutboxAdmin.OutboxAdmin | SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const admin = yield* OutboxAdmin.OutboxAdmin
    const sql = yield* SqlClient.SqlClient
    const noted = `%${noteOf(key).replace(/[\\%_]/g, "\\$&")}`
    const ids = yield* sql<{
      readonly id: string
    }>`SELECT DISTINCT entry_id AS id FROM ${sql(tablesOf(table).audit)} WHERE evidence LIKE ${noted} ESCAPE '\\' ORDER BY entry_id LIMIT 20`
    const found = yield* Effect.forEach(ids, ({ id }) => admin.show(id))
    return found.flat()
  })
