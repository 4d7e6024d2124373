import type { Attempt } from "../CallFailure.ts"
import type { Call, Phase, PolicyDecision } from "../Call.ts"
import type { Repeat } from "../Idempotency.ts"
import type { Outcome } from "../Outcome.ts"

/** What the function of an operation is given: its call, and a signal that is made when it is asked for. */
export class Sending implements Call {
  private readonly call: Call
  private controller: AbortController | undefined = undefined
  private aborted = false

  constructor(call: Call) {
    this.call = call
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.aborted) this.controller.abort()
    }
    return this.controller.signal
  }

  /** Ends the attempt: what it started is to stop. */
  abort(): void {
    this.aborted = true
    this.controller?.abort()
  }

  get id(): string {
    return this.call.id
  }
  get integration(): string {
    return this.call.integration
  }
  get operation(): string {
    return this.call.operation
  }
  get repeat(): Repeat {
    return this.call.repeat
  }
  get input(): unknown {
    return this.call.input
  }
  get key(): string | undefined {
    return this.call.key
  }
  get correlationId(): string {
    return this.call.correlationId
  }
  get startedAt(): number {
    return this.call.startedAt
  }
  get deadline(): number {
    return this.call.deadline
  }
  get attempts(): ReadonlyArray<Attempt> {
    return this.call.attempts
  }
  get attempt(): number {
    return this.call.attempt
  }
  get phase(): Phase {
    return this.call.phase
  }
  get decisions(): ReadonlyArray<PolicyDecision> | undefined {
    return this.call.decisions
  }
  outcome(): Outcome {
    return this.call.outcome()
  }
}
