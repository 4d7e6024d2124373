import { Predicate } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { comment, SlackError } from "./shared.ts"

/** Announces a comment in the community's channel. */
export const slice: Slice = {
  name: "slack",
  source: "PREreview/prereview.org: src/ExternalApis/Slack/ChatPostMessage/",
  steps: ["post"],
  provider: () => {
    const messages: Array<{ readonly ts: string; readonly metadata?: unknown }> = []
    return {
      operationOf: ({ method }) => (method === "POST" ? "post" : "history"),
      respond: ({ method, text }) => {
        if (method !== "POST") return { body: { ok: true, messages: messages.toReversed() } }
        const { channel, metadata } = JSON.parse(text) as { readonly channel: string; readonly metadata?: unknown }
        const ts = `${messages.length + 1}.000100`
        messages.push(metadata === undefined ? { ts } : { ts, metadata })
        return { body: { ok: true, channel, ts, message: { text: "as it was sent" } } }
      }
    }
  },
  wire: {
    errorIn200: { ok: false, error: "rate_limited" },
    throttled: { ok: false, error: "ratelimited" },
    unavailable: { ok: false, error: "service_unavailable" },
    changedShape: { ok: true, message: { channel: comment.channel, ts: "1.000100" } }
  },
  isSuccess: (value) =>
    Predicate.hasProperty(value, "channel") &&
    value.channel === comment.channel &&
    Predicate.hasProperty(value, "ts") &&
    typeof value.ts === "string",
  claimOf: (error) => (error instanceof SlackError ? error : undefined),
  variants: { recipe, byHand, breakwater }
}
