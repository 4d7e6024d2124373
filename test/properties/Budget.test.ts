// The retry budget: against a pure model, against the published numbers of the AWS SDKs and of gRPC, and never exceeded
// under any interleaving of calls, interruptions and waits.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Arbitrary, Effect, type Fiber, Random, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { CallStep, Decided, Site } from "../../src/Call.ts"
import { siteAlone } from "../../src/internal/alone.ts"
import { boundary } from "../../src/internal/boundary.ts"
import { Bucket, type BucketSettings, Deposits, type Kind, type Tokens } from "../../src/internal/budget.ts"
import { CallRecord } from "../../src/internal/call.ts"
import { between, oneOf, seed, seededly, tries } from "./support.ts"

const kinds: ReadonlyArray<Kind> = ["transient", "throttled", "hedge"]

// ---- the model

type Event =
  | { readonly _tag: "begin" | "giveBack"; readonly wait: number }
  | { readonly _tag: "withdraw" | "failed"; readonly kind: Kind; readonly wait: number }
  | { readonly _tag: "succeeded"; readonly last: number | undefined; readonly wait: number }

const eventOf = (n: number): Event => {
  const wait = (n >> 3) % 700
  const kind = kinds[(n >> 13) % 3]!
  switch (n % 8) {
    case 0:
    case 1:
      return { _tag: "begin", wait }
    case 2:
      return { _tag: "giveBack", wait }
    case 3:
      return { _tag: "failed", kind, wait }
    case 4:
      return { _tag: "succeeded", last: [undefined, 14, 5, 0][(n >> 4) % 4], wait }
    default:
      return { _tag: "withdraw", kind, wait }
  }
}

const events = Arbitrary.map(Arbitrary.array(between(0, 0xffffff), { minLength: 1, maxLength: 40 }), (numbers) =>
  numbers.map(eventOf)
)

const settingsOf = (by: number): BucketSettings => ({
  capacity: [500, 40, 28, 10][by % 4]!,
  transientCost: [14, 1, 10][by % 3]!,
  throttledCost: [5, 1, 2.5][(by >> 2) % 3]!,
  hedgeCost: [14, 0, 1][(by >> 4) % 3]!,
  refund: [1, 0.1, 0, 2][(by >> 6) % 4]!,
  refundsLastRetry: (by >> 8) % 2 === 0,
  stopAt: [undefined, 5, 0][(by >> 9) % 3],
  charges: (by >> 11) % 2 === 0 ? "retries" : "failures"
})

/** The bucket as a pure reducer, in the words of its documentation. */
const reduce = (
  { capacity, charges, refund, refundsLastRetry, stopAt, ...costs }: BucketSettings,
  balance: number,
  event: Event | { readonly _tag: "return"; readonly cost: number }
): readonly [balance: number, taken?: number | undefined] => {
  const costOf = { transient: costs.transientCost, throttled: costs.throttledCost, hedge: costs.hedgeCost }
  switch (event._tag) {
    case "withdraw": {
      const cost = charges === "retries" || event.kind === "hedge" ? costOf[event.kind] : 0
      const after = balance - cost
      const enough = stopAt === undefined ? after > -1e-6 : after > stopAt + 1e-6
      return enough ? [after, cost] : [balance, undefined]
    }
    case "failed":
      return [charges === "failures" ? Math.max(0, balance - costOf[event.kind]) : balance]
    case "return":
      return [Math.min(capacity, balance + event.cost)]
    case "succeeded":
      return [Math.min(capacity, balance + (refundsLastRetry && event.last !== undefined ? event.last : refund))]
    default:
      return [balance]
  }
}

/** The ratio form as a list of everything that happened: what is older than ten parts of the time to live is forgotten. */
const naive = (settings: { readonly ratio: number; readonly floorPerSecond: number; readonly ttl: number }) => {
  const entries: Array<readonly [part: number, amount: number]> = []
  const partOf = (now: number) => Math.floor(now / (settings.ttl / 10))
  const sum = (now: number) =>
    entries.reduce((total, [part, amount]) => (part > partOf(now) - 10 ? total + amount : total), 0)
  return {
    add: (amount: number, now: number) => entries.push([partOf(now), amount]),
    left: (now: number, hedge: boolean) => sum(now) + (hedge ? 0 : (settings.floorPerSecond * settings.ttl) / 1_000)
  }
}

describe("a budget and its model", () => {
  it.effect.prop(
    "the bucket does what the reducer does",
    { by: between(0, 0xffff), events },
    ({ by, events }) =>
      Effect.sync(() => {
        const settings = settingsOf(by)
        const bucket: Tokens = new Bucket(settings)
        let model = settings.capacity
        let taken: number | undefined
        for (const event of events) {
          if (event._tag === "giveBack") {
            if (taken === undefined) continue
            bucket.giveBack(taken, 0)
            model = reduce(settings, model, { _tag: "return", cost: taken })[0]
            taken = undefined
          } else {
            const [next, cost] = reduce(settings, model, event)
            if (event._tag === "withdraw") {
              taken = bucket.withdraw(event.kind, 0)
              if (cost === undefined) assert.isUndefined(taken)
              else assert.approximately(taken!, cost, 1e-9)
            } else if (event._tag === "failed") bucket.failed(event.kind)
            else if (event._tag === "succeeded") bucket.succeeded(event.last)
            else bucket.begin(0)
            model = next
          }
          assert.approximately(bucket.balance(0), model, 1e-6)
          assert.isAtLeast(bucket.balance(0), 0)
          assert.isAtMost(bucket.balance(0), settings.capacity)
        }
      }),
    tries(3_000)
  )

  it.effect.prop(
    "the ratio form does what a list of everything that happened does",
    { ratio: oneOf([0, 0.1, 0.2, 1]), floor: oneOf([0, 1, 10]), ttl: oneOf([1_000, 3_000, 10_000]), events },
    ({ events, floor, ratio, ttl }) =>
      Effect.sync(() => {
        const settings = { ratio, floorPerSecond: floor, ttl }
        const deposits: Tokens = new Deposits(settings)
        const model = naive(settings)
        let now = 1_700_000_000_000
        let taken: number | undefined
        for (const event of events) {
          now += event.wait
          if (event._tag === "begin") {
            deposits.begin(now)
            model.add(ratio, now)
          } else if (event._tag === "withdraw") {
            const enough = model.left(now, event.kind === "hedge") > 1 - 1e-6
            taken = deposits.withdraw(event.kind, now)
            assert.strictEqual(taken, enough ? 1 : undefined)
            if (enough) model.add(-1, now)
          } else if (event._tag === "giveBack" && taken !== undefined) {
            deposits.giveBack(taken, now)
            model.add(taken, now)
            taken = undefined
          }
          assert.approximately(deposits.balance(now), model.left(now, false), 1e-6)
        }
      }),
    tries(3_000)
  )

  it("a clock that goes back spends nothing twice", () => {
    const deposits = new Deposits({ ratio: 1, floorPerSecond: 0, ttl: 1_000 })
    deposits.begin(5_000)
    assert.strictEqual(deposits.withdraw("transient", 100), 1)
    assert.isUndefined(deposits.withdraw("transient", 100))
    assert.isUndefined(deposits.withdraw("transient", 5_000))
  })
})

// ---- layers around a send, without an integration

interface Told {
  readonly policy: string
  readonly decided: Decided
}

/** The layers of a policy around a send, with one state, and what they decided. */
const folded = (policy: Policy.Any, send: (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>) =>
  Effect.gen(function* () {
    const states = new Map<string, unknown>()
    const told: Array<Told> = []
    const scope = yield* Scope.make()
    let step = boundary(siteAlone, (call) => send(call as CallRecord)) as CallStep
    for (const layer of policy.layers.toReversed()) {
      const site: Site = {
        ...siteAlone,
        decided: (_call, decided) => told.push({ policy: layer.slot, decided }),
        shared: (name, _settings, make) =>
          (states.has(name)
            ? Effect.succeed(states.get(name))
            : Effect.map(make, (state) => {
                states.set(name, state)
                return state
              })) as never
      }
      const built = layer.build(site) as Effect.Effect<(step: CallStep) => CallStep, Policy.PolicyError, Scope.Scope>
      step = (yield* Scope.provide(built, scope))(step)
    }
    let calls = 0
    return {
      told,
      tokens: () => [...states.values()][0] as Tokens,
      call: Effect.suspend(() =>
        step(
          new CallRecord({
            id: String(++calls),
            integration: "test/Folded",
            operation: "send",
            repeat: "Safe",
            input: undefined,
            startedAt: 0,
            correlationId: ""
          })
        )
      )
    }
  })

// ---- never exceeded

describe("a budget is never exceeded", () => {
  it.effect.prop(
    "by calls that run, wait, and are given up, in any order",
    {
      seed,
      callers: between(1, 14),
      capacity: oneOf([14, 30, 70, 500]),
      healthy: between(0, 3),
      max: between(2, 5)
    },
    ({ callers, capacity, healthy, max, seed }) =>
      Effect.gen(function* () {
        /** What was taken, and what was given: the same account, kept from outside, at every moment. */
        const account = { taken: 0, given: 0, retries: 0 }
        const last = new Map<string, number>()
        const charge = (call: CallRecord, reason: Reason.Reason) => {
          last.set(call.id, reason._tag === "Throttled" ? 5 : 14)
          return reason
        }
        const made = yield* folded(
          Policy.stack(
            Policy.budget({ capacity }),
            Policy.retry(Policy.backoff({ base: 400, throttledBase: 700 }), { maxAttempts: max })
          ),
          (call) =>
            Effect.gen(function* () {
              if (call.attempt > 1) {
                account.retries++
                account.taken += last.get(call.id)!
                // The retries that were sent, while others wait and have paid as well.
                assert.isAtMost(account.taken, capacity + account.given)
              }
              yield* Effect.sleep((yield* Random.next) * 300)
              const drawn = yield* Random.next
              if (drawn < healthy / 4) {
                account.given += call.attempt > 1 ? last.get(call.id)! : 1
                return "ok"
              }
              return yield* Effect.fail(
                charge(call, drawn < 0.9 ? Reason.make("Unavailable") : Reason.make("Throttled"))
              )
            })
        )
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let n = 0; n < callers; n++) {
          fibers.push(
            yield* Effect.forkChild(Effect.delay(made.call, (yield* Random.next) * 600), { startImmediately: true })
          )
          if ((yield* Random.next) < 0.3) yield* TestClock.adjust((yield* Random.next) * 900)
          if ((yield* Random.next) < 0.25) {
            fibers[Math.floor((yield* Random.next) * fibers.length)]!.interruptUnsafe()
          }
        }
        yield* TestClock.adjust("10 minutes")
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe(), "a call did not end")
        const count = (policy: string, decided: Decided) =>
          made.told.filter((one) => one.policy === policy && one.decided === decided).length
        const decided = count("retry", "retried")
        // Whoever waited and was given up has paid too: at the very least the cheaper price.
        assert.isAtLeast(decided, account.retries)
        assert.isAtMost(decided * 5, capacity + account.given)
        assert.strictEqual(count("budget", "rejected"), count("retry", "stopped"))
        const balance = made.tokens().balance(0)
        assert.isAtLeast(balance, 0)
        assert.isAtMost(balance, capacity)
        // Without a success nothing comes back: what is left is what was not paid for the retries that were decided.
        if (account.given === 0) assert.isAtMost(balance, capacity - 5 * decided)
        if (account.given === 0 && count("retry", "stopped") > 0) assert.isBelow(balance, 14)
      }).pipe(seededly(seed)),
    tries(1_200)
  )
})

// ---- the published numbers

/** What each attempt of each call is to end with: `ok`, a transient failure or being throttled. */
const script = Arbitrary.array(Arbitrary.array(between(0, 9), { minLength: 1, maxLength: 3 }), {
  minLength: 10,
  maxLength: 80
})
type End = "ok" | "transient" | "throttled"
const endOf = (n: number | undefined): End => (n === undefined || n < 3 ? "ok" : n < 8 ? "transient" : "throttled")

/** Runs the script, one call after the other, and says how many attempts each made, and how long each wait was. */
const play = (
  policy: Policy.Any,
  script: ReadonlyArray<ReadonlyArray<number>>,
  jitter: number
): Effect.Effect<ReadonlyArray<{ readonly attempts: number; readonly waits: ReadonlyArray<number> }>, never> =>
  Effect.gen(function* () {
    let ends: ReadonlyArray<number> = []
    let waits: Array<number> = []
    let attempts = 0
    const { call } = yield* Effect.orDie(
      folded(policy, (call) =>
        Effect.suspend((): Effect.Effect<unknown, Reason.Reason> => {
          if (call.waiting > 0) waits.push(call.waiting)
          const end = endOf(ends[attempts++])
          return end === "ok"
            ? Effect.succeed("ok")
            : Effect.fail(Reason.make(end === "throttled" ? "Throttled" : "Unavailable"))
        })
      )
    )
    const seen: Array<{ readonly attempts: number; readonly waits: ReadonlyArray<number> }> = []
    for (const next of script) {
      ends = next.map((n) => n)
      attempts = 0
      waits = []
      const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      for (let n = 0; n < 10 && fiber.pollUnsafe() === undefined; n++) yield* TestClock.adjust("21 seconds")
      assert.isDefined(fiber.pollUnsafe())
      seen.push({ attempts, waits })
    }
    return seen
  }).pipe(
    Effect.provideService(Random.Random, {
      nextIntUnsafe: () => 0,
      nextDoubleUnsafe: () => jitter
    })
  )

describe("the published numbers", () => {
  it.effect.prop(
    "AWS SDKs, 2026: 500 tokens, 14 and 5, refunds; rand · min(base · 2ⁱ, 20 s), base 50 ms and 1 s",
    { script, jitter: between(0, 99), max: between(2, 4) },
    ({ jitter, max, script }) =>
      Effect.gen(function* () {
        const random = jitter / 100
        // Written from the specification, not from the code.
        let capacity = 500
        const expected = script.map((ends) => {
          let attempts = 0
          let last: number | undefined
          const waits: Array<number> = []
          for (;;) {
            const end = endOf(ends[attempts++])
            if (end === "ok") {
              capacity = Math.min(500, capacity + (last ?? 1))
              break
            }
            const cost = end === "throttled" ? 5 : 14
            if (attempts >= max || capacity < cost) break
            capacity -= cost
            last = cost
            const delay = random * Math.min((end === "throttled" ? 1_000 : 50) * 2 ** (attempts - 1), 20_000)
            if (delay > 0) waits.push(delay)
          }
          return { attempts, waits }
        })
        const policy = Policy.stack(Policy.budget(), Policy.retry(Policy.backoff(), { maxAttempts: max }))
        const seen = yield* play(policy, script, random)
        assert.deepStrictEqual(
          seen.map(({ attempts }) => attempts),
          expected.map(({ attempts }) => attempts)
        )
        for (const [n, { waits }] of seen.entries()) {
          assert.strictEqual(waits.length, expected[n]!.waits.length)
          for (const [i, wait] of waits.entries()) assert.approximately(wait, expected[n]!.waits[i]!, 1e-6)
        }
      }),
    tries(60)
  )

  it.effect.prop(
    "gRPC A6: maxTokens, a failure −1, a success + tokenRatio, no retry at half or less",
    { script, maxTokens: between(2, 20), tokenRatio: oneOf([0.1, 0.25, 0.5, 0.001]), max: between(2, 5) },
    ({ max, maxTokens, script, tokenRatio }) =>
      Effect.gen(function* () {
        let tokens = maxTokens * 1_000
        const expected = script.map((ends) => {
          for (let attempts = 1; ; attempts++) {
            if (endOf(ends[attempts - 1]) === "ok") {
              tokens = Math.min(maxTokens * 1_000, tokens + tokenRatio * 1_000)
              return attempts
            }
            tokens = Math.max(0, tokens - 1_000)
            if (tokens <= (maxTokens * 1_000) / 2 || attempts >= max) return attempts
          }
        })
        const budget = Policy.budget({
          capacity: maxTokens,
          transientCost: 1,
          throttledCost: 1,
          hedgeCost: 0,
          refund: tokenRatio,
          refundsLastRetry: false,
          stopAt: maxTokens / 2,
          charges: "failures"
        })
        const seen = yield* play(
          Policy.stack(budget, Policy.retry(Policy.backoff({ base: 0, throttledBase: 0 }), { maxAttempts: max })),
          script,
          0
        )
        assert.deepStrictEqual(
          seen.map(({ attempts }) => attempts),
          expected
        )
      }),
    tries(150)
  )
})
