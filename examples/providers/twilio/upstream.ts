/**
 * Twilio's messages, as its documentation describes them: credentials, numbers, opt-outs, pages and the limit.
 *
 * - errors: https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions and
 *   https://www.twilio.com/docs/api/errors
 * - 429: https://www.twilio.com/docs/api/errors/20429 and
 *   https://support.twilio.com/hc/en-us/articles/360044308153-Twilio-API-response-Error-429-Too-Many-Requests
 * - opt-outs: https://www.twilio.com/docs/api/errors/21610
 * - test numbers: https://www.twilio.com/docs/iam/test-credentials
 */
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { BadRequest, type Message, TwilioApi } from "./api.ts"

export const accountSid = "AC00000000000000000000000000000000"
export const authToken = "not-a-real-auth-token"

/** Twilio's own test numbers: one that may send, and what becomes of three others. */
export const numbers = {
  from: "+15005550006",
  invalid: "+15005550001",
  optedOut: "+15005550004",
  noMobile: "+15005550009"
} as const

const told = (status: number, code: number, message: string) => ({
  code,
  message,
  more_info: `https://www.twilio.com/docs/errors/${code}`,
  status
})

const bad = (code: number, message: string) => Effect.fail(new BadRequest(told(400, code, message)))

const refuse = (status: number, code: number, message: string) =>
  HttpServerResponse.jsonUnsafe(told(status, code, message), { status })

const credentials = `Basic ${btoa(`${accountSid}:${authToken}`)}`

export class FakeTwilio extends Upstream.Service<FakeTwilio>()("test/Twilio", TwilioApi, {
  basePath: `/2010-04-01/Accounts/${accountSid}`,

  state: () => ({
    messages: Array<typeof Message.Type>(),
    /** How many requests run at this moment. */
    running: 0,
    /** How many may. Twilio's own number depends on the account. */
    concurrency: 2,
    /** How long it takes to accept a message. */
    latency: 0,
    /** Whether the next message is accepted, and then answered with 500. */
    breaks: false
  }),

  headers: ({ state }) => ({ "twilio-concurrent-requests": String(state.running) }),

  guard: ({ state, wire }) =>
    Effect.sync(() => {
      if (wire.headers["authorization"] !== credentials) return refuse(401, 20_003, "Authenticate")
      // Before anything else happens: "this request is never processed".
      return state.running >= state.concurrency ? refuse(429, 20_429, "Too Many Requests") : undefined
    }),

  // The resource documents no key.
  keys: KeyWindow.make({ methods: [] }),

  handlers: {
    messages: {
      create: ({ payload }, { changed, state }) =>
        Effect.gen(function* () {
          if (!/^\+[1-9]\d{6,14}$/.test(payload.to) || payload.to === numbers.invalid) {
            return yield* bad(21_211, `Invalid 'To' Phone Number: ${payload.to}`)
          }
          if (payload.to === numbers.optedOut) return yield* bad(21_610, "Attempt to send to unsubscribed recipient")
          if (payload.to === numbers.noMobile) return yield* bad(21_614, "'To' number is not a valid mobile number")
          if (payload.from !== numbers.from) return yield* bad(21_606, "The 'From' number is not yours")
          // https://www.twilio.com/docs/api/errors/21617
          if (payload.body.length > 1_600) return yield* bad(21_617, "The message body exceeds 1600 characters")
          yield* Effect.sleep(state.latency)
          const message: typeof Message.Type = {
            sid: `SM${String(state.messages.length + 1).padStart(32, "0")}`,
            to: payload.to,
            body: payload.body,
            status: "queued",
            error_code: null
          }
          state.messages.push(message)
          if (!state.breaks) return message
          state.breaks = false
          yield* changed(true)
          return refuse(500, 20_500, "Internal Server Error")
        }).pipe(Effect.ensuring(Effect.sync(() => state.running--)), (running) =>
          Effect.suspend(() => (state.running++, running))
        ),
      list: ({ query }, { state }) => {
        const found = state.messages.filter(({ to }) => query.To === undefined || to === query.To).toReversed()
        const page = Number(query.Page ?? "0")
        // What a token looks like is Twilio's business; without it only the first page is to be had.
        if (page > 0 && query.PageToken !== `PT${page}`) return bad(20_001, "Invalid page token")
        const end = (page + 1) * query.PageSize
        const next = `/2010-04-01/Accounts/${accountSid}/Messages.json?PageSize=${query.PageSize}&Page=${page + 1}&PageToken=PT${page + 1}`
        return Effect.succeed({
          messages: found.slice(page * query.PageSize, end),
          next_page_uri: end < found.length ? next : null
        })
      }
    }
  }
}) {}
