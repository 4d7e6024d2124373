// PostgreSQL, by a package that the user has installed: whoever has SQLite alone does not need it.
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createRequire } from "node:module"
import { join } from "node:path"
import { cwd } from "node:process"
import { pathToFileURL } from "node:url"
import { type Failed, failed } from "./failed.ts"

type Client = typeof PgClient

const name = "@effect/sql-pg"

const load: Effect.Effect<Client, Failed> = Effect.tryPromise({
  try: () => import("@effect/sql-pg/PgClient"),
  catch: (error) => error
}).pipe(
  Effect.catch((error) =>
    isMissing(error)
      ? // Some package managers let a package see its own dependencies only; the project has it all the same.
        Effect.tryPromise({
          try: (): Promise<Client> => {
            const path = createRequire(join(cwd(), "package.json")).resolve(`${name}/PgClient`)
            return import(pathToFileURL(path).href)
          },
          catch: (error) => error
        })
      : Effect.fail(error)
  ),
  Effect.mapError((error) =>
    failed(
      isMissing(error)
        ? `a postgres:// address needs the package ${name}, which is not installed here: npm install ${name}`
        : `the package ${name} can't be loaded: ${error instanceof Error ? error.message : "it threw"}`
    )
  )
)

const isMissing = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND") &&
  error.message.includes(name)

/** A client for as long as the layer lives. */
export const postgres = (url: Redacted.Redacted<string>): Layer.Layer<SqlClient.SqlClient, Failed | SqlError> =>
  Layer.unwrap(
    Effect.map(load, ({ layer }) =>
      layer({ url, maxConnections: 2, connectTimeout: "10 seconds", applicationName: "breakwater" })
    )
  )
