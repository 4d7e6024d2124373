/**
 * The layers one by one, around an effect that is no operation: what `Policy.standard` does to an operation's calls, in
 * a pipe that you write yourself. A test holds the two equal: same results, same attempts, same times.
 *
 * An operation does more: it derives the key, encodes once, observes every call, and its types refuse what is unsafe.
 *
 * Run it: `npm run example examples/20_layers-by-hand.ts`
 */
import { Policy, Reason } from "breakwater"
import { Effect, Schema } from "effect"
import { fileURLToPath } from "node:url"

export const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })

// ---- what the provider's SDK may fail with

export class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }) {}
export class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.Duration }) {}
export class Down extends Schema.TaggedError<Down>()("Down", {}) {}
export type SdkError = CardError | Busy | Down

/** Which of them are worth another try, and what each says about whether it happened. */
export const classify = (error: SdkError): Reason.Verdict | undefined => {
  switch (error._tag) {
    case "Busy":
      return Reason.throttled({ retryAfter: error.retryAfter })
    case "Down":
      return Reason.unavailable()
    case "CardError":
      return Reason.rejected()
  }
}

// ---- the application's own errors

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}
export class PaymentsUnavailable extends Schema.TaggedError<PaymentsUnavailable>()("PaymentsUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

// ---- the layers, innermost first

export const charge = <R>(send: Effect.Effect<unknown, SdkError, R>) =>
  send.pipe(
    Policy.decode(Charge),
    Policy.attemptTimeout("10 seconds"),
    Policy.retry(Policy.backoff(), { classify, repeats: "the provider deduplicates by the key that `send` gives it" }),
    Policy.totalDeadline("30 seconds"),
    Policy.translate(
      { CardError: ({ code }: CardError) => new CardDeclined({ code }) },
      (failure) => new PaymentsUnavailable({ outcome: failure.outcome })
    ),
    Policy.span("charge")
  )

// ---- the program: a provider that is down once, then busy, then answers

let calls = 0
const send = Effect.suspend((): Effect.Effect<unknown, SdkError> => {
  calls++
  if (calls === 1) return Effect.fail(new Down())
  return Effect.succeed({ id: "ch_1", amount: 4200 })
})

const program = charge(send).pipe(
  Effect.flatMap(({ amount, id }) => Effect.log(`charged ${amount} as ${id}, at attempt ${calls}`)),
  Effect.catchTags({
    CardDeclined: ({ code }) => Effect.log(`the customer's card was declined: ${code}`),
    PaymentsUnavailable: ({ outcome }) => Effect.log(`no answer; was the card charged? ${outcome}`)
  })
)

if (process.argv[1] === fileURLToPath(import.meta.url)) await Effect.runPromise(program)
