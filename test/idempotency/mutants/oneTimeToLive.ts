import { Duration } from "effect"
import { mutant } from "./mutant.ts"

/** One number for lease and record: a dead owner blocks its key for as long as an answer would have been kept. */
export const leaseAsLongAsTheRecord = mutant(
  "one TTL for lease and record: the record's",
  ["a lease and a time to live are two numbers: a short lease", "R4", "model"],
  (store) => ({ claim: (options) => store.claim({ ...options, lease: options.timeToLive }) })
)

/** One number for lease and record: an answer is forgotten as soon as its lease would have ended. */
export const recordAsShortAsTheLease = mutant(
  "one TTL for lease and record: the lease's",
  ["a lease and a time to live are two numbers: a short lease", "R1", "model"],
  (store) => {
    let lease = Duration.hours(1)
    return {
      claim: (options) => {
        lease = options.lease
        return store.claim({ ...options, timeToLive: lease })
      },
      complete: (owner, { result }) => store.complete(owner, { result, timeToLive: lease })
    }
  }
)

/** One number for lease and record: who works longer than answers are kept is taken for dead. */
export const leaseWithinTheRecord = mutant(
  "one TTL for lease and record: whichever ends first",
  ["a lease and a time to live are two numbers: a long lease", "sweep", "model"],
  (store) => ({
    claim: (options) => store.claim({ ...options, lease: Duration.min(options.lease, options.timeToLive) })
  })
)
