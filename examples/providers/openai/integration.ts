/**
 * Answers of a model of OpenAI, token by token: the application's own words and errors, and what OpenAI's answers mean.
 */
import { type CallFailure, Exhaustion, Idempotency, Integration, Policy, Reason, Streaming } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Config, Effect, Schema, Stream } from "effect"
import { type Failure, type InvalidRequest, type Message, OpenAiApi } from "./api.ts"

// ---- the application's errors: nothing of OpenAI's is left in them

/** We asked for something that can't be done. No token was paid for. */
export class QuestionRefused extends Schema.TaggedError<QuestionRefused>()("QuestionRefused", {
  code: Schema.String,
  param: Schema.UndefinedOr(Schema.NullOr(Schema.String))
}) {}

/** The conversation is longer than the model reads: leave its oldest messages out. */
export class ConversationTooLong extends Schema.TaggedError<ConversationTooLong>()("ConversationTooLong", {}) {}

export class NoSuchModel extends Schema.TaggedError<NoSuchModel>()("NoSuchModel", { model: Schema.String }) {}

/** The key is wrong, or may not do this, or we are in the wrong country: nothing for a caller to mend. */
export class ModelNotAllowed extends Schema.TaggedError<ModelNotAllowed>()("ModelNotAllowed", {}) {}

/** The credits are spent. To wait does not help: somebody must pay. */
export class QuotaSpent extends Schema.TaggedError<QuotaSpent>()("QuotaSpent", {}) {}

/** What came until then is true, but it is not the whole answer. It is paid for. */
export class AnswerCut extends Schema.TaggedError<AnswerCut>()("AnswerCut", {
  why: Schema.String,
  requestId: Schema.UndefinedOr(Schema.String)
}) {}

/** The model failed while it wrote: what came until then is not the whole answer. */
export class AnswerFailed extends Schema.TaggedError<AnswerFailed>()("AnswerFailed", { code: Schema.String }) {}

/** No answer, or none that can be used. `outcome` says whether one may be paid for; OpenAI's support asks for `requestId`. */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  retryAfter: Schema.UndefinedOr(Schema.Duration),
  requestId: Schema.UndefinedOr(Schema.String)
}) {}

const failed = ({ error }: Failure) => new AnswerFailed({ code: error.code ?? error.type })

const notAllowed = () => new ModelNotAllowed()

const refused = ({ error }: InvalidRequest) =>
  error.code === "context_length_exceeded"
    ? new ConversationTooLong()
    : new QuestionRefused({ code: error.code ?? error.type, param: error.param })

// ---- limits

const isQuota = Schema.is(Schema.Struct({ error: Schema.Struct({ code: Schema.Literal("insufficient_quota") }) }))

/**
 * OpenAI answers 429 for two things: "not so fast" and "you have no money left". Only the first may be repeated.
 * https://platform.openai.com/docs/guides/error-codes
 *
 * A limit is told as durations, `1s` or `6m0s` or `20ms`, until it is as good as new: longer than a request must wait, but
 * never too early. They are only a reason to wait where nothing is left: a request may be larger than what is left of the
 * tokens, and then its backoff must do. https://platform.openai.com/docs/guides/rate-limits
 */
export const classifyErrors: HttpIntegration.Classify = (status, headers, body) => {
  if (status !== 429) return undefined
  if (isQuota(body)) return Reason.rejected({ message: "the quota is spent" })
  // breakwater reads this header by itself.
  if (headers["retry-after"] !== undefined) return undefined
  // A duration needs no clock.
  const limit = Reason.limitFromHeaders(headers, 0)
  return Reason.throttled({ retryAfter: limit?.remaining === 0 ? limit.resetAfter : undefined })
}

// ---- the integration

const orElse = ({ outcome, reason, retryAfter }: CallFailure.CallFailure) => {
  const { requestId } = reason
  if (reason._tag === "Truncated") return new AnswerCut({ why: reason.message, requestId })
  if (reason._tag === "Rejected" && reason.status === 429) return new QuotaSpent()
  return new ModelUnavailable({ outcome, retryAfter, requestId })
}

export class OpenAi extends Integration.Service<OpenAi>()(
  "shop/OpenAi",
  {
    policy: Policy.standard({ totalDeadline: "1 minute" }),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse
  },
  {
    complete: HttpOperation.stream(OpenAiApi, "chat", "completions", {
      // No key is documented for any POST, and OpenAI's SDK sets none. After a 429 it is repeated all the same: nothing was
      // done. After a 503 ("the engine is overloaded") it is not: nobody says that nothing was done.
      idempotency: Idempotency.atMostOnce("there is no idempotency key, and every answer is paid for"),
      // The first byte comes when the model begins to write. One that thinks first needs more.
      limits: { firstByte: "20 seconds", idle: "15 seconds", total: "5 minutes" },
      // "The stream is terminated by a data: [DONE] message." One that ends without it was cut, however well it ended.
      end: Streaming.marker(({ data }) => data === "[DONE]"),
      translate: {
        InvalidRequest: refused,
        Unauthorized: notAllowed,
        Forbidden: notAllowed,
        NotFound: (_error, { payload }) => new NoSuchModel({ model: payload.model }),
        Failure: failed
      }
    }),
    models: HttpOperation.endpoint(OpenAiApi, "models", "list", {
      translate: { Unauthorized: notAllowed, Forbidden: notAllowed }
    })
  }
) {}

// ---- what the application calls

export interface Question {
  readonly model: string
  readonly messages: readonly [typeof Message.Type, ...ReadonlyArray<typeof Message.Type>]
}

/**
 * An answer, chunk by chunk, for as long as it is pulled. Each run is a request of its own, and is paid for. Leaving it
 * closes the connection; whether OpenAI then stops writing, and counting, is not documented.
 */
export const answer = (question: Question) =>
  Stream.unwrap(
    Effect.map(OpenAi, (openai) =>
      openai.complete({ payload: { ...question, stream: true, stream_options: { include_usage: true } } })
    )
  )

/** The text of an answer. Why the model stopped stands in its chunks: `length` is not the whole answer. */
export const textOf = (question: Question) =>
  answer(question).pipe(
    Stream.map(({ choices }) => choices.map(({ delta }) => delta.content ?? "").join("")),
    Stream.filter((text) => text !== "")
  )

/** How every deployment reaches OpenAI, and every test. An account with one organization and one project may leave both out. */
export const connection = (account: { readonly organization: string; readonly project: string }) => ({
  auth: Auth.bearer(Config.Redacted("OPENAI_API_KEY")),
  headers: { "OpenAI-Organization": account.organization, "OpenAI-Project": account.project },
  // Its support asks for it: https://platform.openai.com/docs/api-reference/debugging-requests
  requestIdHeaders: ["x-request-id"]
})

export const openAiLive = (account: Parameters<typeof connection>[0]) =>
  HttpIntegration.layer(OpenAi, { ...connection(account), baseUrl: "https://api.openai.com" })
