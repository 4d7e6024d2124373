/**
 * axios: https://axios-http.com/docs/req_config (`timeout`), with axios-retry:
 * https://github.com/softonic/axios-retry#readme (`retries`, `retryDelay: exponentialDelay`), and zod.
 */
import { create } from "axios"
import axiosRetry, { exponentialDelay } from "axios-retry"
import type { HttpClientPeer } from "../http.ts"
import { Order } from "./zod.ts"

export const axiosZod: HttpClientPeer = {
  name: "axios, axios-retry, zod",
  docs: "https://axios-http.com/docs/req_config",
  has: ["decode", "retry", "timeout"],
  lacks: ["total deadline", "breaker", "bulkhead", "span", "metrics", "typed errors"],
  make: (baseURL, path, timeout) => {
    const client = create({ baseURL, timeout })
    axiosRetry(client, { retries: 2, retryDelay: exponentialDelay })
    return async () => Order.parse((await client.get<unknown>(path)).data)
  }
}
