/** The recipe after the five protections were added with Effect's operators. */
import { Data, Duration, Effect, Exit, Metric, Predicate, Schedule, type Schema } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import {
  baseUrl,
  depositionOf,
  Depositions,
  metadataOf,
  NewDeposition,
  queryOf,
  review,
  SubmittedDeposition,
  token,
  UnsubmittedDeposition,
  ZenodoError
} from "./shared.ts"

class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: ZenodoError["outcome"]
  readonly message: string
  readonly transient: boolean
  readonly retryAfter: Duration.Duration
}> {}

const failed = (outcome: ZenodoError["outcome"], message: string, transient: boolean, retryAfter = Duration.zero) =>
  new AttemptFailed({ outcome, message, transient, retryAfter })

const timedOut = () => failed("Unknown", "no answer in time", true)

const isNotSent = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN)$/.test(String(cause.code))

const ofClient = ({ reason }: HttpClientError.HttpClientError) =>
  reason._tag === "TransportError" && isNotSent(reason.cause)
    ? failed("NotSent", "Zenodo could not be reached", true)
    : failed("Unknown", "the connection was lost", true)

const ofStatus = ({ headers, status }: HttpClientResponse.HttpClientResponse) => {
  const message = `status ${status}`
  const seconds = Number(headers["retry-after"])
  if (status === 429) return failed("Refused", message, true, Duration.seconds(Number.isFinite(seconds) ? seconds : 1))
  if (status >= 500) return failed("Unknown", message, true)
  return failed(status >= 400 ? "Refused" : "Unknown", message, false)
}

const backoff = Schedule.exponential("50 millis").pipe(
  Schedule.jittered,
  Schedule.setInputType<AttemptFailed>(),
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(Duration.max(duration, input.retryAfter)))
)

const latency = Metric.timer("zenodo_call_duration")
const outcomes = Metric.frequency("zenodo_call_outcome")

const call = <A>(
  step: string,
  repeat: "safe" | "at most once",
  expected: number,
  schema: Schema.Decoder<A>,
  request: HttpClientRequest.HttpClientRequest
) =>
  request.pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.bearerToken(token),
    HttpClient.execute,
    Effect.filterOrElse(({ status }) => status === expected, ofStatus),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(schema)),
    Effect.catchTags({
      HttpClientError: ofClient,
      SchemaError: () => failed("Unknown", "the answer has another shape", false)
    }),
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: timedOut }),
    Effect.withSpan(`zenodo.${step}.attempt`),
    Effect.retry({
      times: 2,
      while: ({ outcome, transient }) => transient && (repeat === "safe" || outcome !== "Unknown"),
      schedule: backoff
    }),
    Effect.timeoutOrElse({ duration: "30 seconds", orElse: timedOut }),
    Effect.mapError(({ message, outcome }) => new ZenodoError({ step, outcome, message })),
    Effect.tapError(({ message, outcome }) => Effect.logWarning("Zenodo failed", { step, outcome, message })),
    Effect.track(outcomes, (exit) => `${step}: ${Exit.isSuccess(exit) ? "ok" : "failed"}`),
    Effect.trackDuration(latency),
    Effect.withSpan(`zenodo.${step}`)
  )

const depositions = `${baseUrl}/api/deposit/depositions`

const find = call("find", "safe", 200, Depositions, HttpClientRequest.get(depositions, { urlParams: queryOf(review) }))

const create = HttpClientRequest.post(depositions).pipe(
  HttpClientRequest.schemaBodyJson(NewDeposition)({ metadata: metadataOf(review) }),
  Effect.mapError(() => new ZenodoError({ step: "create", outcome: "NotSent", message: "it can't be encoded" })),
  Effect.flatMap((request) => call("create", "at most once", 201, UnsubmittedDeposition, request))
)

const publish = (id: number) =>
  call(
    "publish",
    "at most once",
    202,
    SubmittedDeposition,
    HttpClientRequest.post(`${depositions}/${id}/actions/publish`)
  )

export const byHand = Effect.gen(function* () {
  const known = depositionOf(yield* find, review)
  if (known?.submitted === true) return known
  const { id } = known ?? (yield* create)
  return yield* publish(id)
})
