/**
 * The client of the `stripe` package as a service, with nothing of its own that repeats or gives up.
 */
import { Config, Context, Effect, Layer, Redacted } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"
import { Stripe } from "stripe"

// The SDK takes no abort signal: without one, a request that was given up would keep its connection until the SDK's own
// timeout. Its methods do take a `fetch`, which finds the signal of the running call here.
const signals = new AsyncLocalStorage<AbortSignal>()

/** Calls the SDK, and aborts its request with this signal. */
export const abortable = <A>(signal: AbortSignal, call: () => Promise<A>): Promise<A> => signals.run(signal, call)

const fetchAbortably: typeof fetch = (input, init) => {
  const all = [init?.signal, signals.getStore()].filter((signal) => signal !== undefined && signal !== null)
  // A payment goes to the host that it was meant for, and to no other that an answer names.
  return fetch(input, { ...init, redirect: "manual", signal: AbortSignal.any(all) })
}

export class StripeSdk extends Context.Service<StripeSdk, Stripe>()("shop/StripeSdk") {}

const connect = Effect.gen(function* () {
  const key = yield* Config.Redacted("STRIPE_KEY")
  const { hostname, port, protocol } = yield* Config.URL("STRIPE_URL").pipe(
    Config.withDefault(new URL("https://api.stripe.com"))
  )
  const secure = protocol === "https:"
  return new Stripe(Redacted.value(key), {
    protocol: secure ? "https" : "http",
    host: hostname,
    port: port === "" ? (secure ? 443 : 80) : port,
    // The policy repeats, within its deadline and where the history shows it. But with 0 the SDK's client for Node still
    // repeats once after a reset (`_shouldRetry` in its RequestSender); the one over `fetch` does not.
    maxNetworkRetries: 0,
    httpClient: Stripe.createFetchHttpClient(fetchAbortably),
    // Longer than the policy's total deadline, so that the policy alone decides when to give up.
    timeout: 80_000,
    telemetry: false
  })
})

export const StripeSdkLive = Layer.effect(StripeSdk, connect)
