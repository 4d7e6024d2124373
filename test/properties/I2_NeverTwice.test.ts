// I2: a mutation whose repeat is not safe is sent again only while the call's outcome is NotSent or Refused; and no
// call ever says that it did not happen when the provider's ledger says that it did.
import { assert, describe, it } from "@effect/vitest"
import { Idempotency, Integration, Operation, Outcome, Policy, Reason, Exhaustion } from "breakwater"
import { Context, Data, Effect, Exit, Layer, Schema } from "effect"
import {
  callOf,
  certainlyNot,
  Failed,
  failureOf,
  names,
  oneOf,
  script,
  seed,
  seededly,
  settle,
  tries,
  world,
  between
} from "./support.ts"

const patient = Policy.standard({ maxAttempts: 6, totalDeadline: "9 minutes" })

const verdicts = new Map([
  ["unreachable", Reason.unreachable],
  ["throttled", Reason.throttled],
  ["notProcessed", Reason.notProcessed],
  ["unavailable", Reason.unavailable]
])

class SdkError extends Data.TaggedError("SdkError")<{ readonly why: string }> {}

describe("I2: never twice", () => {
  it.effect.prop(
    "an operation that is at most once is sent again only after an attempt that certainly did nothing",
    { seed, faults: script() },
    ({ faults, seed }) =>
      Effect.gen(function* () {
        const { acme, provider } = yield* world({ faults, policy: patient })
        yield* settle(callOf(acme, "mail"))
        assert.isAtMost(provider.ledger.length, 1)
        for (const request of provider.requests.slice(0, -1)) {
          assert.isTrue(certainlyNot(request.fault), `sent again after ${request.fault?._tag}`)
        }
      }).pipe(seededly(seed)),
    tries(200)
  )

  it.effect.prop(
    "no operation ever reports NotSent or Refused for what the provider carried out",
    { seed, faults: script(), name: oneOf(names), attempts: between(1, 5), interruptAfter: between(0, 4000) },
    ({ attempts, faults, interruptAfter, name, seed }) =>
      Effect.gen(function* () {
        const { acme, events, provider } = yield* world({
          faults,
          policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "6 seconds", maxAttempts: attempts })
        })
        // Half of the calls are given up by their caller at some time.
        const call = callOf(acme, name)
        const exit = yield* settle(interruptAfter < 2000 ? Effect.timeoutOption(call, interruptAfter) : call)
        if (provider.ledger.length === 0) return
        const failure = failureOf(exit)
        if (failure !== undefined) assert.isFalse(Outcome.didNotHappen(failure.outcome), failure.message)
        assert.strictEqual(events.length, 1)
        assert.isFalse(Outcome.didNotHappen(events[0]!.outcome), JSON.stringify(events[0]))
      }).pipe(seededly(seed)),
    tries(300)
  )

  it.effect.prop(
    "an operation over any effect is not sent again after an error that classify does not know, or a defect",
    {
      seed,
      errors: oneOf([
        ["unreachable", "unreachable", "lost"],
        ["throttled", "defect", "ok"],
        ["lost", "ok", "ok"],
        ["defect", "ok", "ok"],
        ["unavailable", "ok", "ok"],
        ["throttled", "throttled", "unavailable"],
        ["notProcessed", "unreachable", "ok"]
      ] as const)
    },
    ({ errors, seed }) =>
      Effect.gen(function* () {
        const sent: Array<string> = []
        class Sms extends Integration.Service<Sms>()(
          "test/Sms",
          { policy: patient, exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
          {
            send: Operation.mutation("send", {
              idempotency: Idempotency.atMostOnce("no key"),
              success: Schema.String,
              classify: (error: SdkError) => verdicts.get(error.why)?.(),
              translate: { SdkError: (error) => new Failed({ failure: error as never }) },
              send: () =>
                Effect.suspend(() => {
                  const end = errors[sent.length]!
                  sent.push(end)
                  return end === "ok"
                    ? Effect.succeed("sent")
                    : end === "defect"
                      ? Effect.die(new Error("boom"))
                      : Effect.fail(new SdkError({ why: end }))
                })
            })
          }
        ) {}
        const sms = Context.get(yield* Layer.build(Layer.orDie(Integration.layer(Sms))), Sms)
        const exit = yield* settle(sms.send())
        const before = sent.slice(0, -1)
        assert.isTrue(
          before.every((end) => ["unreachable", "throttled", "notProcessed"].includes(end)),
          sent.join()
        )
        if (sent.at(-1) === "ok") assert.isTrue(Exit.isSuccess(exit))
      }).pipe(seededly(seed)),
    tries(40)
  )
})
