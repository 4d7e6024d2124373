// What a receiver needs and fails with: the store of its mode, and nothing of what its handler has for itself.
import { type IdempotencyStore, Receiver } from "breakwater"
import { Context, Data, Effect, Schema } from "effect"
import { expectType } from "../support.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
class Broken extends Data.TaggedError("Broken")<{}> {}
class Ledger extends Context.Service<Ledger, { readonly write: Effect.Effect<string, Broken> }>()("test/Ledger") {}
const Message = Schema.Struct({ id: Schema.String })

export const leased = Receiver.once({
  name: "pay",
  mode: Receiver.leased({ onLostLease: "resume" }),
  input: Message,
  key: ({ id }) => id,
  success: Schema.String,
  error: Declined
})(({ id }) =>
  Effect.gen(function* () {
    if (id === "") return yield* new Declined({ code: id })
    yield* Receiver.step("one", Schema.String)(Effect.succeed("a"))
    return yield* (yield* Ledger).write
  })
)
expectType<
  (input: {
    readonly id: string
  }) => Effect.Effect<
    string,
    Declined | Broken | IdempotencyStore.StoreError | Receiver.ReceiverError,
    Ledger | IdempotencyStore.IdempotencyStore
  >
>()(leased)

export const transactional = Receiver.once({
  name: "pay",
  mode: Receiver.transactional({ lockTimeout: "2 seconds" }),
  input: Message,
  key: ({ id }) => id,
  success: Schema.Void
})(() => Effect.void)
expectType<
  (input: { readonly id: string }) => Effect.Effect<void, Receiver.ReceiverError, IdempotencyStore.TransactionalStore>
>()(transactional)
