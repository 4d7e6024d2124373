/** The slice in breakwater. */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Duration, Effect, Layer } from "effect"
import type { CreateEmailResponse } from "./sdk.ts"
import { email, Email, EmailConfig, EmailError, isRefusal, Sent } from "./shared.ts"

const refusalOf = ({ data, error }: CreateEmailResponse) => error ?? (isRefusal(data) ? data : undefined)

class Emails extends Integration.Service<Emails>()(
  "nimblers/Emails",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }) => new EmailError({ outcome, message: reason.message })
  },
  {
    send: Operation.mutation("send", {
      input: Email,
      success: Sent,
      idempotency: Idempotency.keyed(
        ({ invitation }: typeof Email.Type) => IdempotencyKey.derive("invite", invitation),
        { lifetime: "24 hours" }
      ),
      send: ({ body, from, subject, to }, { key }) =>
        Effect.gen(function* () {
          const resend = yield* EmailConfig
          const message = { from, to, subject, html: body }
          const response = yield* Effect.promise(() => resend.emails.send(message, { idempotencyKey: key! }))
          return refusalOf(response) === undefined ? response.data : yield* Effect.fail(response)
        }),
      classify: (response) => {
        const error = refusalOf(response)
        switch (error?.name) {
          case "rate_limit_exceeded":
            return Reason.throttled({ retryAfter: Duration.seconds(Number(response.headers?.["retry-after"] ?? 1)) })
          case "concurrent_idempotent_requests":
            return Reason.inProgress()
          case "invalid_idempotent_request":
            return Reason.keyConflict()
        }
        return isRefusal(error) ? Reason.rejected({ message: error.message }) : Reason.unavailable()
      }
    })
  }
) {}

const EmailsLive = Integration.layer(Emails).pipe(Layer.provide(EmailConfig.layer))

export const breakwater = Effect.gen(function* () {
  const emails = yield* Emails
  return yield* emails.send(email)
}).pipe(Effect.provide(EmailsLive))
