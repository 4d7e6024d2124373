/**
 * What a durable call ends with when it was not delivered, and what goes wrong with an outbox itself.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Outcome } from "./Outcome.ts"
import type { State, Why } from "./OutboxEntry.ts"

/**
 * A stored call that ended without an error of the provider: nobody sent it, or nobody can tell.
 *
 * @category errors
 * @since 0.1.0
 */
export class Undelivered extends Data.TaggedError("Undelivered")<{
  readonly id: string
  readonly integration: string
  readonly operation: string
  readonly why: Why
  /** Whether it happened, as far as is known. */
  readonly outcome: Outcome
}> {
  override get message(): string {
    return `the stored call ${this.id} (${this.integration} ${this.operation}) was not delivered: ${whys[this.why]}; outcome ${this.outcome}`
  }
}

const whys: Readonly<Record<Why, string>> = {
  rejected: "the provider rejected it",
  exhausted: "its attempts are spent",
  expired: "it was not delivered in the time that it had",
  schema: "what is stored can't be read any more: was its input's schema changed?",
  "key expired": "the provider may have forgotten its key",
  "sent once": "it may be sent once only, and it may have been",
  unclear: "the provider's answer does not say whether it happened"
}

/**
 * An entry that can't be waited for, or an admin's wish that can't be done.
 *
 * - `NotFound`: there is no such entry; a delivered one is forgotten after a while.
 * - `NotDelivered`: it ended, and not well: `state` and `why` say how.
 * - `ResultGone`: it was delivered, and its result can't be read.
 * - `WrongState`: what was asked for does not fit the state that the entry is in; nothing was changed.
 * - `NeedsNewKey`: the provider may have forgotten the key, or it may be sent once only: it needs a new key, and evidence.
 * - `Invalid`: the wish itself is wrong, such as one without a name or without evidence; nothing was changed.
 * - `StoreFailed`: the store could not be asked, or did not answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutboxError extends Data.TaggedError("OutboxError")<{
  readonly reason: "NotFound" | "NotDelivered" | "ResultGone" | "WrongState" | "NeedsNewKey" | "Invalid" | "StoreFailed"
  readonly id: string
  readonly state: State | undefined
  readonly why: Why | undefined
  readonly message: string
  readonly cause?: unknown
}> {}
