/** What every client of this demo implements, and what the harness and the checkout's own API are built on. */
import { Context, type Effect, type Layer } from "effect"
import type { Observation } from "./meter.ts"
import type { Order } from "./orders.ts"
import type { ProviderUrls } from "./provider/protocol.ts"

/**
 * The three steps. Errors are `unknown` because that is what the harness must cope with: it sorts them with
 * `isCheckoutError`. A client that fails with nothing else has no untyped failures.
 */
export class Checkout extends Context.Service<
  Checkout,
  {
    readonly reserve: (order: Order) => Effect.Effect<unknown, unknown>
    readonly charge: (order: Order) => Effect.Effect<unknown, unknown>
    readonly receipt: (order: Order) => Effect.Effect<unknown, unknown>
  }
>()("checkout/Checkout") {}

export const clientNames = ["breakwater", "effect", "cockatiel"] as const
export type ClientName = (typeof clientNames)[number]

export interface ClientOptions {
  readonly urls: ProviderUrls
  /** Where a client that observes its own calls reports each of them, once. */
  readonly observe: (observation: Observation) => void
}

export interface ClientEntry {
  readonly name: ClientName
  /**
   * Whether the client calls `observe` itself. For one that does not, the harness reports what it saw from outside,
   * and attempts are counted where they arrive.
   */
  readonly observes: boolean
  readonly layer: (options: ClientOptions) => Layer.Layer<Checkout, unknown>
}
