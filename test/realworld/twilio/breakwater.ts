/** The slice in breakwater. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect, Layer, Option } from "effect"
import {
  accountSid,
  authToken,
  baseUrl,
  isRefusal,
  MessageError,
  messageOf,
  type NewMessage,
  notice,
  queryOf,
  settle,
  TwilioApi
} from "./shared.ts"

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  classify: (status: number, _headers: unknown, body: unknown) =>
    status < 300 && isRefusal(body) ? Reason.rejected({ message: body.message }) : undefined,
  orElse: ({ operation, outcome, reason }: CallFailure.CallFailure) =>
    new MessageError({ step: operation, outcome, message: reason.message })
}

class SentMessages extends Integration.Service<SentMessages>()("nimblers/SentMessages", defaults, {
  find: HttpOperation.endpoint(TwilioApi, "messages", "list")
}) {}

const find = Effect.fnUntraced(function* (message: typeof NewMessage.Type) {
  const sent = yield* SentMessages
  return Option.fromUndefinedOr(messageOf(yield* sent.find({ query: queryOf(message) }), message))
})

class Twilio extends Integration.Service<Twilio>()("nimblers/Twilio", defaults, {
  send: HttpOperation.endpoint(TwilioApi, "messages", "create", {
    idempotency: Idempotency.reconcilable(({ payload }) => find(payload), { settle, lookFirst: true })
  })
}) {}

const connection = { baseUrl, auth: Auth.basic(accountSid, authToken) }

const TwilioLive = HttpIntegration.layer(Twilio, connection).pipe(
  Layer.provide(HttpIntegration.layer(SentMessages, connection))
)

export const breakwater = Effect.gen(function* () {
  const twilio = yield* Twilio
  return yield* twilio.send({ payload: notice })
}).pipe(Effect.provide(TwilioLive))
