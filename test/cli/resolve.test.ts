/** `breakwater outbox resolve ID --result JSON`, and the application's worker, which tells it to the handler. */
import { assert, it } from "@effect/vitest"
import { Exhaustion, Idempotency, Integration, Operation, Outbox, OutboxWorker, Policy, Reason } from "breakwater"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Data, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { breakwater } from "./run.ts"

class Away extends Data.TaggedError("Away") {}
const sent: Array<string> = []
const told: Array<string> = []

class Post extends Integration.Service<Post>()(
  "test/Post",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Away() },
  {
    letter: Outbox.writeAhead(
      Operation.mutation("letter", {
        input: Schema.Struct({ to: Schema.String }),
        success: Schema.Struct({ id: Schema.String, at: Schema.Date }),
        idempotency: Idempotency.atMostOnce("a letter has no key"),
        send: ({ to }) => Effect.suspend(() => Effect.fail(sent.push(to))),
        classify: () => Reason.disconnected()
      })
    )
  }
) {}

const Worker = OutboxWorker.layer(Post, {
  letter: {
    onDelivered: ({ at, id }, { input }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO posted ${sql.insert({ id, receiver: input.to, year: at.getUTCFullYear() })}`
      }),
    onDead: ({ _tag }) => Effect.sync(() => void told.push(`dead ${_tag}`)),
    onNeedsReconcile: ({ why }) => Effect.sync(() => void told.push(`unclear ${why}`))
  }
})

it.live(
  "a result given on the command line is told to the application's handler, once, and nothing is sent",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-cli-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const file = join(folder, "post.db")
      const PostTest = Integration.layer(Post).pipe(
        Layer.provideMerge(SqlOutboxStore.layer()),
        Layer.provideMerge(SqliteClient.layer({ filename: file }))
      )
      const until = (state: string) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* Layer.build(Worker)
          for (;;) {
            const [row] = yield* sql<{
              readonly id: string
              readonly state: string
            }>`SELECT id, state FROM breakwater_outbox`
            if (row?.state === state) return row.id
            yield* Effect.sleep(10)
          }
        }).pipe(Effect.scoped)
      const id = yield* Effect.gen(function* () {
        yield* (yield* SqlClient.SqlClient)`CREATE TABLE posted (id TEXT, receiver TEXT, year INTEGER)`
        yield* Effect.exit(Effect.flatMap(Post, ({ letter }) => letter({ to: "Grace" })))
        return yield* until("NeedsReconcile")
      }).pipe(Effect.provide(PostTest))
      assert.deepStrictEqual(told, ["unclear sent once"])

      const words = ["outbox", "resolve", id.slice(0, 8), "--by", "ada", "--evidence", "Grace has it"]
      const result = ["--result", '{"id":"l_1","at":"2026-11-24T00:00:00.000Z"}']
      const done = yield* breakwater([...words, ...result], { env: { DATABASE_URL: file } })
      assert.deepStrictEqual([done.code, done.stderr], [0, ""])
      assert.include(done.stdout, "resolved: 1 entry")
      const shown = yield* breakwater(["outbox", "show", id], { env: { DATABASE_URL: file } })
      assert.include(shown.stdout.replace(/\s+/g, " "), "a worker tells its handler")

      yield* Effect.gen(function* () {
        yield* until("Delivered")
        const posted = yield* (yield* SqlClient.SqlClient)`SELECT * FROM posted`
        assert.deepStrictEqual(posted, [{ id: "l_1", receiver: "Grace", year: 2026 }])
        const answer = yield* Outbox.await(Post, "letter", id)
        assert.deepStrictEqual(answer, { id: "l_1", at: new Date("2026-11-24T00:00:00.000Z") })
      }).pipe(Effect.provide(PostTest))
      assert.deepStrictEqual(sent, ["Grace"])
      assert.deepStrictEqual(told, ["unclear sent once"])
    }).pipe(Effect.scoped),
  60_000
)
