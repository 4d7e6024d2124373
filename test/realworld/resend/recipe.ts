/**
 * nimblerscode/nimblers: `src/infrastructure/email/resend/adapter.ts`.
 *
 * Kept: one promise of the SDK, whose result is the success whatever it holds; a rejection becomes the application's one
 * error, which does not say whether the mail was sent. No key, no limit on time, no retry, no span. Left out: the layer
 * around it.
 */
import { Data, Effect } from "effect"
import { email, type Email, EmailConfig } from "./shared.ts"

class EmailError extends Data.TaggedError("EmailError")<{ readonly message: string }> {}

const sendEmail = Effect.fnUntraced(function* ({ body, from, subject, to }: typeof Email.Type) {
  const resend = yield* EmailConfig
  return yield* Effect.tryPromise({
    try: () => resend.emails.send({ from, to, subject, html: body }),
    catch: (error) => new EmailError({ message: `Adapter: Failed to send email. Original error: ${String(error)}` })
  })
})

export const recipe = Effect.provide(sendEmail(email), EmailConfig.layer)
