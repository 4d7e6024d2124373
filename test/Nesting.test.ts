// A call inside another integration's retried call: the retries of both come out of one allowance.
import { assert, describe, it } from "@effect/vitest"
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  Integration,
  Operation,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { Context, Effect, Exit, Fiber, Layer, Logger, Option, Random, Schema } from "effect"
import { CallRecord } from "../src/internal/call.ts"
import { Allowance, allowanceAround, Current, note, seenAround } from "../src/internal/nesting.ts"
import {
  between,
  Failed,
  failureOf,
  oneOf,
  say,
  type Said,
  seed,
  seededly,
  settle,
  tries
} from "./properties/support.ts"

const fast = Policy.backoff({ base: 0, throttledBase: 0 })

interface Setup {
  readonly outer?: Policy.Policy<Policy.Provides, "any">
  readonly inner?: Policy.Policy<Policy.Provides, "any">
  /** What a request of the inner provider does, from 1. */
  readonly send?: (n: number) => Effect.Effect<unknown, Said>
  /** What the outer's send does with a call of the inner one. */
  readonly around?: <A, E>(inner: Effect.Effect<A, E>) => Effect.Effect<unknown, E>
  readonly find?: (inner: Effect.Effect<unknown, unknown>) => Effect.Effect<Option.Option<unknown>, unknown>
  readonly name?: string
  /** What else is done with a log line. */
  readonly log?: () => void
}

const standard = (maxAttempts: number, budget: Parameters<typeof Policy.budget>[0] | false = false) =>
  Policy.standard({ maxAttempts, schedule: fast, budget, totalDeadline: "5 minutes" })

/** `Shop.place`, whose send charges at `Bank`. Both say that their provider is unavailable when it is. */
const nested = (setup: Setup) =>
  Effect.gen(function* () {
    const events: Array<Telemetry.CallObserved> = []
    const logs: Array<string> = []
    let requests = 0
    let outerRequests = 0
    const name = setup.name ?? "test/Bank"
    class Bank extends Integration.Service<Bank>()(
      name,
      { policy: setup.inner ?? standard(3), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
      {
        charge: Operation.query("charge", {
          success: Schema.Json,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send: () => Effect.suspend(() => (setup.send ?? (() => say(Reason.unavailable())))(++requests))
        })
      }
    ) {}
    class Shop extends Integration.Service<Shop>()(
      "test/Shop",
      { policy: setup.outer ?? standard(3), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
      {
        place: Operation.mutation("place", {
          idempotency: (setup.find === undefined
            ? Idempotency.inherent("a test")
            : Idempotency.reconcilable(
                () => Effect.flatMap(Bank, (bank) => setup.find!(bank.charge())) as Effect.Effect<never, never, Bank>,
                { settle: 1 }
              )) as Idempotency.Idempotency<void, Schema.Json, Bank, "Idempotent">,
          success: Schema.Json,
          classify: () => Reason.unavailable(),
          translate: { Failed: () => undefined as never },
          send: () =>
            Effect.flatMap(Bank, (bank) => {
              outerRequests++
              if (setup.find !== undefined) return Effect.fail(new Failed({ failure: undefined as never }))
              return (setup.around ?? ((self) => self))(bank.charge())
            })
        })
      }
    ) {}
    const capture = Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn" && /retried inside/.test(String(message))) logs.push(String(message))
      setup.log?.()
    })
    const context = yield* Layer.build(
      Layer.orDie(
        Integration.layer(Shop).pipe(
          Layer.provideMerge(Integration.layer(Bank)),
          Layer.provide(Telemetry.layerObserver((event) => events.push(event)))
        )
      )
    )
    const quietly = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.provide(self, Logger.layer([capture]))
    const place = Context.get(context, Shop).place() as Effect.Effect<unknown, Failed>
    return {
      place: quietly(place),
      charge: quietly(Context.get(context, Bank).charge()),
      events,
      logs,
      requests: () => requests,
      outerRequests: () => outerRequests,
      plan: () => Integration.plan(Bank).operations[0]!,
      text: () => Integration.planText(Bank)
    }
  })

const stoppedOf = (exit: Exit.Exit<unknown, unknown>): CallFailure.Stopped => failureOf(exit)!.stopped

describe("retries inside a retried call", () => {
  it.effect("don't multiply: the inner provider gets as many requests as the outer call has attempts", () =>
    Effect.gen(function* () {
      const { events, outerRequests, place, requests } = yield* nested({ name: "test/Bank1" })
      yield* settle(place)
      assert.strictEqual(requests(), 3)
      assert.strictEqual(outerRequests(), 1)
      const [inner, outer] = events
      assert.deepStrictEqual([inner!.integration, outer!.integration], ["test/Bank1", "test/Shop"])
      assert.deepStrictEqual([inner!.attempts.length, outer!.attempts.length], [3, 1])
      assert.deepStrictEqual(outer!.decisions.at(-1)?.decided, "stopped")
    }).pipe(seededly(1))
  )

  it.effect.prop(
    "at most as many as the outer call's attempts, of any policies, in the same fiber or in children",
    { seed, outer: between(2, 6), inner: between(1, 6), rate: between(0, 10), fork: oneOf([true, false]) },
    ({ fork, inner, outer, rate, seed }) =>
      Effect.gen(function* () {
        const made = yield* nested({
          outer: standard(outer),
          inner: standard(inner),
          send: () =>
            Effect.flatMap(Random.next, (random) =>
              random < rate / 10 ? say(Reason.unavailable()) : Effect.succeed("ok")
            ),
          around: (self) =>
            fork ? Effect.flatMap(Effect.forkChild(self, { startImmediately: true }), Fiber.join) : self
        })
        yield* settle(made.place)
        assert.isAtMost(made.requests(), outer)
        const innerEvents = made.events.filter(({ integration }) => integration === "test/Bank")
        for (const { attempts } of innerEvents) assert.isAtMost(attempts.length, inner)
        assert.isAtMost(made.outerRequests(), outer)
        // A provider that is down gets all of them: the guard takes no more than it must.
        if (rate === 10) assert.strictEqual(made.requests(), outer)
      }).pipe(seededly(seed)),
    tries(150)
  )

  it.effect("say that the retries of the call around it are spent", () =>
    Effect.gen(function* () {
      const stopped: Array<CallFailure.Stopped> = []
      const { place } = yield* nested({
        inner: standard(5),
        around: (self) =>
          Effect.tapError(self, (error) =>
            Effect.sync(() => stopped.push((error as unknown as Failed).failure.stopped))
          )
      })
      assert.strictEqual(stoppedOf(yield* settle(place)), "attempts are spent")
      assert.deepStrictEqual(stopped, ["the retries of the call around it are spent"])
    }).pipe(seededly(1))
  )

  it.effect("a loop keeps to its own attempts as well, and the outer one has the rest", () =>
    Effect.gen(function* () {
      const { outerRequests, place, requests } = yield* nested({ outer: standard(5), inner: standard(2) })
      yield* settle(place)
      assert.strictEqual(requests(), 5)
      // 2, 2 and 1: the inner ones took two of the four retries, the outer call the other two.
      assert.strictEqual(outerRequests(), 3)
    }).pipe(seededly(1))
  )

  it.effect.each([
    ["retryNever", Policy.stack(standard(3), Policy.retryNever("a test"))],
    ["one attempt", standard(1)],
    ["retries in observe", Policy.stack(standard(3), Policy.withMode(Policy.retry(fast), "observe"))],
    ["retries that are off", Policy.stack(standard(3), Policy.withMode(Policy.retry(fast), "off"))]
  ] as const)("an outer call that is not retried leaves the inner one its own: %s", ([, outer]) =>
    Effect.gen(function* () {
      const { logs, outerRequests, place, requests } = yield* nested({ outer, inner: standard(4) })
      yield* settle(place)
      assert.deepStrictEqual([outerRequests(), requests()], [1, 4])
      assert.deepStrictEqual(logs, [])
    }).pipe(seededly(1))
  )

  it.effect("a call outside has its own again, and so has what outlives the outer call", () =>
    Effect.gen(function* () {
      let started: Fiber.Fiber<unknown, unknown> | undefined
      const { charge, place, requests } = yield* nested({
        // With one retry left of the outer call's, its own are more.
        outer: standard(2),
        around: (self) =>
          Effect.as(
            Effect.tap(Effect.forkDetach(Effect.delay(self, "1 minute")), (fiber) =>
              Effect.sync(() => (started = fiber))
            ),
            "done"
          )
      })
      assert.deepStrictEqual(yield* settle(place), Exit.succeed("done"))
      yield* settle(Fiber.await(started!))
      assert.strictEqual(requests(), 3)
      yield* settle(charge)
      assert.strictEqual(requests(), 6)
    }).pipe(seededly(1))
  )

  it.effect("a second outer call has an allowance of its own", () =>
    Effect.gen(function* () {
      const { place, requests } = yield* nested({})
      yield* settle(Effect.all([Effect.exit(place), Effect.exit(place)], { concurrency: 2 }))
      assert.strictEqual(requests(), 6)
    }).pipe(seededly(1))
  )

  it.effect("an effect that Policy.retry repeats alone is an outer call too", () =>
    Effect.gen(function* () {
      const { charge, logs, requests } = yield* nested({ inner: standard(3) })
      yield* settle(
        charge.pipe(Policy.retry(fast, { repeats: "a test", classify: () => Reason.unavailable(), maxAttempts: 4 }))
      )
      assert.strictEqual(requests(), 4)
      assert.include(logs[0], "test/Bank.charge is retried inside (no integration).retry")
    }).pipe(seededly(1))
  )

  it.effect("an integration inside itself counts", () =>
    Effect.gen(function* () {
      let requests = 0
      class Self extends Integration.Service<Self>()(
        "test/Self",
        {
          policy: standard(3, { capacity: 28 }),
          exhausted: Exhaustion.fail,
          orElse: (failure) => new Failed({ failure })
        },
        {
          call: Operation.query("call", {
            input: Schema.Number,
            success: Schema.Json,
            classify: () => Reason.unavailable(),
            translate: {} as { readonly Failed: () => never; readonly Said: () => never },
            send: (depth: number): Effect.Effect<unknown, Failed | Said, Self> =>
              depth > 0
                ? Effect.flatMap(Self, (self) => self.call(depth - 1) as Effect.Effect<unknown, Failed>)
                : Effect.suspend(() => (requests++, say(Reason.unavailable())))
          })
        }
      ) {}
      const lazy: { current: Self["Service"] | undefined } = { current: undefined }
      const layer = Integration.layer(Self).pipe(
        Layer.provide(
          Layer.succeed(Self, { call: (depth: number) => Effect.suspend(() => lazy.current!.call(depth)) } as never)
        )
      )
      lazy.current = Context.get(yield* Layer.build(Layer.orDie(layer)), Self)
      yield* settle(Effect.exit(lazy.current.call(2)))
      // And pays once for each retry, however deep it is made: 28 tokens are two.
      assert.strictEqual(requests, 3)
    }).pipe(seededly(1))
  )

  it.effect("looks for what may have happened are inside the call: they share its retries", () =>
    Effect.gen(function* () {
      const { logs, outerRequests, place, requests } = yield* nested({
        outer: standard(4),
        inner: standard(3),
        send: (n) => (n === 1 ? say(Reason.unavailable()) : Effect.succeed("nothing")),
        find: (inner) => Effect.as(inner, Option.none())
      })
      yield* settle(place)
      // Three repeats were allowed, and the first look took one of them to look again.
      assert.strictEqual(outerRequests(), 3)
      assert.strictEqual(requests(), 3)
      // That is how a look is meant to be made: there is nothing to warn of.
      assert.deepStrictEqual(logs, [])
    }).pipe(seededly(1))
  )

  it.effect("legs of a hedged call share the allowance: requests are at most its attempts times its legs", () =>
    Effect.gen(function* () {
      let requests = 0
      const down = Effect.suspend(() => (requests++, Effect.delay(say(Reason.unavailable()), 200)))
      const options = {
        exhausted: Exhaustion.fail,
        orElse: (failure: CallFailure.CallFailure) => new Failed({ failure })
      }
      class Bank extends Integration.Service<Bank>()(
        "test/Bank4",
        { policy: standard(3), ...options },
        {
          rate: Operation.query("rate", {
            success: Schema.Json,
            classify: ({ verdict }: Said) => verdict,
            translate: { Said: () => undefined as never },
            send: () => down
          })
        }
      ) {}
      class Shop extends Integration.Service<Shop>()(
        "test/Shop",
        { policy: Policy.stack(standard(3), Policy.hedge({ after: 100, maxExtraLoad: 1 })), ...options },
        {
          price: Operation.query("price", {
            success: Schema.Json,
            classify: () => Reason.unavailable(),
            translate: { Failed: () => undefined as never },
            send: () => Effect.flatMap(Bank, (bank) => bank.rate())
          })
        }
      ) {}
      const context = yield* Layer.build(
        Layer.orDie(Integration.layer(Shop).pipe(Layer.provideMerge(Integration.layer(Bank))))
      )
      yield* settle(Effect.exit(Context.get(context, Shop).price() as Effect.Effect<unknown, Failed>))
      // Two legs, and the two retries that were allowed: one of each leg's call. The outer call has none left.
      assert.strictEqual(requests, 4)
      assert.deepStrictEqual(Integration.plan(Bank).operations[0]!.retriedInside, [
        { operation: "test/Shop.price", load: 6, unguardedLoad: 18 }
      ])
    }).pipe(seededly(1))
  )

  it.effect("a stored call that is made again is nobody's part, in whichever fiber", () =>
    Effect.gen(function* () {
      const record = new CallRecord({
        id: "1",
        integration: "a",
        operation: "b",
        repeat: "Safe",
        input: undefined,
        startedAt: 0,
        correlationId: "1"
      })
      const allowance = new Allowance("outer", 3, 0, undefined)
      const seen = Effect.withFiber((fiber) => Effect.succeed(allowanceAround(fiber, record))).pipe(
        Effect.provideService(Current, allowance)
      )
      assert.strictEqual(yield* seen, allowance)
      record.resumed = true
      assert.isUndefined(yield* seen)
      record.resumed = false
      allowance.ended = true
      assert.isUndefined(yield* seen)
    })
  )
})

describe("the budget of nested calls", () => {
  it.effect("both draw on the outer one's, and the inner on its own too", () =>
    Effect.gen(function* () {
      // The outer budget has one retry.
      const one = yield* nested({ outer: standard(5, { capacity: 14 }), inner: standard(5) })
      const exit = yield* settle(one.place)
      assert.strictEqual(one.requests(), 2)
      assert.strictEqual(stoppedOf(exit), "the retry budget is spent")
      // The inner has one, and the outer call's are its own.
      const other = yield* nested({ outer: standard(3, { capacity: 500 }), inner: standard(3, { capacity: 14 }) })
      yield* settle(other.place)
      assert.strictEqual(other.requests(), 3)
      assert.deepStrictEqual(
        other.events.map(({ attempts }) => attempts.map(({ reason }) => reason)),
        [["Unavailable", "Unavailable", "BudgetSpent"], ["Unavailable"], ["Unavailable", "Unavailable"]]
      )
    }).pipe(seededly(1))
  )

  it.effect("what the inner one's refuses is not taken from the outer one's", () =>
    Effect.gen(function* () {
      // 28 tokens: two retries. The inner one's refusals must not use them up.
      const { place, requests } = yield* nested({
        outer: standard(3, { capacity: 28 }),
        inner: standard(3, { capacity: 14 })
      })
      yield* settle(place)
      assert.strictEqual(requests(), 3)
      const once = yield* nested({
        outer: standard(2, { capacity: 14 }),
        inner: standard(2, { capacity: 14, name: "x" })
      })
      yield* settle(once.place)
      assert.strictEqual(once.requests(), 2)
    }).pipe(seededly(1))
  )
})

describe("nesting is told", () => {
  it.effect("in one warning for each pair, which says what to do, and in the plan", () =>
    Effect.gen(function* () {
      const { logs, place, plan, text } = yield* nested({ name: "test/Bank2", outer: standard(4), inner: standard(3) })
      assert.deepStrictEqual(plan().retriedInside, [])
      yield* settle(place)
      yield* settle(place)
      assert.deepStrictEqual(logs, [
        "test/Bank2.charge is retried inside test/Shop.place, which is retried too: together they make no more than the 3 retries of test/Shop.place. Let one of them retry: give the other Policy.retryNever(reason)"
      ])
      assert.deepStrictEqual(plan().retriedInside, [{ operation: "test/Shop.place", load: 4, unguardedLoad: 12 }])
      assert.include(text(), "    inside     test/Shop.place, retried too: at most 4 requests together, not 12\n")
      // A layer that is built anew tells anew.
      const again = yield* nested({ name: "test/Bank2", outer: standard(4), inner: standard(3) })
      yield* settle(again.place)
      assert.strictEqual(again.logs.length, 1)
    }).pipe(seededly(1))
  )

  it("what is kept for it in a fiber stands under the package's name, where nobody else's is met", () => {
    assert.match(Current.key, /^breakwater\//)
  })

  it("every call around it is told of, each once", () => {
    const [shop, desk] = [new Allowance("test/Shop.a", 3, 0, undefined), new Allowance("test/Desk.b", 2, 1, undefined)]
    for (const around of [shop, desk, shop]) note("test/Noted.call", around)
    assert.deepStrictEqual(seenAround("test/Noted.call"), [
      { name: "test/Shop.a", attempts: 3, hedges: 0 },
      { name: "test/Desk.b", attempts: 2, hedges: 1 }
    ])
    assert.deepStrictEqual(seenAround("test/Noted.other"), [])
  })

  it.effect("and a logger that breaks takes no call with it", () =>
    Effect.gen(function* () {
      const log = () => {
        throw new Error("the disk is full")
      }
      const name = "test/BankLogged"
      const { logs, outerRequests, place } = yield* nested({ log, name, send: () => Effect.succeed("ok") })
      assert.deepStrictEqual(yield* settle(place), Exit.succeed("ok"))
      assert.deepStrictEqual([logs.length, outerRequests()], [1, 1])
    }).pipe(seededly(1))
  )

  it.effect("a call that makes no retries is not told of", () =>
    Effect.gen(function* () {
      const { logs, place, plan, requests } = yield* nested({ name: "test/Bank3", inner: standard(1) })
      yield* settle(place)
      assert.strictEqual(requests(), 3)
      assert.deepStrictEqual(logs, [])
      assert.deepStrictEqual(plan().retriedInside, [])
    }).pipe(seededly(1))
  )
})
