/** One endpoint, for both programs whose bundles footprint.ts compares. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

export const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })

export const Stripe = HttpApi.make("stripe").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.get("get", "/v1/charges/:id", { params: { id: Schema.String }, success: Charge })
  )
)

export const baseUrl = "https://api.stripe.example"
