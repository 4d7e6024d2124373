/**
 * Peer (a): Effect's own getting-started recipe, `HttpClient` + `retryTransient`.
 *
 * Follows "Getting started with HttpClient", which ships with the package:
 * `node_modules/effect/ai-docs/src/50_http-client/10_basics.ts`
 * https://github.com/Effect-TS/effect/blob/main/ai-docs/src/50_http-client/10_basics.ts
 *
 * Line by line as there: base URL and Accept header, `filterStatusOk`, `retryTransient` with `Schedule.exponential(100)`,
 * one service method per endpoint, `schemaBodyJson`, one error with a `cause`. Two things are this demo's: `times` gives
 * the same number of attempts as every client has, and the charge sends the `Idempotency-Key` that the card provider's
 * contract demands (set once, on the request, so that `retryTransient` repeats it unchanged). The recipe has no
 * timeout, so there is none here.
 */
import { Effect, flow, Layer, Schedule, Schema } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { Checkout, type ClientEntry } from "../client.ts"
import {
  Charge,
  chargeRequest,
  idempotencyKeyHeader,
  Receipt,
  receiptRequest,
  Reservation,
  reservationRequest
} from "../contracts.ts"
import { limits } from "../limits.ts"
import type { Order } from "../orders.ts"
import type { ProviderUrls } from "../provider/protocol.ts"

class ProviderError extends Schema.TaggedError<ProviderError>()("ProviderError", {
  cause: Schema.Defect()
}) {}

const layer = (urls: ProviderUrls) =>
  Layer.effect(
    Checkout,
    Effect.gen(function* () {
      const httpClient = yield* HttpClient.HttpClient
      const clientFor = (baseUrl: string) =>
        httpClient.pipe(
          HttpClient.mapRequest(flow(HttpClientRequest.prependUrl(baseUrl), HttpClientRequest.acceptJson)),
          // Fail if the response status is not 2xx
          HttpClient.filterStatusOk,
          // Retry transient errors (network issues, 5xx responses) with an exponential backoff.
          HttpClient.retryTransient({ schedule: Schedule.exponential(100), times: limits.attempts - 1 })
        )
      const inventory = clientFor(urls.inventory)
      const cards = clientFor(urls.cards)
      const mail = clientFor(urls.mail)

      const reserve = Effect.fn("Inventory.reserve")(function* (order: Order) {
        yield* Effect.annotateCurrentSpan({ order: order.id })
        return yield* HttpClientRequest.put(`/reservations/${order.id}`).pipe(
          HttpClientRequest.bodyJsonUnsafe(reservationRequest(order)),
          inventory.execute,
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Reservation)),
          Effect.mapError((cause) => new ProviderError({ cause }))
        )
      })

      const charge = Effect.fn("Cards.charge")(function* (order: Order) {
        yield* Effect.annotateCurrentSpan({ order: order.id })
        return yield* HttpClientRequest.post("/charges").pipe(
          HttpClientRequest.setHeader(idempotencyKeyHeader, `charge-${order.id}`),
          HttpClientRequest.bodyJsonUnsafe(chargeRequest(order)),
          cards.execute,
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Charge)),
          Effect.mapError((cause) => new ProviderError({ cause }))
        )
      })

      const receipt = Effect.fn("Mail.receipt")(function* (order: Order) {
        yield* Effect.annotateCurrentSpan({ order: order.id })
        return yield* HttpClientRequest.post("/receipts").pipe(
          HttpClientRequest.bodyJsonUnsafe(receiptRequest(order)),
          mail.execute,
          Effect.flatMap(HttpClientResponse.schemaBodyJson(Receipt)),
          Effect.mapError((cause) => new ProviderError({ cause }))
        )
      })

      return Checkout.of({ reserve, charge, receipt })
    })
  ).pipe(
    // Provide the fetch-based HttpClient implementation
    Layer.provide(FetchHttpClient.layer)
  )

export const effectClient: ClientEntry = { name: "effect", observes: false, layer: ({ urls }) => layer(urls) }
