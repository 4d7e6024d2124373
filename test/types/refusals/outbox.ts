// The outbox: what is sent later can be sent again, can be written down, and its end is always told.
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxWorker,
  Policy
} from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import { Api, Charge, Order, PaymentsUnavailable } from "../contract.ts"

const policy = Policy.standard()
const orElse = () => new PaymentsUnavailable({ outcome: "Unknown" })
const atMostOnce = Idempotency.atMostOnce("the provider has no key")
const keyed = Idempotency.keyed(
  ({ payload }: { readonly payload: { readonly q: string } }) => IdempotencyKey.derive("search", payload.q),
  { lifetime: "24 hours" }
)
const uploaded = Idempotency.keyed((_: { readonly payload: FormData }) => IdempotencyKey.derive("upload", "1"), {
  lifetime: "24 hours"
})

// ---- park

// What must not be sent twice.
HttpOperation.endpoint(Api, "charges", "search", {
  idempotency: atMostOnce,
  // expect: a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail
  exhausted: Exhaustion.park
})
Operation.mutation("send", {
  input: Order,
  success: Charge,
  idempotency: atMostOnce,
  send: () => Effect.succeed({}),
  // expect: a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail
  exhausted: Exhaustion.park
})
Operation.fromPromise("send", {
  input: Order,
  success: Charge,
  idempotency: atMostOnce,
  call: () => Promise.resolve({}),
  // expect: a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail
  exhausted: Exhaustion.parkWith({ expiresAfter: "1 hour" })
})

// What has no key, and would overwrite what is newer.
Operation.mutation("replace", {
  input: Order,
  success: Charge,
  idempotency: Idempotency.inherent("an upsert"),
  send: () => Effect.succeed({}),
  // expect: sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })
  exhausted: Exhaustion.park
})
HttpOperation.endpoint(Api, "charges", "replace", {
  // expect: sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })
  exhausted: Exhaustion.park
})
HttpOperation.endpoint(Api, "charges", "remove", {
  // expect: sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })
  exhausted: Exhaustion.park
})

// A bound that bounds nothing, and a lane of another input.
HttpOperation.endpoint(Api, "charges", "replace", {
  // expect: Argument of type '{}' is not assignable to parameter of type
  exhausted: Exhaustion.parkWith({})
})
HttpOperation.endpoint(Api, "charges", "replace", {
  // expect: Argument of type '{ onDead: "skip"; }' is not assignable to parameter of type
  exhausted: Exhaustion.parkWith({ onDead: "skip" })
})
HttpOperation.endpoint(Api, "charges", "replace", {
  // expect: Property 'order' does not exist on type
  exhausted: Exhaustion.parkWith({ lane: ({ order }) => order })
})

// What no codec writes down.
HttpOperation.endpoint(Api, "odd", "upload", {
  idempotency: uploaded,
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  exhausted: Exhaustion.park
})
const Callback = Schema.Struct({
  order: Schema.String,
  then: Schema.declare((u): u is () => void => typeof u === "function")
})
Operation.mutation("call", {
  input: Callback,
  success: Charge,
  idempotency: Idempotency.keyed(({ order }: typeof Callback.Type) => IdempotencyKey.derive("call", order), {
    lifetime: "24 hours"
  }),
  send: () => Effect.succeed({}),
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  exhausted: Exhaustion.park
})

// As the default of an integration it is held against every operation that leaves the decision open.
class Defaults extends Integration.Service<Defaults>()(
  "Defaults",
  { policy, exhausted: Exhaustion.park, orElse },
  {
    search: HttpOperation.endpoint(Api, "charges", "search", { idempotency: keyed }),
    own: HttpOperation.endpoint(Api, "charges", "search", { idempotency: atMostOnce, exhausted: Exhaustion.fail }),
    // expect: a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail
    once: HttpOperation.endpoint(Api, "charges", "search", { idempotency: atMostOnce }),
    // expect: sent late, this operation may overwrite what is newer: use Exhaustion.parkWith({ lane }) or ({ expiresAfter })
    replace: HttpOperation.endpoint(Api, "charges", "replace"),
    // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
    upload: HttpOperation.endpoint(Api, "odd", "upload", { idempotency: uploaded })
  }
) {}

// ---- write-ahead

Outbox.writeAhead(
  // expect: sent late, this operation may overwrite what is newer: use Outbox.writeAheadWith(operation, { lane }) or ({ expiresAfter })
  HttpOperation.endpoint(Api, "charges", "replace")
)
Outbox.writeAhead(
  // expect: sent late, this operation may overwrite what is newer: use Outbox.writeAheadWith(operation, { lane }) or ({ expiresAfter })
  Operation.mutation("replace", {
    input: Order,
    success: Charge,
    idempotency: Idempotency.inherent("an upsert"),
    send: () => Effect.succeed({})
  })
)
Outbox.writeAhead(
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  HttpOperation.endpoint(Api, "odd", "upload", { idempotency: uploaded })
)
Outbox.writeAheadWith(
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  HttpOperation.endpoint(Api, "odd", "upload", { idempotency: uploaded }),
  { expiresAfter: "1 day" }
)
// expect: Argument of type '{}' is not assignable to parameter of type
Outbox.writeAheadWith(HttpOperation.endpoint(Api, "charges", "replace"), {})

// ---- the worker

class Shop extends Integration.Service<Shop>()(
  "Shop",
  { policy, exhausted: Exhaustion.fail, orElse },
  {
    charge: Outbox.writeAhead(HttpOperation.endpoint(Api, "charges", "search", { idempotency: keyed })),
    park: HttpOperation.endpoint(Api, "charges", "search", { idempotency: keyed, exhausted: Exhaustion.park }),
    ask: HttpOperation.endpoint(Api, "charges", "get")
  }
) {}
const nothing = () => Effect.void
const handlers = { onDelivered: nothing, onDead: nothing, onNeedsReconcile: nothing }

// An operation without handlers.
// expect: Property 'park' is missing in type
OutboxWorker.layer(Shop, { charge: handlers })

// An end that nobody is told of.
OutboxWorker.layer(Shop, {
  charge: handlers,
  // expect: Property 'onNeedsReconcile' is missing in type
  park: { onDelivered: nothing, onDead: nothing }
})
OutboxWorker.layer(Shop, {
  charge: handlers,
  // expect: Property 'onDead' is missing in type
  park: { onDelivered: nothing, onNeedsReconcile: nothing }
})
OutboxWorker.layer(Shop, {
  charge: handlers,
  // expect: Property 'onDelivered' is missing in type
  park: { onDead: nothing, onNeedsReconcile: nothing }
})

// One that stores nothing has no handlers.
OutboxWorker.layer(Shop, {
  charge: handlers,
  park: handlers,
  // expect: no calls of this operation are stored: it has no handlers
  ask: handlers
})

// A result is the provider's answer: what was parked has been delivered.
OutboxWorker.layer(Shop, {
  charge: handlers,
  park: {
    ...handlers,
    // expect: is missing the following properties from type 'Parked'
    onDelivered: (result: Outbox.Parked) => Effect.log(result.id)
  }
})
OutboxWorker.layer(Shop, {
  charge: handlers,
  park: {
    ...handlers,
    // expect: Property '_tag' does not exist on type
    onDelivered: (result) => Effect.log(result._tag)
  }
})

// The input of a dead call may be unreadable.
OutboxWorker.layer(Shop, {
  charge: handlers,
  park: {
    ...handlers,
    // expect: 'entry.input' is possibly 'undefined'
    onDead: (_error, entry) => Effect.log(entry.input.payload.q)
  }
})

// ---- waiting

// expect: Argument of type '"ask"' is not assignable to parameter of type '"charge" | "park"'
Outbox.await(Shop, "ask", "id")
