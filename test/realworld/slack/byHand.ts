/** The recipe after the five protections were added with Effect's operators. */
import { Data, Duration, Effect, Exit, Metric, Predicate, Schedule, Schema } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import {
  announcementOf,
  baseUrl,
  comment,
  History,
  historyOf,
  inDoubt,
  limits,
  markedMessageOf,
  Message,
  Posted,
  Refusal,
  SlackError,
  token
} from "./shared.ts"

class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: SlackError["outcome"]
  readonly message: string
  readonly transient: boolean
  readonly retryAfter: Duration.Duration
}> {}

const failed = (outcome: SlackError["outcome"], message: string, transient: boolean, retryAfter = Duration.zero) =>
  new AttemptFailed({ outcome, message, transient, retryAfter })

const timedOut = () => failed("Unknown", "no answer in time", true)

const isNotSent = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/.test(String(cause.code))

const ofClient = ({ reason }: HttpClientError.HttpClientError) =>
  reason._tag === "TransportError" && isNotSent(reason.cause)
    ? failed("NotSent", "Slack could not be reached", true)
    : failed("Unknown", "the connection was lost", true)

const throttled = (response: HttpClientResponse.HttpClientResponse, message: string) => {
  const seconds = Number(response.headers["retry-after"])
  return failed("Refused", message, true, Duration.seconds(Number.isFinite(seconds) ? seconds : 1))
}

type Answer = typeof Posted | typeof History

const receive = <S extends Answer>(schema: S, response: HttpClientResponse.HttpClientResponse) => {
  const message = `status ${response.status}`
  if (response.status === 429) return throttled(response, message)
  if (response.status >= 500) return failed("Unknown", message, true)
  if (response.status !== 200) return failed("Refused", message, false)
  return Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Union([schema, Refusal]))(response), (body) => {
    if (body.ok) return Effect.succeed(body)
    if (limits.has(body.error)) return throttled(response, body.error)
    return inDoubt.has(body.error) ? failed("Unknown", body.error, true) : failed("Refused", body.error, false)
  })
}

const backoff = Schedule.exponential("50 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AttemptFailed>(),
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(Duration.max(duration, input.retryAfter)))
)

const latency = Metric.timer("slack_call_duration")
const outcomes = Metric.frequency("slack_call_outcome")

const call = <S extends Answer>(
  step: string,
  repeat: "safe" | "at most once",
  schema: S,
  request: HttpClientRequest.HttpClientRequest
) =>
  HttpClient.execute(HttpClientRequest.bearerToken(request, token)).pipe(
    Effect.flatMap((response) => receive(schema, response)),
    Effect.catchTags({
      HttpClientError: ofClient,
      SchemaError: () => failed("Unknown", "the answer has another shape", false)
    }),
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: timedOut }),
    Effect.withSpan(`slack.${step}.attempt`),
    Effect.retry({
      times: 2,
      while: ({ outcome, transient }) => transient && (repeat === "safe" || outcome !== "Unknown"),
      schedule: backoff
    }),
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: timedOut }),
    Effect.mapError(({ message, outcome }) => new SlackError({ step, outcome, message })),
    Effect.tapError(({ message, outcome }) => Effect.logWarning("Slack failed", { step, outcome, message })),
    Effect.track(outcomes, (exit) => `${step}: ${Exit.isSuccess(exit) ? "ok" : "failed"}`),
    Effect.trackDuration(latency),
    Effect.withSpan(`slack.${step}`)
  )

const history = call(
  "history",
  "safe",
  History,
  HttpClientRequest.get(`${baseUrl}/api/conversations.history`, { urlParams: historyOf(comment), acceptJson: true })
)

const post = HttpClientRequest.post(`${baseUrl}/api/chat.postMessage`, { acceptJson: true }).pipe(
  HttpClientRequest.schemaBodyJson(Message)(markedMessageOf(comment)),
  Effect.mapError(() => new SlackError({ step: "post", outcome: "NotSent", message: "it can't be encoded" })),
  Effect.flatMap((request) => call("post", "at most once", Posted, request))
)

export const byHand = Effect.gen(function* () {
  const known = announcementOf(yield* history, comment)
  return known === undefined ? yield* post : { channel: comment.channel, ts: known.ts }
})
