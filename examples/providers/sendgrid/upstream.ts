/**
 * SendGrid's Web API v3, as its documentation describes it: keys, the Accept header, limits, mails and bounces.
 *
 * - statuses and pages: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses
 * - errors: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/errors and
 *   https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
 * - limits: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
 * - `X-Message-Id`: https://www.twilio.com/docs/sendgrid/glossary/x-message-id
 *
 * SendGrid publishes no numbers of its limits: the one here is a guess. Nor does it say whether `mail/send` has them too.
 */
import { KeyWindow, Upstream } from "breakwater/testing"
import { DateTime, Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiSchema } from "effect/http-api"
import { BadRequest, type Bounce, type Mail, SendGridApi } from "./api.ts"

export const apiKey = "SG.not-a-real-key"
export const sender = "shop@example.com"

const told = (message: string, field: string | null = null) => ({ errors: [{ message, field }] })

const refuse = (status: number, message: string, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(told(message), { status, headers })

const limit = 100

export class FakeSendGrid extends Upstream.Service<FakeSendGrid>()("test/SendGrid", SendGridApi, {
  state: () => ({
    mails: Array<typeof Mail.Type>(),
    bounces: Array<typeof Bounce.Type>(),
    /** Requests in each minute of the clock. */
    minutes: new Map<number, number>(),
    /** Whether the next mail is accepted, and then answered with 500. */
    breaks: false
  }),

  headers: ({ state, wire }) => {
    const minute = Math.floor(wire.at / 60_000)
    return {
      date: DateTime.toDateUtc(DateTime.makeUnsafe(wire.at)).toUTCString(),
      "x-ratelimit-limit": String(limit),
      "x-ratelimit-remaining": String(Math.max(0, limit - (state.minutes.get(minute) ?? 0))),
      "x-ratelimit-reset": String((minute + 1) * 60)
    }
  },

  guard: ({ state, wire }) =>
    Effect.sync(() => {
      if (wire.headers["authorization"] !== `Bearer ${apiKey}`) {
        return refuse(401, "The provided authorization grant is invalid, expired, or revoked")
      }
      if (!/application\/json|\*\/\*/.test(wire.headers["accept"] ?? "")) return refuse(406, "Missing Accept header")
      const minute = Math.floor(wire.at / 60_000)
      const count = (state.minutes.get(minute) ?? 0) + 1
      state.minutes.set(minute, count)
      return count > limit ? refuse(429, "too many requests") : undefined
    }),

  // No endpoint looks at a key.
  keys: KeyWindow.make({ methods: [] }),

  handlers: {
    mail: {
      send: ({ payload }, { changed, state }) =>
        Effect.gen(function* () {
          if (payload.from.email !== sender) {
            return refuse(403, "The from address does not match a verified Sender Identity")
          }
          const addresses = payload.personalizations.flatMap(({ to }) => to.map(({ email }) => email))
          if (addresses.some((email) => !/^\S+@\S+$/.test(email))) {
            return yield* Effect.fail(
              new BadRequest(told("Does not contain a valid address.", "personalizations.0.to"))
            )
          }
          // "There is a limit of 1000 total recipients (to + cc + bcc) per request."
          if (addresses.length > 1_000) {
            return yield* Effect.fail(
              new BadRequest(told("There is a limit of 1000 total recipients", "personalizations"))
            )
          }
          state.mails.push(payload)
          if (state.breaks) {
            state.breaks = false
            yield* changed(true)
            return refuse(500, "internal server error")
          }
          return HttpApiSchema.withHeaders({
            body: undefined,
            headers: { "x-message-id": `mail-${state.mails.length}` }
          })
        })
    },
    bounces: {
      list: ({ query }, { state, wire }) => {
        const end = query.offset + query.limit
        const next = new URL(wire.url)
        next.searchParams.set("offset", String(end))
        const first = new URL(wire.url)
        first.searchParams.set("offset", "0")
        const links = [
          ...(end < state.bounces.length ? [`<${next.href}>; rel="next"; title="2"`] : []),
          `<${first.href}>; rel="first"; title="1"`
        ]
        return Effect.succeed(
          HttpApiSchema.withHeaders({
            body: state.bounces.slice(query.offset, end),
            headers: { link: links.join(", ") }
          })
        )
      }
    }
  }
}) {}
