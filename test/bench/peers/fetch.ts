/** The global fetch of Node: https://nodejs.org/api/globals.html#fetch, and zod. */
import type { HttpClientPeer } from "../http.ts"
import { Order } from "./zod.ts"

export const fetchZod: HttpClientPeer = {
  name: "fetch, zod",
  docs: "https://nodejs.org/api/globals.html#fetch",
  has: ["decode"],
  lacks: ["timeout per attempt", "retry", "breaker", "bulkhead", "span", "metrics", "typed errors"],
  make: (origin, path) => async () => {
    const response = await fetch(`${origin}${path}`)
    return Order.parse(await response.json())
  }
}
