// Uploads as operations: what their methods take and return.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, type Operation, Policy } from "breakwater"
import { HttpOperation, Upload } from "breakwater/http"
import { type Effect, Schema, Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Api, CardDeclined, CardError, Charge, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

class Files extends HttpApi.make("files").add(
  HttpApiGroup.make("files").add(
    HttpApiEndpoint.post("add", "/add/:name", {
      params: { name: Schema.String },
      payload: HttpApiSchema.StreamUint8Array(),
      success: Charge,
      error: CardError
    })
  )
) {}

const sentOnce = Policy.stack(Policy.standard(), Policy.retryNever("what comes in is passed on"))

class Uploads extends Integration.Service<Uploads>()(
  "Uploads",
  {
    policy: sentOnce,
    exhausted: Exhaustion.fail,
    orElse: () => new PaymentsUnavailable({ outcome: "Unknown" })
  },
  {
    bytes: HttpOperation.upload(Api, "streams", "sendBytes", { body: "replayable", policy: Policy.standard() }),
    lines: HttpOperation.upload(Api, "streams", "sendLines", { body: "once" }),
    add: HttpOperation.upload(Files, "files", "add", {
      body: "replayable",
      idempotency: Idempotency.keyed(({ params }) => IdempotencyKey.derive("add", params.name), { lifetime: "1 day" }),
      exhausted: Exhaustion.fallbackUnlessItHappened("none", () => null as never),
      translate: {
        CardError: ({ code }, { params }) => {
          expectType<string>()(params.name)
          return new CardDeclined({ code })
        }
      }
    }),
    // A POST that is sent once need not say how a repeat would be made safe.
    pass: HttpOperation.upload(Files, "files", "add", {
      body: "once",
      translate: { CardError: ({ code }) => new CardDeclined({ code }) }
    })
  }
) {}

declare const uploads: Uploads["Service"]
const piece = Stream.make(new Uint8Array(1))

expectType<Effect.Effect<typeof Charge.Type, PaymentsUnavailable>>()(
  uploads.bytes({ payload: Upload.replayable(() => piece, { contentLength: 1 }) })
)
expectType<Effect.Effect<typeof Charge.Type, PaymentsUnavailable>>()(
  uploads.lines({ payload: Upload.once(Stream.make({ id: "1", amount: 1 })) })
)
expectType<Effect.Effect<typeof Charge.Type, PaymentsUnavailable | CardDeclined>>()(
  uploads.pass({ params: { name: "a" }, payload: Upload.once(piece) })
)
expectType<{ readonly params: { readonly name: string }; readonly payload: Upload.Replayable<Uint8Array> }>()(
  null! as Parameters<Uploads["Service"]["add"]>[0]
)

/** What an operation over a body that can be sent once only is, whatever its method says. */
const kindOf = <M extends Idempotency.Kind>(
  _operation: Operation.Operation<never, unknown, unknown, unknown, M, Operation.Decision>
): M => null!
const once = HttpOperation.upload(Api, "streams", "sendBytes", { body: "once" })
const again = HttpOperation.upload(Api, "streams", "sendBytes", { body: "replayable" })
expectType<"AtMostOnce">()(kindOf(once))
expectType<"Inherent">()(kindOf(again))
