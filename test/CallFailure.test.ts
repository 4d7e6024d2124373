import { assert, describe, it } from "@effect/vitest"
import {
  CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Policy,
  Reason,
  Telemetry
} from "breakwater"
import { Cause, Context, Data, Duration, Effect, Exit, Fiber, Layer, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { callHere } from "./http/ShopIntegration.ts"
import { quiet, type Seen, seen } from "./http/wire.ts"

class Sick extends Data.TaggedError("Sick")<{
  readonly verdict: Reason.Verdict | undefined
  readonly secret: string
}> {}

const fixed = Policy.stack(
  Policy.totalDeadline("1 minute"),
  Policy.retry(Schedule.spaced("250 millis")),
  Policy.attemptTimeout("2 seconds")
)

/** An integration whose provider answers with one verdict after the other. */
const clinic = (...verdicts: ReadonlyArray<Reason.Verdict | undefined | "hang">) => {
  let n = 0
  const send = () =>
    Effect.suspend(() => {
      const verdict = verdicts[Math.min(n++, verdicts.length - 1)]
      return verdict === "hang"
        ? Effect.never
        : Effect.delay(Effect.fail(new Sick({ verdict, secret: "sk_live_1" })), "10 millis")
    })
  const options = {
    input: Schema.String,
    success: Schema.Number,
    send,
    classify: (error: Sick) => error.verdict,
    // No error of the application's own: everything goes to orElse.
    translate: { Sick: () => undefined as never }
  } as const
  class Clinic extends Integration.Service<Clinic>()(
    "test/Clinic",
    { policy: fixed, exhausted: Exhaustion.fail, orElse: seen },
    {
      keyed: Operation.mutation("keyed", {
        ...options,
        idempotency: Idempotency.keyed((name: string) => IdempotencyKey.derive("keyed", name), { lifetime: "1 day" })
      }),
      once: Operation.mutation("once", { ...options, idempotency: Idempotency.atMostOnce("a letter") }),
      natural: Operation.mutation("natural", { ...options, idempotency: Idempotency.inherent("sets a value") }),
      read: Operation.query("read", options)
    }
  ) {}
  return Effect.map(Layer.build(Integration.layer(Clinic, { drain: 0 })), (context) => Context.get(context, Clinic))
}

/** The failure of a call, once all its time has passed. */
const failureOf = <A>(call: Effect.Effect<A, unknown>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
    yield* TestClock.adjust("2 minutes")
    return ((yield* Fiber.join(fiber)) as Seen).failure
  }).pipe(Effect.provide(quiet))

const correlated = Effect.provideService(Telemetry.CorrelationId, "c-1")

describe("a printed failure", () => {
  it.effect("has a line for each attempt, the outcome, the key, the correlation id and the next step", () =>
    Effect.gen(function* () {
      const api = yield* clinic(
        Reason.unavailable({ message: "the lab burns", requestId: "req_1" }),
        "hang",
        Reason.throttled({ message: "too fast", retryAfter: Duration.seconds(90) })
      )
      const failure = yield* failureOf(correlated(api.keyed("a")))
      const key = IdempotencyKey.toText(IdempotencyKey.derive("keyed", "a"))
      const text = [
        "test/Clinic keyed failed: Throttled: too fast",
        "  attempt 1 at +0 ms: Unavailable: the lab burns (Unknown, took 10 ms, provider's id req_1)",
        "  attempt 2 at +260 ms: Timeout: cut by the attempt timeout of 2 s (Unknown, took 2000 ms, after waiting 250 ms)",
        "  attempt 3 at +2510 ms: Throttled: too fast (Refused, took 10 ms, after waiting 250 ms)",
        "  outcome        Unknown: it may have happened",
        "  not repeated   attempts are spent (asked to wait 90.0 s)",
        `  key            ${key}`,
        "  correlation id c-1",
        "  next           it may have happened; repeat only with the same key while the provider remembers it, else look it up there"
      ].join("\n")
      assert.strictEqual(failure.message, text)
      assert.strictEqual(String(failure), `CallFailure: ${text}`)
      assert.isTrue(failure.stack!.startsWith(`CallFailure: ${text}\n    at `))
      assert.include(Cause.pretty(Cause.fail(failure)), text)
      assert.isTrue(CallFailure.isCallFailure(failure))
      assert.deepStrictEqual(JSON.parse(JSON.stringify(failure)), {
        _tag: "CallFailure",
        integration: "test/Clinic",
        operation: "keyed",
        reason: "Throttled",
        message: "too fast",
        outcome: "Unknown",
        stopped: "attempts are spent",
        attempts: JSON.parse(JSON.stringify(failure.attempts)),
        elapsedMs: 2520,
        retryAfterMs: 90_000,
        correlationId: "c-1",
        key,
        next: CallFailure.nextStep(failure)
      })
    })
  )

  it.effect("shows what orElse gets: the outcome, and how long the provider asked to wait", () =>
    Effect.gen(function* () {
      const api = yield* clinic(Reason.throttled({ retryAfter: Duration.minutes(5) }))
      const failure = yield* failureOf(api.once("a"))
      assert.deepStrictEqual(
        [failure.outcome, failure.retryAfter, failure.stopped, failure.attempts.length],
        ["Refused", Duration.minutes(5), "the provider asked to wait longer than the policy waits", 1]
      )
      assert.include(failure.message, "  next           it did not happen; it is safe to repeat later")
      assert.notInclude(failure.message, "key ")
    })
  )

  for (const [name, verdict, method, next] of [
    ["Unknown, at most once", undefined, "once", "it may have happened; look it up at the provider before repeating"],
    [
      "Unknown, keyed",
      undefined,
      "keyed",
      "it may have happened; repeat only with the same key while the provider remembers it, else look it up there"
    ],
    ["Unknown, idempotent", undefined, "natural", "it may have happened; repeating it has the same effect"],
    ["a read", undefined, "read", "nothing changed at the provider; repeat whenever it suits"],
    ["NotSent", Reason.unreachable(), "once", "it did not happen; it is safe to repeat"],
    ["Refused for good", Reason.rejected(), "once", "it did not happen; correct the request before repeating"],
    [
      "a conflict of keys",
      Reason.keyConflict(),
      "keyed",
      "find the two callers that share this key; never mint a new key to get past it"
    ],
    [
      "Applied",
      Reason.rejected({ outcome: "Applied" }),
      "once",
      "it happened; do not repeat; read the result at the provider"
    ]
  ] as const) {
    it.effect(`says what to do next: ${name}`, () =>
      Effect.gen(function* () {
        const api = yield* clinic(verdict)
        const failure = yield* failureOf(api[method]("a"))
        assert.strictEqual(CallFailure.nextStep(failure), next)
        assert.isTrue(failure.message.endsWith(`  next           ${next}`))
      })
    )
  }

  it.effect("says so when no attempt was made", () =>
    Effect.gen(function* () {
      const api = yield* clinic(undefined)
      const failure = yield* failureOf(api.keyed(1 as never))
      assert.include(failure.message, "failed: InvalidInput: Expected string")
      assert.include(
        failure.message,
        "\n  no attempt was made\n  outcome        NotSent: it did not happen, nothing reached the provider\n"
      )
      assert.include(failure.message, "  next           correct the input; nothing was sent")
    })
  )

  it.effect("shows nothing of the error behind it: it may hold what must not be logged", () =>
    Effect.gen(function* () {
      const api = yield* clinic(undefined)
      const failure = yield* failureOf(api.once("sk_live_2"))
      assert.propertyVal(failure.reason.cause, "secret", "sk_live_1")
      for (const shown of [
        String(failure),
        failure.stack!,
        JSON.stringify(failure),
        inspect(failure, { depth: 9 }),
        Cause.pretty(Cause.fail(failure)),
        inspect(Exit.fail(failure), { depth: 9 })
      ]) {
        assert.notInclude(shown, "sk_live")
      }
      assert.include(failure.message, "failed with Sick")
    })
  )
})

// ---- where the call stands

describe("the stack", () => {
  /** File and line of the first frame. */
  const first = (stack: string | undefined) => {
    const frame = stack?.split("\n").find((line) => /^\s+at /.test(line)) ?? ""
    return /([^/\\(]+\.ts):(\d+):\d+\)?$/.exec(frame)?.slice(1, 3).join(":")
  }
  /** The line above the one that calls this. */
  const above = () => {
    const [file, line] = first(new Error().stack!.replace(/.*\n.*\n/, "\n"))!.split(":")
    return `${file}:${Number(line) - 1}`
  }

  const stacks = <A>(call: Effect.Effect<A, unknown>) => Effect.map(failureOf(call), ({ stack }) => first(stack))

  it.effect("begins at the call, made in Effect.gen", () =>
    Effect.gen(function* () {
      const api = yield* clinic(undefined)
      let here
      const program = Effect.gen(function* () {
        const call = api.once("a")
        here = above()
        return yield* call
      })
      assert.strictEqual(yield* stacks(program), here)
    })
  )

  it.effect("begins at the call, made in Effect.flatMap", () =>
    Effect.gen(function* () {
      const api = yield* clinic(undefined)
      let here
      const program = Effect.flatMap(Effect.yieldNow, () => {
        const call = api.once("a")
        here = above()
        return call
      })
      assert.strictEqual(yield* stacks(program), here)
    })
  )

  it.effect("begins at the call when the program runs later, on another fiber, and twice", () =>
    Effect.gen(function* () {
      const api = yield* clinic(undefined)
      const call = api.once("a")
      const here = above()
      assert.strictEqual(yield* stacks(Effect.delay(call, "1 second")), here)
      assert.strictEqual(yield* stacks(Effect.flatMap(Effect.forkDetach(call), Fiber.join)), here)
    })
  )

  it.effect("begins at the call when the method was taken out of the service", () =>
    Effect.gen(function* () {
      const { once } = yield* clinic(undefined)
      const calls = ["a", "b"].map((name) => once(name))
      const here = above()
      for (const call of calls) assert.strictEqual(yield* stacks(call), here)
    })
  )

  it.effect("begins in a file of the application whose name is like one of the library's", () =>
    Effect.gen(function* () {
      const { once } = yield* clinic(undefined)
      assert.strictEqual(yield* stacks(callHere(once)), "ShopIntegration.ts:7")
    })
  )

  it.effect("is that of the failure that orElse and the printer get, for every kind of failure", () =>
    Effect.gen(function* () {
      const api = yield* clinic("hang")
      const call = api.keyed("a")
      const here = above()
      const invalid = api.keyed(1 as never)
      const there = above()
      assert.strictEqual(yield* stacks(call), here)
      assert.strictEqual(yield* stacks(invalid), there)
      const failure = yield* failureOf(api.keyed("a"))
      assert.strictEqual(first(Cause.pretty(Cause.fail(failure))), first(failure.stack))
    })
  )

  it.effect("costs nothing of the application's own stacks: the limit is as it was", () =>
    Effect.gen(function* () {
      const limit = Error.stackTraceLimit
      const api = yield* clinic(undefined)
      yield* failureOf(api.once("a"))
      assert.strictEqual(Error.stackTraceLimit, limit)
    })
  )
})
