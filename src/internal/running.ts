import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Address, Step, StoreError } from "../IdempotencyStore.ts"

/** The claim under which a handler runs. `Receiver.step` and `Receiver.childKey` read it. */
export class Running extends Context.Service<
  Running,
  {
    readonly address: Address
    /** Steps that an earlier owner has carried out, by name. */
    readonly steps: Map<string, string>
    readonly save: (step: Step) => Effect.Effect<void, StoreError>
  }
>()("breakwater/Receiver/Running") {}
