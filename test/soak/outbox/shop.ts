/** The integration of the outbox's soak: calls with a key, without a lane and in lanes that stop at a dead call. */
import { type CallFailure, Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Data, Schedule, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { limits } from "./protocol.ts"

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}
const Made = Schema.Struct({ id: Schema.String })

class Bank extends HttpApi.make("bank").add(
  HttpApiGroup.make("orders").add(
    HttpApiEndpoint.post("charge", "/charges", {
      payload: Schema.Struct({ order: Schema.String }),
      success: Made,
      error: CardError
    }),
    HttpApiEndpoint.post("ship", "/shipments", {
      payload: Schema.Struct({ order: Schema.String, lane: Schema.String }),
      success: Made,
      error: CardError
    })
  )
) {}

export class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}
export class Down extends Data.TaggedError("Down")<{
  readonly outcome: string
  readonly reason: string
  /** Why it could not be stored. */
  readonly error: unknown
}> {}

const translate = { CardError: ({ code }: CardError) => new Declined({ code }) }
/** Longer than any soak. */
export const lifetimeHours = 24
const lifetime = { lifetime: `${lifetimeHours} hours` } as const

export class Shop extends Integration.Service<Shop>()(
  "soak/Shop",
  {
    policy: Policy.standard({
      attemptTimeout: limits.attempt,
      totalDeadline: limits.total,
      maxAttempts: 2,
      schedule: Schedule.spaced("20 millis")
    }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }: CallFailure.CallFailure) =>
      new Down({ outcome, reason: reason._tag, error: reason.error ?? reason.cause })
  },
  {
    charge: Outbox.writeAhead(
      HttpOperation.endpoint(Bank, "orders", "charge", {
        idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), lifetime),
        translate
      })
    ),
    ship: Outbox.writeAheadWith(
      HttpOperation.endpoint(Bank, "orders", "ship", {
        idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("ship", payload.order), lifetime),
        translate
      }),
      { lane: ({ payload }) => payload.lane }
    )
  }
) {}
