/** The application's error for everything that went wrong, the same for all SDKs here. */
import { type CallFailure, Exhaustion, Policy } from "breakwater"
import { Data } from "effect"

export class Down extends Data.TaggedError("Down")<{
  readonly outcome: string
  readonly reason: string
  /** The whole failure, as it is printed and logged. */
  readonly printed: string
}> {}

export const down = (failure: CallFailure.CallFailure) =>
  new Down({ outcome: failure.outcome, reason: failure.reason._tag, printed: failure.message })

/** The decisions of every integration here. */
export const decided = {
  policy: Policy.standard(),
  shared: Policy.shared({ breaker: Policy.breaker() }),
  exhausted: Exhaustion.fail,
  orElse: down
}
