/**
 * One port of the application with two providers behind it. The plan asks the second one when the first can't, but a charge
 * only where it certainly did not happen at the first: otherwise the customer pays twice.
 */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outcome, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Context, Effect, ExecutionPlan, Layer, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

// ---- the port: what the application needs, in its own words

export interface Receipt {
  readonly provider: "north" | "south"
  readonly id: string
}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}

/** A provider gave no usable answer. Whether it happened stands in it, as the fold over all attempts. */
export class ProviderDown extends Schema.TaggedError<ProviderDown>()("ProviderDown", {
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"]),
  /** Whether the provider may answer later, or another one now: not for a request that it rejects. */
  exhausted: Schema.Boolean
}) {}

export interface CardProvider {
  readonly charge: (orderId: string, amount: number) => Effect.Effect<Receipt, CardDeclined | ProviderDown>
  /** What a card's bank charges at most for a payment. The same at both. */
  readonly fee: (country: string) => Effect.Effect<number, ProviderDown>
}

/** What the application uses. */
export class Cards extends Context.Service<Cards, CardProvider>()("shop/Cards") {}

// ---- the two providers: each an integration of its own, with its own contract, breaker and key

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}

export class NorthApi extends HttpApi.make("north").add(
  HttpApiGroup.make("north").add(
    HttpApiEndpoint.post("charge", "/charges", {
      payload: Schema.Struct({ orderId: Schema.String, amount: Schema.Int }),
      success: Schema.Struct({ id: Schema.String }),
      error: CardError
    }),
    HttpApiEndpoint.get("fee", "/fees/:country", {
      params: { country: Schema.String },
      success: Schema.Struct({ cents: Schema.Int })
    })
  )
) {}

export class SouthApi extends HttpApi.make("south").add(
  HttpApiGroup.make("south").add(
    HttpApiEndpoint.post("pay", "/v2/payments", {
      payload: Schema.Struct({ reference: Schema.String, cents: Schema.Int }),
      success: Schema.Struct({ payment: Schema.String })
    }),
    HttpApiEndpoint.get("tariff", "/v2/tariffs", {
      query: { country: Schema.String },
      success: Schema.Struct({ fee: Schema.Int })
    })
  )
) {}

const defaults = {
  // Short, so that there is time left for the second.
  policy: Policy.standard({ attemptTimeout: "2 seconds", totalDeadline: "5 seconds" }),
  exhausted: Exhaustion.fail
}

export class North extends Integration.Service<North>()(
  "shop/North",
  {
    ...defaults,
    shared: Policy.shared({ breaker: Policy.breaker() }),
    orElse: ({ outcome, reason }) => new ProviderDown({ outcome, exhausted: reason.transient })
  },
  {
    charge: HttpOperation.endpoint(NorthApi, "north", "charge", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.orderId), {
        lifetime: "24 hours"
      }),
      translate: { CardError: ({ code }) => new CardDeclined({ code }) }
    }),
    fee: HttpOperation.endpoint(NorthApi, "north", "fee")
  }
) {}

export class South extends Integration.Service<South>()(
  "shop/South",
  {
    ...defaults,
    shared: Policy.shared({ breaker: Policy.breaker() }),
    orElse: ({ outcome, reason }) => new ProviderDown({ outcome, exhausted: reason.transient })
  },
  {
    pay: HttpOperation.endpoint(SouthApi, "south", "pay", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("pay", payload.reference), {
        lifetime: "24 hours"
      })
    }),
    tariff: HttpOperation.endpoint(SouthApi, "south", "tariff")
  }
) {}

/** The port by each provider, built once: breakers and bulkheads live as long as the integrations do. */
export const providers = Effect.gen(function* () {
  const north = yield* North
  const south = yield* South
  const first: CardProvider = {
    charge: (orderId, amount) =>
      Effect.map(north.charge({ payload: { orderId, amount } }), ({ id }) => ({ provider: "north", id })),
    fee: (country) => Effect.map(north.fee({ params: { country } }), ({ cents }) => cents)
  }
  const second: CardProvider = {
    charge: (orderId, amount) =>
      Effect.map(south.pay({ payload: { reference: orderId, cents: amount } }), ({ payment }) => ({
        provider: "south",
        id: payment
      })),
    fee: (country) => Effect.map(south.tariff({ query: { country } }), ({ fee }) => fee)
  }
  // A context and no layer: a plan builds a layer anew for each try, and with it a breaker that knows nothing.
  return { first: Context.make(Provider, first), second: Context.make(Provider, second) }
})

/** The provider that the plan has chosen. */
export class Provider extends Context.Service<Provider, CardProvider>()("shop/Provider") {}

// ---- when the second one is asked

/** After any failure that may pass: nothing changes by reading. */
export const mayRead = (error: unknown): boolean => error instanceof ProviderDown && error.exhausted

/** Only after a failure of which it is known that nothing happened, at any attempt. */
export const mayCharge = (error: unknown): boolean =>
  error instanceof ProviderDown && error.exhausted && Outcome.didNotHappen(error.outcome)

/** The port with failover. */
export const CardsLive: Layer.Layer<Cards, never, North | South> = Layer.effect(
  Cards,
  Effect.gen(function* () {
    const { first, second } = yield* providers
    // The condition of a step is asked before its first try, with the failure of the step before it.
    const reading = ExecutionPlan.make({ provide: first }, { provide: second, while: mayRead })
    const charging = ExecutionPlan.make({ provide: first }, { provide: second, while: mayCharge })
    return {
      charge: (orderId, amount) =>
        Effect.withExecutionPlan(
          Provider.use((provider) => provider.charge(orderId, amount)),
          charging
        ),
      fee: (country) =>
        Effect.withExecutionPlan(
          Provider.use((provider) => provider.fee(country)),
          reading
        )
    }
  })
)

/** What not to write: a plan without the condition takes every failure for a reason to charge again. */
export const CardsThatChargeTwice: Layer.Layer<Cards, never, North | South> = Layer.effect(
  Cards,
  Effect.gen(function* () {
    const { first, second } = yield* providers
    const plan = ExecutionPlan.make({ provide: first }, { provide: second })
    return {
      charge: (orderId, amount) =>
        Effect.withExecutionPlan(
          Provider.use((provider) => provider.charge(orderId, amount)),
          plan
        ),
      fee: (country) =>
        Effect.withExecutionPlan(
          Provider.use((provider) => provider.fee(country)),
          plan
        )
    }
  })
)
