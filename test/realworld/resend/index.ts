import { Predicate } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { EmailError } from "./shared.ts"

/** Sends one invitation by mail. */
export const slice: Slice = {
  name: "resend",
  source: "nimblerscode/nimblers: src/infrastructure/email/resend/adapter.ts",
  steps: ["send"],
  provider: () => {
    let emails = 0
    return {
      operationOf: () => "send",
      respond: () => ({ body: { id: `email-${++emails}` } })
    }
  },
  wire: {
    errorIn200: { statusCode: 422, name: "validation_error", message: "Invalid `to` field." },
    throttled: { statusCode: 429, name: "rate_limit_exceeded", message: "Too many requests." },
    unavailable: { statusCode: 503, name: "application_error", message: "The service is unavailable." },
    changedShape: { object: "email", email: { id: "email-1" } }
  },
  // The id of the email. The original hands the SDK's whole answer on, so that its caller reads `data.id`.
  isSuccess: (value) => {
    const sent = Predicate.hasProperty(value, "data") ? value.data : value
    return Predicate.hasProperty(sent, "id") && typeof sent.id === "string"
  },
  claimOf: (error) => (error instanceof EmailError ? { step: "send", outcome: error.outcome } : undefined),
  variants: { recipe, byHand, breakwater }
}
