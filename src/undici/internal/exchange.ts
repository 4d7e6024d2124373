import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { Buffer } from "node:buffer"
import { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import { tooLarge } from "../../http/internal/collect.ts"

type Resume<A, E> = (effect: Effect.Effect<A, E>) => void

/** How much of a body that nobody reads is kept, in bytes. Then the provider waits. */
const highWater = 64 * 1024

/** Closes the connection of an answer that was dropped with its body unread. */
const forgotten = new FinalizationRegistry<Dispatcher.DispatchController>((controller) =>
  controller.abort(new Error("the answer was never read"))
)

/**
 * One request on its way and back, as undici tells of it. The answer is there with its headers; its body is collected in
 * one piece or streamed, whichever is asked for first, and until then no more of it than `highWater` is taken.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: HttpClientRequest.HttpClientRequest
  status = 0
  raw: Record<string, string | Array<string> | undefined> = {}
  private controller: Dispatcher.DispatchController | undefined
  private readonly make: (exchange: Exchange) => HttpClientResponse.HttpClientResponse
  private answer: Resume<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> | undefined
  private readonly chunks: Array<Uint8Array> = []
  private size = 0
  private limit = Infinity
  private ended = false
  private broken: { readonly cause: unknown } | undefined
  private aborted: Error | undefined
  private collected: Resume<Uint8Array, unknown> | undefined
  private readable: Readable | undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    make: (exchange: Exchange) => HttpClientResponse.HttpClientResponse,
    answer: Resume<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
  ) {
    this.request = request
    this.make = make
    this.answer = answer
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.aborted !== undefined) controller.abort(this.aborted)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | Array<string> | undefined>
  ): void {
    // 1xx only says that the answer is still to come.
    if (status < 200) return
    this.status = status
    this.raw = headers
    const answer = this.answer
    if (answer === undefined) return
    this.answer = undefined
    const response = this.make(this)
    // A small body arrives whole whether somebody reads it or not, and its connection is free again.
    if (!(Number(headers["content-length"]) <= highWater)) forgotten.register(response, controller)
    answer(Effect.succeed(response))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.readable !== undefined) {
      if (!this.readable.push(chunk)) controller.pause()
      return
    }
    this.chunks.push(chunk)
    this.size += chunk.length
    if (this.collected === undefined) {
      if (this.size > highWater) controller.pause()
    } else if (this.size > this.limit) {
      this.finish(Effect.fail(tooLarge))
      this.abort()
    }
  }

  onResponseEnd(): void {
    this.ended = true
    if (this.readable !== undefined) this.readable.push(null)
    else this.finish(Effect.succeed(this.bytes()))
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    this.broken = { cause }
    const answer = this.answer
    if (answer !== undefined) {
      this.answer = undefined
      answer(
        Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request: this.request, cause })
          })
        )
      )
    } else if (this.readable !== undefined) this.readable.destroy(cause)
    else this.finish(Effect.fail(cause))
  }

  /** Gives the request up: its connection is closed, unless the answer has come whole. */
  abort(): void {
    this.answer = undefined
    if (this.ended || this.broken !== undefined) return
    this.aborted ??= new Error("the request was interrupted")
    this.finish(Effect.fail(this.aborted))
    this.controller?.abort(this.aborted)
  }

  private finish(end: Effect.Effect<Uint8Array, unknown>): void {
    const collected = this.collected
    this.collected = undefined
    collected?.(end)
  }

  private bytes(): Uint8Array {
    const [first, ...more] = this.chunks
    if (first === undefined) return new Uint8Array(0)
    if (more.length > 0) this.chunks.splice(0, this.chunks.length, Buffer.concat(this.chunks, this.size))
    return this.chunks[0]!
  }

  /** Takes none of a body that is known to be too large. */
  get refuse(): Effect.Effect<never, typeof tooLarge> {
    return Effect.suspend(() => {
      this.abort()
      return Effect.fail(tooLarge)
    })
  }

  /** The body in one piece. Whoever gives up waiting closes the connection. */
  collect(limit: number): Effect.Effect<Uint8Array, unknown> {
    return Effect.callback<Uint8Array, unknown>((resume) => {
      if (this.readable !== undefined) return resume(Effect.fail(new Error("the body is read as a stream already")))
      if (this.size > limit) {
        resume(Effect.fail(tooLarge))
        return this.abort()
      }
      if (this.ended) return resume(Effect.succeed(this.bytes()))
      if (this.broken !== undefined) return resume(Effect.fail(this.broken.cause))
      if (this.aborted !== undefined) return resume(Effect.fail(this.aborted))
      this.limit = limit
      const others = this.collected
      this.collected =
        others === undefined
          ? resume
          : (end) => {
              others(end)
              resume(end)
            }
      this.controller!.resume()
      return Effect.sync(() => this.abort())
    })
  }

  /** The body as it comes, no faster than it is taken. */
  stream(): Readable {
    if (this.readable !== undefined) return this.readable
    const readable = new Readable({
      highWaterMark: highWater,
      read: () => this.controller?.resume(),
      destroy: (error, done) => {
        this.abort()
        done(error)
      }
    })
    this.readable = readable
    for (const chunk of this.chunks.splice(0)) readable.push(chunk)
    if (this.ended) readable.push(null)
    else if (this.broken !== undefined) readable.destroy(this.broken.cause as Error)
    return readable
  }
}
