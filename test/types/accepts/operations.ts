// Operations over any effect and any SDK, with and without input.
import { type Call, Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, Effect, type Layer, Schema } from "effect"
import {
  BadOrder,
  CardDeclined,
  CardError,
  Charge,
  type InvalidRequest,
  Order,
  PaymentsUnavailable
} from "../contract.ts"
import { expectType } from "../support.ts"

export class Database extends Context.Service<Database, { readonly read: Effect.Effect<unknown, CardError> }>()(
  "Database"
) {}
type Charge = typeof Charge.Type
type Order = typeof Order.Type

export const ping = Operation.query("ping", { success: Schema.Boolean, send: () => Effect.succeed(true) })
expectType<Operation.Operation<void, boolean, never, never, "Safe", Operation.Decision>>()(ping)

export const look = Operation.query("look", {
  input: Schema.Struct({ id: Schema.String }),
  success: Charge,
  send: (input, call) => {
    expectType<{ readonly id: string }>()(input)
    expectType<Call.Call>()(call)
    expectType<string | undefined>()(call.key)
    expectType<number>()(call.deadline)
    return Effect.flatMap(Database, ({ read }) => read)
  },
  classify: (error) => (error.code === "busy" ? Reason.throttled() : undefined),
  translate: { CardError: ({ code }) => new CardDeclined({ code }) }
})
expectType<Operation.Operation<{ readonly id: string }, Charge, CardDeclined, Database, "Safe", Operation.Decision>>()(
  look
)

export const charge = Operation.mutation("charge", {
  input: Order,
  success: Charge,
  idempotency: Idempotency.keyed((order: Order) => IdempotencyKey.derive("charge", order.order), {
    lifetime: "24 hours"
  }),
  send: (order, call) => {
    expectType<Order>()(order)
    return Effect.fail(order.amount > 1 ? new CardError({ code: call.key ?? "" }) : (null! as InvalidRequest))
  },
  translate: {
    CardError: () => new CardDeclined({ code: "1" }),
    InvalidRequest: () => new BadOrder({ param: "a" })
  },
  policy: Policy.standard()
})
expectType<Operation.Operation<Order, Charge, CardDeclined | BadOrder, never, "Idempotent", "exhausted" | "orElse">>()(
  charge
)

const flush = Operation.mutation("flush", {
  success: Schema.Void,
  idempotency: Idempotency.inherent("flushing twice is flushing once"),
  send: () => Effect.void
})
expectType<Operation.Operation<void, void, never, never, "Inherent", Operation.Decision>>()(flush)

// An error without a tag, `any` included, can't be translated: it is a failure like any other.
const failing = Operation.query("failing", { success: Schema.String, send: () => Effect.fail(new Error("no")) })
expectType<Operation.Operation<void, string, never, never, "Safe", Operation.Decision>>()(failing)
const loose = Operation.query("loose", { success: Schema.String, send: () => Effect.fail(JSON.parse("1")) })
expectType<Operation.Operation<void, string, never, never, "Safe", Operation.Decision>>()(loose)

export const sdk = Operation.fromPromise("sdk", {
  input: Order,
  success: Charge,
  idempotency: Idempotency.atMostOnce("the SDK has no key"),
  call: (order, { key, signal }) => {
    expectType<Order>()(order)
    expectType<AbortSignal>()(signal)
    expectType<string | undefined>()(key)
    return Promise.resolve({})
  },
  classify: (error) => {
    expectType<unknown>()(error)
    return Reason.rejected()
  },
  orElse: ({ outcome }) => new BadOrder({ param: outcome })
})
expectType<Operation.Operation<Order, Charge, BadOrder, never, "AtMostOnce", "policy" | "exhausted">>()(sdk)

const sdkPing = Operation.fromPromise("ping", {
  success: Schema.String,
  idempotency: Idempotency.readOnly("it reads"),
  call: () => Promise.resolve("a")
})
expectType<Operation.Operation<void, string, never, never, "Safe", Operation.Decision>>()(sdkPing)

// The client of an SDK is a service that the layer needs.
class SdkClient extends Context.Service<SdkClient, { readonly charge: (amount: number) => Promise<unknown> }>()(
  "SdkClient"
) {}
const withClient = Operation.fromPromise("charge", {
  input: Order,
  success: Charge,
  idempotency: Idempotency.atMostOnce("the SDK has no key"),
  client: SdkClient,
  call: ({ amount }, { signal }, client) => {
    expectType<AbortSignal>()(signal)
    return client.charge(amount)
  }
})
expectType<Operation.Operation<Order, Charge, never, SdkClient, "AtMostOnce", Operation.Decision>>()(withClient)
Operation.fromPromise("ping", {
  success: Schema.String,
  idempotency: Idempotency.readOnly("it reads"),
  call: (_, __, client) => {
    expectType<undefined>()(client)
    return Promise.resolve("a")
  }
})

// An answer that nobody validates is `unknown`.
expectType<Operation.Operation<void, unknown, never, never, "Safe", Operation.Decision>>()(
  Operation.query("raw", { success: Operation.unvalidated("it is only logged"), send: () => Effect.succeed(1) })
)

export class Shop extends Integration.Service<Shop>()(
  "Shop",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  { ping, look, charge, sdk }
) {}
expectType<{
  readonly ping: (input: void) => Effect.Effect<boolean, PaymentsUnavailable>
  readonly look: (input: { readonly id: string }) => Effect.Effect<Charge, CardDeclined | PaymentsUnavailable>
  readonly charge: (input: Order) => Effect.Effect<Charge, CardDeclined | BadOrder | PaymentsUnavailable>
  readonly sdk: (input: Order) => Effect.Effect<Charge, BadOrder>
}>()(null! as Shop["Service"])

// The layer needs what `send` needs.
expectType<Layer.Layer<Shop, Policy.PolicyError, Database>>()(Integration.layer(Shop))
