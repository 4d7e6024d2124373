import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Auth, HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Cause,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Layer,
  Option,
  PlatformError,
  Redacted,
  type Scope,
  Stream
} from "effect"
import {
  FetchHttpClient,
  HttpBody,
  HttpClient,
  HttpClientError,
  HttpClientRequest,
  HttpClientResponse
} from "effect/http"
import { TestClock } from "effect/testing"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import * as Cassette from "../../src/testing/Cassette.ts"
import { Payments, PaymentsUnavailable } from "../fixtures/Shop.ts"

const committed = new URL("fixtures/shop.ndjson", import.meta.url).pathname

/** A path in a folder of its own. */
const somewhere = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  return { fs, folder, path: `${folder}/cassette.ndjson` }
})

const onDisk = <A, E>(self: Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) =>
  Effect.provide(Effect.scoped(self), NodeServices.layer)

/** Files in memory: reading one takes no turn of the event loop, so that virtual time moves as a test says. */
const inMemory = <A, E>(use: (path: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>) => {
  const files = new Map<string, string>()
  const missing = Effect.fail(
    PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "readFileString" })
  )
  const fs = FileSystem.makeNoop({
    readFileString: (path) => Effect.suspend(() => (files.has(path) ? Effect.succeed(files.get(path)!) : missing)),
    writeFileString: (path, content) => Effect.sync(() => void files.set(path, content)),
    rename: (from, to) =>
      Effect.sync(() => {
        files.set(to, files.get(from)!)
        files.delete(from)
      })
  })
  return Effect.scoped(use("cassette.ndjson")).pipe(Effect.provideService(FileSystem.FileSystem, fs))
}

type Reply = Parameters<typeof FaultInjection.make>[0]["respond"]

const recordTo = (path: string, respond: Reply, options?: Cassette.Options) =>
  Cassette.layer(path, { mode: "record", ...options }).pipe(Layer.provide(FaultInjection.make({ respond }).layer))

const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.execute(request), (response) =>
    Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
  )

const get = (url: string, headers: Record<string, string> = {}) => send(HttpClientRequest.get(url, { headers }))
const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  send(HttpClientRequest.post(url, { headers, body: HttpBody.jsonUnsafe(body) }))

const errorsIn = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Cassette.CassetteError> =>
  Exit.isFailure(exit)
    ? exit.cause.reasons
        .map((reason) =>
          Cause.isDieReason(reason) ? reason.defect : Cause.isFailReason(reason) ? reason.error : undefined
        )
        .filter((error) => error instanceof Cassette.CassetteError)
    : []

const exchange = (
  request: Partial<Cassette.Request>,
  response: Partial<Cassette.Response> = {}
): Cassette.Exchange => ({
  request: { method: "GET", url: "https://api.example/", headers: {}, ...request },
  response: { status: 200, headers: {}, ...response },
  elapsed: 10
})

const header = `{"cassette":1}`
const line = (url: string) =>
  `{"request":{"method":"GET","url":"${url}","headers":{}},"response":{"status":200,"headers":{},"body":{"text":"ok"}},"elapsed":1}`

describe("Cassette: the file", () => {
  it.effect("has one exchange a line, its fields and headers in a fixed order", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, path } = yield* somewhere
        const request = post(
          "https://api.example/v1/charges?b=2&a=1",
          { order: "o", amount: 4 },
          { "x-b": "1", "x-a": "2" }
        )
        yield* Effect.provide(
          request,
          recordTo(path, () => ({ status: 201, headers: { "x-z": "1", etag: "e" }, body: { id: "ch_1", amount: 4 } }))
        )
        assert.strictEqual(
          yield* fs.readFileString(path),
          `${header}\n` +
            `{"request":{"method":"POST","url":"https://api.example/v1/charges?b=2&a=1","headers":{"content-type":"application/json","x-a":"2","x-b":"1"},"body":{"json":{"order":"o","amount":4}}},` +
            `"response":{"status":201,"headers":{"content-type":"application/json","etag":"e","x-z":"1"},"body":{"json":{"id":"ch_1","amount":4}}},"elapsed":0}\n`
        )
        const { status, text } = yield* Effect.provide(request, Cassette.layerReplay(path))
        assert.deepStrictEqual([status, text], [201, `{"id":"ch_1","amount":4}`])
        assert.deepStrictEqual((yield* Cassette.read(path))[0]?.request.body, { json: { order: "o", amount: 4 } })
      })
    )
  )

  it.effect("is read with CRLF, blank lines, a byte order mark and no newline at its end", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, path } = yield* somewhere
        yield* fs.writeFileString(
          path,
          `\uFEFF${header}\r\n\r\n${line("https://a.example/1")}\r\n${line("https://a.example/2")}`
        )
        const both = Effect.zip(get("https://a.example/1"), get("https://a.example/2"))
        const [one, two] = yield* Effect.provide(both, Cassette.layerReplay(path))
        assert.deepStrictEqual([one.text, two.text], ["ok", "ok"])
      })
    )
  )

  const refusals: ReadonlyArray<
    readonly [what: string, content: string | undefined, reason: string, line: number | undefined, says: RegExp]
  > = [
    ["is missing", undefined, "Missing", undefined, /no such file\. Record it: BREAKWATER_CASSETTE=record/],
    ["is empty", "", "Malformed", 1, /the file is empty/],
    ["has no header", line("https://a.example/"), "Malformed", 1, /first line must be/],
    [
      "is from a newer version",
      `{"cassette":2}\n{"new":1}`,
      "Version",
      1,
      /format 2, and this version of breakwater reads format 1/
    ],
    [
      "ends in half a line",
      `${header}\n${line("https://a.example/1")}\n${line("https://a.example/2").slice(0, 40)}`,
      "Malformed",
      3,
      /no JSON/
    ],
    ["has marks of a conflict", `${header}\n<<<<<<< HEAD\n`, "Malformed", 2, /no JSON/],
    [
      "has another shape",
      `${header}\n{"request":{"method":"GET","url":"x"},"response":{"status":200,"headers":{}},"elapsed":1}`,
      "Malformed",
      2,
      /no exchange: .*headers/
    ],
    [
      "has neither answer nor failure",
      `${header}\n{"request":{"method":"GET","url":"x","headers":{}},"elapsed":1}`,
      "Malformed",
      2,
      /either a response or a failure/
    ]
  ]
  for (const [what, content, reason, at, says] of refusals) {
    it.effect(`refuses one that ${what}, and names path and line`, () =>
      onDisk(
        Effect.gen(function* () {
          const { fs, path } = yield* somewhere
          if (content !== undefined) yield* fs.writeFileString(path, content)
          const before = yield* Effect.exit(fs.readFileString(path))
          const sent = FaultInjection.make({ respond: () => ({}) })
          const layers = [Cassette.layerReplay(path), Cassette.layer(path).pipe(Layer.provide(sent.layer))]
          for (const layer of layers) {
            const [error] = errorsIn(yield* Effect.exit(Effect.provide(get("https://a.example/1"), layer)))
            assert.deepStrictEqual([error?.reason, error?.path, error?.line], [reason, path, at])
            assert.match(error!.message, says)
            assert.include(error!.message, path)
          }
          const [error] = errorsIn(yield* Effect.exit(Cassette.read(path)))
          assert.strictEqual(error?.reason, reason)
          // Never a silent recording.
          assert.strictEqual(sent.requests.length, 0)
          assert.deepStrictEqual(yield* Effect.exit(fs.readFileString(path)), before)
        })
      )
    )
  }

  it.effect("that can't be read is not taken for a missing one", () =>
    onDisk(
      Effect.gen(function* () {
        const { folder } = yield* somewhere
        const [error] = errorsIn(yield* Effect.exit(Cassette.read(folder)))
        assert.strictEqual(error?.reason, "Unreadable")
      })
    )
  )

  it.effect("that is committed replays through an integration", () =>
    Effect.gen(function* () {
      const layer = HttpIntegration.layer(Payments, {
        baseUrl: "https://sandbox.example",
        auth: Auth.bearer(Redacted.make("another key"))
      }).pipe(Layer.provide(Cassette.layerReplay(committed, { unused: "fail" })))
      const program = Effect.gen(function* () {
        const payments = yield* Payments
        const fiber = yield* Effect.forkChild(payments.charge({ payload: { order: "order-42", amount: 4200 } }))
        yield* TestClock.adjust("1 minute") // a 503 stands before the answer
        const charge = yield* Fiber.join(fiber)
        return { charge, found: yield* payments.find({ params: { id: "ch_1" } }) }
      })
      assert.deepStrictEqual(yield* Effect.provide(program, layer), {
        charge: { id: "ch_1", amount: 4200 },
        found: { id: "ch_1", amount: 4200 }
      })
    }).pipe(onDisk)
  )
})

describe("Cassette: recording", () => {
  it.effect("keeps the order in which requests were sent, not that of their answers", () =>
    inMemory((path) =>
      Effect.gen(function* () {
        const provider = FaultInjection.make({
          respond: (request) => ({ body: { url: request.url } }),
          faults: ({ arrival }) => FaultInjection.latency(1000 - arrival * 50),
          operationOf: () => "all"
        })
        const all = Effect.all(
          Array.from({ length: 15 }, (_, i) => get(`https://a.example/${i}`)),
          { concurrency: "unbounded" }
        )
        const fiber = yield* Effect.forkChild(
          Effect.provide(all, Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(provider.layer)))
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const recorded = yield* Cassette.read(path)
        assert.deepStrictEqual(
          recorded.map(({ request }) => request.url),
          Array.from({ length: 15 }, (_, i) => `https://a.example/${i}`)
        )
        assert.deepStrictEqual(recorded.map(({ elapsed }) => elapsed)[0], 950)
      })
    )
  )

  it.effect("keeps whole exchanges when it is interrupted, and none that was given up", () =>
    inMemory((path) =>
      Effect.gen(function* () {
        const provider = FaultInjection.make({
          respond: (request) => ({ body: { url: request.url } }),
          faults: [undefined, FaultInjection.stallBeforeHeaders({ executes: true }), undefined]
        })
        const program = Effect.gen(function* () {
          yield* get("https://a.example/1")
          yield* Effect.timeoutOption(get("https://a.example/2"), "1 second")
          yield* get("https://a.example/3")
          return yield* Effect.never
        })
        const layer = Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(provider.layer))
        const fiber = yield* Effect.forkChild(Effect.provide(program, layer))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(
          (yield* Cassette.read(path)).map(({ request }) => request.url),
          ["https://a.example/1", "https://a.example/3"]
        )
      })
    )
  )

  it.effect("leaves the old file and nothing beside it where the new one can't be put in its place", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, folder, path } = yield* somewhere
        yield* fs.writeFileString(path, `${header}\n${line("https://a.example/old")}\n`)
        const broken = FileSystem.FileSystem.of({
          ...fs,
          rename: () =>
            Effect.fail(PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method: "rename" }))
        })
        const exit = yield* Effect.exit(
          Effect.provide(
            get("https://a.example/new"),
            recordTo(path, () => ({}))
          ).pipe(Effect.provideService(FileSystem.FileSystem, broken))
        )
        const [error] = errorsIn(exit)
        assert.strictEqual(error?.reason, "Unwritable")
        assert.match(error!.message, /PermissionDenied/)
        assert.match(yield* fs.readFileString(path), /old/)
        assert.deepStrictEqual(yield* fs.readDirectory(folder), ["cassette.ndjson"])
      })
    )
  )

  it.effect("does not throw another's recording of the same file away", () =>
    onDisk(
      Effect.gen(function* () {
        const { path } = yield* somewhere
        const first = get("https://a.example/first")
        const second = Effect.provide(
          get("https://a.example/second"),
          recordTo(path, () => ({}))
        )
        const exit = yield* Effect.exit(
          Effect.provide(
            Effect.andThen(first, second),
            recordTo(path, () => ({}))
          )
        )
        const [error] = errorsIn(exit)
        assert.strictEqual(error?.reason, "Unwritable")
        assert.match(error!.message, /Do two tests record it/)
        assert.deepStrictEqual(
          (yield* Cassette.read(path)).map(({ request }) => request.url),
          ["https://a.example/second"]
        )
      })
    )
  )

  it.effect("replaces a cassette, but not by nothing", () =>
    onDisk(
      Effect.gen(function* () {
        const { path } = yield* somewhere
        const record = (url: string) =>
          Effect.provide(
            get(url),
            recordTo(path, () => ({}))
          )
        yield* record("https://a.example/1")
        yield* record("https://a.example/2")
        const urls = Effect.map(Cassette.read(path), (all) => all.map(({ request }) => request.url))
        assert.deepStrictEqual(yield* urls, ["https://a.example/2"])
        yield* Effect.provide(
          Effect.void,
          recordTo(path, () => ({}))
        )
        assert.deepStrictEqual(yield* urls, ["https://a.example/2"])
      })
    )
  )

  it.effect("appends only what is missing, and leaves the lines that are there as they are", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, path } = yield* somewhere
        // Written by hand, in another order of fields, and without a newline at the end.
        const own = `{"elapsed":1,"response":{"headers":{},"status":200,"body":{"text":"kept"}},"request":{"headers":{},"url":"https://a.example/1","method":"GET"}}`
        yield* fs.writeFileString(path, `${header}\n${own}`)
        const provider = FaultInjection.make({ respond: () => ({ body: "new" }) })
        const layer = Cassette.layer(path, { mode: "append" }).pipe(Layer.provide(provider.layer))
        const urls = ["https://a.example/1", "https://a.example/2", "https://a.example/1"]
        const answers = yield* Effect.provide(
          Effect.forEach(urls, (url) => get(url)),
          layer
        )
        assert.deepStrictEqual(
          answers.map(({ text }) => text),
          ["kept", "new", "new"]
        )
        assert.deepStrictEqual(
          provider.requests.map(({ url }) => url),
          ["https://a.example/2", "https://a.example/1"]
        )
        const lines = (yield* fs.readFileString(path)).split("\n")
        assert.deepStrictEqual([lines.length, lines[0], lines[1], lines[4]], [5, header, own, ""])
        // A second run finds all of it.
        yield* Effect.provide(
          Effect.forEach(urls, (url) => get(url)),
          Cassette.layerReplay(path, { unused: "fail" })
        )
      })
    )
  )

  it.effect("is asked for by BREAKWATER_CASSETTE alone, and refuses other words", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, path } = yield* somewhere
        const provider = FaultInjection.make({ respond: () => ({ body: "live" }) })
        const run = (mode: string | undefined) =>
          Effect.provide(
            get("https://a.example/"),
            Cassette.layer(path).pipe(
              Layer.provide(provider.layer),
              Layer.provide(
                ConfigProvider.layer(
                  ConfigProvider.fromUnknown(mode === undefined ? {} : { BREAKWATER_CASSETTE: mode })
                )
              )
            )
          )
        assert.strictEqual(errorsIn(yield* Effect.exit(run(undefined)))[0]?.reason, "Missing")
        const [error] = errorsIn(yield* Effect.exit(run("recrod")))
        assert.strictEqual(error?.reason, "InvalidMode")
        assert.match(error!.message, /one of replay, record, append/)
        assert.isFalse(yield* fs.exists(path))
        yield* run("record")
        assert.strictEqual((yield* run("replay")).text, "live")
        assert.strictEqual((yield* run("append")).text, "live")
        assert.strictEqual(provider.requests.length, 1)
      })
    )
  )

  it.effect("hands the true answer on, secrets included", () =>
    onDisk(
      Effect.gen(function* () {
        const { path } = yield* somewhere
        const answer = yield* Effect.provide(
          get("https://a.example/"),
          recordTo(path, () => ({ headers: { "set-cookie": "s=abc" }, body: { token: "tok_12345678" } }))
        )
        assert.deepStrictEqual([answer.text, answer.headers["set-cookie"]], [`{"token":"tok_12345678"}`, "s=abc"])
      })
    )
  )

  it.effect("keeps lost connections by their code, and what breakwater makes of them", () =>
    inMemory((path) =>
      Effect.gen(function* () {
        const failWith = (cause: unknown) =>
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.make((request) =>
              Effect.fail(
                new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
              )
            )
          )
        const error = (code: string, syscall?: string) => Object.assign(new Error(`secret ${code}`), { code, syscall })
        const causes: ReadonlyArray<readonly [cause: unknown, codes: Cassette.Failure["codes"], outcome: string]> = [
          [error("ECONNREFUSED", "connect"), [{ code: "ECONNREFUSED", syscall: "connect" }], "NotSent"],
          [error("ECONNRESET", "read"), [{ code: "ECONNRESET", syscall: "read" }], "Unknown"],
          [error("ETIMEDOUT", "connect"), [{ code: "ETIMEDOUT", syscall: "connect" }], "NotSent"],
          [error("ETIMEDOUT", "read"), [{ code: "ETIMEDOUT", syscall: "read" }], "Unknown"],
          [
            new TypeError("fetch failed", { cause: error("ENOTFOUND", "getaddrinfo") }),
            [{ code: "ENOTFOUND", syscall: "getaddrinfo" }],
            "NotSent"
          ],
          [
            new AggregateError([error("ECONNREFUSED"), error("ECONNRESET")]),
            [{ code: "ECONNREFUSED" }, { code: "ECONNRESET" }],
            "Unknown"
          ],
          [
            new AggregateError([error("ECONNREFUSED"), error("ECONNREFUSED")]),
            [{ code: "ECONNREFUSED" }, { code: "ECONNREFUSED" }],
            "NotSent"
          ],
          ["who knows", [], "Unknown"]
        ]
        const charge = Effect.flatMap(Payments, (payments) => payments.charge({ payload: { order: "o", amount: 1 } }))
        const outcome = (client: Layer.Layer<HttpClient.HttpClient, Cassette.CassetteError, FileSystem.FileSystem>) =>
          Effect.gen(function* () {
            const layer = HttpIntegration.layer(Payments, { baseUrl: "https://a.example" }).pipe(Layer.provide(client))
            const fiber = yield* Effect.forkChild(Effect.exit(Effect.provide(charge, layer)))
            yield* TestClock.adjust("5 minutes")
            const exit = yield* Fiber.join(fiber)
            const failed = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
            return Option.isSome(failed) && failed.value instanceof PaymentsUnavailable ? failed.value.outcome : exit
          })
        for (const [cause, codes, expected] of causes) {
          const live = yield* outcome(Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(failWith(cause))))
          assert.strictEqual(live, expected)
          const recorded = yield* Cassette.read(path)
          assert.strictEqual(recorded.length, 3)
          for (const { failure, response } of recorded) {
            assert.deepStrictEqual(failure, { codes })
            assert.isUndefined(response)
          }
          assert.strictEqual(yield* outcome(Cassette.layerReplay(path, { unused: "fail" })), expected)
        }
      })
    )
  )
})

/** A provider on a socket. */
const serve = (handle: (request: IncomingMessage, body: Buffer, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly url: string; readonly close: () => Promise<void> }>((resolve) => {
          const server = createServer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => handle(request, Buffer.concat(chunks), response))
          })
          server.listen(0, "127.0.0.1", () =>
            resolve({
              url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
              close: () =>
                new Promise((done) => {
                  server.closeAllConnections()
                  server.close(() => done())
                })
            })
          )
        })
    ),
    ({ close }) => Effect.promise(close)
  )

const bytesOf = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.execute(request), (response) =>
    Effect.map(response.arrayBuffer, (buffer) => ({
      status: response.status,
      encoding: response.headers["content-encoding"],
      length: response.headers["content-length"],
      bytes: Array.from(new Uint8Array(buffer))
    }))
  )

describe("Cassette: over sockets", () => {
  const binary = Uint8Array.from({ length: 600 }, (_, i) => (i * 7) % 256)
  const text = JSON.stringify({ id: "ch_1", name: "Zoë", token: "tok_abcdef12" })
  const clients = { undici: NodeHttpClient.layerUndici, fetch: FetchHttpClient.layer }

  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "/gzip": (r) =>
      r.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(gzipSync(text)),
    "/deflate": (r) =>
      r.writeHead(200, { "content-type": "application/json", "content-encoding": "deflate" }).end(deflateSync(text)),
    "/br": (r) =>
      r.writeHead(200, { "content-type": "application/json", "content-encoding": "br" }).end(brotliCompressSync(text)),
    "/twice": (r) =>
      r
        .writeHead(200, { "content-type": "application/json", "content-encoding": "deflate, gzip" })
        .end(gzipSync(deflateSync(text))),
    "/binary": (r) => r.writeHead(200, { "content-type": "image/png" }).end(binary),
    "/empty": (r) => r.writeHead(200, { "content-type": "application/json", "content-length": "0" }).end(),
    "/204": (r) => r.writeHead(204).end(),
    "/304": (r) => r.writeHead(304, { etag: "e" }).end(),
    "/chunks": (r) => {
      r.writeHead(200, { "content-type": "text/event-stream" })
      r.write(`data: {"token":"tok_abcdef12","n":1}\n\n`)
      setImmediate(() => r.end(`data: {"n":2}\n\n`))
    },
    "/head": (r) => r.writeHead(200, { "content-type": "text/plain", "content-length": "1234" }).end()
  }

  for (const [name, client] of Object.entries(clients)) {
    it.live(`replays every kind of body that ${name} delivers`, () =>
      onDisk(
        Effect.gen(function* () {
          const { fs, path } = yield* somewhere
          const { url } = yield* serve((request, _, response) => answers[request.url!]!(response))
          const requests = Object.keys(answers).map((at) =>
            HttpClientRequest.make(at === "/head" ? "HEAD" : "GET")(`${url}${at}`)
          )
          const all = Effect.forEach(requests, bytesOf)
          const live = yield* Effect.provide(all, Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(client)))
          const replayed = yield* Effect.provide(all, Cassette.layerReplay(path))
          const clean = (raw: string) =>
            Array.from(new TextEncoder().encode(raw.replaceAll("tok_abcdef12", "[redacted]")))
          for (const [i, at] of Object.keys(answers).entries()) {
            const { bytes, encoding, length, status } = replayed[i]!
            assert.strictEqual(status, live[i]!.status, at)
            assert.isUndefined(encoding, at)
            if (/gzip|deflate|br|twice/.test(at) && at !== "/binary") assert.deepStrictEqual(bytes, clean(text), at)
            else if (at === "/chunks") {
              assert.deepStrictEqual(bytes, clean(`data: {"token":"tok_abcdef12","n":1}\n\ndata: {"n":2}\n\n`))
            } else assert.deepStrictEqual(bytes, live[i]!.bytes, at)
            if (at === "/head") assert.strictEqual(length, "1234")
            else if (bytes.length > 0) assert.strictEqual(length, String(bytes.length), at)
          }
          assert.deepStrictEqual(replayed[4]!.bytes, Array.from(binary))
          const content = yield* fs.readFileString(path)
          assert.notInclude(content, "tok_abcdef12")
          assert.notInclude(content, "content-encoding")
        })
      )
    )
  }

  it.live("records what a body was cut off at, and cuts it off there again", () =>
    onDisk(
      Effect.gen(function* () {
        const { path } = yield* somewhere
        const { url } = yield* serve((_, __, response) => {
          response.writeHead(200, { "content-type": "text/plain", "content-length": "100" })
          response.write("half of it")
          setTimeout(() => response.destroy(), 20)
        })
        const read = Effect.gen(function* () {
          const response = yield* HttpClient.get(`${url}/`)
          let seen = ""
          const error = yield* Effect.flip(
            Stream.runForEach(Stream.decodeText(response.stream), (part) => Effect.sync(() => (seen += part)))
          )
          return [response.status, seen, error.reason._tag]
        })
        const live = yield* Effect.provide(
          read,
          Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(NodeHttpClient.layerUndici))
        )
        assert.deepStrictEqual(live, [200, "half of it", "DecodeError"])
        assert.deepStrictEqual((yield* Cassette.read(path))[0]?.response, {
          status: 200,
          headers: (yield* Cassette.read(path))[0]!.response!.headers,
          body: { text: "half of it" },
          cut: true
        })
        assert.deepStrictEqual(yield* Effect.provide(read, Cassette.layerReplay(path)), live)
        const whole = Effect.flatMap(HttpClient.get(`${url}/`), (response) => response.text)
        assert.strictEqual(
          (yield* Effect.flip(Effect.provide(whole, Cassette.layerReplay(path))))._tag,
          "HttpClientError"
        )
      })
    )
  )

  it.live("sends a streamed and a multipart body on, and finds both again", () =>
    onDisk(
      Effect.gen(function* () {
        const { path } = yield* somewhere
        const { url } = yield* serve((request, body, response) =>
          response.end(
            `${request.headers["content-type"]?.split(";")[0]} ${body.length} ${body.includes("report.pdf")}`
          )
        )
        const streamed = send(
          HttpClientRequest.post(`${url}/stream`, {
            body: HttpBody.stream(
              Stream.make(new TextEncoder().encode("a,b\n"), new TextEncoder().encode("1,2\n")),
              "text/csv"
            )
          })
        )
        const form = (password: string) => {
          const data = new FormData()
          data.append("title", "Q3")
          data.append("password", password)
          data.append("file", new Blob([binary], { type: "application/pdf" }), "report.pdf")
          return send(HttpClientRequest.post(`${url}/form`, { body: HttpBody.formData(data) }))
        }
        const layer = Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(NodeHttpClient.layerUndici))
        const live = yield* Effect.provide(Effect.zip(streamed, form("hunter2222")), layer)
        assert.strictEqual(live[0].text, "text/csv 8 false")
        assert.match(live[1].text, /^multipart\/form-data \d+ true$/)
        const replayed = yield* Effect.provide(Effect.zip(streamed, form("another")), Cassette.layerReplay(path))
        assert.deepStrictEqual(
          replayed.map(({ text }) => text),
          live.map(({ text }) => text)
        )
        assert.deepStrictEqual((yield* Cassette.read(path))[1]!.request.body, {
          multipart: [
            { name: "title", body: { text: "Q3" } },
            { name: "password", body: { text: "[redacted]" } },
            {
              name: "file",
              filename: "report.pdf",
              type: "application/pdf",
              body: { base64: Buffer.from(binary).toString("base64") }
            }
          ]
        })
      })
    )
  )

  it.live("does not keep a body that nobody can look into", () =>
    onDisk(
      Effect.gen(function* () {
        const { fs, path } = yield* somewhere
        const { url } = yield* serve((_, __, response) =>
          response.writeHead(200, { "content-encoding": "zstd" }).end(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xfe))
        )
        const exit = yield* Effect.exit(
          Effect.provide(
            Effect.exit(get(`${url}/`)),
            Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(NodeHttpClient.layerUndici))
          )
        )
        const [error] = errorsIn(exit)
        assert.strictEqual(error?.reason, "Unrecordable")
        assert.match(error!.message, /compressed with zstd/)
        assert.strictEqual(yield* fs.readFileString(path), `${header}\n`)
      })
    )
  )
})

describe("Cassette: bodies", () => {
  const through = (type: string, body: string | Uint8Array) =>
    inMemory((path) =>
      Effect.gen(function* () {
        const layer = recordTo(path, () => ({ headers: { "content-type": type }, body }))
        yield* Effect.provide(get("https://a.example/"), layer)
        const response = (yield* Cassette.read(path))[0]!.response!
        const played = yield* Effect.provide(
          bytesOf(HttpClientRequest.get("https://a.example/")),
          Cassette.layerReplay(path)
        )
        return { body: response.body, played: played.bytes }
      })
    )
  const utf8 = (text: string) => Array.from(new TextEncoder().encode(text))

  const kept: ReadonlyArray<readonly [what: string, type: string, sent: string, body: Cassette.Body]> = [
    ["JSON", "application/problem+json; charset=utf-8", `{"a":[1,null]}`, { json: { a: [1, null] } }],
    ["JSON that is no object", "application/json", `"x"`, { json: "x" }],
    ["JSON null", "application/json", "null", { json: null }],
    ["large integers", "application/json", `{"id": 12345678901234567890}`, { text: `{"id": 12345678901234567890}` }],
    ["infinite numbers", "application/json", `[1e999]`, { text: "[1e999]" }],
    ["what only says it is JSON", "application/json", `{"a":`, { text: `{"a":` }],
    ["what does not say it is JSON", "text/plain", `{ "a": 1 }`, { text: `{ "a": 1 }` }],
    ["a byte order mark", "text/csv", "\uFEFFa;b\r\n", { text: "\uFEFFa;b\r\n" }],
    [
      "a form",
      "application/x-www-form-urlencoded",
      "a=1&a=2&b=x+y",
      {
        form: [
          ["a", "1"],
          ["a", "2"],
          ["b", "x y"]
        ]
      }
    ],
    ["a broken multipart", "multipart/form-data; boundary=x", "no parts", { text: "no parts" }]
  ]
  for (const [what, type, sent, body] of kept) {
    it.effect(`keeps ${what} as it came`, () =>
      Effect.gen(function* () {
        const { body: found, played } = yield* through(type, sent)
        assert.deepStrictEqual(found, body)
        assert.deepStrictEqual(played, utf8(sent))
      })
    )
  }

  it.effect("keeps text in another encoding byte by byte", () =>
    Effect.gen(function* () {
      const latin = Uint8Array.of(0x5a, 0x6f, 0xeb)
      const { body, played } = yield* through("text/plain; charset=iso-8859-1", latin)
      assert.deepStrictEqual(body, { base64: "Wm/r" })
      assert.deepStrictEqual(played, Array.from(latin))
    })
  )

  it.effect("does not record a connection that is handed over", () =>
    inMemory((path) =>
      Effect.gen(function* () {
        const client = Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make((request) =>
            Effect.succeed(
              Object.create(HttpClientResponse.fromWeb(request, new Response()), { status: { value: 101 } })
            )
          )
        )
        const exit = yield* Effect.exit(
          Effect.provide(
            Effect.exit(get("https://a.example/")),
            Cassette.layer(path, { mode: "record" }).pipe(Layer.provide(client))
          )
        )
        assert.deepStrictEqual(
          errorsIn(exit).map(({ reason }) => reason),
          ["Unrecordable"]
        )
      })
    )
  )
})

describe("Cassette: finding a recording", () => {
  const recorded = (...all: ReadonlyArray<Partial<Cassette.Request>>) =>
    all.map((request, i) => exchange(request, { body: { text: String(i) } }))

  const answers = <E>(
    requests: ReadonlyArray<Effect.Effect<{ readonly text: string }, E, HttpClient.HttpClient>>,
    exchanges: ReadonlyArray<Cassette.Exchange>,
    options?: Cassette.ReplayOptions
  ) =>
    Effect.provide(
      Effect.forEach(requests, (request) => Effect.map(request, ({ text }) => text)),
      Cassette.layerMemory(exchanges, options)
    )

  const json = (value: unknown): Cassette.Body => ({ json: value })
  const url = "https://api.example/x"

  it.effect("goes by method, path, query and body, in any order of fields and parameters", () =>
    Effect.gen(function* () {
      const form = (text: string) =>
        send(HttpClientRequest.post(url, { body: HttpBody.text(text, "application/x-www-form-urlencoded") }))
      const found = yield* answers(
        [
          post(url, { b: [1, { c: null }], a: 1 }),
          get(`${url}?b=2&a=1&a=2`),
          form("b=2&a=1+1"),
          send(HttpClientRequest.post(url, { body: HttpBody.text(`{"a":  2}`, "text/plain") })),
          get(url, { accept: "anything" }),
          get("http://localhost:1/x/%C3%A9")
        ],
        recorded(
          {
            method: "POST",
            url,
            body: {
              form: [
                ["a", "1 1"],
                ["b", "2"]
              ]
            }
          },
          { url: `${url}?a=1&a=2&b=2` },
          { url },
          { method: "POST", url, body: json({ a: 1, b: [1, { c: null }] }) },
          { method: "POST", url, body: { text: `{ "a": 2 }` } },
          { url: `${url}/é` }
        )
      )
      assert.deepStrictEqual(found, ["3", "1", "0", "4", "2", "5"])
    })
  )

  const others: ReadonlyArray<
    readonly [what: string, recorded: Partial<Cassette.Request>, sent: ReturnType<typeof get>]
  > = [
    ["method", { method: "DELETE", url }, get(url)],
    ["path", { url }, get(`${url}/y`)],
    ["query", { url: `${url}?a=1` }, get(`${url}?a=2`)],
    ["missing parameter", { url: `${url}?a=1` }, get(url)],
    ["order of one parameter's values", { url: `${url}?a=1&a=2` }, get(`${url}?a=2&a=1`)],
    ["field", { method: "POST", url, body: json({ a: 1 }) }, post(url, { a: 2 })],
    ["missing field", { method: "POST", url, body: json({ a: 1, b: null }) }, post(url, { a: 1 })],
    ["type of a field", { method: "POST", url, body: json({ a: "1" }) }, post(url, { a: 1 })],
    ["order of a list", { method: "POST", url, body: json([1, 2]) }, post(url, [2, 1])],
    ["missing body", { method: "POST", url }, post(url, {})],
    ["field of the prototype", { method: "POST", url, body: json({}) }, post(url, { toString: 1 })]
  ]
  for (const [what, request, sent] of others) {
    it.effect(`tells requests apart by ${what}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(answers([sent], recorded(request)))
        assert.strictEqual(errorsIn(exit)[0]?.reason, "Miss")
      })
    )
  }

  it.effect("replays several recordings of one request in their order, and says how many there were", () =>
    Effect.gen(function* () {
      const twice = recorded({ url }, { url: `${url}/other` }, { url })
      assert.deepStrictEqual(yield* answers([get(url), get(url)], twice), ["0", "2"])
      const [error] = errorsIn(yield* Effect.exit(answers([get(url), get(url), get(url)], twice)))
      assert.strictEqual(error?.reason, "Miss")
      assert.match(error!.message, /recorded 2 times and is sent once more/)
      const last = yield* answers([get(url), get(url), get(url), get(url)], twice, { exhausted: "repeatLast" })
      assert.deepStrictEqual(last, ["0", "2", "2", "2"])
    })
  )

  it.effect("can look at headers and the origin, and away from fields and parameters", () =>
    Effect.gen(function* () {
      const keyed = recorded(
        { method: "POST", url, headers: { "idempotency-key": "k1" }, body: json({ a: 1 }) },
        { method: "POST", url, headers: { "idempotency-key": "k2" }, body: json({ a: 1 }) }
      )
      const sent = post(url, { a: 1 }, { "idempotency-key": "k2" })
      assert.deepStrictEqual(yield* answers([sent], keyed, { match: { headers: ["Idempotency-Key"] } }), ["1"])
      const far = errorsIn(
        yield* Effect.exit(answers([sent], keyed.slice(0, 1), { match: { headers: ["idempotency-key"] } }))
      )
      assert.match(far[0]!.message, /header\.idempotency-key +recorded "k1", sent "k2"/)
      assert.strictEqual(
        errorsIn(
          yield* Effect.exit(answers([get("https://b.example/x")], recorded({ url }), { match: { origin: true } }))
        )[0]?.reason,
        "Miss"
      )
      const nonce = (at: number, id: number) => ({ at, items: [{ id, meta: { at } }], id: 7 })
      const body = { method: "POST", url: `${url}?t=1`, body: json(nonce(1, 1)) }
      const now = (id: number) => post(`${url}?t=2`, { ...nonce(2, id), id: 7 })
      const options = { match: { ignoreQuery: ["t"], ignoreFields: ["at", "items[].id"] } }
      assert.deepStrictEqual(yield* answers([now(2)], recorded(body), options), ["0"])
      const other = post(`${url}?t=2`, { ...nonce(2, 2), id: 8 })
      const [error] = errorsIn(yield* Effect.exit(answers([other], recorded(body), options)))
      assert.match(error!.message, /\n {4}body\.id {2}recorded 7, sent 8\n/)
    })
  )

  it.effect("can be left to the test, which sees both requests redacted", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const match: Cassette.Predicate = (one, other) => {
        seen.push(one.headers["authorization"], other.headers["authorization"])
        return new URL(one.url).pathname === new URL(other.url).pathname
      }
      const from = recorded({ url: `${url}?a=1`, headers: { authorization: "Bearer old" } })
      assert.deepStrictEqual(yield* answers([get(`${url}?a=2`, { authorization: "Bearer new" })], from, { match }), [
        "0"
      ])
      assert.deepStrictEqual(seen, ["[redacted]", "[redacted]"])
    })
  )

  it.effect("finds a redacted recording with other secrets, and tells what is not redacted apart", () =>
    Effect.gen(function* () {
      const from = recorded(
        {
          method: "POST",
          url: "https://[redacted]@api.example/u/[redacted]/x?api_key=[redacted]&page=1",
          body: json({ password: "[redacted]", note: "with [redacted] in it", n: 1 })
        },
        { url: "https://api.example/u/fixed" }
      )
      const sent = (user: string, page: number, note: string) =>
        post(`https://u:p@api.example/u/${user}/x?page=${page}&api_key=live`, { n: 1, note, password: 12345 })
      assert.deepStrictEqual(yield* answers([sent("abc", 1, "with 7 in it")], from), ["0"])
      for (const wrong of [sent("abc", 2, "with 7 in it"), sent("abc", 1, "with  in"), sent("", 1, "with 7 in it")]) {
        assert.strictEqual(errorsIn(yield* Effect.exit(answers([wrong], from)))[0]?.reason, "Miss")
      }
    })
  )

  it.effect("takes as long as it took, by the clock, if asked", () =>
    Effect.gen(function* () {
      const slow = [{ ...exchange({ url }), elapsed: 400 }]
      const fiber = yield* Effect.forkChild(answers([get(url)], slow, { latency: "recorded" }))
      yield* TestClock.adjust(Duration.millis(399))
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(Duration.millis(1))
      assert.isDefined(fiber.pollUnsafe())
    })
  )

  it.effect("serves a status, and headers, that no web response would take", () =>
    Effect.gen(function* () {
      const odd = [exchange({ url }, { status: 999, headers: { "x-odd": "naïve ✓" }, body: { text: "blocked" } })]
      const answer = yield* Effect.provide(get(url), Cassette.layerMemory(odd))
      assert.deepStrictEqual([answer.status, answer.headers["x-odd"], answer.text], [999, "naïve ✓", "blocked"])
    })
  )
})

describe("Cassette: a miss", () => {
  it.effect("shows the request, the nearest recording, each difference and the command", () =>
    Effect.gen(function* () {
      const recorded = [
        exchange({ method: "GET", url: "https://api.example/v1/charges" }),
        exchange({
          method: "POST",
          url: "https://api.example/v1/charges?expand=card",
          body: { json: { order: "order-42", items: [{ sku: "a" }], amount: 1, password: "old" } }
        })
      ]
      const sent = post(
        "https://api.example/v1/charges?expand=none",
        { order: "order-43", items: [{ sku: "a" }, { sku: "b" }], amount: 1, password: "hunter2222" },
        { authorization: "Bearer sk_live_1234" }
      )
      const exit = yield* Effect.exit(Effect.provide(sent, Cassette.layerMemory(recorded)))
      const [error] = errorsIn(exit)
      assert.strictEqual(
        error?.message,
        [
          "cassette (memory): no recording of this request:",
          "  POST https://api.example/v1/charges?expand=none",
          `    body {"order":"order-43","items":[{"sku":"a"},{"sku":"b"}],"amount":1,"password":"[redacted]"}`,
          "  The nearest is POST https://api.example/v1/charges?expand=card",
          `    query.expand   recorded "card", sent "none"`,
          `    body.order     recorded "order-42", sent "order-43"`,
          `    body.items[1]  recorded nothing, sent {"sku":"b"}`,
          "  Record it: BREAKWATER_CASSETTE=append npx vitest run <its test>"
        ].join("\n")
      )
    })
  )

  it.effect("is not lost where the integration makes its own error of it", () =>
    Effect.gen(function* () {
      const layer = HttpIntegration.layer(Payments, { baseUrl: "https://api.example" }).pipe(
        Layer.provide(Cassette.layerMemory([]))
      )
      let came: unknown
      const program = Effect.gen(function* () {
        const payments = yield* Payments
        came = yield* Effect.exit(payments.find({ params: { id: "ch_1" } }))
        yield* Effect.exit(payments.find({ params: { id: "ch_2" } }))
        return "the test went on"
      })
      const errors = errorsIn(yield* Effect.exit(Effect.provide(program, layer)))
      assert.isTrue(Exit.isFailure(came as Exit.Exit<unknown>))
      assert.strictEqual(errors.length, 1)
      assert.match(errors[0]!.message, /charges\/ch_1[\s\S]*charges\/ch_2/)
    })
  )

  it.effect("reports recordings that nobody asked for, if told to", () =>
    Effect.gen(function* () {
      const two = [exchange({ url: "https://a.example/1" }), exchange({ url: "https://a.example/2" })]
      const run = (options: Cassette.ReplayOptions) =>
        Effect.exit(Effect.provide(get("https://a.example/1"), Cassette.layerMemory(two, options)))
      assert.isTrue(Exit.isSuccess(yield* run({})))
      const [error] = errorsIn(yield* run({ unused: "fail" }))
      assert.strictEqual(error?.reason, "Unused")
      assert.match(error!.message, /GET https:\/\/a\.example\/2/)
      assert.notMatch(error!.message, /GET https:\/\/a\.example\/1/)
      // A program that failed by itself says more than what it did not get to.
      const failed = Effect.andThen(get("https://a.example/1"), Effect.fail("own"))
      const exit = yield* Effect.exit(Effect.provide(failed, Cassette.layerMemory(two, { unused: "fail" })))
      assert.deepStrictEqual(errorsIn(exit), [])
    })
  )
})
