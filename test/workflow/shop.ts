/** A workflow that charges an order in instalments, over a provider of which a test says what it does next. */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy, Reason } from "breakwater"
import { WorkflowActivity } from "breakwater/workflow"
import { Context, Data, Effect, Layer, Schema } from "effect"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"

export interface Sent {
  readonly amount: number
  readonly key: string | undefined
}

/** What is behind the calls: a test's own. */
export class Provider extends Context.Service<
  Provider,
  { readonly send: (sent: Sent) => Effect.Effect<string, Lost | Declined> }
>()("test/workflow/Provider") {}

/** Without a tag, as an SDK's is: what it means is said by `classify` alone. */
export class Lost extends Error {}
export class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { code: Schema.String }) {}
export class PaymentsDown extends Schema.TaggedError<PaymentsDown>()("PaymentsDown", { reason: Schema.String }) {}

export const makeProvider = () => {
  const sent: Array<Sent> = []
  const script: Array<Lost | Declined> = []
  return {
    sent,
    /** How the next ones end; then all is well. */
    next: (...errors: ReadonlyArray<Lost | Declined>) => void script.push(...errors),
    layer: Layer.succeed(Provider, {
      send: (one) =>
        Effect.suspend(() => {
          sent.push(one)
          const error = script.shift()
          return error === undefined ? Effect.succeed(`ch_${one.amount}`) : Effect.fail(error)
        })
    })
  }
}
export type World = ReturnType<typeof makeProvider>

export const keysOf = ({ sent }: World) => sent.map(({ key }) => key)

const Charge = Schema.Struct({ amount: Schema.Int, key: Schema.String, issuedAt: Schema.Number })

export class Payments extends Integration.Service<Payments>()(
  "test/workflow/Payments",
  {
    policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "3 seconds", maxAttempts: 1 }),
    exhausted: Exhaustion.fail,
    orElse: ({ reason }) => new PaymentsDown({ reason: reason._tag })
  },
  {
    charge: Operation.mutation("charge", {
      input: Charge,
      success: Schema.String,
      send: ({ amount }, { key }) => Effect.flatMap(Provider, ({ send }) => send({ amount, key })),
      classify: (error) => (error instanceof Declined ? Reason.rejected() : Reason.disconnected()),
      idempotency: Idempotency.keyed(({ key }: typeof Charge.Type) => IdempotencyKey.fromStored(key), {
        lifetime: "24 hours",
        issuedAt: ({ issuedAt }) => issuedAt
      }),
      translate: { Declined: ({ code }: Declined) => new CardDeclined({ code }) }
    }),
    letter: Operation.mutation("letter", {
      input: Schema.String,
      success: Schema.Void,
      send: () => Effect.void,
      idempotency: Idempotency.atMostOnce("a letter has no key")
    })
  }
) {}

export interface Instalment {
  readonly number: string
  readonly amount: number
}

export const charge = WorkflowActivity.make(Payments, "charge", {
  discriminator: ({ number }: Instalment) => number,
  input: ({ amount }, intent) => ({ amount, ...intent }),
  success: Schema.String,
  error: Schema.Union([CardDeclined, PaymentsDown])
})

export const letter = WorkflowActivity.make(Payments, "letter", {
  discriminator: (order: string) => order,
  input: (order) => order,
  success: Schema.Void,
  error: PaymentsDown
})

const Charges = Schema.Array(Schema.String)

const workflow = <const Tag extends string>(tag: Tag) =>
  Workflow.make(tag, {
    payload: { order: Schema.String },
    idempotencyKey: ({ order }) => order,
    success: Charges,
    error: Schema.Union([CardDeclined, PaymentsDown])
  })

/** Two instalments; in between it waits until somebody agrees. */
export const Sell = workflow("Sell")
export const Agreed = DurableDeferred.make("Agreed", { success: Schema.Void })

/** One instalment, and a second attempt at once. */
export const Retry = workflow("Retry")

/** One instalment, and a second attempt after 25 hours. */
export const Late = workflow("Late")

/** The same instalment twice. */
export const Twice = workflow("Twice")

/** What must not be an activity. */
export const Post = workflow("Post")

const first: Instalment = { number: "1", amount: 40 }

export const workflows = Layer.mergeAll(
  Sell.toLayer(
    Effect.fnUntraced(function* () {
      const a = yield* charge(first)
      yield* DurableDeferred.await(Agreed)
      return [a, yield* charge({ number: "2", amount: 2 })]
    })
  ),
  Retry.toLayer(() =>
    charge(first).pipe(
      Activity.retry({ times: 1 }),
      Effect.map((id) => [id])
    )
  ),
  Late.toLayer(() =>
    charge(first).pipe(
      Effect.catchTag("PaymentsDown", () =>
        Effect.andThen(
          DurableClock.sleep({ name: "A day", duration: "25 hours" }),
          Effect.provideService(charge(first), Activity.CurrentAttempt, 2)
        )
      ),
      Effect.map((id) => [id])
    )
  ),
  Twice.toLayer(() => Effect.all([charge(first), charge({ number: "1", amount: 7 })])),
  Post.toLayer(({ order }) => Effect.as(letter(order), []))
)
