// The elements in a body: SSE events, lines of JSON, or the bytes as they come.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Sse from "effect/encoding/Sse"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as ByteSize from "effect/ByteSize"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SseEvent } from "../../Streaming.ts"

/** Why the bytes are no elements. `cut` says that something is missing, else what came is wrong. */
export class Broken {
  readonly message: string
  readonly cut: boolean
  constructor(message: string, cut: boolean) {
    this.message = message
    this.cut = cut
  }
}

/** A failure that the provider told in the stream, by the error schema of its contract. */
export class Told {
  readonly cause: Cause.Cause<unknown>
  constructor(cause: Cause.Cause<unknown>) {
    this.cause = cause
  }
}

type Bytes = Stream.Stream<Uint8Array, unknown>

/** How the elements of one kind of stream are read. */
export interface Body {
  readonly kind: "sse" | "ndjson" | "uint8array"
  readonly mediaTypes: ReadonlySet<string>
  /** What stands on the wire, each as one piece. `limit` is the most bytes of one; `onRetry` gets what SSE asks to wait. */
  readonly split: (source: Bytes, limit: number, onRetry: (millis: number) => void) => Stream.Stream<unknown, unknown>
  /** Absent where the pieces are the elements. */
  readonly decode: ((raw: unknown) => Effect.Effect<unknown, unknown, unknown>) | undefined
  /** By what an element is decoded, for a compiler. */
  readonly element: Schema.Constraint | undefined
}

/** The name of the event by which Effect's servers tell a failure in the middle of a stream. */
const failureEvent = "effect/http-api/stream/failure"

const splitSse: Body["split"] = (source, limit, onRetry) =>
  Stream.transformPull(source, (pull) =>
    Effect.sync(() => {
      let events: Array<SseEvent> = []
      let broken: Broken | undefined
      let ended = false
      const parser = Sse.makeParser(
        (event) => {
          if (event._tag === "Retry") onRetry(Duration.toMillis(event.duration))
          else
            events.push({ ...(event.id === undefined ? {} : { id: event.id }), event: event.event, data: event.data })
        },
        { maxEventSize: limit }
      )
      // The parser takes a byte order mark away, and a second one is data.
      const text = new TextDecoder("utf-8", { ignoreBOM: true })
      const more: Pull.Pull<readonly [SseEvent, ...Array<SseEvent>], unknown> = Effect.suspend(() => {
        if (events.length > 0) {
          const ready = events as [SseEvent, ...Array<SseEvent>]
          events = []
          return Effect.succeed(ready)
        }
        if (broken !== undefined) return Effect.fail(broken)
        if (ended) return Cause.done()
        return Pull.matchEffect(pull, {
          onSuccess: (chunks) => {
            for (const chunk of chunks) {
              if (parser.feed(text.decode(chunk, { stream: true })) === undefined) continue
              broken = new Broken(`an event is larger than ${limit} bytes`, false)
              break
            }
            return more
          },
          onFailure: Effect.failCause,
          onDone: () => {
            ended = true
            // An event ends with an empty line. One that gets none is not complete, and is not handed over.
            parser.feed(`${text.decode()}\n\n`)
            if (events.length > 0) broken = new Broken("its last event is not complete", true)
            events = []
            return more
          }
        })
      })
      return more
    })
  )

const splitNdjson: Body["split"] = (source, limit) =>
  source.pipe(
    Stream.pipeThroughChannel(Ndjson.decode({ ignoreEmptyLines: true, maxLineBytes: limit })),
    Stream.mapError((error) =>
      !Ndjson.isNdjsonError(error)
        ? error
        : error.reason === "LineTooLarge"
          ? new Broken(`a line is larger than ${limit} bytes`, false)
          : new Broken(error.reason === "InvalidUtf8" ? "a line is not UTF-8" : "a line is not JSON", false)
    )
  )

const decodeSse = (
  schema: HttpApiSchema.StreamSse<Sse.EventCodec, Schema.Top, unknown>
): ((raw: unknown) => Effect.Effect<unknown, unknown, unknown>) => {
  const decodeEvent = Schema.decodeUnknownEffect(schema.events as Schema.Codec<unknown, unknown, unknown>)
  const decodeFailure = Schema.decodeUnknownEffect(
    Schema.fromJsonString(Schema.toCodecJson(Schema.Cause(schema.error, Schema.Defect())))
  )
  const decodeError = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(schema.error)))
  return (raw) => {
    const event = raw as SseEvent
    if (event.event === failureEvent) {
      return Effect.flatMap(
        decodeFailure(event.data) as Effect.Effect<Cause.Cause<unknown>, unknown, unknown>,
        (cause) => Effect.fail(new Told(cause))
      )
    }
    // Other servers tell a failure as an event like any other. What can be read as an element is one; what can't be may be
    // the declared error.
    const decoded = Effect.catch(decodeEvent(event), (wrong) =>
      Effect.matchEffect(decodeError(event.data) as Effect.Effect<unknown, unknown, unknown>, {
        onFailure: () => Effect.fail(wrong),
        onSuccess: (error) => Effect.fail(new Told(Cause.fail(error)))
      })
    )
    return schema.sseMode === "data" ? Effect.map(decoded, (whole) => (whole as SseEvent).data) : decoded
  }
}

/** How the elements of a stream are read that a contract describes. */
export const bodyOf = (schema: HttpApiSchema.StreamSchema): Body => {
  const mediaTypes = new Set(schema.contentTypes.map((type) => type.split(";", 1)[0]!.trim().toLowerCase()))
  switch (schema._tag) {
    case "StreamSse":
      return { kind: "sse", mediaTypes, split: splitSse, decode: decodeSse(schema), element: schema.events }
    case "StreamNdjson": {
      const most = ByteSize.toNumberUnsafe(schema.maxElementBytes)
      const element = Schema.toCodecJson(schema.schema)
      return {
        kind: "ndjson",
        mediaTypes,
        split: (source, limit, onRetry) => splitNdjson(source, Math.min(limit, most), onRetry),
        decode: Schema.decodeUnknownEffect(element),
        element
      }
    }
    case "StreamUint8Array":
      return { kind: "uint8array", mediaTypes, split: (source) => source, decode: undefined, element: undefined }
  }
}
