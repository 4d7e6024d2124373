/** What the parent and the checkout's process say to each other. */
import type { Order } from "../orders.ts"
import type { ProviderUrls } from "../provider/protocol.ts"

/** One life of the checkout: what its process is told first. */
export interface Life {
  /** The SQLite file. */
  readonly file: string
  readonly urls: ProviderUrls
  /** The orders that customers have sent so far, those of earlier lives included. */
  readonly orders: ReadonlyArray<Order>
}

/** How many orders have ended; told once at the start, and whenever it has changed. */
export interface Told {
  readonly ended: number
}
