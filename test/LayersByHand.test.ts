// The five layers of the card, composed by hand, are what `Policy.standard` gives: same exits, attempts and times.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { Arbitrary, Cause, Clock, Context, Duration, Effect, Exit, Layer, Tracer } from "effect"
import {
  Busy,
  CardDeclined,
  CardError,
  Charge,
  charge,
  classify,
  Down,
  PaymentsUnavailable,
  type SdkError
} from "../examples/20_layers-by-hand.ts"
import { oneOf, seed, seededly, settle, tries } from "./properties/support.ts"

const busy = (retryAfter: Duration.Input) => Effect.fail(new Busy({ retryAfter: Duration.fromInputUnsafe(retryAfter) }))

/** What one send may end with. */
const ends: Readonly<Record<string, Effect.Effect<unknown, SdkError>>> = {
  ok: Effect.succeed({ id: "ch_1", amount: 1 }),
  late: Effect.delay(Effect.succeed({ id: "ch_1", amount: 1 }), "9 seconds"),
  down: Effect.fail(new Down()),
  busy: busy(0),
  "busy for 2 s": busy("2 seconds"),
  "busy for a day": busy("1 day"),
  declined: Effect.fail(new CardError({ code: "no_funds" })),
  nonsense: Effect.succeed({ id: 7 }),
  defect: Effect.die(new Error("a bug")),
  never: Effect.never
}

/** A send that plays a script, and the times at which it was asked to. */
const playing = (script: ReadonlyArray<string>) => {
  const at: Array<number> = []
  const send = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.suspend(() => {
      at.push(now)
      return ends[script[(at.length - 1) % script.length]!]!
    })
  )
  return { at, send }
}

const standard = (send: Effect.Effect<unknown, SdkError>) =>
  Effect.gen(function* () {
    class Payments extends Integration.Service<Payments>()(
      "shop/Payments",
      {
        policy: Policy.standard(),
        exhausted: Exhaustion.fail,
        orElse: (failure) => new PaymentsUnavailable({ outcome: failure.outcome })
      },
      {
        charge: Operation.mutation("charge", {
          idempotency: Idempotency.inherent("the provider deduplicates by the key that `send` gives it"),
          success: Charge,
          send: () => send,
          classify,
          // An operation wants a case for every error; by hand the others are left to `orElse`, which sees the failure.
          translate: { CardError: ({ code }: CardError) => new CardDeclined({ code }) } as unknown as {
            readonly [T in SdkError["_tag"]]: (error: Extract<SdkError, { readonly _tag: T }>) => CardDeclined
          }
        })
      }
    ) {}
    const payments = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Payments))), Payments)
    return yield* payments.charge()
  })

/** How an effect ended, without where in the code. */
const shown = (exit: Exit.Exit<unknown, CardDeclined | PaymentsUnavailable>): unknown =>
  Exit.isSuccess(exit)
    ? exit.value
    : exit.cause.reasons.map((reason) => {
        if (!Cause.isFailReason(reason)) return reason._tag
        const { error } = reason
        return error._tag === "CardDeclined" ? [error._tag, error.code] : [error._tag, error.outcome]
      })

/** Runs one of the two, and says how it ended, when, and when it sent. */
const observe = <A, E>(self: Effect.Effect<A, E>, at: ReadonlyArray<number>, seed: number) =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    let endedAt = NaN
    const exit = yield* settle(
      Effect.onExit(self, () => Effect.map(Clock.currentTimeMillis, (now) => void (endedAt = now)))
    ).pipe(seededly(seed))
    return { exit, took: endedAt - startedAt, sent: at.map((time) => time - startedAt) }
  })

describe("layers by hand", () => {
  it.effect.prop(
    "same exits, attempts and times as Policy.standard",
    { seed, script: Arbitrary.array(oneOf(Object.keys(ends)), { minLength: 1, maxLength: 4 }) },
    ({ script, seed }) =>
      Effect.gen(function* () {
        const own = playing(script)
        const byHand = yield* observe(charge(own.send), own.at, seed)
        const others = playing(script)
        const made = yield* observe(Effect.scoped(standard(others.send)), others.at, seed)
        // A declared error is translated bare by both; what is left of the others says whether it happened.
        assert.deepStrictEqual(shown(byHand.exit), shown(made.exit))
        assert.deepStrictEqual(byHand.sent.length, made.sent.length)
        for (const [n, time] of byHand.sent.entries()) assert.approximately(time, made.sent[n]!, 1e-6)
        assert.approximately(byHand.took, made.took, 1e-6)
      }),
    tries(150)
  )

  it.effect("keeps its types through the pipe", () =>
    Effect.gen(function* () {
      const program: Effect.Effect<
        { readonly id: string; readonly amount: number },
        CardDeclined | PaymentsUnavailable
      > = charge(ends["ok"]!)
      assert.deepStrictEqual(yield* settle(program), Exit.succeed({ id: "ch_1", amount: 1 }))
      const one: Effect.Effect<number, unknown> = Effect.succeed(1).pipe(Policy.attemptTimeout("1 second"))
      const two: Effect.Effect<number, unknown> = Effect.succeed(1).pipe(Policy.retry(), Policy.totalDeadline(1))
      assert.deepStrictEqual([yield* settle(one), yield* settle(two)], [Exit.succeed(1), Exit.succeed(1)])
    }).pipe(seededly(1))
  )

  it.effect("runs in its span", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* settle(Effect.withTracer(charge(ends["declined"]!), tracer))
      assert.deepStrictEqual(
        spans.map(({ kind, name, status }) => [name, kind, status._tag]),
        [["charge", "internal", "Ended"]]
      )
    }).pipe(seededly(1))
  )
})
