import { assert, describe, it } from "@effect/vitest"
import { FaultInjection } from "breakwater/testing"
import { Clock, Duration, Effect, Exit, Fiber, Option, Stream } from "effect"
import { HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { between, seed, tries } from "../properties/support.ts"

const thing = { id: "t-1" }

const charge = (key?: string, body: unknown = { order: "o-1" }) =>
  HttpClientRequest.post("https://acme.example/charges?a=1").pipe(
    HttpClientRequest.bodyJsonUnsafe(body),
    key === undefined ? (request) => request : HttpClientRequest.setHeader("idempotency-key", key)
  )

/** Sends a request and reads the answer to its end. */
const send = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(HttpClient.HttpClient, (client) =>
    Effect.flatMap(client.execute(request), (response) =>
      Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
    )
  )

const get = HttpClientRequest.get("https://acme.example/things/1")

const provider = (faults?: FaultInjection.Faults, more: Partial<FaultInjection.Options> = {}) =>
  FaultInjection.make({ respond: () => ({ status: 201, body: thing }), faults, ...more })

/** What the transport reports as its cause. */
const codeOf = (exit: Exit.Exit<unknown, HttpClientError.HttpClientError>) => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  const cause = error?.reason.cause as { readonly code?: string; readonly syscall?: string } | undefined
  return [error?.reason._tag, cause?.code, cause?.syscall]
}

const times = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    const ended = fiber.pollUnsafe() !== undefined
    yield* Fiber.interrupt(fiber)
    return ended
  })

describe("FaultInjection", () => {
  it.effect("records a request as it stands on the wire", () => {
    const { layer, ledger, requests } = provider()
    return Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      const answer = yield* send(charge("k-1"))
      assert.deepStrictEqual([answer.status, answer.text], [201, JSON.stringify(thing)])
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.strictEqual(answer.headers["content-length"], "12")
      const [request] = requests
      assert.strictEqual(request!.text, '{"order":"o-1"}')
      assert.deepStrictEqual(request!.body, new TextEncoder().encode('{"order":"o-1"}'))
      assert.strictEqual(request!.headers["content-type"], "application/json")
      const { index, operation, arrival, at, method, url, key } = request!
      assert.deepStrictEqual(
        { index, operation, arrival, at, method, url, key },
        {
          index: 0,
          operation: "POST /charges",
          arrival: 1,
          at: 5_000,
          method: "POST",
          url: "https://acme.example/charges?a=1",
          key: "k-1"
        }
      )
      assert.deepStrictEqual(ledger, [{ operation: "POST /charges", key: "k-1", at: 5_000, request: 0 }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a read changes nothing, a refusal neither, and a reply may say otherwise", () => {
    let reply: FaultInjection.Reply = {}
    const { layer, ledger } = provider(undefined, { respond: () => reply })
    return Effect.gen(function* () {
      yield* send(get)
      reply = { status: 402 }
      yield* send(charge())
      reply = { status: 200, changed: false }
      yield* send(charge())
      assert.strictEqual(ledger.length, 0)
      reply = { status: 204 }
      yield* send(charge())
      reply = { status: 500, changed: true }
      yield* send(charge())
      assert.strictEqual(ledger.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("replies with JSON, text, bytes and nothing", () => {
    let body: unknown
    const { layer } = provider(undefined, { respond: () => ({ body, headers: { "x-a": "b" } }) })
    return Effect.gen(function* () {
      const seen: Array<readonly [string | undefined, string]> = []
      for (body of [[1], "text", new TextEncoder().encode("bytes"), undefined]) {
        const answer = yield* send(get)
        assert.strictEqual(answer.headers["x-a"], "b")
        seen.push([answer.headers["content-type"], answer.text])
      }
      assert.deepStrictEqual(seen, [
        ["application/json", "[1]"],
        ["text/plain", "text"],
        ["application/octet-stream", "bytes"],
        [undefined, ""]
      ])
    }).pipe(Effect.provide(layer))
  })

  describe("faults", () => {
    const cases: ReadonlyArray<
      readonly [fault: FaultInjection.Fault, executed: number, seen: readonly [string, string, string] | number]
    > = [
      [FaultInjection.refused, 0, ["TransportError", "ECONNREFUSED", "connect"]],
      [FaultInjection.resetBeforeReading, 0, ["TransportError", "ECONNRESET", "read"]],
      [FaultInjection.responseLost, 1, ["TransportError", "ECONNRESET", "read"]],
      [FaultInjection.wrongShape(), 1, 201],
      [FaultInjection.wrongMediaType(), 1, 201],
      [FaultInjection.status(503), 0, 503],
      [FaultInjection.status(500, { executes: true }), 1, 500],
      [FaultInjection.inProgress409, 0, 409]
    ]
    it.effect.each(cases.map(([fault, executed, seen]) => ({ name: fault._tag, fault, executed, seen })))(
      "$name executes $executed times",
      ({ executed, fault, seen }) => {
        const { layer, ledger, requests } = provider([fault])
        return Effect.gen(function* () {
          const exit = yield* Effect.exit(send(charge()))
          if (typeof seen === "number") assert.strictEqual(Exit.isSuccess(exit) && exit.value.status, seen)
          else assert.deepStrictEqual(codeOf(exit), [...seen])
          assert.strictEqual(ledger.length, executed)
          assert.strictEqual(requests[0]!.fault, fault)
          // Past the end of the script there is no fault.
          assert.strictEqual((yield* send(charge())).status, 201)
        }).pipe(Effect.provide(layer))
      }
    )

    it.effect("cuts a body in its middle, after status and headers", () => {
      const { layer, ledger } = provider([FaultInjection.cutBody])
      return Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        const response = yield* client.execute(charge())
        assert.strictEqual(response.status, 201)
        const chunks: Array<string> = []
        const exit = yield* Effect.exit(
          Stream.runForEach(response.stream, (chunk) => Effect.sync(() => chunks.push(new TextDecoder().decode(chunk))))
        )
        assert.deepStrictEqual(chunks, ['{"id":'])
        assert.deepStrictEqual(codeOf(exit as never).slice(0, 2), ["DecodeError", "UND_ERR_SOCKET"])
        assert.strictEqual(ledger.length, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect("stalls for ever, and is interruptible there: before headers and in the body", () => {
      const { layer, ledger } = provider([
        FaultInjection.stallBeforeHeaders({ executes: false }),
        FaultInjection.stallBeforeHeaders({ executes: true }),
        FaultInjection.stallInBody
      ])
      return Effect.gen(function* () {
        for (const executed of [0, 1, 2]) {
          assert.isFalse(yield* times(send(charge())))
          assert.strictEqual(ledger.length, executed)
        }
      }).pipe(Effect.provide(layer))
    })

    it.effect("executes later, though the caller has left", () => {
      const { layer, ledger } = provider([
        FaultInjection.stallBeforeHeaders({ executes: true, after: "900 millis" }),
        FaultInjection.latency("2 seconds")
      ])
      return Effect.gen(function* () {
        for (const executed of [1, 2]) {
          const fiber = yield* Effect.forkChild(send(charge()), { startImmediately: true })
          yield* TestClock.adjust("100 millis")
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(ledger.length, executed - 1)
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual(ledger.length, executed)
        }
        assert.deepStrictEqual(
          ledger.map(({ at }) => at),
          [900, 5_100 + 2_000]
        )
      }).pipe(Effect.provide(layer))
    })

    it.effect("nothing executes once the layer's scope is closed", () => {
      const { layer, ledger } = provider([FaultInjection.latency("2 seconds")])
      return Effect.gen(function* () {
        yield* Effect.forkDetach(Effect.provide(Effect.timeoutOption(send(charge()), 100), layer), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(ledger.length, 0)
      })
    })

    it.effect("answers late, to the millisecond", () => {
      const { layer } = provider([FaultInjection.latency("1500 millis")])
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.andThen(send(charge()), Clock.currentTimeMillis), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(fiber), 1_500)
      }).pipe(Effect.provide(layer))
    })

    it.effect("a huge body comes in pieces, announced or not", () => {
      const bytes = 3 * 1024 * 1024 + 5
      const { layer } = provider([
        FaultInjection.hugeBody(bytes),
        FaultInjection.hugeBody(bytes, { announced: true }),
        FaultInjection.hugeBody(7)
      ])
      return Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        for (const [length, size] of [
          [undefined, bytes],
          [String(bytes), bytes],
          [undefined, 7]
        ]) {
          const response = yield* client.execute(charge())
          assert.strictEqual(response.headers["content-length"], length)
          const total = yield* Stream.runFold(
            response.stream,
            () => 0,
            (sum, chunk) => sum + chunk.length
          )
          assert.strictEqual(total, size)
        }
      }).pipe(Effect.provide(layer))
    })

    it.effect("a status carries Retry-After, headers and body", () => {
      const { layer } = provider([
        FaultInjection.status(429, { retryAfter: 7, headers: { "x-limit": "0" }, body: { slow: true } })
      ])
      return Effect.gen(function* () {
        const answer = yield* send(charge())
        assert.deepStrictEqual(
          [answer.status, answer.headers["retry-after"], answer.headers["x-limit"], answer.text],
          [429, "7", "0", '{"slow":true}']
        )
      }).pipe(Effect.provide(layer))
    })
  })

  describe("the table of keys", () => {
    it.effect("replays the stored answer, and executes once", () => {
      const { layer, ledger } = provider([FaultInjection.responseLost])
      return Effect.gen(function* () {
        yield* Effect.exit(send(charge("k-1")))
        const replay = yield* send(charge("k-1"))
        assert.deepStrictEqual(
          [replay.status, replay.headers["idempotent-replayed"], replay.text],
          [201, "true", JSON.stringify(thing)]
        )
        assert.strictEqual((yield* send(charge("k-2"))).headers["idempotent-replayed"], undefined)
        assert.strictEqual(ledger.length, 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("a key with another body is 422, one in flight 409; both as problem documents", () => {
      const { layer, ledger } = provider([undefined, undefined, FaultInjection.latency("1 second")])
      return Effect.gen(function* () {
        yield* send(charge("k-1"))
        const reused = yield* send(charge("k-1", { order: "o-2" }))
        assert.deepStrictEqual(
          [reused.status, reused.headers["content-type"], JSON.parse(reused.text).type],
          [422, "application/problem+json", "urn:breakwater:problem:key-reused"]
        )
        const first = yield* Effect.forkChild(send(charge("k-2")), { startImmediately: true })
        const second = yield* send(charge("k-2"))
        assert.deepStrictEqual(
          [second.status, JSON.parse(second.text).type],
          [409, "urn:breakwater:problem:in-progress"]
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(first)).status, 201)
        assert.strictEqual((yield* send(charge("k-2"))).headers["idempotent-replayed"], "true")
        assert.strictEqual(ledger.length, 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("reads the key from wherever the provider reads it", () => {
      const { layer, ledger, requests } = provider(undefined, { keyOf: ({ text }) => JSON.parse(text).key })
      return Effect.gen(function* () {
        yield* send(charge(undefined, { key: "a" }))
        yield* send(charge(undefined, { key: "a" }))
        assert.deepStrictEqual(
          requests.map(({ key }) => key),
          ["a", "a"]
        )
        assert.strictEqual(ledger.length, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect("what has no key is executed each time", () => {
      const { layer, ledger } = provider()
      return Effect.gen(function* () {
        yield* send(charge())
        yield* send(charge())
        assert.strictEqual(ledger.length, 2)
      }).pipe(Effect.provide(layer))
    })
  })

  describe("which request meets which fault", () => {
    it.effect("a list per operation counts the arrivals of each", () => {
      const { layer, requests } = provider(
        { "GET things": [undefined, FaultInjection.status(500)], "POST charges": [FaultInjection.status(502)] },
        { operationOf: ({ method, url }) => `${method} ${new URL(url).pathname.split("/")[1]}` }
      )
      return Effect.gen(function* () {
        const statuses: Array<number> = []
        for (const request of [get, charge(), get, charge(), get]) statuses.push((yield* send(request)).status)
        assert.deepStrictEqual(statuses, [201, 502, 500, 201, 201])
        assert.deepStrictEqual(
          requests.map(({ arrival, operation }) => `${operation} ${arrival}`),
          ["GET things 1", "POST charges 1", "GET things 2", "POST charges 2", "GET things 3"]
        )
      }).pipe(Effect.provide(layer))
    })

    it.prop(
      "seeded: a pure function of seed, operation and arrival",
      { seed, arrival: between(1, 50), rate: between(0, 10) },
      ({ arrival, rate, seed }) => {
        const at = { operation: "POST /charges", arrival }
        const draw = () => FaultInjection.seeded({ seed, rate: rate / 10 })(at)
        assert.strictEqual(draw(), draw())
        if (rate === 0) assert.isUndefined(draw())
        if (rate === 10) assert.isDefined(draw())
      },
      tries(200)
    )

    it("seeded: keeps its rate, and meets every kind", () => {
      const faultAt = FaultInjection.seeded({ seed: 7, rate: 0.3 })
      const met = Array.from({ length: 20_000 }, (_, n) => faultAt({ operation: `o-${n % 50}`, arrival: n })).filter(
        (fault) => fault !== undefined
      )
      assert.approximately(met.length / 20_000, 0.3, 0.02)
      const counts = new Map<FaultInjection.Fault, number>()
      for (const fault of met) counts.set(fault, (counts.get(fault) ?? 0) + 1)
      assert.strictEqual(counts.size, FaultInjection.all.length)
      for (const count of counts.values())
        assert.approximately(count, met.length / counts.size, met.length / counts.size / 2)
    })

    it("seeded: other seeds, operations and arrivals are other faults", () => {
      const drawn = (seed: number, operation: string) =>
        Array.from({ length: 40 }, (_, n) =>
          FaultInjection.all.indexOf(FaultInjection.seeded({ seed, rate: 1 })({ operation, arrival: n + 1 })!)
        ).join()
      const all = [drawn(1, "a"), drawn(2, "a"), drawn(1, "b"), drawn(10, "a"), drawn(1, "0|a")]
      assert.strictEqual(new Set(all).size, all.length)
    })
  })

  describe("waiting", () => {
    const named = (faults?: FaultInjection.Faults) =>
      provider(faults, { operationOf: ({ method, url }) => `${method} ${new URL(url).pathname.split("/")[1]}` })
    const kinds: ReadonlyArray<
      readonly [
        name: string,
        wait: (of: FaultInjection.FaultInjection, options?: FaultInjection.AwaitOptions) => Effect.Effect<void>
      ]
    > = [
      ["awaitRequest", (of, options) => of.awaitRequest(options)],
      ["awaitExecuted", (of, options) => of.awaitExecuted(options)],
      ["awaitFault", (of, options) => of.awaitFault("Status", options)]
    ]
    const broken = FaultInjection.status(500, { executes: true })
    const refund = HttpClientRequest.post("https://acme.example/refunds")

    it.effect.each(kinds.map(([name, wait]) => ({ name, wait })))(
      "$name: so many of this operation, whether they come before or after it",
      ({ wait }) => {
        const made = named(() => broken)
        return Effect.gen(function* () {
          const waiting = yield* Effect.forEach(
            [
              undefined,
              { times: 3 },
              { operation: "POST refunds" },
              { operation: "POST charges", times: 2 },
              { operation: "POST nothing" }
            ],
            (options) => Effect.forkChild(wait(made, options), { startImmediately: true })
          )
          const done = () => waiting.map((fiber) => (fiber.pollUnsafe() === undefined ? "waits" : "done"))
          const seen = [done().join()]
          for (const request of [charge(), refund, charge()]) {
            yield* send(request)
            yield* Effect.yieldNow
            seen.push(done().join())
          }
          assert.deepStrictEqual(seen, [
            "waits,waits,waits,waits,waits",
            "done,waits,waits,waits,waits",
            "done,waits,done,waits,waits",
            "done,done,done,done,waits"
          ])
          // What has been needs no waiting.
          yield* wait(made, { times: 3 })
          yield* wait(made, { operation: "POST charges", times: 2 })
          yield* wait(made, { times: 0 })
          // After a reset it has not been.
          yield* made.reset
          const again = yield* Effect.forkChild(wait(made), { startImmediately: true })
          yield* Effect.yieldNow
          assert.isUndefined(again.pollUnsafe())
          yield* send(charge())
          yield* Fiber.join(again)
          yield* Effect.forEach(waiting, Fiber.interrupt)
        }).pipe(Effect.provide(made.layer))
      }
    )

    it.effect.each(kinds.map(([name, wait]) => ({ name, wait })))(
      "$name: who is interrupted waits no more",
      ({ wait }) => {
        const made = named(() => broken)
        return Effect.gen(function* () {
          let asked = 0
          const options = {
            get times() {
              asked++
              return 2
            }
          }
          const fiber = yield* Effect.forkChild(wait(made, options), { startImmediately: true })
          assert.strictEqual(asked, 1)
          yield* send(charge())
          const before = asked
          assert.isAbove(before, 1)
          yield* Fiber.interrupt(fiber)
          yield* send(charge())
          assert.strictEqual(asked, before)
        }).pipe(Effect.provide(made.layer))
      }
    )

    it.effect("awaitFault: any kind, or one; a read is no change", () => {
      const made = provider([undefined, FaultInjection.refused, FaultInjection.status(503)])
      return Effect.gen(function* () {
        const [any, status, executed] = yield* Effect.forEach(
          [made.awaitFault(), made.awaitFault("Status"), made.awaitExecuted()],
          (wait) => Effect.forkChild(wait, { startImmediately: true })
        )
        const done = () => [any, status, executed].map((fiber) => fiber!.pollUnsafe() !== undefined)
        const seen: Array<ReadonlyArray<boolean>> = []
        for (const request of [get, charge(), get, charge()]) {
          yield* Effect.exit(send(request))
          yield* Effect.yieldNow
          seen.push(done())
        }
        assert.deepStrictEqual(seen, [
          [false, false, false],
          [true, false, false],
          [true, true, false],
          [true, true, true]
        ])
      }).pipe(Effect.provide(made.layer))
    })

    it.effect("a body strikes when it is read so far, and only then", () => {
      const made = provider([FaultInjection.cutBody, FaultInjection.stallInBody])
      return Effect.gen(function* () {
        for (const tag of ["CutBody", "StallInBody"] as const) {
          const struck = yield* Effect.forkChild(made.awaitFault(tag), { startImmediately: true })
          const response = yield* HttpClient.execute(charge())
          yield* Effect.yieldNow
          assert.isUndefined(struck.pollUnsafe())
          const reading = yield* Effect.forkChild(Effect.exit(response.text), { startImmediately: true })
          yield* Fiber.join(struck)
          yield* Fiber.interrupt(reading)
        }
      }).pipe(Effect.provide(made.layer))
    })

    it.effect("a body that is read after a reset disturbs nothing", () => {
      const made = provider([FaultInjection.cutBody])
      return Effect.gen(function* () {
        const response = yield* HttpClient.execute(charge())
        yield* made.inject(undefined)
        yield* made.reset
        assert.strictEqual(codeOf((yield* Effect.exit(response.text)) as never)[0], "DecodeError")
        assert.strictEqual((yield* send(charge())).status, 201)
      }).pipe(Effect.provide(made.layer))
    })
  })

  describe("what happens late", () => {
    it.effect("while its caller still waits, who sees nothing all the same", () => {
      const { awaitExecuted, layer, ledger } = provider([FaultInjection.executesLate("1 second")])
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(send(charge("k-1")), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* awaitExecuted()
        assert.deepStrictEqual(
          ledger.map(({ at }) => at),
          [1_000]
        )
        yield* TestClock.adjust("1 hour")
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(ledger.length, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect("after its caller has given up, looked and found nothing; a repeat is in flight, then a replay", () => {
      const orders: Array<string> = []
      const made = provider([FaultInjection.executesLate("5 seconds")], {
        respond: ({ method, text }) => {
          if (method === "POST") orders.push(text)
          return { status: 201, body: orders }
        }
      })
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.timeoutOption(send(charge("k-1")), "2 seconds"), {
          startImmediately: true
        })
        yield* made.awaitFault("StallBeforeHeaders")
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
        assert.strictEqual((yield* send(get)).text, "[]")
        assert.strictEqual((yield* send(charge("k-1"))).status, 409)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* send(get)).text, JSON.stringify(['{"order":"o-1"}']))
        assert.strictEqual((yield* send(charge("k-1"))).headers["idempotent-replayed"], "true")
        assert.deepStrictEqual(
          made.ledger.map(({ at, request }) => [at, request]),
          [[5_000, 0]]
        )
      }).pipe(Effect.provide(made.layer))
    })
  })

  it.effect("reset forgets requests, ledger, keys and arrivals, and begins the plan anew", () => {
    const { layer, ledger, requests, reset } = provider([FaultInjection.status(500)])
    return Effect.gen(function* () {
      const round = Effect.gen(function* () {
        const seen = [yield* send(charge("k-1")), yield* send(charge("k-1")), yield* send(charge("k-1"))]
        return seen.map((answer) => `${answer.status} ${answer.headers["idempotent-replayed"] ?? "first"}`)
      })
      const first = yield* round
      assert.deepStrictEqual(first, ["500 first", "201 first", "201 true"])
      yield* reset
      assert.deepStrictEqual([requests.length, ledger.length], [0, 0])
      assert.deepStrictEqual(yield* round, first)
      assert.deepStrictEqual(
        requests.map(({ arrival, index }) => [index, arrival]),
        [
          [0, 1],
          [1, 2],
          [2, 3]
        ]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("headers of an answer may be written in any case", () => {
    const { layer } = provider([undefined, FaultInjection.wrongMediaType("text/csv", "a,b")], {
      respond: () => ({ body: { a: 1 }, headers: { "Content-Type": "application/problem+json", "X-Id": "7" } })
    })
    return Effect.gen(function* () {
      const problem = yield* send(get)
      assert.deepStrictEqual(
        [problem.headers["content-type"], problem.headers["x-id"]],
        ["application/problem+json", "7"]
      )
      assert.strictEqual((yield* send(get)).headers["content-type"], "text/csv")
    }).pipe(Effect.provide(layer))
  })

  it.effect("layers of one provider reach the same provider", () => {
    const made = provider()
    return Effect.gen(function* () {
      yield* Effect.provide(send(charge("k-1")), made.layer)
      const again = yield* Effect.provide(send(charge("k-1")), made.layer)
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.strictEqual(made.ledger.length, 1)
    })
  })

  it.effect("reads bodies of every kind", () => {
    const { layer, requests } = provider()
    return Effect.gen(function* () {
      const url = "https://acme.example/uploads"
      const form = new FormData()
      form.append("name", "value")
      for (const request of [
        HttpClientRequest.post(url).pipe(HttpClientRequest.bodyText("text")),
        HttpClientRequest.post(url).pipe(HttpClientRequest.bodyUint8Array(new Uint8Array([1, 2]))),
        HttpClientRequest.post(url).pipe(
          HttpClientRequest.bodyStream(Stream.make(new Uint8Array([3]), new Uint8Array([4])))
        ),
        HttpClientRequest.post(url).pipe(HttpClientRequest.bodyFormData(form)),
        HttpClientRequest.post(url)
      ]) {
        yield* send(request)
      }
      assert.deepStrictEqual(
        [0, 1, 2, 4].map((n) => [...requests[n]!.body]),
        [[116, 101, 120, 116], [1, 2], [3, 4], []]
      )
      assert.include(requests[3]!.text, 'name="name"')
    }).pipe(Effect.provide(layer))
  })

  it("durations are read once", () => {
    const fault = FaultInjection.latency("200 millis")
    assert.deepStrictEqual(fault, { _tag: "Latency", duration: Duration.millis(200) })
  })
})
