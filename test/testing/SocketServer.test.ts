import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Policy, type Reason } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { expectExecuted, expectOutcome, FaultInjection, IntegrationTest, KeyWindow, Upstream } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Cause, Context, Data, Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as Http from "node:http"
import * as Net from "node:net"
import { CardError, clients, connect, look, once, order, ProviderApi, thing, undici, until } from "../http/wire.ts"

const { cutBody, hugeBody, latency, responseLost, stallBeforeHeaders, stallInBody, status } = FaultInjection

const double = (
  faults?: FaultInjection.Faults,
  respond: FaultInjection.Options["respond"] = () => ({ body: thing }),
  more: Partial<FaultInjection.Options> = {}
) => FaultInjection.make({ respond, faults, ...more })

/** Sends a request and reads its answer to the end. */
const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.execute(request), (response) =>
    Effect.map(response.arrayBuffer, (buffer) => ({
      status: response.status,
      headers: response.headers,
      bytes: new Uint8Array(buffer),
      text: new TextDecoder().decode(buffer)
    }))
  )

// ---- a connection without a client

interface Connection {
  readonly socket: Net.Socket
  /** What has arrived. */
  readonly text: () => string
  readonly closed: () => boolean
  /** The code of the error that closed it. */
  readonly code: () => string | undefined
}

/** Opens a connection and writes to it. */
const dial = (port: number, text = "", options: Net.TcpNetConnectOpts = { port }): Effect.Effect<Connection> =>
  Effect.callback((resume) => {
    let received = ""
    let closed = false
    let code: string | undefined
    const socket = Net.connect({ ...options, port, host: "127.0.0.1" }, () => {
      socket.write(text, () =>
        resume(Effect.succeed({ socket, text: () => received, closed: () => closed, code: () => code }))
      )
    })
    socket.on("data", (chunk: Uint8Array) => (received += new TextDecoder().decode(chunk)))
    socket.on("error", (error) => (code = (error as { readonly code?: string }).code))
    socket.on("close", () => (closed = true))
  })

const codeOfDial = (port: number): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const socket = Net.connect({ port, host: "127.0.0.1" }, () => {
      socket.destroy()
      resume(Effect.succeed("connected"))
    })
    socket.on("error", (error) => resume(Effect.succeed((error as { readonly code?: string }).code ?? "")))
  })

const get = (path = "/a"): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`

// ---- every fault as a real client and breakwater read it

interface Row {
  readonly fault: FaultInjection.Fault
  readonly seen: readonly [Reason.Tag, string] | "a success"
  readonly executed: number
  /** Where the attempt stands when its timeout passes. */
  readonly cutIn?: "sent" | "answered"
}

const rows: ReadonlyArray<Row> = [
  { fault: latency("200 millis"), seen: "a success", executed: 1 },
  { fault: FaultInjection.refused, seen: ["Disconnected", "Unknown"], executed: 0 },
  { fault: FaultInjection.resetBeforeReading, seen: ["Disconnected", "Unknown"], executed: 0 },
  { fault: responseLost, seen: ["Disconnected", "Unknown"], executed: 1 },
  { fault: stallBeforeHeaders({ executes: false }), seen: ["Timeout", "Unknown"], executed: 0, cutIn: "sent" },
  { fault: stallBeforeHeaders({ executes: true }), seen: ["Timeout", "Unknown"], executed: 1, cutIn: "sent" },
  { fault: FaultInjection.executesLate("8 seconds"), seen: ["Timeout", "Unknown"], executed: 0, cutIn: "sent" },
  { fault: stallInBody, seen: ["BodyLost", "Applied"], executed: 1, cutIn: "answered" },
  { fault: cutBody, seen: ["BodyLost", "Applied"], executed: 1 },
  { fault: FaultInjection.wrongShape(), seen: ["InvalidResponse", "Applied"], executed: 1 },
  { fault: FaultInjection.wrongMediaType(), seen: ["InvalidResponse", "Unknown"], executed: 1 },
  { fault: status(500), seen: ["Unavailable", "Unknown"], executed: 0 },
  { fault: status(500, { executes: true }), seen: ["Unavailable", "Unknown"], executed: 1 },
  { fault: status(429, { retryAfter: 7 }), seen: ["Throttled", "Refused"], executed: 0 },
  { fault: hugeBody(6 * 1024 * 1024), seen: ["BodyLost", "Applied"], executed: 1 },
  { fault: hugeBody(6 * 1024 * 1024, { announced: true }), seen: ["BodyLost", "Applied"], executed: 1 },
  { fault: FaultInjection.inProgress409, seen: ["InProgress", "Unknown"], executed: 0 },
  { fault: FaultInjection.duplicateDelivery(), seen: "a success", executed: 1 }
]

for (const { client, name } of clients) {
  describe(`SocketServer by ${name}`, () => {
    it.effect.each(rows.map((row, n) => ({ ...row, name: `${n + 1} ${row.fault._tag}` })))(
      "$name",
      ({ cutIn, executed, fault, seen }) =>
        Effect.gen(function* () {
          const provider = double([fault])
          const { url } = yield* SocketServer.listen(provider)
          const { create } = yield* connect(client, url)
          const watched = { reasons: [], calls: [] as Array<{ readonly phase: string }> }
          const fiber = yield* Effect.forkChild(look(create(order), watched as never))
          yield* provider.awaitFault(fault._tag)
          if (cutIn !== undefined) {
            yield* until(() => watched.calls.at(-1)?.phase === cutIn)
            yield* TestClock.adjust("5 seconds")
          } else if (fault._tag === "Latency") {
            assert.strictEqual(provider.ledger.length, 0)
            yield* TestClock.adjust("200 millis")
          }
          const { exit, reason } = yield* Fiber.join(fiber)
          if (seen === "a success") assert.deepStrictEqual(exit, Exit.succeed(thing))
          else assert.deepStrictEqual([reason?._tag, reason?.outcome], [...seen])
          if (fault._tag === "Status" && "retry-after" in fault.headers) {
            assert.deepStrictEqual(reason?.retryAfter, Duration.seconds(7))
          }
          assert.strictEqual(provider.ledger.length, executed)
          assert.strictEqual(provider.requests.length, 1)
          // Past the end of the script nothing goes wrong: the next connection is as good as the first.
          yield* TestClock.adjust("3 seconds")
          assert.deepStrictEqual(
            (yield* look(create({ payload: { order: "o-2", amount: 2 } }))).exit,
            Exit.succeed(thing)
          )
        }).pipe(Effect.provide(Logger.layer([])))
    )

    it.effect("a closed port is refused, though a connection was open, and then it is open again", () =>
      Effect.gen(function* () {
        const provider = double()
        const { port, refusing, url } = yield* SocketServer.listen(provider)
        const { create } = yield* connect(client, url)
        for (const round of [1, 2, 3]) {
          assert.deepStrictEqual((yield* look(create(order))).exit, Exit.succeed(thing))
          const { reason } = yield* refusing(look(create(order)))
          assert.deepStrictEqual([reason?._tag, reason?.outcome], ["Unreachable", "NotSent"], `round ${round}`)
          assert.strictEqual(yield* refusing(codeOfDial(port)), "ECONNREFUSED")
        }
        assert.deepStrictEqual((yield* look(create(order))).exit, Exit.succeed(thing))
        assert.strictEqual(provider.requests.length, 4)
      }).pipe(Effect.provide(Logger.layer([])))
    )

    it.effect("bodies arrive byte for byte in both directions", () => {
      const bytes = Uint8Array.from({ length: 300_000 }, (_, n) => (n * 31) % 256)
      const provider = double(undefined, ({ body }) => ({
        status: 203,
        headers: { "X-Size": String(body.length) },
        body
      }))
      return Effect.gen(function* () {
        const { url } = yield* SocketServer.listen(provider)
        const request = HttpClientRequest.post(`${url}/echo?a=1&a=%C3%BC`, { headers: { "X-Own": "Ab, c" } })
        for (const body of [bytes, new Uint8Array(0)]) {
          const answer = yield* send(HttpClientRequest.bodyUint8Array(request, body, "application/octet-stream"))
          assert.deepStrictEqual([answer.status, answer.headers["x-size"]], [203, String(body.length)])
          assert.deepStrictEqual(answer.bytes, body)
          const seen = provider.requests.at(-1)!
          assert.deepStrictEqual(seen.body, body)
          assert.deepStrictEqual(
            [seen.method, seen.url, seen.headers["x-own"], seen.headers["content-type"]],
            ["POST", `${url}/echo?a=1&a=%C3%BC`, "Ab, c", "application/octet-stream"]
          )
        }
      }).pipe(Effect.provide(client))
    })

    it.effect("a huge body comes to its last byte, announced or not", () => {
      const bytes = 3 * 1024 * 1024 + 5
      const provider = double([hugeBody(bytes), hugeBody(bytes, { announced: true }), hugeBody(7), hugeBody(0)])
      return Effect.gen(function* () {
        const { url } = yield* SocketServer.listen(provider)
        for (const [length, size] of [
          [undefined, bytes],
          [String(bytes), bytes],
          [undefined, 7],
          [undefined, 0]
        ]) {
          const answer = yield* send(HttpClientRequest.get(url))
          assert.deepStrictEqual([answer.headers["content-length"], answer.bytes.length], [length, size])
        }
      }).pipe(Effect.provide(client))
    })

    it.effect("a body of many gigabytes waits for its reader", () => {
      const provider = double([hugeBody(64 * 1024 ** 3, { announced: true })])
      let yet = 0
      return Effect.gen(function* () {
        const { url } = yield* SocketServer.listen(provider)
        const response = yield* HttpClient.get(url)
        const read = yield* response.stream.pipe(
          Stream.takeUntil(() => (yet += 64 * 1024) > 1_000_000),
          Stream.runFold(
            () => 0,
            (sum, chunk) => sum + chunk.length
          )
        )
        assert.isAbove(read, 0)
        assert.strictEqual((yield* send(HttpClientRequest.get(url))).text, JSON.stringify(thing))
      }).pipe(Effect.provide(client))
    })
  })
}

describe("SocketServer", () => {
  it.effect("a cut body ends the connection after half of it, a stalled one leaves it open", () =>
    Effect.gen(function* () {
      const provider = double([cutBody, stallInBody, cutBody, stallInBody], () => ({
        body: "0123456789",
        headers: provider.requests.length > 2 ? { "transfer-encoding": "chunked" } : {}
      }))
      const { port } = yield* SocketServer.listen(provider)
      for (const [index, [fault, half]] of [
        ["CutBody", "\r\n\r\n01234"],
        ["StallInBody", "\r\n\r\n01234"],
        ["CutBody", "\r\n\r\n5\r\n01234\r\n"],
        ["StallInBody", "\r\n\r\n5\r\n01234\r\n"]
      ].entries()) {
        const connection = yield* dial(port, get())
        yield* provider.awaitFault(fault as FaultInjection.Tag, { times: index < 2 ? 1 : 2 })
        yield* until(() => connection.text().endsWith(half!))
        if (fault === "CutBody") yield* until(connection.closed)
        else assert.isFalse(connection.closed())
        assert.strictEqual(connection.text().includes("content-length: 10"), index < 2)
      }
    })
  )

  it.effect("a lost connection is reset, without a byte of an answer; one that is cut ends in order", () =>
    Effect.gen(function* () {
      const faults = [FaultInjection.refused, FaultInjection.resetBeforeReading, responseLost, cutBody]
      const { port } = yield* SocketServer.listen(double(faults))
      for (const fault of faults) {
        const connection = yield* dial(port, get())
        yield* until(connection.closed)
        assert.strictEqual(connection.code(), fault === cutBody ? undefined : "ECONNRESET", fault._tag)
        assert.strictEqual(connection.text() === "", fault !== cutBody, fault._tag)
      }
    })
  )

  it.effect("a guard is interrupted when its caller has gone", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const upstream = Upstream.make(ProviderApi, {
        guard: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      })
      const { port } = yield* SocketServer.listen(upstream)
      const { socket } = yield* dial(port, get("/things/1"))
      yield* upstream.awaitRequest()
      socket.destroy()
      yield* Deferred.await(interrupted)
    })
  )

  it.effect("an empty body is cut and stalls too; an answer that has none arrives whole, and tells its fault", () =>
    Effect.gen(function* () {
      let code = 200
      const provider = double([cutBody, stallInBody, cutBody, stallInBody, cutBody], () => ({ status: code }))
      const { port } = yield* SocketServer.listen(provider)
      const cut = yield* dial(port, get())
      yield* until(cut.closed)
      // Neither a length of 0 nor a last chunk says that it ended.
      assert.match(cut.text(), /^HTTP\/1.1 200 OK\r\n[^]*transfer-encoding: chunked[^]*\r\n\r\n$/i)
      const stalled = yield* dial(port, get())
      yield* until(() => stalled.text().endsWith("\r\n\r\n"))
      assert.match(stalled.text(), /transfer-encoding: chunked/i)

      code = 204
      const none = yield* dial(port, get())
      yield* until(none.closed)
      assert.match(none.text(), /^HTTP\/1.1 204 No Content\r\n/)
      assert.notMatch(none.text(), /content-length|transfer-encoding/i)
      code = 200
      for (const _ of ["stalls", "cut"]) {
        const head = yield* dial(port, "HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n")
        yield* until(() => head.text().endsWith("\r\n\r\n"))
        assert.match(head.text(), /^HTTP\/1.1 200 OK\r\n/)
      }
      yield* provider.awaitFault("CutBody", { times: 3 })
      yield* provider.awaitFault("StallInBody", { times: 2 })
    })
  )

  it.effect("a request goes on when its caller has gone, and ends with the scope", () =>
    Effect.gen(function* () {
      const provider = double([latency("2 seconds"), latency("2 seconds"), latency("1 hour")])
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(SocketServer.listen(provider), scope)
      for (const executed of [1, 2]) {
        const { closed, socket } = yield* dial(port, `POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`)
        yield* provider.awaitRequest({ times: executed })
        socket.resetAndDestroy()
        yield* until(closed)
        assert.strictEqual(provider.ledger.length, executed - 1)
        yield* TestClock.adjust("2 seconds")
        yield* provider.awaitExecuted({ times: executed })
      }
      yield* dial(port, `POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`)
      yield* provider.awaitRequest({ times: 3 })
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(provider.ledger.length, 2)
    })
  )

  it.effect("the end of the scope ends every connection, whatever it is at", () =>
    Effect.gen(function* () {
      const provider = double([
        undefined,
        stallBeforeHeaders({ executes: false }),
        stallInBody,
        latency("1 hour"),
        hugeBody(1024 ** 3)
      ])
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(SocketServer.listen(provider), scope)
      const connections = [
        yield* dial(port),
        yield* dial(port, "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1234"),
        yield* dial(port, "GET / HT")
      ]
      for (const n of [1, 2, 3, 4, 5]) {
        connections.push(yield* dial(port, get()))
        yield* provider.awaitRequest({ times: n })
      }
      yield* until(() => connections[3]!.text().endsWith(JSON.stringify(thing)))
      // One that neither reads nor closes its side.
      const deaf = yield* dial(port, get(), { port, allowHalfOpen: true })
      deaf.socket.pause()
      yield* provider.awaitRequest({ times: 6 })
      assert.deepStrictEqual(
        connections.map(({ closed }) => closed()),
        connections.map(() => false)
      )
      yield* Scope.close(scope, Exit.void)
      for (const { closed } of connections) yield* until(closed)
      assert.strictEqual(yield* codeOfDial(port), "ECONNREFUSED")
      deaf.socket.destroy()
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("while it refuses, it drops what is on its way, and the port opens when the last has ended", () =>
    Effect.gen(function* () {
      const provider = double([stallBeforeHeaders({ executes: false })])
      const scope = yield* Scope.make()
      const { port, refusing } = yield* Scope.provide(SocketServer.listen(provider), scope)
      const stalled = yield* dial(port, get())
      yield* provider.awaitRequest()
      const first = yield* Effect.forkChild(refusing(Effect.sleep("1 second")), { startImmediately: true })
      yield* until(stalled.closed)
      const second = yield* Effect.forkChild(refusing(Effect.sleep("3 seconds")), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(first)
      assert.strictEqual(yield* codeOfDial(port), "ECONNREFUSED")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
      assert.strictEqual(yield* codeOfDial(port), "connected")
      // It opens after a failure and an interruption as well, but not when the scope has ended.
      assert.strictEqual(yield* Effect.flip(refusing(Effect.fail("no"))), "no")
      const third = yield* Effect.forkChild(refusing(Effect.never), { startImmediately: true })
      yield* until(() => third.pollUnsafe() === undefined)
      yield* Fiber.interrupt(third)
      assert.strictEqual(yield* codeOfDial(port), "connected")
      yield* refusing(Scope.close(scope, Exit.void))
      assert.strictEqual(yield* codeOfDial(port), "ECONNREFUSED")
      yield* refusing(Effect.void)
      assert.strictEqual(yield* codeOfDial(port), "ECONNREFUSED")
    })
  )

  it.effect("callers have noticed that their idle connections are gone before it refuses, if they ever do", () =>
    Effect.gen(function* () {
      const { port, refusing, url } = yield* SocketServer.listen(double())
      const agent = new Http.Agent({ keepAlive: true })
      // It sends over a free connection in the very turn in which it is asked.
      const byAgent = Effect.callback<unknown>((resume) => {
        const request = Http.get(url, { agent }, (response) => {
          response.resume()
          response.on("end", () => resume(Effect.succeed(response.statusCode)))
        })
        request.on("error", (error) => resume(Effect.succeed((error as { readonly code?: string }).code)))
      })
      for (const _ of [1, 2, 3]) {
        assert.strictEqual(yield* byAgent, 200)
        assert.strictEqual(yield* refusing(byAgent), "ECONNREFUSED")
      }
      agent.destroy()
      const deaf = yield* dial(port, "", { port, allowHalfOpen: true })
      assert.strictEqual(yield* refusing(codeOfDial(port)), "ECONNREFUSED")
      deaf.socket.destroy()
    })
  )

  it.effect("a port that can't be had is a typed error that says what to do", () =>
    Effect.gen(function* () {
      const { port } = yield* SocketServer.listen(double())
      const error = yield* Effect.flip(SocketServer.listen(double(), { port }))
      assert.strictEqual(error.reason, "PortInUse")
      assert.strictEqual(error.port, port)
      assert.strictEqual(
        error.message,
        `can't listen on 127.0.0.1:${port}: somebody else does; end that process, give another port, ` +
          "or leave `port` out to get a free one"
      )
      for (const wrong of [-1, 1.5, 65_536, NaN]) {
        assert.strictEqual((yield* Effect.flip(SocketServer.listen(double(), { port: wrong }))).reason, "InvalidPort")
      }
      assert.include(new SocketServer.SocketError({ reason: "NotPermitted", port: 80 }).message, "a port above 1023")
      const failed = new SocketServer.SocketError({ reason: "Failed", port: 80, cause: new Error("EWHAT") })
      assert.include(failed.message, "127.0.0.1:80: EWHAT")
    })
  )

  it.effect("it dies where another process took the port that it kept closed", () =>
    Effect.gen(function* () {
      const { port, refusing } = yield* SocketServer.listen(double())
      const exit = yield* Effect.exit(refusing(SocketServer.listen(double(), { port })))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(defect, SocketServer.SocketError)
      assert.strictEqual((defect as SocketServer.SocketError).reason, "PortInUse")
    })
  )

  it.effect("a port that was given is the port, again and again", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(SocketServer.listen(double()))
      for (const _ of [1, 2]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const listening = yield* SocketServer.listen(double(), { port })
            assert.deepStrictEqual([listening.port, listening.url], [port, `http://127.0.0.1:${port}`])
            yield* dial(port, get())
          })
        )
      }
    })
  )

  it.effect("a double that fails is logged and answers 500, and the next request is served", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ cause, message }) => logged.push(`${String(message)} ${Cause.pretty(cause)}`))
    const answers: ReadonlyArray<FaultInjection.Options["respond"]> = [
      () => {
        throw new Error("no such table")
      },
      () => Effect.die(new Error("no such row")),
      () => ({ status: 103 }),
      () => ({ headers: { "x-bad": "a\nb" } }),
      () => Effect.interrupt,
      () => ({ body: thing })
    ]
    const provider = double(undefined, (request) => answers[request.index]!(request))
    return Effect.gen(function* () {
      const { url } = yield* SocketServer.listen(provider)
      const seen: Array<string> = []
      for (const _ of answers) {
        const exit = yield* Effect.exit(send(HttpClientRequest.get(url)))
        seen.push(Exit.isSuccess(exit) ? `${exit.value.status} ${exit.value.text}` : "lost")
      }
      assert.deepStrictEqual(seen.toSpliced(3, 1), [
        "500 the double failed: no such table",
        "500 the double failed: no such row",
        "500 the double failed: status 103 can't be sent as an answer; give one from 200 to 599",
        "lost",
        `200 ${JSON.stringify(thing)}`
      ])
      assert.match(seen[3]!, /^500 the double failed: Invalid character/)
      assert.strictEqual(logged.length, 4)
      assert.include(logged[0], "no such table")
    }).pipe(Effect.provide([undici!, Logger.layer([logger])]))
  })

  it.effect("handlers run with the services of who listens", () => {
    const Who = Context.Reference("test/Who", { defaultValue: () => "nobody" })
    return Effect.gen(function* () {
      const provider = double(undefined, () =>
        Effect.gen(function* () {
          yield* Effect.sleep("1 minute")
          return { body: [yield* Who, provider.requests[0]!.at] }
        })
      )
      yield* TestClock.adjust("5 seconds")
      const { url } = yield* Effect.provideService(SocketServer.listen(provider), Who, "me")
      const fiber = yield* Effect.forkChild(send(HttpClientRequest.get(url)))
      yield* provider.awaitRequest()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).text, '["me",5000]')
    }).pipe(Effect.provide(undici!))
  })

  it.effect("windows of time begin when it listens", () => {
    const provider = double(FaultInjection.window({ to: "10 seconds" }, status(503)))
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      const { url } = yield* SocketServer.listen(provider)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* send(HttpClientRequest.get(url))).status, 503)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* send(HttpClientRequest.get(url))).status, 200)
    }).pipe(Effect.provide(undici!))
  })

  it.effect("targets that are no path are read all the same", () => {
    const provider = double()
    return Effect.gen(function* () {
      const { port, url } = yield* SocketServer.listen(provider)
      for (const target of ["http://other.example/x?y=1", "*", "//evil.example/x", "/%zz"]) {
        const connection = yield* dial(port, `OPTIONS ${target} HTTP/1.1\r\nhost: x\r\nx-a: 1\r\nx-a: 2\r\n\r\n`)
        yield* until(() => connection.text().startsWith("HTTP/1.1 200"))
      }
      assert.deepStrictEqual(
        provider.requests.map((request) => request.url),
        ["http://other.example/x?y=1", `${url}/`, `${url}//evil.example/x`, `${url}/%zz`]
      )
      assert.strictEqual(provider.requests[0]!.headers["x-a"], "1, 2")
    })
  })
})

// ---- with an integration

class Down extends Data.TaggedError("Down") {}

class Things extends Integration.Service<Things>()(
  "test/Things",
  {
    policy: Policy.stack(
      Policy.totalDeadline("10 seconds"),
      Policy.retry(Policy.backoff({ base: 0 })),
      Policy.attemptTimeout("3 seconds")
    ),
    exhausted: Exhaustion.fail,
    orElse: () => new Down()
  },
  { get: HttpOperation.endpoint(ProviderApi, "things", "get") }
) {}

class Others extends Integration.Service<Others>()(
  "test/Others",
  { policy: once(), exhausted: Exhaustion.fail, orElse: () => new Down() },
  { get: HttpOperation.endpoint(ProviderApi, "things", "get") }
) {}

class FakeProvider extends Upstream.Service<FakeProvider>()("test/FakeProvider", ProviderApi, {
  state: () => ({ reads: 0 }),
  basePath: "/api/v3",
  keys: KeyWindow.make({ lifetime: "24 hours" }),
  guard: ({ wire }) =>
    Effect.succeed(wire.headers["x-blocked"] === undefined ? undefined : HttpServerResponse.empty({ status: 401 })),
  handlers: {
    things: {
      get: ({ params }, { state }) => Effect.succeed({ id: params.id, amount: ++state.reads }),
      create: () => Effect.fail(new CardError({ code: "expired" }))
    }
  }
}) {}

describe("SocketServer.layer", () => {
  const get = { params: { id: "a" } }

  for (const { client, name } of clients) {
    it.effect(`real policies over a real connection: ${name}`, () =>
      Effect.gen(function* () {
        const upstream = yield* FakeProvider
        yield* upstream.inject([cutBody, responseLost])
        const { get: find } = yield* Things
        assert.deepStrictEqual(yield* find(get), { id: "a", amount: 3 })
        const recording = yield* IntegrationTest.Recording
        expectOutcome(recording).of("get", { attempts: ["BodyLost", "Disconnected", "Success"] })
        expectExecuted(upstream).never()
        // A failed assertion shows the calls, which happened on a socket.
        assert.throws(() => expectExecuted(upstream).once("things.create"), /Things get: ok_after_retry[^]*met CutBody/)
        assert.strictEqual(upstream.state.reads, 3)
        assert.match(upstream.requests[0]!.url, /^http:\/\/127\.0\.0\.1:\d+\/api\/v3\/things\/a$/)
      }).pipe(Effect.provide([SocketServer.layer(Things, FakeProvider, { client }), Logger.layer([])]))
    )
  }

  it.effect("every build has a provider of its own; integrations that are provided together share it", () => {
    const test = Layer.mergeAll(
      SocketServer.layer(Things, FakeProvider, { client: undici! }),
      SocketServer.layer(Others, FakeProvider, { client: undici! })
    )
    const once = Effect.gen(function* () {
      const one = yield* (yield* Things).get(get)
      const other = yield* (yield* Others).get(get)
      expectOutcome(yield* IntegrationTest.Recording).calls(2, "get")
      return [one.amount, other.amount]
    }).pipe(Effect.provide(test, { local: true }))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* once, [1, 2])
      assert.deepStrictEqual(yield* once, [1, 2])
    }).pipe(Effect.provide(Logger.layer([])))
  })

  it.effect("takes a double, a port and the options of the integration", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(SocketServer.listen(double()))
      const upstream = Upstream.make(ProviderApi, { handlers: { things: { get: () => Effect.succeed(thing) } } })
      const layer = SocketServer.layer(Things, upstream, {
        client: undici!,
        port,
        correlationHeader: "x-correlation-id"
      })
      const found = Effect.flatMap(Things, (things) => things.get(get))
      assert.deepStrictEqual(yield* Effect.provide(found, layer), thing)
      assert.strictEqual(upstream.requests[0]!.headers["host"], `127.0.0.1:${port}`)
      assert.match(upstream.requests[0]!.headers["x-correlation-id"]!, /./)
      yield* SocketServer.listen(double(), { port })
      const error = yield* Effect.flip(Effect.provide(found, layer, { local: true }))
      assert.strictEqual(error._tag === "SocketError" && error.port, port)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("a double that listens is given to IntegrationTest, and can refuse", () =>
    Effect.gen(function* () {
      const upstream = Upstream.make(ProviderApi, { state: () => ({ seen: 0 }) })
      const { refusing, through, url } = yield* SocketServer.listen(upstream)
      const over = through(undici!)
      assert.strictEqual(over.baseUrl, url)
      assert.strictEqual(over.state, upstream.state)
      const error = yield* Effect.gen(function* () {
        const error = yield* refusing(Effect.flip((yield* Things).get(get)))
        expectOutcome(yield* IntegrationTest.Recording).of("get", {
          outcome: "NotSent",
          attempts: ["Unreachable", "Unreachable", "Unreachable"]
        })
        return error
      }).pipe(Effect.provide(IntegrationTest.layer(Things, over)))
      assert.strictEqual(error._tag, "Down")
      assert.strictEqual(upstream.requests.length, 0)
    }).pipe(Effect.provide(Logger.layer([])))
  )
})
