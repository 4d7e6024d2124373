// Opening a database, with the settings that a connection keeps.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { type Database, open } from "./database.ts"
import type { Patience } from "./patience.ts"
import { sqlError } from "./sqliteError.ts"

/** The options of a client that its connection needs. */
export interface Settings {
  readonly filename: string
  readonly readonly?: boolean | undefined
  readonly wal?: boolean | undefined
  readonly synchronous?: "normal" | "full" | undefined
  readonly foreignKeys?: boolean | undefined
  readonly prepareCacheSize?: number | undefined
}

/** A database until the scope closes, with the settings of the connection made. */
export const openScoped = (options: Settings, patience: Patience): Effect.Effect<Database, SqlError, Scope.Scope> => {
  const readonly = options.readonly ?? false
  const failed = (cause: unknown) => sqlError(cause, "open", `can't open the database "${options.filename}": `)
  const opened = Effect.try({
    try: () =>
      open(options.filename, {
        readonly,
        foreignKeys: options.foreignKeys ?? true,
        cacheSize: options.prepareCacheSize ?? 200
      }),
    catch: failed
  })
  return Effect.tap(
    Effect.acquireRelease(opened, (database) => Effect.sync(database.close)),
    (database) => {
      const pragma = (text: string) => database.prepare(`PRAGMA ${text}`, false).get()?.[text.split(" ")[0]!]
      return patience(
        Effect.try({
          try: () => {
            pragma(`synchronous = ${options.synchronous ?? "full"}`)
            // The first to read the file, so that one which is no database is noticed here.
            pragma("schema_version")
            if (readonly || options.wal === false || database.path === undefined) return
            const mode = pragma("journal_mode = wal")
            if (mode === "wal") return
            throw new Error(`it stays in journal mode ${String(mode)} instead of WAL; give wal: false to use it so`)
          },
          catch: failed
        })
      )
    }
  )
}
