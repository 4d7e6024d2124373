import { assert, describe, it } from "@effect/vitest"
import { CallFailure, Policy } from "breakwater"
import { Data, Duration, Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import { applyCase } from "../src/PolicyTranslate.ts"

class CardError extends Data.TaggedError("CardError")<{ readonly code: string }> {}
class Down extends Data.TaggedError("Down") {}
class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}
class Unavailable extends Data.TaggedError("Unavailable")<{ readonly failure: CallFailure.CallFailure }> {}

const translated = Policy.translate(
  { CardError: ({ code }: CardError) => new Declined({ code }) },
  (failure) => new Unavailable({ failure })
)
const declined = new Declined({ code: "no_funds" })
const retried = Policy.retry(Policy.backoff({ base: 0 }), { repeats: "a test", maxAttempts: 2 })

describe("Policy.translate", () => {
  it.effect("a declared error takes its case, bare or as a CallFailure's", () =>
    Effect.gen(function* () {
      const send = Effect.fail(new CardError({ code: "no_funds" }))
      assert.deepStrictEqual(yield* Effect.flip(send.pipe(translated)), declined)
      const wrapped = yield* Effect.flip(send.pipe(retried))
      assert.isTrue(CallFailure.isCallFailure(wrapped))
      assert.deepStrictEqual(yield* Effect.flip(Effect.fail(wrapped).pipe(translated)), declined)
    })
  )

  it.effect("any other CallFailure goes to orElse as it is", () =>
    Effect.gen(function* () {
      const undecoded = Effect.succeed(7).pipe(Policy.decode(Schema.String))
      const failure = yield* Effect.flip(undecoded)
      const error = yield* Effect.flip(Effect.fail(failure).pipe(translated))
      assert.strictEqual((error as Unavailable).failure, failure)
    })
  )

  it.effect.each([
    ["another tag", new Down()],
    ["the name of a method of every object", { _tag: "toString" }],
    ["no tag", { code: "no_funds" }],
    ["text", "CardError"],
    ["null", null],
    ["undefined", undefined]
  ] as const)("a bare error without a case goes to orElse as a failure that may have happened: %s", ([, error]) =>
    Effect.gen(function* () {
      yield* TestClock.adjust(500)
      const { failure } = (yield* Effect.flip(Effect.fail(error).pipe(translated))) as Unavailable
      assert.strictEqual(failure.reason.error, error)
      assert.strictEqual(failure.reason.cause, error)
      assert.deepStrictEqual(
        [failure.reason._tag, failure.outcome, failure.stopped, failure.operation, failure.elapsed],
        ["Failed", "Unknown", "not transient", "translate", Duration.zero]
      )
    })
  )

  it.effect("leaves a success and a defect alone", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.succeed(1).pipe(translated), 1)
      assert.deepStrictEqual(yield* Effect.exit(Effect.die("a bug").pipe(translated)), Exit.die("a bug"))
    })
  )
})

describe("applyCase", () => {
  it("gives a case the error and the call's input; without cases there is nothing to apply", () => {
    const cases = { CardError: ({ code }: CardError, input: string) => `${code} for ${input}` }
    const error = new CardError({ code: "no_funds" })
    assert.strictEqual(applyCase(cases, error, "o-1"), "no_funds for o-1")
    assert.isUndefined(applyCase(undefined, error, "o-1"))
  })
})
