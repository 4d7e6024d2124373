// The rate limit: whoever comes, waits, gives up or is turned away, no more start than the limit lets through, nobody
// overtakes, and nobody waits longer than it said it would.
import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "breakwater"
import { Arbitrary, Clock, Context, Duration, Effect, Exit, Fiber, Layer, Scheduler, type Scope } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { type Bucket, Limiter, Ticket } from "../../src/internal/rate.ts"
import type { Settings, Store } from "../../src/internal/rateTokens.ts"
import { between, oneOf, quiet, tries } from "./support.ts"
import { Standing, Stepper } from "./stepping.ts"

const algorithm = oneOf<Settings["algorithm"]>(["token-bucket", "fixed-window"])

/** One attempt: few different times, so that many fall into one instant. */
const attempt = Arbitrary.all([between(0, 20), between(1, 3), between(0, 12), between(0, 9), between(0, 5)])

type Attempt = readonly [arrival: number, cost: number, patience: number, fate: number, hold: number]

const attempts = Arbitrary.array(attempt, { minLength: 1, maxLength: 14 }) as Arbitrary.Arbitrary<Array<Attempt>>

/** An instant of the tests is a tenth of a second. */
const unit = 100

interface Start {
  readonly at: number
  readonly cost: number
  readonly arrival: number
  readonly sent: boolean
}

/** How a wait ended, or the attempt that passed. */
interface End {
  readonly arrived: number
  readonly ended: number
  readonly giveUpAt: number
  readonly passed: boolean
  readonly exit: Exit.Exit<void, Reason.Reason>
}

/**
 * Runs attempts. Their fate: 0 and 1 are given up some time after they came, 2 never leaves this process (its token comes
 * back), the others are sent.
 */
const play = (bucketOf: (n: number) => Bucket, list: ReadonlyArray<Attempt>) =>
  Effect.gen(function* () {
    const starts: Array<Start> = []
    const ends: Array<End> = []
    let arrivals = 0
    const run = ([arrival, cost, patience, fate, hold]: Attempt, n: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep(arrival * unit)
        const arrived = yield* Clock.currentTimeMillis
        const order = arrivals++
        const ticket = new Ticket(cost, patience === 12 ? Infinity : arrived + patience * unit)
        const sent = fate !== 2
        const bucket = bucketOf(n)
        const whole = Effect.onExit(
          Effect.flatMap(bucket.acquire(ticket), () =>
            Effect.flatMap(Clock.currentTimeMillis, (at) => {
              starts.push({ at, cost, arrival: order, sent })
              return Effect.sleep(hold * unit)
            })
          ),
          (exit) =>
            Effect.flatMap(Clock.currentTimeMillis, (ended) => {
              ends.push({ arrived, ended, giveUpAt: ticket.giveUpAt, passed: ticket.passed, exit })
              return bucket.end(ticket, sent ? undefined : 0)
            })
        )
        const fiber = yield* Effect.forkChild(whole, { startImmediately: true })
        if (fate < 2) {
          yield* Effect.sleep(hold * 70)
          yield* Fiber.interrupt(fiber)
        }
        yield* Fiber.await(fiber)
      })
    const fibers = yield* Effect.forEach(list, (one, n) => Effect.forkChild(run(one, n), { startImmediately: true }))
    yield* TestClock.adjust(600_000)
    for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), "an attempt hangs")
    return { starts, ends }
  })

/** No more than the limit allows, in any stretch of time. */
const bounded = (starts: ReadonlyArray<Start>, { algorithm, limit, window }: Settings, slack = 0) => {
  const sent = starts.filter((start) => start.sent)
  if (algorithm === "fixed-window") {
    const perWindow = new Map<number, number>()
    for (const { at, cost } of sent) {
      const start = Math.floor(at / window)
      perWindow.set(start, (perWindow.get(start) ?? 0) + cost)
    }
    for (const [at, total] of perWindow) assert.isAtMost(total, limit, `in the window ${at}`)
    return
  }
  const refill = window / limit
  for (let i = 0; i < sent.length; i++) {
    let total = 0
    for (let j = i; j < sent.length; j++) {
      total += sent[j]!.cost
      const time = sent[j]!.at - sent[i]!.at
      const most = limit + Math.floor((time + slack) / refill + 1e-6)
      if (total > most) assert.fail(`${total} and not ${most} from ${sent[i]!.at} to ${sent[j]!.at}`)
    }
  }
}

const fresh = (settings: Settings, shared?: Store) => new Limiter("test", settings, true, shared)

describe("the rate limit", () => {
  it.effect.prop(
    "lets no more start than its limit, in order, and keeps nobody longer than it would wait",
    { algorithm, limit: between(3, 6), window: oneOf([300, 700, 1_000]), attempts },
    ({ algorithm, attempts, limit, window }) =>
      Effect.gen(function* () {
        const settings = { algorithm, limit, window }
        const limiter = fresh(settings)
        const bucket = limiter.bucket("k", 0)
        const { ends, starts } = yield* play(() => bucket, attempts)
        bounded(starts, settings)
        assert.deepStrictEqual(
          starts.map(({ arrival }) => arrival),
          starts.map(({ arrival }) => arrival).toSorted((a, b) => a - b),
          "somebody overtook"
        )
        for (const { ended, exit, giveUpAt, passed } of ends) {
          // A millisecond for those whose turn comes in their last instant.
          if (!passed) assert.isAtMost(ended, giveUpAt + 1)
          if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) assert.isFalse(passed)
        }
        assert.isTrue(bucket.isIdle(yield* Clock.currentTimeMillis), "something was left behind")
      }),
    tries(1_000)
  )

  it.effect.prop(
    "lets each start as early as a model of one number does, and turns away exactly those that would come too late",
    { algorithm, limit: between(3, 6), window: oneOf([300, 1_000]), attempts },
    ({ algorithm, attempts, limit, window }) =>
      Effect.gen(function* () {
        const settings = { algorithm, limit, window }
        const list = attempts.map(([arrival, cost, patience]): Attempt => [arrival, cost, patience, 9, 0])
        const bucket = fresh(settings).bucket("k", 0)
        const { ends, starts } = yield* play(() => bucket, list)
        const expected = modelled(settings, list)
        assert.deepStrictEqual(
          starts.map(({ at }) => at),
          expected
        )
        assert.strictEqual(ends.filter(({ passed }) => !passed).length, list.length - expected.length)
        for (const { arrived, ended, passed } of ends) {
          // Nothing changes while they wait, so those that can't fit know it when they come.
          if (!passed) assert.strictEqual(ended, arrived)
        }
      }),
    tries(600)
  )

  it.effect.prop(
    "lets nobody start while the provider asked for a pause, and goes on afterwards",
    { algorithm, limit: between(3, 6), attempts, at: between(0, 20), pause: between(1, 9), spent: between(0, 1) },
    ({ algorithm, at, attempts, limit, pause, spent }) =>
      Effect.gen(function* () {
        const settings = { algorithm, limit, window: 700 }
        const bucket = fresh(settings).bucket("k", 0)
        const began = at * unit + 50
        const closing = Effect.flatMap(Effect.delay(Clock.currentTimeMillis, began), (now) =>
          spent === 1 ? bucket.note(0, pause * unit, now) : bucket.close(pause * unit, now)
        )
        yield* Effect.forkChild(closing, { startImmediately: true })
        const { ends, starts } = yield* play(() => bucket, attempts)
        bounded(starts, settings)
        for (const { at } of starts) assert.isFalse(at >= began && at < began + pause * unit, `one started at ${at}`)
        for (const { ended, giveUpAt, passed } of ends) if (!passed) assert.isAtMost(ended, giveUpAt + 1)
        assert.isTrue(bucket.isIdle(yield* Clock.currentTimeMillis))
      }),
    tries(600)
  )

  it.effect.prop(
    "holds for two processes over one slow store",
    {
      algorithm,
      limit: between(3, 6),
      window: oneOf([300, 1_000]),
      attempts,
      delays: Arbitrary.array(between(0, 40), { minLength: 8, maxLength: 8 })
    },
    ({ algorithm, attempts, delays, limit, window }) =>
      Effect.gen(function* () {
        const settings = { algorithm, limit, window }
        const store = yield* slow(delays)
        const limiters = [fresh(settings, store), fresh(settings, store)]
        const { ends, starts } = yield* play((n) => limiters[n % 2]!.bucket("k", 0), attempts)
        // From the store to its client it takes a while.
        bounded(
          starts.toSorted((a, b) => a.at - b.at),
          settings,
          80
        )
        // And it may take as long as the store has, for the one before and for the own.
        for (const { ended, giveUpAt, passed } of ends) if (!passed) assert.isAtMost(ended, giveUpAt + 201)
      }),
    tries(300)
  )
})

describe("the rate limit: what comes back", () => {
  it.effect("does not bring the part of a token that a full bucket would have lost", () =>
    Effect.gen(function* () {
      const settings = { algorithm: "token-bucket", limit: 3, window: 700 } as const
      const bucket = fresh(settings).bucket("k", 0)
      // The first is not sent and gives its token back at 210. Without it the bucket would have been full until 200, so
      // that the second token of the interval is there at 434 and not at 234.
      const first = new Ticket(1, Infinity)
      yield* bucket.acquire(first)
      yield* Effect.forkChild(
        Effect.delay(
          Effect.suspend(() => bucket.end(first, 0)),
          210
        ),
        { startImmediately: true }
      )
      const { starts } = yield* play(
        () => bucket,
        [
          [2, 1, 12, 9, 0],
          [3, 3, 12, 9, 0]
        ]
      )
      bounded(starts, settings)
    })
  )
})

describe("the rate limit: a slow store", () => {
  it.effect("what it took from a window that is over is no start of the next one", () =>
    Effect.gen(function* () {
      const settings = { algorithm: "fixed-window", limit: 2, window: 1_000 } as const
      const bucket = fresh(settings, yield* slow([40])).bucket("k", 0)
      yield* TestClock.adjust(780)
      const { starts } = yield* play(
        () => bucket,
        [
          [2, 1, 12, 9, 0],
          [2, 1, 12, 9, 0],
          [4, 1, 12, 9, 0],
          [4, 1, 12, 9, 0]
        ]
      )
      assert.strictEqual(starts.length, 4)
      bounded(starts, settings)
    })
  )
})

/** When each may start, one after the other, by arithmetic alone. Who would come too late is not there. */
const modelled = ({ algorithm, limit, window }: Settings, list: ReadonlyArray<Attempt>): ReadonlyArray<number> => {
  // Effect counts in nanoseconds.
  const refill = Duration.toMillis(Duration.millis(window / limit))
  const starts: Array<number> = []
  const taken = new Map<number, number>()
  let level = limit
  let since = 0
  let previous = 0
  const ordered = list.toSorted(([a], [b]) => a - b)
  for (const [arrival, cost, patience] of ordered) {
    const earliest = Math.max(arrival * unit, previous)
    let at = earliest
    let levelThen = level
    let sinceThen = since
    if (algorithm === "fixed-window") {
      while ((taken.get(Math.floor(at / window)) ?? 0) + cost > limit) at = (Math.floor(at / window) + 1) * window
    } else {
      const come = (time: number) => Math.floor((time - since) / refill)
      while (Math.min(limit, level + come(at)) < cost) at++
      levelThen = Math.min(limit, level + come(at))
      sinceThen = level + come(at) >= limit ? at : since + come(at) * refill
    }
    if (patience !== 12 && at > arrival * unit + patience * unit) continue
    starts.push(at)
    previous = at
    if (algorithm === "fixed-window") {
      const start = Math.floor(at / window)
      taken.set(start, (taken.get(start) ?? 0) + cost)
    } else {
      level = levelThen - cost
      since = sinceThen
    }
  }
  return starts
}

/** Effect's store, and the way to it and back. */
const slow = (delays: ReadonlyArray<number>): Effect.Effect<Store, never, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(RateLimiter.layerStoreMemory)), (context) => {
    const store = Context.get(context, RateLimiter.RateLimiterStore)
    let n = 0
    const far = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        const delay = delays[n++ % delays.length]!
        return Effect.andThen(
          Effect.sleep(delay / 2),
          Effect.tap(self, () => Effect.sleep(delay / 2))
        )
      })
    return {
      fixedWindow: (options) => far(store.fixedWindow(options)),
      tokenBucket: (options) => far(store.tokenBucket(options)),
      adaptiveConsume: (options) => store.adaptiveConsume(options),
      adaptiveFeedback: (options) => store.adaptiveFeedback(options)
    }
  })

// ---- interruption at every yield point

/** One key, and fibers that are stepped. */
const stage = (settings: Settings) => {
  const stepper = new Stepper()
  const clock = new Standing()
  const bucket = fresh(settings).bucket("k", 0)
  let context = Effect.runSync(Effect.scoped(Layer.build(quiet))) as Context.Context<never>
  context = Context.add(Context.add(context, Clock.Clock, clock), Scheduler.Scheduler, stepper)
  const sent: Array<string> = []
  const start = (name: string, patience = Infinity) => {
    const ticket = new Ticket(1, clock.now + patience)
    let left = false
    const send = Effect.andThen(
      Effect.yieldNow,
      Effect.suspend(() => {
        left = true
        sent.push(name)
        return Effect.yieldNow
      })
    )
    return Effect.runForkWith(context)(
      Effect.onExit(
        Effect.flatMap(bucket.acquire(ticket), () => send),
        () => bucket.end(ticket, left ? undefined : 0)
      )
    )
  }
  return { stepper, clock, bucket, sent, start }
}

/** Interrupts after k turns, for k from 0 until the fiber ends first. Returns how many points there were. */
const everyPoint = (at: (k: number) => boolean): number => {
  for (let k = 0; k < 2_000; k++) if (at(k)) return k
  throw new Error("the attempt does not end")
}

describe.each(["token-bucket", "fixed-window"] as const)("the rate limit at every yield point (%s)", (algorithm) => {
  it("what was not sent left no trace, and what was sent is counted", () => {
    const points = everyPoint((k) => {
      const { bucket, clock, sent, start, stepper } = stage({ algorithm, limit: 1, window: 3_600_000 })
      const fiber = start("a")
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}`)
      assert.strictEqual(bucket.tokens.available(clock.now), 1 - sent.length, `k = ${k}`)
      const next = start("b", 0)
      stepper.drain()
      assert.strictEqual(next.pollUnsafe()?._tag, sent[0] === "a" ? "Failure" : "Success", `k = ${k}`)
      assert.strictEqual(sent.length, 1, `k = ${k}`)
      clock.advance(3_600_000)
      assert.isTrue(bucket.isIdle(clock.now), `k = ${k}`)
      return ended
    })
    assert.isAbove(points, 10)
  })

  it("who waits behind one that is given up gets its turn, at the time that is now its own", () => {
    const points = everyPoint((k) => {
      const { bucket, clock, sent, start, stepper } = stage({ algorithm, limit: 1, window: 1_000 })
      start("first")
      stepper.drain()
      const second = start("second")
      const third = start("third")
      stepper.drain()
      clock.advance(1_000)
      for (let n = 0; n < k; n++) stepper.step()
      const ended = second.pollUnsafe() !== undefined
      second.interruptUnsafe()
      stepper.drain()
      assert.isDefined(second.pollUnsafe(), `k = ${k}`)
      // Where the second was sent the third waits for a token of its own; else it has had the second's.
      const late = sent.includes("second")
      assert.deepStrictEqual(sent, late ? ["first", "second"] : ["first", "third"], `k = ${k}`)
      clock.advance(1_000)
      stepper.drain()
      assert.isDefined(third.pollUnsafe(), `k = ${k}`)
      assert.strictEqual(sent.at(-1), "third", `k = ${k}`)
      clock.advance(1_000)
      assert.isTrue(bucket.isIdle(clock.now), `k = ${k}`)
      return ended
    })
    assert.isAbove(points, 10)
  })
})
