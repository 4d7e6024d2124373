// A stream whose consumer, or whose layer, gives up at every point where a fiber can be interrupted, and what a consumer
// gets of a body that comes in pieces of any size and is cut at any place.
import { assert, describe, it } from "@effect/vitest"
import { Outcome, Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { IntegrationTest } from "breakwater/testing"
import { Context, Effect, Exit, Layer, Schema, Stream } from "effect"
import { HttpClient } from "effect/http"
import { ownClock, stage } from "./stepping.ts"
import { type Answer, event, Failed, integration, providerOf } from "./streams.ts"
import { watchedBreaker, watchedBulkhead } from "./support.ts"

const worldOf = (...answers: ReadonlyArray<Answer>) => {
  const bulkhead = watchedBulkhead(1, 1)
  const breaker = watchedBreaker({ consecutive: 1, openFor: 1_000, maxOpenFor: 1_000 })
  const provider = providerOf(...answers)
  const events: Array<Telemetry.CallObserved> = []
  const Acme = integration({ shared: bulkhead.policy })
  const Guarded = integration({ shared: breaker.policy })
  const build = Effect.map(
    Layer.build(
      HttpIntegration.layer(Acme, { baseUrl: "https://acme.example" }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, provider.client)),
        Layer.provide(Telemetry.layerObserver((one) => void events.push(one)))
      )
    ),
    (context) => Context.get(context, Acme)
  )
  const guarded = Effect.map(
    Layer.build(
      HttpIntegration.layer(Guarded, { baseUrl: "https://acme.example" }).pipe(
        Layer.provide(Layer.succeed(HttpClient.HttpClient, provider.client))
      )
    ),
    (context) => Context.get(context, Guarded)
  )
  return { build, guarded, bulkhead, breaker, provider, events }
}

/** A body of which each piece takes a few turns. */
const turning = (...pieces: ReadonlyArray<string>) =>
  Stream.fromIterable(pieces).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((piece) => Effect.as(Effect.yieldNow, piece))
  )

const everyPoint = (at: (k: number) => boolean): number => {
  for (let k = 0; k < 5_000; k++) if (at(k)) return k
  throw new Error("the call does not end")
}

describe("interruption at every yield point", () => {
  const good: Answer = () => ({ body: turning(event(1), event(2)) })

  it("a consumer: its permit is back, the connection is closed, it is observed once, and the next stream runs", () => {
    const points = everyPoint((k) => {
      const world = worldOf(good)
      const { active, built, close, run, start, stepper } = stage(ownClock(), world.build)
      let got = 0
      const fiber = start(Stream.runForEach(built.keyed({ payload: "?" }), () => Effect.sync(() => void got++)))
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}: it did not end`)
      assert.strictEqual(world.bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      assert.strictEqual(world.bulkhead.permits.waiting.size, 0, `k = ${k}`)
      assert.strictEqual(active(), 0, `k = ${k}: a call counts as running`)
      assert.strictEqual(world.provider.closed(), world.provider.begun(), `k = ${k}: a body is left open`)
      assert.isAtMost(world.events.length, 1, `k = ${k}`)
      if (world.provider.requests.length > 0) {
        assert.strictEqual(world.events.length, 1, `k = ${k}: what was sent was not observed`)
        const [observed] = world.events
        assert.isFalse(Outcome.didNotHappen(observed!.outcome), `k = ${k}: ${observed!.outcome}`)
        const [attempt] = observed!.attempts
        assert.strictEqual(observed!.attempts.length, 1, `k = ${k}`)
        // An attempt is a success only if the stream came to its end; one that was left says so.
        if (got < 2) {
          assert.deepStrictEqual([attempt!.reason, attempt!.outcome], ["Interrupted", "Unknown"], `k = ${k}`)
          assert.strictEqual(observed!.callOutcome, "cancelled", `k = ${k}`)
        }
        assert.isAtLeast(observed!.stream!.elements, got, `k = ${k}`)
      }
      // What is back is seen above; that the next one runs is worth some of the points.
      if (k % 10 === 0) {
        assert.deepStrictEqual(run(Stream.runCollect(built.watch())), Exit.succeed([1, 2]), `k = ${k}: the next stream`)
      }
      assert.isTrue(close(), `k = ${k}: the layer does not close`)
      return ended
    })
    assert.isAbove(points, 60)
  }, 120_000)

  it("a half-open circuit's probe: it is handed back, and the next stream is the probe", () => {
    const points = everyPoint((k) => {
      const world = worldOf(() => ({ body: turning(event(1)), lost: true }), good)
      const time = ownClock()
      const { built, run, start, stepper } = stage(time, world.guarded)
      assert.isTrue(Exit.isFailure(run(Stream.runDrain(built.watch()))))
      time.advance(1_000)
      const fiber = start(Stream.runDrain(built.watch()))
      for (let n = 0; n < k; n++) stepper.step()
      const ended = fiber.pollUnsafe() !== undefined
      fiber.interruptUnsafe()
      stepper.drain()
      const state = run(world.breaker.state())
      assert.isTrue(
        Exit.isSuccess(state) && !(state.value._tag === "HalfOpen" && state.value.probing),
        `k = ${k}: the probe is lost`
      )
      time.advance(1_000)
      assert.isTrue(Exit.isSuccess(run(Stream.runDrain(built.watch()))), `k = ${k}: the next stream`)
      const closed = run(world.breaker.state())
      assert.isTrue(Exit.isSuccess(closed) && closed.value._tag === "Closed", `k = ${k}`)
      return ended
    })
    assert.isAbove(points, 60)
  }, 120_000)

  it("a layer that closes while a stream flows: the stream ends, and everything is back", () => {
    for (let k = 0; k < 150; k++) {
      const world = worldOf(() => ({ body: Stream.concat(turning(event(1), event(2)), Stream.never) }))
      const time = ownClock()
      const { active, built, close, start, stepper } = stage(time, world.build)
      const fiber = start(Stream.runDrain(built.watch()))
      for (let n = 0; n < k; n++) stepper.step()
      const closed = close()
      time.advance(10_000)
      stepper.drain()
      // A stream whose layer has closed before it began waits for nothing: its call is turned away.
      assert.isDefined(fiber.pollUnsafe(), `k = ${k}, closed at once: ${closed}`)
      assert.strictEqual(world.bulkhead.permits.taken, 0, `k = ${k}: a permit is lost`)
      assert.strictEqual(active(), 0, `k = ${k}`)
      assert.strictEqual(world.provider.closed(), world.provider.begun(), `k = ${k}: a body is left open`)
      assert.isAtMost(world.events.length, 1, `k = ${k}`)
    }
  }, 60_000)
})

// ---- any body, in any pieces, cut at any place

const Line = Schema.Literals(["\n", "\r\n", "\r"])
const Written = Schema.Struct({
  eol: Line,
  comment: Schema.Boolean,
  split: Schema.Boolean
})
const Case = Schema.Struct({
  events: Schema.Array(Written),
  cuts: Schema.Array(Schema.Int),
  piece: Schema.Int
})

const modulo = (n: number, by: number) => ((n % by) + by) % by

/** The body as text of ASCII, and where each event is complete. */
const write = (events: ReadonlyArray<typeof Written.Type>) => {
  let text = ""
  const ends = events.map(({ comment, eol, split }, n) => {
    if (comment) text += `: c${eol}`
    text += `id: ${n}${eol}`
    text += split ? `data: [${eol}data: ${n}]${eol}` : `data: ${n}${eol}`
    const end = text.length + 1
    text += eol
    return end
  })
  return { text, ends }
}

const pieces = (text: string, size: number) =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, n) => text.slice(n * size, (n + 1) * size))

describe("any body, in pieces of any size, cut anywhere", () => {
  it.effect.prop(
    "without resume every event before the cut comes once; with it all come, once and in order",
    [Case],
    ([{ cuts, events, piece }]) =>
      Effect.gen(function* () {
        const { ends, text } = write(events.map((one) => ({ ...one, split: false })))
        const size = 1 + modulo(piece, 7)
        const cut = modulo(cuts[0] ?? 0, text.length + 1)
        const before = ends.filter((end) => end <= cut).map((_, n) => n)
        const once = providerOf(() => ({ body: Stream.fromIterable(pieces(text.slice(0, cut), size)), lost: true }))
        const consume = (provider: ReturnType<typeof providerOf>, resumes: boolean) =>
          Effect.gen(function* () {
            const Acme = integration({})
            const layer = HttpIntegration.layer(Acme, { baseUrl: "https://acme.example" }).pipe(
              Layer.provide(Layer.succeed(HttpClient.HttpClient, provider.client))
            )
            const acme = Context.get(yield* Layer.build(layer), Acme)
            const got: Array<number> = []
            const stream = resumes ? acme.resumed() : acme.watch()
            const exit = yield* IntegrationTest.settle(
              Effect.exit(Stream.runForEach(stream, (n) => Effect.sync(() => void got.push(n))))
            )
            return { got, exit }
          }).pipe(Effect.scoped)
        const first = yield* consume(once, false)
        assert.deepStrictEqual(first.got, before)
        const error = Exit.isFailure(first.exit) ? first.exit.cause.reasons[0] : undefined
        assert.isTrue(error?._tag === "Fail" && error.error instanceof Failed)

        // Each answer goes on after the event that was asked for, and is cut in its turn.
        let answers = 0
        let fruitless = 0
        const resuming = providerOf((request) => {
          const last = request.headers["last-event-id"]
          const from = last === undefined ? 0 : ends[Number(last)]!
          const at = cuts[answers++]
          const to = at === undefined ? text.length : from + modulo(at, text.length - from + 1)
          const brings = ends.some((end) => end > from && end <= to)
          // A call has three attempts for each element, of which the one that was cut is the first.
          fruitless = brings ? 0 : fruitless + 1
          const whole = at === undefined || fruitless > 1
          return {
            body: Stream.fromIterable(pieces(text.slice(from, whole ? text.length : to), size)),
            lost: !whole
          }
        })
        const all = yield* consume(resuming, true)
        assert.isTrue(Exit.isSuccess(all.exit), JSON.stringify(all))
        assert.deepStrictEqual(
          all.got,
          events.map((_, n) => n)
        )
      }),
    { arbitrary: { runs: 50 }, timeout: 60_000 }
  )
})
