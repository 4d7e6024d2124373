import { assert, describe, it } from "@effect/vitest"
import { SqliteClient } from "breakwater/sql/node"
import {
  Cause,
  Config,
  ConfigProvider,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Schema,
  type Scope,
  Stream,
  String
} from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { open as openDatabase } from "../../src/sql/node/internal/database.ts"

// ---- what a test needs

/** A folder that goes with the scope. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-sqlite-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const file = Effect.map(folder, (path) => join(path, "test.db"))

const client = (options: Partial<SqliteClient.Options> = {}) =>
  Effect.provide(SqliteClient.make({ filename: ":memory:", ...options }), Reactivity.layer)

/** The error that an effect fails with. A success is a defect of the test. */
const failing = <A, R>(self: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.orDie(Effect.flip(self)), ({ isRetryable, message, reason }) => ({
    tag: reason._tag,
    message,
    isRetryable,
    reason
  }))

/** Lets every fiber that can run do so. No time passes. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const counter = (sql: SqlClient.SqlClient) =>
  Effect.andThen(sql`CREATE TABLE counter (n INTEGER NOT NULL)`, sql`INSERT INTO counter VALUES (0)`)

const count = (sql: SqlClient.SqlClient) => Effect.map(sql<{ n: number }>`SELECT n FROM counter`, ([row]) => row!.n)

/** A transaction of another client that has written, and ends when told. */
const holding = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const held = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      sql.withTransaction(
        Effect.andThen(
          sql`UPDATE counter SET n = 1000`,
          Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(end))
        )
      )
    )
    yield* Deferred.await(held)
    return Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(fiber))
  })

/** Another process that runs a fixture. */
const child = (fixture: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = join(import.meta.dirname, "fixtures", `${fixture}.ts`)
      const own = spawn(process.execPath, ["-C", "@breakwater/source", path, ...args], {
        stdio: ["pipe", "pipe", "pipe"]
      })
      let errors = ""
      own.stderr.on("data", (data) => (errors += data))
      const ended = new Promise<{ code: number | null; errors: string }>((resolve) =>
        own.on("close", (code) => resolve({ code, errors }))
      )
      const said = new Promise<void>((resolve) => own.stdout.once("data", () => resolve()))
      return {
        kill: Effect.sync(() => own.kill("SIGKILL")),
        letGo: Effect.sync(() => own.stdin.end()),
        said: Effect.promise(() => said),
        ended: Effect.promise(() => ended)
      }
    }),
    (own) => Effect.andThen(own.kill, own.ended)
  )

// ---- values and rows

describe("values", () => {
  const stored: ReadonlyArray<readonly [value: unknown, type: string, read: unknown]> = [
    ["äöü \u0000 🌊", "text", "äöü \u0000 🌊"],
    ["", "text", ""],
    [42, "integer", 42],
    [-0, "real", -0],
    [1.5, "real", 1.5],
    [Infinity, "real", Infinity],
    [Number.MAX_SAFE_INTEGER, "integer", Number.MAX_SAFE_INTEGER],
    [2 ** 60, "real", 2 ** 60],
    [7n, "integer", 7],
    [true, "integer", 1],
    [false, "integer", 0],
    [null, "null", null],
    [undefined, "null", null],
    [new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), "text", "2026-01-02T03:04:05.006Z"],
    [new Uint8Array([1, 2, 255]), "blob", new Uint8Array([1, 2, 255])],
    [new Uint8Array([]), "blob", new Uint8Array([])],
    [new Uint8Array([9, 8, 7]).subarray(1), "blob", new Uint8Array([8, 7])],
    [new Uint8Array([4, 5]).buffer, "blob", new Uint8Array([4, 5])]
  ]

  for (const [value, type, read] of stored) {
    it.effect(
      `stores ${typeof value} ${String.isString(value) ? JSON.stringify(value) : globalThis.String(value)} as ${type}`,
      () =>
        Effect.gen(function* () {
          const sql = yield* client()
          yield* sql`CREATE TABLE t (v)`
          yield* sql`INSERT INTO t VALUES (${value})`
          assert.deepStrictEqual(yield* sql`SELECT typeof(v) AS type, v FROM t`, [{ type, v: read }])
        })
    )
  }

  const refused: ReadonlyArray<readonly [value: unknown, says: RegExp]> = [
    [Number.NaN, /parameter 2 is NaN/],
    [{ a: 1 }, /parameter 2 is of type object: .*Schema\.fromJsonString/],
    [[1], /parameter 2 is an array/],
    [new Date(Number.NaN), /parameter 2 is an invalid Date/],
    [Symbol("a"), /parameter 2 is of type symbol/],
    [2n ** 63n, /too large to bind/]
  ]

  for (const [value, says] of refused) {
    it.effect(`refuses ${Array.isArray(value) ? "[1]" : globalThis.String(value)}`, () =>
      Effect.gen(function* () {
        const sql = yield* client()
        const error = yield* failing(sql.unsafe("SELECT ?, ?", [1, value]))
        assert.strictEqual(error.tag, "UnknownError")
        assert.match(error.message, says)
      })
    )
  }

  it.effect("never takes an object for named parameters, which would bind NULL", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      assert.match((yield* failing(sql.unsafe("SELECT :a", [{ a: 1 }]))).message, /parameter 1 is of type object/)
      assert.deepStrictEqual(yield* sql.unsafe("SELECT ? AS a", [new Date(0)]), [{ a: "1970-01-01T00:00:00.000Z" }])
    })
  )

  it.effect("whole numbers are INTEGER to SQL too", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      yield* sql`CREATE TABLE t (v TEXT)`
      yield* sql`INSERT INTO t VALUES (${7})`
      assert.deepStrictEqual(yield* sql`SELECT v, ${7} / 2 AS half FROM t`, [{ v: "7", half: 3 }])
    })
  )

  it.effect("fails on an integer that a number can't hold, and reads it as bigint when asked to", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      const big = 2n ** 53n + 1n
      yield* sql`CREATE TABLE t (v INTEGER)`
      yield* sql`INSERT INTO t VALUES (${big}), (${1})`
      const error = yield* failing(sql`SELECT v FROM t`)
      assert.match(error.message, /SqlClient\.SafeIntegers/)
      assert.notInclude(error.message, globalThis.String(big))
      const safely = Effect.provideService(SqlClient.SafeIntegers, true)
      assert.deepStrictEqual(yield* safely(sql`SELECT v FROM t`), [{ v: big }, { v: 1n }])
      assert.deepStrictEqual(yield* safely(sql`SELECT v FROM t`.values), [[big], [1n]])
      assert.deepStrictEqual(yield* safely(Stream.runCollect(sql`SELECT v FROM t`.stream)), [{ v: big }, { v: 1n }])
      // The same prepared statement, without it again.
      assert.deepStrictEqual(yield* failing(sql`SELECT v FROM t`), error)
    })
  )

  it.effect("rows are ordinary objects, whatever their columns are called", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      const [row] = yield* sql`SELECT 1 AS a, 2 AS "__proto__", 3 AS "constructor"`
      assert.strictEqual(Object.getPrototypeOf(row), Object.prototype)
      assert.deepStrictEqual(Object.entries(row!), [
        ["a", 1],
        ["__proto__", 2],
        ["constructor", 3]
      ])
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a, 2 AS a`.values, [[1, 2]])
      assert.deepStrictEqual(yield* sql`SELECT 1 AS a, 2 AS a`, [{ a: 2 }])
    })
  )

  it.effect("transforms names both ways, and leaves them when asked to", () =>
    Effect.gen(function* () {
      const sql = yield* client({
        transformQueryNames: String.camelToSnake,
        transformResultNames: String.snakeToCamel
      })
      yield* sql`CREATE TABLE t (first_name TEXT)`
      yield* sql`INSERT INTO t ${sql.insert({ firstName: "ada" })}`
      const select = sql`SELECT ${sql("firstName")} FROM t`
      assert.deepStrictEqual(yield* select, [{ firstName: "ada" }])
      assert.deepStrictEqual(yield* Stream.runCollect(select.stream), [{ firstName: "ada" }])
      assert.deepStrictEqual(yield* sql.withoutTransforms()`SELECT first_name FROM t`, [{ first_name: "ada" }])
    })
  )

  it.effect("raw says what a statement changed, or gives its rows", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY, v)`
      assert.deepStrictEqual(yield* sql`INSERT INTO t (v) VALUES (1), (1)`.raw, { changes: 2, lastInsertRowid: 2 })
      assert.deepStrictEqual(yield* sql`UPDATE t SET v = 2 WHERE id = 1 RETURNING id`.raw, [{ id: 1 }])
      assert.deepStrictEqual(yield* sql`UPDATE t SET v = 3`, [])
    })
  )
})

describe("statements", () => {
  it.effect("a kept statement sees the columns of today, and says that its table is gone", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      const select = sql`SELECT * FROM t`
      yield* sql`CREATE TABLE t (a)`
      yield* sql`INSERT INTO t VALUES (1)`
      assert.deepStrictEqual(yield* select, [{ a: 1 }])
      yield* sql`ALTER TABLE t ADD COLUMN b DEFAULT 2`
      assert.deepStrictEqual(yield* select, [{ a: 1, b: 2 }])
      yield* sql`DROP TABLE t`
      assert.strictEqual((yield* failing(select)).tag, "SqlSyntaxError")
    })
  )

  it("keeps the statements that were used last", () => {
    const database = openDatabase(":memory:", { readonly: false, foreignKeys: true, cacheSize: 2 })
    const [a, b] = [database.prepare("SELECT 'a'", true), database.prepare("SELECT 'b'", true)]
    assert.strictEqual(database.prepare("SELECT 'a'", true), a)
    database.prepare("SELECT 'c'", true)
    assert.strictEqual(database.prepare("SELECT 'a'", true), a)
    assert.notStrictEqual(database.prepare("SELECT 'b'", true), b)
    assert.notStrictEqual(database.prepare("SELECT 'a'", false), a)
    database.close()
  })

  for (const prepareCacheSize of [0, 1, 3]) {
    it.effect(`gives the right answers with ${prepareCacheSize} statements kept`, () =>
      Effect.gen(function* () {
        const sql = yield* client({ prepareCacheSize })
        for (let n = 0; n < 20; n++) {
          assert.deepStrictEqual(yield* sql.unsafe(`SELECT ${n % 5} + ? AS n`, [n]), [{ n: (n % 5) + n }])
        }
      })
    )
  }

  it.effect("more than one statement is refused, and none of them runs", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      const script = "CREATE TABLE a (x); CREATE TABLE b (x)"
      for (const run of [sql.unsafe(script), sql.unsafe(script).raw, sql.unsafe(script).values]) {
        const error = yield* failing(run as Effect.Effect<unknown, SqlError.SqlError>)
        assert.strictEqual(error.tag, "SqlSyntaxError")
        assert.match(error.message, /more than one statement.*\.unprepared/)
      }
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM sqlite_schema`, [{ n: 0 }])
      // What follows a statement may be nothing.
      assert.deepStrictEqual(yield* sql.unsafe(" SELECT 1 AS a ; -- one\n /* ; two */ ;; "), [{ a: 1 }])
    })
  )

  it.effect("a script runs as a whole, and gives the rows of its last statement", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      const script = "CREATE TABLE a (x); -- ; 'é\nINSERT INTO a VALUES ('; é'), ('b');\nSELECT x FROM a; /* end */"
      assert.deepStrictEqual(yield* sql.unsafe(script).unprepared, [{ x: "; é" }, { x: "b" }])
      assert.deepStrictEqual(yield* sql.unsafe(" -- nothing").unprepared, [])
      assert.deepStrictEqual(yield* sql.unsafe("SELECT ? AS a", [1]).unprepared, [{ a: 1 }])
      assert.deepStrictEqual(yield* sql.unsafe("SELECT 1, 2").valuesUnprepared, [[1, 2]])
      assert.match((yield* failing(sql.unsafe("SELECT ?; SELECT ?", [1]).unprepared)).message, /takes no parameters/)
      // The statements before the one that fails have run, unless the script is in a transaction.
      const half = sql.unsafe("INSERT INTO a VALUES (1); INSERT INTO nowhere VALUES (1)").unprepared
      assert.strictEqual((yield* failing(half)).tag, "SqlSyntaxError")
      assert.strictEqual((yield* failing(sql.withTransaction(half))).tag, "SqlSyntaxError")
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM a`, [{ n: 3 }])
    })
  )
})

// ---- errors

describe("errors", () => {
  const reasons: ReadonlyArray<readonly [statement: string, tag: string, says: RegExp, more?: object]> = [
    ["INSERT INTO users VALUES (1, 'a', 1)", "UniqueViolation", /users\.id/, { constraint: "users.id" }],
    ["INSERT INTO users VALUES (2, 'secret', 1)", "UniqueViolation", /users\.name/, { constraint: "users.name" }],
    ["INSERT INTO pairs VALUES (1, 1)", "UniqueViolation", /pairs\.a/, { constraint: "pairs.a, pairs.b" }],
    ["INSERT INTO users VALUES (3, NULL, 1)", "ConstraintError", /NOT NULL/],
    ["INSERT INTO users VALUES (3, 'b', -1)", "ConstraintError", /CHECK/],
    ["INSERT INTO users VALUES (3, 'b', 'x')", "ConstraintError", /cannot store TEXT/],
    ["INSERT INTO orders VALUES (99)", "ConstraintError", /FOREIGN KEY/],
    ["INSERT INTO guarded VALUES (1)", "ConstraintError", /not today/],
    ["SELEC 1", "SqlSyntaxError", /syntax error/],
    ["SELECT * FROM nowhere", "SqlSyntaxError", /no such table/],
    ["SELECT colour FROM users", "SqlSyntaxError", /no such column/],
    ["SELECT colour()", "SqlSyntaxError", /no such function/],
    [" -- nothing", "SqlSyntaxError", /no statement/],
    ["COMMIT", "UnknownError", /no transaction is active/],
    ["SELECT json('{')", "UnknownError", /malformed JSON/]
  ]

  for (const [statement, tag, says, more] of reasons) {
    it.effect(`${statement}: ${tag}`, () =>
      Effect.gen(function* () {
        const sql = yield* client()
        yield* sql.unsafe(`
          CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER CHECK (age > 0)) STRICT;
          CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
          CREATE TABLE orders (user REFERENCES users (id));
          CREATE TABLE guarded (x);
          CREATE TRIGGER guard BEFORE INSERT ON guarded BEGIN SELECT RAISE (ABORT, 'not today'); END;
          INSERT INTO users VALUES (1, 'secret', 1);
          INSERT INTO pairs VALUES (1, 1);
        `).unprepared
        const error = yield* failing(sql.unsafe(statement))
        assert.deepStrictEqual([error.tag, error.isRetryable], [tag, false])
        assert.match(error.message, says)
        assert.notInclude(error.message, "secret")
        assert.include({ ...error.reason }, more ?? {})
      })
    )
  }

  it.effect("a file that can't be opened, with its name and what to do", () =>
    Effect.gen(function* () {
      const path = yield* folder
      for (const options of [
        { filename: join(path, "missing", "a.db") },
        { filename: join(path, "a.db"), readonly: true },
        { filename: path }
      ]) {
        const error = yield* failing(client(options))
        assert.deepStrictEqual([error.tag, error.reason.operation], ["ConnectionError", "open"])
        assert.include(error.message, `can't open the database "${options.filename}"`)
        assert.match(error.message, /folder must exist/)
      }
    })
  )

  it.effect("a file that is no database", () =>
    Effect.gen(function* () {
      const filename = join(yield* folder, "a.db")
      writeFileSync(filename, "this is a text of some length, and no database at all".repeat(20))
      for (const readonly of [true, false]) {
        const error = yield* failing(client({ filename, readonly }))
        assert.strictEqual(error.tag, "UnknownError")
        assert.match(error.message, /can't open the database ".*a\.db": file is not a database/)
      }
    })
  )

  it.effect("a busy timeout that is none", () =>
    Effect.gen(function* () {
      assert.match((yield* failing(client({ busyTimeout: -1 }))).message, /busyTimeout must be/)
    })
  )
})

// ---- the layers, and what they set

describe("layers", () => {
  it.effect("give both services, and close the file", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const [sql, own] = yield* Effect.all([SqlClient.SqlClient, SqliteClient.SqliteClient]).pipe(
        Effect.tap(([sql]) => counter(sql)),
        Effect.tap(Effect.sync(() => assert.isTrue(existsSync(`${filename}-wal`)))),
        Effect.provide(SqliteClient.layer({ filename }))
      )
      assert.strictEqual(sql, own)
      assert.strictEqual(own.options.filename, filename)
      // The last connection that closes puts everything into the one file.
      assert.isFalse(existsSync(`${filename}-wal`))
      const error = yield* failing(sql`SELECT 1`)
      assert.match(error.message, /database is closed/)
      assert.isFalse(error.isRetryable)
      assert.match((yield* failing(sql.withTransaction(sql`SELECT 1`))).message, /database is closed/)
      const again = yield* client({ filename })
      assert.strictEqual(yield* count(again), 0)
    })
  )

  it.effect("layerConfig reads the options", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const layer = SqliteClient.layerConfig({
        filename: Config.String("FILE"),
        busyTimeout: Config.Duration("BUSY")
      })
      const provide = (env: Record<string, string>) =>
        Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
      const { options } = yield* Effect.provide(
        Effect.service(SqliteClient.SqliteClient),
        provide({ FILE: filename, BUSY: "10 millis" })
      )
      assert.deepStrictEqual(options, { filename, busyTimeout: Duration.millis(10) })
      assert.isTrue(existsSync(filename))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(provide({ FILE: filename }))))
      assert.strictEqual(error._tag, "ConfigError")
    })
  )

  const pragma = (sql: SqlClient.SqlClient, name: string) =>
    Effect.map(sql.unsafe<Record<string, unknown>>(`PRAGMA ${name}`), ([row]) => Object.values(row!)[0])

  it.effect("sets WAL, foreign keys and full synchronisation", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const names = ["journal_mode", "foreign_keys", "synchronous", "busy_timeout"]
      const settings = (options: Partial<SqliteClient.Options>) =>
        Effect.scoped(
          Effect.flatMap(client({ filename, ...options }), (sql) => Effect.forEach(names, (name) => pragma(sql, name)))
        )
      assert.deepStrictEqual(yield* settings({ wal: false }), ["delete", 1, 2, 0])
      assert.deepStrictEqual(yield* settings({}), ["wal", 1, 2, 0])
      assert.deepStrictEqual(yield* settings({ wal: false, foreignKeys: false, synchronous: "normal" }), [
        "wal",
        0,
        1,
        0
      ])
      assert.deepStrictEqual(yield* settings({ readonly: true }), ["wal", 1, 2, 0])
    })
  )

  it.effect("fails where WAL can't be had", () =>
    Effect.gen(function* () {
      // Without locks there is no WAL.
      const filename = `file:${yield* file}?nolock=1`
      assert.match((yield* failing(client({ filename }))).message, /stays in journal mode delete.*wal: false/)
      const sql = yield* client({ filename, wal: false })
      yield* counter(sql)
      assert.strictEqual(yield* count(sql), 0)
    })
  )

  it.effect("a read-only client reads, also in a transaction, and refuses to write", () =>
    Effect.gen(function* () {
      const filename = yield* file
      yield* counter(yield* client({ filename }))
      const sql = yield* client({ filename, readonly: true })
      assert.strictEqual(yield* sql.withTransaction(count(sql)), 0)
      assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT n FROM counter`.stream), [{ n: 0 }])
      for (const write of [
        sql`UPDATE counter SET n = 1`,
        Stream.runCollect(sql`DELETE FROM counter RETURNING n`.stream)
      ]) {
        const error = yield* failing(write as Effect.Effect<unknown, SqlError.SqlError>)
        assert.deepStrictEqual([error.tag, error.isRetryable], ["AuthorizationError", false])
      }
    })
  )

  it.effect("every client in memory has a database of its own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* client(), yield* client()]
      yield* counter(one)
      assert.match((yield* failing(count(other))).message, /no such table/)
    })
  )
})

// ---- transactions

const boom = new Error("boom")

describe("transactions", () => {
  const table = (options?: Partial<SqliteClient.Options>) => Effect.tap(client(options), counter)

  const ends: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
    ["fails", Effect.fail("no")],
    ["dies", Effect.die(boom)],
    ["is interrupted", Effect.interrupt]
  ]

  for (const [how, end] of ends) {
    it.effect(`one that ${how} is rolled back, and so is its savepoint`, () =>
      Effect.gen(function* () {
        const sql = yield* table()
        const write = sql`UPDATE counter SET n = n + 1`
        const exit = yield* Effect.exit(sql.withTransaction(Effect.andThen(write, end)))
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(yield* count(sql), 0)
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* write
            yield* Effect.exit(sql.withTransaction(Effect.andThen(write, end)))
            assert.strictEqual(yield* count(sql), 1)
            yield* sql.withTransaction(write)
          })
        )
        assert.strictEqual(yield* count(sql), 2)
      })
    )
  }

  it.effect("fifty at once lose nothing, and see nothing of each other", () =>
    Effect.gen(function* () {
      const sql = yield* table({ filename: yield* file })
      const add = sql.withTransaction(
        Effect.gen(function* () {
          const before = yield* count(sql)
          yield* Effect.yieldNow
          yield* sql`UPDATE counter SET n = ${before + 1}`
          yield* Effect.yieldNow
          // Inside another, it joins.
          yield* sql.withTransaction(sql`UPDATE counter SET n = n + 1`)
          assert.strictEqual(yield* count(sql), before + 2)
        })
      )
      yield* Effect.all(
        Array.from({ length: 50 }, (_, n) => (n % 5 === 0 ? Effect.exit(Effect.andThen(add, Effect.fail("no"))) : add)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(yield* count(sql), 100)
    })
  )

  it.effect("a statement outside waits for the end of the transaction", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      const end = yield* holding(sql)
      const outside = yield* Effect.forkChild(count(sql))
      yield* settle
      assert.isUndefined(outside.pollUnsafe())
      yield* end
      assert.strictEqual(yield* Fiber.join(outside), 1000)
    })
  )

  it.effect("fibers of a transaction share it, and its nested transactions take turns", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      const nested = (n: number) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`UPDATE counter SET n = n + 1`
            yield* Effect.yieldNow
            if (n % 2 === 0) return yield* Effect.fail("no")
          })
        )
      yield* sql.withTransaction(
        Effect.forEach(
          Array.from({ length: 10 }, (_, n) => n),
          (n) => Effect.exit(nested(n)),
          { concurrency: 10 }
        )
      )
      assert.strictEqual(yield* count(sql), 5)
    })
  )

  it.effect("one that waits for its turn can be interrupted, and the next has it", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      const end = yield* holding(sql)
      const waiting = yield* Effect.forkChild(sql.withTransaction(Effect.die(boom)))
      const statement = yield* Effect.forkChild(sql`UPDATE counter SET n = 7`)
      yield* settle
      yield* Fiber.interruptAll([waiting, statement])
      yield* end
      assert.strictEqual(yield* sql.withTransaction(count(sql)), 1000)
    })
  )

  it.effect("interrupted in the middle, it rolls back and frees the connection", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      const reached = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.andThen(
            sql`UPDATE counter SET n = 5`,
            sql.withTransaction(
              Effect.andThen(
                sql`UPDATE counter SET n = 6`,
                Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
              )
            )
          )
        )
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.strictEqual(yield* count(sql), 0)
    })
  )

  it.effect("between two statements of a transaction everything else goes on", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      let turns = 0
      const turn = () => {
        turns++
        immediate = setImmediate(turn)
      }
      let immediate = setImmediate(turn)
      yield* sql.withTransaction(
        Effect.forEach(Array.from({ length: 5000 }), () => sql`UPDATE counter SET n = n + 1`, { discard: true })
      )
      clearImmediate(immediate)
      assert.isAbove(turns, 5)
      assert.strictEqual(yield* count(sql), 5000)
    })
  )

  it.effect("afterCommit runs once it is committed, in order, outside of it, and not for what was rolled back", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      const seen: Array<unknown> = []
      const say = (what: string) =>
        sql.afterCommit(Effect.map(Effect.orDie(count(sql)), (n) => void seen.push([what, n])))
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* say("first")
          yield* sql.withTransaction(Effect.andThen(say("inner"), sql`UPDATE counter SET n = 1`))
          yield* Effect.exit(sql.withTransaction(Effect.andThen(say("never"), Effect.fail("no"))))
          yield* say("last")
          assert.deepStrictEqual(seen, [])
        })
      )
      assert.deepStrictEqual(seen, [
        ["first", 1],
        ["inner", 1],
        ["last", 1]
      ])
      yield* Effect.exit(sql.withTransaction(Effect.andThen(say("never"), Effect.fail("no"))))
      yield* say("outside")
      assert.deepStrictEqual(seen.at(-1), ["outside", 1])
      assert.strictEqual(seen.length, 4)
    })
  )

  it.effect("a COMMIT that fails rolls back, runs no callback, and leaves the connection clean", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      yield* sql`CREATE TABLE parent (id INTEGER PRIMARY KEY)`
      yield* sql`CREATE TABLE child (parent REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)`
      const error = yield* failing(
        sql.withTransaction(Effect.andThen(sql`INSERT INTO child VALUES (1)`, sql.afterCommit(Effect.die(boom))))
      )
      assert.strictEqual(error.tag, "ConstraintError")
      assert.deepStrictEqual(yield* sql`SELECT * FROM child`, [])
      yield* sql.withTransaction(sql`INSERT INTO parent VALUES (1)`)
    })
  )

  it.effect("when SQLite itself has rolled back, nothing more is written, though the failure was caught", () =>
    Effect.gen(function* () {
      const sql = yield* table()
      yield* sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`
      yield* sql`INSERT INTO t VALUES (1)`
      const errors: Array<string> = []
      const keep = (self: Effect.Effect<unknown, SqlError.SqlError>) =>
        Effect.map(failing(self), ({ message, tag }) => void errors.push(`${tag} ${message.slice(0, 43)}`))
      const inner = sql.withTransaction(
        Effect.andThen(sql`UPDATE counter SET n = 2`, keep(sql`INSERT OR ROLLBACK INTO t VALUES (1)`))
      )
      const whole = yield* failing(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`UPDATE counter SET n = 1`
            yield* inner
            // Each of these would be kept.
            yield* keep(sql`UPDATE counter SET n = 3`)
            yield* keep(sql.withTransaction(sql`UPDATE counter SET n = 4`))
            yield* keep(Stream.runCollect(sql`UPDATE counter SET n = 5 RETURNING n`.stream))
            yield* keep(sql.unsafe("UPDATE counter SET n = 6; UPDATE counter SET n = 7").unprepared)
          })
        )
      )
      assert.deepStrictEqual(errors, [
        "UniqueViolation UNIQUE constraint failed: t.id",
        ...Array.from({ length: 4 }, () => "UnknownError SQLite has rolled back the whole transactio")
      ])
      assert.match(whole.message, /because of this: UNIQUE constraint failed: t\.id\. .*run it again from the start/)
      assert.strictEqual(yield* count(sql), 0)
      // The next is not concerned.
      yield* sql.withTransaction(sql`UPDATE counter SET n = 8`)
      yield* sql`UPDATE counter SET n = n + 1`
      assert.strictEqual(yield* count(sql), 9)
    })
  )

  it.effect(
    "reserve gives the connection, takes back what was left open, and inside a transaction waits for nobody",
    () =>
      Effect.gen(function* () {
        const sql = yield* table()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const own = yield* sql.reserve
            yield* own.executeUnprepared("BEGIN", [], undefined)
            yield* own.executeUnprepared("UPDATE counter SET n = 1", [], undefined)
            const outside = yield* Effect.forkChild(count(sql))
            yield* settle
            assert.isUndefined(outside.pollUnsafe())
          })
        )
        assert.strictEqual(yield* count(sql), 0)
        yield* sql.withTransaction(
          Effect.scoped(
            Effect.gen(function* () {
              const own = yield* sql.reserve
              yield* own.execute("UPDATE counter SET n = 2", [], undefined)
            })
          )
        )
        assert.strictEqual(yield* count(sql), 2)
      })
  )

  it.effect("a scope that closes under a transaction rolls it back, and its owner hears of it", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const go = yield* Deferred.make<void>()
      const fiber = yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = yield* table({ filename })
          const held = yield* Deferred.make<void>()
          const fiber = yield* Effect.forkDetach(
            failing(
              sql.withTransaction(
                Effect.gen(function* () {
                  yield* sql`UPDATE counter SET n = 1`
                  yield* Deferred.succeed(held, undefined)
                  yield* Deferred.await(go)
                  yield* sql`UPDATE counter SET n = 2`
                })
              )
            )
          )
          yield* Deferred.await(held)
          return fiber
        })
      )
      yield* Deferred.succeed(go, undefined)
      assert.match((yield* Fiber.join(fiber)).message, /database is closed/)
      assert.strictEqual(yield* count(yield* client({ filename })), 0)
    })
  )
})

/** What a random program does at one level. */
const Step = Schema.Literals(["insert", "after", "read", "clash", "open", "succeed", "fail", "die", "interrupt"])
type End = "succeed" | "fail" | "die" | "interrupt"
type Tree = ReadonlyArray<"insert" | "after" | "read" | "clash" | { readonly children: Tree; readonly end: End }>

const toTree = (steps: ReadonlyArray<typeof Step.Type>): Tree => {
  const level = (from: number): { tree: Tree; end: End; next: number } => {
    const tree: Array<Tree[number]> = []
    let at = from
    while (at < steps.length) {
      const step = steps[at++]!
      if (step === "open") {
        const inner = level(at)
        tree.push({ children: inner.tree, end: inner.end })
        at = inner.next
      } else if (step === "insert" || step === "after" || step === "read" || step === "clash") tree.push(step)
      else return { tree, end: step, next: at }
    }
    return { tree, end: "succeed", next: at }
  }
  let at = 0
  const tree: Array<Tree[number]> = []
  while (at < steps.length) {
    const { end, next, tree: children } = level(at)
    tree.push({ children, end })
    at = next
  }
  return tree
}

describe("any nesting of transactions, savepoints and failures", () => {
  const finish: Record<End, Effect.Effect<void, string>> = {
    succeed: Effect.void,
    fail: Effect.fail("no"),
    die: Effect.die(boom),
    interrupt: Effect.interrupt
  }

  for (const where of ["memory", "file"] as const) {
    it.effect.prop(
      `keeps what a model keeps (${where})`,
      { programs: Schema.Array(Schema.Array(Step).check(Schema.isMaxLength(24))).check(Schema.isMaxLength(3)) },
      ({ programs }) =>
        Effect.gen(function* () {
          const sql = yield* client(where === "file" ? { filename: yield* file, synchronous: "normal" } : {})
          yield* sql`CREATE TABLE t (program INTEGER, n INTEGER, PRIMARY KEY (program, n))`
          const rows = (program: number) =>
            Effect.map(sql<{ n: number }>`SELECT n FROM t WHERE program = ${program} ORDER BY n`, (rows) =>
              rows.map(({ n }) => n)
            )
          yield* Effect.forEach(
            programs.map(toTree),
            (tree, program) =>
              Effect.gen(function* () {
                let next = 0
                const committed: Array<number> = []
                const called: Array<number> = []
                const expected: Array<number> = []
                // A level of the model: what it has inserted and registered, on top of what is below.
                type Level = { readonly rows: Array<number>; readonly after: Array<number> }
                const run = (
                  tree: Tree,
                  level: Level,
                  visible: ReadonlyArray<number>
                ): Effect.Effect<void, SqlError.SqlError> =>
                  Effect.forEach(
                    tree,
                    (step) =>
                      Effect.gen(function* () {
                        yield* Effect.yieldNow
                        if (step === "insert") {
                          const n = next++
                          yield* sql`INSERT INTO t VALUES (${program}, ${n})`
                          level.rows.push(n)
                        } else if (step === "after") {
                          const n = next++
                          yield* sql.afterCommit(Effect.sync(() => void called.push(n)))
                          level.after.push(n)
                        } else if (step === "read") {
                          const stream = Stream.runCollect(
                            sql<{ n: number }>`SELECT n FROM t WHERE program = ${program} ORDER BY n`.stream
                          )
                          assert.deepStrictEqual(
                            (yield* stream).map(({ n }) => n),
                            [...visible, ...level.rows]
                          )
                        } else if (step === "clash") {
                          // A statement that fails, and is caught, changes nothing.
                          const n = next++
                          const twice = sql`INSERT INTO t VALUES (${program}, ${n}), (${program}, ${n})`
                          assert.strictEqual((yield* failing(twice)).tag, "UniqueViolation")
                        } else {
                          const inner: Level = { rows: [], after: [] }
                          const below = [...visible, ...level.rows]
                          const exit = yield* Effect.exit(
                            sql.withTransaction(Effect.andThen(run(step.children, inner, below), finish[step.end]))
                          )
                          assert.strictEqual(
                            Exit.isSuccess(exit),
                            step.end === "succeed",
                            Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
                          )
                          if (step.end === "succeed") {
                            level.rows.push(...inner.rows)
                            level.after.push(...inner.after)
                          }
                        }
                      }),
                    { discard: true }
                  )
                for (const transaction of tree) {
                  const level: Level = { rows: [], after: [] }
                  yield* run([transaction], level, committed)
                  committed.push(...level.rows)
                  expected.push(...level.after)
                  assert.deepStrictEqual(yield* rows(program), committed)
                  assert.deepStrictEqual(called, expected)
                }
              }),
            { concurrency: "unbounded", discard: true }
          )
          // The connection is free, and in no transaction.
          yield* sql.withTransaction(sql`DELETE FROM t`)
          assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM t`, [{ n: 0 }])
        }).pipe(Effect.scoped),
      { arbitrary: { runs: where === "file" ? 30 : 100 } }
    )
  }
})

// ---- streams

describe("streams", () => {
  const numbers = (options?: Partial<SqliteClient.Options>) =>
    Effect.tap(
      client(options),
      (sql) =>
        sql.unsafe(`
        CREATE TABLE t (n INTEGER PRIMARY KEY, done INTEGER DEFAULT 0);
        INSERT INTO t (n) WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 1000) SELECT n FROM c;
      `).unprepared
    )
  const all = Array.from({ length: 1000 }, (_, index) => ({ n: index + 1 }))
  const inFile = Effect.map(file, (filename): Partial<SqliteClient.Options> => ({ filename, synchronous: "normal" }))

  const places: ReadonlyArray<readonly [string, Effect.Effect<Partial<SqliteClient.Options>, never, Scope.Scope>]> = [
    ["in memory", Effect.succeed({})],
    ["in a file", inFile]
  ]

  for (const [place, options] of places) {
    it.effect(`${place}: every row, and the consumer may write while it reads`, () =>
      Effect.gen(function* () {
        const sql = yield* numbers(yield* options)
        const { stream } = sql<{ n: number }>`SELECT n FROM t ORDER BY n`
        assert.deepStrictEqual(yield* Stream.runCollect(stream), all)
        // Neither does this wait for itself, nor does the stream see what is written.
        yield* Stream.runForEach(stream, ({ n }) =>
          sql.withTransaction(
            Effect.andThen(sql`UPDATE t SET done = 1 WHERE n = ${n}`, sql`INSERT INTO t (n) VALUES (${n + 1000})`)
          )
        )
        assert.deepStrictEqual(yield* sql`SELECT count(*) AS n, sum(done) AS done FROM t`, [{ n: 2000, done: 1000 }])
        for (const some of [0, 1, 127, 128, 129, 256]) {
          const few = yield* Stream.runCollect(sql`SELECT n FROM t WHERE n <= ${some} ORDER BY n`.stream)
          assert.deepStrictEqual(few, all.slice(0, some))
        }
      })
    )

    it.effect(`${place}: in a transaction it sees what that has written, and other statements run meanwhile`, () =>
      Effect.gen(function* () {
        const sql = yield* numbers(yield* options)
        const exit = yield* Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`DELETE FROM t WHERE n > 300`
              const stream = sql<{ n: number }>`SELECT n FROM t ORDER BY n`.stream
              const seen = yield* Stream.runCollect(
                Stream.mapEffect(stream, ({ n }) =>
                  Effect.andThen(
                    // The same text, which the stream must not share.
                    sql<{ n: number }>`SELECT n FROM t ORDER BY n`,
                    Effect.as(sql`UPDATE t SET done = 1 WHERE n = ${n}`, n)
                  )
                )
              )
              assert.strictEqual(seen.length, 300)
              assert.deepStrictEqual(yield* sql`SELECT sum(done) AS done FROM t`, [{ done: 300 }])
              return yield* Effect.fail("no")
            })
          )
        )
        assert.deepStrictEqual(exit, Exit.fail("no"))
        assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM t WHERE done = 0`, [{ n: 1000 }])
      })
    )

    it.effect(`${place}: one that ends early lets go of everything`, () =>
      Effect.gen(function* () {
        const sql = yield* numbers(yield* options)
        const few = Stream.runCollect(Stream.take(sql`SELECT n FROM t ORDER BY n`.stream, 2))
        assert.deepStrictEqual(yield* few, all.slice(0, 2))
        const failed = Effect.exit(Stream.runForEach(sql`SELECT n FROM t`.stream, () => Effect.fail("no")))
        assert.deepStrictEqual(yield* failed, Exit.fail("no"))
        const reached = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          Stream.runForEach(sql`SELECT n FROM t`.stream, () =>
            Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
          )
        )
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)
        yield* sql.withTransaction(Effect.andThen(few, sql`ALTER TABLE t RENAME TO u`))
        // SQLite refuses to drop a table that a statement still reads.
        yield* sql`DROP TABLE u`
      })
    )

    it.effect(`${place}: writes that return rows, temporary tables, and mistakes`, () =>
      Effect.gen(function* () {
        const sql = yield* numbers(yield* options)
        const removed = Stream.runCollect(sql`DELETE FROM t WHERE n <= 200 RETURNING n`.stream)
        assert.deepStrictEqual(yield* removed, all.slice(0, 200))
        assert.deepStrictEqual(yield* removed, [])
        yield* sql`CREATE TEMPORARY TABLE own (v)`
        yield* sql`INSERT INTO own VALUES (1)`
        assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT v FROM own`.stream), [{ v: 1 }])
        assert.strictEqual((yield* failing(Stream.runCollect(sql`SELECT v FROM nowhere`.stream))).tag, "SqlSyntaxError")
        const late = sql`SELECT json(CASE n WHEN 900 THEN '{' ELSE '{}' END) AS j FROM t`.stream
        assert.match((yield* failing(Stream.runCollect(late))).message, /malformed JSON/)
      })
    )
  }

  it.effect("of rows without end is read as far as it is pulled: from a file, and in a transaction", () =>
    Effect.gen(function* () {
      const sql = yield* client({ filename: yield* file })
      const endless = sql<{ n: number }>`WITH c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c) SELECT n FROM c`
        .stream
      const few = Stream.runCollect(Stream.take(endless, 300))
      assert.deepStrictEqual(yield* few, all.slice(0, 300))
      assert.deepStrictEqual(yield* sql.withTransaction(few), all.slice(0, 300))
    })
  )

  it.effect("reads a file as it is pulled, and sees it as it was at the start", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const sql = yield* numbers({ filename })
      const seen: Array<number> = []
      yield* Stream.runForEach(Stream.take(sql<{ n: number }>`SELECT n FROM t ORDER BY n`.stream, 500), ({ n }) =>
        Effect.gen(function* () {
          if (n === 1) yield* sql`DELETE FROM t`
          seen.push(n)
        })
      )
      assert.strictEqual(seen.length, 500)
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS n FROM t`, [{ n: 0 }])
    })
  )

  it.effect("does not wait for a transaction, and sees nothing of it", () =>
    Effect.gen(function* () {
      const sql = yield* Effect.tap(client({ filename: yield* file }), counter)
      const end = yield* holding(sql)
      assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT n FROM counter`.stream), [{ n: 0 }])
      yield* end
      assert.deepStrictEqual(yield* Stream.runCollect(sql`SELECT n FROM counter`.stream), [{ n: 1000 }])
    })
  )

  it.effect("a closed client's stream says so", () =>
    Effect.gen(function* () {
      const pulled = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const fiber = yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = yield* numbers()
          const reading = sql.withTransaction(
            Stream.runForEach(sql`SELECT n FROM t`.stream, () =>
              Effect.andThen(Deferred.succeed(pulled, undefined), Deferred.await(go))
            )
          )
          const fiber = yield* Effect.forkDetach(failing(reading))
          yield* Deferred.await(pulled)
          return fiber
        })
      )
      yield* Deferred.succeed(go, undefined)
      assert.match((yield* Fiber.join(fiber)).message, /database is closed/)
    })
  )
})

// ---- other connections to the same file

describe("a lock that another connection holds", () => {
  const two = (options?: Partial<SqliteClient.Options>) =>
    Effect.gen(function* () {
      const filename = yield* file
      const other = yield* client({ filename, ...options })
      yield* counter(other)
      return { other, sql: yield* client({ filename, ...options }) }
    })

  it.effect("a statement and a transaction wait for it, on the clock, and then fail so that they can be retried", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two()
      const end = yield* holding(other)
      for (const write of [sql`UPDATE counter SET n = 1`, sql.withTransaction(sql`UPDATE counter SET n = 2`)]) {
        const fiber = yield* Effect.forkChild(failing(write as Effect.Effect<unknown, SqlError.SqlError>))
        yield* TestClock.adjust("4999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(fiber)
        assert.deepStrictEqual([error.tag, error.isRetryable], ["LockTimeoutError", true])
        assert.strictEqual(
          error.message,
          "database is locked: another connection held the lock for all of 5 s (busyTimeout); " +
            "run the statement or the whole transaction again"
        )
      }
      // Who reads waits for nobody.
      assert.strictEqual(yield* count(sql), 0)
      yield* end
      assert.strictEqual(yield* count(sql), 1000)
    })
  )

  it.effect("they go on as soon as it is free", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two()
      const end = yield* holding(other)
      const add = sql`UPDATE counter SET n = n + 1`
      const fibers = [yield* Effect.forkChild(sql.withTransaction(add)), yield* Effect.forkChild(add)]
      yield* TestClock.adjust("3 seconds")
      yield* end
      yield* TestClock.adjust("100 millis")
      yield* Fiber.joinAll(fibers as ReadonlyArray<Fiber.Fiber<unknown, SqlError.SqlError>>)
      assert.strictEqual(yield* count(sql), 1002)
    })
  )

  it.effect("who waits can be interrupted at once, unless the caller forbade it", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two()
      const end = yield* holding(other)
      for (const write of [sql`UPDATE counter SET n = 1`, sql.withTransaction(sql`UPDATE counter SET n = 2`)]) {
        const fiber = yield* Effect.forkChild(write as Effect.Effect<unknown, SqlError.SqlError>)
        yield* TestClock.adjust("1 second")
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
      }
      const forbidden = yield* Effect.forkChild(
        Effect.uninterruptible(sql.withTransaction(sql`UPDATE counter SET n = n + 1`))
      )
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(forbidden))
      yield* settle
      assert.isUndefined(forbidden.pollUnsafe())
      yield* end
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(interrupting)
      assert.strictEqual(yield* count(sql), 1001)
    })
  )

  it.effect("a busy timeout of zero does not wait", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two({ busyTimeout: 0 })
      assert.isTrue(Effect.isEffect(yield* holding(other)))
      assert.strictEqual((yield* failing(sql`UPDATE counter SET n = 1`)).tag, "LockTimeoutError")
    })
  )

  it.effect("a transaction has the right to write from its start, so that what it has read stays true", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two({ busyTimeout: 0 })
      yield* sql.withTransaction(
        Effect.gen(function* () {
          const n = yield* count(sql)
          assert.strictEqual((yield* failing(other`UPDATE counter SET n = 100`)).tag, "LockTimeoutError")
          yield* sql`UPDATE counter SET n = ${n + 1}`
        })
      )
      assert.strictEqual(yield* count(other), 1)
    })
  )

  it.effect("a transaction that only reads sees one state, and is too old to write then", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two()
      const error = yield* failing(
        sql.withTransaction(
          Effect.gen(function* () {
            assert.strictEqual(yield* count(sql), 0)
            yield* other`UPDATE counter SET n = 1`
            assert.strictEqual(yield* count(sql), 0)
            yield* sql`UPDATE counter SET n = 2`
          })
        )
      ).pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN"))
      assert.deepStrictEqual([error.tag, error.isRetryable], ["SerializationError", true])
      assert.match(error.message, /run the transaction again from the start/)
      assert.strictEqual(yield* count(sql), 1)
    })
  )

  it.effect("without WAL a COMMIT waits for those who read, and is rolled back if they do not end", () =>
    Effect.gen(function* () {
      const { other, sql } = yield* two({ wal: false })
      const reading = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const reader = yield* Effect.forkChild(
        Stream.runForEach(other`SELECT n FROM counter UNION ALL SELECT n FROM counter`.stream, () =>
          Effect.andThen(Deferred.succeed(reading, undefined), Deferred.await(end))
        )
      )
      yield* Deferred.await(reading)
      // A stream that has read its last row holds nothing, so this one is made to hold on.
      const held = yield* Effect.forkChild(
        other
          .withTransaction(Effect.andThen(count(other), Deferred.await(end)))
          .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN"))
      )
      yield* settle
      const called: Array<string> = []
      const write = sql.withTransaction(
        Effect.andThen(
          sql.afterCommit(Effect.sync(() => void called.push("committed"))),
          sql`UPDATE counter SET n = n + 1`
        )
      )
      const first = yield* Effect.forkChild(failing(write))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(first)).tag, "LockTimeoutError")
      assert.deepStrictEqual(called, [])
      const second = yield* Effect.forkChild(write)
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(held)
      yield* Fiber.join(reader)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(second)
      assert.deepStrictEqual(called, ["committed"])
      assert.strictEqual(yield* count(sql), 1)
    })
  )

  it.effect("an open stream blocks a change of its table, and waiting would not help", () =>
    Effect.gen(function* () {
      const sql = yield* client()
      yield* counter(sql)
      yield* sql`INSERT INTO counter SELECT 1 FROM counter`
      for (let n = 0; n < 8; n++) yield* sql`INSERT INTO counter SELECT 1 FROM counter`
      const error = yield* failing(
        sql.withTransaction(Stream.runForEach(sql`SELECT n FROM counter`.stream, () => sql`DROP TABLE counter`))
      )
      assert.strictEqual(error.tag, "LockTimeoutError")
      assert.match(error.message, /table is locked/)
    })
  )
})

describe("a second process", () => {
  it.live(
    "counts together with this one, and no count is lost",
    () =>
      Effect.gen(function* () {
        const filename = yield* file
        const sql = yield* client({ filename, busyTimeout: "60 seconds" })
        yield* counter(sql)
        const children = yield* Effect.forEach([1, 2], () => child("counting", filename, "20"))
        for (const { letGo, said } of children) yield* Effect.andThen(said, letGo)
        yield* Effect.forEach(
          Array.from({ length: 20 }),
          () =>
            sql.withTransaction(
              Effect.gen(function* () {
                const n = yield* count(sql)
                yield* Effect.yieldNow
                yield* sql`UPDATE counter SET n = ${n + 1}`
              })
            ),
          { concurrency: 5 }
        )
        for (const { ended } of children) assert.deepStrictEqual(yield* ended, { code: 0, errors: "" })
        assert.strictEqual(yield* count(sql), 60)
      }),
    60_000
  )

  it.effect("that holds the lock is waited for, up to the busy timeout, on the clock", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const sql = yield* client({ filename, busyTimeout: "200 millis" })
      yield* counter(sql)
      const other = yield* child("holding", filename)
      yield* other.said
      const fiber = yield* Effect.forkChild(failing(sql.withTransaction(sql`UPDATE counter SET n = n + 1`)))
      yield* TestClock.adjust("200 millis")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual([error.tag, error.isRetryable], ["LockTimeoutError", true])
      assert.match(error.message, /for all of 200 ms/)
      yield* other.letGo
      assert.strictEqual((yield* other.ended).code, 0)
      yield* sql.withTransaction(sql`UPDATE counter SET n = n + 1`)
      assert.strictEqual(yield* count(sql), 1)
    })
  )

  it.effect("that is killed in a transaction leaves neither a lock nor a trace", () =>
    Effect.gen(function* () {
      const filename = yield* file
      const sql = yield* client({ filename, busyTimeout: 0 })
      yield* counter(sql)
      const other = yield* child("holding", filename)
      yield* other.said
      assert.strictEqual((yield* failing(sql`UPDATE counter SET n = n + 1`)).tag, "LockTimeoutError")
      yield* other.kill
      yield* other.ended
      yield* sql`UPDATE counter SET n = n + 1`
      assert.strictEqual(yield* count(sql), 1)
    })
  )
})
