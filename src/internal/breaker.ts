/**
 * The state of one circuit, for tests, plans and dashboards.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerState {
  readonly key: string
  readonly state: "Closed" | "Open" | "HalfOpen"
  /** What an operator forced it to, whatever its own state is. */
  readonly forced: "open" | "closed" | undefined
}

/**
 * What a control reaches of a breaker. It is the shared state of every breaker, under the name `breaker <its name>`.
 *
 * `force` without a key holds for every circuit, whatever was forced before; with one it holds for that circuit alone.
 * `undefined` as `to` gives circuits back to their own state. Forced open, attempts are turned away; forced closed, they
 * are let through; in both nothing is recorded.
 */
export interface BreakerControl {
  readonly "~breakwater/BreakerControl": true
  readonly circuits: () => ReadonlyArray<BreakerState>
  readonly force: (key: string | undefined, to: "open" | "closed" | undefined) => void
}

/** Whether the shared state of a layer is that of a breaker. */
export const isBreakerControl = (state: unknown): state is BreakerControl =>
  typeof state === "object" && state !== null && "~breakwater/BreakerControl" in state
