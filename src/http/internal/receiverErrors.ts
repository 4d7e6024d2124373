// What the failure of a handler is to the receiver: an answer, a request that was turned away, or neither.
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ErrorReporter from "effect/ErrorReporter"
import type { HttpServerError } from "effect/http/HttpServerError"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Failed } from "./receiverRun.ts"

const refused: Failed = { _tag: "Refused" }
const broken: Failed = { _tag: "Broken" }
const answer = (response: HttpServerResponse.HttpServerResponse): Failed => ({ _tag: "Answer", response })

/** What a handler failed with, where it failed in one way. Interruptions and several failures at once say nothing. */
const single = (cause: Cause.Cause<unknown>): Cause.Reason<unknown> | undefined =>
  cause.reasons.length === 1 ? cause.reasons[0] : undefined

/** The request did not match its schema. An answer that does not match its own failed after the handler. */
const isOfRequest = (error: unknown): boolean =>
  HttpApiError.HttpApiSchemaError.is(error) && error.kind !== "Body" && error.kind !== "ResponseHeaders"

/** `isTagged` knows no more than the tag: that of Effect's error, which has a reason. */
const isUnreadable = (error: unknown): boolean =>
  Predicate.isTagged(error, "HttpServerError") && (error as HttpServerError).reason._tag === "RequestParseError"

/** Around a route: a failure becomes a response outside of it, as Effect's server does it. */
export const ofRoute = (cause: Cause.Cause<unknown>): Effect.Effect<Failed> => {
  const reason = single(cause)
  if (reason === undefined || reason._tag === "Interrupt") return Effect.succeed(broken)
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  if (HttpServerResponse.isHttpServerResponse(error)) return Effect.succeed(answer(error))
  if (isOfRequest(error)) return Effect.succeed(refused)
  if (reason._tag === "Fail" && (Schema.isSchemaError(error) || isUnreadable(error))) return Effect.succeed(refused)
  return HttpServerRespondable.isRespondable(error)
    ? Effect.matchCauseEffect(HttpServerRespondable.toResponse(error), {
        onFailure: () => Effect.succeed(broken),
        onSuccess: (response) => Effect.as(ErrorReporter.report(cause), answer(response))
      })
    : Effect.succeed(broken)
}

/** The error that an endpoint failed with, on its way to the encoder. */
class Failure extends Context.Service<Failure, unknown>()("breakwater/HttpReceiver/Failure") {}

/**
 * Around an endpoint: an error that it declares is encoded outside of its middleware, too late for a record. So it is
 * encoded here, by Effect's own encoder of an endpoint that declares the same errors.
 */
export const ofEndpoint = (
  endpoint: HttpApiEndpoint.Top,
  group: HttpApiGroup.Top
): ((cause: Cause.Cause<unknown>) => Effect.Effect<Failed>) => {
  let declared: ReadonlyArray<Schema.Top> = []
  HttpApi.reflect(HttpApi.make("errors").add(HttpApiGroup.make("errors").add(endpoint)), {
    onGroup() {},
    onEndpoint({ errors }) {
      declared = [...errors.values()].flat()
    }
  })
  // Its schemas are those of the endpoint, codecs and all.
  const encoder = HttpApiEndpoint.get("encode", "/", { disableCodecs: true, error: declared }).annotateMerge(
    Context.merge(group.annotations, endpoint.annotations)
  )
  const errors = HttpApi.make("errors").add(HttpApiGroup.make("errors").add(encoder))
  const encode = Effect.runSync(
    HttpApiBuilder.endpoint(errors, "errors", "encode", () =>
      Effect.flatMap(Failure, (error) => Effect.fail(error as never))
    ) as Effect.Effect<Effect.Effect<HttpServerResponse.HttpServerResponse>>
  )
  return (cause) => {
    const reason = single(cause)
    if (reason === undefined || reason._tag === "Interrupt") return Effect.succeed(broken)
    if (reason._tag === "Die") {
      return Effect.succeed(HttpServerResponse.isHttpServerResponse(reason.defect) ? answer(reason.defect) : broken)
    }
    const { error } = reason
    if (isOfRequest(error) || isUnreadable(error)) return Effect.succeed(refused)
    if (HttpApiError.HttpApiSchemaError.is(error)) return Effect.succeed(broken)
    // What it can't encode is no answer of this endpoint.
    return Effect.matchCause(Effect.provideService(encode, Failure, error), {
      onFailure: () => broken,
      onSuccess: answer
    })
  }
}
