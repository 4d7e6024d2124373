/** undici: https://undici.nodejs.org/#/docs/api/Dispatcher.md?id=dispatcherrequestoptions-callback, its first example. */
import { request } from "undici"
import type { HttpClientPeer } from "../http.ts"
import { Order } from "./zod.ts"

const docs = "https://undici.nodejs.org/#/docs/api/Dispatcher.md?id=dispatcherrequestoptions-callback"

const lacks = ["timeout per attempt", "retry", "breaker", "bulkhead", "span", "metrics", "typed errors"]

export const undici: HttpClientPeer = {
  name: "undici.request, JSON.parse",
  docs,
  has: [],
  lacks: [...lacks, "decode"],
  make: (origin, path) => async () => {
    const { body } = await request(`${origin}${path}`)
    return body.json()
  }
}

export const undiciZod: HttpClientPeer = {
  name: "undici.request, zod",
  docs,
  has: ["decode"],
  lacks,
  make: (origin, path) => async () => {
    const { body } = await request(`${origin}${path}`)
    return Order.parse(await body.json())
  }
}
