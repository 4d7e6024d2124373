/**
 * A policy whose numbers make no sense, found when the integration's layer is built.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Says which integration and operation, which values, and what would be right.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyError extends Data.TaggedError("PolicyError")<{
  readonly integration: string
  readonly operation: string
  readonly problems: ReadonlyArray<string>
}> {
  override get message(): string {
    return `${this.integration} ${this.operation}: ${this.problems.join("; ")}`
  }
}
