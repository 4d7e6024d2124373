/** A person who says that a call happened, and what the answer was: its handler runs as for any delivery, and nothing is sent. */
import { assert, describe, it } from "@effect/vitest"
import { NodeFileSystem } from "@effect/platform-node"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxAdmin,
  type OutboxError,
  OutboxStore,
  OutboxStoreMemory,
  OutboxWorker,
  Policy
} from "breakwater"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Data, Duration, Effect, Fiber, FileSystem, Layer, Option, Schedule, Schema, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { openPostgres, skip } from "./postgres.ts"
import { Declined, Provider, Shop, ShopDown } from "./shop.ts"

const signed = { by: "ada", evidence: "it is in their dashboard" }
const order = { order: "o1", amount: 5 }

const told: Array<string> = []
/** How often the next handlers fail, whichever they are. */
let failing = 0
const tell = (line: string) =>
  Effect.suspend(() => {
    told.push(line)
    return failing-- > 0 ? Effect.fail("not now") : Effect.void
  })
const dead: Array<unknown> = []
const handlers = {
  onDelivered: (result: { readonly id: string }, entry: OutboxWorker.Ended<{ readonly order: string }>) =>
    // Its type says that the input is there; a test has to see if it is not.
    tell(`delivered ${(entry.input as { readonly order: string } | undefined)?.order} ${result.id} ${entry.outcome}`),
  onDead: (error: { readonly _tag: string }, { why }: OutboxWorker.Ended<unknown>) =>
    Effect.suspend(() => {
      dead.push(error)
      return tell(`dead ${error._tag} ${why}`)
    }),
  onNeedsReconcile: ({ outcome, why }: OutboxWorker.Ended<unknown>) => tell(`unclear ${why} ${outcome}`)
}
const worker = (options?: OutboxWorker.Options) =>
  OutboxWorker.layer(
    Shop,
    { park: handlers, charge: handlers, once: handlers, lane: handlers, look: handlers },
    options
  )
const work = (time: Parameters<typeof TestClock.adjust>[0] = "1 minute", options?: OutboxWorker.Options) =>
  Effect.scoped(Effect.andThen(Layer.build(worker(options)), TestClock.adjust(time)))

type Has = Shop | Provider | OutboxStore.OutboxStore | OutboxAdmin.OutboxAdmin

const ShopMemory = Shop.layer.pipe(
  Layer.provideMerge(Provider.layer),
  Layer.provideMerge(OutboxAdmin.layer),
  Layer.provideMerge(OutboxStoreMemory.layer)
)

const fresh = Effect.sync(() => {
  told.length = 0
  dead.length = 0
  failing = 0
})
const effect = (name: string, body: () => Effect.Effect<void, unknown, Has>) =>
  it.effect(name, () => Effect.andThen(fresh, Effect.provide(Effect.suspend(body), ShopMemory)))

const only = Effect.gen(function* () {
  const store = yield* OutboxStore.OutboxStore
  const all = yield* store.list({}, { limit: 10 })
  assert.strictEqual(all.length, 1)
  return all[0]!
})

/** A charge that may have happened, and whose key is too old to ask again. */
const unclear = Effect.gen(function* () {
  const shop = yield* Shop
  const provider = yield* Provider
  provider.next("Lost", "Lost")
  const fiber = yield* Effect.forkChild(Effect.exit(shop.charge(order)))
  yield* TestClock.adjust("40 seconds")
  yield* Fiber.join(fiber)
  yield* TestClock.adjust("25 hours")
  yield* work()
  assert.deepStrictEqual(told.splice(0), ["unclear key expired Unknown"])
  return { admin: yield* OutboxAdmin.OutboxAdmin, id: (yield* only).id, provider }
})

describe("a result that a person gives", () => {
  effect("reaches onDelivered, decoded, until it has run to its end; then Outbox.await gives it; nothing is sent", () =>
    Effect.gen(function* () {
      const { admin, id, provider } = yield* unclear
      failing = 3
      yield* admin.resolve(id, { ...signed, result: { id: "ch_seen" } })
      const before = yield* only
      assert.deepStrictEqual(
        [before.state, before.outcome, before.attempts, before.generation],
        ["Pending", "Applied", 0, 1]
      )
      assert.include(OutboxAdmin.next(before), "a worker tells its handler")
      const waiting = yield* Effect.forkChild(Outbox.await(Shop, "charge", id))
      yield* work("5 minutes")
      assert.deepStrictEqual(
        told,
        Array.from({ length: 4 }, () => "delivered o1 ch_seen Applied")
      )
      assert.deepStrictEqual(yield* Fiber.join(waiting), { id: "ch_seen" })
      const after = yield* only
      assert.deepStrictEqual([after.state, after.payload, after.answer], ["Delivered", "", undefined])
      assert.strictEqual(provider.sent.length, 2)
      const error: OutboxError = yield* Effect.flip(admin.resolve(id, { ...signed, result: { id: "ch_other" } }))
      assert.strictEqual(error.reason, "WrongState")
    })
  )

  effect("is kept as long as the person wants, not as long as the worker does", () =>
    Effect.gen(function* () {
      const { admin, id } = yield* unclear
      const store = yield* OutboxStore.OutboxStore
      yield* admin.resolve(id, { ...signed, result: { id: "ch_seen" }, keep: Duration.days(3) })
      failing = 1
      yield* work("1 minute", { keepResults: "1 hour" })
      yield* TestClock.adjust("2 days")
      yield* store.sweep({ limit: 10 })
      assert.deepStrictEqual(yield* Outbox.await(Shop, "charge", id), { id: "ch_seen" })
      yield* TestClock.adjust("1 day")
      yield* store.sweep({ limit: 10 })
      assert.isTrue(Option.isNone(yield* store.get(id)))
    })
  )

  effect("and that the schema does not read makes the entry unclear again, and says why; another one is taken", () =>
    Effect.gen(function* () {
      const { admin, id, provider } = yield* unclear
      yield* admin.resolve(id, { ...signed, result: { ident: 7 } })
      failing = 2
      yield* work()
      assert.deepStrictEqual(
        told.splice(0),
        Array.from({ length: 3 }, () => "unclear schema Applied")
      )
      const { answer, history, state, why } = yield* only
      assert.deepStrictEqual([state, why, answer], ["NeedsReconcile", "schema", undefined])
      const lines = history.filter(({ reason }) => reason === "InvalidInput")
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0]!.message, "the result can't be read")
      yield* admin.resolve(id, { ...signed, result: { id: "ch_right" } })
      yield* work()
      assert.deepStrictEqual(told, ["delivered o1 ch_right Applied"])
      assert.deepStrictEqual(yield* Outbox.await(Shop, "charge", id), { id: "ch_right" })
      assert.strictEqual(provider.sent.length, 2)
    })
  )

  effect("is told for a dead call too, and for one that may be sent once only", () =>
    Effect.gen(function* () {
      const shop = yield* Shop
      const provider = yield* Provider
      const admin = yield* OutboxAdmin.OutboxAdmin
      provider.next("Declined", "Lost")
      yield* Effect.flip(shop.charge(order))
      yield* Effect.exit(shop.once({ order: "o2", amount: 1 }))
      yield* work()
      assert.deepStrictEqual(told.splice(0).toSorted(), ["dead Declined rejected", "unclear sent once Unknown"])
      const { entries } = yield* admin.list({ states: ["Dead", "NeedsReconcile"] })
      for (const { id, operation } of entries) yield* admin.resolve(id, { ...signed, result: { id: operation } })
      yield* work()
      assert.deepStrictEqual(told.toSorted(), ["delivered o1 charge Applied", "delivered o2 once Applied"])
      assert.strictEqual(provider.sent.length, 2)
    })
  )

  effect("that is null, or nothing that JSON has, is told from none", () =>
    Effect.gen(function* () {
      const { admin, id } = yield* unclear
      for (const result of [() => 1, Symbol("x"), { big: 1n }]) {
        const error: OutboxError = yield* Effect.flip(admin.resolve(id, { ...signed, result }))
        assert.strictEqual(error.reason, "Invalid")
      }
      assert.strictEqual((yield* only).state, "NeedsReconcile")
      yield* admin.resolve(id, signed)
      assert.strictEqual((yield* only).state, "Delivered")
      yield* work()
      assert.deepStrictEqual(told, [])
      const gone: OutboxError = yield* Effect.flip(Outbox.await(Shop, "charge", id))
      assert.strictEqual(gone.reason, "ResultGone")
    })
  )

  it.effect(
    "waits for a deploy that can read the input, and is told then: no handler gets less than its type says",
    () => {
      let lost = false
      return Effect.gen(function* () {
        const { admin, id, provider } = yield* unclear
        yield* admin.resolve(id, { ...signed, result: { id: "ch_seen" } })
        lost = true
        yield* work("10 minutes")
        assert.deepStrictEqual(told, [])
        const { answer, state } = yield* only
        assert.deepStrictEqual([state, answer === undefined], ["Pending", false])
        lost = false
        yield* work("10 minutes")
        assert.deepStrictEqual(told, ["delivered o1 ch_seen Applied"])
        assert.strictEqual(provider.sent.length, 2)
      }).pipe(
        Effect.provide(ShopMemory),
        Effect.provideService(OutboxStore.Cipher, {
          encrypt: (text) => Effect.succeed(`<${text}>`),
          decrypt: (text) =>
            lost && text.includes('"input"') ? Effect.fail("no key") : Effect.succeed(text.slice(1, -1))
        }),
        (self) => Effect.andThen(fresh, self)
      )
    }
  )
})

// ---- in the transaction of the handler

const databases: ReadonlyArray<{
  readonly name: string
  readonly skip: string | undefined
  readonly open: Effect.Effect<
    { readonly client: Effect.Effect<SqlClient.SqlClient, unknown, Scope.Scope>; readonly table: string },
    unknown,
    Scope.Scope
  >
}> = [
  {
    name: "SQLite",
    skip: undefined,
    open: Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const filename = `${folder}/outbox.db`
      const client = Effect.map(Layer.build(Layer.fresh(SqliteClient.layer({ filename }))), (context) =>
        Context.get(context, SqlClient.SqlClient)
      )
      yield* Effect.provideService(SqlOutboxStore.migrate({ table: "outbox" }), SqlClient.SqlClient, yield* client)
      return { client, table: "outbox" }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  },
  { name: "PostgreSQL", skip, open: openPostgres("read committed") }
]

for (const { name, open, skip } of databases) {
  describe.skipIf(skip !== undefined)(`over ${name}${skip === undefined ? "" : `: ${skip}`}`, () => {
    it.live("the handler's writes and the delivery are one transaction, and a failed one leaves neither", () =>
      Effect.gen(function* () {
        yield* fresh
        const { client, table } = yield* open
        const sql = yield* client
        const paid = sql(`${table}_paid`)
        yield* sql`CREATE TABLE ${paid} (charge TEXT NOT NULL)`
        let failures = 2
        const Worker = OutboxWorker.layer(
          Shop,
          {
            park: handlers,
            once: {
              ...handlers,
              onDelivered: ({ id }) =>
                Effect.gen(function* () {
                  yield* (yield* SqlClient.SqlClient)`INSERT INTO ${paid} ${sql.insert({ charge: id })}`
                  if (failures-- > 0) return yield* Effect.fail("not now")
                  return yield* tell(`delivered ${id}`)
                })
            },
            charge: handlers,
            lane: handlers,
            look: handlers
          },
          { schedule: Schedule.spaced("20 millis"), pollInterval: "10 millis" }
        )
        const layer = Shop.layer.pipe(
          Layer.provideMerge(Provider.layer),
          Layer.provideMerge(OutboxAdmin.layer),
          Layer.provideMerge(Layer.effect(OutboxStore.OutboxStore, SqlOutboxStore.make({ table }))),
          Layer.provideMerge(Layer.succeed(SqlClient.SqlClient, sql))
        )
        yield* Effect.gen(function* () {
          const shop = yield* Shop
          const provider = yield* Provider
          const admin = yield* OutboxAdmin.OutboxAdmin
          const store = yield* OutboxStore.OutboxStore
          const until = (state: "NeedsReconcile" | "Delivered") =>
            Effect.scoped(
              Effect.gen(function* () {
                yield* Layer.build(Layer.fresh(Worker))
                while ((yield* store.list({ states: [state] }, { limit: 1 })).length === 0) yield* Effect.sleep(10)
              })
            )
          provider.next("Lost")
          yield* Effect.exit(shop.once(order))
          yield* until("NeedsReconcile")
          const { id } = yield* only
          yield* admin.resolve(id, { ...signed, result: { id: "l_1" } })
          assert.deepStrictEqual(yield* sql`SELECT charge FROM ${paid}`, [])
          yield* until("Delivered")
          assert.deepStrictEqual(yield* sql`SELECT charge FROM ${paid}`, [{ charge: "l_1" }])
          assert.deepStrictEqual(told, ["unclear sent once Unknown", "delivered l_1"])
          assert.strictEqual(failures, -1)
          assert.strictEqual(provider.sent.length, 1)
          assert.deepStrictEqual(yield* Outbox.await(Shop, "once", id), { id: "l_1" })
        }).pipe(Effect.provide(layer), Effect.scoped)
      })
    )
  })
}

// ---- errors

describe("a declared error of an operation without HTTP", () => {
  for (const inline of [true, false]) {
    effect(`is the same for every run of the handler, ${inline ? "answered at once" : "from a worker"}`, () =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const provider = yield* Provider
        if (!inline) {
          provider.next("Down", "Down")
          const fiber = yield* Effect.forkChild(shop.charge(order))
          yield* TestClock.adjust("40 seconds")
          assert.isTrue(Outbox.isQueued(yield* Fiber.join(fiber)))
        }
        provider.next("Declined")
        failing = 2
        if (inline) assert.deepStrictEqual(yield* Effect.flip(shop.charge(order)), new Declined({ order: "o1" }))
        yield* work("10 minutes")
        assert.deepStrictEqual(
          told,
          Array.from({ length: 3 }, () => "dead Declined rejected")
        )
        for (const error of dead) {
          assert.instanceOf(error, Declined)
          assert.deepStrictEqual(error, new Declined({ order: "o1" }))
        }
        assert.strictEqual(provider.sent.length, inline ? 1 : 3)
      })
    )
  }

  it.effect("has to have a schema where calls are stored, or the layer fails and says so", () =>
    Effect.gen(function* () {
      class Full extends Data.TaggedError("Full")<{ readonly shelf: string }> {}
      const put = Operation.mutation("put", {
        input: Schema.String,
        success: Schema.String,
        idempotency: Idempotency.keyed((shelf: string) => IdempotencyKey.derive("put", shelf), { lifetime: "1 day" }),
        send: (shelf: string) => Effect.fail(new Full({ shelf })),
        translate: { Full: ({ shelf }: Full) => new Declined({ order: shelf }) }
      })
      const decided = {
        policy: Policy.standard(),
        exhausted: Exhaustion.fail,
        orElse: () => new ShopDown({ outcome: "Unknown", reason: "Failed", parkFailed: undefined })
      }
      class Stored extends Integration.Service<Stored>()("test/Stored", decided, { put: Outbox.writeAhead(put) }) {}
      class Live extends Integration.Service<Live>()("test/Live", decided, { put }) {}
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(Integration.layer(Stored).pipe(Layer.provide(OutboxStoreMemory.layer))))
      )
      assert.strictEqual(error._tag, "PolicyError")
      assert.include(error.message, "Full")
      const live = yield* Effect.flip(
        Effect.flatMap(Live, (own) => own.put("a")).pipe(Effect.provide(Integration.layer(Live)))
      )
      assert.instanceOf(live, Declined)
    })
  )
})
