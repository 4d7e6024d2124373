// Which answers are stored, how they are told again, and what happens at the same time.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { problems } from "../../../http/Answer.ts"
import {
  type Answer,
  type Bench,
  carriedOut,
  check,
  fresh,
  Gate,
  holds,
  isRefused,
  json,
  refused,
  replay,
  same,
  sameBytes,
  type Sent
} from "./bench.ts"

/** Repeats a request until the first with its key has been recorded: at most about two seconds. */
const settled = (bench: Bench, sent: Sent): Effect.Effect<Answer, unknown> =>
  Effect.gen(function* () {
    let answer = yield* bench.send(sent)
    for (let n = 0; n < 100 && isRefused(answer, problems.inProgress); n++) {
      yield* Effect.sleep("20 millis")
      answer = yield* bench.send(sent)
    }
    return answer
  })

/** What becomes of a key whose handler failed. */
const failed = Effect.fnUntraced(function* (bench: Bench, key: string, what: string) {
  const { harness, desk } = bench
  const ran = desk.carriedOut.length
  const other = yield* bench.send({ key, body: '{"amount":2}' })
  if (harness.onFailure === "rollback") {
    // Nothing was left: the key may stand for another request.
    yield* fresh(`another request after ${what}`, other, 201)
    return
  }
  // What may have happened stands under its key: a claim that is deleted on an error lets another request have it.
  yield* refused(`another request after ${what}`, other, 422, problems.keyReused)
  const again = yield* bench.send({ key })
  if (harness.onFailure === "hold") {
    yield* refused(`the repeat after ${what}`, again, 409, problems.outcomeUnknown)
    yield* carriedOut(bench, ran, `for a repeat after ${what}`)
  } else {
    yield* fresh(`the repeat after ${what}`, again, 201)
    yield* carriedOut(bench, ran + 1, `for a repeat after ${what}`)
    yield* replay(`the repeat of what then went well`, yield* bench.send({ key }), again)
  }
})

export const answers = [
  check("an answer of 4xx that the handler meant is stored: an error does not free its key", function* (bench) {
    for (const status of [400, 402, 404, 409, 410, 422]) {
      const key = `k${status}`
      bench.desk.answer = (_, n) => json(status, { code: "declined", n })
      const ran = bench.desk.carriedOut.length
      const first = yield* bench.send({ key })
      yield* fresh(`a ${status}`, first, status)
      bench.desk.answer = (_, n) => json(201, { n })
      yield* replay(`the repeat of a ${status}`, yield* bench.send({ key }), first)
      const other = yield* bench.send({ key, body: '{"amount":2}' })
      yield* refused(`another request after a ${status}`, other, 422, problems.keyReused)
      yield* carriedOut(bench, ran + 1, `for a ${status} and its repeats`)
    }
  }),

  check("an answer that says that nothing was done frees its key", function* (bench) {
    for (const status of [401, 403, 408, 425, 429]) {
      const key = `k${status}`
      bench.desk.answer = () => json(status, {})
      yield* fresh(`a ${status}`, yield* bench.send({ key }), status)
      bench.desk.answer = (_, n) => json(201, { n })
      yield* fresh(`another request after a ${status}`, yield* bench.send({ key, body: '{"amount":2}' }), 201)
    }
    yield* carriedOut(bench, 10, "for five answers that free their key, and five after them")
  }),

  check("after a 5xx it may have happened", function* (bench) {
    for (const status of [500, 502, 503, 504]) {
      bench.desk.answer = () => json(status, {})
      yield* fresh(`a ${status}`, yield* bench.send({ key: `k${status}` }), status)
      bench.desk.answer = (_, n) => json(201, { n })
      yield* failed(bench, `k${status}`, `a ${status}`)
    }
  }),

  check("after a handler that threw it may have happened", function* (bench) {
    bench.desk.answer = () => Promise.reject(new Error("a bug in the handler"))
    yield* same("the status of a handler that threw", (yield* bench.send({ key: "k" })).status, 500)
    bench.desk.answer = (_, n) => json(201, { n })
    yield* failed(bench, "k", "a handler that threw")
  }),

  check("an answer is told again byte for byte, text or not", function* (bench) {
    const bodies: ReadonlyArray<readonly [type: string, body: string | Uint8Array]> = [
      ["application/json", '{ "spaces" :  "stay" }\n'],
      ["text/plain; charset=utf-8", "\uFEFFs\u00fc\u00df \u{1F980} \u0000"],
      ["application/octet-stream", Uint8Array.from({ length: 256 }, (_, n) => n)],
      ["application/octet-stream", Uint8Array.of(0xc3, 0x28)]
    ]
    for (const [n, [type, body]] of bodies.entries()) {
      bench.desk.answer = () => ({ status: 200, headers: { "content-type": type }, body })
      const first = yield* bench.send({ key: `k${n}` })
      const expected = typeof body === "string" ? new TextEncoder().encode(body) : body
      yield* sameBytes(`body ${n}`, first.body, expected)
      yield* replay(`body ${n}, told again`, yield* bench.send({ key: `k${n}` }), first)
    }
    bench.desk.answer = () => ({ status: 204 })
    const empty = yield* bench.send({ key: "empty" })
    yield* replay("an answer without a body", yield* bench.send({ key: "empty" }), empty)
  }),

  check("headers of the answer are told again, those of the exchange are not", function* (bench) {
    bench.desk.answer = () =>
      json(
        201,
        {},
        {
          location: "/things/1",
          "content-location": "/things/1",
          "content-language": "de",
          etag: '"v1"',
          "last-modified": "Tue, 24 Nov 2026 00:00:00 GMT",
          link: '</a>; rel="a", </b>; rel="b"',
          "set-cookie": "session=s3cret; HttpOnly",
          "x-ratelimit-remaining": "7",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        }
      )
    const first = yield* bench.send({ key: "k" })
    const again = yield* bench.send({ key: "k" })
    yield* replay("the repeat", again, first)
    for (const name of ["set-cookie", "x-ratelimit-remaining", "traceparent"]) {
      yield* same(`${name} of the repeat`, again.headers[name], undefined)
    }
  }),

  check("an answer that is too large is told once, and then as done", function* (bench) {
    const { stored } = bench.harness.limits ?? { stored: 256 * 1024 }
    const text = (size: number, headers: Record<string, string> = {}) => ({
      status: 200,
      headers: { "content-type": "text/plain", ...headers },
      body: "x".repeat(size)
    })
    bench.desk.answer = () => text(stored + 1)
    yield* same("the size of the first answer", (yield* bench.send({ key: "k" })).body.length, stored + 1)
    yield* refused("the repeat of a large answer", yield* bench.send({ key: "k" }), 409, problems.responseNotStored)
    bench.desk.answer = () => text(stored + 1, { location: "/things/7" })
    yield* fresh("a large answer with a location", yield* bench.send({ key: "l" }), 200)
    const elsewhere = yield* bench.send({ key: "l" })
    yield* refused("the repeat of a large answer with a location", elsewhere, 303, problems.responseNotStored)
    yield* same("its location", elsewhere.headers["location"], "/things/7")
    bench.desk.answer = () => text(stored)
    const largest = yield* bench.send({ key: "m" })
    yield* replay("the largest answer", yield* bench.send({ key: "m" }), largest)
    yield* carriedOut(bench, 3, "for three large answers")
  }),

  check("while a request is at work, its repeat is told so, and when to come again", function* (bench) {
    const gate = new Gate()
    bench.desk.answer = (_, n) => gate.opened.then(() => json(201, { n }))
    const first = yield* Effect.forkChild(bench.send({ key: "k" }), { startImmediately: true })
    yield* bench.desk.arrived(1)
    const meanwhile = yield* bench.send({ key: "k" })
    if (bench.harness.onFailure !== "rollback" || meanwhile.status === 409) {
      yield* refused("the repeat meanwhile", meanwhile, 409, problems.inProgress)
      const after = meanwhile.headers["retry-after"]
      yield* holds("its Retry-After", /^[1-9]\d*$/.test(after ?? ""), after, "a number of seconds")
    }
    yield* gate.open
    const answer = yield* Fiber.join(first)
    yield* fresh("the first answer", answer, 201)
    yield* replay("the repeat afterwards", yield* settled(bench, { key: "k" }), answer)
    yield* carriedOut(bench, 1, "for a request and its repeats")
  }),

  check("of many requests with one key at once, one is carried out", function* (bench) {
    bench.desk.answer = (_, n) => new Promise((resolve) => resolve(json(201, { n })))
    const all = yield* Effect.forEach(
      Array.from({ length: 64 }, (_, n) => `k${n % 4}`),
      (key) => Effect.map(bench.send({ key }), (answer) => ({ key, answer })),
      { concurrency: "unbounded" }
    )
    yield* carriedOut(bench, 4, "for 16 requests of each of four keys")
    for (const key of ["k0", "k1", "k2", "k3"]) {
      const done = all.filter((one) => one.key === key && one.answer.status === 201)
      yield* same(
        `first answers of ${key}`,
        done.filter(({ answer }) => answer.headers["idempotent-replayed"] === undefined).length,
        1
      )
      yield* same(`different bodies of ${key}`, new Set(done.map(({ answer }) => answer.text)).size, 1)
      for (const { answer } of all.filter((one) => one.key === key && one.answer.status !== 201)) {
        yield* refused(`a request with ${key} that came too early`, answer, 409, problems.inProgress)
      }
    }
  }),

  check("a client that leaves interrupts nothing: its repeat gets the answer", function* (bench) {
    const gate = new Gate()
    bench.desk.answer = (_, n) => gate.opened.then(() => json(201, { n }))
    const leaving = yield* Effect.forkChild(bench.send({ key: "k" }), { startImmediately: true })
    yield* bench.desk.arrived(1)
    yield* Fiber.interrupt(leaving)
    // Long enough for a server to see that the connection is gone.
    yield* Effect.sleep("50 millis")
    yield* gate.open
    const answer = yield* settled(bench, { key: "k" })
    yield* same("the status of the repeat", answer.status, 201)
    yield* same("the body of the repeat", answer.text, '{"n":1}')
    yield* carriedOut(bench, 1, "for a client that left and came again")
  })
]
