/** The slice in breakwater. */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Duration, Effect, Layer, Schema } from "effect"
import type { CreateEmailResponse } from "./sdk.ts"
import { email, Email, EmailConfig, EmailError, isRefusal, Sent } from "./shared.ts"

/** The SDK resolves whatever the answer was, and an error may stand in a success. */
const classifyAnswer = (answer: unknown) => {
  const { data, error, headers } = answer as CreateEmailResponse
  const refusal = error ?? (isRefusal(data) ? data : undefined)
  switch (refusal?.name) {
    case undefined:
      return error === null ? undefined : Reason.unavailable()
    case "concurrent_idempotent_requests":
      return Reason.inProgress()
    case "invalid_idempotent_request":
      return Reason.keyConflict()
  }
  const retryAfter = Duration.seconds(Number(headers?.["retry-after"] ?? 0))
  return isRefusal(refusal)
    ? Reason.fromStatus(refusal.statusCode, { message: refusal.message, retryAfter })
    : Reason.unavailable()
}

class Emails extends Integration.Service<Emails>()(
  "nimblers/Emails",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }) => new EmailError({ outcome, message: reason.message })
  },
  {
    send: Operation.fromPromise("send", {
      client: EmailConfig,
      input: Email,
      success: Schema.Struct({ data: Sent }),
      idempotency: Idempotency.keyed(
        ({ invitation }: typeof Email.Type) => IdempotencyKey.derive("invite", invitation),
        { lifetime: "24 hours" }
      ),
      call: ({ body, from, subject, to }, { key }, { emails }) =>
        emails.send({ from, to, subject, html: body }, { idempotencyKey: key! }),
      classifyAnswer
    })
  }
) {}

const EmailsLive = Integration.layer(Emails).pipe(Layer.provide(EmailConfig.layer))

export const breakwater = Effect.gen(function* () {
  const emails = yield* Emails
  return (yield* emails.send(email)).data
}).pipe(Effect.provide(EmailsLive))
