/** A bank over HTTP whose calls are stored, and what the worker's handlers were told of them. */
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Outbox,
  type Outcome,
  OutboxStore,
  OutboxStoreMemory,
  OutboxWorker,
  Policy,
  type Reason
} from "breakwater"
import { Auth, HttpOperation } from "breakwater/http"
import { type FaultInjection, IntegrationTest, KeyWindow, Upstream } from "breakwater/testing"
import { Data, Effect, Layer, Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { TestClock } from "effect/testing"

export class Receipt extends Schema.Class<Receipt>("Receipt")({
  id: Schema.String,
  at: Schema.Date,
  units: Schema.BigInt
}) {
  get label(): string {
    return `${this.id}: ${this.units}`
  }
}
export class CardError extends Schema.TaggedError<CardError>()(
  "CardError",
  { code: Schema.String, until: Schema.Date },
  { httpApiStatus: 402 }
) {}
const Order = Schema.Struct({ order: Schema.String, units: Schema.BigInt, due: Schema.Date })

export class BankApi extends HttpApi.make("bank").add(
  HttpApiGroup.make("bank").add(
    HttpApiEndpoint.post("charge", "/shops/:shop/charges", {
      params: { shop: Schema.String },
      query: { tag: Schema.String, times: Schema.Int },
      headers: { "x-tenant": Schema.String },
      payload: Order,
      success: HttpApiSchema.WithHeaders(Receipt, { "x-left": Schema.FiniteFromString }),
      error: CardError
    }),
    HttpApiEndpoint.post("pay", "/payments", { payload: Order, success: Receipt, error: CardError }),
    HttpApiEndpoint.put("save", "/profiles/:id", {
      params: { id: Schema.String },
      payload: Schema.Struct({ name: Schema.String, version: Schema.Int }),
      success: Schema.Struct({ version: Schema.Int })
    }),
    HttpApiEndpoint.delete("forget", "/sessions/:id", { params: { id: Schema.String } })
  )
) {}

const receipt = (order: typeof Order.Type) =>
  new Receipt({ id: `ch_${order.order}`, at: order.due, units: order.units * 2n })

/** Keys of `charge` stand in a header, those of `pay` in the body. */
const keys = KeyWindow.make()
const inBody = KeyWindow.make({ placement: Idempotency.bodyField(["meta", "key"]) })

export class BankUpstream extends Upstream.Service<BankUpstream>()("test/BankUpstream", BankApi, {
  state: () => ({ versions: new Map<string, number>(), declines: false }),
  keys: {
    ...keys,
    keyOf: (request) => keys.keyOf(request) ?? (request.text === "" ? undefined : inBody.keyOf(request))
  },
  handlers: {
    bank: {
      charge: ({ payload }, { state }) =>
        state.declines
          ? Effect.fail(new CardError({ code: "empty", until: new Date(86_400_000) }))
          : Effect.succeed({
              body: receipt(payload),
              headers: { "x-left": 7 },
              [HttpApiSchema.WithHeadersValueTypeId]: HttpApiSchema.WithHeadersValueTypeId
            }),
      pay: ({ payload }, { state }) =>
        state.declines
          ? Effect.fail(new CardError({ code: "empty", until: new Date(86_400_000) }))
          : Effect.succeed(receipt(payload)),
      save: ({ params: { id }, payload: { version } }, { state }) =>
        Effect.sync(() => {
          state.versions.set(id, version)
          return { version }
        })
    }
  }
}) {}

export class CardDeclined extends Data.TaggedError("CardDeclined")<{
  readonly code: string
  readonly until: Date
  readonly order: string
}> {}
export class BankDown extends Data.TaggedError("BankDown")<{
  readonly outcome: Outcome.Outcome
  readonly reason: Reason.Tag
}> {}

type Charge = { readonly params: { readonly shop: string }; readonly payload: typeof Order.Type }
type Pay = { readonly payload: typeof Order.Type }
const lifetime = { lifetime: "24 hours" } as const
const charge = {
  idempotency: Idempotency.keyed(
    ({ params, payload }: Charge) => IdempotencyKey.derive("charge", params.shop, payload.order),
    lifetime
  ),
  translate: {
    CardError: ({ code, until }: CardError, { payload }: Pay) => new CardDeclined({ code, until, order: payload.order })
  }
}
const pay = {
  ...charge,
  idempotency: Idempotency.keyed(({ payload }: Pay) => IdempotencyKey.derive("pay", payload.order), {
    ...lifetime,
    placement: Idempotency.bodyField(["meta", "key"])
  })
}
const lane = { lane: ({ params }: { readonly params: { readonly id: string } }) => params.id }

export class Bank extends Integration.Service<Bank>()(
  "test/Bank",
  {
    policy: Policy.standard({ maxAttempts: 2 }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }: CallFailure.CallFailure) => new BankDown({ outcome, reason: reason._tag })
  },
  {
    charge: Outbox.writeAhead(HttpOperation.endpoint(BankApi, "bank", "charge", charge)),
    parkCharge: HttpOperation.endpoint(BankApi, "bank", "charge", { ...charge, exhausted: Exhaustion.park }),
    pay: Outbox.writeAhead(HttpOperation.endpoint(BankApi, "bank", "pay", pay)),
    parkPay: HttpOperation.endpoint(BankApi, "bank", "pay", { ...pay, exhausted: Exhaustion.park }),
    save: HttpOperation.endpoint(BankApi, "bank", "save", { exhausted: Exhaustion.parkWith(lane) }),
    saveAhead: Outbox.writeAheadWith(HttpOperation.endpoint(BankApi, "bank", "save"), lane),
    forget: HttpOperation.endpoint(BankApi, "bank", "forget", {
      exhausted: Exhaustion.parkWith({ expiresAfter: "1 hour" })
    }),
    forgetAhead: Outbox.writeAheadWith(HttpOperation.endpoint(BankApi, "bank", "forget"), { expiresAfter: "1 hour" })
  }
) {}

/** The credentials that the bank is called with now. */
export const credentials = { token: "token-1" }

export const BankTest = IntegrationTest.layer(Bank, BankUpstream, {
  auth: Auth.bearer(Effect.sync(() => Redacted.make(credentials.token))),
  headers: { "bank-version": "2026-01-01" },
  correlationHeader: "x-correlation-id"
})

/** The same with a fresh store. */
export const BankMemory = Layer.provideMerge(BankTest, OutboxStoreMemory.layer)

export interface Told {
  readonly operation: string
  readonly what: "delivered" | "dead" | "unclear"
  /** The result, or the error. */
  readonly of: unknown
  readonly entry: OutboxWorker.Ended<unknown>
}

/** What the handlers were told. `failing` says how often those of a dead call fail first. */
export const told: { readonly list: Array<Told>; failing: number } = { list: [], failing: 0 }

const tell = (operation: string) => ({
  onDelivered: (of: unknown, entry: OutboxWorker.Ended<unknown>) =>
    Effect.sync(() => void told.list.push({ operation, what: "delivered", of, entry })),
  onDead: (of: unknown, entry: OutboxWorker.Ended<unknown>) =>
    Effect.suspend(() => {
      if (told.failing-- > 0) return Effect.fail("not now")
      told.list.push({ operation, what: "dead", of, entry })
      return Effect.void
    }),
  onNeedsReconcile: (entry: OutboxWorker.Ended<unknown>) =>
    Effect.sync(() => void told.list.push({ operation, what: "unclear", of: undefined, entry }))
})

export const workerWith = (options?: OutboxWorker.Options) =>
  OutboxWorker.layer(
    Bank,
    {
      charge: tell("charge"),
      parkCharge: tell("parkCharge"),
      pay: tell("pay"),
      parkPay: tell("parkPay"),
      save: tell("save"),
      saveAhead: tell("saveAhead"),
      forget: tell("forget"),
      forgetAhead: tell("forgetAhead")
    },
    options
  )

/** Runs a worker for that long. */
export const work = (time: Parameters<typeof TestClock.adjust>[0] = "1 minute", options?: OutboxWorker.Options) =>
  Effect.scoped(Effect.andThen(Layer.build(workerWith(options)), TestClock.adjust(time)))

export const entries = Effect.flatMap(OutboxStore.OutboxStore, (store) => store.list({}, { limit: 100 }))

export const order = (name: string) => ({ order: name, units: 9_007_199_254_740_993n, due: new Date(1_000) })
export const chargeOf = (name: string) => ({
  params: { shop: "s/1" },
  query: { tag: "a&b=ü", times: 2 },
  headers: { "x-tenant": "acme" },
  payload: order(name)
})

/** What of a request must be the same every time: all of it but the credential. */
export const bytesOf = ({ body, headers, method, url }: FaultInjection.WireRequest) => {
  const { authorization: _, ...rest } = headers
  return { method, url, headers: rest, body: Array.from(body) }
}
