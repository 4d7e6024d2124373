// A case of `translate`, and an operation's `orElse`, get the call's input as their second argument.
import { type CallFailure, Exhaustion, Idempotency, Integration, Operation, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Schema } from "effect"
import {
  Api,
  BadOrder,
  CardDeclined,
  CardError,
  Charge,
  InvalidRequest,
  Order,
  PaymentsUnavailable
} from "../contract.ts"
import { expectType } from "../support.ts"

type Order = typeof Order.Type
type Charge = typeof Charge.Type

const idempotency = Idempotency.atMostOnce("the provider has no key")

// Over HTTP it is what the endpoint declares.
const charge = HttpOperation.endpoint(Api, "charges", "create", {
  idempotency,
  translate: {
    CardError: ({ code }, input) => {
      expectType<string>()(code)
      expectType<{ readonly payload: Order }>()(input)
      return new CardDeclined({ code: `${input.payload.order}: ${code}` })
    },
    // One argument is enough, and so is none.
    InvalidRequest: ({ param }) => new BadOrder({ param })
  },
  orElse: (failure, { payload }) => {
    expectType<CallFailure.CallFailure>()(failure)
    return new PaymentsUnavailable({ outcome: `${payload.order}: ${failure.outcome}` })
  }
})
expectType<CardDeclined | BadOrder | PaymentsUnavailable>()(null! as ReturnType<(typeof charge)["~e"]>)

const guarded = HttpOperation.endpoint(Api, "odd", "guarded", {
  translate: {
    CardError: (_error, input) => {
      expectType<void>()(input)
      return new CardDeclined({ code: "1" })
    },
    TokenExpired: () => new CardDeclined({ code: "2" })
  }
})

// Over any effect it is what `input` is decoded to, and nothing without it.
const pay = Operation.mutation("pay", {
  idempotency,
  input: Order,
  success: Charge,
  send: ({ amount }) =>
    Effect.fail(amount > 1 ? new CardError({ code: "1" }) : new InvalidRequest({ param: "amount" })),
  translate: {
    CardError: ({ code }, { order }) => new CardDeclined({ code: `${order}: ${code}` }),
    InvalidRequest: (error, input) => {
      expectType<InvalidRequest>()(error)
      expectType<Order>()(input)
      return new BadOrder({ param: input.order })
    }
  },
  orElse: ({ outcome }, { order }) => new PaymentsUnavailable({ outcome: `${order}: ${outcome}` })
})
expectType<
  Operation.Operation<
    Order,
    Charge,
    CardDeclined | BadOrder | PaymentsUnavailable,
    never,
    "AtMostOnce",
    "policy" | "exhausted"
  >
>()(pay)

Operation.query("look", {
  success: Schema.String,
  send: () => Effect.fail(new CardError({ code: "1" })),
  translate: {
    CardError: (_error, input) => {
      expectType<void>()(input)
      return new CardDeclined({ code: "1" })
    }
  }
})

// Through an SDK too, where `orElse` tells the SDK's errors apart.
const sdk = Operation.fromPromise("sdk", {
  idempotency,
  input: Order,
  success: Charge,
  call: () => Promise.resolve({}),
  orElse: (failure, input) => {
    expectType<Order>()(input)
    return failure.reason.status === 402
      ? new CardDeclined({ code: input.order })
      : new PaymentsUnavailable({ outcome: failure.outcome })
  }
})
expectType<CardDeclined | PaymentsUnavailable>()(null! as ReturnType<(typeof sdk)["~e"]>)

// A function that names its types fits as well.
const declined = ({ code }: CardError, { order }: Order) => new CardDeclined({ code: `${order}: ${code}` })
Operation.query("named", {
  input: Order,
  success: Schema.String,
  send: () => Effect.fail(new CardError({ code: "1" })),
  translate: { CardError: declined }
})

// An integration has one `orElse` for inputs of many types.
export class Shop extends Integration.Service<Shop>()(
  "Shop",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome }, input) => {
      expectType<unknown>()(input)
      return new PaymentsUnavailable({ outcome })
    }
  },
  { charge, guarded, pay, sdk }
) {}
