import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, type Policy, type Reason, Streaming, Telemetry } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Effect, Exit, Layer, type Scope, Schema, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { clients, type Exchange, once, quiet, type Script, Seen, seen, serve, thrice } from "./wire.ts"

// ---- a provider of streams

const Token = Schema.Struct({ text: Schema.String })

class Api extends HttpApi.make("streams").add(
  HttpApiGroup.make("s").add(
    HttpApiEndpoint.get("events", "/events", { success: HttpApiSchema.StreamSse({ data: Token }) }),
    HttpApiEndpoint.get("lines", "/lines", { success: HttpApiSchema.StreamNdjson({ schema: Token }) }),
    HttpApiEndpoint.get("file", "/file", { success: HttpApiSchema.StreamUint8Array() })
  )
) {}

const limits = { total: "10 seconds" } as const

class Provider extends Integration.Service<Provider>()(
  "test/Streams",
  { policy: once(), exhausted: Exhaustion.fail, orElse: seen },
  {
    events: HttpOperation.stream(Api, "s", "events", { limits }),
    resumed: HttpOperation.stream(Api, "s", "events", { limits, resume: Streaming.lastEventId }),
    endless: HttpOperation.stream(Api, "s", "events", {
      limits,
      resume: Streaming.lastEventId,
      end: Streaming.endless
    }),
    marked: HttpOperation.stream(Api, "s", "events", {
      limits,
      end: Streaming.marker(({ data }) => data === "[DONE]")
    }),
    lines: HttpOperation.stream(Api, "s", "lines", { limits }),
    toLast: HttpOperation.stream(Api, "s", "lines", {
      limits,
      end: Streaming.lastElement(({ text }) => text === "last")
    }),
    file: HttpOperation.stream(Api, "s", "file", { limits }),
    ranges: HttpOperation.stream(Api, "s", "file", { limits, resume: Streaming.range })
  }
) {}

const connect = (
  client: Layer.Layer<HttpClient.HttpClient>,
  baseUrl: string,
  policy?: Policy.Complete
): Effect.Effect<
  { readonly provider: Provider["Service"]; readonly calls: ReadonlyArray<Telemetry.CallObserved> },
  never,
  Scope.Scope
> => {
  const calls: Array<Telemetry.CallObserved> = []
  const layer = HttpIntegration.layer(Provider, {
    baseUrl,
    ...(policy === undefined ? {} : { policy: { resumed: policy, endless: policy, ranges: policy, events: policy } })
  }).pipe(Layer.provide(client), Layer.provide(Telemetry.layerObserver((event) => void calls.push(event))), Layer.orDie)
  return Effect.map(Layer.build(layer), (context) => ({ provider: Context.get(context, Provider), calls }))
}

/** Everything that a consumer gets, one by one, and how it ended. */
const consume = <A, E>(stream: Stream.Stream<A, E>, onElement: (count: number) => void = () => {}) => {
  const got: Array<A> = []
  return Effect.map(
    Effect.exit(
      Stream.runForEach(stream, (element) =>
        Effect.sync(() => {
          got.push(element)
          onElement(got.length)
        })
      )
    ),
    (exit) => ({ got, reason: reasonOf(exit) })
  )
}

const reasonOf = (exit: Exit.Exit<unknown, unknown>): Reason.Reason | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  for (const reason of exit.cause.reasons) {
    if (reason._tag === "Fail" && reason.error instanceof Seen) return reason.error.failure.reason
  }
  return assert.fail(`no failure of a call: ${JSON.stringify(exit)}`)
}

// ---- a recorded body, and where its elements end

interface Recorded {
  readonly bytes: Buffer
  readonly elements: ReadonlyArray<{ readonly text: string; readonly id: string; readonly endsAt: number }>
}

/** Every event with its text, and how its lines end. The byte at which it is complete is the first of its empty line's end. */
const recordedEvents: Recorded = (() => {
  const parts: Array<Buffer> = []
  const elements: Array<{ readonly text: string; readonly id: string; readonly endsAt: number }> = []
  let at = 0
  const put = (text: string) => {
    const bytes = Buffer.from(text)
    parts.push(bytes)
    at += bytes.length
  }
  const event = (id: string, text: string, eol: string, lines: ReadonlyArray<string>) => {
    put(lines.map((line) => `${line}${eol}`).join(""))
    elements.push({ id, text, endsAt: at + 1 })
    put(eol)
  }
  put("\uFEFF: hello\n\nretry: 1\n")
  event("1", "ä", "\n", ["id: 1", 'data: {"text":"ä"}'])
  put(": ping\r\n")
  event("2", "€ 😀", "\r\n", ["event: message", "id: 2", 'data: {"text":', 'data: "€ 😀"}'])
  event("3", "c", "\r", ['data:{"text":"c"}', "id:3", ": in between"])
  put("\n: keep-alive\n\n")
  event("4", "", "\n", ["id: 4", "unknown: field", 'data: {"text":""}', ""].slice(0, 3))
  event("5", "last", "\r\n", ['data: {"text":"last"}', "id: 5"])
  return { bytes: Buffer.concat(parts), elements }
})()

const recordedLines: Recorded = (() => {
  const lines = [
    ["ä", "\n"],
    ["€ 😀", "\r\n"],
    ["c", "\n\n"],
    ["last", "\n"]
  ] as const
  let text = ""
  const elements = lines.map(([own, eol]) => {
    text += JSON.stringify({ text: own })
    const endsAt = Buffer.byteLength(text) + 1
    text += eol
    return { text: own, id: "", endsAt }
  })
  return { bytes: Buffer.from(text), elements }
})()

const complete = ({ elements }: Recorded, cut: number) => elements.filter(({ endsAt }) => endsAt <= cut)

const sse = { "content-type": "text/event-stream" }
const ndjson = { "content-type": "application/x-ndjson" }

/** Some bytes, and then the end of the connection in the middle of the answer. */
const opened = (
  headers: Record<string, string>,
  bytes: Uint8Array
): { readonly script: Script; readonly cut: () => void } => {
  let exchange: Exchange | undefined
  return {
    script: (arrived) => {
      exchange = arrived
      arrived.response.writeHead(200, headers)
      arrived.response.flushHeaders()
      if (bytes.length > 0) arrived.response.write(bytes)
    },
    // What was written goes first.
    cut: () => exchange!.socket.end()
  }
}

const cutAndConsume = <A, E>(
  stream: Stream.Stream<A, E>,
  expected: number,
  arrived: Effect.Effect<Exchange>,
  cut: () => void
) =>
  Effect.gen(function* () {
    // A client drops what it has read when the connection ends: the cut comes when what came before was taken.
    if (expected === 0) yield* Effect.forkChild(Effect.map(arrived, cut), { startImmediately: true })
    return yield* consume(stream, (count) => {
      if (count === expected) cut()
    })
  })

describe.each(clients)("cut at every byte, by $name", ({ client }) => {
  it.live("without resume, every event before the cut comes once, then the truncation", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { calls, provider } = yield* connect(client, wire.url)
        for (let at = 0; at <= recordedEvents.bytes.length; at++) {
          const { cut, script } = opened(sse, recordedEvents.bytes.subarray(0, at))
          wire.script(script)
          const before = complete(recordedEvents, at)
          const arrived = wire.arrived(wire.requests.length + 1)
          const { got, reason } = yield* cutAndConsume(provider.events(), before.length, arrived, cut)
          assert.deepStrictEqual(
            got,
            before.map(({ text }) => ({ text })),
            `cut at byte ${at}`
          )
          assert.strictEqual(reason?._tag, before.length === 0 ? "BodyLost" : "Truncated", `cut at byte ${at}`)
          assert.strictEqual(reason?.outcome, "Unknown")
          const event = calls.at(-1)!
          assert.strictEqual(event.stream?.elements, before.length)
          assert.strictEqual(event.callOutcome, before.length === 0 ? "exhausted" : "failed")
        }
        assert.strictEqual(calls.length, recordedEvents.bytes.length + 1)
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("with resume, no event is lost, doubled or half decoded", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { calls, provider } = yield* connect(client, wire.url, thrice())
        const { bytes, elements } = recordedEvents
        for (let at = 0; at <= bytes.length; at++) {
          const { cut, script } = opened(sse, bytes.subarray(0, at))
          const rest: Script = ({ headers, response }) => {
            const after = elements.find(({ id }) => id === headers["last-event-id"])
            response.writeHead(200, sse)
            response.end(bytes.subarray(after === undefined ? 0 : after.endsAt))
          }
          wire.script(script, rest)
          const before = complete(recordedEvents, at)
          const first = wire.requests.length + 1
          const { got, reason } = yield* cutAndConsume(provider.resumed(), before.length, wire.arrived(first), cut)
          assert.strictEqual(reason, undefined, `cut at byte ${at}: ${reason?.message}`)
          assert.deepStrictEqual(
            got,
            elements.map(({ text }) => ({ text })),
            `cut at byte ${at}`
          )
          assert.strictEqual(wire.requests[first]!.headers["last-event-id"], before.at(-1)?.id)
          assert.strictEqual(calls.at(-1)!.callOutcome, "ok_after_retry")
          assert.strictEqual(calls.at(-1)!.stream?.resumed, before.length === 0 ? 0 : 1)
        }
        assert.strictEqual(calls.length, bytes.length + 1)
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("every line before the cut comes once, then the truncation", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { provider } = yield* connect(client, wire.url)
        for (let at = 0; at <= recordedLines.bytes.length; at++) {
          const { cut, script } = opened(ndjson, recordedLines.bytes.subarray(0, at))
          wire.script(script)
          const before = complete(recordedLines, at)
          const arrived = wire.arrived(wire.requests.length + 1)
          const { got, reason } = yield* cutAndConsume(provider.lines(), before.length, arrived, cut)
          assert.deepStrictEqual(
            got,
            before.map(({ text }) => ({ text })),
            `cut at byte ${at}`
          )
          assert.strictEqual(reason?._tag, before.length === 0 ? "BodyLost" : "Truncated", `cut at byte ${at}`)
        }
      })
    ).pipe(Effect.provide(quiet))
  )
})

// ---- bytes

const file = Buffer.from(Array.from({ length: 97 }, (_, n) => (n * 7) % 256))

/** Serves the file by ranges, as long as its tag is the asked one. */
const rangesOf =
  (etag: () => string, content: Buffer = file): Script =>
  ({ headers, response }) => {
    const from = /^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1]
    if (from === undefined || headers["if-range"] !== etag()) {
      response.writeHead(200, { etag: etag(), "content-length": content.length })
      return response.end(content)
    }
    const start = Number(from)
    if (start >= content.length) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` })
      return response.end()
    }
    response.writeHead(206, {
      etag: etag(),
      "content-range": `bytes ${start}-${content.length - 1}/${content.length}`,
      "content-length": content.length - start
    })
    return response.end(content.subarray(start))
  }

const fetchFile = (
  stream: Stream.Stream<Uint8Array, unknown>,
  at: number,
  arrived: Effect.Effect<Exchange>,
  cut: () => void
) =>
  Effect.gen(function* () {
    if (at === 0) yield* Effect.forkChild(Effect.map(arrived, cut), { startImmediately: true })
    let size = 0
    const chunks: Array<Uint8Array> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(stream, (chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
          size += chunk.length
          if (size === at) cut()
        })
      )
    )
    return { got: Buffer.concat(chunks), reason: reasonOf(exit) }
  })

describe.each(clients)("a file that is cut at every byte, by $name", ({ client }) => {
  it.live("goes on with the byte after the last one", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { provider } = yield* connect(client, wire.url, thrice())
        for (let at = 0; at <= file.length; at++) {
          // Chunked, so that a cut after the last byte is one too.
          const { cut, script } = opened({ etag: '"1"' }, file.subarray(0, at))
          wire.script(
            script,
            rangesOf(() => '"1"')
          )
          const first = wire.requests.length + 1
          const { got, reason } = yield* fetchFile(provider.ranges(), at, wire.arrived(first), cut)
          assert.strictEqual(reason, undefined, `cut at byte ${at}: ${reason?.message}`)
          assert.isTrue(got.equals(file), `cut at byte ${at}: ${got.length} bytes`)
          const { headers } = wire.requests[first]!
          assert.deepStrictEqual(
            [headers.range, headers["if-range"]],
            at === 0 ? [undefined, undefined] : [`bytes=${at}-`, '"1"']
          )
        }
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("fails where the rest is not the rest of the same, unless nothing had come", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { provider } = yield* connect(client, wire.url, thrice())
        const other = Buffer.from(file.toReversed())
        for (const at of [0, 1, 50, 96]) {
          const { cut, script } = opened({ etag: '"1"' }, file.subarray(0, at))
          wire.script(
            script,
            rangesOf(() => '"2"', other)
          )
          const { got, reason } = yield* fetchFile(provider.ranges(), at, wire.arrived(wire.requests.length + 1), cut)
          assert.isTrue(got.equals(at === 0 ? other : file.subarray(0, at)), `cut at byte ${at}`)
          if (at === 0) assert.strictEqual(reason, undefined)
          else assert.match(reason!.message, /it has changed, or the provider knows no ranges$/)
        }
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("fails where another range comes, or there was no strong tag", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve()
        const { provider } = yield* connect(client, wire.url, thrice())
        const after = (headers: Record<string, string>, rest: Script) =>
          Effect.gen(function* () {
            const { cut, script } = opened(headers, file.subarray(0, 10))
            wire.script(script, rest)
            const first = wire.requests.length + 1
            const { got, reason } = yield* fetchFile(provider.ranges(), 10, wire.arrived(first), cut)
            assert.isTrue(got.equals(file.subarray(0, 10)))
            assert.strictEqual(reason?._tag, "Truncated")
            return [reason!.message.split("bytes)").at(-1), wire.requests.length - first]
          })
        const partial =
          (headers: Record<string, string>): Script =>
          ({ response }) => {
            response.writeHead(206, headers)
            response.end(file.subarray(20))
          }
        assert.deepStrictEqual(
          yield* after({ etag: '"1"' }, partial({ etag: '"1"', "content-range": "bytes 20-96/97" })),
          [": the provider went on from another place", 1]
        )
        assert.deepStrictEqual(
          yield* after({ etag: '"1"' }, partial({ etag: '"2"', "content-range": "bytes 10-96/97" })),
          [": it has changed", 1]
        )
        const weak = yield* after(
          { etag: 'W/"1"' },
          rangesOf(() => 'W/"1"')
        )
        assert.deepStrictEqual(weak, [": the connection was lost", 0])
      })
    ).pipe(Effect.provide(quiet))
  )
})

// ---- what goes over the wire, and what does not

describe.each(clients)("a stream over a socket, by $name", ({ client }) => {
  it.live("its consumer leaves: the connection is closed", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve(({ response }) => {
          response.writeHead(200, sse)
          response.write('data: {"text":"a"}\n\n')
        })
        const { calls, provider } = yield* connect(client, wire.url)
        const got = yield* Stream.runCollect(Stream.take(provider.events(), 1))
        assert.deepStrictEqual(got, [{ text: "a" }])
        yield* wire.requests[0]!.closed
        assert.strictEqual(calls[0]!.callOutcome, "cancelled")
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("a consumer that takes ten of many leaves the rest with the provider", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const line = `${JSON.stringify({ text: "x".repeat(1_000) })}\n`
        const total = 100 * 1024 * 1024
        let written = 0
        const wire = yield* serve(({ response }) => {
          response.writeHead(200, ndjson)
          const more = () => {
            while (written < total && !response.destroyed) {
              written += line.length
              if (!response.write(line)) return
            }
          }
          response.on("drain", more)
          response.on("error", () => {})
          more()
        })
        const { calls, provider } = yield* connect(client, wire.url)
        let count = 0
        yield* Stream.runForEach(Stream.take(provider.lines(), 10), () =>
          Effect.andThen(
            Effect.sync(() => void count++),
            // The provider goes on as far as it is let.
            Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
          )
        )
        assert.strictEqual(count, 10)
        assert.isBelow(calls[0]!.stream!.bytes, 1024 * 1024)
        // What lies between are the buffers of two sockets.
        assert.isBelow(written, 30 * 1024 * 1024)
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("an end of the connection that is the only end is none, unless the mark of the end came", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const closing =
          (body: string): Script =>
          ({ socket }) => {
            socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n${body}`)
          }
        const wire = yield* serve(closing('data: {"text":"a"}\n\n'))
        const { provider } = yield* connect(client, wire.url)
        const { got, reason } = yield* consume(provider.events())
        assert.deepStrictEqual(got, [{ text: "a" }])
        assert.match(reason!.message, /nothing says that it was complete$/)
        wire.script(closing('data: {"text":"a"}\n\ndata: [DONE]\n\n'))
        const marked = yield* consume(provider.marked())
        assert.deepStrictEqual([marked.got, marked.reason], [[{ text: "a" }], undefined])
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("a last line needs no end where the answer has one, and an element may be the last", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const lines = '{"text":"a"}\n{"text":"last"}'
        const wire = yield* serve(({ response }) => {
          response.writeHead(200, ndjson)
          response.end(lines)
        })
        const { provider } = yield* connect(client, wire.url)
        assert.deepStrictEqual((yield* consume(provider.lines())).got, [{ text: "a" }, { text: "last" }])
        wire.script(({ response }) => {
          response.writeHead(200, ndjson)
          response.write(`${lines}\n`)
        })
        const toLast = yield* consume(provider.toLast())
        assert.deepStrictEqual([toLast.got, toLast.reason], [[{ text: "a" }, { text: "last" }], undefined])
      })
    ).pipe(Effect.provide(quiet))
  )

  it.live("asks for what it reads", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const wire = yield* serve(({ response }) => {
          response.writeHead(200, sse)
          response.end()
        })
        const { provider } = yield* connect(client, wire.url)
        assert.deepStrictEqual((yield* consume(provider.events())).got, [])
        assert.strictEqual(wire.requests[0]!.headers.accept, "text/event-stream")
      })
    ).pipe(Effect.provide(quiet))
  )
})
