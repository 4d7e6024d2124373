// The outbox: what a stored call succeeds with, what its handlers are given, and what its layers need.
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  type OutboxError,
  type OutboxStore,
  OutboxWorker,
  Policy,
  type Undelivered
} from "breakwater"
import { type HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Effect, type Layer, Schema } from "effect"
import type { HttpClient } from "effect/http"
import { Api, BadOrder, CardDeclined, Charge, Order, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

type Charge = typeof Charge.Type
type Order = typeof Order.Type
type Created = { readonly payload: Order }

const keyed = Idempotency.keyed(({ payload }: Created) => IdempotencyKey.derive("charge", payload.order), {
  lifetime: "24 hours"
})
const translate = {
  CardError: ({ code }: { readonly code: string }) => new CardDeclined({ code }),
  InvalidRequest: ({ param }: { readonly param: string }) => new BadOrder({ param })
}

export class Journal extends Context.Service<Journal, { readonly write: (line: string) => Effect.Effect<void> }>()(
  "Journal"
) {}
export class Alarm extends Context.Service<Alarm, { readonly ring: Effect.Effect<void> }>()("Alarm") {}

export class Payments extends Integration.Service<Payments>()(
  "Payments",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    parked: HttpOperation.endpoint(Api, "charges", "create", {
      idempotency: keyed,
      translate,
      exhausted: Exhaustion.park
    }),
    written: Outbox.writeAhead(HttpOperation.endpoint(Api, "charges", "create", { idempotency: keyed, translate })),
    // Both ways: stored before it is sent.
    both: Outbox.writeAhead(
      HttpOperation.endpoint(Api, "charges", "create", { idempotency: keyed, translate, exhausted: Exhaustion.park })
    ),
    replace: HttpOperation.endpoint(Api, "charges", "replace", {
      exhausted: Exhaustion.parkWith({
        lane: (input) => {
          expectType<{ readonly params: { readonly id: string }; readonly payload: Charge }>()(input)
          return input.params.id
        }
      })
    }),
    remove: Outbox.writeAheadWith(HttpOperation.endpoint(Api, "charges", "remove"), { expiresAfter: "1 day" }),
    once: Outbox.writeAhead(
      Operation.mutation("once", {
        input: Order,
        success: Charge,
        idempotency: Idempotency.atMostOnce("a letter has no key"),
        send: () => Effect.succeed({})
      })
    ),
    nightly: Outbox.writeAhead(
      Operation.mutation("nightly", {
        success: Charge,
        idempotency: Idempotency.atMostOnce("it has no input"),
        send: () => Effect.succeed({})
      })
    ),
    ask: HttpOperation.endpoint(Api, "charges", "get")
  }
) {}

type Down = PaymentsUnavailable
type Errors = CardDeclined | BadOrder | Down
type Replaced = { readonly params: { readonly id: string }; readonly payload: Charge }
expectType<{
  readonly parked: (input: Created) => Effect.Effect<Charge | Outbox.Parked, Errors>
  readonly written: (input: Created) => Effect.Effect<Charge | Outbox.Queued, Errors>
  readonly both: (input: Created) => Effect.Effect<Charge | Outbox.Parked | Outbox.Queued, Errors>
  readonly replace: (input: Replaced) => Effect.Effect<Charge | Outbox.Parked, Down>
  readonly remove: (input: { readonly params: { readonly id: string } }) => Effect.Effect<void | Outbox.Queued, Down>
  readonly once: (input: Order) => Effect.Effect<Charge | Outbox.Queued, Down>
  readonly nightly: (input: void) => Effect.Effect<Charge | Outbox.Queued, Down>
  readonly ask: (input: { readonly params: { readonly id: string } }) => Effect.Effect<Charge, Down>
}>()(null! as Payments["Service"])

// The layer of an integration that stores needs a store.
expectType<
  Layer.Layer<
    Payments,
    Policy.PolicyError,
    HttpClient.HttpClient | HttpIntegration.HttpTarget | OutboxStore.OutboxStore
  >
>()(Integration.layer(Payments))

const quiet = {
  onDelivered: () => Effect.void,
  onDead: () => Effect.void,
  onNeedsReconcile: () => Effect.void
}

// Handlers need no annotation, and may need services and fail.
const worker = OutboxWorker.layer(
  Payments,
  {
    parked: {
      onDelivered: (result, entry) => {
        expectType<Charge>()(result)
        expectType<OutboxWorker.Ended<Created>>()(entry)
        expectType<Created>()(entry.input)
        expectType<string | undefined>()(entry.key)
        return Effect.flatMap(Journal, ({ write }) => write(`${entry.input.payload.order}: ${result.id}`))
      },
      onDead: (error, entry) => {
        expectType<Errors | Undelivered>()(error)
        expectType<Created | undefined>()(entry.input)
        return error._tag === "CardDeclined" ? Effect.fail(error.code) : Effect.flatMap(Alarm, ({ ring }) => ring)
      },
      onNeedsReconcile: (entry) => {
        expectType<OutboxWorker.Ended<Created | undefined>>()(entry)
        return Effect.void
      }
    },
    written: quiet,
    both: {
      ...quiet,
      onDelivered: (result) => {
        expectType<Charge>()(result)
        return Effect.void
      }
    },
    replace: quiet,
    remove: {
      ...quiet,
      onDelivered: (result, { input }) => {
        expectType<void>()(result)
        expectType<{ readonly params: { readonly id: string } }>()(input)
        return Effect.void
      }
    },
    once: {
      ...quiet,
      onDead: (error) => {
        expectType<Down | Undelivered>()(error)
        return Effect.void
      }
    },
    nightly: {
      ...quiet,
      onDelivered: (_result, { input }) => {
        expectType<void>()(input)
        return Effect.void
      }
    }
  },
  { concurrency: 4, operations: { parked: { maxAttempts: 3 } } }
)
expectType<Layer.Layer<never, Policy.PolicyError, Payments | OutboxStore.OutboxStore | Journal | Alarm>>()(worker)

// Waiting gives the answer.
expectType<Effect.Effect<Charge, OutboxError, Payments | OutboxStore.OutboxStore>>()(
  Outbox.await(Payments, "parked", "id")
)
const waited = Effect.gen(function* () {
  const payments = yield* Payments
  const now = yield* payments.written({ payload: { order: "1", amount: 1 } })
  if (Outbox.isQueued(now)) {
    expectType<Outbox.Queued>()(now)
    return yield* Outbox.await(Payments, "written", now)
  }
  return now
})
expectType<Effect.Effect<Charge, Errors | OutboxError, Payments | OutboxStore.OutboxStore>>()(waited)

// As the default of an integration: each operation that leaves it open may be parked.
class Defaults extends Integration.Service<Defaults>()(
  "Defaults",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.park,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    create: HttpOperation.endpoint(Api, "charges", "create", { idempotency: keyed, translate }),
    get: HttpOperation.endpoint(Api, "charges", "get", { exhausted: Exhaustion.fail })
  }
) {}
expectType<{
  readonly create: (input: Created) => Effect.Effect<Charge | Outbox.Parked, Errors>
  readonly get: (input: { readonly params: { readonly id: string } }) => Effect.Effect<Charge, Down>
}>()(null! as Defaults["Service"])

// Inputs that a schema can write down, though they have methods.
class Letter extends Schema.Class<Letter>("Letter")({ to: Schema.String, at: Schema.Date }) {}
const send = {
  success: Charge,
  idempotency: Idempotency.atMostOnce("a letter has no key"),
  send: () => Effect.succeed({})
}
Outbox.writeAhead(Operation.mutation("class", { ...send, input: Letter }))
Outbox.writeAhead(Operation.mutation("date", { ...send, input: Schema.Date }))
Outbox.writeAhead(Operation.mutation("moment", { ...send, input: Schema.DateTimeUtc }))
Outbox.writeAhead(Operation.mutation("maybe", { ...send, input: Schema.Option(Schema.String) }))
Outbox.writeAhead(Operation.mutation("list", { ...send, input: Schema.Array(Letter) }))
Outbox.writeAhead(Operation.mutation("text", { ...send, input: Schema.String }))
Outbox.writeAhead(Operation.mutation("bytes", { ...send, input: Schema.Uint8Array }))
Outbox.writeAhead(
  Operation.mutation("secret", { ...send, input: Schema.Struct({ secret: Schema.Redacted(Schema.String) }) })
)
Outbox.writeAhead(
  Operation.mutation("parts", {
    ...send,
    input: Schema.Struct({ maybe: Schema.Option(Schema.DateTimeUtc), many: Schema.ReadonlyMap(Schema.String, Letter) })
  })
)
