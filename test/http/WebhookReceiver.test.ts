import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory, Receiver, Webhook } from "breakwater"
import { WebhookReceiver } from "breakwater/http"
import {
  Cause,
  Context,
  Data,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Logger,
  Option,
  Redacted,
  Schema
} from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

const now = 1706180400
const Stripe = Webhook.stripe({ secrets: [Redacted.make("whsec_new"), Redacted.make("whsec_old")] })
const GitHub = Webhook.github({ secrets: Redacted.make("hush") })
const Paid = Schema.Struct({ type: Schema.String, amount: Schema.Int })
type Paid = typeof Paid.Type

class Broken extends Data.TaggedError("Broken")<{}> {}
class NotYet extends Data.TaggedError("NotYet")<{}> {}

/** Says of itself that it is a success. */
class Liar extends Data.TaggedError("Liar")<{}> implements HttpServerRespondable.Respondable {
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpServerResponse.empty({ status: 200 }))
  }
}

const rerun = Receiver.leased({ onLostLease: "rerun", lease: "30 seconds" })
const hold = Receiver.leased({ onLostLease: "hold", lease: "30 seconds" })

const memory = Effect.map(Effect.scoped(Layer.build(IdempotencyStoreMemory.layer)), (context) =>
  Context.get(context, IdempotencyStore.IdempotencyStore)
)

interface Answered {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
  /** What the route failed with, as a logger of the router sees it. */
  readonly cause: Cause.Cause<unknown> | undefined
}

/** An application of routes over a store that the test can look into. */
const serve = <E>(
  routes: Layer.Layer<
    never,
    E,
    HttpRouter.HttpRouter | HttpRouter.Request<"Requires", IdempotencyStore.IdempotencyStore>
  >,
  store?: IdempotencyStore.Store
) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(now * 1000)
    const records = store ?? (yield* memory)
    const app = yield* HttpRouter.toHttpEffect(routes)
    const send = (request: Request): Effect.Effect<Answered> =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(
          Effect.scoped(app).pipe(
            Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromWeb(request)),
            Effect.provideService(IdempotencyStore.IdempotencyStore, records)
          )
        )
        const [response, cause] =
          exit._tag === "Success"
            ? ([exit.value, undefined] as const)
            : yield* HttpServerError.causeResponse(exit.cause)
        const web = HttpServerResponse.toWeb(response)
        return {
          status: web.status,
          retryAfter: web.headers.get("retry-after") ?? undefined,
          body: yield* Effect.promise(() => web.text()),
          cause
        }
      })
    return { records, send }
  })

const text = (id: string, amount: number, type = "invoice.paid") => JSON.stringify({ id, type, amount })

const delivery = (
  webhook: Webhook.Webhook,
  path: string,
  body: string,
  options: { readonly id?: string; readonly headers?: Record<string, string>; readonly sent?: string } = {}
) =>
  Effect.map(
    Webhook.sign(webhook, { id: options.id ?? "d-1", body, url: `http://shop.test${path}` }),
    (headers) =>
      new Request(`http://shop.test${path}`, {
        method: "POST",
        headers: { ...headers, host: "shop.test", ...options.headers },
        body: options.sent ?? body
      })
  )

const deliver = (
  { send }: { readonly send: (request: Request) => Effect.Effect<Answered> },
  ...args: Parameters<typeof delivery>
) => Effect.flatMap(Effect.orDie(delivery(...args)), send)

const status = <A extends { readonly status: number }>(self: Effect.Effect<A>) =>
  Effect.map(self, ({ status }) => status)

/** A receiver whose runs are counted. */
const counted = (
  run: (event: Paid, n: number) => Effect.Effect<void, unknown> = () => Effect.void,
  more: Partial<WebhookReceiver.Options<Receiver.Leased, Paid, void>> = {},
  webhook = Stripe,
  store?: IdempotencyStore.Store
) =>
  Effect.gen(function* () {
    const runs: Array<Paid> = []
    const rejected: Array<string> = []
    const route = WebhookReceiver.post(
      "/hooks",
      webhook,
      {
        event: Paid,
        mode: rerun,
        onRejected: (error) => Effect.sync(() => void rejected.push(`${error._tag} ${error.reason}`)),
        ...more
      },
      (event) => Effect.suspend(() => run(event, runs.push(event)))
    )
    return { ...(yield* serve(route, store)), runs, rejected }
  })

describe("once per event", () => {
  it.effect("the handler runs once, and every delivery of the event is answered 200", () =>
    Effect.gen(function* () {
      const app = yield* counted()
      for (const _ of [1, 2, 3])
        assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 200)
      assert.deepStrictEqual(app.runs, [{ type: "invoice.paid", amount: 5 }])
      yield* deliver(app, Stripe, "/hooks", text("evt_2", 6))
      assert.strictEqual(app.runs.length, 2)
      assert.deepStrictEqual(app.rejected, [])
    })
  )

  it.effect("also days later, signed anew, and with a body that Stripe has changed", () =>
    Effect.gen(function* () {
      const app = yield* counted()
      const body = (pending: number) => JSON.stringify({ ...JSON.parse(text("evt_1", 5)), pending_webhooks: pending })
      yield* deliver(app, Stripe, "/hooks", body(2))
      yield* TestClock.adjust("72 hours")
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", body(1))), 200)
      assert.strictEqual(app.runs.length, 1)
    })
  )

  it.effect("a captured delivery that is sent again within the tolerance does nothing, and later is refused", () =>
    Effect.gen(function* () {
      const app = yield* counted()
      const captured = yield* delivery(Stripe, "/hooks", text("evt_1", 5))
      assert.strictEqual(yield* status(app.send(captured.clone())), 200)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* status(app.send(captured.clone())), 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* status(app.send(captured)), 401)
      assert.strictEqual(app.runs.length, 1)
      assert.deepStrictEqual(app.rejected, ["WebhookError Stale"])
    })
  )

  it.effect("GitHub has no time: what was captured is refused by the memory of its id, years later", () =>
    Effect.gen(function* () {
      const app = yield* counted(undefined, undefined, GitHub)
      const captured = yield* delivery(GitHub, "/hooks", text("evt_1", 5))
      assert.strictEqual(yield* status(app.send(captured.clone())), 200)
      yield* TestClock.adjust("3000 days")
      assert.strictEqual(yield* status(app.send(captured)), 200)
      assert.strictEqual(app.runs.length, 1)
    })
  )

  it.effect("routes of one provider have records of their own, and accounts too", () =>
    Effect.gen(function* () {
      const runs: Array<string> = []
      const route = (path: `/${string}`) =>
        WebhookReceiver.post(path, Stripe, { event: Paid, mode: rerun, scope: ({ type }) => type }, ({ type }) =>
          Effect.sync(() => void runs.push(`${path} ${type}`))
        )
      const app = yield* serve(Layer.mergeAll(route("/a"), route("/b")))
      for (const path of ["/a", "/b", "/a"]) yield* deliver(app, Stripe, path, text("evt_1", 5, "acct_1"))
      yield* deliver(app, Stripe, "/a", text("evt_1", 5, "acct_2"))
      assert.deepStrictEqual(runs, ["/a acct_1", "/b acct_1", "/a acct_2"])
      const record = yield* app.records.get({ scope: "POST /a|acct_1", key: "evt_1" })
      assert.strictEqual(Option.getOrThrow(record).state, "Done")
    })
  )

  it.effect("an answer of the handler is stored, and given again", () =>
    Effect.gen(function* () {
      let n = 0
      const route = WebhookReceiver.post(
        "/sms",
        Stripe,
        {
          event: Paid,
          mode: rerun,
          answer: {
            success: Schema.String,
            respond: (twiml) => HttpServerResponse.text(twiml, { status: 201, contentType: "text/xml" })
          }
        },
        ({ amount }) => Effect.sync(() => `<Response>${amount} ${++n}</Response>`)
      )
      const app = yield* serve(route)
      for (const _ of [1, 2]) {
        const { body, status } = yield* deliver(app, Stripe, "/sms", text("evt_1", 5))
        assert.deepStrictEqual([status, body], [201, "<Response>5 1</Response>"])
      }
    })
  )

  it.effect("a handler gets the delivery, and a key for its own calls", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const route = WebhookReceiver.post("/hooks", GitHub, { event: Paid, mode: rerun }, (_, verified) =>
        Effect.map(Receiver.childKey("notify"), (key) => {
          seen.push(verified.headers["x-github-event"], verified.id, verified.provider, key.parts)
        })
      )
      const app = yield* serve(route)
      yield* deliver(app, GitHub, "/hooks", text("evt_1", 5), { id: "d-9", headers: { "X-GitHub-Event": "push" } })
      assert.deepStrictEqual(seen, ["push", "d-9", "GitHub", ["notify", "POST /hooks", "d-9"]])
    })
  )
})

describe("no 2xx before it was handled", () => {
  it.effect("a handler that fails or dies is answered 500, and the next delivery runs it again", () =>
    Effect.gen(function* () {
      const ends = [Effect.fail(new Broken()), Effect.die(new Error("a bug")), Effect.fail(new Liar()), Effect.void]
      const app = yield* counted((_, n) => ends[n - 1]!)
      for (const expected of [500, 500, 500, 200, 200]) {
        const answered = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
        assert.deepStrictEqual([answered.status, answered.body], [expected, ""])
      }
      assert.strictEqual(app.runs.length, 4)
    })
  )

  it.effect("a handler that dies with a response is no success either", () =>
    Effect.gen(function* () {
      const ends = [Effect.die(HttpServerResponse.empty({ status: 200 })), Effect.die(new Liar()), Effect.void]
      const app = yield* counted((_, n) => ends[n - 1]!)
      for (const expected of [500, 500, 200]) {
        assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), expected)
      }
    })
  )

  it.effect("an `onRejected` that dies does not accept what was rejected", () =>
    Effect.gen(function* () {
      const app = yield* counted(undefined, { onRejected: () => Effect.die("no log") })
      const sent = deliver(app, Stripe, "/hooks", text("evt_1", 5), { sent: text("evt_1", 50) })
      assert.strictEqual(yield* status(sent), 500)
      assert.deepStrictEqual(app.runs, [])
    })
  )

  it.effect("what the handler failed with is what the route failed with", () =>
    Effect.gen(function* () {
      const app = yield* counted(() => Effect.fail(new Broken()))
      const { cause } = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
      assert.instanceOf(cause!.reasons.find(Cause.isFailReason)!.error, Broken)
    })
  )

  it.effect("a receiver's error that the handler itself fails with is a failure like any other", () =>
    Effect.gen(function* () {
      const inner = new Receiver.ReceiverError({
        reason: "ResponseNotStored",
        scope: "inner",
        key: "k",
        retryAfter: undefined,
        cause: undefined
      })
      const app = yield* counted(() => Effect.fail(inner))
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 500)
    })
  )

  it.effect("where nothing happened the key is free again", () =>
    Effect.gen(function* () {
      const app = yield* counted((_, n) => (n === 1 ? Effect.fail(new NotYet()) : Effect.void), {
        mode: hold as never,
        nothingHappened: (error) => error instanceof NotYet
      })
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 500)
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 200)
    })
  )

  it.effect("while one delivery is at work another is told to come again", () =>
    Effect.gen(function* () {
      const app = yield* counted(() => Effect.sleep("10 seconds"))
      const first = yield* Effect.forkChild(deliver(app, Stripe, "/hooks", text("evt_1", 5)), {
        startImmediately: true
      })
      // The signature is checked by promises: they are awaited before virtual time moves.
      while (app.runs.length === 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const second = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
      assert.strictEqual(second.status, 503)
      assert.isAtLeast(Number(second.retryAfter), 1)
      assert.isAtMost(Number(second.retryAfter), 30)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 200)
      assert.strictEqual(app.runs.length, 1)
      assert.deepStrictEqual(app.rejected, [])
    })
  )

  it.effect("what may have happened is held: 503 with a long Retry-After, until a person has said", () =>
    Effect.gen(function* () {
      const app = yield* counted(() => Effect.fail(new Broken()), { mode: hold as never })
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 500)
      const held = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
      assert.deepStrictEqual([held.status, held.retryAfter, app.runs.length], [503, "3600", 1])
      assert.deepStrictEqual(app.rejected, ["ReceiverError OutcomeUnknown"])
      const [record] = yield* app.records.held({ limit: 1 })
      yield* app.records.resolve(record!, { _tag: "Done", result: undefined, timeToLive: Duration.days(7) })
      assert.strictEqual(yield* status(deliver(app, Stripe, "/hooks", text("evt_1", 5))), 200)
      assert.strictEqual(app.runs.length, 1)
    })
  )

  it.effect("a store that fails: 503, and nothing runs", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const down: IdempotencyStore.Store = {
        ...store,
        claim: () =>
          Effect.fail(
            new IdempotencyStore.StoreError({
              reason: "Unavailable",
              store: "test",
              operation: "claim",
              tookEffect: "no",
              cause: "s3cret"
            })
          )
      }
      const app = yield* counted(undefined, {}, Stripe, down)
      const answered = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
      assert.deepStrictEqual([answered.status, answered.retryAfter, answered.body], [503, "1", ""])
      assert.deepStrictEqual([app.runs.length, app.rejected], [0, ["ReceiverError StoreUnavailable"]])
    })
  )

  it.effect("secrets that can't be read: 503", () =>
    Effect.gen(function* () {
      for (const secrets of [Effect.fail("down"), Effect.die("down")]) {
        const webhook = Webhook.stripe({ secrets })
        const route = WebhookReceiver.post("/hooks", webhook, { event: Paid, mode: rerun }, () => Effect.void)
        const app = yield* serve(route)
        const answered = yield* deliver(app, Stripe, "/hooks", text("evt_1", 5))
        assert.deepStrictEqual([answered.status, answered.retryAfter], [503, "30"])
      }
    })
  )
})

describe("what is not accepted", () => {
  const refused = (
    expected: number,
    reason: string,
    request: Effect.Effect<Request, unknown>,
    webhook: Webhook.Webhook = Stripe
  ) =>
    Effect.gen(function* () {
      const app = yield* counted(undefined, {}, webhook)
      const answered = yield* Effect.flatMap(Effect.orDie(request), app.send)
      assert.deepStrictEqual([answered.status, answered.body, answered.retryAfter], [expected, "", undefined])
      assert.deepStrictEqual([app.rejected, app.runs], [[`WebhookError ${reason}`], []])
      // It left no claim behind: the genuine delivery is handled.
      assert.strictEqual(yield* status(deliver(app, webhook, "/hooks", text("evt_1", 5), { id: "evt_1" })), 200)
      assert.strictEqual(app.runs.length, 1)
    })
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    Effect.sync(() => new Request("http://shop.test/hooks", { method: "POST", headers, body }))

  it.effect("no signature: 400", () => refused(400, "MissingHeader", post(text("evt_1", 5))))
  it.effect("no signature that can be read: 400", () =>
    refused(400, "Malformed", post(text("evt_1", 5), { "stripe-signature": "hello" }))
  )
  it.effect("another body than was signed: 401", () =>
    refused(401, "BadSignature", delivery(Stripe, "/hooks", text("evt_1", 5), { sent: text("evt_1", 50) }))
  )
  it.effect("a body that was parsed and written again: 401", () =>
    refused(401, "BadSignature", delivery(Stripe, "/hooks", `${text("evt_1", 5)} `, { sent: text("evt_1", 5) }))
  )
  it.effect("an old signature, to the letter as one that is bad: 401", () =>
    refused(
      401,
      "Stale",
      Effect.map(Webhook.sign(Stripe, { id: "e", body: text("evt_1", 5), at: (now - 301) * 1000 }), (headers) => {
        return new Request("http://shop.test/hooks", { method: "POST", headers, body: text("evt_1", 5) })
      })
    )
  )
  it.effect("signed with a secret that is not active: 401", () =>
    refused(
      401,
      "BadSignature",
      delivery(Webhook.stripe({ secrets: Redacted.make("whsec_other") }), "/hooks", text("evt_1", 5))
    )
  )
  it.effect("a body without an id: 400, and no JSON: 400", () =>
    Effect.andThen(
      refused(400, "Malformed", delivery(Stripe, "/hooks", '{"type":"invoice.paid","amount":5}')),
      refused(400, "Malformed", delivery(GitHub, "/hooks", "no json", { id: "evt_1" }), GitHub)
    )
  )
  it.effect("an event that does not match its schema: 422, so that it is delivered again", () =>
    refused(422, "InvalidEvent", delivery(Stripe, "/hooks", '{"id":"evt_1","type":"invoice.paid","amount":"five"}'))
  )
  it.effect("a mebibyte and a byte: 413", () =>
    refused(413, "TooLarge", post(new Uint8Array(1024 * 1024 + 1), { "stripe-signature": "t=1,v1=ab" }))
  )
  it.effect("a declared length beyond the limit: 413, unread", () =>
    Effect.gen(function* () {
      const app = yield* counted()
      const request = yield* post("{}", { "content-length": String(5 * 1024 * 1024) })
      assert.strictEqual(yield* status(app.send(request)), 413)
      assert.isFalse(request.bodyUsed)
    })
  )

  it.effect("the id of another event on a captured body: 422, and the other event is handled", () =>
    Effect.gen(function* () {
      const app = yield* counted(undefined, {}, GitHub)
      yield* deliver(app, GitHub, "/hooks", text("evt_1", 5), { id: "d-1" })
      // The signature of GitHub does not cover the id.
      assert.strictEqual(yield* status(deliver(app, GitHub, "/hooks", text("evt_2", 6), { id: "d-1" })), 422)
      assert.deepStrictEqual([app.runs.length, app.rejected], [1, ["ReceiverError KeyReused"]])
      assert.strictEqual(yield* status(deliver(app, GitHub, "/hooks", text("evt_2", 6), { id: "d-2" })), 200)
    })
  )

  it.effect("by default a log line says why, without a secret, a header or the body", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const route = WebhookReceiver.post("/hooks", Stripe, { event: Paid, mode: rerun }, () => Effect.void)
      const app = yield* serve(route)
      yield* deliver(app, Stripe, "/hooks", text("evt_1", 5), { sent: text("evt_1", 50) }).pipe(
        Effect.provide(Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(logLevel, message))]))
      )
      assert.deepStrictEqual(lines, [
        "Warn",
        [
          "Stripe webhook: no active secret made any of its signatures; reject it; if all deliveries fail so, compare the " +
            "secret, and verify the bytes that arrived"
        ]
      ])
    })
  )
})

describe("Slack and Twilio", () => {
  it.effect("Slack's test of the address is answered with its challenge, and only if Slack has signed it", () =>
    Effect.gen(function* () {
      const Slack = Webhook.slack({ secrets: Redacted.make("hush") })
      const app = yield* counted(undefined, {}, Slack)
      const challenge = JSON.stringify({ type: "url_verification", challenge: "3eZbrw1a" })
      const answered = yield* deliver(app, Slack, "/hooks", challenge)
      assert.deepStrictEqual([answered.status, answered.body, app.runs.length], [200, "3eZbrw1a", 0])
      const forged = yield* deliver(app, Webhook.slack({ secrets: Redacted.make("x") }), "/hooks", challenge)
      assert.deepStrictEqual([forged.status, forged.body], [401, ""])
    })
  )

  it.effect("Twilio signs the address that was called, with its query, below a prefix too", () =>
    Effect.gen(function* () {
      const Twilio = Webhook.twilio({ secrets: Redacted.make("12345") })
      const runs: Array<unknown> = []
      const Status = Schema.Struct({ MessageSid: Schema.String, MessageStatus: Schema.String })
      const route = WebhookReceiver.post("/twilio", Twilio, { event: Status, mode: rerun }, (event) =>
        Effect.sync(() => void runs.push(event))
      )
      const below = Layer.effect(
        HttpRouter.HttpRouter,
        Effect.map(HttpRouter.HttpRouter, (router) => router.prefixed("/api"))
      )
      const app = yield* serve(Layer.provide(route, below))
      const form = "MessageSid=SM1&MessageStatus=delivered"
      const path = "/api/twilio?name=O'Hara+x"
      const headers = { "content-type": "application/x-www-form-urlencoded" }
      for (const _ of [1, 2]) assert.strictEqual(yield* status(deliver(app, Twilio, path, form, { headers })), 200)
      assert.deepStrictEqual(runs, [{ MessageSid: "SM1", MessageStatus: "delivered" }])
      const other = yield* delivery(Twilio, path, form, { headers })
      assert.strictEqual(yield* status(app.send(new Request(`${other.url}&x=1`, other))), 401)

      const json = JSON.stringify({ MessageSid: "SM2", MessageStatus: "read" })
      const hashed = `/api/twilio?bodySHA256=${createHash("sha256").update(json).digest("hex")}`
      assert.strictEqual(yield* status(deliver(app, Twilio, hashed, json)), 200)
      assert.strictEqual(yield* status(deliver(app, Twilio, hashed, json, { sent: json.replace("2", "3") })), 401)
      assert.strictEqual(runs.length, 2)
    })
  )
})

describe("building", () => {
  it.effect("a time to live that is shorter than the provider repeats, or endless, does not start", () =>
    Effect.gen(function* () {
      const build = (timeToLive: Duration.Input) =>
        Effect.asVoid(
          Effect.scoped(
            WebhookReceiver.make(Stripe, { name: "a", event: Paid, mode: rerun, timeToLive }, () => Effect.void)
          )
        )
      yield* build("72 hours")
      const short = yield* Effect.flip(build("71 hours"))
      assert.deepInclude(short, {
        reason: "Misconfigured",
        detail: "`timeToLive` (71 h) is shorter than the provider repeats (72 h): the last repeats would run again"
      })
      assert.deepInclude(yield* Effect.flip(build(Duration.millis(72 * 3_600_000 - 1))), {
        detail:
          "`timeToLive` (259199999 ms) is shorter than the provider repeats (259200000 ms): the last repeats would run again"
      })
      assert.deepInclude(yield* Effect.flip(build(Duration.infinity)), { reason: "Misconfigured" })
    })
  )

  it.effect("a secret that can't work does not start", () =>
    Effect.gen(function* () {
      const webhook = Webhook.stripe({ secrets: Redacted.make("") })
      const made = WebhookReceiver.make(webhook, { name: "a", event: Paid, mode: rerun }, () => Effect.void)
      assert.deepInclude(yield* Effect.flip(Effect.asVoid(Effect.scoped(made))), { reason: "Misconfigured" })
    })
  )
})

// ---- over a socket

describe("over a socket", () => {
  const listening = (run: (event: Paid) => Effect.Effect<void, unknown>) =>
    Effect.gen(function* () {
      const route = WebhookReceiver.post("/hooks", Stripe, { event: Paid, mode: rerun }, run).pipe(
        HttpRouter.provideRequest(IdempotencyStoreMemory.layer)
      )
      const server = Http.createServer()
      yield* Layer.build(
        HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
          Layer.provideMerge(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
        )
      )
      return (server.address() as AddressInfo).port
    })

  const request = (port: number, headers: Http.OutgoingHttpHeaders, write: (to: Http.ClientRequest) => void) =>
    Effect.callback<number>((resume) => {
      const sending = Http.request({ agent: false, port, host: "127.0.0.1", method: "POST", path: "/hooks", headers })
      sending.on("response", (answer) => {
        answer.resume()
        resume(Effect.succeed(answer.statusCode!))
      })
      sending.on("error", () => resume(Effect.succeed(0)))
      write(sending)
    })

  it.live("a body without a declared length is counted: 413 at the limit, and the bytes arrive as they were sent", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const seen: Array<number> = []
        const port = yield* listening(({ amount }) => Effect.sync(() => void seen.push(amount)))
        const large = yield* request(port, { "transfer-encoding": "chunked" }, (to) => {
          // Its end never comes: the answer does not wait for it.
          for (let i = 0; i < 17; i++) to.write(Buffer.alloc(64 * 1024))
        })
        assert.strictEqual(large, 413)
        const declared = yield* request(port, { "content-length": 1024 * 1024 + 1 }, (to) => to.flushHeaders())
        assert.strictEqual(declared, 413)

        const body = `{"id":"evt_1",\r\n  "type":"für 5 € 🎉", "amount": 1.0}\r\n`
        const headers = yield* Webhook.sign(Stripe, { id: "e", body })
        const split = Buffer.from(body)
        const answered = yield* request(port, { ...headers, "transfer-encoding": "chunked" }, (to) => {
          for (const byte of split) to.write(Buffer.of(byte))
          to.end()
        })
        assert.deepStrictEqual([answered, seen], [200, [1]])
      })
    )
  )

  it.live("a provider that hangs up has not called the event off: the handler runs to its end, once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const goOn = yield* Deferred.make<void>()
        const finished = yield* Deferred.make<void>()
        let ends = 0
        const port = yield* listening(() =>
          Effect.gen(function* () {
            yield* Deferred.succeed(started, undefined)
            yield* Deferred.await(goOn)
            ends++
            yield* Deferred.succeed(finished, undefined)
          })
        )
        const body = text("evt_1", 5)
        const headers = yield* Webhook.sign(Stripe, { id: "e", body })
        let client: Http.ClientRequest | undefined
        const first = yield* Effect.forkChild(
          request(port, headers, (to) => {
            client = to
            to.end(body)
          })
        )
        yield* Deferred.await(started)
        client!.destroy()
        assert.strictEqual(yield* Fiber.join(first), 0)
        const again = request(port, yield* Webhook.sign(Stripe, { id: "e", body }), (to) => to.end(body))
        assert.strictEqual(yield* again, 503)
        yield* Deferred.succeed(goOn, undefined)
        yield* Deferred.await(finished)
        let status = yield* again
        while (status === 503) status = yield* again
        assert.deepStrictEqual([status, ends], [200, 1])
      })
    )
  )
})
