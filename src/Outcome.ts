/**
 * Did it happen? The one question that every failure of an integration must answer.
 *
 * @since 0.1.0
 */

/**
 * What is known about the effect of an attempt or a call.
 *
 * - `NotSent`: it did not happen; nothing left this process, or nothing reached the provider.
 * - `Refused`: it did not happen; the provider said so.
 * - `Unknown`: it may have happened.
 * - `Applied`: it happened, though the answer could not be used.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "NotSent" | "Refused" | "Unknown" | "Applied"

/**
 * What the fold needs to know about one attempt. `resolves` is true for an answer that settles what an earlier attempt
 * with the same key did: a success, or a declared error with a 4xx status that a provider stores under the key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evidence {
  readonly outcome: Outcome
  readonly resolves: boolean
}

/**
 * The outcome of a call, from all its attempts and never from the last one alone.
 *
 * **Details**
 *
 * `Applied` if any attempt was; else `Unknown` if any was and no later answer resolved it; else `Refused` if any was;
 * else `NotSent`. Without it "timed out, then circuit open" reads as "did not happen", and the customer is charged twice.
 *
 * **Example** (A timeout followed by a local rejection)
 *
 * ```ts
 * import { Outcome } from "breakwater"
 *
 * Outcome.fold([
 *   { outcome: "Unknown", resolves: false },
 *   { outcome: "NotSent", resolves: false }
 * ]) // => "Unknown"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const fold = (attempts: Iterable<Evidence>): Outcome => {
  let applied = false
  let unknown = false
  let refused = false
  for (const attempt of attempts) {
    if (attempt.resolves) unknown = false
    if (attempt.outcome === "Applied") applied = true
    else if (attempt.outcome === "Unknown") unknown = true
    else if (attempt.outcome === "Refused") refused = true
  }
  return applied ? "Applied" : unknown ? "Unknown" : refused ? "Refused" : "NotSent"
}

/**
 * Returns whether the effect certainly did not happen, so that doing it again or elsewhere can't do it twice.
 *
 * @category predicates
 * @since 0.1.0
 */
export const didNotHappen = (outcome: Outcome): outcome is "NotSent" | "Refused" =>
  outcome === "NotSent" || outcome === "Refused"
