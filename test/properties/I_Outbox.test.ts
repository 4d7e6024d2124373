// The outbox: a call that is written ahead happens once, whatever the provider does and whenever its processes die. All its
// sends carry one key and the same bytes, none starts after the life of the key, and its end is told once. One that may be
// sent once only is sent once only.
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Outbox,
  OutboxStore,
  OutboxStoreMemory,
  OutboxWorker,
  Policy
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection, KeyWindow } from "breakwater/testing"
import { Arbitrary, Context, type Duration, Effect, Exit, Fiber, Latch, Layer, Random, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  AcmeApi,
  between,
  certainlyNot,
  Declined,
  Failed,
  oneOf,
  quiet,
  seed,
  thing,
  transient,
  tries
} from "./support.ts"

const faultOf: ReadonlyArray<FaultInjection.Fault | undefined> = [undefined, ...transient, ...transient]

// ---- one life of a process

/** How a process lives: how long it rests first, how long it runs, and how it ends. */
interface Life {
  readonly rests: number
  readonly lives: number
  /** Killed, it writes down nothing any more; stopped, it gives back what it was at; frozen, it comes back much later. */
  readonly ends: "killed" | "stopped" | "drained" | "frozen"
  /** A second process beside it, on the same store. */
  readonly twin: boolean
}

const life = (rests: ReadonlyArray<number>): Arbitrary.Arbitrary<Life> =>
  Arbitrary.map(Arbitrary.array(between(0, 0xffff), { minLength: 4, maxLength: 4 }), ([a, b, c, d]): Life => ({
    rests: rests[a! % rests.length]!,
    lives: [0, 1, 40, 700, 2_100, 9_000, 40_000][b! % 7]!,
    ends: (["killed", "killed", "stopped", "drained", "frozen"] as const)[c! % 5]!,
    twin: d! % 3 === 0
  }))

/**
 * A refusal whose body is lost does not say what it refused, and whether an earlier send happened stays unclear: a 402, or
 * a 409 while an earlier one is at work. So these go only where neither can be.
 */
const bodies: ReadonlySet<FaultInjection.Tag | undefined> = new Set(["HugeBody", "CutBody", "StallInBody"])
const slow: ReadonlySet<FaultInjection.Tag | undefined> = new Set(["Latency", "StallBeforeHeaders"])

/** What handlers have told in the transaction that runs: it counts only if that is committed. */
const Telling = Context.Reference<Array<string>>("test/Telling", { defaultValue: () => [] })

const worldOf = (options: {
  readonly faults: ReadonlyArray<FaultInjection.Fault | undefined>
  readonly declines: ReadonlySet<string>
  readonly lifetime: number
}) =>
  Effect.gen(function* () {
    const refuses = options.declines.size > 0 || options.faults.some((fault) => slow.has(fault?._tag))
    const provider = FaultInjection.make({
      respond: ({ text }) =>
        options.declines.has(JSON.parse(text).order)
          ? { status: 402, body: { _tag: "CardError", code: "no" } }
          : { body: thing },
      faults: options.faults.filter((fault) => !refuses || !bodies.has(fault?._tag)),
      keys: KeyWindow.make({ lifetime: options.lifetime })
    })
    // It outlives all processes: what it has begun goes on when they are dead.
    const reach = Layer.succeedContext(yield* Layer.build(provider.layer))
    const orElse = (failure: ConstructorParameters<typeof Failed>[0]["failure"]) => new Failed({ failure })
    class Bank extends Integration.Service<Bank>()(
      "test/Bank",
      {
        policy: Policy.stack(
          Policy.totalDeadline("6 seconds"),
          Policy.retry(Schedule.spaced("100 millis"), { maxAttempts: 2 }),
          Policy.attemptTimeout("2 seconds")
        ),
        exhausted: Exhaustion.fail,
        orElse
      },
      {
        charge: Outbox.writeAhead(
          HttpOperation.endpoint(AcmeApi, "acme", "charge", {
            idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
              lifetime: options.lifetime
            }),
            translate: { CardError: ({ code }) => new Declined({ code }) }
          })
        ),
        mail: Outbox.writeAhead(
          HttpOperation.endpoint(AcmeApi, "acme", "mail", { idempotency: Idempotency.atMostOnce("it has no key") })
        )
      }
    ) {}
    const shared = yield* OutboxStoreMemory.make
    const told: Array<string> = []
    const tell = (id: string, what: string) =>
      Effect.flatMap(Telling, (telling) => Effect.sync(() => void telling.push(`${id} ${what}`)))
    const handlers = {
      onDelivered: (_: unknown, { id }: { readonly id: string }) => tell(id, "Delivered"),
      onDead: (_: unknown, { id }: { readonly id: string }) => tell(id, "Dead"),
      onNeedsReconcile: ({ id }: { readonly id: string }) => tell(id, "NeedsReconcile")
    }

    /** The store as one process sees it: once that is killed, it is gone; while it is frozen, nothing comes back. */
    const lifeline = () => {
      let killed = false
      const running = Latch.makeUnsafe(true)
      const gone = new OutboxStore.StoreError({
        reason: "Unavailable",
        store: "memory",
        operation: "offer",
        tookEffect: "no",
        cause: "killed"
      })
      const alive = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | OutboxStore.StoreError, R> =>
        Effect.andThen(
          running.await,
          Effect.suspend((): Effect.Effect<A, E | OutboxStore.StoreError, R> => (killed ? Effect.fail(gone) : self))
        )
      const store: OutboxStore.Store = {
        ...shared,
        offer: (offer) => alive(shared.offer(offer)),
        claim: (what) => alive(shared.claim(what)),
        settle: (...args) => alive(shared.settle(...args)),
        transaction: (self) => {
          const telling: Array<string> = []
          return Effect.tap(alive(Effect.provideService(shared.transaction(self), Telling, telling)), () =>
            Effect.sync(() => void told.push(...telling))
          )
        }
      }
      return { store, running, kill: () => void (killed = true) }
    }

    const start = (drain: Duration.Input) =>
      Effect.gen(function* () {
        const { kill, running, store } = lifeline()
        const scope = yield* Scope.make()
        const layer = OutboxWorker.layer(
          Bank,
          { charge: handlers, mail: handlers },
          {
            pollInterval: "5 seconds",
            schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]),
            drain
          }
        ).pipe(
          Layer.provideMerge(HttpIntegration.layer(Bank, { baseUrl: "https://bank.example", drain })),
          Layer.provide([Layer.succeed(OutboxStore.OutboxStore, store), reach]),
          Layer.orDie
        )
        const bank = Context.get(yield* Layer.buildWithScope(layer, scope), Bank)
        const calls: Array<Fiber.Fiber<unknown, unknown>> = []
        return {
          freeze: running.close,
          thaw: running.open,
          call: (name: "charge" | "mail", order: string) =>
            Effect.map(Effect.forkDetach(Effect.exit(bank[name]({ payload: { order, amount: 2 } }))), (fiber) => {
              calls.push(fiber)
            }),
          end: (how: Life["ends"]) =>
            Effect.gen(function* () {
              if (how === "killed") kill()
              const ending = yield* Effect.forkDetach(
                Effect.andThen(
                  how === "drained" ? Effect.void : Fiber.interruptAll(calls),
                  Scope.close(scope, Exit.void)
                )
              )
              // A drain takes its ten seconds; a dead store is asked for five.
              while (ending.pollUnsafe() === undefined) yield* TestClock.adjust("500 millis")
            })
        }
      })
    return { provider, store: shared, told, start }
  })

const entriesOf = (store: OutboxStore.Store) => store.list({}, { limit: 100 })

/** Makes the calls, lets processes live and die, and then has one that lives until all calls have ended. */
const play = (
  options: Parameters<typeof worldOf>[0] & {
    readonly name: "charge" | "mail"
    readonly orders: number
    readonly lives: ReadonlyArray<Life>
  }
) =>
  Effect.gen(function* () {
    const world = yield* worldOf(options)
    const thawing: Array<Effect.Success<ReturnType<typeof world.start>>> = []
    for (const [index, { ends, lives, rests, twin }] of options.lives.entries()) {
      yield* TestClock.adjust(rests)
      const drain = ends === "drained" ? "10 seconds" : "0 millis"
      const running = [yield* world.start(drain), ...(twin ? [yield* world.start(drain)] : [])]
      // The caller of a process that died comes again: with a key it is the same call, without one another.
      if (index < 2) {
        for (let n = 0; n < options.orders; n++) {
          const order = options.name === "charge" ? `o-${n}` : `o-${n} of ${index}`
          yield* running[n % running.length]!.call(options.name, order)
        }
      }
      yield* TestClock.adjust(lives)
      for (const one of thawing.splice(0)) {
        yield* one.thaw
        yield* one.end("stopped")
      }
      for (const one of running) yield* ends === "frozen" ? one.freeze : one.end(ends)
      if (ends === "frozen") thawing.push(...running)
    }
    const last = yield* world.start("0 millis")
    const open = Effect.map(entriesOf(world.store), (entries) =>
      entries.some(({ state }) => state === "Pending" || state === "Leased" || state === "Waiting")
    )
    for (let seconds = 0; yield* open; seconds += 15) {
      assert.isBelow(seconds, 3_600, "a stored call has not ended within an hour")
      yield* TestClock.adjust("15 seconds")
    }
    for (const one of [...thawing, last]) {
      yield* one.thaw
      yield* TestClock.adjust("1 second")
      yield* one.end("stopped")
    }
    const entries = yield* entriesOf(world.store)
    // Every end was told, and told once.
    assert.deepStrictEqual(world.told.toSorted(), entries.map(({ id, state }) => `${id} ${state}`).toSorted())
    return { ...world, entries }
  })

const orderOf = ({ text }: FaultInjection.WireRequest): string => JSON.parse(text).order
const declinesOf = (orders: number, bits: number) =>
  new Set(Array.from({ length: orders }, (_, n) => `o-${n}`).filter((_, n) => (bits >> n) % 4 === 0))

const playing =
  (seed: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provide(Random.withSeed(self, seed), quiet)

const keyedSends = (
  world: {
    readonly provider: FaultInjection.FaultInjection
    readonly entries: ReadonlyArray<Outbox.Entry>
  },
  lifetime: number
) =>
  world.entries.map((entry) => {
    const sends = world.provider.requests.filter(({ key }) => key === entry.key)
    for (const { body, method, url } of sends) {
      assert.deepStrictEqual(
        { body, method, url },
        { body: sends[0]!.body, method: sends[0]!.method, url: sends[0]!.url }
      )
    }
    const seen = sends.filter(({ fault }) => fault?._tag !== "Refused")
    for (const { at } of seen) assert.isAtMost(at - seen[0]!.at, lifetime)
    const executed = world.provider.ledger.filter(({ key }) => key === entry.key).length
    return { entry, sends, executed }
  })

describe("the outbox", () => {
  it.effect.prop(
    "makes a keyed call once, through outages, lost answers and dead processes",
    {
      seed,
      faults: Arbitrary.array(oneOf(faultOf), { maxLength: 10 }),
      orders: between(1, 3),
      declines: between(0, 0xffff),
      lives: Arbitrary.array(life([0, 1, 500, 3_000, 20_000, 120_000]), { minLength: 1, maxLength: 4 })
    },
    ({ declines, faults, lives, orders, seed }) =>
      Effect.gen(function* () {
        const refused = declinesOf(orders, declines)
        const lifetime = 24 * 3_600_000
        const world = yield* play({ faults, declines: refused, lifetime, name: "charge", orders, lives })
        // Each was offered at the first life at the latest, which nobody ends before.
        const all = keyedSends(world, lifetime)
        assert.strictEqual(all.length, orders)
        // One key each, and nothing without one.
        assert.strictEqual(
          all.reduce((sum, { sends }) => sum + sends.length, 0),
          world.provider.requests.length
        )
        for (const { entry, executed, sends } of all) {
          if (refused.has(orderOf(sends[0]!))) {
            assert.deepStrictEqual(
              [entry.state, entry.why, entry.outcome, executed],
              ["Dead", "rejected", "Refused", 0]
            )
          } else {
            assert.deepStrictEqual([entry.state, entry.outcome, executed], ["Delivered", "Applied", 1])
          }
        }
      }).pipe(playing(seed)),
    tries(100)
  )

  it.effect.prop(
    "does not send a call once its key may have been forgotten",
    {
      seed,
      faults: Arbitrary.array(oneOf(faultOf), { minLength: 2, maxLength: 10 }),
      declines: between(0, 0xffff),
      lifetime: between(20_000, 300_000),
      lives: Arbitrary.array(life([0, 500, 20_000, 120_000, 400_000]), { minLength: 1, maxLength: 4 })
    },
    ({ declines, faults, lifetime, lives, seed }) =>
      Effect.gen(function* () {
        const world = yield* play({
          faults,
          declines: declinesOf(1, declines),
          lifetime,
          name: "charge",
          orders: 1,
          lives
        })
        for (const { entry, executed } of keyedSends(world, lifetime)) {
          assert.isAtMost(executed, 1)
          if (entry.state === "Delivered") assert.strictEqual(executed, 1)
          else if (entry.state === "Dead") {
            assert.include(["rejected", "key expired"], entry.why)
            assert.strictEqual(executed, 0)
          } else assert.deepStrictEqual([entry.state, entry.why], ["NeedsReconcile", "key expired"])
        }
      }).pipe(playing(seed)),
    tries(60)
  )

  it.effect.prop(
    "sends a call that may be sent once only no more after it may have happened",
    {
      seed,
      faults: Arbitrary.array(oneOf(faultOf), { maxLength: 6 }),
      orders: between(1, 2),
      lives: Arbitrary.array(life([0, 500, 20_000]), { minLength: 1, maxLength: 4 })
    },
    ({ faults, lives, orders, seed }) =>
      Effect.gen(function* () {
        const world = yield* play({ faults, declines: new Set(), lifetime: 60_000, name: "mail", orders, lives })
        const ends: ReadonlyArray<string> = world.entries.map(({ outcome, state, why }) => `${state} ${why} ${outcome}`)
        for (const end of ends) {
          assert.include(
            ["Delivered undefined Applied", "NeedsReconcile sent once Unknown", "NeedsReconcile sent once Applied"],
            end
          )
        }
        const delivered = world.entries.filter(({ state }) => state === "Delivered").length
        const executed = world.provider.ledger.map(({ request }) => orderOf(world.provider.requests[request]!))
        assert.strictEqual(new Set(executed).size, executed.length)
        assert.isAtLeast(executed.length, delivered)
        for (const order of new Set(world.provider.requests.map(orderOf))) {
          const sends = world.provider.requests.filter((request) => orderOf(request) === order)
          for (const { fault } of sends.slice(0, -1)) assert.isTrue(certainlyNot(fault), fault?._tag)
        }
      }).pipe(playing(seed)),
    tries(60)
  )
})
