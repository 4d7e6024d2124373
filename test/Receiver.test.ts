import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, IdempotencyStore, IdempotencyStoreMemory, Receiver } from "breakwater"
import { Cause, Clock, Context, Data, Duration, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"

const Message = Schema.Struct({ id: Schema.String, amount: Schema.Int })
type Message = typeof Message.Type
const message = { id: "m-1", amount: 42 }

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
class Broken extends Data.TaggedError("Broken")<{}> {}
class NotYet extends Data.TaggedError("NotYet")<{}> {}

const memory = Effect.map(Effect.scoped(Layer.build(IdempotencyStoreMemory.layer)), (context) =>
  Context.get(context, IdempotencyStore.IdempotencyStore)
)

/** A receiver whose runs are counted, over a store that the test can look into. */
const counted = <E = never, R = never>(
  run: (message: Message, n: number) => Effect.Effect<string, E, R> = (_, n) => Effect.succeed(`run ${n}`),
  more: Partial<Receiver.Options<Receiver.Leased, Message, string, Declined>> = {}
) =>
  Effect.map(memory, (store) => {
    const runs: Array<string> = []
    const receive = Receiver.once({
      name: "charge",
      mode: Receiver.leased({ onLostLease: "rerun", lease: "30 seconds", maxRun: "5 minutes" }),
      input: Message,
      key: ({ id }) => id,
      success: Schema.String,
      error: Declined,
      nothingHappened: (error) => error instanceof NotYet,
      ...more
    })((input: Message) =>
      Effect.suspend(() => {
        runs.push(input.id)
        return run(input, runs.length)
      })
    )
    const provided = (input: Message) => Effect.provideService(receive(input), IdempotencyStore.IdempotencyStore, store)
    return { receive: provided, runs, store, record: store.get({ scope: "charge", key: "m-1" }) }
  })

const reasonOf = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(self), (error) => {
    assert.instanceOf(error, Receiver.ReceiverError)
    return error as Receiver.ReceiverError
  })

describe("Receiver.once, leased", () => {
  it.effect("runs once per key, and answers again what was answered", () =>
    Effect.gen(function* () {
      const { receive, record, runs } = yield* counted()
      assert.strictEqual(yield* receive(message), "run 1")
      assert.strictEqual(yield* receive(message), "run 1")
      assert.strictEqual(yield* receive({ ...message, id: "m-2" }), "run 2")
      assert.deepStrictEqual(runs, ["m-1", "m-2"])
      assert.strictEqual(Option.getOrThrow(yield* record).state, "Done")
    })
  )

  it.effect("a failure that is an answer is stored; one that is none is not", () =>
    Effect.gen(function* () {
      const declined = yield* counted(() => Effect.fail(new Declined({ code: "limit" })))
      for (const _ of [1, 2]) {
        assert.deepStrictEqual(yield* Effect.flip(declined.receive(message)), new Declined({ code: "limit" }))
      }
      assert.strictEqual(declined.runs.length, 1)

      const broken = yield* counted(() => Effect.fail(new Broken()))
      for (const _ of [1, 2]) assert.instanceOf(yield* Effect.flip(broken.receive(message)), Broken)
      assert.strictEqual(broken.runs.length, 2)
    })
  )

  it.effect("where nothing happened the key is free again", () =>
    Effect.gen(function* () {
      const { receive, record, runs } = yield* counted((_, n) =>
        n === 1 ? Effect.fail(new NotYet()) : Effect.succeed("ok")
      )
      assert.instanceOf(yield* Effect.flip(receive(message)), NotYet)
      assert.isTrue(Option.isNone(yield* record))
      assert.strictEqual(yield* receive(message), "ok")
      assert.strictEqual(runs.length, 2)
    })
  )

  it.effect("a defect is not stored, with hold it is held", () =>
    Effect.gen(function* () {
      const held = yield* counted(() => Effect.die(new Error("a bug")), {
        mode: Receiver.leased({ onLostLease: "hold" })
      })
      const first = yield* Effect.exit(held.receive(message))
      assert.isTrue(Exit.isFailure(first) && Cause.hasDies(first.cause))
      assert.strictEqual((yield* reasonOf(held.receive(message))).reason, "OutcomeUnknown")
      const [record] = yield* held.store.held({ limit: 10 })
      assert.deepStrictEqual([record!.scope, record!.key], ["charge", "m-1"])
      assert.isTrue(yield* held.store.resolve(record!, { _tag: "Absent" }))
      yield* Effect.exit(held.receive(message))
      assert.strictEqual(held.runs.length, 2)
    })
  )

  it.effect("a key that comes again with another input is refused, and the stored answer stays secret", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted(() => Effect.succeed("s3cret"))
      yield* receive(message)
      const error = yield* reasonOf(receive({ ...message, amount: 43 }))
      assert.strictEqual(error.reason, "KeyReused")
      assert.notInclude(`${error.message}${JSON.stringify(error)}`, "s3cret")
      assert.strictEqual(
        error.message,
        "charge m-1: the key was used before with another input; reject it; its sender has a bug"
      )
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("meanwhile others fail as InProgress, or wait for the answer", () =>
    Effect.gen(function* () {
      const slow = () => Effect.as(Effect.sleep("10 seconds"), "slow")
      const { receive, runs } = yield* counted(slow)
      const first = yield* Effect.forkChild(receive(message), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const error = yield* reasonOf(receive(message))
      assert.strictEqual(error.reason, "InProgress")
      assert.isAtMost(Duration.toMillis(error.retryAfter!), 30_000)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(first), "slow")
      assert.strictEqual(runs.length, 1)

      const waiting = yield* counted(slow, { wait: "15 seconds" })
      const both = yield* Effect.forkChild(
        Effect.all([waiting.receive(message), waiting.receive(message)], { concurrency: 2 }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* Fiber.join(both), ["slow", "slow"])
      assert.strictEqual(waiting.runs.length, 1)
    })
  )

  it.effect("the lease is renewed while the handler works", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted(() => Effect.as(Effect.sleep("4 minutes"), "late"))
      const first = yield* Effect.forkChild(receive(message), { startImmediately: true })
      for (let n = 0; n < 10; n++) {
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual((yield* reasonOf(receive(message))).reason, "InProgress")
      }
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(first), "late")
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("a handler that hangs is cut after maxRun, and the next arrival runs at once", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted((_, n) => (n === 1 ? Effect.never : Effect.succeed("ok")))
      const first = yield* Effect.forkChild(Effect.exit(receive(message)), { startImmediately: true })
      yield* TestClock.adjust("5 minutes")
      const exit = yield* Fiber.join(first)
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "maxRun")
      assert.strictEqual(yield* receive(message), "ok")
      assert.strictEqual(runs.length, 2)
    })
  )

  it.effect("an interrupted arrival gives its lease up", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted((_, n) => (n === 1 ? Effect.never : Effect.succeed("ok")))
      const first = yield* Effect.forkChild(receive(message), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* receive(message), "ok")
      assert.strictEqual(runs.length, 2)
    })
  )

  it.effect("one that was paused past its lease can't write, and answers what the other one stored", () =>
    Effect.gen(function* () {
      const { receive, runs, store } = yield* counted()
      // The first owner's renewals don't reach the store: its process is paused, or cut off.
      const paused: IdempotencyStore.Store = { ...store, renew: () => Effect.succeed(true) }
      const other = Receiver.once({
        name: "charge",
        mode: Receiver.leased({ onLostLease: "rerun", lease: "30 seconds" }),
        input: Message,
        key: ({ id }) => id,
        success: Schema.String
      })(() => Effect.as(Effect.sleep("40 seconds"), "the paused one's"))
      const first = yield* Effect.forkChild(
        Effect.provideService(other(message), IdempotencyStore.IdempotencyStore, paused),
        { startImmediately: true }
      )
      yield* TestClock.adjust("31 seconds")
      const second = yield* Effect.forkChild(receive(message), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(second), "run 1")
      assert.strictEqual(yield* Fiber.join(first), "run 1")
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("what is too large is done, but not kept", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted(() => Effect.succeed("x".repeat(100)), { maxStored: 50 })
      yield* receive(message)
      assert.strictEqual((yield* reasonOf(receive(message))).reason, "ResponseNotStored")
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("after its time to live a key is new", () =>
    Effect.gen(function* () {
      const { receive } = yield* counted(undefined, { timeToLive: "1 hour" })
      assert.strictEqual(yield* receive(message), "run 1")
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* receive(message), "run 1")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* receive(message), "run 2")
    })
  )

  it.effect("tenants never meet, whatever their names", () =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted(undefined, { scope: ({ amount }) => `tenant-${amount}` })
      yield* receive(message)
      yield* receive({ ...message, amount: 43 })
      assert.strictEqual(runs.length, 2)
    })
  )

  it.effect.each(["", "a b", "ü", "x".repeat(256)])("refuses a key that is none: %s", (id) =>
    Effect.gen(function* () {
      const { receive, runs } = yield* counted()
      assert.strictEqual((yield* reasonOf(receive({ id, amount: 1 }))).reason, "InvalidKey")
      assert.strictEqual(runs.length, 0)
    })
  )

  describe("a store that fails", () => {
    const down = (operation: keyof IdempotencyStore.Store) =>
      Effect.fail(
        new IdempotencyStore.StoreError({
          reason: "Unavailable",
          store: "test",
          operation,
          tookEffect: "unknown",
          cause: undefined
        })
      )
    const over = <A, E>(store: IdempotencyStore.Store, self: Effect.Effect<A, E, IdempotencyStore.IdempotencyStore>) =>
      Effect.provideService(self, IdempotencyStore.IdempotencyStore, store)
    let runs = 0
    const receive = Receiver.once({
      name: "charge",
      mode: Receiver.leased({ onLostLease: "rerun", lease: "30 seconds" }),
      input: Message,
      key: ({ id }) => IdempotencyKey.derive("charge", id),
      success: Schema.Int
    })(() => Effect.sync(() => ++runs))

    it.effect("before the handler: nothing runs unprotected", () =>
      Effect.gen(function* () {
        const store = yield* memory
        runs = 0
        const error = yield* reasonOf(over({ ...store, claim: () => down("claim") }, receive(message)))
        assert.strictEqual(error.reason, "StoreUnavailable")
        assert.isDefined(error.retryAfter)
        assert.strictEqual(runs, 0)
      })
    )

    it.effect("after it: tried again within the lease, and never an error", () =>
      Effect.gen(function* () {
        const store = yield* memory
        runs = 0
        let failures = 0
        const flaky: IdempotencyStore.Store = {
          ...store,
          complete: (owner, options) => (failures++ < 3 ? down("complete") : store.complete(owner, options))
        }
        const fiber = yield* Effect.forkChild(over(flaky, receive(message)), { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), 1)
        assert.strictEqual(yield* over(store, receive(message)), 1)

        const gone: IdempotencyStore.Store = { ...store, complete: () => down("complete") }
        const other = { ...message, id: "m-2" }
        const second = yield* Effect.forkChild(over(gone, receive(other)), { startImmediately: true })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(second), 2)
      })
    )
  })
})

describe("Receiver.step", () => {
  it.effect("with resume a step that was saved is not repeated, and a child's key is the same", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { receive } = yield* counted(
        (_, n) =>
          Effect.gen(function* () {
            const key = yield* Receiver.childKey("reserve")
            const reserved = yield* Receiver.step(
              "reserve",
              Schema.String
            )(
              Effect.sync(() => {
                seen.push(`reserve ${IdempotencyKey.toText(key)}`)
                return "r-1"
              })
            )
            if (n === 1) return yield* new Broken()
            seen.push(`charge after ${reserved} ${IdempotencyKey.toText(key)}`)
            return "ok"
          }),
        { mode: Receiver.leased({ onLostLease: "resume", lease: "30 seconds" }) }
      )
      assert.instanceOf(yield* Effect.flip(receive(message)), Broken)
      assert.strictEqual(yield* receive(message), "ok")
      const key = IdempotencyKey.toText(IdempotencyKey.derive("reserve", "charge", "m-1"))
      assert.deepStrictEqual(seen, [`reserve ${key}`, `charge after r-1 ${key}`])
    })
  )

  it.effect("with rerun it runs again from the start", () =>
    Effect.gen(function* () {
      let reserved = 0
      const { receive } = yield* counted((_, n) =>
        Effect.gen(function* () {
          yield* Receiver.step("reserve", Schema.Int)(Effect.sync(() => ++reserved))
          if (n === 1) return yield* new Broken()
          return "ok"
        })
      )
      yield* Effect.flip(receive(message))
      yield* receive(message)
      assert.strictEqual(reserved, 2)
    })
  )

  it.effect("one that lost its lease is interrupted before it goes on", () =>
    Effect.gen(function* () {
      const went: Array<string> = []
      const store = yield* memory
      const taken: IdempotencyStore.Store = { ...store, saveStep: () => Effect.succeed(false) }
      const receive = Receiver.once({
        name: "charge",
        mode: Receiver.leased({ onLostLease: "resume" }),
        input: Message,
        key: ({ id }) => id,
        success: Schema.Void
      })(() =>
        Effect.gen(function* () {
          yield* Receiver.step("one", Schema.Void)(Effect.sync(() => void went.push("one")))
          went.push("two")
        })
      )
      const exit = yield* Effect.exit(Effect.provideService(receive(message), IdempotencyStore.IdempotencyStore, taken))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(went, ["one"])
      assert.isAtLeast(yield* Clock.currentTimeMillis, 0)
    })
  )
})
