/** `breakwater` as a process, over a file with entries in every state. */
import { assert, describe, it } from "@effect/vitest"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CliOutput } from "effect/cli"
import { table, wrap } from "../../src/cli/internal/print.ts"
import { fill, idOf, offerOf, statesOf } from "./fill.ts"
import { breakwater, type Options } from "./run.ts"

const seconds = 60_000

/** A folder with a filled file, for one test. */
const filled = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-cli-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const file = join(folder, "shop.db")
  const inFile = <A, E>(self: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.provide(self, SqliteClient.layer({ filename: file }))
  yield* inFile(fill())
  return {
    file,
    inFile,
    states: inFile(statesOf()),
    run: (args: string, options: Options = {}) =>
      breakwater(wordsOf(args), { ...options, env: { DATABASE_URL: file, ...options.env } })
  }
})

/** Words, of which one in quotes may have blanks. */
const wordsOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, word]) => quoted ?? word ?? "")

const live = (name: string, body: (on: Effect.Success<typeof filled>) => Effect.Effect<void, unknown>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(filled, body)), seconds)

const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(CliOutput.displayWidth(line), 80, line)
}

const evidence = '--evidence "INC-42"'

describe("breakwater outbox", () => {
  live("lists entries in 80 columns, and as JSON, without a payload, a result or a colour", ({ run }) =>
    Effect.gen(function* () {
      const list = yield* run("outbox list")
      assert.deepStrictEqual([list.code, list.stderr], [0, ""])
      fits(list.stdout)
      assert.strictEqual(list.stdout.trimEnd().split("\n").length, 13)
      assert.match(list.stdout, /^66666666 +needs-reconcile +key-expired +payments charge +order-6 /m)
      const all = yield* run("outbox list --json")
      const entries = JSON.parse(all.stdout) as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(
        entries.map(({ state }) => state),
        [
          "Pending",
          "Leased",
          "Delivered",
          "Dead",
          "Dead",
          "NeedsReconcile",
          "NeedsReconcile",
          "Dead",
          "Waiting",
          "Discarded",
          "NeedsReconcile",
          "Pending"
        ]
      )
      for (const name of ["payload", "result", "answer"]) assert.notProperty(entries[2], name)
      for (const text of [list.stdout, all.stdout]) {
        assert.notInclude(text, "secret")
        assert.notInclude(text, "Zm9v")
        assert.notInclude(text, "\u001b")
      }
      const some = yield* run(
        "outbox list --state dead --state needs-reconcile --integration payments --why rejected --json"
      )
      assert.deepStrictEqual(
        (JSON.parse(some.stdout) as ReadonlyArray<{ id: string }>).map(({ id }) => id),
        [idOf(4)]
      )
      const none = yield* run("outbox list --after 2100-01-01 --json")
      assert.deepStrictEqual([none.code, JSON.parse(none.stdout)], [0, []])
      const cut = yield* run("outbox list --limit 2")
      assert.include(cut.stdout, "--limit")
      const groups = yield* run("outbox list --groups")
      fits(groups.stdout)
      assert.strictEqual(groups.stdout.trimEnd().split("\n").length, 7)
    })
  )

  live("shows one entry, and its input only if asked, masked or enciphered", ({ run }) =>
    Effect.gen(function* () {
      const plain = yield* run("outbox show order-4")
      assert.strictEqual(plain.code, 0)
      fits(plain.stdout)
      for (const word of ["dead (rejected)", "status 402", "request req_9", "breakwater outbox redrive 44444444"]) {
        assert.include(plain.stdout, word)
      }
      assert.notInclude(plain.stdout, "<redacted>")
      assert.notInclude(plain.stdout, "\u001b")
      const input = yield* run("outbox show 444444 --payload")
      assert.include(input.stdout, '"card": "<redacted>"')
      assert.notInclude(input.stdout, "secret")
      const [shown] = JSON.parse((yield* run(`outbox show ${idOf(4)} --payload --json`)).stdout)
      assert.deepStrictEqual(shown.payload, { order: "o1", card: "<redacted>" })
      assert.include((yield* run("outbox show order-12 --payload")).stdout, "enciphered")
      assert.include((yield* run("outbox show order-3 --payload")).stdout, "removed")
      assert.include((yield* run("outbox show order-10")).stdout, "discard by bob: a test")
      const missing = yield* run("outbox show order-99")
      assert.deepStrictEqual([missing.code, missing.stdout], [1, ""])
      assert.include(missing.stderr, "order-99")
    })
  )

  live("counts, pauses and resumes", ({ run }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run("outbox pause payments charge")).code, 0)
      const stats = yield* run("outbox stats")
      fits(stats.stdout)
      assert.match(stats.stdout, /^payments update +1 +1 /m)
      assert.include(stats.stdout, "paused: payments charge")
      const { operations, paused } = JSON.parse((yield* run("outbox stats --json")).stdout)
      assert.deepStrictEqual(
        operations.map((own: { operation: string; paused: boolean }) => [own.operation, own.paused]),
        [
          ["receipt", false],
          ["charge", true],
          ["refund", false],
          ["update", false]
        ]
      )
      assert.deepStrictEqual(paused, [{ integration: "payments", operation: "charge" }])
      const wrong = yield* run("outbox resume payments")
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "paused: payments charge")
      assert.strictEqual((yield* run("outbox resume payments charge")).code, 0)
      assert.include((yield* run("outbox pause payment")).stderr, "nothing is stored of all of payment")
    })
  )

  live("redrives one, refuses what needs a new key, and keeps who did it", ({ run, states }) =>
    Effect.gen(function* () {
      const one = yield* run(`outbox redrive 44444444 ${evidence}`)
      assert.deepStrictEqual([one.code, one.stderr], [0, ""])
      assert.include(one.stdout, "redriven: 1 entry (44444444, payments charge)")
      assert.strictEqual((yield* states)[idOf(4)], "Pending")
      const [{ audits }] = JSON.parse((yield* run("outbox show 44444444 --json")).stdout)
      assert.deepInclude(audits[0], { action: "redrive", by: "ada", evidence: "INC-42" })
      const same = yield* run(`outbox redrive order-6 ${evidence}`)
      assert.deepStrictEqual([same.code, same.stdout], [1, ""])
      assert.include(same.stderr, "--new-key")
      assert.strictEqual((yield* states)[idOf(6)], "NeedsReconcile")
      assert.strictEqual((yield* run(`outbox redrive order-6 --new-key --by eve ${evidence}`)).code, 0)
      const once = yield* run(`outbox redrive 77777777 ${evidence}`)
      assert.include(once.stderr, "--again")
      assert.strictEqual((yield* run(`outbox redrive 77777777 --again ${evidence}`)).code, 0)
      const [letter] = JSON.parse((yield* run("outbox show 77777777 --json")).stdout)
      assert.deepStrictEqual([letter.state, letter.outcome, letter.firstSentAt], ["Pending", "NotSent", undefined])
      const account = yield* run("explain order-6")
      assert.include(account.stdout.replace(/\s+/g, " "), "eve: redrive with a new key: INC-42 (the key was order-6)")
    })
  )

  live("asks before it changes more than one, and then does what it can", ({ run, states }) =>
    Effect.gen(function* () {
      const before = yield* states
      for (const input of ["", "n\n", "yellow\n"]) {
        const no = yield* run(`outbox redrive --integration payments ${evidence}`, { input })
        assert.deepStrictEqual([no.code, no.stdout], [1, ""])
        assert.include(no.stderr, "Redrive 5 entries?")
      }
      assert.deepStrictEqual(yield* states, before)
      const yes = yield* run(`outbox redrive --integration payments --rate 2 ${evidence}`, { input: "y\n" })
      // One of them needs a new key.
      assert.strictEqual(yes.code, 1)
      assert.include(yes.stdout, "redriven: 4 entries; the last is due in 2 s")
      assert.include(yes.stderr, "1 entry left as it is")
      const after = yield* states
      assert.deepStrictEqual(
        [4, 5, 6, 8, 9, 11].map((n) => after[idOf(n)]),
        ["Pending", "Pending", "NeedsReconcile", "Pending", "Waiting", "Pending"]
      )
    })
  )

  live("gives up and resolves", ({ run, states }) =>
    Effect.gen(function* () {
      const gone = yield* run(`outbox discard --state pending --state waiting --yes --json ${evidence}`)
      assert.deepStrictEqual([gone.code, JSON.parse(gone.stdout)], [0, { changed: [1, 9, 12].map(idOf), refused: [] }])
      const told = yield* run(`outbox resolve order-6 ${evidence} --result 7`)
      assert.strictEqual(told.code, 0)
      assert.include(told.stdout, "a worker runs its handler with the result")
      const untold = yield* run(`outbox resolve order-11 ${evidence}`)
      assert.strictEqual(untold.code, 0)
      assert.include(untold.stdout, "No handler is run for it")
      const after = yield* states
      assert.deepStrictEqual(
        [1, 6, 9, 11, 12].map((n) => after[idOf(n)]),
        ["Discarded", "Pending", "Discarded", "Delivered", "Discarded"]
      )
      const again = yield* run(`outbox resolve order-6 ${evidence}`)
      assert.strictEqual(again.code, 1)
      assert.include(again.stderr, "it is Pending. Nothing is to be done: it is known how it ended")
      const over = yield* run(`outbox resolve order-11 ${evidence}`)
      assert.strictEqual(over.code, 1)
      assert.include(over.stderr, "it is Delivered")
      const nothing = yield* run(`outbox discard --operation nothing ${evidence}`)
      assert.strictEqual(nothing.code, 1)
      assert.include(nothing.stderr, "nothing matched")
    })
  )

  live("says what is wrong with what was typed, with exit code 2, and changes nothing", ({ run, states }) =>
    Effect.gen(function* () {
      const before = yield* states
      const wrong: ReadonlyArray<readonly [args: string, word: string, env?: Record<string, string | undefined>]> = [
        ["outbox lst", "list"],
        ["outbox list --state ded", "needs-reconcile"],
        ["outbox list --limit 0", "positive"],
        ["outbox list --nonsense", "--nonsense"],
        ["outbox list --before yesterday", "--before"],
        ["outbox redrive 44444444", "--evidence"],
        ['outbox redrive 44444444 --evidence " "', "--evidence"],
        [`outbox redrive 44444444 --rate 0 ${evidence}`, "positive"],
        [`outbox redrive 44444444 --state dead ${evidence}`, "not both"],
        [`outbox discard 44444444 ${evidence}`, "--by", { USER: undefined }],
        [`outbox resolve ${evidence}`, "id"],
        [`outbox resolve order-6 --result {oops ${evidence}`, "JSON"],
        ["outbox list", "DATABASE_URL", { DATABASE_URL: undefined }],
        ["outbox list --database mysql://root:hunter2@db/x", "postgres://"],
        ["explain", "key"]
      ]
      for (const [args, word, env] of wrong) {
        const { code, stderr, stdout } = yield* run(args, env === undefined ? {} : { env })
        assert.deepStrictEqual([code, stdout], [2, ""], args)
        assert.include(stderr, word, args)
        assert.notInclude(stderr, "hunter2")
      }
      assert.deepStrictEqual(yield* states, before)
    })
  )

  live("says what to do when the database is not there, and creates nothing", ({ file, inFile, run }) =>
    Effect.gen(function* () {
      const missing = yield* run(`outbox list --database sqlite:${file}.not`)
      assert.deepStrictEqual([missing.code, missing.stderr], [1, `breakwater: there is no file ${file}.not\n`])
      const table = yield* run("outbox stats --table other")
      assert.strictEqual(table.code, 1)
      assert.include(table.stderr, "there is no table other")
      const away = yield* run("outbox list --database postgres://root:hunter2@127.0.0.1:1/x")
      assert.strictEqual(away.code, 1)
      assert.include(away.stderr, "could not be asked")
      assert.notInclude(away.stderr, "hunter2")
      // As where the package is not installed.
      const hook =
        'import { registerHooks } from "node:module"; registerHooks({ resolve(name, context, next) { if (name.startsWith("@effect/sql-pg")) throw Object.assign(new Error(`Cannot find package ${name}`), { code: "ERR_MODULE_NOT_FOUND" }); return next(name, context) } })'
      const without = yield* run("outbox list --database postgres://127.0.0.1:1/x", {
        node: ["--import", `data:text/javascript,${encodeURIComponent(hook)}`]
      })
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, "npm install @effect/sql-pg")
      const tables = yield* inFile(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT name FROM sqlite_schema WHERE name LIKE 'other%'`)
      )
      assert.deepStrictEqual(tables, [])
    })
  )

  live("helps", ({ run }) =>
    Effect.gen(function* () {
      for (const args of ["--help", "outbox --help", "outbox redrive --help", "outbox"]) {
        const { code, stderr, stdout } = yield* run(args, { env: { DATABASE_URL: undefined } })
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(stdout, "USAGE")
      }
      assert.match((yield* run("--version")).stdout, /\d+\.\d+\.\d+/)
    })
  )

  live("ends at Ctrl-C while it asks, and quietly when its reader leaves", ({ inFile, run, states }) =>
    Effect.gen(function* () {
      const before = yield* states
      let asked = false
      const stopped = yield* run(`outbox redrive ${evidence}`, {
        open: true,
        onOutput: (text, child) => {
          if (asked || !text.includes("Type y")) return
          asked = true
          child.kill("SIGINT")
        }
      })
      assert.deepStrictEqual([stopped.code, stopped.stdout, stopped.stderr.split("\n").length], [130, "", 2])
      assert.deepStrictEqual(yield* states, before)
      // More than a pipe holds.
      yield* inFile(
        Effect.flatMap(SqlOutboxStore.make(), (store) =>
          Effect.forEach(
            Array.from({ length: 1_000 }, (_, n) => n),
            (n) => store.offer(offerOf(0, { id: `${n}`.padStart(32, "0"), key: `k${n}`, delay: Duration.hours(1) }))
          )
        )
      )
      const left = yield* run("outbox list --limit 1000 --json", {
        onOutput: (_, child) => void child.stdout?.destroy()
      })
      assert.deepStrictEqual([left.code, left.stderr], [0, ""])
      const whole = yield* run("outbox list --limit 5000 --json")
      assert.strictEqual((JSON.parse(whole.stdout) as ReadonlyArray<unknown>).length, 1_012)
    })
  )
})

describe("breakwater explain", () => {
  live("tells all that is known of a key, in order of time, and what to do", ({ run }) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run("explain order-6")
      assert.strictEqual(code, 0)
      fits(stdout)
      const text = stdout.replace(/\s+/g, " ")
      for (const word of [
        "stored by write-ahead",
        "Timeout: no answer after 3 s",
        "in scope POST /charges",
        "Next: the receiver has done it: resolve it",
        "breakwater outbox resolve 66666666"
      ]) {
        assert.include(text, word)
      }
      assert.notInclude(stdout, "secret")
      assert.notInclude(stdout, "redrive 66666666")
      const account = JSON.parse((yield* run("explain order-6 --json")).stdout)
      const times = account.events.map(({ at }: { at: string }) => at)
      assert.deepStrictEqual(times, times.toSorted())
      assert.strictEqual(account.receiver[0].state, "Done")
      assert.notInclude(JSON.stringify(account), "secret")
      const other = yield* run("explain order-5 --receiver-table none")
      assert.strictEqual(other.code, 1)
      assert.include(other.stderr, "no table none")
      const nothing = yield* run("explain order-99")
      assert.strictEqual(nothing.code, 1)
      assert.include(nothing.stderr, "nothing is known of order-99")
    })
  )
})

const url = process.env["DATABASE_URL"]

describe.skipIf(url === undefined)("over PostgreSQL", () => {
  it.live(
    "lists, changes and explains",
    () =>
      Effect.gen(function* () {
        const name = `cli_${process.pid}`
        const options = { table: `${name}_outbox`, receiver: `${name}_idempotency` }
        const at = (args: string) =>
          breakwater([...wordsOf(args), "--table", options.table], { env: { DATABASE_URL: url } })
        yield* fill(options)
        const sql = yield* SqlClient.SqlClient
        yield* Effect.addFinalizer(() =>
          Effect.ignore(
            Effect.forEach(
              [
                "outbox",
                "outbox_lanes",
                "outbox_audit",
                "outbox_pauses",
                "outbox_migrations",
                "idempotency",
                "idempotency_migrations"
              ],
              (end) => sql`DROP TABLE IF EXISTS ${sql(`${name}_${end}`)}`
            )
          )
        )
        const list = yield* at("outbox list")
        assert.deepStrictEqual([list.code, list.stderr, list.stdout.trimEnd().split("\n").length], [0, "", 13])
        assert.strictEqual((yield* at(`outbox redrive 44444444 ${evidence}`)).code, 0)
        assert.strictEqual((yield* at(`outbox redrive order-6 --new-key ${evidence}`)).code, 0)
        assert.strictEqual((yield* at(`outbox redrive 77777777 --again ${evidence}`)).code, 0)
        const states = yield* statesOf(options.table)
        assert.deepStrictEqual(
          [4, 6, 7].map((n) => states[idOf(n)]),
          ["Pending", "Pending", "Pending"]
        )
        const [letter] = JSON.parse((yield* at("outbox show 77777777 --json")).stdout)
        assert.deepStrictEqual([letter.outcome, letter.firstSentAt, letter.audits.length], ["NotSent", undefined, 1])
        const account = yield* at(`explain order-6 --receiver-table ${options.receiver}`)
        assert.strictEqual(account.code, 0)
        assert.include(account.stdout.replace(/\s+/g, " "), "ada: redrive with a new key: INC-42")
        assert.include(account.stdout, "The receiver has done it")
        const missing = yield* breakwater(["outbox", "stats", "--table", "nix"], { env: { DATABASE_URL: url } })
        assert.strictEqual(missing.code, 1)
        assert.include(missing.stderr, "there is no table nix")
      }).pipe(Effect.scoped, Effect.provide(Layer.orDie(PgClient.layer({ url: Redacted.make(url ?? "") })))),
    seconds
  )
})

describe("tables and texts", () => {
  it("fit any width, with wide characters and long words", () => {
    const rows = [
      ["注文".repeat(20), "x".repeat(90), "dead"],
      ["👩‍👩‍👧‍👦".repeat(12), "a b c".repeat(9), "\u001b[31mred\nline"]
    ]
    const columns = [{ title: "A", min: 4 }, { title: "B", min: 4 }, { title: "C" }]
    for (let width = 40; width <= 120; width++) {
      const lines = table(columns, rows, width).split("\n")
      assert.strictEqual(lines.length, 3)
      for (const line of lines) assert.isAtMost(CliOutput.displayWidth(line), width)
      for (const text of [...rows.flat(), rows.flat().join(" ")]) {
        const wrapped = wrap(text, width, 0)
        for (const line of wrapped.split("\n")) assert.isAtMost(CliOutput.displayWidth(line), width)
        assert.strictEqual(wrapped.replace(/\s/g, ""), text.replace(/\p{Cc}/gu, "").replace(/\s/g, ""))
      }
    }
  })
})
