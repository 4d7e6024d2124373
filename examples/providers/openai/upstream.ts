/**
 * OpenAI, as its documentation describes it: credentials, limits, quota, a streamed answer.
 *
 * - errors: https://platform.openai.com/docs/guides/error-codes
 * - limits: https://platform.openai.com/docs/guides/rate-limits
 * - chunks: https://platform.openai.com/docs/api-reference/chat-streaming
 *
 * The bodies of 401, 404 and both kinds of 429 are as users have reported them. Not documented, and so a guess: what a
 * wrong organization is answered (here 401), whether a 429 has `Retry-After`, and how an error in the middle of a stream is
 * told. It is here what OpenAI's own SDK looks for: an event with `{ error }`, and then the end without `[DONE]`.
 */
import { Upstream } from "breakwater/testing"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Chunk, InvalidRequest, NotFound, OpenAiApi } from "./api.ts"

export const apiKey = "sk-proj-not-a-key"
export const account = { organization: "org-shop", project: "proj_shop" }

/** The pieces of the answer that this model always gives. */
export const words = ["Water", " is", " wet", ", mostly", "."] as const

// What every chunk has beside what we use of it, as it was recorded: the client must not mind.
const about = {
  id: "chatcmpl-C8f2mQkXw0",
  object: "chat.completion.chunk",
  created: 1_764_021_600,
  model: "gpt-4.1-2025-04-14",
  service_tier: "default",
  system_fingerprint: "fp_503841bde5"
} as const

const chunk = (delta: { readonly role?: "assistant"; readonly content?: string }, finish: string | null = null) => ({
  ...about,
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  usage: null
})

/** The chunks of an answer, in order: the first names the role, the last but one says why it ends, the last what it cost. */
export const chunks: ReadonlyArray<typeof Chunk.Type> = [
  chunk({ role: "assistant", content: "" }),
  ...words.map((content) => chunk({ content })),
  chunk({}, "stop"),
  { ...about, choices: [], usage: { prompt_tokens: 14, completion_tokens: words.length } }
]

export const done = "data: [DONE]\n\n"

/** An event as it stands on the wire. */
export const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

type Problem = readonly [type: string, code: string | null, message: string, param?: string]

const problem = ([type, code, message, param]: Problem) => ({ error: { message, type, param: param ?? null, code } })

/** What the model says when it fails in the middle of an answer. */
export const failure = problem(["server_error", null, "The server had an error while processing your request."])

const refuse = (status: number, told: Problem, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(problem(told), { status, headers })

/** Why a request is limited, and what the headers of the answer say of it. */
interface Limited {
  readonly by: "requests" | "tokens"
  readonly headers: Readonly<Record<string, string>>
}

export class FakeOpenAi extends Upstream.Service<FakeOpenAi>()("test/OpenAi", OpenAiApi, {
  state: () => ({
    /** Whether there is anything left to pay with. */
    credits: true,
    /** The limits that the next requests meet. */
    limits: Array<Limited>(),
    /** After how many chunks the next answers end without `[DONE]`, and whether the model says that it failed. */
    breaks: Array<{ readonly after: number; readonly told: boolean }>()
  }),

  headers: ({ wire }): Record<string, string> => ({
    "x-request-id": `req_${wire.index}`,
    "openai-version": "2020-10-01",
    "openai-processing-ms": "12",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms"
  }),

  guard: ({ state, wire }) =>
    Effect.sync(() => {
      if (wire.headers["authorization"] !== `Bearer ${apiKey}`) {
        return refuse(401, ["invalid_request_error", "invalid_api_key", "Incorrect API key provided."])
      }
      if (wire.headers["openai-organization"] !== account.organization) {
        return refuse(401, ["invalid_request_error", "mismatched_organization", "No such organization."])
      }
      if (wire.method === "GET") return undefined
      if (!state.credits) {
        const message = "You exceeded your current quota, please check your plan and billing details."
        return refuse(429, ["insufficient_quota", "insufficient_quota", message])
      }
      const limited = state.limits.shift()
      return limited === undefined
        ? undefined
        : refuse(429, [limited.by, "rate_limit_exceeded", "Rate limit reached for gpt-4.1."], limited.headers)
    }),

  handlers: {
    chat: {
      completions: ({ payload }, { state }) =>
        Effect.gen(function* () {
          if (!payload.model.startsWith("gpt-4.1")) {
            const message = `The model \`${payload.model}\` does not exist or you do not have access to it.`
            return yield* new NotFound(problem(["invalid_request_error", "model_not_found", message]))
          }
          if (payload.messages.length > 100) {
            const message = "This model's maximum context length is 1047576 tokens."
            return yield* new InvalidRequest(
              problem(["invalid_request_error", "context_length_exceeded", message, "messages"])
            )
          }
          const broken = state.breaks.shift()
          const text = chunks.slice(0, broken?.after).map(event).join("")
          const last = broken === undefined ? done : broken.told ? event(failure) : ""
          return HttpServerResponse.text(`${text}${last}`, { contentType: "text/event-stream" })
        })
    },
    models: {
      list: () =>
        Effect.succeed({
          data: [
            { id: "gpt-4.1", owned_by: "system" },
            { id: "gpt-4.1-mini", owned_by: "system" }
          ]
        })
    }
  }
}) {}
