/** The integration whose calls the outboxes of releases hold. It is the same for every version: a deploy does not rename what is stored. */
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Outbox, Policy, Reason } from "breakwater"
import { Context, Data, Effect, Schedule, Schema } from "effect"

export type Answer = "ok" | "declined" | "down" | "lost"

export interface Sent {
  readonly order: string
  readonly key: string | undefined
}

/** What is behind the calls. */
export const makeProvider = () => ({
  /** How it answers to an order; to any other it says yes. */
  answers: new Map<string, Answer>(),
  sent: [] as Array<Sent>
})
export type ProviderShape = ReturnType<typeof makeProvider>
export class Provider extends Context.Service<Provider, ProviderShape>()("released/Provider") {}

export class Declined extends Schema.TaggedError<Declined>()("Declined", { order: Schema.String }) {}
export class Down extends Data.TaggedError("Down")<{ readonly reason: string; readonly outcome: string }> {}
class Lost extends Error {
  readonly how: Answer
  constructor(how: Answer) {
    super(how)
    this.how = how
  }
}

export const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int, note: Schema.String })
/** What is said with every order: no text is too strange to be read again. */
export const note = "é🦀 ' \\ \""
export const inputOf = (order: string): typeof Order.Type => ({ order, amount: 4_200, note })
export const resultOf = (order: string) => ({ id: `ch_${order}` })

/** Longer than any fixture lives. */
const lifetime = { lifetime: "3650 days" } as const

const operation = <const Name extends string>(name: Name) => ({
  input: Order,
  success: Schema.Struct({ id: Schema.String }),
  error: Declined,
  translate: { Declined: (error: Declined) => error },
  idempotency: Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive(name, order), lifetime),
  classify: (error: Declined | Lost) =>
    error instanceof Declined
      ? Reason.rejected({ resolves: true })
      : error.how === "down"
        ? Reason.unreachable()
        : Reason.disconnected(),
  send: ({ order }: typeof Order.Type, { key }: { readonly key: string | undefined }) =>
    Effect.flatMap(Provider, ({ answers, sent }): Effect.Effect<{ readonly id: string }, Declined | Lost> => {
      sent.push({ order, key })
      const answer = answers.get(order) ?? "ok"
      return answer === "ok"
        ? Effect.succeed(resultOf(order))
        : Effect.fail(answer === "declined" ? new Declined({ order }) : new Lost(answer))
    })
})

const lane = ({ order }: typeof Order.Type) => order.split("/")[0]!

export class Shop extends Integration.Service<Shop>()(
  "released/Shop",
  {
    policy: Policy.standard({
      attemptTimeout: "1 second",
      totalDeadline: "3 seconds",
      maxAttempts: 2,
      schedule: Schedule.spaced("5 millis")
    }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, reason }) => new Down({ outcome, reason: reason._tag })
  },
  {
    charge: Outbox.writeAhead(Operation.mutation("charge", operation("charge"))),
    pay: Outbox.writeAhead(Operation.mutation("pay", operation("pay"))),
    fax: Outbox.writeAhead(Operation.mutation("fax", operation("fax"))),
    park: Operation.mutation("park", { ...operation("park"), exhausted: Exhaustion.park }),
    once: Outbox.writeAhead(
      Operation.mutation("once", { ...operation("once"), idempotency: Idempotency.atMostOnce("a letter has no key") })
    ),
    /** A lane stops at a call that is dead. */
    ship: Outbox.writeAheadWith(Operation.mutation("ship", operation("ship")), { lane }),
    /** A lane goes on without it. */
    tell: Outbox.writeAheadWith(Operation.mutation("tell", operation("tell")), { lane, onDead: "skip" })
  }
) {}

export const operations = ["charge", "pay", "fax", "park", "once", "ship", "tell"] as const
export type OperationName = (typeof operations)[number]
