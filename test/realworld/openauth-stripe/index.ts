/** Slice 14: a user subscribes: make a customer of Stripe's unless there is one, and open a checkout, through Stripe's SDK. */
import { Schema } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { Session, StripeUnavailable } from "./shared.ts"

const error = (type: string, message: string) => ({ error: { type, message } })

export const slice: Slice = {
  name: "openauth-stripe",
  source: "mw10013/cloudflare-openauth-stripe: functions/app/src/Stripe.ts",
  steps: ["createCustomer", "createSession"],
  provider: () => {
    let made = 0
    return {
      operationOf: ({ url }) => {
        const { pathname } = new URL(url)
        return pathname === "/v1/customers"
          ? "createCustomer"
          : pathname === "/v1/checkout/sessions"
            ? "createSession"
            : "listPrices"
      },
      respond: ({ operation, text }) => {
        const form = new URLSearchParams(text)
        switch (operation) {
          case "createCustomer":
            return { body: { id: `cus_${++made}`, email: form.get("email") } }
          case "createSession": {
            const id = `cs_${++made}`
            // Stripe opens a checkout for nobody too.
            return { body: { id, url: `https://checkout.stripe.com/c/pay/${id}`, customer: form.get("customer") } }
          }
          default:
            return {
              body: {
                data: [
                  { id: "price_base", lookup_key: "base" },
                  { id: "price_plus", lookup_key: "plus" }
                ]
              }
            }
        }
      }
    }
  },
  wire: {
    errorIn200: error("api_error", "An unknown error occurred"),
    unavailable: error("api_error", "Stripe is unavailable"),
    throttled: error("rate_limit_error", "Too many requests"),
    changedShape: { object: "v2.core.account", account: { key: "acct_1" } }
  },
  isSuccess: Schema.is(Session),
  claimOf: (error) =>
    error instanceof StripeUnavailable ? { step: error.operation, outcome: error.outcome } : undefined,
  variants: { recipe, byHand, breakwater }
}
