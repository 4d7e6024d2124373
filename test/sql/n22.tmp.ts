import { SqliteClient } from "breakwater/sql/node"
import { Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { rmSync } from "node:fs"
rmSync("/tmp/n22.db", { force: true })
const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe("DROP TABLE IF EXISTS t; CREATE TABLE t (a INTEGER PRIMARY KEY, b)").unprepared
  yield* sql.withTransaction(Effect.andThen(sql`INSERT INTO t VALUES (1, ${new Date(0)})`, Effect.exit(sql.withTransaction(Effect.andThen(sql`INSERT INTO t VALUES (2, 2)`, Effect.fail("x"))))))
  console.log(yield* sql`SELECT * FROM t`, yield* sql`SELECT * FROM t`.values, yield* sql`DELETE FROM t WHERE a > 5`.raw, yield* Stream.runCollect(sql`SELECT * FROM t`.stream))
  for (const bad of [sql`INSERT INTO t VALUES (1, 1)`, sql.unsafe(""), sql.unsafe("SELECT 1; SELECT 2"), sql`SELECT 9007199254740993 AS a`, sql.unsafe("SELECT * FROM no"), sql.withTransaction(Effect.andThen(Effect.exit(sql`INSERT OR ROLLBACK INTO t VALUES (1, 1)`), sql`DELETE FROM t`))])
    console.log(yield* Effect.map(Effect.flip(bad as any), (e: any) => [e.reason?._tag, e.message]))
  console.log(yield* Effect.provideService(sql`SELECT 9007199254740993 AS a`, SqlClient.SafeIntegers, true))
})
for (const filename of [":memory:", "/tmp/n22.db"]) await Effect.runPromise(Effect.provide(program as any, SqliteClient.layer({ filename })) as any)
