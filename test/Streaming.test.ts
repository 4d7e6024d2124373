import { assert, describe, it } from "@effect/vitest"
import { Deadline, type Reason, Streaming, type Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { IntegrationTest } from "breakwater/testing"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Latch, Layer, Schema, Scope, Stream } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import {
  after,
  type Answer,
  Broke,
  Declined,
  event,
  events,
  Failed,
  integration,
  providerOf,
  silence
} from "./properties/streams.ts"
import { watchedBreaker, watchedBulkhead } from "./properties/support.ts"

const stage = (options: Parameters<typeof integration>[0], ...answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const provider = providerOf(...answers)
    const Acme = integration(options)
    const layer = HttpIntegration.layer(Acme, { baseUrl: "https://acme.example" }).pipe(
      Layer.provide(Layer.succeed(HttpClient.HttpClient, provider.client))
    )
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(IntegrationTest.record(layer), scope)
    const recording = Context.get(context, IntegrationTest.Recording)
    const inside = <A, E>(self: Effect.Effect<A, E>) => Effect.provideContext(self, context as Context.Context<never>)
    const acme = Context.get(context, Acme)
    return { acme, provider, recording, inside, close: Scope.close(scope, Exit.void) }
  })

/** What a consumer gets and how it ends, with the clock moved until then. */
const consume = <E>(self: Stream.Stream<number, E>, each: (n: number) => Effect.Effect<void> = () => Effect.void) => {
  const got: Array<number> = []
  return Effect.map(
    IntegrationTest.settle(
      Effect.exit(
        Stream.runForEach(self, (n) =>
          Effect.andThen(
            Effect.sync(() => void got.push(n)),
            each(n)
          )
        )
      )
    ),
    (exit) => ({
      got,
      exit,
      error: Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined,
      reason: reasonOf(exit)
    })
  )
}
const reasonOf = (exit: Exit.Exit<unknown, unknown>): Reason.Reason | undefined => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  return error instanceof Failed ? error.failure.reason : undefined
}
const observed = ({ calls }: { readonly calls: ReadonlyArray<Telemetry.CallObserved> }) => {
  assert.strictEqual(calls.length, 1)
  return calls[0]!
}

describe("a stream as a call", () => {
  it.effect("sends nothing before it is run, and each run is a call", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage({}, () => ({ body: events(1, 2) }))
      const numbers = acme.watch()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(provider.requests.length, 0)
      const pull = yield* Stream.toPull(numbers)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(provider.requests.length, 0)
      yield* pull
      assert.strictEqual(provider.requests.length, 1)
      assert.deepStrictEqual((yield* inside(consume(numbers))).got, [1, 2])
      assert.deepStrictEqual((yield* inside(consume(numbers))).got, [1, 2])
      assert.strictEqual(provider.requests.length, 3)
      assert.strictEqual(recording.calls.length, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("is observed once, at its end, with how far it came and when it began", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({}, () => ({
        body: Stream.concat(after(400, ": hi\n\n"), Stream.concat(after(600, event(1)), after(9_000, event(2))))
      }))
      yield* inside(consume(acme.watch()))
      const call = observed(recording)
      assert.strictEqual(call.callOutcome, "ok")
      assert.strictEqual(call.outcome, "Applied")
      assert.strictEqual(call.latency, 10_000)
      assert.deepStrictEqual(call.stream, { firstByte: 400, firstElement: 1_000, elements: 2, bytes: 36, resumed: 0 })
      const span = recording.spans.find(({ name }) => name === "test/Acme watch")!
      assert.strictEqual(span.attributes.get("breakwater.stream.elements"), 2)
      assert.strictEqual(span.status._tag, "Ended")
    })
  )

  it.effect("is retried before its first element, whatever came before it", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage(
        {},
        () => ({ status: 503, body: Stream.empty }),
        () => ({ body: Stream.make(": alive\n\nid: 1\ndata: 1"), lost: true }),
        () => ({ body: events(1, 2) })
      )
      const { exit, got } = yield* inside(consume(acme.watch()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(provider.requests.length, 3)
      assert.strictEqual(observed(recording).callOutcome, "ok_after_retry")
      assert.deepStrictEqual(
        observed(recording).attempts.map(({ outcome, reason }) => [reason, outcome]),
        [
          ["Unavailable", "Unknown"],
          ["BodyLost", "Unknown"],
          ["Success", "Applied"]
        ]
      )
    })
  )

  it.effect("is not sent again before its first element where a repeat is not safe", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage({}, () => ({
        body: Stream.make(": alive\n\n"),
        lost: true
      }))
      const { reason } = yield* inside(consume(acme.ask({ payload: "?" })))
      assert.strictEqual(provider.requests.length, 1)
      assert.deepStrictEqual([reason?._tag, reason?.outcome], ["BodyLost", "Unknown"])
      assert.strictEqual(observed(recording).callOutcome, "exhausted")
    })
  )

  it.effect("is not retried after its first element, and says how far it came", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage({}, () => ({ body: events(1, 2), lost: true }))
      const { got, reason } = yield* inside(consume(acme.keyed({ payload: "?" })))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(provider.requests.length, 1)
      assert.strictEqual(reason?._tag, "Truncated")
      assert.strictEqual(reason?.message, "the stream was cut after 2 elements (30 bytes): the connection was lost")
      assert.strictEqual(reason?.health, "failure")
      const call = observed(recording)
      assert.deepStrictEqual([call.callOutcome, call.outcome, call.errorType], ["failed", "Unknown", "truncated"])
    })
  )

  it.effect("an element that does not decode fails in its place: what came before stands", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({}, () => ({
        body: Stream.make(`${event(1)}${event(2)}data: three\n\n${event(4)}`)
      }))
      const { got, reason } = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(reason?._tag, "InvalidResponse")
      assert.match(reason!.message, /^element 3: /)
      assert.strictEqual(reason?.outcome, "Unknown")
      assert.strictEqual(observed(recording).callOutcome, "decode_failed")
    })
  )

  it.effect("a declared error is translated: instead of the stream, and in the middle of it", () =>
    Effect.gen(function* () {
      const failure = Schema.encodeSync(
        Schema.fromJsonString(Schema.toCodecJson(Schema.Cause(Broke, Schema.Defect())))
      )(Cause.fail(new Broke({ at: 2 })))
      const { acme, inside, provider } = yield* stage(
        {},
        () => ({
          status: 422,
          headers: { "content-type": "application/json" },
          body: Stream.make('{"_tag":"Busy","why":"tea"}')
        }),
        () => ({ body: Stream.make(`${event(1)}event: effect/http-api/stream/failure\ndata: ${failure}\n\n`) }),
        () => ({ body: Stream.make(`${event(1)}data: {"_tag":"Broke","at":3}\n\n${event(2)}`) }),
        () => ({ body: Stream.make('event: error\ndata: {"_tag":"Broke","at":4}\n\n') })
      )
      const instead = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual([instead.got, instead.error], [[], new Declined({ why: "tea" })])
      const inTheMiddle = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual([inTheMiddle.got, inTheMiddle.error], [[1], new Declined({ why: 2 })])
      const asAnEvent = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual([asAnEvent.got, asAnEvent.error], [[1], new Declined({ why: 3 })])
      const first = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual([first.got, first.error], [[], new Declined({ why: 4 })])
      assert.strictEqual(provider.requests.length, 4)
    })
  )

  it.effect("an event that is larger than may be is a failure in its place", () =>
    Effect.gen(function* () {
      const { acme, inside } = yield* stage({}, () => ({
        body: Stream.concat(events(1), Stream.make("data: ", "9".repeat(6_000_000)))
      }))
      const { got, reason } = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual(got, [1])
      assert.deepStrictEqual(
        [reason?._tag, reason?.message],
        ["InvalidResponse", "element 2: an event is larger than 5242880 bytes"]
      )
    })
  )

  it.effect("a success that is no stream is judged like any other answer", () =>
    Effect.gen(function* () {
      const { acme, inside, provider } = yield* stage({}, () => ({
        headers: { "content-type": "application/json" },
        body: Stream.make('{"error":"no such model"}')
      }))
      const { reason } = yield* inside(consume(acme.ask({ payload: "?" })))
      assert.deepStrictEqual(
        [reason?._tag, reason?.outcome, reason?.message],
        ["InvalidResponse", "Unknown", "status 200 is no stream: application/json"]
      )
      assert.strictEqual(provider.requests.length, 1)
    })
  )
})

describe("the end of a stream", () => {
  const marker = Streaming.marker(({ data }: Streaming.SseEvent) => data === "[DONE]")

  it.effect("its mark ends it, is no element, and what comes after it is not read", () =>
    Effect.gen(function* () {
      const { acme, inside, provider } = yield* stage({ end: marker }, () => ({
        body: Stream.concat(Stream.make(`${event(1)}data: [DONE]\n\n${event(9)}`), silence)
      }))
      const { exit, got } = yield* inside(consume(acme.watch()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(got, [1])
      assert.strictEqual(provider.closed(), 1)
    })
  )

  it.effect("without its mark it was truncated, however it ended", () =>
    Effect.gen(function* () {
      const { acme, inside } = yield* stage({ end: marker }, () => ({ body: events(1) }))
      const { got, reason } = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual(got, [1])
      assert.strictEqual(
        reason?.message,
        "the stream was cut after 1 element (15 bytes): it ended without the mark of its end"
      )
    })
  )

  it.effect("an element may be the last one", () =>
    Effect.gen(function* () {
      const { acme, inside } = yield* stage({ end: Streaming.lastElement((n: number) => n === 2) }, () => ({
        body: Stream.concat(events(1, 2, 3), silence)
      }))
      assert.deepStrictEqual((yield* inside(consume(acme.watch()))).got, [1, 2])
    })
  )

  it.effect("fewer bytes than were announced, the end of a connection, and half an event are no end", () =>
    Effect.gen(function* () {
      const why = (headers: Record<string, string>, body: Stream.Stream<string>) =>
        Effect.gen(function* () {
          const { acme, inside } = yield* stage({}, () => ({ headers, body }))
          const { reason } = yield* inside(consume(acme.watch()))
          return [reason?._tag, reason?.message.split(": ").at(-1)]
        })
      assert.deepStrictEqual(yield* why({ "content-length": "31" }, events(1, 2)), ["Truncated", "30 of 31 bytes came"])
      assert.deepStrictEqual(yield* why({ connection: "close" }, events(1, 2)), [
        "Truncated",
        "the connection was closed, and nothing says that it was complete"
      ])
      assert.deepStrictEqual(yield* why({}, Stream.concat(events(1), Stream.make("data: 2\n"))), [
        "Truncated",
        "its last event is not complete"
      ])
      assert.deepStrictEqual(yield* why({ "content-length": "30" }, events(1, 2)), [undefined, undefined])
    })
  )
})

describe("the limits of a stream", () => {
  it.effect("the first byte: an attempt without one is cut and retried", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage(
        { limits: { firstByte: "20 seconds" } },
        () => ({ body: silence }),
        () => ({ body: Stream.concat(after(19_999, ": late\n\n"), events(1)) })
      )
      const { got } = yield* inside(consume(acme.watch()))
      // The total deadline of 30 seconds bounds both attempts.
      assert.deepStrictEqual(got, [])
      const call = observed(recording)
      assert.strictEqual(call.callOutcome, "exhausted")
      assert.strictEqual(call.latency, 30_000)
      assert.deepStrictEqual(
        call.attempts.map(({ elapsed, reason }) => [reason, elapsed]),
        [
          ["BodyLost", 20_000],
          ["BodyLost", 10_000]
        ]
      )
    })
  )

  it.effect("the policy's limits cut nothing that flows", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({}, () => ({
        body: Stream.fromIterable(Array.from({ length: 20 }, (_, n) => n)).pipe(
          Stream.mapEffect((n) => Effect.delay(Effect.succeed(event(n)), 9_000))
        )
      }))
      const { exit, got } = yield* inside(consume(acme.watch()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(got.length, 20)
      assert.strictEqual(observed(recording).latency, 180_000)
    })
  )

  it.effect("silence: between bytes, not between elements", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({}, () => ({
        body: Stream.concat(
          Stream.concat(events(1), Stream.concat(after(14_000, ": alive\n\n"), after(14_000, event(2)))),
          silence
        )
      }))
      const { got, reason } = yield* inside(consume(acme.watch()))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(reason?.message, "the stream was cut after 2 elements (39 bytes): nothing came for 15 s")
      assert.strictEqual(observed(recording).latency, 43_000)
    })
  )

  it.effect("a slow consumer is not an idle provider, and is not read ahead of", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage({}, () => ({ body: events(1, 2, 3) }))
      const { exit, got } = yield* inside(
        consume(acme.watch(), (n) =>
          Effect.andThen(
            Effect.sync(() => assert.strictEqual(provider.read(), n)),
            Effect.sleep("1 minute")
          )
        )
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(got, [1, 2, 3])
      assert.strictEqual(observed(recording).latency, 180_000)
    })
  )

  it.effect("the total counts everything, and does not blame the provider", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({ limits: { total: "100 seconds" } }, () => ({
        body: Stream.concat(events(1), Stream.concat(after(1_000, event(2)), events(3)))
      }))
      const { got, reason } = yield* inside(consume(acme.watch(), () => Effect.sleep("1 minute")))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(
        reason?.message,
        "the stream was cut after 2 elements (30 bytes); not done within the total limit of the stream of 1.7 min"
      )
      assert.strictEqual(observed(recording).callOutcome, "timeout")
      assert.strictEqual(observed(recording).latency, 100_000)
    })
  )

  it.effect("the caller's deadline bounds a stream too", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage({}, () => ({
        body: Stream.concat(events(1), Stream.concat(after(10_000, event(2)), after(10_000, event(3))))
      }))
      const { got, reason } = yield* inside(Deadline.within(consume(acme.watch()), "15 seconds"))
      assert.deepStrictEqual(got, [1, 2])
      assert.match(reason!.message, /caller's deadline of 15 s$/)
      assert.strictEqual(observed(recording).latency, 15_000)
    })
  )

  it.effect("without a limit of the first byte an attempt is bound to its status", () =>
    Effect.gen(function* () {
      const unlimited = Streaming.unlimited("a subscription")
      const { acme, inside } = yield* stage(
        { limits: { firstByte: unlimited, idle: unlimited, total: unlimited } },
        () => ({
          body: Stream.concat(after(25_000, event(1)), after(3_000_000, event(2)))
        })
      )
      assert.deepStrictEqual((yield* inside(consume(acme.watch()))).got, [1, 2])
    })
  )

  it("numbers that make no sense fail the build", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const problemsOf = (limits: Partial<Streaming.Limits>) =>
          Effect.map(Effect.flip(stage({ limits }, () => ({ body: Stream.empty }))), (error) => error.message)
        assert.match(
          yield* problemsOf({ total: Infinity }),
          /the total limit must be finite.*Streaming.unlimited\(reason\)/
        )
        assert.match(yield* problemsOf({ idle: 0 }), /the idle limit must be longer than zero/)
        assert.match(yield* problemsOf({ total: Streaming.unlimited(" ") }), /say why it is unlimited/)
        assert.match(
          yield* problemsOf({ firstByte: "40 seconds" }),
          /the attempt timeout of 40 s is longer than the total deadline of 30 s/
        )
      })
    ))
})

describe("what a stream holds", () => {
  it.effect("its permit, its place in the drain and its span, until its consumer leaves", () =>
    Effect.gen(function* () {
      const bulkhead = watchedBulkhead(1, 1)
      const { acme, inside, provider, recording } = yield* stage({ shared: bulkhead.policy }, () => ({
        body: Stream.concat(events(1, 2), silence)
      }))
      const left = yield* Latch.make()
      const fiber = yield* inside(
        Effect.forkChild(
          Stream.runForEach(Stream.take(acme.watch(), 2), (n) => (n === 2 ? left.await : Effect.void)),
          {
            startImmediately: true
          }
        )
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(bulkhead.permits.taken, 1)
      assert.strictEqual(recording.calls.length, 0)
      yield* left.open
      yield* Fiber.join(fiber)
      assert.strictEqual(bulkhead.permits.taken, 0)
      assert.strictEqual(provider.closed(), 1)
      const call = observed(recording)
      assert.deepStrictEqual([call.callOutcome, call.outcome], ["cancelled", "Unknown"])
      assert.isTrue(
        recording.spans.filter(({ name }) => !name.startsWith("test.")).every(({ status }) => status._tag === "Ended")
      )
    })
  )

  it.effect("a consumer that is interrupted closes the connection and gives everything back", () =>
    Effect.gen(function* () {
      const bulkhead = watchedBulkhead(1, 1)
      const { acme, inside, provider, recording } = yield* stage({ shared: bulkhead.policy }, () => ({
        body: Stream.concat(events(1), silence)
      }))
      const fiber = yield* inside(Effect.forkChild(Stream.runDrain(acme.watch()), { startImmediately: true }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([bulkhead.permits.taken, provider.closed()], [0, 1])
      assert.strictEqual(observed(recording).callOutcome, "cancelled")
    })
  )

  it.effect("a pull that is given up loses no element", () =>
    Effect.gen(function* () {
      const { acme, inside } = yield* stage({}, () => ({
        body: Stream.concat(after(1_000, event(1)), after(1_000, event(2)))
      }))
      const got = yield* inside(
        Effect.scoped(
          Effect.gen(function* () {
            const pull = yield* Stream.toPull(acme.watch())
            const impatient = yield* Effect.forkChild(pull, { startImmediately: true })
            yield* TestClock.adjust(500)
            yield* Fiber.interrupt(impatient)
            yield* TestClock.adjust(10_000)
            const first = yield* pull
            const second = yield* Effect.forkChild(pull, { startImmediately: true })
            yield* TestClock.adjust(1_000)
            return [...first, ...(yield* Fiber.join(second))]
          })
        )
      )
      assert.deepStrictEqual(got, [1, 2])
    })
  )

  it.effect("a layer that closes waits for a stream that ends in time, and ends one that does not", () =>
    Effect.gen(function* () {
      const { acme, close, inside, recording } = yield* stage(
        {},
        () => ({ body: Stream.concat(events(1), after(5_000, event(2))) }),
        () => ({ body: Stream.concat(events(1), silence) })
      )
      const ends = yield* inside(Effect.forkChild(Stream.runCollect(acme.watch()), { startImmediately: true }))
      const stays = yield* inside(
        Effect.forkChild(Effect.exit(Stream.runCollect(acme.watch())), { startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* Fiber.join(ends), [1, 2])
      const exit = yield* Fiber.join(stays)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.deepStrictEqual(
        recording.calls.map(({ callOutcome }) => callOutcome),
        ["ok", "cancelled"]
      )
    })
  )

  it.effect(
    "a truncation counts against the provider's circuit, a long stream is not slow, a left one is neither",
    () =>
      Effect.gen(function* () {
        const breaker = watchedBreaker({ consecutive: 1, openFor: 60_000, maxOpenFor: 60_000 })
        const { acme, inside } = yield* stage(
          { shared: breaker.policy },
          () => ({ body: Stream.concat(events(1), silence) }),
          () => ({ body: events(1), lost: true })
        )
        yield* inside(consume(Stream.take(acme.watch(), 1)))
        assert.strictEqual((yield* breaker.state())._tag, "Closed")
        yield* inside(consume(acme.watch()))
        assert.strictEqual((yield* breaker.state())._tag, "Open")
      })
  )

  it.effect("a probe is settled by its first element: what lasts for hours keeps nobody out", () =>
    Effect.gen(function* () {
      const breaker = watchedBreaker({ consecutive: 1, openFor: 60_000, maxOpenFor: 60_000 })
      const { acme, inside } = yield* stage(
        { shared: breaker.policy },
        () => ({ body: events(1), lost: true }),
        () => ({ body: Stream.concat(events(1), silence) })
      )
      yield* inside(consume(acme.watch()))
      assert.strictEqual((yield* breaker.state())._tag, "Open")
      yield* TestClock.adjust("61 seconds")
      const first = yield* Deferred.make<void>()
      const probe = yield* Effect.forkChild(
        inside(consume(Stream.tap(acme.watch(), () => Deferred.succeed(first, undefined))))
      )
      yield* Deferred.await(first)
      assert.isUndefined(probe.pollUnsafe())
      assert.strictEqual((yield* breaker.state())._tag, "Closed")
      yield* Fiber.interrupt(probe)
      assert.strictEqual((yield* breaker.state())._tag, "Closed")
    })
  )
})

describe("a stream that is resumed", () => {
  it.effect("goes on after the last event, counts attempts anew, and honours the wait that it was told", () =>
    Effect.gen(function* () {
      const answers = Array.from({ length: 6 }, (_, n): Answer => (request) => ({
        body: Stream.make(`retry: 7000\nid: ${n}\ndata: ${n}\n\n`),
        ...(n === 5 ? {} : { lost: true }),
        headers: { seen: request.headers["last-event-id"] ?? "" }
      }))
      const { acme, inside, provider, recording } = yield* stage({}, ...answers)
      const { exit, got } = yield* inside(consume(acme.resumed()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(got, [0, 1, 2, 3, 4, 5])
      assert.deepStrictEqual(
        provider.requests.map(({ headers }) => headers["last-event-id"]),
        [undefined, "0", "1", "2", "3", "4"]
      )
      const call = observed(recording)
      assert.strictEqual(call.stream?.resumed, 5)
      assert.strictEqual(call.callOutcome, "ok_after_retry")
      assert.strictEqual(call.latency, 35_000)
    })
  )

  it.effect("gives up as a call does, and says that it was truncated", () =>
    Effect.gen(function* () {
      const { acme, inside, provider, recording } = yield* stage(
        {},
        () => ({ body: events(1), lost: true }),
        () => ({ status: 503, body: Stream.empty })
      )
      const { got, reason } = yield* inside(consume(acme.resumed()))
      assert.deepStrictEqual(got, [1])
      assert.strictEqual(provider.requests.length, 3)
      assert.deepStrictEqual(
        [reason?._tag, reason?.message],
        ["Truncated", "the stream was cut after 1 element (15 bytes), and it could not go on: status 503, not declared"]
      )
      assert.strictEqual(observed(recording).callOutcome, "exhausted")
    })
  )

  it.effect("the total deadline of the policy bounds each gap", () =>
    Effect.gen(function* () {
      const { acme, inside, recording } = yield* stage(
        { limits: { total: Streaming.unlimited("a subscription"), firstByte: "29 seconds" } },
        () => ({ body: Stream.concat(events(1), after(14_000, event(2))), lost: true }),
        () => ({ body: silence })
      )
      const { got, reason } = yield* inside(consume(acme.resumed()))
      assert.deepStrictEqual(got, [1, 2])
      assert.match(reason!.message, /cut after 2 elements .* not done within the total deadline of 30 s$/)
      assert.strictEqual(observed(recording).latency, 44_000)
    })
  )

  it.effect("an event that comes again is dropped, and a start from the beginning is no resumption", () =>
    Effect.gen(function* () {
      const again = yield* stage(
        {},
        () => ({ body: events(1, 2), lost: true }),
        () => ({ body: events(2, 3) })
      )
      assert.deepStrictEqual((yield* again.inside(consume(again.acme.resumed()))).got, [1, 2, 3])
      const anew = yield* stage(
        {},
        () => ({ body: events(1, 2), lost: true }),
        () => ({ body: events(1, 2, 3) })
      )
      const { got, reason } = yield* anew.inside(consume(anew.acme.resumed()))
      assert.deepStrictEqual(got, [1, 2])
      assert.match(reason!.message, /the provider began again from the start$/)
      assert.strictEqual(anew.provider.requests.length, 2)
    })
  )

  it.effect("an event without an id of its own leaves no place to go on from", () =>
    Effect.gen(function* () {
      const { acme, inside, provider } = yield* stage({}, () => ({
        body: Stream.make(`${event(1)}data: 2\n\n`),
        lost: true
      }))
      const { got, reason } = yield* inside(consume(acme.resumed()))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(reason?._tag, "Truncated")
      assert.strictEqual(provider.requests.length, 1)
    })
  )

  it.effect("a subscription has no end: it goes on when the provider ends it, until 204", () =>
    Effect.gen(function* () {
      const { acme, inside, provider } = yield* stage(
        { end: Streaming.endless },
        () => ({ body: events(1) }),
        () => ({ body: events(2) }),
        () => ({ status: 204, body: Stream.empty })
      )
      const { exit, got } = yield* inside(consume(acme.resumed()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(got, [1, 2])
      assert.strictEqual(provider.requests.length, 3)
    })
  )
})
