// Streams as operations: what their methods take and return.
import { Exhaustion, Idempotency, Integration, Operation, Policy, Streaming } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { type Config, type Effect, type Layer, Schema, type Stream } from "effect"
import type { HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Api, CardDeclined, CardError, Charge, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

class Ai extends HttpApi.make("ai").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("ask", "/ask", {
      payload: Schema.String,
      success: [Charge, HttpApiSchema.StreamSse({ data: Charge, error: CardError })]
    }),
    HttpApiEndpoint.get("whole", "/whole", {
      success: HttpApiSchema.StreamSse({
        events: Schema.Struct({ event: Schema.Literal("charged"), data: Schema.fromJsonString(Charge) })
      })
    }),
    HttpApiEndpoint.get("any", "/any", { success: HttpApiSchema.StreamNdjson({ schema: Schema.Unknown }) })
  )
) {}

const limits: Streaming.Limits = { total: Streaming.unlimited("a subscription"), idle: "1 minute" }

export class Streams extends Integration.Service<Streams>()(
  "Streams",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    events: HttpOperation.stream(Api, "streams", "events", {
      limits,
      end: Streaming.marker((event) => {
        expectType<Streaming.SseEvent>()(event)
        return event.data === "[DONE]"
      }),
      resume: Streaming.lastEventId
    }),
    lines: HttpOperation.stream(Api, "streams", "lines", {
      limits,
      end: Streaming.lastElement((charge) => {
        expectType<typeof Charge.Type>()(charge)
        return charge.amount === 0
      })
    }),
    bytes: HttpOperation.stream(Api, "streams", "bytes", { limits, resume: Streaming.range }),
    ask: HttpOperation.stream(Ai, "chat", "ask", {
      idempotency: Idempotency.atMostOnce("paid for each time"),
      limits,
      translate: {
        CardError: ({ code }, { payload }) => {
          expectType<string>()(payload)
          return new CardDeclined({ code })
        }
      }
    }),
    whole: HttpOperation.stream(Ai, "chat", "whole", { limits }),
    any: HttpOperation.stream(Ai, "chat", "any", { limits, success: Operation.unvalidated("it is only logged") }),
    // What the contract can't say.
    search: HttpOperation.stream(Api, "charges", "search", {
      idempotency: Idempotency.readOnly("a search"),
      limits,
      answer: HttpApiSchema.StreamNdjson({ schema: Charge })
    }),
    find: HttpOperation.endpoint(Api, "charges", "get")
  }
) {}

type Charge = typeof Charge.Type

expectType<{
  readonly events: (input: void) => Stream.Stream<Charge, PaymentsUnavailable>
  readonly lines: (input: void) => Stream.Stream<Charge, PaymentsUnavailable>
  readonly bytes: (input: void) => Stream.Stream<Uint8Array, PaymentsUnavailable>
  readonly ask: (input: { readonly payload: string }) => Stream.Stream<Charge, CardDeclined | PaymentsUnavailable>
  readonly whole: (
    input: void
  ) => Stream.Stream<{ readonly event: "charged"; readonly data: Charge }, PaymentsUnavailable>
  readonly any: (input: void) => Stream.Stream<unknown, PaymentsUnavailable>
  readonly search: (input: { readonly payload: { readonly q: string } }) => Stream.Stream<Charge, PaymentsUnavailable>
  readonly find: (input: { readonly params: { readonly id: string } }) => Effect.Effect<Charge, PaymentsUnavailable>
}>()(null! as Streams["Service"])

expectType<Layer.Layer<Streams, Policy.PolicyError | Config.ConfigError, HttpClient.HttpClient>>()(
  HttpIntegration.layer(Streams, { baseUrl: "https://example.com" })
)
