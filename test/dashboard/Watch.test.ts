import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  OutboxStoreMemory,
  Policy,
  type Telemetry
} from "breakwater"
import { Clock, Data, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { importsOf } from "../../scripts/source.ts"
import type { Snapshot } from "../../src/dashboard/Snapshot.ts"
import { Watch } from "../../src/dashboard/internal/watch.ts"
import { CurrentHub, Hub } from "../../src/internal/hub.ts"
import { quiet } from "../properties/support.ts"
import { event } from "./events.ts"

class Failed extends Data.TaggedError("Failed")<{ readonly why: string }> {}
class Lost extends Data.TaggedError("Lost")<{}> {}

const orElse = ({ reason }: { readonly reason: { readonly _tag: string } }) => new Failed({ why: reason._tag })

/** What the next requests do, by the name of the operation. */
const provider: Record<string, (n: number) => Effect.Effect<string, Lost>> = {}
const sent: Record<string, number> = {}
/** What is lost is no error that an operation declares. */
const send = (name: string) => () =>
  Effect.suspend(() => provider[name]!((sent[name] = (sent[name] ?? 0) + 1)) as Effect.Effect<string>)
const will = (name: string, what: (n: number) => Effect.Effect<string, Lost>) => {
  provider[name] = what
  sent[name] = 0
}
const ok = Effect.succeed("ok")
const down = Effect.fail(new Lost())

const query = (name: string) =>
  Operation.query(name, {
    success: Schema.String,
    send: send(name),
    classify: () => ({ reason: "Unavailable", outcome: "NotSent" }) as never
  })

const once = Policy.stack(
  Policy.totalDeadline("60 seconds"),
  Policy.retryNever("each request is looked at"),
  Policy.attemptTimeout("30 seconds")
)

class Rates extends Integration.Service<Rates>()(
  "shop/Rates",
  {
    policy: once,
    shared: Policy.shared({ bulkhead: { concurrency: 2, queue: 10 } }),
    exhausted: Exhaustion.fail,
    orElse
  },
  { today: query("today"), history: query("history") }
) {}

class Limited extends Integration.Service<Limited>()(
  "shop/Limited",
  {
    policy: once,
    shared: Policy.shared({ rateLimit: { limit: 1, window: "40 seconds", algorithm: "fixed-window" } }),
    exhausted: Exhaustion.fail,
    orElse
  },
  { today: query("today") }
) {}

class Retrying extends Integration.Service<Retrying>()(
  "shop/Retrying",
  {
    policy: Policy.stack(
      Policy.totalDeadline("60 seconds"),
      Policy.retry(Schedule.spaced("1 second"), { maxAttempts: 3 }),
      Policy.attemptTimeout("5 seconds")
    ) as Policy.Complete,
    exhausted: Exhaustion.fail,
    orElse
  },
  { today: query("today") }
) {}

class Legs extends Integration.Service<Legs>()(
  "shop/Legs",
  {
    policy: Policy.stack(once, Policy.hedge({ after: 100, maxExtraLoad: 1 })) as Policy.Complete,
    exhausted: Exhaustion.fail,
    orElse
  },
  { today: query("today") }
) {}

/** An integration's layer and one who looks on, in a hub of their own. */
const watching = <I, A, E, R>(
  layer: Layer.Layer<I, unknown>,
  self: (given: {
    readonly look: Effect.Effect<Snapshot>
    readonly hub: Hub
    readonly events: ReadonlyArray<Telemetry.CallObserved>
  }) => Effect.Effect<A, E, R>
) => {
  const hub = new Hub()
  const events: Array<Telemetry.CallObserved> = []
  hub.watch((event) => events.push(event))
  return Effect.gen(function* () {
    const watch = new Watch(hub, yield* Clock.currentTimeMillis)
    hub.watch((event) => watch.log.record(event))
    const look = Effect.map(Clock.currentTimeMillis, (now) => watch.snapshot(now))
    return yield* Effect.provide(self({ look, hub, events }), layer as Layer.Layer<I>)
  }).pipe(Effect.provideService(CurrentHub, hub), Effect.provide(quiet))
}

const start = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })
const first = (snapshot: Snapshot) => snapshot.integrations[0]!

describe("a look", () => {
  it.effect("without calls shows no number, and never 0 ms", () =>
    watching(Integration.layer(Rates, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        const snapshot = yield* look
        const { circuits, failures, plan, ...own } = first(snapshot)
        const idle = {
          rate: 0,
          errorRatio: null,
          p50Ms: null,
          p95Ms: null,
          p99Ms: null,
          attemptsPerCall: null,
          active: 0,
          oldestActiveMs: null,
          outcomes: {}
        }
        assert.deepStrictEqual(own, {
          name: "shop/Rates",
          ...idle,
          slow: null,
          breaker: null,
          queue: { depth: 0, oldestAgeMs: null },
          time: null,
          heat: [],
          operations: [
            { name: "today", ...idle },
            { name: "history", ...idle }
          ]
        })
        assert.deepStrictEqual([circuits, failures], [[], []])
        assert.deepStrictEqual(
          plan.map(({ operation }) => operation),
          ["today", "history"]
        )
        assert.deepStrictEqual([snapshot.headline, snapshot.slowest], ["There were no calls in the last minute.", null])
        assert.deepStrictEqual([snapshot.at, snapshot.since], [60_000, 0])
      })
    )
  )

  it.effect("shows who runs and who waits for a permit, and since when", () =>
    watching(Integration.layer(Rates, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const rates = yield* Rates
        will("today", () => Effect.delay(ok, 10_000))
        for (let n = 0; n < 3; n++) {
          yield* start(rates.today())
          yield* TestClock.adjust(1_000)
        }
        yield* start(rates.history())
        yield* TestClock.adjust(500)
        const seen = first(yield* look)
        assert.deepStrictEqual([seen.active, seen.oldestActiveMs], [4, 3_500])
        assert.deepStrictEqual(seen.queue, { depth: 2, oldestAgeMs: 1_500 })
        assert.deepStrictEqual(
          seen.operations.map(({ active, oldestActiveMs }) => [active, oldestActiveMs]),
          [
            [3, 3_500],
            [1, 500]
          ]
        )
        will("history", () => ok)
        yield* TestClock.adjust(6_500)
        assert.deepStrictEqual(first(yield* look).queue, { depth: 1, oldestAgeMs: 7_000 })
        yield* TestClock.adjust("1 minute")
        const after = first(yield* look)
        assert.deepStrictEqual([after.active, after.queue], [0, { depth: 0, oldestAgeMs: null }])
      })
    )
  )

  it.effect("shows who waits for the rate, and since when", () =>
    watching(Integration.layer(Limited, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const limited = yield* Limited
        will("today", () => ok)
        yield* limited.today()
        yield* TestClock.adjust("10 seconds")
        const waiting = yield* start(limited.today())
        yield* TestClock.adjust("7 seconds")
        assert.deepStrictEqual(first(yield* look).queue, { depth: 1, oldestAgeMs: 7_000 })
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* Fiber.join(waiting), "ok")
        const after = first(yield* look)
        assert.deepStrictEqual(
          [after.queue, after.time],
          [
            { depth: 0, oldestAgeMs: null },
            { providerMs: 0, queueMs: 15_000, retriesMs: 0 }
          ]
        )
      })
    )
  )

  it.effect("of two layers of one integration shows one, with the calls of both", () =>
    watching(Integration.layer(Rates, { drain: 0 }), ({ hub, look }) =>
      Effect.gen(function* () {
        const rates = yield* Rates
        will("today", () => Effect.delay(ok, 1_000))
        yield* start(rates.today())
        yield* start(
          Effect.provide(
            Effect.flatMap(Rates, (other) => other.today()),
            Layer.fresh(Integration.layer(Rates, { drain: 0 }))
          )
        )
        assert.strictEqual(hub.integrations.size, 2)
        const snapshot = yield* look
        assert.deepStrictEqual([snapshot.integrations.length, first(snapshot).active], [1, 2])
        yield* TestClock.adjust(2_000)
        assert.strictEqual(hub.integrations.size, 1)
        assert.deepStrictEqual(first(yield* look).outcomes, { ok: 2 })
      })
    )
  )

  it.effect("remembers the calls of a layer that is closed, for two minutes", () =>
    watching(Layer.empty, ({ look }) =>
      Effect.gen(function* () {
        will("today", () => ok)
        yield* Effect.provide(
          Effect.flatMap(Rates, (rates) => rates.today()),
          Integration.layer(Rates, { drain: 0 })
        )
        const snapshot = yield* look
        assert.deepStrictEqual(
          [first(snapshot).name, first(snapshot).outcomes, first(snapshot).plan],
          ["shop/Rates", { ok: 1 }, []]
        )
        yield* TestClock.adjust("121 seconds")
        assert.deepStrictEqual((yield* look).integrations, [])
      })
    )
  )
})

describe("slow right now", () => {
  const traffic = (call: Effect.Effect<unknown, unknown>, seconds: number) =>
    Effect.gen(function* () {
      for (let n = 0; n < seconds * 10; n++) {
        yield* start(Effect.ignore(call))
        yield* TestClock.adjust(100)
      }
    })

  class Fast extends Integration.Service<Fast>()(
    "shop/Fast",
    { policy: once, exhausted: Exhaustion.fail, orElse },
    { today: query("today") }
  ) {}

  it.effect("is told within 3 seconds, by the calls that still run, and no longer than 15 seconds after", () =>
    watching(Integration.layer(Fast, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const fast = yield* Fast
        will("today", () => Effect.delay(ok, 40))
        yield* traffic(fast.today(), 30)
        assert.strictEqual((yield* look).headline, "No integration is slow right now.")
        will("today", () => Effect.delay(ok, 5_000))
        yield* traffic(fast.today(), 3)
        const snapshot = yield* look
        assert.deepStrictEqual([snapshot.slowest?.integration, snapshot.slowest?.cause], ["shop/Fast", "provider"])
        assert.match(
          snapshot.headline,
          /^shop\/Fast is slow right now: a call takes .* \(p95\), usually 40 ms; \d+ % of/
        )
        assert.deepStrictEqual(first(snapshot).slow, {
          cause: "provider",
          reason: snapshot.slowest!.reason
        })
        will("today", () => Effect.delay(ok, 40))
        yield* traffic(fast.today(), 15)
        assert.strictEqual((yield* look).slowest, null)
      })
    )
  )

  it("is told to who looks for the first time after two minutes of it", () => {
    const watch = new Watch(new Hub(), 0)
    let now = 0
    for (; now < 90_000; now += 100) watch.log.record(event(now, 40))
    for (; now < 210_000; now += 100) watch.log.record(event(now, 2_000))
    assert.deepStrictEqual(watch.snapshot(now).slowest, {
      integration: "shop/Rates",
      cause: "provider",
      reason: "a call takes 2 s (p95), usually 40 ms; 100 % of the time is its provider"
    })
  })

  it.effect("has a queue as its cause where the provider is as fast as ever", () =>
    watching(Integration.layer(Rates, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const rates = yield* Rates
        will("today", () => Effect.delay(ok, 150))
        yield* traffic(rates.today(), 30)
        assert.strictEqual((yield* look).slowest, null)
        // More than two permits serve in that time, but less than the queue turns away.
        yield* traffic(Effect.all([rates.today(), rates.today()], { concurrency: 2 }), 4)
        assert.strictEqual((yield* look).slowest?.cause, "queue")
      })
    )
  )

  it.effect("has retries as its cause where calls wait between attempts", () =>
    watching(Integration.layer(Retrying, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const retrying = yield* Retrying
        will("today", () => Effect.delay(ok, 20))
        yield* traffic(retrying.today(), 30)
        assert.strictEqual((yield* look).slowest, null)
        will("today", () => Effect.delay(down, 20))
        yield* traffic(retrying.today(), 8)
        assert.strictEqual((yield* look).slowest?.cause, "retries")
      })
    )
  )

  class Broken extends Integration.Service<Broken>()(
    "shop/Broken",
    { policy: once, shared: Policy.shared({ breaker: {} }), exhausted: Exhaustion.fail, orElse },
    { today: query("today") }
  ) {}

  it.effect("is a breaker that turns calls away, and an operator who does", () =>
    watching(Integration.layer(Broken, { drain: 0 }), ({ look }) =>
      Effect.gen(function* () {
        const broken = yield* Broken
        will("today", () => ok)
        yield* traffic(broken.today(), 1)
        assert.deepStrictEqual([first(yield* look).breaker, (yield* look).slowest], ["closed", null])
        const control = yield* Integration.control(Broken)
        yield* control.forceOpen()
        yield* traffic(broken.today(), 1)
        const off = yield* look
        assert.deepStrictEqual([first(off).breaker, off.slowest?.cause], ["forced_open", "breaker"])
        assert.match(off.headline, /^shop\/Broken turns calls away right now: an operator keeps it off: 10 calls/)
        assert.strictEqual(first(off).failures[0]!.reason, "circuit_open")
        yield* control.resume()
        will("today", () => down)
        yield* traffic(broken.today(), 20)
        const open = yield* look
        assert.deepStrictEqual([first(open).breaker, open.slowest?.cause], ["open", "breaker"])
        assert.deepStrictEqual(
          first(open).circuits.map(({ state }) => state),
          ["open"]
        )
      })
    )
  )
})

describe("exactly one event", () => {
  const Order = Schema.Struct({ order: Schema.String })

  class Shop extends Integration.Service<Shop>()(
    "shop/Shop",
    { policy: Policy.standard({ maxAttempts: 2 }), exhausted: Exhaustion.fail, orElse },
    {
      today: query("today"),
      last: Operation.query("last", {
        success: Schema.String,
        send: send("last"),
        classify: () => ({ reason: "Unavailable", outcome: "NotSent" }) as never,
        exhausted: Exhaustion.fallback("the last one", () => Effect.succeed("old"))
      }),
      pay: Operation.mutation("pay", {
        input: Order,
        success: Schema.String,
        send: send("pay"),
        classify: () => ({ reason: "Unavailable", outcome: "NotSent" }) as never,
        idempotency: Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive("pay", order), {
          lifetime: "24 hours"
        }),
        exhausted: Exhaustion.park
      })
    }
  ) {}
  const layer = Integration.layer(Shop).pipe(Layer.provide(OutboxStoreMemory.layer))

  const settle = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(start(Effect.exit(self)), (fiber) => Effect.andThen(TestClock.adjust("1 minute"), Fiber.join(fiber)))

  it.effect("of a success, a retry, a failure, a fallback, a parked call, an interruption and a defect", () =>
    watching(layer, ({ events }) =>
      Effect.gen(function* () {
        const shop = yield* Shop
        will("today", () => ok)
        yield* settle(shop.today())
        will("today", (n) => (n === 1 ? down : ok))
        yield* settle(shop.today())
        will("today", () => down)
        yield* settle(shop.today())
        will("last", () => down)
        yield* settle(shop.last())
        will("pay", () => down)
        yield* settle(Effect.ignore(shop.pay({ order: "o-1" })))
        will("today", () => Effect.never)
        const fiber = yield* start(shop.today())
        yield* Fiber.interrupt(fiber)
        will("today", () => Effect.die(new Error("a defect")))
        yield* settle(shop.today())
        assert.deepStrictEqual(
          events.map(({ callOutcome, operation }) => `${operation} ${callOutcome}`),
          [
            "today ok",
            "today ok_after_retry",
            "today exhausted",
            "last fallback",
            "pay parked",
            "today cancelled",
            "today failed"
          ]
        )
      })
    )
  )

  it.effect("of a call with a hedge", () =>
    watching(Integration.layer(Legs, { drain: 0 }), ({ events, look }) =>
      Effect.gen(function* () {
        const legs = yield* Legs
        will("today", (n) => Effect.delay(ok, n === 1 ? 5_000 : 10))
        const fiber = yield* start(legs.today())
        yield* TestClock.adjust(105)
        assert.strictEqual(first(yield* look).active, 1)
        yield* TestClock.adjust(1_000)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          events.map(({ attempts, callOutcome }) => [callOutcome, attempts.length]),
          [["ok", 2]]
        )
      })
    )
  )

  it.effect("whoever else watches: one that throws changes nothing", () =>
    watching(layer, ({ events, hub }) =>
      Effect.gen(function* () {
        const shop = yield* Shop
        const seen: Array<string> = []
        const leave = hub.watch(() => {
          throw new Error("it is only a watcher")
        })
        const leaveToo = hub.watch(({ callOutcome }) => void seen.push(callOutcome))
        will("today", () => ok)
        assert.strictEqual(yield* shop.today(), "ok")
        leave()
        leaveToo()
        assert.strictEqual(yield* shop.today(), "ok")
        assert.deepStrictEqual([seen, events.length], [["ok"], 2])
      })
    )
  )

  it.effect("and none to another hub, nor of an integration whose layer is closed", () =>
    Effect.gen(function* () {
      const other = new Hub()
      const seen: Array<unknown> = []
      other.watch((event) => seen.push(event))
      yield* watching(layer, ({ events, hub }) =>
        Effect.gen(function* () {
          will("today", () => ok)
          yield* (yield* Shop).today()
          assert.deepStrictEqual([hub.integrations.size, other.integrations.size, events.length], [1, 0, 1])
        })
      )
      assert.deepStrictEqual(seen, [])
    })
  )
})

describe("the main entry", () => {
  it("does not load the dashboard, nor does any other", () => {
    const src = fileURLToPath(new URL("../../src", import.meta.url))
    const reached = (entry: string) => {
      const seen = new Set<string>([join(src, entry)])
      for (const file of seen) {
        for (const { specifier } of importsOf(readFileSync(file, "utf8"))) {
          if (specifier.startsWith(".")) seen.add(join(dirname(file), specifier))
        }
      }
      return [...seen].map((file) => file.slice(src.length + 1))
    }
    for (const entry of ["index.ts", "http/index.ts", "workflow/index.ts"]) {
      assert.deepStrictEqual(
        reached(entry).filter((file) => file.startsWith("dashboard/")),
        [],
        entry
      )
    }
    assert.include(reached("dashboard/index.ts"), "internal/hub.ts")
  })
})
