/**
 * Slack's Web API, as its documentation describes it: tokens, channels, messages and their limits.
 *
 * - errors: https://docs.slack.dev/reference/methods/chat.postMessage#errors
 * - limits: https://docs.slack.dev/apis/web-api/rate-limits
 * - long messages: https://docs.slack.dev/changelog/2018-04-truncating-really-long-messages
 * - pages: https://docs.slack.dev/apis/web-api/pagination
 */
import { KeyWindow, Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Channel, type Message, Refusal, SlackApi } from "./api.ts"

/** A bot's token of a workspace that does not exist. */
export const botToken = "xoxb-0123456789-not-a-real-token"

const refusal = (error: string) => Effect.fail(new Refusal({ ok: false, error }))

const limited = (seconds: number) =>
  HttpServerResponse.jsonUnsafe(
    { ok: false, error: "ratelimited" },
    { status: 429, headers: { "retry-after": String(seconds) } }
  )

export class FakeSlack extends Upstream.Service<FakeSlack>()("test/Slack", SlackApi, {
  basePath: "/api",

  state: () => ({
    channels: new Map<string, typeof Channel.Type>([
      ["C1", { id: "C1", name: "general", is_member: true }],
      ["C2", { id: "C2", name: "random", is_member: true }],
      ["C3", { id: "C3", name: "secret", is_member: false }]
    ]),
    messages: Array<typeof Message.Type & { readonly ts: string }>(),
    /** When a channel got its last message. */
    postedAt: new Map<string, number>(),
    /** Calls of `conversations.list`, by the minute. */
    listed: new Map<number, number>(),
    /** What goes wrong with the next messages; each is posted all the same. */
    incidents: Array<"fatal_error" | "internal_error">()
  }),

  headers: ({ wire }) => ({ "x-slack-req-id": `slack-${wire.index}` }),

  guard: ({ wire }) => {
    const { authorization } = wire.headers
    if (authorization === `Bearer ${botToken}`) return Effect.undefined
    const error = authorization === undefined ? "not_authed" : "invalid_auth"
    return Effect.succeed(HttpServerResponse.jsonUnsafe({ ok: false, error }))
  },

  // No method looks at a key.
  keys: KeyWindow.make({ methods: [] }),

  handlers: {
    chat: {
      postMessage: ({ payload }, { changed, state, wire }) =>
        Effect.gen(function* () {
          const channel = state.channels.get(payload.channel)
          if (channel === undefined) return yield* refusal("channel_not_found")
          if (!channel.is_member) return yield* refusal("not_in_channel")
          // "One message per second per channel"; short bursts, which may pass, do not here.
          const last = state.postedAt.get(channel.id)
          if (last !== undefined && wire.at - last < 1_000) return limited(1)
          state.postedAt.set(channel.id, wire.at)

          const ts = `${Math.floor(wire.at / 1_000)}.${String(state.messages.length).padStart(6, "0")}`
          state.messages.push({ channel: channel.id, text: payload.text.slice(0, 40_000), ts })
          const incident = state.incidents.shift()
          if (incident !== undefined) {
            yield* changed(true)
            return yield* refusal(incident)
          }
          const posted = { ok: true, channel: channel.id, ts } as const
          return payload.text.length > 40_000
            ? { ...posted, response_metadata: { warnings: ["message_truncated"] } }
            : posted
        })
    },
    conversations: {
      list: ({ query }, { state, wire }) =>
        Effect.gen(function* () {
          // Tier 2: "20+ per minute", per method and workspace.
          const minute = Math.floor(wire.at / 60_000)
          const count = (state.listed.get(minute) ?? 0) + 1
          state.listed.set(minute, count)
          if (count > 20) return limited(Math.ceil(((minute + 1) * 60_000 - wire.at) / 1_000))

          // What a cursor looks like is Slack's business.
          const start = query.cursor === undefined ? 0 : Number(query.cursor)
          if (!Number.isInteger(start)) return yield* refusal("invalid_cursor")
          const channels = [...state.channels.values()]
          const page = channels.slice(start, start + query.limit)
          const end = start + page.length
          return {
            ok: true,
            channels: page,
            response_metadata: { next_cursor: end < channels.length ? String(end) : "" }
          } as const
        })
    }
  }
}) {}
