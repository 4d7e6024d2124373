// The receiving side: a mode is chosen, a transaction makes no calls, and a lost lease is decided on.
import { Exhaustion, Integration, Operation, Policy, Receiver } from "breakwater"
import { Data, Effect, Schema } from "effect"

class Down extends Data.TaggedError("Down") {}
class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
  { ping: Operation.query("ping", { success: Schema.String, send: () => Effect.succeed("pong") }) }
) {}

const message = {
  name: "pay",
  input: Schema.Struct({ id: Schema.String }),
  key: ({ id }: { readonly id: string }) => id,
  success: Schema.String
}
const call = () => Effect.flatMap(Payments, (payments) => payments.ping())

// A rollback can't undo a call.
Receiver.once({ ...message, mode: Receiver.transactional() })(
  // expect: a rollback can't undo a call to shop/Payments: write it ahead through Outbox.queue, or use Receiver.leased
  call
)

// No mode.
// expect: Property 'mode' is missing in type
Receiver.once(message)

// A lease without a decision for its loss.
// expect: Expected 1 arguments, but got 0
Receiver.leased()
// expect: Property 'onLostLease' is missing in type '{}'
Receiver.leased({})
Receiver.leased({
  // expect: Type '"retry"' is not assignable to type 'OnLostLease'
  onLostLease: "retry"
})

// A handler that answers something else than what is stored.
Receiver.once({ ...message, mode: Receiver.leased({ onLostLease: "rerun" }) })(
  // expect: Type 'number' is not assignable to type 'string'
  () => Effect.succeed(1)
)

// A step outside of a handler has nothing to save to.
// expect: Type 'Running' is not assignable to type 'never'
Effect.runSync(Receiver.step("one", Schema.String)(Effect.succeed("a")))
