/**
 * Why a provider can't listen on a socket.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why the port could not be opened.
 *
 * | reason         | what happened                                                    |
 * |----------------|------------------------------------------------------------------|
 * | `PortInUse`    | somebody else listens there                                      |
 * | `NotPermitted` | this user may not listen there: ports below 1024, or a sandbox   |
 * | `InvalidPort`  | it is no whole number from 0 to 65535                            |
 * | `Failed`       | anything else; `cause` is what the system said                   |
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = "PortInUse" | "NotPermitted" | "InvalidPort" | "Failed"

/**
 * Says which port could not be opened, why, and what to do next.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketError extends Data.TaggedError("SocketError")<{
  readonly reason: Reason
  /** The port that was asked for. */
  readonly port: number
  readonly cause?: unknown
}> {
  override get message(): string {
    return `can't listen on 127.0.0.1:${this.port}: ${details[this.reason](this.cause)}`
  }
}

const otherwise = "leave `port` out to get a free one"

const details: Record<Reason, (cause: unknown) => string> = {
  PortInUse: () => `somebody else does; end that process, give another port, or ${otherwise}`,
  NotPermitted: () => `the system does not permit it; give a port above 1023, or ${otherwise}`,
  InvalidPort: () => `a port is a whole number from 0 to 65535; ${otherwise}`,
  Failed: (cause) => `${cause instanceof Error ? cause.message : String(cause)}; ${otherwise}`
}
