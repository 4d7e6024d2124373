// Runs in an empty folder that has the packed tarball installed, on each Node that the package supports.
import { readFileSync } from "node:fs"

const manifest = JSON.parse(readFileSync(new URL("node_modules/breakwater/package.json", import.meta.url), "utf8")) as {
  readonly exports: Readonly<Record<string, object | string | null>>
}

for (const [key, target] of Object.entries(manifest.exports)) {
  if (target === null || typeof target === "string" || key.includes("*")) continue
  const entry = (await import(`breakwater${key.slice(1)}`)) as object
  const names = Object.keys(entry)
  if (names.length === 0) throw new Error(`breakwater${key.slice(1)} exports nothing`)
  console.log(`breakwater${key.slice(1)}: ${names.join(", ")}`)
}

const closed = await import(["breakwater", "internal", "x"].join("/")).then(
  () => "opened",
  (error: { readonly code?: string }) => error.code
)
if (closed !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(`breakwater/internal/x must be closed, but: ${closed}`)

// Node 22 and 24 differ in how an iterator of SQLite ends: a stream over a file ends on both.
const { SqliteClient } = await import("breakwater/sql/node")
const { Effect, Stream } = await import("effect")
const { SqlClient } = await import("effect/sql")
const { mkdtempSync, rmSync } = await import("node:fs")
const { tmpdir } = await import("node:os")
const { join } = await import("node:path")

const folder = mkdtempSync(join(tmpdir(), "breakwater-smoke-"))
const streamed = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE numbers (n INTEGER)`
  for (let n = 0; n < 3; n++) yield* sql`INSERT INTO numbers VALUES (${n})`
  return yield* Stream.runCollect(sql<{ readonly n: number }>`SELECT n FROM numbers ORDER BY n`.stream)
}).pipe(Effect.provide(SqliteClient.layer({ filename: join(folder, "smoke.db") })))
const rows = await Effect.runPromise(streamed)
rmSync(folder, { recursive: true })
if (rows.map(({ n }) => n).join() !== "0,1,2") throw new Error(`a stream over SQLite gave ${JSON.stringify(rows)}`)
