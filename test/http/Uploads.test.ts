import { assert, describe, it } from "@effect/vitest"
import { type CallFailure, Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { Auth, HttpIntegration, HttpOperation, Upload } from "breakwater/http"
import { Context, Effect, Exit, Fiber, Layer, Redacted, Ref, Schema, type Scope, Stream } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { TestClock } from "effect/testing"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { answer, clients, closedPort, json, once, quiet, Seen, seen, serve, thrice, until } from "./wire.ts"

// ---- a provider that takes files

const Saved = Schema.Struct({ size: Schema.Int })
const Row = Schema.Struct({ n: Schema.Int })
const params = { name: Schema.String }

class Api extends HttpApi.make("store").add(
  HttpApiGroup.make("files").add(
    HttpApiEndpoint.put("put", "/files/:name", { params, payload: HttpApiSchema.StreamUint8Array(), success: Saved }),
    HttpApiEndpoint.post("add", "/files/:name", { params, payload: HttpApiSchema.StreamUint8Array(), success: Saved }),
    HttpApiEndpoint.put("rows", "/rows", { payload: HttpApiSchema.StreamNdjson({ schema: Row }), success: Saved }),
    HttpApiEndpoint.post("form", "/form", {
      payload: Schema.Struct({ file: Schema.String }).pipe(HttpApiSchema.asMultipart()),
      success: Saved
    })
  )
) {}

const byName = Idempotency.keyed(
  ({ params }: { readonly params: { readonly name: string } }) => IdempotencyKey.derive("add", params.name),
  { lifetime: "1 day" }
)

class Store extends Integration.Service<Store>()(
  "test/Store",
  { policy: thrice(), exhausted: Exhaustion.fail, orElse: seen },
  {
    put: HttpOperation.upload(Api, "files", "put", { body: "replayable" }),
    add: HttpOperation.upload(Api, "files", "add", { body: "replayable", idempotency: byName }),
    addUnsafe: HttpOperation.upload(Api, "files", "add", {
      body: "replayable",
      idempotency: Idempotency.atMostOnce("each one is another file")
    }),
    putOnce: HttpOperation.upload(Api, "files", "put", { body: "once", policy: once() }),
    addOnce: HttpOperation.upload(Api, "files", "add", { body: "once", idempotency: byName, policy: once() }),
    rows: HttpOperation.upload(Api, "files", "rows", { body: "replayable" }),
    form: HttpOperation.endpoint(Api, "files", "form", { idempotency: Idempotency.inherent("by its name") })
  }
) {}

type Options = Parameters<typeof HttpIntegration.layer<Store, "test/Store", Store["Service"], never>>[1]

const connect = (
  client: Layer.Layer<HttpClient.HttpClient>,
  baseUrl: string,
  options: Partial<Options> = {}
): Effect.Effect<Store["Service"], never, Scope.Scope> =>
  Effect.map(
    Layer.build(HttpIntegration.layer(Store, { baseUrl, ...options }).pipe(Layer.provide(client), Layer.orDie)),
    (context) => Context.get(context, Store)
  )

const [undici] = clients as unknown as [(typeof clients)[number]]

// ---- bodies

const text = new TextEncoder()
const pieces = ["first,", "second,", "third"].map((part) => text.encode(part))
const whole = "first,second,third"
const saved = json(200, { size: 18 })

/** A source that counts how often it was opened, closed and asked. */
const counted = (stream: Stream.Stream<Uint8Array, unknown> = Stream.fromIterable(pieces).pipe(Stream.rechunk(1))) => {
  const count = { opened: 0, closed: 0, pieces: 0 }
  const make = () =>
    Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => count.opened++),
          () => Effect.sync(() => count.closed++)
        ),
        Stream.tap(stream, () => Effect.sync(() => count.pieces++))
      )
    )
  return { count, make }
}

const failureOf = <A>(exit: Exit.Exit<A, unknown>): CallFailure.CallFailure => {
  assert(Exit.isFailure(exit), "it succeeded")
  const [reason] = exit.cause.reasons
  assert(reason?._tag === "Fail" && reason.error instanceof Seen, `failed otherwise: ${String(exit.cause)}`)
  return reason.error.failure
}

const summary = ({ outcome, reason, attempts }: CallFailure.CallFailure) => ({
  reason: reason._tag,
  outcome,
  attempts: attempts.length
})

const name = { name: "a.txt" }

// ---- a server with the request in its hand, before its body has come

interface Arrival {
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
}

const accepting = (act: (arrival: Arrival) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ server: Http.Server; seen: Array<Arrival> }>((resume) => {
        const seen: Array<Arrival> = []
        const server = Http.createServer((request, response) => {
          request.on("error", () => {})
          response.on("error", () => {})
          seen.push({ request, response })
          act({ request, response })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, seen })))
      }),
      ({ server }) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ seen, server }) => ({ seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  )

/** A source that never ends, a piece whenever it is asked. */
const endless = Stream.fromEffectRepeat(
  Effect.as(
    Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
    new Uint8Array(16_384)
  )
)

describe("a replayable body", () => {
  for (const { client, name: by } of clients) {
    it.effect(`is made and sent whole for each attempt: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* serve(answer(503), answer(503), saved)
        const store = yield* connect(client, wire.url)
        const { count, make } = counted()
        assert.deepStrictEqual(yield* store.put({ params: name, payload: Upload.replayable(make) }), { size: 18 })
        assert.deepStrictEqual(
          wire.requests.map(({ text }) => text),
          [whole, whole, whole]
        )
        assert.strictEqual(wire.requests[0]?.headers["content-type"], "application/octet-stream")
        assert.deepStrictEqual(count, { opened: 3, closed: 3, pieces: 9 })
      }).pipe(Effect.provide(quiet))
    )
  }

  it.effect("is sent again only as far as its idempotency allows", () =>
    Effect.gen(function* () {
      const wire = yield* serve(answer(503), saved)
      const store = yield* connect(undici.client, wire.url)
      const payload = Upload.replayable(counted().make)
      const unsafe = failureOf(yield* Effect.exit(store.addUnsafe({ params: name, payload })))
      assert.deepStrictEqual(summary(unsafe), { reason: "Unavailable", outcome: "Unknown", attempts: 1 })
      wire.script(answer(503), saved)
      yield* store.add({ params: name, payload })
      const keys = wire.requests.slice(1).map(({ headers }) => headers["idempotency-key"])
      assert.strictEqual(keys.length, 2)
      assert.isString(keys[0])
      assert.strictEqual(keys[0], keys[1])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is made again for a credential that was renewed", () =>
    Effect.gen(function* () {
      const wire = yield* serve(answer(401), saved)
      const tokens = yield* Ref.make(0)
      const store = yield* connect(undici.client, wire.url, {
        auth: Auth.bearer(
          Effect.map(
            Ref.updateAndGet(tokens, (n) => n + 1),
            (n) => Redacted.make(`t${n}`)
          )
        )
      })
      const { count, make } = counted()
      yield* store.put({ params: name, payload: Upload.replayable(make) })
      assert.deepStrictEqual(
        wire.requests.map(({ text }) => text),
        [whole, whole]
      )
      assert.deepStrictEqual(count, { opened: 2, closed: 2, pieces: 6 })
    }).pipe(Effect.provide(quiet))
  )

  it.effect("of elements is encoded, one per line; one that does not fit its schema is the caller's failure", () =>
    Effect.gen(function* () {
      const wire = yield* serve(saved)
      const store = yield* connect(undici.client, wire.url)
      yield* store.rows({ payload: Upload.replayable(() => Stream.make({ n: 1 }, { n: 2 })) })
      assert.strictEqual(wire.requests[0]?.text, '{"n":1}\n{"n":2}\n')
      const bad = Upload.replayable(() => Stream.make({ n: 1.5 }))
      const failure = failureOf(yield* Effect.exit(store.rows({ payload: bad })))
      assert.deepStrictEqual(summary(failure), { reason: "SourceFailed", outcome: "NotSent", attempts: 1 })
      assert.strictEqual(wire.requests.length, 1)
    }).pipe(Effect.provide(quiet))
  )

  it.effect("may be empty", () =>
    Effect.gen(function* () {
      const wire = yield* serve(saved)
      const store = yield* connect(undici.client, wire.url)
      yield* store.put({ params: name, payload: Upload.replayable(() => Stream.empty) })
      assert.strictEqual(wire.requests[0]?.text, "")
    }).pipe(Effect.provide(quiet))
  )
})

describe("a body that can be sent once only", () => {
  for (const { client, name: by } of clients) {
    it.effect(`is sent once: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* serve(answer(503), saved)
        const store = yield* connect(client, wire.url)
        const { count, make } = counted()
        const payload = Upload.once(make())
        const failure = failureOf(yield* Effect.exit(store.putOnce({ params: name, payload })))
        assert.deepStrictEqual(summary(failure), { reason: "Unavailable", outcome: "Unknown", attempts: 1 })
        assert.strictEqual(failure.repeat, "AtMostOnce")
        // Nor by another call with the same value.
        const again = failureOf(yield* Effect.exit(store.putOnce({ params: name, payload })))
        assert.deepStrictEqual(summary(again), { reason: "SourceFailed", outcome: "NotSent", attempts: 1 })
        assert.deepStrictEqual(
          wire.requests.map(({ text }) => text),
          [whole]
        )
        assert.deepStrictEqual(count, { opened: 1, closed: 1, pieces: 3 })
      }).pipe(Effect.provide(quiet))
    )

    it.effect(`is not sent where nobody listens: ${by}`, () =>
      Effect.gen(function* () {
        const store = yield* connect(client, `http://127.0.0.1:${yield* closedPort}`)
        const { count, make } = counted()
        const failure = failureOf(yield* Effect.exit(store.putOnce({ params: name, payload: Upload.once(make()) })))
        assert.deepStrictEqual(summary(failure), { reason: "Unreachable", outcome: "NotSent", attempts: 1 })
        assert.strictEqual(count.closed, 1)
      }).pipe(Effect.provide(quiet))
    )
  }

  it.effect("is not sent again with another credential, which the next call has", () =>
    Effect.gen(function* () {
      const wire = yield* serve(answer(401), saved)
      const tokens = yield* Ref.make("old")
      const store = yield* connect(undici.client, wire.url, {
        auth: Auth.bearer(Effect.map(Ref.getAndSet(tokens, "new"), Redacted.make))
      })
      const failure = failureOf(
        yield* Effect.exit(store.putOnce({ params: name, payload: Upload.once(counted().make()) }))
      )
      assert.deepStrictEqual(summary(failure), { reason: "Rejected", outcome: "Refused", attempts: 1 })
      assert.include(failure.reason.message, "this body can be sent once only")
      assert.strictEqual(wire.requests.length, 1)
      yield* store.putOnce({ params: name, payload: Upload.once(counted().make()) })
      assert.deepStrictEqual(
        wire.requests.map(({ headers }) => headers.authorization),
        ["Bearer old", "Bearer new"]
      )
    }).pipe(Effect.provide(quiet))
  )

  it.effect("carries its key all the same", () =>
    Effect.gen(function* () {
      const wire = yield* serve(saved)
      const store = yield* connect(undici.client, wire.url)
      yield* store.addOnce({ params: name, payload: Upload.once(counted().make()) })
      assert.isString(wire.requests[0]?.headers["idempotency-key"])
    }).pipe(Effect.provide(quiet))
  )

  it.effect("is refused where a policy would retry, when the layer is built", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(
          Layer.build(
            HttpIntegration.layer(Store, {
              baseUrl: "http://127.0.0.1",
              policy: { putOnce: Policy.standard() }
            }).pipe(Layer.provide(undici.client))
          )
        )
      )
      assert(error._tag === "PolicyError")
      assert.deepStrictEqual(error.problems, ["its body can be sent once only: give Policy.retryNever(reason)"])
    })
  )

  it.effect("is not taken for one that can be made again", () =>
    Effect.gen(function* () {
      const wire = yield* serve(saved)
      const store = yield* connect(undici.client, wire.url)
      const payload = Upload.once(counted().make()) as never
      const failure = failureOf(yield* Effect.exit(store.put({ params: name, payload })))
      assert.deepStrictEqual(summary(failure), { reason: "InvalidInput", outcome: "NotSent", attempts: 0 })
      assert.strictEqual(wire.requests.length, 0)
    }).pipe(Effect.provide(quiet))
  )
})

describe("a source that fails", () => {
  const broken = new Error("the disk is gone")

  for (const { client, name: by } of clients) {
    it.effect(`before its first piece sends nothing: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* accepting(() => {})
        const store = yield* connect(client, wire.url)
        const { count, make } = counted(Stream.fail(broken))
        const failure = failureOf(yield* Effect.exit(store.put({ params: name, payload: Upload.replayable(make) })))
        assert.deepStrictEqual(summary(failure), { reason: "SourceFailed", outcome: "NotSent", attempts: 1 })
        assert.strictEqual(failure.reason.cause, broken)
        assert.strictEqual(failure.reason.health, "ignored")
        assert.notInclude(failure.message, "disk")
        assert.strictEqual(wire.seen.length, 0)
        assert.strictEqual(count.closed, 1)
      }).pipe(Effect.provide(quiet))
    )

    it.effect(`in the middle cuts the request, and is not taken for its end: ${by}`, () =>
      Effect.gen(function* () {
        let ended = 0
        let cut = 0
        const wire = yield* accepting(({ request, response }) => {
          request.resume()
          request.on("end", () => {
            ended++
            response.end("{}")
          })
          request.on("close", () => {
            if (!request.complete) cut++
          })
        })
        const store = yield* connect(client, wire.url)
        const { count, make } = counted(
          Stream.concat(Stream.fromIterable(pieces).pipe(Stream.rechunk(1)), Stream.fail(broken))
        )
        const failure = failureOf(yield* Effect.exit(store.put({ params: name, payload: Upload.replayable(make) })))
        assert.deepStrictEqual(summary(failure), { reason: "SourceFailed", outcome: "Unknown", attempts: 1 })
        assert.strictEqual(failure.reason.cause, broken)
        if (wire.seen.length > 0) yield* until(() => cut === 1)
        assert.strictEqual(ended, 0)
        assert.deepStrictEqual(count, { opened: 1, closed: 1, pieces: 3 })
      }).pipe(Effect.provide(quiet))
    )
  }
})

describe("a length that was told", () => {
  it.effect("is sent", () =>
    Effect.gen(function* () {
      const wire = yield* serve(saved)
      const store = yield* connect(undici.client, wire.url)
      const payload = Upload.replayable(counted().make, { contentLength: whole.length })
      yield* store.put({ params: name, payload })
      assert.strictEqual(wire.requests[0]?.headers["content-length"], "18")
      assert.strictEqual(wire.requests[0]?.text, whole)
    }).pipe(Effect.provide(quiet))
  )

  for (const { client, name: by } of clients) {
    for (const [contentLength, message] of [
      [17, "the body has more than the 17 bytes that it was said to have"],
      [19, "the body has 18 of the 19 bytes that it was said to have"]
    ] as const) {
      it.effect(`is held against what comes, ${contentLength} of 18: ${by}`, () =>
        Effect.gen(function* () {
          const wire = yield* serve(saved)
          const store = yield* connect(client, wire.url)
          const payload = Upload.replayable(counted().make, { contentLength })
          const failure = failureOf(yield* Effect.exit(store.put({ params: name, payload })))
          assert.deepStrictEqual(summary(failure), { reason: "SourceFailed", outcome: "Unknown", attempts: 1 })
          assert.strictEqual(failure.reason.message, message)
          assert.strictEqual(wire.requests.length, 0)
        }).pipe(Effect.provide(quiet))
      )
    }
  }
})

describe("a client that asks twice", () => {
  it.effect("gets the body once", () =>
    Effect.gen(function* () {
      const read: Array<unknown> = []
      const twice = HttpClient.make((request) =>
        Effect.gen(function* () {
          assert(request.body._tag === "Stream")
          for (let i = 0; i < 2; i++) read.push((yield* Effect.exit(Stream.runCollect(request.body.stream)))._tag)
          return HttpClientResponse.fromWeb(request, Response.json({ size: 18 }))
        })
      )
      const store = yield* connect(Layer.succeed(HttpClient.HttpClient, twice), "http://127.0.0.1")
      const { count, make } = counted()
      const failure = failureOf(yield* Effect.exit(store.putOnce({ params: name, payload: Upload.once(make()) })))
      // It answered, with success even; what it sent the second time nobody knows.
      assert.deepStrictEqual(summary(failure), { reason: "SourceFailed", outcome: "Unknown", attempts: 1 })
      assert.deepStrictEqual(read, ["Success", "Failure"])
      assert.deepStrictEqual(count, { opened: 1, closed: 1, pieces: 3 })
    }).pipe(Effect.provide(quiet))
  )
})

describe("an upload that does not come to its end", () => {
  for (const { client, name: by } of clients) {
    it.effect(`has the answer that came early, and stops its source: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* accepting(({ request, response }) => {
          request.once("data", () => {
            request.pause()
            response.writeHead(413, { "content-type": "text/plain", "content-length": "9" })
            response.end("too large")
          })
        })
        const store = yield* connect(client, wire.url)
        const { count, make } = counted(endless)
        const failure = failureOf(yield* Effect.exit(store.put({ params: name, payload: Upload.replayable(make) })))
        assert.deepStrictEqual(summary(failure), { reason: "Rejected", outcome: "Refused", attempts: 1 })
        assert.strictEqual(failure.reason.status, 413)
        assert.strictEqual(count.closed, 1)
      }).pipe(Effect.provide(quiet))
    )

    it.effect(`is cut by its attempt timeout, and stops its source: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* accepting(({ request }) => request.pause())
        const store = yield* connect(client, wire.url)
        const { count, make } = counted(endless)
        const fiber = yield* Effect.forkChild(
          Effect.exit(store.putOnce({ params: name, payload: Upload.once(make()) }))
        )
        yield* until(() => wire.seen.length === 1 && count.pieces > 1)
        yield* TestClock.adjust("5 seconds")
        const failure = failureOf(yield* Fiber.join(fiber))
        assert.deepStrictEqual(summary(failure), { reason: "Timeout", outcome: "Unknown", attempts: 1 })
        assert.strictEqual(count.closed, 1)
        // Who does not read does not see that the connection is closed.
        wire.seen[0]!.request.resume()
        yield* until(() => wire.seen[0]!.request.destroyed)
      }).pipe(Effect.provide(quiet))
    )

    it.effect(`stops its source when the caller leaves: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* accepting(({ request }) => request.resume())
        const store = yield* connect(client, wire.url)
        const { count, make } = counted(endless)
        const fiber = yield* Effect.forkChild(store.put({ params: name, payload: Upload.replayable(make) }))
        yield* until(() => wire.seen.length === 1 && count.pieces > 3)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(count.closed, 1)
        yield* until(() => wire.seen[0]!.request.destroyed)
      }).pipe(Effect.provide(quiet))
    )
  }

  it.effect("was not sent if its source did not begin in time", () =>
    Effect.gen(function* () {
      const wire = yield* accepting(() => {})
      const store = yield* connect(undici.client, wire.url)
      const { count, make } = counted(Stream.never)
      const fiber = yield* Effect.forkChild(Effect.exit(store.putOnce({ params: name, payload: Upload.once(make()) })))
      yield* until(() => count.opened === 1)
      yield* TestClock.adjust("5 seconds")
      const failure = failureOf(yield* Fiber.join(fiber))
      assert.deepStrictEqual(summary(failure), { reason: "Timeout", outcome: "NotSent", attempts: 1 })
      assert.strictEqual(count.closed, 1)
      assert.strictEqual(wire.seen.length, 0)
    }).pipe(Effect.provide(quiet))
  )
})

describe("a form", () => {
  for (const { client, name: by } of clients) {
    it.effect(`is a value: every attempt sends the same bytes, its boundary included: ${by}`, () =>
      Effect.gen(function* () {
        const wire = yield* serve(answer(503), saved)
        const store = yield* connect(client, wire.url)
        const payload = new FormData()
        payload.append("file", new Blob(["hello"], { type: "text/plain" }), "a.txt")
        yield* store.form({ payload })
        assert.strictEqual(wire.requests.length, 2)
        assert.include(wire.requests[0]?.text, "hello")
        assert.strictEqual(wire.requests[0]?.text, wire.requests[1]?.text)
        assert.strictEqual(wire.requests[0]?.headers["content-type"], wire.requests[1]?.headers["content-type"])
      }).pipe(Effect.provide(quiet))
    )
  }
})
