/**
 * A shop's stock in DynamoDB: the application's own words and errors, and what AWS's answers mean.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect, Layer, Redacted, Schema } from "effect"
import { HttpClientRequest } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { DynamoDb, nameOf, Target, type TransactionCanceled } from "./api.ts"

// ---- the application's errors: nothing of AWS's is left in them

/** There is less than was asked for. Nothing was reserved. */
export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { sku: Schema.String }) {}

/** The order has a reservation, of this or of another quantity: it was made earlier than the provider remembers. */
export class AlreadyReserved extends Schema.TaggedError<AlreadyReserved>()("AlreadyReserved", {
  order: Schema.String
}) {}

/** DynamoDB canceled it for a reason that a caller can't mend. Nothing was reserved. */
export class ReservationRefused extends Schema.TaggedError<ReservationRefused>()("ReservationRefused", {
  codes: Schema.Array(Schema.String)
}) {}

/** Everything else. `outcome` says whether the stock was reserved, `requestId` is what AWS's support asks for. */
export class StockUnavailable extends Schema.TaggedError<StockUnavailable>()("StockUnavailable", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  reason: Schema.String,
  requestId: Schema.UndefinedOr(Schema.String)
}) {}

// ---- what an answer other than 2xx means: AWS says nearly everything with 400, and tells it by `__type`

const isError = Schema.is(Schema.Struct({ __type: Schema.String }))
const isCanceled = Schema.is(
  Schema.Struct({ CancellationReasons: Schema.Array(Schema.Struct({ Code: Schema.optionalKey(Schema.String) })) })
)

/** Why a transaction was canceled, without the items that were no obstacle. */
const codesOf = (reasons: TransactionCanceled["CancellationReasons"]) =>
  reasons.flatMap(({ Code }) => (Code === undefined || Code === "None" ? [] : [Code]))

/** Of a request, or of one item of a transaction. */
const throttling: ReadonlySet<string> = new Set([
  "ProvisionedThroughputExceeded",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingError",
  "ThrottlingException"
])
const passing: ReadonlySet<string> = new Set([...throttling, "TransactionConflict"])

export const classifyErrors: HttpIntegration.Classify = (status, _headers, body) => {
  // What 500 and 503 mean, their status says.
  if (status >= 500 || !isError(body)) return undefined
  const message = nameOf(body.__type)
  if (throttling.has(message)) return Reason.throttled({ message })
  switch (message) {
    case "TransactionInProgressException":
      return Reason.inProgress({ message })
    case "IdempotentParameterMismatchException":
      return Reason.keyConflict({ message })
    // The next attempt asks for credentials again.
    case "ExpiredTokenException":
      return Reason.notProcessed({ message })
    case "TransactionCanceledException": {
      // Only what was carried out is remembered under the token: a transaction that was canceled may be tried again.
      const codes = isCanceled(body) ? codesOf(body.CancellationReasons) : []
      if (codes.length === 0 || !codes.every((code) => passing.has(code))) return undefined
      return codes.every((code) => throttling.has(code))
        ? Reason.throttled({ message: codes.join(", ") })
        : Reason.notProcessed({ message: codes.join(", ") })
    }
  }
  // Wrong credentials, no permission, no such table, an invalid expression. None of them tells what became of an earlier
  // attempt, as a declared error would: credentials may have been revoked since.
  return Reason.rejected({ message })
}

// ---- the integration

export class Stock extends Integration.Service<Stock>()(
  "shop/Stock",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    classifyErrors,
    orElse: ({ outcome, reason }) =>
      new StockUnavailable({ outcome, reason: reason.message, requestId: reason.requestId })
  },
  {
    reserve: HttpOperation.endpoint(DynamoDb, "DynamoDB_20120810", "TransactWriteItems", {
      // "A client request token is valid for 10 minutes after the first request that uses it is completed." After that,
      // the condition on the reservation's key still stands.
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("reserve", payload.order), {
        placement: Idempotency.bodyField("ClientRequestToken", { maxLength: 36 }),
        lifetime: "10 minutes"
      }),
      translate: {
        TransactionCanceled: ({ CancellationReasons: reasons }, { payload }) => {
          const [reservation, stock] = reasons
          if (reservation?.Code === "ConditionalCheckFailed") return new AlreadyReserved({ order: payload.order })
          if (stock?.Code === "ConditionalCheckFailed") return new OutOfStock({ sku: payload.sku })
          return new ReservationRefused({ codes: codesOf(reasons) })
        }
      }
    }),
    available: HttpOperation.endpoint(DynamoDb, "DynamoDB_20120810", "GetItem", {
      idempotency: Idempotency.readOnly("GetItem is a POST that reads")
    })
  }
) {}

// ---- how it is reached

/** Every request names its operation. It is signed with the rest: the signature comes last. */
export const layerTarget = HttpApiMiddleware.layerClient(Target, ({ endpoint, group, next, request }) =>
  next(HttpClientRequest.setHeader(request, "x-amz-target", `${group.identifier}.${endpoint.identifier}`))
)

/**
 * A provider of AWS's SDK, such as `fromNodeProviderChain()` of `@aws-sdk/credential-providers`: it finds the role of a
 * container, a function or a machine, keeps what it was given, and gets another in time.
 */
export const fromProvider = (
  provider: () => Promise<{
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string | undefined
  }>
) =>
  Effect.map(
    Effect.tryPromise(() => provider()),
    ({ accessKeyId, secretAccessKey, sessionToken }): Auth.AwsCredentials => ({
      accessKeyId,
      secretAccessKey: Redacted.make(secretAccessKey),
      sessionToken: sessionToken === undefined ? undefined : Redacted.make(sessionToken)
    })
  )

export const region = "eu-central-1"

/** How every deployment reaches DynamoDB, and every test. The credentials are asked for, and signed with, per attempt. */
export const connection = (credentials: Effect.Effect<Auth.AwsCredentials, unknown>) => ({
  auth: Auth.awsSigV4({ service: "dynamodb", region, credentials })
})

/** A new layer each time, with a breaker of its own: call it once, and keep what it gives. */
export const layerStock = (credentials: Effect.Effect<Auth.AwsCredentials, unknown>) =>
  HttpIntegration.layer(Stock, {
    ...connection(credentials),
    baseUrl: `https://dynamodb.${region}.amazonaws.com`
  }).pipe(Layer.provide(layerTarget))
