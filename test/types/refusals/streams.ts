// Streaming endpoints have operations of their own, and what fits a call does not always fit a stream.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, Policy, Streaming } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Effect, Option, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Api, CardError, Charge, PaymentsUnavailable } from "../contract.ts"

// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "events")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "lines")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "bytes")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "linesWithHeaders")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "socket")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "socketWithHeaders")
// expect: a streamed payload must say whether it can be sent twice: use HttpOperation.upload
HttpOperation.endpoint(Api, "streams", "sendBytes")
// expect: a streamed payload must say whether it can be sent twice: use HttpOperation.upload
HttpOperation.endpoint(Api, "streams", "sendLines")
// expect: streaming and upgrade endpoints have no end that a deadline could wait for: use HttpOperation.stream for a stream
HttpOperation.endpoint(Api, "streams", "bytes", {})

// ---- what is no stream

const limits = { total: "1 minute" } as const

// expect: this endpoint does not answer with a stream alone: use HttpOperation.endpoint, or describe the stream as { answer }
HttpOperation.stream(Api, "charges", "get", { limits })
// expect: this endpoint does not answer with a stream alone: use HttpOperation.endpoint, or describe the stream as { answer }
HttpOperation.stream(Api, "streams", "socket", { limits })
// expect: this endpoint does not answer with a stream alone: use HttpOperation.endpoint, or describe the stream as { answer }
HttpOperation.stream(Api, "streams", "linesWithHeaders", { limits })

// ---- decisions

// expect: Property 'limits' is missing
HttpOperation.stream(Api, "streams", "events", {})
// expect: Property 'total' is missing
HttpOperation.stream(Api, "streams", "events", { limits: { idle: "1 minute" } })

const completions = HttpApiSchema.StreamSse({ data: Charge, error: CardError })
class Ai extends HttpApi.make("ai").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("ask", "/ask", { payload: Schema.String, success: completions }),
    HttpApiEndpoint.post("tell", "/tell", {
      payload: Schema.String,
      success: HttpApiSchema.StreamSse({ data: Charge })
    }),
    HttpApiEndpoint.get("any", "/any", { success: HttpApiSchema.StreamNdjson({ schema: Schema.Unknown }) })
  )
) {}
const once = Idempotency.atMostOnce("paid for each time")

// expect: Property 'idempotency' is missing
HttpOperation.stream(Ai, "chat", "tell", { limits })
// The error that the stream may end with is a declared one.
// expect: Property 'translate' is missing
HttpOperation.stream(Ai, "chat", "ask", { limits, idempotency: once })
// expect: Property 'success' is missing
HttpOperation.stream(Ai, "chat", "any", { limits })
HttpOperation.stream(Ai, "chat", "tell", {
  limits,
  // expect: what a look finds is no stream: use Idempotency.keyed, or Idempotency.atMostOnce
  idempotency: Idempotency.reconcilable(() => Effect.succeed(Option.some({ id: "1" })), { settle: "1 second" })
})

// ---- going on

// expect: a stream goes on by asking again, and a repeat of this operation is not safe: leave `resume` out
HttpOperation.stream(Ai, "chat", "tell", { limits, idempotency: once, resume: Streaming.lastEventId })
// expect: this is the way of another kind of stream: Streaming.lastEventId is for SSE, Streaming.range for bytes
HttpOperation.stream(Api, "streams", "bytes", { limits, resume: Streaming.lastEventId })
// expect: this is the way of another kind of stream: Streaming.lastEventId is for SSE, Streaming.range for bytes
HttpOperation.stream(Api, "streams", "events", { limits, resume: Streaming.range })
// expect: this is the way of another kind of stream: Streaming.lastEventId is for SSE, Streaming.range for bytes
HttpOperation.stream(Api, "streams", "lines", { limits, resume: Streaming.lastEventId })
HttpOperation.stream(Api, "charges", "search", {
  limits,
  idempotency: Idempotency.readOnly("an export"),
  answer: HttpApiSchema.StreamUint8Array(),
  // expect: only the answer to a GET has ranges: leave `resume` out
  resume: Streaming.range
})

// ---- what a stream can't have

const hedged = Policy.stack(Policy.standard(), Policy.hedge({ after: "200 millis" }))
HttpOperation.stream(Api, "streams", "events", {
  limits,
  // expect: this policy hedges, or shares or keeps answers: a stream can't have it, its elements are handed over once
  policy: hedged
})
HttpOperation.stream(Api, "streams", "events", {
  limits,
  // expect: this policy hedges, or shares or keeps answers: a stream can't have it, its elements are handed over once
  policy: Policy.stack(Policy.standard(), Policy.coalesce({ principal: "everyone" }))
})
HttpOperation.stream(Api, "streams", "events", {
  limits,
  // expect: the policy has no total deadline: start from Policy.standard(), or add Policy.totalDeadline(duration)
  policy: Policy.stack(Policy.attemptTimeout("1 second"), Policy.retryNever("asked once"))
})
HttpOperation.stream(Api, "streams", "events", {
  limits,
  // expect: a stream can't be replaced or parked when its retries are spent: use Exhaustion.fail, and Stream.catch at the call
  exhausted: Exhaustion.fallback("the last one", () => Effect.succeed({ id: "1", amount: 1 }))
})
HttpOperation.stream(Ai, "chat", "tell", {
  limits,
  idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("tell", payload), { lifetime: "1 day" }),
  // expect: a stream can't be replaced or parked when its retries are spent: use Exhaustion.fail, and Stream.catch at the call
  exhausted: Exhaustion.park
})
// expect: a stream can't be stored and sent later: nobody would take its elements
Outbox.writeAhead(HttpOperation.stream(Ai, "chat", "tell", { limits, idempotency: once }))

// As defaults of an integration they do not fit its streams either.
const orElse = () => new PaymentsUnavailable({ outcome: "Unknown" })
class Hedged extends Integration.Service<Hedged>()(
  "Hedged",
  { policy: hedged, exhausted: Exhaustion.fail, orElse },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: this policy hedges, or shares or keeps answers: a stream can't have it, its elements are handed over once
    events: HttpOperation.stream(Api, "streams", "events", { limits })
  }
) {}
class Parked extends Integration.Service<Parked>()(
  "Parked",
  { policy: Policy.standard(), exhausted: Exhaustion.fallback("none", () => Effect.succeed(null)), orElse },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: a stream can't be replaced or parked when its retries are spent: use Exhaustion.fail, and Stream.catch at the call
    events: HttpOperation.stream(Api, "streams", "events", { limits })
  }
) {}
class Open extends Integration.Service<Open>()(
  "Open",
  { policy: Policy.standard(), exhausted: Exhaustion.fail },
  {
    // expect: the provider's failures would leak: give `orElse` to the integration or to the operation
    events: HttpOperation.stream(Api, "streams", "events", { limits })
  }
) {}
