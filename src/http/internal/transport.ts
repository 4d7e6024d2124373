import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import type * as Idempotency from "../../Idempotency.ts"
import type { CallRecord, Prepared } from "../../internal/call.ts"
import { servicesOf, withServices } from "../../internal/context.ts"
import { compilerOf } from "../../internal/decoder.ts"
import type { OpenSite, Transport } from "../../internal/definition.ts"
import { makeKeep } from "../../internal/keep.ts"
import * as limits from "../../internal/limits.ts"
import { nowOf } from "../../internal/timer.ts"
import { describeIssue } from "../../PolicyDecode.ts"
import * as Reason from "../../Reason.ts"
import * as Answer from "../Answer.ts"
import { type Classify, HttpTarget } from "../HttpTarget.ts"
import { type Authorized, isRefusal, reasonOf, renewed, unauthorized } from "./auth.ts"
import { abandon, Contents, holdsStream, isJson, mediaTypeOf, readBody, toArrayBuffer } from "./body.ts"
import { codecOf } from "./codec.ts"
import { tooLarge } from "./collect.ts"
import { deadlineFormat, writeTimeout } from "./deadlineHeader.ts"
import { directOf } from "./direct.ts"
import type { Reflected } from "./encoder.ts"
import { loadRequest, saveRequest } from "./kept.ts"
import type { Judgement } from "./graphql.ts"
import { placeCondition, placeKey } from "./placement.ts"
import * as Upload from "../Upload.ts"
import { withSource } from "./source.ts"
import { notResumed, read, type Reading } from "./streamRead.ts"

interface Options {
  readonly classify: Classify | undefined
  readonly classifyErrors: Classify | undefined
  /** What a protocol over HTTP says of its own, after all that its integration says. */
  readonly classifyLast?: Judgement | undefined
  readonly maxBodySize: number | undefined
  /** How its answer is read, if that is a stream. */
  readonly reading?: Reading | undefined
  /** Whether its body is a stream, and can be made again. */
  readonly upload?: "once" | "replayable" | undefined
}

type Response = HttpClientResponse.HttpClientResponse
type Request = HttpClientRequest.HttpClientRequest
type Head = Pick<Response, "request" | "status" | "headers">
/** Gives an effect the services of the layer, where it does not run with them already. */
type Within = <A, E>(self: Effect.Effect<A, E>) => Effect.Effect<A, E>
type Middleware = (options: {
  readonly endpoint: unknown
  readonly group: unknown
  readonly request: Request
  readonly next: (request: Request) => Effect.Effect<Response, unknown>
}) => Effect.Effect<Response, unknown>

/** Opens the way to a provider over HTTP. */
export const openHttp = (
  site: OpenSite,
  reflected: Reflected,
  idempotency: { readonly repeat: Idempotency.Repeat; readonly strategy: Idempotency.Strategy },
  options: Options
): Effect.Effect<Transport, never, HttpClient.HttpClient | HttpTarget> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const target = yield* HttpTarget
    const built = yield* Effect.context<never>()
    const services = servicesOf(built)
    const mutation = idempotency.repeat !== "Safe"
    const limit = options.maxBodySize ?? target.maxBodySize
    const last = { classify: options.classifyLast, classifyErrors: undefined }
    const levels: ReadonlyArray<{ readonly [K in "classify" | "classifyErrors"]: Judgement | undefined }> = [
      options,
      site,
      target,
      last
    ]
    const ofAny = levels.map(({ classify }) => classify).filter((classify) => classify !== undefined)
    const ofErrors = levels
      .flatMap(({ classify, classifyErrors }) => [classifyErrors, classify])
      .filter((classify) => classify !== undefined)
    // Where a 2xx may be an error, one that can't be read may have been one.
    const { reading } = options
    const looksAtBody = ofAny.length > 0 || reflected.decodeErrorIn2xx.size > 0

    const compile = compilerOf(built)
    const codec = codecOf(reflected.declared, compile)
    // Its decoder is the operation's. It looks for what was compiled when it is first used.
    if (reading?.body.element !== undefined) compile?.(reading.body.element.ast)

    // Effect's own span of a request shows query secrets and sends `traceparent` to every host; the attempt has a span.
    const untraced = Context.make(HttpClient.TracerDisabledWhen, () => true)
    // `fetch` alone would follow a redirect by itself: send a mutation twice, and an API key to another host.
    const staying = (init: RequestInit | undefined) =>
      Context.make(FetchHttpClient.RequestInit, { ...init, redirect: "manual" })
    const initOf = (context: Context.Context<never>) => Context.getOrUndefined(context, FetchHttpClient.RequestInit)
    const initOfBuild = services === undefined ? undefined : initOf(services)
    const added = Context.mergeAll(services ?? Context.empty(), untraced, staying(initOfBuild))
    const contextOf = (fiber: Fiber.Fiber<unknown, unknown>): Context.Context<never> => {
      const init = initOfBuild === undefined ? initOf(fiber.context) : undefined
      const context = Context.merge(fiber.context, added) as Context.Context<never>
      return init === undefined ? context : Context.merge(context, staying(init))
    }

    const execute = (request: Request): Effect.Effect<Response, unknown> => {
      const header = unsendable(request)
      return header === undefined ? client.execute(request) : Effect.fail(new Unsendable(header))
    }
    const middleware = reflected.middleware
      .map((key) => built.mapUnsafe.get(key) as Middleware | undefined)
      .filter((found) => found !== undefined)
    const through = (last: (request: Request) => Effect.Effect<Response, unknown>) =>
      middleware.reduce<(request: Request) => Effect.Effect<Response, unknown>>(
        (next, own) => (request) => own({ endpoint: reflected.endpoint, group: reflected.group, request, next }),
        last
      )
    const throughMiddleware = through(execute)
    const exchange = ({ request, sign }: Authorized): Effect.Effect<Response, unknown> =>
      sign === undefined
        ? throughMiddleware(request)
        : through((request) => Effect.flatMap(sign(request), execute))(request)
    // A client that reads an answer in one step, where nothing else looks at the answer before it is judged.
    const direct = middleware.length === 0 && reading === undefined ? directOf(client) : undefined

    /** Sends a request that has all that it needs, and reads its answer, by such a client. */
    const directly = (
      request: Request,
      call: CallRecord,
      fiber: Fiber.Fiber<unknown, unknown>,
      within: Within
    ): Effect.Effect<unknown, Reason.Reason> => {
      const header = unsendable(request)
      if (header !== undefined) return Effect.fail(ofError(new Unsendable(header), call))
      let status = 0
      let headers: Headers.Headers = Headers.empty
      return direct!(request, {
        head: (itsStatus, itsHeaders) => {
          status = itsStatus
          headers = itsHeaders
          hear(status, headers, call, fiber)
          return limit
        },
        body: (body) => judge({ request, status, headers }, body, call, within),
        failed: (error) => Effect.fail(ofError(error, call)),
        cut: (error) => Effect.fail(lost(call.pending!, error))
      })
    }

    const locate = (request: Request): Request => {
      const whole = HttpClientRequest.prependUrl(request, target.baseUrl)
      return target.headers === undefined
        ? whole
        : HttpClientRequest.setHeaders(whole, Headers.merge(target.headers, whole.headers))
    }
    // What has no input is the same request each time. No other is kept: it may be large, and hold anything.
    const constant = codec.constant === undefined ? undefined : locate(codec.constant)

    const send =
      (request: Request, upload: Upload.Upload<unknown> | undefined) =>
      (call: CallRecord): Effect.Effect<unknown, Reason.Reason> =>
        Effect.withFiber((fiber) => {
          const located = constant !== undefined && request === codec.constant ? constant : locate(request)
          if (direct !== undefined && upload === undefined && target.authorize === unauthorized) {
            call.sent(nowOf(fiber))
            return directly(decorate(located, call, fiber), call, fiber, (self) =>
              Effect.provideContext(self, contextOf(fiber))
            )
          }
          const context = contextOf(fiber)
          const resends = upload === undefined || Upload.kindOf(upload) === "replayable"
          // Legs that run at once may each do so once: what one of them has got is the other's too.
          const mayRenew = !call.everReauthenticated
          const once = (again: boolean): Effect.Effect<unknown, Reason.Reason> =>
            Effect.flatMap(
              Effect.mapError(target.authorize(decorate(located, call, fiber)), reasonOf),
              (authorized) => {
                const sent = (request: Request): Effect.Effect<unknown, Reason.Reason> =>
                  Effect.suspend(() => {
                    if (again) call.sentAgain(nowOf(fiber))
                    else call.sent(nowOf(fiber))
                    if (direct !== undefined && upload === undefined) {
                      const { sign } = authorized
                      return sign === undefined
                        ? directly(request, call, fiber, identity)
                        : Effect.flatMap(sign(request), (request) => directly(request, call, fiber, identity))
                    }
                    return Effect.matchCauseEffect(exchange({ ...authorized, request }), {
                      onFailure: (cause) => Effect.failCause(Cause.map(cause, (error) => ofError(error, call))),
                      onSuccess: (response) => receive(response, call, fiber)
                    })
                  })
                const answered =
                  upload === undefined
                    ? sent(authorized.request)
                    : withSource(authorized.request, upload, context, sent)
                return again || !mayRenew || authorized.renew === undefined
                  ? answered
                  : Effect.catch(answered, (reason) =>
                      isRefusal(reason, authorized)
                        ? renewed(reason, authorized.renew!, call, resends ? once : undefined)
                        : Effect.fail(reason)
                    )
              }
            )
          return Effect.provideContext(once(false), context) as Effect.Effect<unknown, Reason.Reason>
        })

    const decorate = (request: Request, call: CallRecord, fiber: Fiber.Fiber<unknown, unknown>): Request => {
      if (target.correlationHeader !== undefined) {
        request = HttpClientRequest.setHeader(request, target.correlationHeader, call.correlationId)
      }
      if (target.deadlineHeader !== undefined && call.attemptEndsBy !== Infinity) {
        const left = writeTimeout(deadlineFormat(target.deadlineHeader), call.attemptEndsBy - nowOf(fiber))
        request = HttpClientRequest.setHeader(request, target.deadlineHeader, left)
      }
      if (reading !== undefined) request = streaming(request, reading, call)
      const span = fiber.cache.span as Tracer.AnySpan | undefined
      if (target.propagate === "w3c" && span !== undefined && span.traceId !== "noop") {
        request = HttpClientRequest.setHeader(
          request,
          "traceparent",
          `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
        )
      }
      return request
    }

    /** What a request for a stream asks for, beside what it says. */
    const streaming = (request: Request, { body, resumer }: Reading, call: CallRecord): Request => {
      const asked =
        body.kind === "uint8array" || request.headers["accept"] !== undefined
          ? request
          : HttpClientRequest.setHeader(request, "accept", [...body.mediaTypes].join(", "))
      return resumer === undefined ? asked : HttpClientRequest.setHeaders(asked, resumer.headers(call.stream!))
    }

    /** Errors before an answer: the network's, or those that client middleware declares. */
    const ofError = (error: unknown, call: CallRecord): Reason.Reason => {
      if (error instanceof Unsendable) {
        return Reason.make("InvalidInput", {
          message: `the header ${error.header} has characters that no header can carry`
        })
      }
      if (!HttpClientError.isHttpClientError(error)) {
        return Reason.make("Failed", { message: "client middleware failed", error, cause: error })
      }
      switch (error.reason._tag) {
        case "TransportError":
          return Answer.ofTransport(error.reason.cause)
        case "EncodeError":
        case "InvalidUrlError":
          return Reason.make("InvalidInput", { message: `the request can't be sent: ${error.reason._tag}` })
      }
      return call.pending ?? Reason.make("Failed", { message: "the answer could not be read" })
    }

    /** Writes down what the head of an answer says. */
    const hear = (
      status: number,
      headers: Headers.Headers,
      call: CallRecord,
      fiber: Fiber.Fiber<unknown, unknown>
    ): Reason.Reason => {
      let requestId: string | undefined
      for (const name of target.requestIdHeaders) {
        if ((requestId = headers[name]) !== undefined) break
      }
      const replayed = headers[target.replayHeader]?.toLowerCase() === "true"
      const pending = Answer.ofStatus(status, mutation, {
        retryAfter: limits.retryAfter(headers["retry-after"], nowOf(fiber)),
        requestId,
        replayed
      })
      call.phase = "answered"
      call.status = status
      call.requestId = requestId
      if (call.learns) call.limit = limits.limitOf(headers, nowOf(fiber))
      call.pending =
        (looksAtBody || reading !== undefined) && status >= 200 && status < 300
          ? { ...pending, outcome: "Unknown" }
          : pending
      return pending
    }

    const receive = (
      response: Response,
      call: CallRecord,
      fiber: Fiber.Fiber<unknown, unknown>
    ): Effect.Effect<unknown, Reason.Reason> => {
      const { headers, status } = response
      const pending = hear(status, headers, call, fiber)
      if (reading !== undefined) {
        const streamed = receiveStream(reading, response, call, {
          status,
          requestId: pending.requestId,
          replayed: pending.replayed,
          retryAfter: pending.retryAfter
        })
        if (streamed !== undefined) return streamed
      }
      return Effect.matchCauseEffect(readBody(response, limit), {
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.fail(lost(call.pending!, Cause.squash(cause))),
        onSuccess: (body) => judge(response, body, call, identity)
      })
    }

    /** Reads an answer that is a stream. `undefined` for any other: an error, or a success that says something else. */
    const receiveStream = (
      reading: Reading,
      response: Response,
      call: CallRecord,
      details: Reason.Details
    ): Effect.Effect<unknown, Reason.Reason> | undefined => {
      const opened = reading.resumer?.opened(call.stream!, response)
      switch (opened?._tag) {
        case "Complete":
          return Effect.asVoid(abandon(response))
        case "Lost":
          return Effect.andThen(
            abandon(response),
            Effect.suspend(() => Effect.fail(notResumed(call, details, opened.why)))
          )
      }
      const { headers, status } = response
      if (status < 200 || status >= 300 || !holdsStream(reading, mediaTypeOf(headers))) return undefined
      return read(reading, response, call, details, limit) as Effect.Effect<void, Reason.Reason>
    }

    const lost = (pending: Reason.Reason, error: unknown): Reason.Reason => {
      const why = error === tooLarge ? `larger than ${limit} bytes` : "cut"
      return pending._tag === "BodyLost"
        ? {
            ...pending,
            message: `status ${pending.status}, but its body was ${why}`,
            cause: error === tooLarge ? undefined : error
          }
        : { ...pending, message: `${pending.message} (its body was ${why})` }
    }

    /** Status first; then what `classify` or a problem document says; then the body against its schema. */
    const judge = (
      { headers, request, status }: Head,
      body: Uint8Array,
      call: CallRecord,
      within: Within
    ): Effect.Effect<unknown, Reason.Reason> => {
      const pending = call.pending!
      const success = status >= 200 && status < 300
      const details = {
        status,
        retryAfter: pending.retryAfter,
        requestId: pending.requestId,
        replayed: pending.replayed
      }
      // What is pending for a 2xx is the loss of its body, which has arrived.
      const answered = success ? `status ${status}` : pending.message
      const mediaType = mediaTypeOf(headers)
      const classifiers = success ? ofAny : ofErrors
      const contents = new Contents(body)
      if (classifiers.length > 0) {
        const parsed = contents.seen(mediaType)
        let told: Reason.Limit | undefined
        for (const classify of classifiers) {
          const verdict = classify(status, headers, parsed)
          if (verdict === undefined) continue
          // The first to tell goes first, and any of them before the headers.
          if (verdict.limit !== undefined) {
            told = { ...verdict.limit, ...told }
            call.tell(told)
          }
          if (verdict.reason === "Answered") continue
          return Effect.fail(
            Reason.make(verdict.reason, { message: `${answered}, classified`, ...details, ...verdict })
          )
        }
      }
      if (!success && mediaType === "application/problem+json") {
        const parsed = contents.seen(mediaType)
        const type = typeof parsed === "object" && parsed !== null && "type" in parsed ? parsed.type : undefined
        const known = Answer.ofProblem(type, details)
        if (known !== undefined) return Effect.fail(known)
      }
      const declared = (error: unknown): Reason.Reason =>
        Reason.make("Declared", {
          ...details,
          message: `${answered}: the declared ${tagOf(error)}`,
          error,
          // A 2xx that says that it is an error was refused: what else it may mean, `classify` has said.
          ...(success ? {} : { outcome: pending.outcome, transient: pending.transient, health: pending.health }),
          resolves: Answer.resolves(status)
        })
      const decode =
        success && (reading !== undefined || reflected.decodeErrorIn2xx.has(status)) ? undefined : codec.decode(status)
      const json = decode === undefined ? undefined : contents.json
      const known = json === undefined ? undefined : decode!(json.value)
      if (known !== undefined) return success ? Effect.succeed(known.value) : Effect.fail(declared(known.value))
      // What the decoder reads, as data: an error that holds the client's own response is hashed, and its getters run.
      // It reads these four, and no other part of a response: the cast says so.
      const buffered = {
        status,
        headers,
        request,
        arrayBuffer: Effect.succeed(toArrayBuffer(body))
      } as unknown as Response
      const decoded = within(Effect.suspend(() => reflected.decode(buffered) as Effect.Effect<unknown, unknown>))
      if (!success) {
        return reflected.declaredErrors.has(status)
          ? Effect.catch(decoded, (error) =>
              Effect.fail(
                isOfDecoder(error)
                  ? { ...pending, message: `${answered}, and its body does not match the declared error` }
                  : declared(error)
              )
            )
          : Effect.fail({ ...pending, message: `${answered}, not declared` })
      }
      const succeeded =
        reading !== undefined
          ? Effect.fail(
              Reason.make("InvalidResponse", {
                ...details,
                message: `status ${status} is no stream: ${mediaType === "" ? "it has no media type" : mediaType}`,
                outcome: "Unknown",
                health: "failure"
              })
            )
          : reflected.declaredSuccesses.has(status)
            ? Effect.catch(decoded, (error) => Effect.fail(undecodable(error, status, mediaType, details)))
            : Effect.fail(
                Reason.make("InvalidResponse", {
                  ...details,
                  message: `status ${status} is not declared`,
                  outcome: looksAtBody ? "Unknown" : Answer.afterSuccess(status)
                })
              )
      // The error goes first: a lax success would swallow it.
      const decodeError = reflected.decodeErrorIn2xx.get(status)
      return decodeError === undefined
        ? succeeded
        : Effect.catch(within(decodeError(buffered) as Effect.Effect<never, unknown>), (error) =>
            isOfDecoder(error) ? succeeded : Effect.fail(declared(error))
          )
    }

    const undecodable = (error: unknown, status: number, mediaType: string, details: Reason.Details): Reason.Reason => {
      const expected = reflected.declaredSuccesses.get(status)
      const wrongMedia =
        HttpClientError.isHttpClientError(error) ||
        (mediaType !== "" &&
          expected?.has(mediaType) !== true &&
          !(isJson(mediaType) && expected?.has("application/json") === true))
      return Reason.make("InvalidResponse", {
        ...details,
        message: wrongMedia
          ? `status ${status} with an unexpected media type: ${mediaType === "" ? "none" : mediaType}`
          : Schema.isSchemaError(error)
            ? `status ${status}: ${describeIssue(error)}`
            : `status ${status}: the body could not be decoded`,
        outcome: wrongMedia || looksAtBody ? "Unknown" : Answer.afterSuccess(status),
        health: wrongMedia ? "failure" : "success"
      })
    }

    const preparedOf = (request: Request, upload?: Upload.Upload<unknown>): Prepared => {
      let final = request
      return {
        request: () => saveRequest(request),
        place: (key) => {
          if (idempotency.strategy._tag !== "Keyed") return undefined
          const placed = placeKey(final, idempotency.strategy.placement, key)
          if (typeof placed === "string") return Reason.make("InvalidInput", { message: placed })
          final = placed
          return undefined
        },
        send: (call) => send(final, upload)(call)
      }
    }

    const conditioned = (
      request: Request,
      input: unknown,
      upload?: Upload.Upload<unknown>
    ): Effect.Effect<Prepared, Reason.Reason> => {
      const { strategy } = idempotency
      if (strategy._tag !== "Conditional") return Effect.succeed(preparedOf(request, upload))
      const placed = placeCondition(request, strategy.sends, input)
      return typeof placed === "string"
        ? Effect.fail(Reason.make("InvalidInput", { message: placed }))
        : Effect.succeed(preparedOf(placed, upload))
    }

    const url = new URL(target.baseUrl)
    return {
      keep: makeKeep({
        ...reflected.schemas,
        services,
        restore: (request) => Effect.map(loadRequest(request), (request) => preparedOf(request))
      }),
      server: {
        address: url.hostname,
        port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
      },
      prepare: (input) =>
        Effect.withFiber((fiber) => {
          const known = options.upload === undefined ? codec.encode(input) : undefined
          if (known !== undefined) return conditioned(known, input)
          const upload = options.upload === undefined ? undefined : uploadOf(input, options.upload)
          if (typeof upload === "string") return Effect.fail(Reason.make("InvalidInput", { message: upload }))
          return Effect.flatMap(
            Effect.mapError(
              Effect.provideContext(reflected.encode(input), withServices(fiber.context, services)),
              (error) =>
                Reason.make("InvalidInput", {
                  message: Schema.isSchemaError(error) ? describeIssue(error) : "the input can't be encoded",
                  cause: error
                })
            ),
            (request) => conditioned(request, input, upload)
          )
        })
    }
  })

// Clients throw, die, or fail as if the connection was lost, each in its own way, and would be asked again.
const unsendable = ({ headers }: Request): string | undefined => {
  for (const name in headers) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(headers[name]!)) return name
  }
  return undefined
}

class Unsendable {
  readonly header: string
  constructor(header: string) {
    this.header = header
  }
}

/** The body of an upload, or why there is none. The types ask for it; not everybody compiles. */
const uploadOf = (input: unknown, kind: "once" | "replayable"): Upload.Upload<unknown> | string => {
  const payload = (input as { readonly payload?: unknown } | undefined)?.payload
  if (!Upload.isUpload(payload) || Upload.kindOf(payload) !== kind) {
    return `the payload must be made by ${kind === "once" ? "Upload.once(stream)" : "Upload.replayable(() => stream)"}`
  }
  const length = payload.contentLength
  return length === undefined || (Number.isSafeInteger(length) && length >= 0)
    ? payload
    : "the contentLength of a body is a number of bytes, 0 or more"
}

/** Whether an error says that a body could not be decoded, rather than what it said. */
const isOfDecoder = (error: unknown): boolean => HttpClientError.isHttpClientError(error) || Schema.isSchemaError(error)

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "error"
