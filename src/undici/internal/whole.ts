import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import { Buffer } from "node:buffer"
import type { Dispatcher } from "undici"
import { tooLarge } from "../../http/internal/collect.ts"
import type { Awaiting } from "../../http/internal/direct.ts"
import type { Reason } from "../../Reason.ts"
import { inflate } from "./encoding.ts"

type Ending = Effect.Effect<unknown, Reason>

const nothing = new Uint8Array(0)

/** One request whose answer is read to its end as it comes, and handed over once. */
export class Whole implements Dispatcher.DispatchHandler {
  private readonly request: HttpClientRequest.HttpClientRequest
  private readonly awaiting: Awaiting
  private readonly decompress: boolean
  private resume: ((ending: Ending) => void) | undefined
  private controller: Dispatcher.DispatchController | undefined
  private limit = Infinity
  private encoding: string | undefined
  private answered = false
  private first: Uint8Array | undefined
  private more: Array<Uint8Array> | undefined
  private size = 0

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    awaiting: Awaiting,
    decompress: boolean,
    resume: (ending: Ending) => void
  ) {
    this.request = request
    this.awaiting = awaiting
    this.decompress = decompress
    this.resume = resume
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.resume === undefined) this.close()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    raw: Record<string, string | Array<string> | undefined>
  ): void {
    // 1xx only says that the answer is still to come.
    if (status < 200 || this.resume === undefined) return
    this.answered = true
    const headers = Headers.fromInput(raw)
    this.limit = this.awaiting.head(status, headers)
    // These have no body, whatever their headers say of one.
    if (this.request.method === "HEAD" || status === 204 || status === 304) return
    if (this.decompress) this.encoding = headers["content-encoding"]
    if (Number(headers["content-length"]) > this.limit) this.refuse()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.resume === undefined) return
    this.size += chunk.length
    if (this.size > this.limit) this.refuse()
    else if (this.first === undefined) this.first = chunk
    else (this.more ??= [this.first]).push(chunk)
  }

  onResponseEnd(): void {
    const body = this.more === undefined ? (this.first ?? nothing) : Buffer.concat(this.more, this.size)
    const { awaiting, encoding } = this
    this.finish(
      encoding === undefined
        ? Effect.suspend(() => awaiting.body(body))
        : Effect.matchEffect(inflate(encoding, this.limit)(body), { onFailure: awaiting.cut, onSuccess: awaiting.body })
    )
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    const { awaiting, request } = this
    this.finish(
      this.answered
        ? Effect.suspend(() => awaiting.cut(cause))
        : Effect.suspend(() =>
            awaiting.failed(
              new HttpClientError.HttpClientError({
                reason: new HttpClientError.TransportError({ request, cause })
              })
            )
          )
    )
  }

  /** Gives the request up: nobody is told of it any more. */
  abort(): void {
    if (this.resume === undefined) return
    this.resume = undefined
    this.close()
  }

  private refuse(): void {
    const { awaiting } = this
    this.finish(Effect.suspend(() => awaiting.cut(tooLarge)))
    this.close()
  }

  private close(): void {
    this.controller?.abort(new Error("the request was interrupted"))
  }

  private finish(ending: Ending): void {
    const { resume } = this
    this.resume = undefined
    resume?.(ending)
  }
}
