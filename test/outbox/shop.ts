/** A shop whose calls are stored, over a provider of which a test says what it does next. */
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  type Outcome,
  Outbox,
  Policy,
  Reason
} from "breakwater"
import { Context, Data, Effect, Layer, Option, Schema } from "effect"

/** What the provider does with one request. */
export type Answer =
  | { readonly _tag: "Ok" }
  | { readonly _tag: "Declined" }
  | { readonly _tag: "Down" | "Throttled" | "Refused" | "Garbage" }
  /** It does it, and the answer is lost. */
  | { readonly _tag: "Lost" }
  /** It never answers. */
  | { readonly _tag: "Hangs" }

export interface Sent {
  readonly order: string
  readonly key: string | undefined
}

export const makeProvider = () => {
  const script: Array<Answer> = []
  const sent: Array<Sent> = []
  const done = new Map<string, number>()
  return {
    sent,
    done,
    /** What comes next; then everything is well. */
    next: (...answers: ReadonlyArray<Answer["_tag"]>) =>
      void script.push(...answers.map((_tag): Answer => ({ _tag }) as Answer)),
    always: undefined as Answer["_tag"] | undefined,
    take(): Answer {
      return script.shift() ?? { _tag: this.always ?? "Ok" }
    }
  }
}
export type ProviderShape = ReturnType<typeof makeProvider>

export class Provider extends Context.Service<Provider, ProviderShape>()("test/Provider") {
  static readonly layer = Layer.sync(Provider, makeProvider)
}

export class Declined extends Schema.TaggedError<Declined>()("Declined", { order: Schema.String }) {}
/** Without a tag, as an SDK's is: what it means is said by `classify` alone. */
class Lost extends Error {
  readonly how: "Down" | "Throttled" | "Refused" | "Lost"
  constructor(how: Lost["how"]) {
    super(how)
    this.how = how
  }
}

/** What a caller of the shop sees. */
export class ShopDown extends Data.TaggedError("ShopDown")<{
  readonly outcome: Outcome.Outcome
  readonly reason: Reason.Tag
  readonly parkFailed: string | undefined
}> {}

export const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int })
export const Charged = Schema.Struct({ id: Schema.String })

const classify = (error: Declined | Lost): Reason.Verdict | undefined =>
  error instanceof Declined
    ? Reason.rejected({ resolves: true })
    : error.how === "Down"
      ? Reason.unreachable()
      : error.how === "Throttled"
        ? Reason.throttled()
        : error.how === "Refused"
          ? Reason.rejected()
          : Reason.disconnected()

const send = (input: typeof Order.Type, call: { readonly key: string | undefined }) =>
  Effect.flatMap(Provider, (provider): Effect.Effect<unknown, Declined | Lost> => {
    const { key } = call
    provider.sent.push({ order: input.order, key })
    const answer = provider.take()
    const name = key ?? `${input.order} ${provider.sent.length}`
    const doIt = Effect.sync(() => {
      if (key === undefined || !provider.done.has(name)) provider.done.set(name, (provider.done.get(name) ?? 0) + 1)
      return { id: `ch_${input.order}` }
    })
    switch (answer._tag) {
      case "Ok":
        return doIt
      case "Declined":
        return Effect.fail(new Declined({ order: input.order }))
      case "Lost":
        return Effect.andThen(doIt, Effect.fail(new Lost("Lost")))
      case "Garbage":
        return Effect.as(doIt, { nothing: true })
      case "Hangs":
        return Effect.never
      default:
        return Effect.fail(new Lost(answer._tag))
    }
  })

const operation = {
  input: Order,
  success: Charged,
  send,
  classify,
  error: Declined,
  translate: { Declined: (error: Declined) => error }
}

const keyed = (name: string) =>
  Idempotency.keyed(({ order }: typeof Order.Type) => IdempotencyKey.derive(name, order), { lifetime: "24 hours" })

const orElse = ({ outcome, parkFailed, reason }: CallFailure.CallFailure) =>
  new ShopDown({ outcome, reason: reason._tag, parkFailed })

export class Shop extends Integration.Service<Shop>()(
  "test/Shop",
  { policy: Policy.standard({ maxAttempts: 2 }), exhausted: Exhaustion.fail, orElse },
  {
    park: Operation.mutation("park", {
      ...operation,
      idempotency: keyed("park"),
      exhausted: Exhaustion.park
    }),
    charge: Outbox.writeAhead(Operation.mutation("charge", { ...operation, idempotency: keyed("charge") })),
    once: Outbox.writeAhead(
      Operation.mutation("once", { ...operation, idempotency: Idempotency.atMostOnce("a letter has no key") })
    ),
    lane: Outbox.writeAheadWith(Operation.mutation("lane", { ...operation, idempotency: keyed("lane") }), {
      lane: ({ order }) => order.split("/")[0]!
    }),
    look: Outbox.writeAhead(
      Operation.mutation("look", {
        ...operation,
        idempotency: Idempotency.reconcilable(
          ({ order }: typeof Order.Type) =>
            Effect.map(Provider, ({ done }) =>
              [...done.keys()].some((name) => name.startsWith(`${order} `))
                ? Option.some({ id: `found_${order}` })
                : Option.none()
            ),
          { settle: "5 seconds" }
        )
      })
    ),
    ask: Operation.query("ask", { success: Schema.Void, send: () => Effect.void })
  }
) {
  static readonly layer = Integration.layer(Shop)
}
