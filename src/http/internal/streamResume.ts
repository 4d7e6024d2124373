// Where a stream is, and how it goes on from there.
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type { StreamRecord } from "../../internal/streaming.ts"
import type { SseEvent } from "../../Streaming.ts"

type Response = HttpClientResponse.HttpClientResponse

/** What the answer to a request that asks to go on means. */
export type Reopened =
  | { readonly _tag: "GoesOn" }
  /** There is nothing more. */
  | { readonly _tag: "Complete" }
  | { readonly _tag: "Lost"; readonly why: string }

/** How one kind of stream goes on. */
export interface Resumer {
  /** Headers of a request, so that an answer can be gone on from, or that goes on. */
  readonly headers: (stream: StreamRecord) => Readonly<Record<string, string>>
  /** Reads the answer before its body. `undefined` for one that has to be judged like any other. */
  readonly opened: (stream: StreamRecord, response: Response) => Reopened | undefined
  /** Whether a piece is new; a text says why nothing can go on from it. */
  readonly isNew: (stream: StreamRecord, raw: unknown) => boolean | string
  /** A piece was handed over. */
  readonly delivered: (stream: StreamRecord, raw: unknown) => void
  /** Whether it can go on from where it is. */
  readonly can: (stream: StreamRecord) => boolean
}

const goesOn: Reopened = { _tag: "GoesOn" }

// ---- by the id of an event

interface Events {
  firstId: string | undefined
  lastId: string | undefined
  /** Whether the last event had an id of its own: an id that was inherited names the event before it. */
  own: boolean
  /** Whether the next event is the first one after a cut. */
  reopened: boolean
}

const eventsOf = (stream: StreamRecord): Events =>
  (stream.position ??= {
    firstId: undefined,
    lastId: undefined,
    own: false,
    reopened: false
  } satisfies Events) as Events

export const byEventId: Resumer = {
  headers: (stream) => {
    const { lastId } = eventsOf(stream)
    const nothing: Readonly<Record<string, string>> = {}
    return stream.elements === 0 || lastId === undefined ? nothing : { "last-event-id": lastId }
  },
  opened: (stream, response) => {
    if (stream.elements === 0) return undefined
    eventsOf(stream).reopened = true
    // By this status a server of events asks its clients not to come again.
    return response.status === 204 ? { _tag: "Complete" } : undefined
  },
  isNew: (stream, raw) => {
    const at = eventsOf(stream)
    if (!at.reopened) return true
    const { id } = raw as SseEvent
    at.reopened = false
    if (id !== undefined && id === at.lastId) return false
    if (id !== undefined && id === at.firstId) return "the provider began again from the start"
    return true
  },
  delivered: (stream, raw) => {
    const at = eventsOf(stream)
    const { id } = raw as SseEvent
    at.own = id !== undefined && id !== "" && id !== at.lastId
    at.firstId ??= id
    at.lastId = id
  },
  can: (stream) => eventsOf(stream).own
}

// ---- by the number of a byte

interface Place {
  etag: string | undefined
  offset: number
}

const placeOf = (stream: StreamRecord): Place =>
  (stream.position ??= { etag: undefined, offset: 0 } satisfies Place) as Place

const strongTag = (response: Response): string | undefined => {
  const { etag } = response.headers
  const encoding = response.headers["content-encoding"] ?? "identity"
  return etag === undefined || !etag.startsWith('"') || encoding !== "identity" ? undefined : etag
}

export const byRange: Resumer = {
  headers: (stream) => {
    const { etag, offset } = placeOf(stream)
    const plain = { "accept-encoding": "identity" }
    return offset === 0 ? plain : { ...plain, range: `bytes=${offset}-`, "if-range": etag! }
  },
  opened: (stream, response) => {
    const place = placeOf(stream)
    const { headers, status } = response
    if (place.offset === 0) {
      place.etag = status === 200 ? strongTag(response) : undefined
      return undefined
    }
    const range = headers["content-range"] ?? ""
    if (status === 416) {
      return range === `bytes */${place.offset}`
        ? { _tag: "Complete" }
        : { _tag: "Lost", why: "the provider has no such range" }
    }
    if (status === 206) {
      const from = /^bytes (\d+)-\d+\//.exec(range)?.[1]
      if (from === undefined || Number(from) !== place.offset) {
        return { _tag: "Lost", why: "the provider went on from another place" }
      }
      if (headers.etag !== undefined && headers.etag !== place.etag) return { _tag: "Lost", why: "it has changed" }
      return goesOn
    }
    return status >= 200 && status < 300
      ? { _tag: "Lost", why: "it has changed, or the provider knows no ranges" }
      : undefined
  },
  isNew: () => true,
  delivered: (stream, raw) => {
    placeOf(stream).offset += (raw as Uint8Array).length
  },
  can: (stream) => placeOf(stream).etag !== undefined
}
