/**
 * An in-memory provider that misbehaves on purpose, as an `HttpClient`: what it does to each request is data, what it
 * was asked is recorded as it would be seen on the wire, and what it carried out stands in a ledger.
 *
 * It waits by Effect's `Clock` only, so that a test moves its time with `TestClock`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { problems } from "../http/Answer.ts"
import type { Fault, Faults } from "./Fault.ts"
import { bytesOf, huge, lost, respondWith } from "./internal/wire.ts"

export {
  all,
  type Arrival,
  cutBody,
  type Fault,
  type Faults,
  hugeBody,
  inProgress409,
  latency,
  refused,
  resetBeforeReading,
  responseLost,
  seeded,
  stallBeforeHeaders,
  stallInBody,
  status,
  wrongMediaType,
  wrongShape
} from "./Fault.ts"

/**
 * A request as it is seen on the wire. A refused one is listed too, though it reached nobody.
 *
 * @category models
 * @since 0.1.0
 */
export interface WireRequest {
  /** Its place among all requests, from 0. */
  readonly index: number
  readonly operation: string
  /** Its place among the requests of its operation, from 1. */
  readonly arrival: number
  /** Epoch milliseconds. */
  readonly at: number
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The body as text. */
  readonly text: string
  /** The idempotency key, where `keyOf` found one. */
  readonly key: string | undefined
  readonly fault: Fault | undefined
}

/**
 * One state change: the only thing that counts as executed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly operation: string
  readonly key: string | undefined
  /** Epoch milliseconds. */
  readonly at: number
  /** The `index` of the request that caused it. */
  readonly request: number
}

/**
 * What the provider answers where nothing goes wrong. A body that is neither text nor bytes is sent as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  /** Default: 200. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
  /** Whether it changed the provider's state. Default: a 2xx to anything but GET, HEAD, OPTIONS, QUERY and TRACE. */
  readonly changed?: boolean | undefined
}

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Carries a request out. It is called once per execution: never for a replay, and not where a fault prevents it. */
  readonly respond: (request: WireRequest) => Reply
  readonly faults?: Faults | undefined
  /** The name under which arrivals are counted. Default: method and path. */
  readonly operationOf?: ((request: Pick<WireRequest, "method" | "url" | "text">) => string) | undefined
  /** Where the provider reads the key. Default: the header `idempotency-key`. */
  readonly keyOf?: ((request: Pick<WireRequest, "headers" | "text">) => string | undefined) | undefined
}

/**
 * A provider, and what it saw and did. Every layer that is built of it reaches the same provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultInjection {
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  readonly requests: ReadonlyArray<WireRequest>
  readonly ledger: ReadonlyArray<Change>
}

/**
 * Creates a provider.
 *
 * **Details**
 *
 * It keeps a table of idempotency keys, as a good provider does: a repeat gets the stored answer with
 * `Idempotent-Replayed: true`, one that comes while the first is at work gets 409, and a key that comes again with
 * another body gets 422, the last two as the problem documents that breakwater recognises.
 *
 * An execution goes on when its caller has left. The end of the layer's scope ends it.
 *
 * **Example** (A charge whose answer is lost)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { HttpClient } from "effect/http"
 * import { FaultInjection } from "breakwater/testing"
 *
 * const provider = FaultInjection.make({
 *   respond: () => ({ status: 201, body: { id: "ch_1" } }),
 *   faults: [FaultInjection.responseLost]
 * })
 *
 * const program = Effect.exit(HttpClient.post("https://provider.example/charges"))
 *
 * const exit = await Effect.runPromise(Effect.provide(program, provider.layer))
 *
 * exit._tag // => "Failure"
 * provider.ledger.length // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): FaultInjection => {
  const provider = new Provider(options)
  return {
    layer: Layer.effect(
      HttpClient.HttpClient,
      Effect.map(Effect.scope, (scope) =>
        HttpClient.make((request, url) => Effect.suspend(() => provider.receive(request, url, scope)))
      )
    ),
    requests: provider.requests,
    ledger: provider.ledger
  }
}

type Answered = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

interface Stored {
  readonly fingerprint: string
  /** `undefined` while the first request is at work. */
  reply: Reply | undefined
}

const text = new TextDecoder()

class Provider {
  readonly requests: Array<WireRequest> = []
  readonly ledger: Array<Change> = []
  private readonly options: Options
  private readonly arrivals = new Map<string, number>()
  private readonly keys = new Map<string, Stored>()

  constructor(options: Options) {
    this.options = options
  }

  receive(request: HttpClientRequest.HttpClientRequest, url: URL, scope: Scope.Scope): Answered {
    return Effect.flatMap(bytesOf(request), (body) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const arrived = this.record(request, url, body, at)
        return this.meet(arrived, request, scope)
      })
    )
  }

  private record(request: HttpClientRequest.HttpClientRequest, url: URL, body: Uint8Array, at: number): WireRequest {
    const seen = { method: request.method, url: url.href, headers: { ...request.headers }, text: text.decode(body) }
    const operation = this.options.operationOf?.(seen) ?? `${seen.method} ${url.pathname}`
    const arrival = (this.arrivals.get(operation) ?? 0) + 1
    this.arrivals.set(operation, arrival)
    const arrived: WireRequest = {
      ...seen,
      index: this.requests.length,
      operation,
      arrival,
      at,
      body,
      key: this.options.keyOf === undefined ? seen.headers["idempotency-key"] : this.options.keyOf(seen),
      fault: faultAt(this.options.faults, operation, arrival, this.requests.length)
    }
    this.requests.push(arrived)
    return arrived
  }

  /** Acts the fault out. */
  private meet(arrived: WireRequest, request: HttpClientRequest.HttpClientRequest, scope: Scope.Scope): Answered {
    const { fault } = arrived
    const answer = (reply: Reply) => Effect.succeed(respondWith(request, reply, "whole"))
    const executed = () => this.execute(arrived)
    switch (fault?._tag) {
      case undefined:
        return Effect.flatMap(executed(), answer)
      case "Latency":
        return Effect.flatMap(this.executeLater(arrived, fault.duration, scope), answer)
      case "Refused":
        return Effect.fail(lost(request, "connect", "ECONNREFUSED"))
      case "ResetBeforeReading":
        return Effect.fail(lost(request, "read", "ECONNRESET"))
      case "ResponseLost":
        return Effect.andThen(executed(), Effect.fail(lost(request, "read", "ECONNRESET")))
      case "StallBeforeHeaders":
        return fault.executes
          ? Effect.andThen(this.executeLater(arrived, fault.after, scope), Effect.never)
          : Effect.never
      case "StallInBody":
        return Effect.map(executed(), (reply) => respondWith(request, reply, "stalls"))
      case "CutBody":
        return Effect.map(executed(), (reply) => respondWith(request, reply, "cut"))
      case "WrongShape":
        return Effect.flatMap(executed(), (reply) => answer({ ...reply, body: fault.body }))
      case "WrongMediaType":
        return Effect.flatMap(executed(), (reply) =>
          answer({ ...reply, headers: { ...reply.headers, "content-type": fault.mediaType }, body: fault.body })
        )
      case "Status": {
        const reply = { status: fault.status, headers: fault.headers, body: fault.body }
        return fault.executes ? Effect.andThen(executed(), answer(reply)) : answer(reply)
      }
      case "HugeBody":
        return Effect.map(executed(), (reply) => huge(request, reply, fault.bytes, fault.announced))
      case "InProgress409":
        return answer(problem(409, problems.inProgress))
    }
  }

  /** Looks at the table of keys, and carries out what is new. */
  private execute(arrived: WireRequest): Effect.Effect<Reply> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const claim = this.claim(arrived)
      return "reply" in claim ? claim.reply : this.perform(arrived, claim.stored, now)
    })
  }

  /** Claims the key now and carries the request out later, on a fiber that outlives the caller's. */
  private executeLater(arrived: WireRequest, after: Duration.Duration, scope: Scope.Scope): Effect.Effect<Reply> {
    return Effect.suspend(() => {
      const claim = this.claim(arrived)
      if ("reply" in claim) return Effect.as(Effect.sleep(after), claim.reply)
      const work = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.sync(() => this.perform(arrived, claim.stored, now))
      )
      if (Duration.isZero(after)) return work
      return Effect.flatMap(
        Effect.forkIn(Effect.interruptible(Effect.delay(work, after)), scope, { startImmediately: true }),
        Fiber.join
      )
    })
  }

  private claim(arrived: WireRequest): { readonly reply: Reply } | { readonly stored: Stored | undefined } {
    if (arrived.key === undefined) return { stored: undefined }
    const fingerprint = `${arrived.method} ${arrived.url}\n${arrived.text}`
    const known = this.keys.get(arrived.key)
    if (known === undefined) {
      const stored: Stored = { fingerprint, reply: undefined }
      this.keys.set(arrived.key, stored)
      return { stored }
    }
    if (known.fingerprint !== fingerprint) return { reply: problem(422, problems.keyReused) }
    if (known.reply === undefined) return { reply: problem(409, problems.inProgress) }
    return { reply: { ...known.reply, headers: { ...known.reply.headers, "idempotent-replayed": "true" } } }
  }

  private perform(arrived: WireRequest, stored: Stored | undefined, now: number): Reply {
    const reply = this.options.respond(arrived)
    const status = reply.status ?? 200
    if (reply.changed ?? (!reads.has(arrived.method) && status >= 200 && status < 300)) {
      this.ledger.push({ operation: arrived.operation, key: arrived.key, at: now, request: arrived.index })
    }
    if (stored !== undefined) stored.reply = reply
    return reply
  }
}

/** Methods that change nothing (RFC 9110). */
const reads: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])

const isScript = (faults: Faults): faults is ReadonlyArray<Fault | undefined> => Array.isArray(faults)

const faultAt = (faults: Faults | undefined, operation: string, arrival: number, index: number): Fault | undefined => {
  if (faults === undefined) return undefined
  if (typeof faults === "function") return faults({ operation, arrival })
  return isScript(faults) ? faults[index] : faults[operation]?.[arrival - 1]
}

/** RFC 9457, with the types that breakwater's client recognises. */
const problem = (status: number, type: string): Reply => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: { type, status }
})
