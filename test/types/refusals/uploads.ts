// An upload says whether its body can be sent again, and what can't is not retried.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, Policy } from "breakwater"
import { HttpOperation, Upload } from "breakwater/http"
import { Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Api, CardError, Charge, PaymentsUnavailable } from "../contract.ts"

const bytes = HttpApiSchema.StreamUint8Array()
class Files extends HttpApi.make("files").add(
  HttpApiGroup.make("files").add(
    HttpApiEndpoint.post("add", "/add", { payload: bytes, success: Charge }),
    HttpApiEndpoint.post("check", "/check", { payload: bytes, success: Charge, error: CardError }),
    HttpApiEndpoint.post("both", "/both", { payload: bytes, success: HttpApiSchema.StreamNdjson({ schema: Charge }) })
  )
) {}

// ---- what is no upload

// expect: the payload of this endpoint is no stream: use HttpOperation.endpoint
HttpOperation.upload(Api, "charges", "replace", { body: "once" })
// expect: an endpoint that streams both ways can't be an operation: neither way could be repeated
HttpOperation.upload(Files, "files", "both", { body: "once" })
// expect: an endpoint that streams both ways can't be an operation: neither way could be repeated
HttpOperation.stream(Files, "files", "both", { limits: { total: "1 minute" }, idempotency: Idempotency.readOnly("?") })
// expect: a streamed payload must say whether it can be sent twice: use HttpOperation.upload
HttpOperation.endpoint(Files, "files", "add", { idempotency: Idempotency.atMostOnce("another file") })

// ---- what it must say

// expect: Property 'body' is missing
HttpOperation.upload(Api, "streams", "sendBytes", {})
// expect: is not assignable to type 'BodyKind'
HttpOperation.upload(Api, "streams", "sendBytes", { body: "twice" })
// expect: Property 'idempotency' is missing
HttpOperation.upload(Files, "files", "add", { body: "replayable" })
// expect: Property 'translate' is missing
HttpOperation.upload(Files, "files", "check", { body: "once" })

// ---- what a body that can be sent once only can't have

HttpOperation.upload(Api, "streams", "sendBytes", {
  body: "once",
  // expect: this body can be sent once only: use Policy.retryNever(reason)
  policy: Policy.standard()
})
HttpOperation.upload(Api, "streams", "sendBytes", {
  body: "once",
  // The last decision stands.
  // expect: this body can be sent once only: use Policy.retryNever(reason)
  policy: Policy.stack(Policy.retryNever("sent once"), Policy.standard())
})
HttpOperation.upload(Files, "files", "add", {
  body: "once",
  idempotency: Idempotency.keyed(() => IdempotencyKey.derive("add", "1"), { lifetime: "1 day" }),
  // Whatever would make a repeat safe.
  // expect: this body can be sent once only: use Policy.retryNever(reason)
  policy: Policy.standard()
})
HttpOperation.upload(Api, "streams", "sendBytes", {
  body: "once",
  // expect: the policy has no total deadline: start from Policy.standard(), or add Policy.totalDeadline(duration)
  policy: Policy.stack(Policy.attemptTimeout("1 second"), Policy.retryNever("sent once"))
})

// ---- what no upload can have

const hedged = Policy.stack(Policy.standard(), Policy.hedge({ after: "200 millis" }))
HttpOperation.upload(Files, "files", "add", {
  body: "replayable",
  idempotency: Idempotency.readOnly("a check"),
  // expect: this policy hedges, or shares or keeps answers: an upload can't have it
  policy: hedged
})
HttpOperation.upload(Files, "files", "add", {
  body: "replayable",
  idempotency: Idempotency.keyed(() => IdempotencyKey.derive("add", "1"), { lifetime: "1 day" }),
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  exhausted: Exhaustion.park
})
HttpOperation.upload(Api, "streams", "sendBytes", {
  body: "once",
  // expect: a repeat of this operation is not safe, so it can't be parked: use Outbox.writeAhead, or Exhaustion.fail
  exhausted: Exhaustion.park
})
Outbox.writeAhead(
  // expect: this input has no codec, so the call can't be stored: describe it by a schema, without forms, streams and functions
  HttpOperation.upload(Api, "streams", "sendBytes", { body: "once" })
)

// As defaults of an integration they do not fit its uploads either.
const orElse = () => new PaymentsUnavailable({ outcome: "Unknown" })
class Retried extends Integration.Service<Retried>()(
  "Retried",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse },
  {
    again: HttpOperation.upload(Api, "streams", "sendBytes", { body: "replayable" }),
    // expect: this body can be sent once only: use Policy.retryNever(reason)
    once: HttpOperation.upload(Api, "streams", "sendBytes", { body: "once" })
  }
) {}
class Hedged extends Integration.Service<Hedged>()(
  "Hedged",
  { policy: hedged, exhausted: Exhaustion.fail, orElse },
  {
    find: HttpOperation.endpoint(Api, "charges", "get"),
    // expect: this policy hedges, or shares or keeps answers: an upload can't have it
    again: HttpOperation.upload(Files, "files", "add", {
      body: "replayable",
      idempotency: Idempotency.readOnly("a check")
    })
  }
) {}

// ---- what its method takes

declare const retried: Retried["Service"]
const piece = Stream.make(new Uint8Array(1))
// expect: is missing the following properties from type 'Replayable<Uint8Array<ArrayBufferLike>>'
retried.again({ payload: piece })
// expect: Type '"once"' is not assignable to type '"replayable"'
retried.again({ payload: Upload.once(piece) })
// expect: Type 'string' is not assignable to type 'Uint8Array<ArrayBufferLike>'
retried.again({ payload: Upload.replayable(() => Stream.make("text")) })
