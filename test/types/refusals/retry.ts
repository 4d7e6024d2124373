// A retry in a pipe whose `classify` does not know what the effect may fail with.
import { Policy, Reason } from "breakwater"
import { Data, Effect } from "effect"

class Lost extends Data.TaggedError("Lost") {}
class Declined extends Data.TaggedError("Declined") {}

const classify = (_error: Lost) => Reason.disconnected()
const charge: Effect.Effect<string, Lost | Declined> = Effect.succeed("ch_1")

// expect: Type 'Declined' is not assignable to type 'CallFailure | Lost'
charge.pipe(Policy.retry(Policy.backoff(), { classify }))
