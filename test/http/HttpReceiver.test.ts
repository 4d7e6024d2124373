import { assert, describe, it } from "@effect/vitest"
import { IdempotencyKey, IdempotencyStore, IdempotencyStoreMemory, Receiver, Telemetry } from "breakwater"
import {
  Arbitrary,
  Context,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  References,
  Schema,
  Scope,
  Stream
} from "effect"
import { Headers, HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import {
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  OpenApi
} from "effect/http-api"
import { NodeHttpServer } from "@effect/platform-node"
import { TestClock } from "effect/testing"
import { isDeepStrictEqual } from "node:util"
import * as HttpReceiver from "../../src/http/HttpReceiver.ts"
import { fingerprintOf, keyOf } from "../../src/http/internal/receiverRequest.ts"
import { type Answer, post, serve, Tenant, transactional, Writes } from "./receiverServers.ts"

const { problems } = HttpReceiver
const leased = Receiver.leased({ onLostLease: "rerun" })
const hold = Receiver.leased({ onLostLease: "hold" })

type Handler<E = never, R = never> = (
  request: HttpServerRequest.HttpServerRequest,
  n: number
) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const created = (value: unknown, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(value, { status: 201, headers })

/** A route behind the receiver, whose runs are counted, over a store that the test can look into. */
const counted = <E = never>(
  handler: Handler<E, Receiver.Running | Scope.Scope> = (_, n) => Effect.succeed(created({ n })),
  options: Partial<HttpReceiver.Options<Receiver.Leased, never>> = {},
  store?: (store: IdempotencyStore.Store) => IdempotencyStore.Store
) =>
  Effect.gen(function* () {
    const memory = yield* IdempotencyStoreMemory.make
    const runs: Array<string> = []
    const idempotent = HttpReceiver.middleware({ name: "shop", mode: leased, principal: "shared", ...options })
    const send = yield* serve(
      HttpRouter.add("*", "/charges", (request) =>
        Effect.suspend(() => {
          runs.push(request.url)
          return handler(request, runs.length)
        })
      ).pipe(
        Layer.provide(idempotent.layer),
        Layer.provide(Layer.succeed(IdempotencyStore.IdempotencyStore, store?.(memory) ?? memory))
      )
    )
    return { send, runs, store: memory, record: memory.get({ scope: "shop|*|POST /charges", key: "k" }) }
  })

const isReplay = (answer: Answer, of: Answer) => {
  assert.strictEqual(answer.status, of.status)
  assert.deepStrictEqual(answer.bytes, of.bytes)
  assert.strictEqual(answer.headers["idempotent-replayed"], "true")
}

const isProblem = (answer: Answer, status: number, type: string) =>
  assert.deepStrictEqual([answer.status, answer.type], [status, type])

const unavailable = (tookEffect: "no" | "unknown", operation: keyof IdempotencyStore.Store = "claim") =>
  new IdempotencyStore.StoreError({ reason: "Unavailable", store: "test", operation, tookEffect, cause: "down" })

class Broken extends Data.TaggedError("Broken")<{}> {}
class Declined extends Data.TaggedError("Declined")<{}> {
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpServerResponse.jsonUnsafe({ declined: true }, { status: 402 }))
  }
}

describe("HttpReceiver.middleware", () => {
  it.effect("the record is the answer, under the service, the principal and the route", () =>
    Effect.gen(function* () {
      const { record, send } = yield* counted()
      yield* send(post("k", '{"b":1,"a":2}', { path: "/charges?x=1" }))
      const { fingerprint, result, state } = Option.getOrThrow(yield* record)
      assert.strictEqual(state, "Done")
      assert.match(fingerprint, /^h1:[0-9a-f]{64}$/)
      assert.deepStrictEqual(JSON.parse(result!), {
        v: 1,
        status: 201,
        headers: { "content-type": "application/json" },
        text: '{"n":1}'
      })
    })
  )

  it.effect("names, principals and routes that look alike are apart", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStoreMemory.make
      const scopes = new Set<string>()
      const seen = {
        ...store,
        claim: (options: IdempotencyStore.ClaimOptions) => (scopes.add(options.scope), store.claim(options))
      }
      const cases: ReadonlyArray<readonly [name: string, principal: string | undefined]> = [
        ["a", "b"],
        ["a|b", "c"],
        ["a", "b|c"],
        ["a", undefined],
        ["a", "*"],
        ["a", "%2a"],
        ["a%7cb", "c"]
      ]
      for (const [name, principal] of cases) {
        const idempotent = HttpReceiver.middleware({
          name,
          mode: leased,
          principal: principal === undefined ? "shared" : Effect.succeed(principal)
        })
        const send = yield* serve(
          HttpRouter.add("POST", "/charges", Effect.succeed(created({}))).pipe(
            Layer.provide(idempotent.layer),
            Layer.provide(Layer.succeed(IdempotencyStore.IdempotencyStore, seen))
          )
        )
        assert.strictEqual((yield* send(post("k"))).headers["idempotent-replayed"], undefined)
      }
      assert.strictEqual(scopes.size, cases.length)
    })
  )

  it.effect("a principal that is empty would share the keys of tenants: nothing runs", () =>
    Effect.gen(function* () {
      const idempotent = HttpReceiver.middleware({ name: "shop", mode: leased, principal: Effect.succeed("") })
      const send = yield* serve(
        HttpRouter.add("POST", "/charges", Effect.succeed(created({}))).pipe(
          Layer.provide(idempotent.layer),
          Layer.provide(IdempotencyStoreMemory.layer)
        )
      )
      assert.strictEqual((yield* send(post("k"))).status, 500)
    })
  )

  it.effect("without `required` a request without a key is carried out each time, and derives keys of its own", () =>
    Effect.gen(function* () {
      const keys: Array<string> = []
      const { runs, send } = yield* counted(
        (_, n) =>
          Effect.map(Receiver.childKey("bank"), (key) => (keys.push(IdempotencyKey.toText(key)), created({ n }))),
        { required: false }
      )
      for (const _ of [1, 2]) assert.strictEqual((yield* send(post(undefined))).status, 201)
      for (const _ of [1, 2]) yield* send(post("k"))
      assert.strictEqual(runs.length, 3)
      assert.strictEqual(new Set(keys).size, 3)
      isProblem(yield* send(post("a b")), 400, problems.keyInvalid)
    })
  )

  it.effect("a handler derives the same keys in every run", () =>
    Effect.gen(function* () {
      const keys: Array<string> = []
      const { send } = yield* counted((_, n) =>
        Effect.map(Receiver.childKey("bank"), (key) => {
          keys.push(IdempotencyKey.toText(key))
          return n === 1 ? HttpServerResponse.empty({ status: 500 }) : created({ n })
        })
      )
      yield* send(post("k"))
      yield* send(post("k"))
      yield* send(post("l"))
      assert.strictEqual(keys[0], keys[1])
      assert.notStrictEqual(keys[1], keys[2])
    })
  )

  it.effect("another header, if told so", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted(undefined, { header: "X-Request-Key" })
      isProblem(yield* send(post("k")), 400, problems.keyMissing)
      const first = yield* send(post(undefined, "{}", { headers: { "x-request-key": "k" } }))
      isReplay(yield* send(post(undefined, "{}", { headers: { "x-request-key": '"k"' } })), first)
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("a finished request is forgotten after its time to live", () =>
    Effect.gen(function* () {
      const { send } = yield* counted()
      const first = yield* send(post("k"))
      yield* TestClock.adjust(Duration.subtract(Duration.hours(24), Duration.millis(1)))
      isReplay(yield* send(post("k")), first)
      yield* TestClock.adjust("1 milli")
      assert.strictEqual((yield* send(post("k"))).text, '{"n":2}')
    })
  )

  it.effect("a handler reads the body as it likes, and as often", () =>
    Effect.gen(function* () {
      const read = yield* counted((request) =>
        Effect.gen(function* () {
          const nested = request.modify({ url: "/other" })
          const again = nested.modify({ url: "/more" })
          const parts = [request, nested, again].map((one) =>
            Effect.gen(function* () {
              const bytes = yield* Stream.runCollect(one.stream)
              return [
                one.url,
                yield* one.text,
                JSON.stringify(yield* one.json),
                new TextDecoder().decode(yield* one.arrayBuffer),
                new TextDecoder().decode(bytes[0])
              ]
            })
          )
          return created(yield* Effect.all(parts))
        }).pipe(Effect.orDie)
      )
      const answer = yield* read.send(post("k", '{"a":1}'))
      const body = ['{"a":1}', '{"a":1}', '{"a":1}', '{"a":1}']
      assert.deepStrictEqual(JSON.parse(answer.text), [
        ["/charges", ...body],
        ["/other", ...body],
        ["/more", ...body]
      ])

      const form = yield* counted((request) =>
        Effect.gen(function* () {
          const parts = yield* request.multipart.pipe(Effect.provide(NodeHttpServer.layerHttpServices))
          return created({ note: parts["note"], files: (parts["file"] as ReadonlyArray<object>).length })
        }).pipe(Effect.orDie)
      )
      const data = new FormData()
      data.append("note", "hello")
      data.append("file", new Blob([Uint8Array.of(1, 2, 3)]), "a.bin")
      assert.strictEqual((yield* form.send(post("k", data))).text, '{"note":"hello","files":1}')

      const encoded = yield* counted((request) =>
        Effect.map(Effect.orDie(request.urlParamsBody), (params) => created(params.params))
      )
      const urlencoded = { headers: { "content-type": "application/x-www-form-urlencoded" } }
      assert.strictEqual((yield* encoded.send(post("k", "?a=1&b=2", urlencoded))).text, '[["?a","1"],["b","2"]]')
    })
  )

  it.effect("a body that is not JSON though it says so is compared byte by byte, and is the handler's to refuse", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted((request) => Effect.map(request.json, (json) => created({ json })))
      assert.strictEqual((yield* send(post("k", "{nope"))).status, 400)
      // Nothing happened: the key is free for what was meant.
      assert.strictEqual((yield* send(post("k", '{"ok":1}'))).text, '{"json":{"ok":1}}')
      assert.strictEqual(runs.length, 2)
      const deep = yield* counted()
      const nested = "[".repeat(200_000) + "]".repeat(200_000)
      const first = yield* deep.send(post("k", nested))
      assert.strictEqual(first.status, 201)
      isReplay(yield* deep.send(post("k", nested)), first)
      isProblem(yield* deep.send(post("k", `[1,${nested}]`)), 422, problems.keyReused)
    })
  )

  it.effect("a failure that is an answer is stored; one that does not match the request's schema frees the key", () =>
    Effect.gen(function* () {
      const declined = yield* counted(() => Effect.fail(new Declined()))
      const first = yield* declined.send(post("k"))
      assert.deepStrictEqual([first.status, first.text], [402, '{"declined":true}'])
      isReplay(yield* declined.send(post("k")), first)
      assert.strictEqual(declined.runs.length, 1)

      const validated = yield* counted((request) =>
        Effect.map(HttpServerRequest.schemaBodyJson(Schema.Struct({ amount: Schema.Int })), created).pipe(
          Effect.provideService(HttpServerRequest.HttpServerRequest, request)
        )
      )
      assert.strictEqual((yield* validated.send(post("k", '{"amount":"x"}'))).status, 400)
      assert.strictEqual((yield* validated.send(post("k", '{"amount":1}'))).status, 201)
    })
  )

  it.effect("any other failure is what it was, and follows the mode", () =>
    Effect.gen(function* () {
      const broken = yield* counted((_, n) => (n === 1 ? Effect.fail(new Broken()) : Effect.succeed(created({ n }))), {
        mode: hold
      })
      assert.strictEqual((yield* broken.send(post("k"))).status, 500)
      isProblem(yield* broken.send(post("k")), 409, problems.outcomeUnknown)
      const [held] = yield* broken.store.held({ limit: 1 })
      assert.isTrue(yield* broken.store.resolve(held!, { _tag: "Absent" }))
      assert.strictEqual((yield* broken.send(post("k"))).text, '{"n":2}')
    })
  )

  it.effect("`releases` names other answers that free the key", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted(
        (_, n) => Effect.succeed(n === 1 ? HttpServerResponse.empty({ status: 422 }) : created({ n })),
        { releases: ({ status }) => status === 422 }
      )
      assert.strictEqual((yield* send(post("k"))).status, 422)
      assert.strictEqual((yield* send(post("k", '{"corrected":true}'))).status, 201)
      assert.strictEqual(runs.length, 2)
    })
  )

  it.effect("a 409 of a receiver behind this one is not this one's answer", () =>
    Effect.gen(function* () {
      const { send } = yield* counted((_, n) =>
        n === 1 ? HttpServerRespondable.toResponse(new HttpReceiver.InProgress({})) : Effect.succeed(created({ n }))
      )
      isProblem(yield* send(post("k")), 409, problems.inProgress)
      assert.strictEqual((yield* send(post("k"))).status, 201)
    })
  )

  it.effect("cookies are told once, and `replayHeaders` adds to what is told again", () =>
    Effect.gen(function* () {
      const { send } = yield* counted(
        () =>
          Effect.succeed(
            HttpServerResponse.setCookieUnsafe(created({}, { "x-id": "7", "x-other": "8" }), "session", "s3cret")
          ),
        { replayHeaders: ["X-Id", "Set-Cookie"] }
      )
      assert.strictEqual((yield* send(post("k"))).cookies, 1)
      const again = yield* send(post("k"))
      assert.deepStrictEqual(again.headers, {
        "content-type": "application/json",
        "content-length": "2",
        "x-id": "7",
        "idempotent-replayed": "true"
      })
      assert.strictEqual(again.cookies, 0)
    })
  )

  it.effect("an answer that is streamed is told once; what it needs lives until it was read", () =>
    Effect.gen(function* () {
      const open: Array<string> = []
      const { send } = yield* counted(() =>
        Effect.gen(function* () {
          yield* Effect.acquireRelease(
            Effect.sync(() => open.push("file")),
            () => Effect.sync(() => open.pop())
          )
          return HttpServerResponse.stream(
            Stream.fromEffect(Effect.sync(() => new TextEncoder().encode(`${open.length} open`))),
            { status: 201, headers: { location: "/charges/1" } }
          )
        })
      )
      assert.strictEqual((yield* send(post("k"))).text, "1 open")
      assert.deepStrictEqual(open, [])
      const again = yield* send(post("k"))
      isProblem(again, 303, problems.responseNotStored)
      assert.strictEqual(again.headers["location"], "/charges/1")
    })
  )

  it.effect("what this version can't read was done all the same", () =>
    Effect.gen(function* () {
      const { record, runs, send, store } = yield* counted(
        () => Effect.succeed(HttpServerResponse.empty({ status: 500 })),
        {
          mode: hold
        }
      )
      yield* send(post("k"))
      const held = Option.getOrThrow(yield* record)
      yield* store.resolve(held, { _tag: "Done", result: '{"v":2}', timeToLive: Duration.hours(1) })
      isProblem(yield* send(post("k")), 409, problems.responseNotStored)
      assert.strictEqual(runs.length, 1)
    })
  )
})

describe("a request, as the receiver reads it", () => {
  const header = "idempotency-key"
  const visible = Arbitrary.array(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0x21, maximum: 0x7e }))),
    {
      minLength: 1,
      maxLength: 255
    }
  )
  const read = (text: string) => keyOf(Headers.fromInput({ [header]: text }), header)

  it.prop("a key is the same bare and quoted", [visible], ([codes]) => {
    const key = String.fromCharCode(...codes)
    const quoted = `"${key.replace(/["\\]/g, "\\$&")}"`
    assert.deepStrictEqual(read(quoted), { _tag: "Key", key })
    assert.deepStrictEqual(read(key), key.startsWith('"') ? read(key) : { _tag: "Key", key })
  })

  it.prop("what is no key is none, quoted or not", [Arbitrary.schema(Schema.String)], ([text]) => {
    const found = read(text)
    const trimmed = text.trim()
    if (trimmed.startsWith('"')) return
    assert.strictEqual(found._tag, /^[!-~]{1,255}$/.test(trimmed) ? "Key" : "Invalid")
  })

  const fingerprint = (json: string, query: Record<string, string> = {}) => {
    const body = new TextEncoder().encode(json)
    const request = HttpServerRequest.fromWeb(post("k"))
    return fingerprintOf(request, { method: "POST", route: "/charges/:id", params: { id: "1" }, query }, body)
  }
  /** The same value, its names in the reverse order, and with spaces. */
  const reversed = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(reversed)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([name, part]) => [name, reversed(part)])
          )
        : value

  it.effect.prop(
    "the order of names and the spaces of JSON are no part of it, its values are",
    [Arbitrary.schema(Schema.Json), Arbitrary.schema(Schema.Json)],
    ([a, b]) =>
      Effect.gen(function* () {
        const text = JSON.stringify(a)
        const same = yield* fingerprint(text)
        assert.strictEqual(yield* fingerprint(JSON.stringify(reversed(a), null, 2)), same)
        assert.strictEqual(
          (yield* fingerprint(JSON.stringify(b))) === same,
          isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(b)))
        )
        assert.notStrictEqual(yield* fingerprint(JSON.stringify([a])), same)
        assert.notStrictEqual(yield* fingerprint(text, { dry: "true" }), same)
      })
  )
})

describe("HttpReceiver, at the same time", () => {
  it.effect("with `wait` a repeat waits for the answer", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* counted((_, n) => Effect.delay(Effect.succeed(created({ n })), "5 seconds"), {
        wait: "8 seconds"
      })
      const both = yield* Effect.forkChild(Effect.all([send(post("k")), send(post("k"))], { concurrency: 2 }), {
        startImmediately: true
      })
      yield* TestClock.adjust("6 seconds")
      const [first, second] = yield* Fiber.join(both)
      isReplay(second, first)
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("Retry-After is in whole seconds, and at least one", () =>
    Effect.gen(function* () {
      for (const [given, expected] of [
        [undefined, "1"],
        ["2500 millis", "3"],
        [0, "1"]
      ] as const) {
        const { send } = yield* counted(() => Effect.never, { retryAfter: given, drain: 0 })
        yield* Effect.forkChild(send(post("k")), { startImmediately: true })
        const meanwhile = yield* send(post("k"))
        isProblem(meanwhile, 409, problems.inProgress)
        assert.strictEqual(meanwhile.headers["retry-after"], expected)
      }
    })
  )

  it.effect("a client that leaves interrupts neither handler nor record", () =>
    Effect.gen(function* () {
      let ended = "not"
      const { record, runs, send } = yield* counted((_, n) =>
        Effect.delay(Effect.succeed(created({ n })), "5 seconds").pipe(
          Effect.onExit((exit) => Effect.sync(() => (ended = exit._tag)))
        )
      )
      const leaving = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(leaving)
      assert.strictEqual(ended, "not")
      isProblem(yield* send(post("k")), 409, problems.inProgress)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(ended, "Success")
      assert.strictEqual(Option.getOrThrow(yield* record).state, "Done")
      const again = yield* send(post("k"))
      assert.deepStrictEqual([again.text, again.headers["idempotent-replayed"]], ['{"n":1}', "true"])
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("a closing layer waits for what runs for clients that have left, and then gives it up", () =>
    Effect.gen(function* () {
      for (const { expected, takes } of [
        { takes: "9 seconds", expected: "Done" },
        { takes: "11 seconds", expected: "Held" }
      ] as const) {
        const scope = yield* Scope.make()
        const { record, send } = yield* Scope.provide(
          counted((_, n) => Effect.delay(Effect.succeed(created({ n })), takes), { mode: hold, drain: "10 seconds" }),
          scope
        )
        const leaving = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
        yield* TestClock.adjust("1 milli")
        yield* Fiber.interrupt(leaving)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* TestClock.adjust("8 seconds")
        assert.strictEqual(closing.pollUnsafe(), undefined)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual(Option.getOrThrow(yield* record).state, expected)
      }
    })
  )

  it.effect("a request that is cut by a closing layer is told that it may have happened", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { send } = yield* Scope.provide(
        counted(() => Effect.never, { drain: 0 }),
        scope
      )
      const waiting = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      yield* TestClock.adjust("1 milli")
      yield* Scope.close(scope, Exit.void)
      const answer = yield* Fiber.join(waiting)
      isProblem(answer, 503, problems.unavailable)
      assert.strictEqual(answer.headers["retry-after"], "1")
    })
  )

  it.effect("a run that lost its lease is cut, and told what the other one is at", () =>
    Effect.gen(function* () {
      let ours = true
      const { send } = yield* counted(
        () => Effect.never,
        { drain: 0 },
        (store) => ({
          ...store,
          renew: (owner, lease) => Effect.suspend(() => (ours ? store.renew(owner, lease) : Effect.succeed(false)))
        })
      )
      const first = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      ours = false
      yield* TestClock.adjust("10 seconds")
      isProblem(yield* Fiber.join(first), 409, problems.inProgress)
    })
  )
})

describe("HttpReceiver, when the store fails", () => {
  it.effect("before the handler: nothing runs", () =>
    Effect.gen(function* () {
      for (const tookEffect of ["no", "unknown"] as const) {
        const { runs, send } = yield* counted(undefined, {}, (store) => ({
          ...store,
          claim: () => Effect.fail(unavailable(tookEffect))
        }))
        const answer = yield* send(post("k"))
        isProblem(answer, 503, problems.notProcessed)
        assert.strictEqual(answer.headers["retry-after"], "1")
        assert.strictEqual(runs.length, 0)
        // A request that claims nothing needs no store.
        assert.strictEqual((yield* send(post("k", null, { method: "GET" }))).status, 201)
      }
    })
  )

  it.effect("after the handler: the record is tried again within the lease", () =>
    Effect.gen(function* () {
      let failures = 3
      const { send } = yield* counted(undefined, {}, (store) => ({
        ...store,
        complete: (owner, options) =>
          failures-- > 0 ? Effect.fail(unavailable("unknown", "complete")) : store.complete(owner, options)
      }))
      const first = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      const answer = yield* Fiber.join(first)
      assert.strictEqual(answer.headers["idempotency-status"], undefined)
      isReplay(yield* send(post("k")), answer)
    })
  )

  it.effect("for longer than the lease: a success stays one, marked, counted and logged", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make((options) => {
        lines.push([options.logLevel, options.message, options.fiber.getRef(References.CurrentLogAnnotations)])
      })
      const { send } = yield* Effect.provide(
        counted(undefined, { name: "unrecorded" }, (store) => ({
          ...store,
          complete: () => Effect.fail(unavailable("unknown", "complete"))
        })),
        Logger.layer([logger])
      )
      const first = yield* Effect.forkChild(Effect.provide(send(post("k")), Logger.layer([logger])), {
        startImmediately: true
      })
      yield* TestClock.adjust("20 seconds")
      const answer = yield* Fiber.join(first)
      assert.deepStrictEqual([answer.status, answer.text], [201, '{"n":1}'])
      assert.strictEqual(answer.headers["idempotency-status"], "unrecorded")
      assert.deepStrictEqual(lines, [
        [
          "Warn",
          ["unrecorded|*|POST /charges unrecorded"],
          { receiver: "unrecorded", outcome: "unrecorded", idempotency_key: "k", status: 201 }
        ]
      ])
      const counter = Metric.counter(Telemetry.names.receiverRequests, {
        description: "Requests that a receiver answered, by how they went",
        incremental: true,
        attributes: { "breakwater.receiver": "unrecorded", "breakwater.outcome": "unrecorded", unit: "{request}" }
      })
      assert.strictEqual(Number((yield* Metric.value(counter)).count), 1)
    })
  )
})

describe("HttpReceiver in transactions", () => {
  const open = (handler: Handler<never, Writes>) =>
    Effect.gen(function* () {
      const context = yield* Layer.build(transactional)
      const store = Layer.succeedContext(context)
      const idempotent = HttpReceiver.middleware({
        name: "shop",
        mode: Receiver.transactional({ lockTimeout: "2 seconds" }),
        principal: "shared"
      })
      let n = 0
      const send = yield* serve(
        HttpRouter.add("POST", "/charges", (request) =>
          Effect.suspend(() => handler(request, ++n)).pipe(Effect.provideService(Writes, Context.get(context, Writes)))
        ).pipe(Layer.provide(idempotent.layer), Layer.provide(store))
      )
      return { send, writes: Context.get(context, Writes), runs: () => n }
    })
  const writing = (status: number) => (_: unknown, n: number) =>
    Effect.map(Writes, (writes) => {
      writes.push(`write ${n}`)
      return HttpServerResponse.jsonUnsafe({ n }, { status })
    })

  it.effect("a success commits with its record", () =>
    Effect.gen(function* () {
      const { send, writes } = yield* open(writing(201))
      const first = yield* send(post("k"))
      isReplay(yield* send(post("k")), first)
      assert.deepStrictEqual(writes, ["write 1"])
    })
  )

  it.effect("a 4xx is recorded, and what came with it rolled back", () =>
    Effect.gen(function* () {
      const { runs, send, writes } = yield* open(writing(402))
      const first = yield* send(post("k"))
      assert.strictEqual(first.status, 402)
      isReplay(yield* send(post("k")), first)
      assert.deepStrictEqual(writes, [])
      assert.strictEqual(runs(), 1)
    })
  )

  it.effect("a 5xx and a defect roll everything back: the key may even stand for another request", () =>
    Effect.gen(function* () {
      const { send, writes } = yield* open((request, n) =>
        n === 1
          ? writing(503)(request, n)
          : n === 2
            ? Effect.andThen(writing(201)(request, n), Effect.die(new Error("a bug")))
            : writing(201)(request, n)
      )
      assert.strictEqual((yield* send(post("k"))).status, 503)
      assert.strictEqual((yield* send(post("k"))).status, 500)
      assert.deepStrictEqual(writes, [])
      assert.strictEqual((yield* send(post("k", '{"amount":2}'))).text, '{"n":3}')
      assert.deepStrictEqual(writes, ["write 3"])
    })
  )

  it.effect("a duplicate waits for the transaction, and is then told to come again", () =>
    Effect.gen(function* () {
      const { send } = yield* open((_, n) => Effect.delay(Effect.succeed(created({ n })), "3 seconds"))
      const first = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      const second = yield* Effect.forkChild(send(post("k")), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      isProblem(yield* Fiber.join(second), 409, problems.inProgress)
      yield* TestClock.adjust("1 second")
      isReplay(yield* send(post("k")), yield* Fiber.join(first))
    })
  )

  it.effect("a commit of which nobody knows is told so; one that certainly failed too", () =>
    Effect.gen(function* () {
      for (const { problem, tookEffect } of [
        { tookEffect: "no", problem: problems.notProcessed },
        { tookEffect: "unknown", problem: problems.unavailable }
      ] as const) {
        const context = yield* Layer.build(Layer.fresh(transactional))
        const store = Context.get(context, IdempotencyStore.TransactionalStore)
        const failing: typeof store = {
          ...store,
          transaction: (options) => (self) =>
            Effect.andThen(store.transaction(options)(self), Effect.fail(unavailable(tookEffect, "complete"))),
          get: () => Effect.fail(unavailable("no", "get"))
        }
        const idempotent = HttpReceiver.middleware({
          name: "shop",
          mode: Receiver.transactional(),
          principal: "shared"
        })
        const send = yield* serve(
          HttpRouter.add("POST", "/charges", Effect.succeed(created({}))).pipe(
            Layer.provide(idempotent.layer),
            Layer.provide(Layer.succeed(IdempotencyStore.TransactionalStore, failing))
          )
        )
        isProblem(yield* send(post("k")), 503, problem)
      }
    })
  )
})

describe("HttpReceiver.Service", () => {
  class CardError extends Schema.TaggedError<CardError>()(
    "CardError",
    { code: Schema.String },
    { httpApiStatus: 402 }
  ) {}
  class Down extends Schema.TaggedError<Down>()("Down", { at: Schema.Date }, { httpApiStatus: 503 }) {}
  class ApiAuth extends HttpApiMiddleware.Service<ApiAuth, { provides: Tenant }>()("test/Auth") {}
  class Idempotent extends HttpReceiver.Service<Idempotent, { requires: Tenant }>()("shop/Idempotent") {}
  const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int })
  const create = HttpApiEndpoint.post("create", "/charges", {
    payload: Schema.Struct({
      amount: Schema.Int,
      note: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("none")))
    }),
    success: Charge.pipe(HttpApiSchema.status(201)),
    error: [CardError, Down]
  })
  class Shop extends HttpApi.make("shop").add(
    HttpApiGroup.make("charges").add(create.middleware(Idempotent).middleware(ApiAuth))
  ) {}
  class Plain extends HttpApi.make("shop").add(HttpApiGroup.make("charges").add(create)) {}

  type Create = (
    payload: { readonly amount: number },
    n: number
  ) => Effect.Effect<typeof Charge.Type, CardError | Down, Receiver.Running>
  const charge: Create = ({ amount }, n) => Effect.succeed({ id: `ch_${n}`, amount })

  const tenantOf = (handler: Effect.Effect<HttpServerResponse.HttpServerResponse, any, Tenant>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
      headers["authorization"] === undefined
        ? Effect.succeed(HttpServerResponse.empty({ status: 401 }))
        : Effect.provideService(handler, Tenant, headers["authorization"])
    )

  const open = (handler: Create = charge, more: Partial<HttpReceiver.CommonOptions<Receiver.Leased, Tenant>> = {}) =>
    Effect.gen(function* () {
      let n = 0
      const handlers = HttpApiBuilder.group(Shop, "charges", (handlers) =>
        handlers.handle("create", ({ payload }) => Effect.suspend(() => handler(payload, ++n)))
      )
      const idempotent = HttpReceiver.layer(Idempotent, { mode: hold, principal: Tenant, ...more })
      const send = yield* serve(
        HttpApiBuilder.layer(Shop).pipe(
          Layer.provide(handlers),
          Layer.provide(idempotent),
          Layer.provide(Layer.succeed(ApiAuth, tenantOf as never)),
          Layer.provide(IdempotencyStoreMemory.layer),
          Layer.provide(NodeHttpServer.layerHttpServices)
        )
      )
      return {
        send: (key: string | undefined, body?: string, tenant = "alice") =>
          send(post(key, body, { headers: tenant === "" ? {} : { authorization: tenant } })),
        runs: () => n
      }
    })

  /** What Effect's own server answers without a receiver. */
  const plain = (handler: Create) =>
    Effect.gen(function* () {
      const handlers = HttpApiBuilder.group(Plain, "charges", (handlers) =>
        handlers.handle(
          "create",
          ({ payload }) => handler(payload, 1) as Effect.Effect<typeof Charge.Type, CardError | Down>
        )
      )
      const send = yield* serve(
        HttpApiBuilder.layer(Plain).pipe(Layer.provide(handlers), Layer.provide(NodeHttpServer.layerHttpServices))
      )
      return yield* send(post("k"))
    })

  it("declares its problems, so that they show in OpenAPI", () => {
    const { responses } = OpenApi.fromApi(Shop).paths["/charges"]!.post!
    assert.deepStrictEqual(Object.keys(responses).toSorted(), ["201", "400", "402", "409", "413", "422", "503"])
    const text = JSON.stringify(OpenApi.fromApi(Shop))
    for (const type of Object.values(problems)) assert.include(text, type)
    for (const status of ["400", "409", "413", "422"]) {
      assert.deepInclude(Object.keys(responses[status as "400"]!.content!), "application/problem+json")
    }
  })

  it.effect(
    "the header of the key shows in OpenAPI where its endpoint declares it, and the receiver still reads it first",
    () =>
      Effect.gen(function* () {
        const Declared = HttpApi.make("shop").add(
          HttpApiGroup.make("charges").add(
            HttpApiEndpoint.post("create", "/charges", {
              headers: Schema.Struct({ "idempotency-key": Schema.String }),
              payload: Schema.Struct({ amount: Schema.Int }),
              success: Schema.String
            })
              .middleware(Idempotent)
              .middleware(ApiAuth)
          )
        )
        const parametersOf = (spec: OpenApi.OpenAPISpec) =>
          spec.paths["/charges"]!.post!.parameters.map(({ in: where, name, required }) => ({ name, where, required }))
        // If Effect shows it one day by itself, the doc comment of `Service` is out of date.
        assert.deepStrictEqual(parametersOf(OpenApi.fromApi(Shop)), [])
        assert.deepStrictEqual(parametersOf(OpenApi.fromApi(Declared)), [
          { name: "idempotency-key", where: "header", required: true }
        ])

        const seen: Array<string> = []
        const handlers = HttpApiBuilder.group(Declared, "charges", (handlers) =>
          handlers.handle("create", ({ headers }) =>
            Effect.sync(() => `charge ${seen.push(headers["idempotency-key"])}`)
          )
        )
        const send = yield* serve(
          HttpApiBuilder.layer(Declared).pipe(
            Layer.provide(handlers),
            Layer.provide(HttpReceiver.layer(Idempotent, { mode: hold, principal: Tenant })),
            Layer.provide(Layer.succeed(ApiAuth, tenantOf as never)),
            Layer.provide(IdempotencyStoreMemory.layer),
            Layer.provide(NodeHttpServer.layerHttpServices)
          )
        )
        const headers = { authorization: "alice" }
        isProblem(yield* send(post(undefined, undefined, { headers })), 400, problems.keyMissing)
        const first = yield* send(post("k", undefined, { headers }))
        assert.strictEqual(first.text, '"charge 1"')
        isReplay(yield* send(post("k", undefined, { headers })), first)
        assert.deepStrictEqual(seen, ["k"])
      })
  )

  it.effect("an endpoint is carried out once; a default of its schema is no part of the request", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* open()
      const first = yield* send("k", '{"amount":1}')
      assert.deepStrictEqual([first.status, first.text], [201, '{"id":"ch_1","amount":1}'])
      isReplay(yield* send("k", '{ "amount": 1 }'), first)
      isProblem(yield* send("k", '{"amount":1,"note":"none"}'), 422, problems.keyReused)
      assert.strictEqual((yield* send("k", '{"amount":1}', "bob")).text, '{"id":"ch_2","amount":1}')
      assert.strictEqual(runs(), 2)
    })
  )

  it.effect("who may not do it reads nothing and records nothing", () =>
    Effect.gen(function* () {
      const { runs, send } = yield* open()
      assert.strictEqual((yield* send("k", undefined, "")).status, 401)
      assert.strictEqual((yield* send("k")).status, 201)
      assert.strictEqual((yield* send("k", undefined, "")).status, 401)
      assert.strictEqual(runs(), 1)
    })
  )

  it.effect("a declared error is what Effect's own server makes of it, then and again", () =>
    Effect.gen(function* () {
      const declined: Create = () => Effect.fail(new CardError({ code: "limit" }))
      const { runs, send } = yield* open(declined)
      const first = yield* send("k")
      const expected = yield* plain(declined)
      assert.deepStrictEqual([first.status, first.text, first.headers], [402, expected.text, expected.headers])
      isReplay(yield* send("k"), first)
      assert.strictEqual(runs(), 1)

      const down: Create = () => Effect.fail(new Down({ at: new Date(0) }))
      const held = yield* open(down)
      const failed = yield* held.send("k")
      const expectedDown = yield* plain(down)
      assert.deepStrictEqual([failed.status, failed.text], [503, expectedDown.text])
      isProblem(yield* held.send("k"), 409, problems.outcomeUnknown)
    })
  )

  it.effect("a request that does not match its schema frees its key; an answer that does not may have happened", () =>
    Effect.gen(function* () {
      const { send } = yield* open(({ amount }, n) =>
        Effect.succeed({ id: `ch_${n}`, amount: amount === 13 ? (1.5 as number) : amount })
      )
      assert.strictEqual((yield* send("k", '{"amount":"x"}')).status, 400)
      assert.strictEqual((yield* send("k", '{"amount":1}')).status, 201)
      assert.strictEqual((yield* send("l", '{"amount":13}')).status, 500)
      isProblem(yield* send("l", '{"amount":13}'), 409, problems.outcomeUnknown)
    })
  )

  it.effect("a request that does not match its schema reaches the middleware outside as the failure that it is", () =>
    Effect.gen(function* () {
      const group = HttpApiGroup.make("charges").add(
        create.middleware(Idempotent).middleware(ApiAuth).middleware(HttpApiMiddleware.ProblemDetails)
      )
      const api = HttpApi.make("shop").add(group)
      const handlers = HttpApiBuilder.group(api, "charges", (handlers) =>
        handlers.handle("create", ({ payload }) => Effect.succeed({ id: "ch_1", amount: payload.amount }))
      )
      const send = yield* serve(
        HttpApiBuilder.layer(api).pipe(
          Layer.provide(handlers),
          Layer.provide(HttpReceiver.layer(Idempotent, { mode: leased, principal: Tenant })),
          Layer.provide(Layer.succeed(ApiAuth, tenantOf as never)),
          Layer.provide(HttpApiMiddleware.layerProblemDetails()),
          Layer.provide(IdempotencyStoreMemory.layer),
          Layer.provide(NodeHttpServer.layerHttpServices)
        )
      )
      const answer = yield* send(post("k", '{"amount":"x"}', { headers: { authorization: "alice" } }))
      assert.deepStrictEqual([answer.status, answer.type], [400, "about:blank"])
    })
  )

  it.effect("a handler derives keys for the calls that it makes", () =>
    Effect.gen(function* () {
      const keys: Array<string> = []
      const { send } = yield* open(
        (payload, n) =>
          Effect.flatMap(Receiver.childKey("bank"), (key) => {
            keys.push(IdempotencyKey.toText(key))
            return n === 1 ? Effect.die(new Error("a bug")) : charge(payload, n)
          }),
        { mode: leased }
      )
      assert.strictEqual((yield* send("k")).status, 500)
      assert.strictEqual((yield* send("k")).status, 201)
      assert.strictEqual(keys[0], keys[1])
    })
  )
})
