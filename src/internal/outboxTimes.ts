// What every store of an outbox says alike.
import * as Duration from "effect/Duration"
import type { Outcome } from "../Outcome.ts"
import type { Entry } from "../OutboxEntry.ts"

/** Milliseconds of a duration, rounded up; one without an end has one in a hundred thousand years. */
export const millisOf = (duration: Duration.Duration): number => Math.min(Math.ceil(Duration.toMillis(duration)), 4e15)

/** How long an entry that a person gave up is kept, unless they say. */
export const keepDiscarded: Duration.Duration = Duration.days(30)

/** What is known after a claim ended without a verdict: it may have happened. */
export const inDoubt = (outcome: Outcome): Outcome => (outcome === "Applied" ? "Applied" : "Unknown")

/** The reason of the last try. */
export const lastReason = (history: Entry["history"]): string | undefined => history.at(-1)?.reason

/** Whether the entries behind it in its lane have to wait: it has not ended, or it blocks them. */
export const blocks = ({ lane, state }: Entry): boolean => {
  switch (state) {
    case "Waiting":
    case "Pending":
    case "Leased":
      return true
    case "Dead":
    case "NeedsReconcile":
      return lane?.onDead === "block"
    case "Delivered":
    case "Discarded":
      return false
  }
}
