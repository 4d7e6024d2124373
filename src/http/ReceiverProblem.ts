/**
 * The problem documents of `HttpReceiver`, as errors that an `HttpApi` declares: they show in OpenAPI, and Effect's own
 * client fails with them. breakwater's client reads them by their type and needs no translation for them.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import { problems } from "./Answer.ts"

/**
 * Marks an error that breakwater's client understands by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Understood {
  readonly "~breakwater/ReceiverProblem": true
}

/**
 * 400: a request that changes something came without a key.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyMissing extends HttpApiError.Problem<KeyMissing, Understood>()("IdempotencyKeyMissing", {
  type: problems.keyMissing,
  status: 400,
  title: "An idempotency key is required"
}) {}

/**
 * 400: the key is none, or there is more than one.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyInvalid extends HttpApiError.Problem<KeyInvalid, Understood>()("IdempotencyKeyInvalid", {
  type: problems.keyInvalid,
  status: 400,
  title: "The idempotency key is invalid"
}) {}

/**
 * 409: another request with this key is at work. Has `Retry-After`.
 *
 * @category errors
 * @since 0.1.0
 */
export class InProgress extends HttpApiError.Problem<InProgress, Understood>()("IdempotencyInProgress", {
  type: problems.inProgress,
  status: 409,
  title: "A request with this idempotency key is in progress"
}) {}

/**
 * 409: an earlier request with this key may have been carried out. It is held until somebody has found out.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutcomeUnknown extends HttpApiError.Problem<OutcomeUnknown, Understood>()("IdempotencyOutcomeUnknown", {
  type: problems.outcomeUnknown,
  status: 409,
  title: "It is not known whether the request with this idempotency key was carried out"
}) {}

/**
 * 409, or 303 with a `Location`: it was carried out, and its answer was not kept.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResponseNotStored extends HttpApiError.Problem<ResponseNotStored, Understood>()(
  "IdempotencyResponseNotStored",
  {
    type: problems.responseNotStored,
    status: 409,
    title: "The request with this idempotency key was carried out; its response was not stored"
  }
) {}

/**
 * 413: the request is too large to be told from another with the same key.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestTooLarge extends HttpApiError.Problem<RequestTooLarge, Understood>()("IdempotencyRequestTooLarge", {
  type: problems.requestTooLarge,
  status: 413,
  title: "The request is too large for an idempotency key"
}) {}

/**
 * 422: the key was used before with another request.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyReused extends HttpApiError.Problem<KeyReused, Understood>()("IdempotencyKeyReused", {
  type: problems.keyReused,
  status: 422,
  title: "This idempotency key was used with another request"
}) {}

/**
 * 503: the records of keys can't be reached, so nothing was done. Has `Retry-After`.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotProcessed extends HttpApiError.Problem<NotProcessed, Understood>()("IdempotencyNotProcessed", {
  type: problems.notProcessed,
  status: 503,
  title: "The request was not processed"
}) {}

/**
 * 503: the request was cut, or the records of keys failed after the fact: it may have been carried out. Has
 * `Retry-After`; a repeat with the same key is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends HttpApiError.Problem<Unavailable, Understood>()("IdempotencyUnavailable", {
  type: problems.unavailable,
  status: 503,
  title: "The request may have been carried out"
}) {}

/**
 * All of them: what an endpoint behind `HttpReceiver.Service` declares.
 *
 * @category constants
 * @since 0.1.0
 */
export const all = [
  KeyMissing,
  KeyInvalid,
  InProgress,
  OutcomeUnknown,
  ResponseNotStored,
  RequestTooLarge,
  KeyReused,
  NotProcessed,
  Unavailable
] as const

/**
 * Any of them.
 *
 * @category models
 * @since 0.1.0
 */
export type ReceiverProblem = InstanceType<(typeof all)[number]>
