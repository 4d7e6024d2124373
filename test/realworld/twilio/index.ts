import { Predicate } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { MessageError, type Message } from "./shared.ts"

/** Sends one text message. */
export const slice: Slice = {
  name: "twilio",
  source: "nimblerscode/nimblers: src/infrastructure/messaging/twilio/api-client.ts",
  steps: ["send"],
  provider: () => {
    const messages: Array<typeof Message.Type> = []
    return {
      operationOf: ({ method }) => (method === "GET" ? "find" : "send"),
      respond: ({ operation, text, url }) => {
        if (operation === "find") {
          const to = new URL(url).searchParams.get("To")
          return { body: { messages: messages.filter((message) => message.to === to).toReversed() } }
        }
        const form = new URLSearchParams(text)
        const message = {
          sid: `SM${messages.length + 1}`,
          status: "queued",
          to: form.get("To") ?? "",
          body: form.get("Body") ?? "",
          date_created: "Thu, 01 Jan 1970 00:00:00 +0000",
          price: null
        }
        messages.push(message)
        return { status: 201, body: message }
      }
    }
  },
  wire: {
    errorIn200: { code: 21211, message: "The 'To' number is not a valid phone number.", status: 400 },
    throttled: { code: 20429, message: "Too Many Requests", status: 429 },
    unavailable: { code: 20503, message: "Service unavailable", status: 503 },
    changedShape: { message: { id: "SM1", state: "queued" } }
  },
  isSuccess: (value) =>
    Predicate.hasProperty(value, "sid") &&
    Predicate.isString(value.sid) &&
    value.sid.startsWith("SM") &&
    Predicate.hasProperty(value, "status") &&
    value.status === "queued",
  claimOf: (error) => (error instanceof MessageError ? error : undefined),
  variants: { recipe, byHand, breakwater }
}
