/** The recipe after the five protections were added with Effect's operators. */
import { Data, Duration, Effect, Exit, Metric, Schedule, Schema } from "effect"
import { email, Email, EmailConfig, EmailError, isRefusal, Sent } from "./shared.ts"
import type { CreateEmailResponse } from "./sdk.ts"

class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: EmailError["outcome"]
  readonly message: string
  readonly transient: boolean
  readonly retryAfter: Duration.Duration
}> {}

const failed = (outcome: EmailError["outcome"], message: string, transient: boolean, retryAfter = Duration.zero) =>
  new AttemptFailed({ outcome, message, transient, retryAfter })

const timedOut = () => failed("Unknown", "no answer in time", true)

const receive = ({ data, error, headers }: CreateEmailResponse) => {
  const refusal = error ?? (isRefusal(data) ? data : undefined)
  if (refusal === undefined) {
    return Effect.mapError(Schema.decodeUnknownEffect(Sent)(data), () =>
      failed("Applied", "the answer has another shape", false)
    )
  }
  switch (refusal.name) {
    case "rate_limit_exceeded":
      return failed("Refused", refusal.name, true, Duration.seconds(Number(headers?.["retry-after"] ?? 1)))
    case "concurrent_idempotent_requests":
      return failed("Unknown", refusal.name, true)
    case "invalid_idempotent_request":
      return failed("Unknown", refusal.name, false)
  }
  return isRefusal(refusal) ? failed("Refused", refusal.message, false) : failed("Unknown", "Resend failed", true)
}

/** The same text for the same invitation, after a restart too. */
const keyOf = ({ invitation }: typeof Email.Type) => `invite/${invitation}`

const backoff = Schedule.exponential("50 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AttemptFailed>(),
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(Duration.max(duration, input.retryAfter)))
)

const latency = Metric.timer("resend_call_duration")
const outcomes = Metric.frequency("resend_call_outcome")

const sendEmail = Effect.fn("resend.send")(
  function* (input: typeof Email.Type) {
    const resend = yield* EmailConfig
    const { body, from, subject, to } = yield* Effect.mapError(Schema.decodeUnknownEffect(Email)(input), () =>
      failed("NotSent", "the input is invalid", false)
    )
    const once = Effect.promise(() =>
      resend.emails.send({ from, to, subject, html: body }, { idempotencyKey: keyOf(input) })
    )
    // A later attempt may be refused after an earlier one was carried out: once in doubt, the call stays in doubt.
    let inDoubt = false
    return yield* once.pipe(
      Effect.flatMap(receive),
      Effect.timeoutOrElse({ duration: "10 seconds", orElse: timedOut }),
      Effect.withSpan("resend.send.attempt"),
      Effect.mapError((failure) => {
        inDoubt ||= failure.outcome === "Unknown"
        return inDoubt && failure.outcome !== "Applied"
          ? failed("Unknown", failure.message, failure.transient, failure.retryAfter)
          : failure
      }),
      Effect.retry({ times: 2, while: ({ transient }) => transient, schedule: backoff })
    )
  },
  Effect.timeoutOrElse({ duration: "30 seconds", orElse: timedOut }),
  Effect.mapError(({ message, outcome }) => new EmailError({ outcome, message })),
  Effect.tapError(({ message, outcome }) => Effect.logWarning("Resend failed", { outcome, message })),
  Effect.track(outcomes, (exit) => (Exit.isSuccess(exit) ? "ok" : "failed")),
  Effect.trackDuration(latency)
)

export const byHand = Effect.provide(sendEmail(email), EmailConfig.layer)
