/**
 * DynamoDB, as its documentation describes it: signatures, temporary credentials, throttling, transactions and their tokens.
 * The signature is verified as AWS does, from the request as it arrived and by Node's cryptography alone: nothing of
 * breakwater's signer is used.
 *
 * - signatures: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 * - errors: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 * - tokens: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-apis-txwriteitems
 *
 * It knows the two access patterns of `api.ts`, and no other expressions. `ThrottlingReasons` and `X-Amz-Crc32` are left out,
 * and a repeat consumes what the first request did. That a canceled transaction is not kept under its token is read from
 * "if the original TransactWriteItems call was successful".
 */
import { Idempotency } from "breakwater"
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { DynamoDb, mediaType, Target, TransactionCanceled } from "./api.ts"

const region = "eu-central-1"

/** Whom AWS knows. Temporary credentials have a token and an end, in epoch milliseconds. */
export interface Identity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiresAt?: number
}

export const role: Identity = {
  accessKeyId: "ASIANOTAREALKEY00001",
  secretAccessKey: "not/a/real/secret+of+the+first+role/0001",
  sessionToken: "not-a-real-session-token-1"
}

/** Where an error comes from, by its name. */
const origins: ReadonlyMap<string, string> = new Map([
  ["ThrottlingException", "com.amazon.coral.availability"],
  ["IdempotentParameterMismatchException", "com.amazonaws.dynamodb.v20120810"],
  ["InternalServerError", "com.amazonaws.dynamodb.v20120810"],
  ["ProvisionedThroughputExceededException", "com.amazonaws.dynamodb.v20120810"],
  ["RequestLimitExceeded", "com.amazonaws.dynamodb.v20120810"],
  ["TransactionCanceledException", "com.amazonaws.dynamodb.v20120810"],
  ["TransactionInProgressException", "com.amazonaws.dynamodb.v20120810"]
])
const typeOf = (name: string) => `${origins.get(name) ?? "com.amazon.coral.service"}#${name}`

interface Refusal {
  readonly name: string
  readonly message: string
}

const reply = ({ message, name }: Refusal) => ({
  status: 400,
  headers: { "content-type": mediaType },
  body: JSON.stringify({ __type: typeOf(name), message })
})

// ---- signatures

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex")
const hmac = (key: string | Uint8Array, data: string) => createHmac("sha256", key).update(data).digest()

const millisOf = (stamp: string) =>
  Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))

const fiveMinutes = 5 * 60_000

/** A request as it arrived. */
interface Arrived {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly at: number
}

const invalidToken = {
  name: "UnrecognizedClientException",
  message: "The security token included in the request is invalid."
}
const invalidSignature = (message: string) => ({ name: "InvalidSignatureException", message })

/** Why a request is not let in, or `undefined`. */
const refusalOf = (
  { at, body, headers, method, url }: Arrived,
  identities: ReadonlyArray<Identity>
): Refusal | undefined => {
  const { authorization, "x-amz-date": stamp } = headers
  if (authorization === undefined) {
    return { name: "MissingAuthenticationTokenException", message: "Request is missing Authentication Token" }
  }
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization
    )
  if (parts === null || stamp === undefined) {
    return { name: "IncompleteSignatureException", message: "The Authorization header is not complete." }
  }
  const [, accessKeyId = "", day = "", scopeRegion = "", service = "", names = "", signature = ""] = parts
  // "In most cases, a request must reach AWS within five minutes of the time stamp in the request."
  const sentAt = millisOf(stamp)
  if (!(Math.abs(at - sentAt) <= fiveMinutes)) {
    return invalidSignature(sentAt < at ? `Signature expired: ${stamp}` : `Signature not yet current: ${stamp}`)
  }
  if (scopeRegion !== region || service !== "dynamodb" || day !== stamp.slice(0, 8)) {
    return invalidSignature("Credential should be scoped to a valid region, and to correct service and date.")
  }
  const identity = identities.find((known) => known.accessKeyId === accessKeyId)
  if (identity === undefined || identity.sessionToken !== headers["x-amz-security-token"]) return invalidToken
  if (identity.expiresAt !== undefined && at >= identity.expiresAt) {
    return { name: "ExpiredTokenException", message: "The security token included in the request is expired" }
  }
  // The host, Content-Type if it is there, and all `x-amz-*` headers must be among what is signed.
  const { host, pathname, searchParams } = new URL(url)
  const present: Readonly<Record<string, string>> = { host, ...headers }
  const signed = names.split(";")
  const mustBe = Object.keys(present).filter((name) => /^(host|content-type|x-amz-.*)$/.test(name))
  if (!mustBe.every((name) => signed.includes(name))) {
    return invalidSignature(`'${mustBe.join("', '")}' must be signed.`)
  }
  // No path or query of DynamoDB has a character that is encoded.
  const canonicalRequest = [
    method,
    pathname,
    [...searchParams]
      .map(([name, value]) => `${name}=${value}`)
      .toSorted()
      .join("&"),
    ...signed.map((name) => `${name}:${(present[name] ?? "").trim().replace(/ +/g, " ")}`),
    "",
    names,
    sha256(body)
  ].join("\n")
  const stringToSign = [
    "AWS4-HMAC-SHA256",
    stamp,
    `${day}/${scopeRegion}/${service}/aws4_request`,
    sha256(canonicalRequest)
  ].join("\n")
  const key = [day, scopeRegion, service, "aws4_request"].reduce<string | Uint8Array>(
    hmac,
    `AWS4${identity.secretAccessKey}`
  )
  return timingSafeEqual(hmac(key, stringToSign), Buffer.from(signature, "hex"))
    ? undefined
    : invalidSignature("The request signature we calculated does not match the signature you provided.")
}

// ---- the provider

const canceled = (reservation: string, stock: string) =>
  new TransactionCanceled({
    __type: typeOf("TransactionCanceledException"),
    Message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${reservation}, ${stock}]`,
    CancellationReasons: [reservation, stock].map((Code) =>
      Code === "None" ? { Code } : { Code, Message: `The request failed: ${Code}` }
    )
  })

const token = Idempotency.bodyField("ClientRequestToken", { maxLength: 36 })

export class FakeDynamoDb extends Upstream.Service<FakeDynamoDb>()("test/DynamoDb", DynamoDb, {
  state: () => ({
    identities: Array.of<Identity>(role),
    /** What the next requests are refused with, by name. */
    refusals: Array<string>(),
    /** What the next transactions are canceled for: a code for the reservation, and one for the stock. */
    cancellations: Array<readonly [string, string]>(),
    /** How long a transaction takes. */
    latency: 0,
    available: new Map<string, number>([["hat", 10]]),
    reservations: new Map<string, number>()
  }),

  headers: ({ wire }) => ({ "x-amzn-requestid": `REQUEST${String(wire.index).padStart(4, "0")}` }),

  guard: ({ state, wire }) =>
    Effect.sync(() => {
      const name = state.refusals.at(0)
      const known = wire.headers["x-amz-target"] === wire.operation
      const refusal = !known
        ? { name: "UnknownOperationException", message: "" }
        : (refusalOf(wire, state.identities) ??
          (name === undefined ? undefined : { name, message: "The rate of requests exceeds what is allowed" }))
      if (refusal === undefined) return undefined
      if (refusal.name === name) state.refusals.shift()
      const { body, status } = reply(refusal)
      return HttpServerResponse.text(body, { status, contentType: mediaType })
    }),

  keys: KeyWindow.make({
    placement: token,
    lifetime: "10 minutes",
    replayHeader: false,
    stores: ({ status = 200 }) => status === 200,
    mismatch: reply({
      name: "IdempotentParameterMismatchException",
      message: "The provided client token was used before with other parameters"
    }),
    inFlight: reply({
      name: "TransactionInProgressException",
      message: "Transaction is currently being processed by another request"
    })
  }),

  // What the header names is compared with the operation in `guard`, for it is signed.
  middleware: Layer.succeed(Target, (handled) => handled),

  handlers: {
    DynamoDB_20120810: {
      TransactWriteItems: ({ payload: { order, sku, units } }, { state }) =>
        Effect.gen(function* () {
          const cancellation = state.cancellations.shift()
          if (cancellation !== undefined) return yield* canceled(...cancellation)
          yield* Effect.sleep(state.latency)
          const left = (state.available.get(sku) ?? -Infinity) - units
          const isNew = !state.reservations.has(order)
          if (!isNew || left < 0) {
            return yield* canceled(conditionOf(isNew), conditionOf(left >= 0))
          }
          state.available.set(sku, left)
          state.reservations.set(order, units)
          return { ConsumedCapacity: [{ TableName: "shop-stock", CapacityUnits: 4 }] } as const
        }),
      GetItem: ({ payload }, { changed, state }) =>
        Effect.as(changed(false), { available: state.available.get(payload.sku), capacity: 1 })
    }
  }
}) {}

const conditionOf = (holds: boolean) => (holds ? "None" : "ConditionalCheckFailed")
