/**
 * A double of stripe-node: promise-shaped, over the provider of the run, with what matters here of the real package
 * (17.6, in its build for workers, which calls `fetch`).
 *
 * - A connection that fails, a 409 and a 5xx are repeated up to `maxNetworkRetries` times (2), after half a second and
 *   more, with the key of the call: the caller's, or one that the SDK mints for a POST if it may repeat. A 429 is not.
 * - `timeout` (80 seconds) ends at the headers. A body that never ends is waited for, and there is no abort signal.
 * - A body with an `error` rejects with a `StripeError`, whatever the status; every other JSON is the answer, of
 *   whatever shape. What is no JSON, or was cut, rejects as well.
 */
import { Effect } from "effect"
import type { HttpClient } from "effect/http"
import { type FetchResponse, make as makePromiseClient } from "./PromiseClient.ts"

export class StripeError extends Error {
  readonly type: string
  readonly statusCode: number | undefined
  readonly headers: { readonly [name: string]: string | undefined }

  constructor(type: string, message: string, statusCode?: number, headers: StripeError["headers"] = {}) {
    super(message)
    this.type = type
    this.statusCode = statusCode
    this.headers = headers
  }
}

interface Config {
  readonly maxNetworkRetries?: number | undefined
  readonly timeout?: number | undefined
}

export interface RequestOptions {
  readonly idempotencyKey?: string | undefined
}

/** What Stripe promises, as far as it is used. Nothing checks that it keeps its promise. */
export interface Customer {
  readonly id: string
}

export interface Price {
  readonly id: string
  readonly lookup_key: string | null
}

export interface Session {
  readonly id: string
  readonly url: string | null
}

export interface Stripe {
  readonly prices: {
    readonly list: (params: {
      readonly lookup_keys: ReadonlyArray<string>
    }) => Promise<{ readonly data: ReadonlyArray<Price> }>
  }
  readonly customers: {
    readonly create: (
      params: { readonly email: string; readonly metadata: Readonly<Record<string, string>> },
      options?: RequestOptions
    ) => Promise<Customer>
  }
  readonly checkout: {
    readonly sessions: { readonly create: (params: SessionParams, options?: RequestOptions) => Promise<Session> }
  }
}

export interface SessionParams {
  readonly mode: "subscription"
  readonly customer: string
  readonly client_reference_id: string
  readonly success_url: string
  readonly cancel_url: string
  readonly line_items: ReadonlyArray<{ readonly price: string; readonly quantity: number }>
}

/** The SDK mints a UUID: no two calls share one, in this process or the next. */
let minted = 0

const host = "https://api.stripe.com"

/** `new Stripe(apiKey, config)`. */
export const make = (apiKey: string, config: Config = {}): Effect.Effect<Stripe, never, HttpClient.HttpClient> =>
  Effect.map(makePromiseClient, ({ fetch, sleep }) => {
    const maxRetries = config.maxNetworkRetries ?? 2

    const fetchInTime = async (url: string, init: Parameters<typeof fetch>[1]): Promise<FetchResponse> => {
      const abort = new AbortController()
      let answered = false
      void sleep(config.timeout ?? 80_000).then(() => {
        if (!answered) abort.abort()
      })
      try {
        return await fetch(url, { ...init, signal: abort.signal })
      } finally {
        answered = true
      }
    }

    const request = async <A>(method: "GET" | "POST", path: string, form: Form, key?: string): Promise<A> => {
      const query = encode(form)
      // One key for all repeats of the call. Another call has another one.
      const idempotencyKey =
        method === "GET" ? undefined : (key ?? (maxRetries > 0 ? `stripe-node-retry-${++minted}` : undefined))
      const url = method === "GET" ? `${host}${path}?${query}` : `${host}${path}`
      const init = {
        method,
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...(method === "GET" ? {} : { "content-type": "application/x-www-form-urlencoded" }),
          ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey })
        },
        ...(method === "GET" ? {} : { body: query })
      }
      for (let retry = 0; ; retry++) {
        let response: FetchResponse | undefined
        try {
          response = await fetchInTime(url, init)
        } catch {
          response = undefined
        }
        if (response !== undefined && response.status !== 409 && response.status < 500) return answerOf<A>(response)
        if (retry < maxRetries) {
          const retryAfter = Number(response?.headers.get("retry-after") ?? 0)
          await sleep(Math.max(500 * 2 ** (retry - 1), 500, retryAfter * 1_000))
        } else if (response === undefined) {
          throw new StripeError("StripeConnectionError", "An error occurred with our connection to Stripe.")
        } else {
          return answerOf<A>(response)
        }
      }
    }

    return {
      prices: { list: (params) => request("GET", "/v1/prices", params) },
      customers: { create: (params, options) => request("POST", "/v1/customers", params, options?.idempotencyKey) },
      checkout: {
        sessions: {
          create: (params, options) => request("POST", "/v1/checkout/sessions", { ...params }, options?.idempotencyKey)
        }
      }
    }
  })

const answerOf = async <A>(response: FetchResponse): Promise<A> => {
  const headers = { "retry-after": response.headers.get("retry-after") ?? undefined }
  let body: unknown
  try {
    body = await response.json()
  } catch {
    throw new StripeError("StripeAPIError", "Invalid JSON received from the Stripe API")
  }
  const { error } = body as { readonly error?: { readonly type?: string; readonly message?: string } }
  if (error) throw new StripeError(error.type ?? "StripeError", error.message ?? "", response.status, headers)
  return body as A
}

type Form = { readonly [name: string]: unknown }

/** `a[0][b]=c`, as Stripe reads it. */
const encode = (form: Form): string => {
  const params = new URLSearchParams()
  const add = (name: string, value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) add(`${name}[${key}]`, inner)
    } else if (value !== undefined) {
      params.append(name, String(value))
    }
  }
  for (const [name, value] of Object.entries(form)) add(name, value)
  return params.toString()
}
