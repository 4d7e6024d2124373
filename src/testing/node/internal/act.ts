// What a provider does to one request, acted out on a connection of Node's HTTP server.
import * as Http from "node:http"
import { pipeline, Readable } from "node:stream"
import type { Incoming, Play } from "../../internal/provider.ts"
import { concat, encodeHuge, encodeReply, hugeChunks } from "../../internal/wire.ts"

/** Reads a request to its end. One that its caller breaks off never arrives. */
export const read = (request: Http.IncomingMessage, origin: string, arrived: (incoming: Incoming) => void): void => {
  const chunks: Array<Uint8Array> = []
  request.on("error", () => {})
  request.on("data", (chunk: Uint8Array) => chunks.push(chunk))
  request.on("end", () => {
    const target = request.url!
    arrived({
      method: request.method!,
      // A proxy's client sends the whole address, and `OPTIONS *` none.
      url: target.startsWith("/") ? origin + target : URL.canParse(target) ? target : `${origin}/`,
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(", ") : (value ?? "")
        ])
      ),
      body: concat(chunks)
    })
  })
}

/** Acts out what the wire does. Throws where Node can't send the answer, with nothing sent. */
export const act = (response: Http.ServerResponse, play: Play): void => {
  switch (play._tag) {
    case "Answer":
      return answer(response, play)
    case "Huge": {
      const { headers, status } = encodeHuge(play.reply, play.bytes, play.announced)
      writeHead(response, status, headers)
      // Waits for the reader, and ends with it.
      pipeline(Readable.from(hugeChunks(play.bytes)), response, () => {})
      return
    }
    case "Lost":
      response.socket?.resetAndDestroy()
      return
    case "Silence":
      return
  }
}

const answer = (response: Http.ServerResponse, play: Extract<Play, { readonly _tag: "Answer" }>): void => {
  const { bytes, headers, status } = encodeReply(play.reply)
  if (play.body === "whole") {
    writeHead(response, status, headers)
    response.end(bytes)
    return
  }
  const { struck } = play
  const socket = response.socket
  // The length of an empty body would tell that it has ended. Some answers have no body: they end with their headers.
  const empty = bytes.length === 0
  const bodiless = response.req.method === "HEAD" || status === 204 || status === 304
  writeHead(response, status, empty && !bodiless ? { ...headers, "content-length": undefined } : headers)
  if (bodiless) response.end(struck)
  else if (bytes.length < 2) {
    response.flushHeaders()
    struck()
  } else response.write(bytes.subarray(0, bytes.length >> 1), struck)
  // What was written is sent before the end of the connection; a reset could overtake it.
  if (play.body === "cut") socket?.destroySoon()
}

const writeHead = (
  response: Http.ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | undefined>>
): void => {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new Error(`status ${status} can't be sent as an answer; give one from 200 to 599`)
  }
  const without = status === 204 ? ofBody : none
  const sent: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || without.has(name)) continue
    // `writeHead` would throw halfway, and the response could not say why any more.
    Http.validateHeaderName(name)
    Http.validateHeaderValue(name, value)
    sent[name] = value
  }
  response.writeHead(status, sent)
}

// RFC 9110, 8.6: what has no content tells no length of it.
const ofBody: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"])
const none: ReadonlySet<string> = new Set()
