import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { UndiciHttpClient } from "breakwater/undici"
import { Cause, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientError, HttpClientRequest, UrlParams } from "effect/http"
import { createServer } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Zlib from "node:zlib"
import { addressOf } from "../../src/undici/internal/address.ts"
import { collectorOf, tooLarge } from "../../src/http/internal/collect.ts"
import { answer, json, raw, serve, until } from "../http/wire.ts"

const own = UndiciHttpClient.layer()
const get = (url: string) => Effect.flatMap(HttpClient.HttpClient, (client) => client.get(url))
const over = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, own)

const sentence = "Ärger, 日本語 and 🙂. ".repeat(500)

describe("addresses", () => {
  const piece = Schema.Literals([
    "a",
    "..",
    ".",
    "%2e",
    "/",
    "//",
    "?",
    "#",
    "é",
    " ",
    "b~",
    "-",
    ":",
    "@",
    "\\",
    "{",
    "'",
    "%41",
    "="
  ])
  const Url = Schema.Struct({
    origin: Schema.Literals([
      "http://localhost:3000",
      "https://EXAMPLE.com:443",
      "http://a.b",
      "https://[::1]:8",
      "http://u:p@h",
      "http://127.1"
    ]),
    path: Schema.Array(piece).check(Schema.isMaxLength(8)),
    params: Schema.Array(Schema.Tuple([Schema.String, Schema.String])).check(Schema.isMaxLength(3))
  })
  it.prop(
    "are what URL makes of them",
    { input: Url },
    ({ input }) => {
      const text = `${input.origin}${input.path.length === 0 ? "" : "/"}${input.path.join("")}`
      const request = HttpClientRequest.get(text).pipe(HttpClientRequest.setUrlParams(input.params))
      const url = HttpClientRequest.toUrl(request)
      const found = addressOf(request)
      if (url._tag === "None") assert.isUndefined(found)
      else {
        assert.strictEqual(found?.origin, url.value.origin, text)
        assert.strictEqual(found?.path, url.value.pathname + url.value.search, text)
      }
    },
    { arbitrary: { runs: 2_000 } }
  )
})

describe("answers", () => {
  const bodies: ReadonlyArray<{ readonly name: string; readonly body: HttpBody.HttpBody }> = [
    { name: "none", body: HttpBody.empty },
    { name: "a text", body: HttpBody.text("höflich", "text/plain") },
    { name: "a form", body: HttpBody.urlParams(UrlParams.fromInput({ a: "1 ü", b: "&" })) },
    { name: "raw bytes", body: HttpBody.raw(new Uint8Array([0, 255, 7]), { contentType: "application/x" }) },
    { name: "a stream", body: HttpBody.stream(Stream.make(new Uint8Array([1, 2]), new Uint8Array([3]))) },
    {
      name: "a form of parts",
      body: HttpBody.formDataRecord({ text: "é", file: new File(["content"], "a.txt", { type: "text/plain" }) })
    }
  ]
  const without = (text: string) => text.replaceAll(/formdata-undici-\d+/g, "boundary")

  it.live.each(bodies)("go out as Effect's client over undici sends them: $name", ({ body }) =>
    Effect.gen(function* () {
      const wire = yield* serve(json(200, { ok: true }))
      const request = HttpClientRequest.post(`${wire.url}/x?y=1`, { body, headers: { "accept-encoding": "identity" } })
      const send = Effect.flatMap(HttpClient.HttpClient, (client) =>
        Effect.flatMap(client.execute(request), (_) => _.json)
      )
      assert.deepStrictEqual(yield* over(send), { ok: true })
      yield* Effect.provide(send, NodeHttpClient.layerUndici)
      const [ours, theirs] = wire.requests
      assert.strictEqual(without(ours!.text), without(theirs!.text))
      assert.strictEqual(ours!.url, "/x?y=1")
      const seen = (exchange: typeof ours) =>
        Object.fromEntries(
          Object.entries(exchange!.headers)
            .filter(([name]) => !["traceparent", "b3"].includes(name))
            // Whether a stream has ended before undici looks at it is a matter of a moment: then its length is known.
            .filter(([name]) => body._tag !== "Stream" || !["content-length", "transfer-encoding"].includes(name))
            .map(([name, value]) => [name, without(String(value))])
        )
      assert.deepStrictEqual(seen(ours), seen(theirs))
    })
  )

  it.live("are read in every way, more than once", () =>
    Effect.gen(function* () {
      const wire = yield* serve(
        answer(200, { "content-type": "application/json", "set-cookie": "a=b" }, `{"a":"${sentence}"}`),
        answer(200, { "content-type": "application/x-www-form-urlencoded" }, "?a=1&b=%20"),
        answer(
          200,
          { "content-type": "multipart/form-data; boundary=x" },
          '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
        ),
        answer(200, {}, "not json")
      )
      const first = yield* get(`${wire.url}/`)
      assert.deepStrictEqual(yield* first.json, { a: sentence })
      assert.strictEqual(yield* first.text, `{"a":"${sentence}"}`)
      assert.strictEqual((yield* first.arrayBuffer).byteLength, Buffer.byteLength(sentence) + 8)
      assert.strictEqual(first.url, `${wire.url}/`)
      assert.deepStrictEqual(Object.keys(first.cookies.cookies), ["a"])
      assert.deepStrictEqual(UrlParams.toRecord(yield* (yield* get(wire.url)).urlParamsBody), { "?a": "1", b: " " })
      assert.strictEqual((yield* (yield* get(wire.url)).formData).get("a"), "1")
      const broken = yield* Effect.flip((yield* get(wire.url)).json)
      assert.strictEqual(broken.reason._tag, "DecodeError")
    }).pipe(over)
  )

  it.live("that ask for an upgrade are not sent", () =>
    Effect.gen(function* () {
      const wire = yield* serve()
      const request = HttpClientRequest.get(wire.url, { headers: { upgrade: "websocket" } })
      const error = yield* Effect.flip(Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(request)))
      assert.strictEqual(error.reason._tag, "EncodeError")
      assert.strictEqual(wire.requests.length, 0)
    }).pipe(over)
  )

  it.live("that never come have undici's error as their cause", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(get("http://127.0.0.1:1/"))
      assert.isTrue(
        error.reason._tag === "TransportError" && (error.reason.cause as { code?: string }).code === "ECONNREFUSED"
      )
      const invalid = yield* Effect.flip(get("no url"))
      assert.strictEqual(invalid.reason._tag, "InvalidUrlError")
    }).pipe(over)
  )
})

describe("compressed answers", () => {
  const codings = [
    ["gzip", Zlib.gzipSync],
    ["x-gzip", Zlib.gzipSync],
    ["br", Zlib.brotliCompressSync],
    ["deflate", Zlib.deflateSync],
    ["deflate, GZIP", (bytes: Buffer) => Zlib.gzipSync(Zlib.deflateSync(bytes))],
    ["identity", (bytes: Buffer) => bytes]
  ] as const

  it.live.each(codings)("are unpacked: %s", ([coding, pack]) =>
    Effect.gen(function* () {
      const wire = yield* serve(answer(200, { "content-encoding": coding }, pack(Buffer.from(sentence))))
      assert.strictEqual(yield* (yield* get(wire.url)).text, sentence)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText((yield* get(wire.url)).stream)), sentence)
      assert.strictEqual(wire.requests[0]!.headers["accept-encoding"], "gzip, deflate, br")
      const packed = Effect.flatMap(get(wire.url), (response) => response.arrayBuffer)
      const bytes = yield* Effect.provide(packed, UndiciHttpClient.layer({ decompress: false }))
      assert.deepStrictEqual(Buffer.from(bytes), Buffer.from(pack(Buffer.from(sentence))))
      assert.isUndefined(wire.requests[2]!.headers["accept-encoding"])
    }).pipe(over)
  )

  it.live("in an unknown coding fail, and so do broken ones", () =>
    Effect.gen(function* () {
      const wire = yield* serve(
        answer(200, { "content-encoding": "compress" }, "x"),
        answer(200, { "content-encoding": "compress" }, "x"),
        answer(200, { "content-encoding": "gzip" }, "no gzip"),
        answer(200, { "content-encoding": "gzip" }, "no gzip")
      )
      for (const read of ["text", "stream", "text", "stream"] as const) {
        const response = yield* get(wire.url)
        const error = yield* Effect.flip(read === "text" ? response.text : Stream.runDrain(response.stream))
        assert.strictEqual(error.reason._tag, "DecodeError")
      }
    }).pipe(over)
  )

  it.live("are not unpacked beyond the limit", () =>
    Effect.gen(function* () {
      const bomb = Zlib.gzipSync(Buffer.alloc(50 * 1024 * 1024))
      const wire = yield* serve(answer(200, { "content-encoding": "gzip" }, bomb))
      const response = yield* get(wire.url)
      assert.isBelow(bomb.length, 100_000)
      assert.strictEqual(yield* Effect.flip(collectorOf(response)!(100_000)), tooLarge)
    }).pipe(over)
  )

  it.live("to HEAD have nothing to unpack", () =>
    Effect.gen(function* () {
      const wire = yield* serve(answer(200, { "content-encoding": "gzip", "content-length": 1000 }))
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (client) => client.head(wire.url))
      assert.strictEqual(yield* response.text, "")
      assert.strictEqual((yield* collectorOf(response)!(10)).length, 0)
    }).pipe(over)
  )
})

describe("streams", () => {
  /** A body without an end, and how much of it was taken. */
  const endless = Effect.acquireRelease(
    Effect.callback<{ readonly url: string; written: () => number; readonly closed: Promise<void>; close: () => void }>(
      (resume) => {
        let written = 0
        let gone = () => {}
        const closed = new Promise<void>((resolve) => {
          gone = resolve
        })
        const server = createServer((_request, response) => {
          const chunk = Buffer.alloc(16 * 1024, "x")
          const more = () => {
            do written += chunk.length
            while (response.write(chunk))
          }
          response.on("drain", more)
          response.on("close", gone)
          more()
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as { port: number }
          resume(
            Effect.succeed({
              url: `http://127.0.0.1:${port}`,
              written: () => written,
              closed,
              close: () => {
                server.closeAllConnections()
                server.close()
              }
            })
          )
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

  it.live("come no faster than they are taken, and their end closes the connection", () =>
    Effect.gen(function* () {
      const server = yield* endless
      const response = yield* get(server.url)
      const taken = yield* Stream.runCollect(Stream.take(response.stream, 3))
      assert.strictEqual(taken.length, 3)
      yield* Effect.promise(() => server.closed)
      // What the sockets of two sides hold is the system's business: far less than a reader in a hurry takes.
      assert.isBelow(server.written(), 64 * 1024 * 1024)
    }).pipe(over)
  )

  it.live("an answer that nobody reads takes no more than a piece, and its connection goes with it", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const collectGarbage = runInNewContext("gc") as () => void
      const server = yield* endless
      yield* Effect.asVoid(get(server.url))
      const closed = yield* Effect.forkChild(Effect.promise(() => server.closed))
      yield* Effect.gen(function* () {
        while (closed.pollUnsafe() === undefined) {
          collectGarbage()
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
      })
      assert.isBelow(server.written(), 64 * 1024 * 1024)
    }).pipe(over)
  )

  it.live("an interrupted request closes its connection, before and after the headers", () =>
    Effect.gen(function* () {
      const wire = yield* serve(() => {}, raw("HTTP/1.1 200 OK", "content-length: 10", "", "123"))
      const silent = yield* Effect.forkChild(get(wire.url), { startImmediately: true })
      const first = yield* wire.arrived(1)
      yield* Fiber.interrupt(silent)
      yield* first.closed
      const response = yield* get(wire.url)
      const reading = yield* Effect.forkChild(response.text, { startImmediately: true })
      yield* Fiber.interrupt(reading)
      yield* wire.requests[1]!.closed
      assert.isTrue(Exit.isFailure(yield* Effect.exit(response.text)))
    }).pipe(over)
  )

  it.live(
    "an interrupted reader of the pieces closes the connection, though it waits for more, compressed or not",
    () =>
      Effect.gen(function* () {
        for (const encoding of ["identity", "gzip"]) {
          const wire = yield* serve(({ response }) => {
            response.writeHead(200, { "content-encoding": encoding })
            response.write(encoding === "gzip" ? Zlib.gzipSync("abc").subarray(0, -8) : "abc")
          })
          const response = yield* get(wire.url)
          let came = 0
          const reading = yield* Effect.forkChild(
            Stream.runForEach(response.stream, (piece) => Effect.sync(() => (came += piece.length)))
          )
          yield* until(() => came === 3)
          yield* Fiber.interrupt(reading)
          yield* wire.requests[0]!.closed
        }
      }).pipe(over)
  )

  it.live("a cut body is a DecodeError, for a reader of the whole and of the pieces", () =>
    Effect.gen(function* () {
      const cut = raw("HTTP/1.1 200 OK", "content-length: 10", "", "123")
      const wire = yield* serve((exchange) => {
        cut(exchange)
        exchange.socket.end()
      })
      for (const read of ["text", "stream"] as const) {
        const response = yield* get(wire.url)
        const exit = yield* Effect.exit(read === "text" ? response.text : Stream.runDrain(response.stream))
        assert.isTrue(
          Exit.isFailure(exit) &&
            exit.cause.reasons.some(
              (reason) =>
                Cause.isFailReason(reason) &&
                HttpClientError.isHttpClientError(reason.error) &&
                reason.error.reason._tag === "DecodeError"
            )
        )
      }
    }).pipe(over)
  )
})
