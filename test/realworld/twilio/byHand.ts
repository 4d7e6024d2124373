/** The recipe after the five protections were added with Effect's operators. */
import { Data, Duration, Effect, Exit, Metric, Option, Predicate, Redacted, Schedule, Schema } from "effect"
import * as PromiseClient from "../PromiseClient.ts"
import {
  accountSid,
  authToken,
  baseUrl,
  Message,
  MessageError,
  messageOf,
  Messages,
  NewMessage,
  notice,
  queryOf,
  settle
} from "./shared.ts"

class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: MessageError["outcome"]
  readonly message: string
  readonly transient: boolean
  readonly retryAfter: Duration.Duration
}> {}

const failed = (outcome: MessageError["outcome"], message: string, transient: boolean, retryAfter = Duration.zero) =>
  new AttemptFailed({ outcome, message, transient, retryAfter })

const timedOut = () => failed("Unknown", "no answer in time", true)

const isNotSent = (error: unknown) =>
  Predicate.hasProperty(error, "cause") &&
  Predicate.hasProperty(error.cause, "code") &&
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/.test(String(error.cause.code))

const ofRejection = (error: unknown) =>
  isNotSent(error)
    ? failed("NotSent", "Twilio could not be reached", true)
    : failed("Unknown", "the connection was lost", true)

const ofStatus = ({ headers, status }: PromiseClient.FetchResponse) => {
  const message = `status ${status}`
  const seconds = Number(headers.get("retry-after") ?? 1)
  if (status === 429) return failed("Refused", message, true, Duration.seconds(Number.isFinite(seconds) ? seconds : 1))
  if (status >= 500) return failed("Unknown", message, true)
  return failed(status >= 400 ? "Refused" : "Unknown", message, false)
}

const attempt = Effect.fnUntraced(
  function* <A>(expected: number, schema: Schema.Decoder<A>, url: string, init: PromiseClient.FetchInit) {
    const client = yield* PromiseClient.make
    const authorization = `Basic ${btoa(`${accountSid}:${Redacted.value(authToken)}`)}`
    const { body, response } = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await client.fetch(url, {
          ...init,
          signal,
          headers: { authorization, "content-type": "application/x-www-form-urlencoded" }
        })
        return { response, body: await response.text() }
      },
      catch: ofRejection
    })
    if (response.status !== expected) return yield* ofStatus(response)
    return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(body).pipe(
      Effect.mapError(() => failed("Unknown", "the answer has another shape", false))
    )
  },
  Effect.timeoutOrElse({ duration: "10 seconds", orElse: timedOut }),
  Effect.withSpan("twilio.attempt")
)

const backoff = Schedule.exponential("50 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AttemptFailed>(),
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(Duration.max(duration, input.retryAfter)))
)

const latency = Metric.timer("twilio_call_duration")
const outcomes = Metric.frequency("twilio_call_outcome")

const call = <A, R>(step: string, repeat: "safe" | "unless in doubt", once: Effect.Effect<A, AttemptFailed, R>) =>
  once.pipe(
    Effect.retry({
      times: 2,
      while: ({ outcome, transient }) => transient && (repeat === "safe" || outcome !== "Unknown"),
      schedule: backoff
    }),
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: timedOut }),
    Effect.mapError(({ message, outcome }) => new MessageError({ step, outcome, message })),
    Effect.tapError(({ message, outcome }) => Effect.logWarning("Twilio failed", { step, outcome, message })),
    Effect.track(outcomes, (exit) => `${step}: ${Exit.isSuccess(exit) ? "ok" : "failed"}`),
    Effect.trackDuration(latency),
    Effect.withSpan(`twilio.${step}`)
  )

const find = (message: typeof NewMessage.Type) => {
  const { PageSize, To } = queryOf(message)
  const query = new URLSearchParams({ To, PageSize: String(PageSize) })
  const once = attempt(200, Messages, `${baseUrl}/Messages.json?${query.toString()}`, { method: "GET" })
  return Effect.map(call("find", "safe", once), (found) => Option.fromUndefinedOr(messageOf(found, message)))
}

/** After an attempt of unknown outcome: what was sent is the answer, and what was not may be sent again. */
const settled = (message: typeof NewMessage.Type) => (failure: AttemptFailed) =>
  find(message).pipe(
    Effect.delay(settle),
    Effect.mapError(() => failed("Unknown", failure.message, false)),
    Effect.flatMap((found) =>
      Option.isSome(found) ? Effect.succeed(found.value) : failed("NotSent", failure.message, true)
    )
  )

const send = (message: typeof NewMessage.Type) => {
  const body = new URLSearchParams(message).toString()
  const once = attempt(201, Message, `${baseUrl}/Messages.json`, { method: "POST", body }).pipe(
    Effect.catchIf(({ outcome, transient }) => transient && outcome === "Unknown", settled(message))
  )
  return Schema.decodeUnknownEffect(NewMessage)(message).pipe(
    Effect.mapError(() => new MessageError({ step: "send", outcome: "NotSent", message: "the message is invalid" })),
    Effect.andThen(call("send", "unless in doubt", once))
  )
}

export const byHand = Effect.gen(function* () {
  const known = yield* find(notice)
  return Option.isSome(known) ? known.value : yield* send(notice)
})
