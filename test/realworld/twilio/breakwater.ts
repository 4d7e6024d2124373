/** The slice in breakwater. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
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
    idempotency: Idempotency.reconcilable(({ payload }) => find(payload), { settle })
  })
}) {}

const options: HttpIntegration.Options<{}> = {
  baseUrl,
  auth: HttpIntegration.basic(accountSid, authToken),
  classify: (status, _headers, body) =>
    status < 300 && isRefusal(body) ? Reason.rejected({ message: body.message }) : undefined
}

const TwilioLive = HttpIntegration.layer(Twilio, options).pipe(
  Layer.provideMerge(HttpIntegration.layer(SentMessages, options))
)

export const breakwater = Effect.gen(function* () {
  const twilio = yield* Twilio
  const known = yield* find(notice)
  return Option.isSome(known) ? known.value : yield* twilio.send({ payload: notice })
}).pipe(Effect.provide(TwilioLive))
