/** The endpoint by Effect's own client, with its breaker: nothing else. */
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { CircuitBreaker } from "effect/persistence"
import { baseUrl, Stripe } from "./api.ts"

const find = (id: string) =>
  Effect.gen(function* () {
    const breaker = yield* CircuitBreaker.make({
      tripPolicy: CircuitBreaker.consecutive(5),
      openDuration: "30 seconds"
    })
    const client = yield* HttpApiClient.make(Stripe, { baseUrl })
    return yield* client.charges.get({ params: { id } }).pipe(breaker.execute({ key: "stripe" }))
  }).pipe(Effect.provide([FetchHttpClient.layer, CircuitBreaker.layerStoreMemory()]), Effect.scoped)

export const main = () => Effect.runPromise(find("ch_1"))
