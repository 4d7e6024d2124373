import { type CallFailure, Exhaustion, Idempotency, IdempotencyKey, Integration, Policy, Streaming } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Data, Effect, Schema, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// ---- a provider whose answers are Effect streams, so that they stall and are cut in virtual time

export type Answer = (request: HttpClientRequest.HttpClientRequest) => {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: Stream.Stream<string>
  /** The connection is lost after the body. */
  readonly lost?: boolean
}

export interface Provider {
  readonly client: HttpClient.HttpClient
  readonly requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>
  /** Chunks of bodies that were read, and bodies that were closed. */
  readonly read: () => number
  readonly begun: () => number
  readonly closed: () => number
}

export const providerOf = (...answers: ReadonlyArray<Answer>): Provider => {
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  let read = 0
  let begun = 0
  let closed = 0
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const answer = answers[Math.min(requests.length, answers.length - 1)]!(request)
      requests.push(request)
      const head = new Response(null, {
        status: answer.status ?? 200,
        headers: { "content-type": "text/event-stream", ...answer.headers }
      })
      const response = HttpClientResponse.fromWeb(request, head)
      const bytes = answer.body.pipe(
        Stream.map((text) => new TextEncoder().encode(text)),
        Stream.tap(() => Effect.sync(() => void read++))
      )
      const lost = new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({
          request,
          cause: Object.assign(new Error("x"), { code: "ECONNRESET" })
        })
      })
      const stream = (answer.lost === true ? Stream.concat(bytes, Stream.fail(lost)) : bytes).pipe((open) =>
        Stream.unwrap(
          Effect.as(
            Effect.acquireRelease(
              Effect.sync(() => void begun++),
              () => Effect.sync(() => void closed++)
            ),
            open
          )
        )
      )
      return Object.create(response, {
        stream: { value: stream },
        arrayBuffer: {
          value: Effect.map(Stream.mkString(Stream.decodeText(stream)), (text) => new TextEncoder().encode(text).buffer)
        }
      }) as HttpClientResponse.HttpClientResponse
    })
  )
  return { client, requests, read: () => read, begun: () => begun, closed: () => closed }
}

export const event = (n: number) => `id: ${n}\ndata: ${n}\n\n`
export const events = (...ns: ReadonlyArray<number>) => Stream.make(...ns.map(event))
export const silence: Stream.Stream<never> = Stream.never
export const after = (millis: number, text: string) => Stream.fromEffect(Effect.delay(Effect.succeed(text), millis))

export class Busy extends Schema.TaggedError<Busy>()("Busy", { why: Schema.String }, { httpApiStatus: 422 }) {}
export class Broke extends Schema.TaggedError<Broke>()("Broke", { at: Schema.Number }) {}

export const stream = HttpApiSchema.StreamSse({ data: Schema.Number, error: Broke })
export class Api extends HttpApi.make("api").add(
  HttpApiGroup.make("s").add(
    HttpApiEndpoint.get("watch", "/watch", { success: stream, error: Busy }),
    HttpApiEndpoint.post("ask", "/ask", { payload: Schema.String, success: stream, error: Busy }),
    HttpApiEndpoint.get("plain", "/plain", { success: Schema.Struct({ ok: Schema.Boolean }) })
  )
) {}

export class Failed extends Data.TaggedError("Failed")<{ readonly failure: CallFailure.CallFailure }> {}
export class Declined extends Data.TaggedError("Declined")<{ readonly why: unknown }> {}

export const translate = {
  Busy: ({ why }: Busy) => new Declined({ why }),
  Broke: ({ at }: Broke) => new Declined({ why: at })
}
export const immediate = Policy.backoff({ base: 0, throttledBase: 0 })

export const integration = (options: {
  readonly policy?: Policy.Policy<Policy.Provides, "any">
  readonly shared?: Policy.Policy<never, "any">
  readonly limits?: Partial<Streaming.Limits>
  readonly end?: Streaming.End<Streaming.SseEvent, number>
}) => {
  const limits: Streaming.Limits = { total: "5 minutes", idle: "15 seconds", ...options.limits }
  class Acme extends Integration.Service<Acme>()(
    "test/Acme",
    {
      policy: options.policy ?? Policy.standard({ schedule: immediate }),
      shared: options.shared ?? Policy.noop,
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ failure })
    },
    {
      watch: HttpOperation.stream(Api, "s", "watch", { limits, end: options.end, translate }),
      resumed: HttpOperation.stream(Api, "s", "watch", {
        limits,
        end: options.end,
        resume: Streaming.lastEventId,
        translate
      }),
      ask: HttpOperation.stream(Api, "s", "ask", {
        idempotency: Idempotency.atMostOnce("it is paid for each time"),
        limits,
        end: options.end,
        translate
      }),
      keyed: HttpOperation.stream(Api, "s", "ask", {
        idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("ask", payload), { lifetime: "1 day" }),
        limits,
        end: options.end,
        translate
      }),
      plain: HttpOperation.endpoint(Api, "s", "plain")
    }
  ) {}
  return Acme
}
