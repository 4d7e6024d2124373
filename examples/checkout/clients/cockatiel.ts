/**
 * Peer (b): `fetch` with the cockatiel package's README recipe.
 *
 * Follows `node_modules/cockatiel/readme.md`, https://github.com/connor4312/cockatiel#readme:
 * its opening example (`retry(handleAll, { maxAttempts, backoff: new ExponentialBackoff() })`, a `ConsecutiveBreaker(5)`
 * that is shared by all calls to one provider), `wrap(retry, breaker, timeout)` from "wrap(...policies)", and
 * `timeout(…, TimeoutStrategy.Aggressive)` with the signal passed on, from "timeout(duration, strategy)".
 *
 * It gets every limit of this demo, since the package has an option for each: the attempts (`maxAttempts` counts the
 * repeats), the attempt timeout, the total limit (the same `timeout`, outermost) and the breaker's failures and open
 * time (`halfOpenAfter` takes a backoff). The body is read inside the policy, so that timeouts and retries cover it. The
 * charge sends the `Idempotency-Key` that the card provider's contract demands.
 */
import {
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
  noJitterGenerator,
  retry,
  timeout,
  TimeoutStrategy,
  wrap
} from "cockatiel"
import { Effect, Layer } from "effect"
import { Checkout, type ClientEntry } from "../client.ts"
import { chargeRequest, idempotencyKeyHeader, receiptRequest, reservationRequest } from "../contracts.ts"
import { limits } from "../limits.ts"
import type { ProviderUrls } from "../provider/protocol.ts"

const makePolicy = () => {
  const total = timeout(limits.totalTimeoutMs, TimeoutStrategy.Aggressive)
  const retryPolicy = retry(handleAll, { maxAttempts: limits.attempts - 1, backoff: new ExponentialBackoff() })
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: new ExponentialBackoff({
      generator: noJitterGenerator,
      initialDelay: limits.breaker.openMs,
      maxDelay: limits.breaker.maxOpenMs
    }),
    breaker: new ConsecutiveBreaker(limits.breaker.failures)
  })
  const attempt = timeout(limits.attemptTimeoutMs, TimeoutStrategy.Aggressive)
  return wrap(total, retryPolicy, breaker, attempt)
}

/** One provider: its policy, and a JSON request through it. */
const makeProvider = (baseUrl: string) => {
  const policy = makePolicy()
  return (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
    Effect.tryPromise({
      try: (interrupted) =>
        policy.execute(async ({ signal }) => {
          const response = await fetch(`${baseUrl}${path}`, {
            method,
            headers: { accept: "application/json", "content-type": "application/json", ...headers },
            body: JSON.stringify(body),
            signal
          })
          if (!response.ok) throw new Error(`${method} ${path}: status ${response.status}`)
          return (await response.json()) as unknown
        }, interrupted),
      catch: (error) => error
    })
}

const make = (urls: ProviderUrls) => {
  const inventory = makeProvider(urls.inventory)
  const cards = makeProvider(urls.cards)
  const mail = makeProvider(urls.mail)
  return Checkout.of({
    reserve: (order) => inventory("PUT", `/reservations/${order.id}`, reservationRequest(order)),
    charge: (order) =>
      cards("POST", "/charges", chargeRequest(order), { [idempotencyKeyHeader]: `charge-${order.id}` }),
    receipt: (order) => mail("POST", "/receipts", receiptRequest(order))
  })
}

export const cockatielClient: ClientEntry = {
  name: "cockatiel",
  observes: false,
  layer: ({ urls }) => Layer.sync(Checkout, () => make(urls))
}
