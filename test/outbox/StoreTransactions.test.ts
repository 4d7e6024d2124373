// What the contract's kit can't see: real transactions, of the application and of others, on real connections.
import { assert, describe, it } from "@effect/vitest"
import { NodeFileSystem } from "@effect/platform-node"
import { OutboxStore, OutboxStoreMemory } from "breakwater"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Deferred, Duration, Effect, Exit, Fiber, FileSystem, Layer, Option, Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { isolations, openPostgres, skip } from "./postgres.ts"

type Store = OutboxStore.Store

interface Database {
  readonly name: string
  readonly skip: string | undefined
  readonly open: Effect.Effect<
    {
      /** A connection, or a pool, of its own. */
      readonly client: Effect.Effect<SqlClient.SqlClient, unknown, Scope.Scope>
      readonly table: string
    },
    unknown,
    Scope.Scope
  >
}

const sqlite: Database = {
  name: "SQLite",
  skip: undefined,
  open: Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const client = Effect.map(
      Layer.build(Layer.fresh(SqliteClient.layer({ filename: `${folder}/outbox.db`, synchronous: "normal" }))),
      (context) => Context.get(context, SqlClient.SqlClient)
    )
    const sql = yield* client
    yield* Effect.provideService(SqlOutboxStore.migrate({ table: "outbox" }), SqlClient.SqlClient, sql)
    return { client, table: "outbox" }
  }).pipe(Effect.provide(NodeFileSystem.layer))
}

const databases: ReadonlyArray<Database> = [
  sqlite,
  ...isolations.map((isolation) => ({ name: `PostgreSQL (${isolation})`, skip, open: openPostgres(isolation) }))
]

const names = { integration: "billing", operation: "charge" }
const lane = { name: "lane", onDead: "block" } as const
const hour = Duration.hours(1)

const offering = (name: string, more: Partial<OutboxStore.Offer> = {}): OutboxStore.Offer => ({
  id: Array.from(name, (c) => c.charCodeAt(0).toString(16))
    .join("")
    .padStart(32, "0"),
  ...names,
  key: name,
  fingerprint: "f",
  origin: "write-ahead",
  payload: "payload",
  correlationId: "c",
  traceparent: undefined,
  lane: undefined,
  outcome: "NotSent",
  firstSentAgo: undefined,
  inDoubtAgo: undefined,
  attempts: 0,
  history: [],
  delay: Duration.zero,
  expiresAfter: undefined,
  lease: undefined,
  ...more
})
const learned: OutboxStore.Learned = { outcome: "Applied", firstSentAgo: 0, inDoubtAgo: 0, history: [] }
const delivered = { _tag: "Delivered", result: "r", keep: Duration.zero } as const

const claim = (store: Store) =>
  Effect.map(store.claim({ ...names, limit: 10, lease: hour }), (claims) => claims.map(({ entry }) => entry.key))
const find = (store: Store, name: string) => Effect.map(store.get(offering(name).id), Option.getOrUndefined)
const known = (store: Store) =>
  Effect.map(store.list({}, { limit: 100 }), (all) => all.map(({ key }) => key).toSorted())

/** Waits until something holds, or fails after three seconds. */
const eventually = <E>(holds: Effect.Effect<boolean, E>) =>
  Effect.gen(function* () {
    while (!(yield* holds)) yield* Effect.sleep(5)
  }).pipe(Effect.timeout("3 seconds"))

class Undone {
  readonly _tag = "Undone"
}
const undo = Effect.fail(new Undone())

/** From SERIALIZABLE on a transaction may have to start over: the store says so, or the commit. */
const startingOver = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.retry(self, {
    times: 50,
    while: (error) =>
      error instanceof OutboxStore.StoreError
        ? error.reason === "Busy"
        : SqlError.isSqlError(error) && error.reason._tag === "SerializationError"
  })

for (const { name, open, skip } of databases) {
  const pg = name !== "SQLite"
  const opened = Effect.gen(function* () {
    const { client, table } = yield* open
    const storeOf = (sql: SqlClient.SqlClient) =>
      Effect.provideService(SqlOutboxStore.make({ table }), SqlClient.SqlClient, sql)
    const sql = yield* client
    const [a, b] = [yield* storeOf(sql), yield* storeOf(yield* client)]
    return { a, b, client, sql, storeOf, table }
  })

  describe.skipIf(skip !== undefined)(
    `an outbox in transactions of ${name}${skip === undefined ? "" : `: ${skip}`}`,
    () => {
      it.live("what is offered in a transaction that is rolled back is gone, and nobody is told", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          const told: Array<string> = []
          yield* a.onOffer(({ operation }) => void told.push(operation))
          for (const more of [{}, { lane }]) {
            yield* Effect.exit(sql.withTransaction(Effect.andThen(a.offer(offering("gone", more)), undo)))
            const kept = Effect.andThen(
              Effect.ignore(sql.withTransaction(Effect.andThen(a.offer(offering("gone", more)), undo))),
              a.offer(offering("kept", { operation: "refund", ...more }))
            )
            yield* sql.withTransaction(kept)
            assert.deepStrictEqual(yield* known(b), ["kept"])
            assert.deepStrictEqual(told, ["refund"])
          }
          assert.deepStrictEqual((yield* a.offer(offering("gone")))._tag, "Stored")
        })
      )

      it.live("a transaction that the database asks to start over is run again, but not within another", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          const reasons = {
            SerializationError: SqlError.SerializationError,
            DeadlockError: SqlError.DeadlockError,
            UnknownError: SqlError.UnknownError
          }
          const conflict = (tag: keyof typeof reasons) =>
            new SqlError.SqlError({ reason: new reasons[tag]({ cause: "told so" }) })
          let runs = 0
          // What was offered by a run that is undone is offered anew.
          const body = (failures: number, error: unknown) =>
            Effect.suspend(() =>
              Effect.andThen(
                a.offer(offering(`n-${runs}`)),
                ++runs <= failures ? Effect.fail(error) : Effect.succeed(runs)
              )
            )
          assert.strictEqual(yield* a.transaction(body(2, conflict("SerializationError"))), 3)
          assert.strictEqual(yield* a.transaction(body(4, conflict("DeadlockError"))), 5)
          assert.deepStrictEqual(yield* known(b), ["n-2", "n-4"])
          // Of any other failure it is not known whether a repeat would help: it is the caller's.
          assert.isTrue(Exit.isFailure(yield* Effect.exit(a.transaction(body(9, conflict("UnknownError"))))))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(a.transaction(body(9, new Undone())))))
          assert.strictEqual(runs, 7)
          const within = yield* Effect.exit(sql.withTransaction(a.transaction(body(9, conflict("DeadlockError")))))
          assert.isTrue(Exit.isFailure(within))
          assert.strictEqual(runs, 8)
        })
      )

      it.live("nothing can be claimed, and nobody is told, before the outermost commit", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          const told: Array<string> = []
          yield* a.onOffer(({ operation }) => void told.push(operation))
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* sql.withTransaction(a.offer(offering("one")))
              yield* sql.withTransaction(a.offer(offering("two", { lane })))
              assert.deepStrictEqual(yield* known(a), ["one", "two"])
              assert.deepStrictEqual(yield* known(b), [])
              // SQLite has one writer: whoever claims waits for it.
              if (pg) assert.deepStrictEqual(yield* claim(b), [])
              assert.deepStrictEqual(told, [])
            })
          )
          assert.deepStrictEqual(told, ["charge", "charge"])
          assert.deepStrictEqual((yield* claim(b)).toSorted(), ["one", "two"])
        })
      )

      it.live("it tells whose transaction is open", () =>
        Effect.gen(function* () {
          const { a, client, sql } = yield* opened
          const other = yield* client
          const memory = yield* OutboxStoreMemory.make
          const seen: Array<string> = []
          const look = Effect.gen(function* () {
            seen.push(`${yield* a.openTransaction} ${yield* memory.openTransaction}`)
          })
          yield* look
          yield* sql.withTransaction(look)
          yield* sql.withTransaction(sql.withTransaction(look))
          yield* other.withTransaction(look)
          yield* a.transaction(look)
          yield* a.transaction(a.outside(look))
          yield* sql.withTransaction(sql.afterCommit(look))
          if (pg) yield* other.withTransaction(sql.withTransaction(look))
          if (pg) yield* sql.withTransaction(other.withTransaction(look))
          assert.deepStrictEqual(seen, [
            "none none",
            "own other",
            "own other",
            "other other",
            "own other",
            "none none",
            "none none",
            ...(pg ? ["own other", "own other"] : [])
          ])
        })
      )

      it.live("what is done outside of a transaction stays, or fails at once where there is one writer only", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          yield* Effect.ignore(a.outside(a.offer(offering("before"))))
          const within = Effect.gen(function* () {
            yield* a.offer(offering("rolled back"))
            const exits = yield* Effect.forEach([{}, { lane }], (more, n) =>
              Effect.result(a.outside(a.offer(offering(`outside ${n}`, more))))
            )
            const told = exits.map((exit) => (exit._tag === "Success" ? exit.success._tag : exit.failure.reason))
            assert.deepStrictEqual(told, pg ? ["Stored", "Stored"] : ["Busy", "Busy"])
            return yield* undo
          })
          const exit = yield* Effect.exit(sql.withTransaction(within))
          assert.isTrue(Exit.isFailure(exit))
          assert.deepStrictEqual(yield* known(b), pg ? ["before", "outside 0", "outside 1"] : ["before"])
        })
      )

      if (pg)
        it.live("outside of a transaction nobody waits for ever for what it has locked", () =>
          Effect.gen(function* () {
            const { a, sql } = yield* opened
            const within = Effect.gen(function* () {
              yield* a.offer(offering("one", { lane }))
              return yield* Effect.flip(a.outside(a.offer(offering("two", { lane }))))
            })
            const error = yield* sql.withTransaction(within)
            assert.deepStrictEqual(
              [error._tag, error._tag === "OutboxStoreError" && [error.reason, error.tookEffect]],
              ["OutboxStoreError", ["Busy", "no"]]
            )
            assert.deepStrictEqual(yield* known(a), ["one"])
          })
        )

      if (pg)
        it.live(
          "who fails in a transaction fails with that, also where the connection is lost before the rollback",
          () =>
            Effect.gen(function* () {
              const { a, client, sql, storeOf } = yield* opened
              const own = yield* client
              const mine = yield* storeOf(own)
              const lost = Effect.gen(function* () {
                const [row] = yield* own<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
                yield* mine.offer(offering("gone"))
                yield* sql`SELECT pg_terminate_backend(${row!.pid}, 5000)`
                return yield* Effect.fail("mine" as const)
              })
              assert.deepStrictEqual<unknown>(yield* Effect.exit(mine.transaction(lost)), Exit.fail("mine"))
              assert.deepStrictEqual(yield* known(a), [])
              // The connection is replaced.
              yield* mine.offer(offering("next"))
              assert.deepStrictEqual(yield* known(a), ["next"])
            })
        )

      it.live("what a transaction settles, changes and writes is rolled back as one", () =>
        Effect.gen(function* () {
          const { a, b } = yield* opened
          for (const more of [{}, { lane }]) {
            const offered = yield* a.offer(offering(`one ${"lane" in more}`, { lease: hour, ...more }))
            assert.isTrue(offered._tag === "Stored" && offered.claim !== undefined)
            if (offered._tag !== "Stored" || offered.claim === undefined) return
            const { entry } = offered.claim
            yield* a.offer(offering(`two ${"lane" in more}`, { delay: hour, ...more }))
            const work = a.transaction(Effect.andThen(a.settle(entry, delivered, learned), undo))
            assert.instanceOf(yield* Effect.flip(work), Undone)
            assert.deepStrictEqual(yield* find(b, `one ${"lane" in more}`), entry)
            assert.deepStrictEqual(
              (yield* find(b, `two ${"lane" in more}`))?.state,
              "lane" in more ? "Waiting" : "Pending"
            )
            assert.isTrue(yield* a.transaction(a.settle(entry, delivered, learned)))
            assert.deepStrictEqual((yield* find(b, `two ${"lane" in more}`))?.state, "Pending")
          }
        })
      )

      it.live(
        "an offer that meets an uncommitted one of the same call waits for it, and then sees what became of it",
        () =>
          Effect.gen(function* () {
            const { a, b, sql } = yield* opened
            for (const [n, more] of [{}, { lane }].entries()) {
              for (const commits of [true, false]) {
                const offer = offering(`${n} ${commits}`, more)
                const [gate, stored] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
                const first = yield* Effect.forkChild(
                  Effect.exit(
                    sql.withTransaction(
                      Effect.gen(function* () {
                        yield* a.offer(offer)
                        yield* Deferred.succeed(stored, undefined)
                        yield* Deferred.await(gate)
                        if (!commits) return yield* undo
                      })
                    )
                  )
                )
                yield* Deferred.await(stored)
                const second = yield* Effect.forkChild(b.offer(offer))
                yield* Effect.sleep(60)
                assert.isUndefined(second.pollUnsafe())
                yield* Deferred.succeed(gate, undefined)
                yield* Fiber.join(first)
                assert.strictEqual((yield* Fiber.join(second))._tag, commits ? "Exists" : "Stored")
              }
            }
          })
      )

      it.live("places in a lane follow the order of commits", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          const [gate, stored] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          // Who has a place keeps the others waiting until it is certain.
          const first = yield* Effect.forkChild(
            Effect.exit(
              sql.withTransaction(
                Effect.gen(function* () {
                  yield* a.offer(offering("undone", { lane }))
                  yield* Deferred.succeed(stored, undefined)
                  yield* Deferred.await(gate)
                  return yield* undo
                })
              )
            )
          )
          yield* Deferred.await(stored)
          const second = yield* Effect.forkChild(b.offer(offering("second", { lane })))
          yield* Effect.sleep(60)
          assert.isUndefined(second.pollUnsafe())
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(first)
          yield* Fiber.join(second)
          // Who has begun earlier, and offers later, comes later.
          const begun = yield* Deferred.make<void>()
          const third = yield* Effect.forkChild(
            startingOver(
              sql.withTransaction(
                Effect.gen(function* () {
                  yield* sql`SELECT 1`
                  yield* Deferred.succeed(begun, undefined)
                  if (pg) yield* eventually(Effect.map(find(b, "fourth"), (entry) => entry !== undefined))
                  yield* a.offer(offering("third", { lane }))
                })
              )
            )
          )
          yield* Deferred.await(begun)
          yield* b.offer(offering("fourth", { lane }))
          yield* Fiber.join(third)
          const [two, three, four] = [yield* find(a, "second"), yield* find(a, "third"), yield* find(a, "fourth")]
          assert.deepStrictEqual([two?.state, two?.position], ["Pending", 1])
          assert.deepStrictEqual([three?.position, four?.position], pg ? [3, 2] : [2, 3])
        })
      )

      it.live("an entry that is offered while the one before it ends is not left behind", () =>
        Effect.gen(function* () {
          const { a, b, sql } = yield* opened
          for (const end of ["settle", "change"] as const) {
            for (const offersFirst of [true, false]) {
              const [one, two] = [`1 ${end} ${offersFirst}`, `2 ${end} ${offersFirst}`]
              const offered = yield* a.offer(offering(one, { lane, lease: hour }))
              assert.isTrue(offered._tag === "Stored" && offered.claim !== undefined)
              if (offered._tag !== "Stored" || offered.claim === undefined) return
              const { entry } = offered.claim
              if (end === "change") yield* a.settle(entry, { _tag: "Dead", why: "rejected" }, learned)
              const discard = { _tag: "Discard", keep: Duration.zero } as const
              const note = { action: "discard", by: "ada", evidence: "a test" } as const
              const ends = (store: Store) =>
                Effect.asVoid(
                  end === "settle" ? store.settle(entry, delivered, learned) : store.change(entry, discard, note)
                )
              const offers = (store: Store) => Effect.asVoid(store.offer(offering(two, { lane })))
              const [gate, held] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
              const first = yield* Effect.forkChild(
                sql.withTransaction(
                  Effect.gen(function* () {
                    yield* offersFirst ? offers(a) : ends(a)
                    yield* Deferred.succeed(held, undefined)
                    yield* Deferred.await(gate)
                  })
                )
              )
              yield* Deferred.await(held)
              const second = yield* Effect.forkChild(offersFirst ? ends(b) : offers(b))
              yield* Effect.sleep(60)
              assert.isUndefined(second.pollUnsafe(), "the second waits for the lane")
              yield* Deferred.succeed(gate, undefined)
              yield* Fiber.join(first)
              yield* Fiber.join(second)
              assert.strictEqual((yield* find(b, two))?.state, "Pending")
              const [own] = yield* b.claim({ ...names, limit: 1, lease: hour })
              yield* b.settle(own!.entry, delivered, learned)
            }
          }
        })
      )

      it.live("a long transaction does not stop the clock", () =>
        Effect.gen(function* () {
          const { a, sql } = yield* opened
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* a.offer(offering("one"))
              yield* Effect.sleep(120)
              yield* a.offer(offering("two", { delay: Duration.millis(1) }))
              yield* Effect.sleep(20)
              const claims = yield* a.claim({ ...names, limit: 5, lease: hour })
              const [one, two] = claims.map(({ entry }) => entry)
              assert.isAtLeast(two!.createdAt - one!.createdAt, 115)
              assert.isAtLeast(claims[0]!.now - one!.createdAt, 135)
              assert.strictEqual(one!.leaseUntil, claims[0]!.now + Duration.toMillis(hour))
              yield* Effect.sleep(50)
              const again = {
                _tag: "Again",
                delay: Duration.zero,
                counts: true,
                pausing: true,
                answer: undefined
              } as const
              yield* a.settle(one!, again, learned)
              assert.isAtLeast((yield* find(a, "one"))!.dueAt - one!.changedAt, 45)
            })
          )
        })
      )

      it.live(
        "transactions that offer to a lane and others that end its entries keep its order, and end",
        () =>
          Effect.gen(function* () {
            const { a, b, client, sql, storeOf } = yield* opened
            const other = yield* client
            const c = yield* storeOf(other)
            const total = 24
            const offers = (store: Store, own: SqlClient.SqlClient, rest: number) =>
              Effect.forEach(
                Array.from({ length: total / 2 }, (_, n) => `k${2 * n + rest}`),
                (name) =>
                  startingOver(
                    own.withTransaction(
                      Effect.gen(function* () {
                        yield* store.offer(offering(`${name} alone`, { operation: "refund" }))
                        yield* store.offer(offering(name, { lane }))
                        yield* Effect.sleep(1)
                      })
                    )
                  ),
                { concurrency: 3 }
              )
            const order: Array<string | undefined> = []
            const worker = (store: Store) =>
              Effect.gen(function* () {
                while (order.length < total) {
                  const claims = yield* store.claim({ ...names, limit: 5, lease: hour })
                  assert.isAtMost(claims.length, 1)
                  for (const { entry } of claims) {
                    order.push(entry.key)
                    yield* startingOver(store.transaction(store.settle(entry, delivered, learned)))
                  }
                  if (claims.length === 0) yield* Effect.sleep(2)
                }
              })
            yield* Effect.all([offers(a, sql, 0), offers(c, other, 1), worker(a), worker(b)], {
              concurrency: "unbounded"
            })
            const entries = yield* a.list({ lane: "lane" }, { limit: 100 })
            const places = entries.toSorted((x, y) => (x.position ?? 0) - (y.position ?? 0))
            assert.deepStrictEqual(
              order,
              places.map(({ key }) => key)
            )
            assert.deepStrictEqual(new Set(places.map(({ position }) => position)).size, total)
            // What was swept leaves nothing behind.
            yield* Effect.sleep(5)
            assert.strictEqual(yield* b.sweep({ limit: 1_000 }), total)
          }),
        30_000
      )

      it.live("a lease whose owner is gone is taken by another connection, and the owner is fenced off", () =>
        Effect.gen(function* () {
          const { a, client, b, storeOf } = yield* opened
          yield* a.offer(offering("one", { lane }))
          yield* a.offer(offering("two", { lane }))
          const scope = yield* Scope.make()
          const store = yield* storeOf(yield* Effect.provideService(client, Scope.Scope, scope))
          const [lost] = yield* store.claim({ ...names, limit: 1, lease: Duration.millis(200) })
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(yield* claim(b), [])
          yield* Effect.sleep(220)
          const [taken] = yield* b.claim({ ...names, limit: 1, lease: hour })
          assert.deepStrictEqual([taken?.entry.key, taken?.entry.crashes, taken?.entry.outcome], ["one", 1, "Unknown"])
          assert.strictEqual(taken?.entry.firstSentAt, lost?.now)
          assert.isFalse(yield* a.settle(lost!.entry, delivered, learned))
          assert.strictEqual((yield* find(a, "two"))?.state, "Waiting")
          assert.isTrue(yield* b.settle(taken!.entry, delivered, learned))
          assert.deepStrictEqual(yield* claim(a), ["two"])
        })
      )

      it.live("what was swept leaves nothing in any table, and migrations run once", () =>
        Effect.gen(function* () {
          const { a, sql, table } = yield* opened
          for (const n of [1, 2, 3])
            yield* a.offer(offering(`k${n}`, { lane: { name: `lane ${n % 2}`, onDead: "block" } }))
          for (const n of [1, 2, 3]) {
            const audit = { action: "discard", by: "ada", evidence: "a test" } as const
            yield* a.change(
              { id: offering(`k${n}`).id, generation: 0 },
              { _tag: "Discard", keep: Duration.zero },
              audit
            )
          }
          yield* Effect.sleep(5)
          assert.strictEqual(yield* a.sweep({ limit: 2 }), 2)
          assert.strictEqual(yield* a.sweep({ limit: 2 }), 1)
          for (const suffix of ["", "_lanes", "_audit", "_pauses"]) {
            assert.deepStrictEqual(yield* sql`SELECT * FROM ${sql(table + suffix)}`, [], suffix)
          }
          const again = Effect.provideService(SqlOutboxStore.migrate({ table }), SqlClient.SqlClient, sql)
          assert.deepStrictEqual(yield* again, [])
        })
      )
    }
  )
}
