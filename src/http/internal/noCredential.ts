import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/** Why there is no credential. Its message is for everybody, its cause for nobody. */
export class NoCredential extends Data.TaggedError("NoCredential")<{
  readonly message: string
  /** Whether another try may end differently. */
  readonly transient: boolean
  /** How long nobody will ask for another. */
  readonly retryAfter?: Duration.Duration | undefined
  /** Whether what would have given one may have been done all the same. */
  readonly inDoubt?: boolean | undefined
  readonly cause?: unknown
}> {}

/** That a request can't be sent with these credentials at all. */
export class NotSignable extends Data.TaggedError("NotSignable")<{ readonly message: string }> {}
