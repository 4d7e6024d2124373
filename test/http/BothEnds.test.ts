// The two ends of breakwater against each other, over sockets: what the receiver says, the sender understands.
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  IdempotencyStore,
  IdempotencyStoreMemory,
  Integration,
  Policy,
  Receiver,
  Telemetry
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection, KeyWindow } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, References, Schema, Scope, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as HttpReceiver from "../../src/http/HttpReceiver.ts"
import { onSocket, transactional } from "./receiverServers.ts"

// ---- one contract for both ends

class CardError extends Schema.TaggedError<CardError>()("CardError", { code: Schema.String }, { httpApiStatus: 402 }) {}
class Idempotent extends HttpReceiver.Service<Idempotent>()("bank/Idempotent") {}
const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int })
const Charge = Schema.Struct({ id: Schema.String, amount: Schema.Int, note: Schema.String })

class Bank extends HttpApi.make("bank").add(
  HttpApiGroup.make("charges").add(
    HttpApiEndpoint.post("create", "/charges", { payload: Order, success: Charge, error: CardError }).middleware(
      Idempotent
    )
  )
) {}

// ---- the sender: its translation covers `CardError` alone, for the problems are understood

class Declined extends Schema.TaggedError<Declined>()("Declined", { code: Schema.String }) {}
class Down extends Schema.TaggedError<Down>()("Down", { outcome: Schema.String, reason: Schema.String }) {}

const translate = { CardError: ({ code }: CardError) => new Declined({ code }) }

class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  {
    policy: Policy.standard({ attemptTimeout: "2 seconds", totalDeadline: "20 seconds" }),
    exhausted: Exhaustion.fail,
    orElse: (failure) => new Down({ outcome: failure.outcome, reason: failure.reason._tag })
  },
  {
    charge: HttpOperation.endpoint(Bank, "charges", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("charge", payload.order), {
        lifetime: "24 hours"
      }),
      translate
    }),
    keyless: HttpOperation.endpoint(Bank, "charges", "create", {
      idempotency: Idempotency.inherent("it has no key, to see what the receiver says"),
      translate
    })
  }
) {}

type Run = (order: typeof Order.Type, n: number) => Effect.Effect<typeof Charge.Type, CardError>

interface Setup {
  readonly run?: Run
  readonly options?: Partial<HttpReceiver.CommonOptions<Receiver.Mode, HttpRouter.Provided>>
  readonly store?: Layer.Layer<IdempotencyStore.IdempotencyStore | IdempotencyStore.TransactionalStore>
  /** What the wire does between the two. */
  readonly faults?: FaultInjection.Faults
}

/** Both ends, what the sender observed, and how often the receiver's handler ran. */
const open = ({ faults, options, run, store }: Setup = {}) =>
  Effect.gen(function* () {
    const events: Array<Telemetry.CallObserved> = []
    const lines: Array<Readonly<Record<string, unknown>>> = []
    const logger = Logger.make((line) => {
      lines.push(line.fiber.getRef(References.CurrentLogAnnotations))
    })
    let runs = 0
    const charge: Run = ({ amount }, n) => Effect.succeed({ id: `ch_${n}`, amount, note: "" })
    const handlers = HttpApiBuilder.group(Bank, "charges", (handlers) =>
      handlers.handle("create", ({ payload }) => Effect.suspend(() => (run ?? charge)(payload, ++runs)))
    )
    const server = yield* onSocket(
      HttpApiBuilder.layer(Bank).pipe(
        Layer.provide(handlers),
        Layer.provide(
          HttpReceiver.layer(Idempotent, {
            mode: Receiver.leased({ onLostLease: "rerun" }) as Receiver.Mode,
            principal: "shared",
            ...options
          })
        ),
        Layer.provide(
          (store ?? IdempotencyStoreMemory.layer) as Layer.Layer<
            IdempotencyStore.IdempotencyStore | IdempotencyStore.TransactionalStore
          >
        ),
        Layer.provide(NodeHttpServer.layerHttpServices)
      ),
      Logger.layer([logger])
    )
    /** The wire: it forwards, and does with the answer what its faults say. */
    const wire = FaultInjection.make({
      faults,
      // The keys are the business of the receiver behind it.
      keys: KeyWindow.make({ methods: [] }),
      respond: ({ body, headers, method, url }) =>
        HttpClientRequest.make(method as "POST")(`${server.url}${new URL(url).pathname}`, {
          headers: Object.fromEntries(
            Object.entries(headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name))
          )
        }).pipe(
          HttpClientRequest.bodyUint8Array(body, headers["content-type"] ?? "application/json"),
          server.client.execute,
          Effect.flatMap((response) =>
            Effect.map(response.arrayBuffer, (buffer) => ({
              status: response.status,
              headers: response.headers as Record<string, string>,
              body: new Uint8Array(buffer)
            }))
          ),
          Effect.orDie
        )
    })
    const url = faults === undefined ? server.url : (yield* SocketServer.listen(wire)).url
    const context = yield* Layer.build(
      HttpIntegration.layer(Payments, { baseUrl: url }).pipe(
        Layer.provide(NodeHttpClient.layerUndici),
        Layer.provideMerge(Telemetry.layerObserver((event) => events.push(event))),
        Layer.provideMerge(Logger.layer([logger]))
      )
    )
    const ended = () => {
      const { attempts, outcome } = events.at(-1)!
      return [outcome, ...attempts.map(({ reason }) => reason)]
    }
    const { charge: call, keyless } = Context.get(context, Payments)
    const payments = {
      charge: (input: { readonly payload: typeof Order.Type }) => Effect.provide(call(input), Logger.layer([logger])),
      keyless: (input: { readonly payload: typeof Order.Type }) =>
        Effect.provide(keyless(input), Logger.layer([logger]))
    }
    return { payments, ended, events, lines, runs: () => runs, server }
  })

const payload = { order: "o-1", amount: 5 }
const down = (effect: Effect.Effect<unknown, Declined | Down>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, Down)
    return [(error as Down).outcome, (error as Down).reason]
  })

const failing = (operation: keyof IdempotencyStore.Store, tookEffect: "no" | "unknown") =>
  new IdempotencyStore.StoreError({ reason: "Unavailable", store: "test", operation, tookEffect, cause: "down" })

describe("both ends", () => {
  it.live("an answer that is lost: one execution, and the stored answer", () =>
    Effect.gen(function* () {
      const { ended, lines, payments, runs } = yield* open({ faults: [FaultInjection.responseLost] })
      const charge = yield* payments.charge({ payload })
      assert.deepStrictEqual(charge, { id: "ch_1", amount: 5, note: "" })
      assert.deepStrictEqual(ended(), ["Applied", "Disconnected", "Success"])
      assert.strictEqual(runs(), 1)
      // Both sides of the call say the same key: their lines join.
      const key = IdempotencyKey.toText(IdempotencyKey.derive("charge", "o-1"))
      assert.deepStrictEqual(
        lines.map((line) => [line["receiver"] ?? line["integration"], line["outcome"], line["idempotency_key"]]),
        [
          ["bank/Idempotent", "executed", key],
          ["bank/Idempotent", "replayed", key],
          ["shop/Payments", "ok_after_retry", key]
        ]
      )
    })
  )

  it.live("a body that is cut: one execution, and the whole answer", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open({ faults: [FaultInjection.cutBody] })
      assert.strictEqual((yield* payments.charge({ payload })).id, "ch_1")
      assert.deepStrictEqual(ended(), ["Applied", "BodyLost", "Success"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("a client that times out: the handler goes on, and its repeat gets the answer", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open({
        run: ({ amount }, n) => Effect.delay(Effect.succeed({ id: `ch_${n}`, amount, note: "" }), "3 seconds"),
        options: { wait: "10 seconds" }
      })
      assert.strictEqual((yield* payments.charge({ payload })).id, "ch_1")
      const [outcome, first, ...rest] = ended()
      assert.deepStrictEqual([outcome, first, rest.at(-1)], ["Applied", "Timeout", "Success"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("a declared error is translated, and stored: a repeat does not ask the bank again", () =>
    Effect.gen(function* () {
      const { payments, runs } = yield* open({ run: () => Effect.fail(new CardError({ code: "limit" })) })
      for (const _ of [1, 2]) {
        assert.deepStrictEqual(yield* Effect.flip(payments.charge({ payload })), new Declined({ code: "limit" }))
      }
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("in-progress: the same key comes again when it is told to", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const { events, payments, runs } = yield* open({
        run: ({ amount }, n) =>
          Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate)).pipe(
            Effect.as({ id: `ch_${n}`, amount, note: "" })
          )
      })
      const first = yield* Effect.forkChild(payments.charge({ payload }))
      yield* Deferred.await(started)
      const second = yield* Effect.forkChild(payments.charge({ payload }))
      yield* Effect.sleep("250 millis")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(first)).id, "ch_1")
      assert.strictEqual((yield* Fiber.join(second)).id, "ch_1")
      const [attempt, last] = events.at(-1)!.attempts
      assert.deepStrictEqual([attempt!.reason, last!.reason], ["InProgress", "Success"])
      // Retry-After is never undercut.
      assert.isAtLeast(last!.waited, 1000)
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("key-reused: nothing was done, and nothing is tried again", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open()
      yield* payments.charge({ payload })
      const other = payments.charge({ payload: { ...payload, amount: 6 } })
      assert.deepStrictEqual(yield* down(other), ["Unknown", "KeyConflict"])
      assert.deepStrictEqual(ended(), ["Unknown", "KeyConflict"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("outcome-unknown: it is not tried again", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open({
        run: () => Effect.die(new Error("a bug")),
        options: { mode: Receiver.leased({ onLostLease: "hold" }) }
      })
      assert.deepStrictEqual(yield* down(payments.charge({ payload })), ["Unknown", "OutcomeHeld"])
      assert.deepStrictEqual(ended(), ["Unknown", "Unavailable", "OutcomeHeld"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("response-not-stored: it was done", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open({
        faults: [FaultInjection.responseLost],
        run: ({ amount }, n) => Effect.succeed({ id: `ch_${n}`, amount, note: "x".repeat(2000) }),
        options: { maxStoredSize: 1000 }
      })
      assert.deepStrictEqual(yield* down(payments.charge({ payload })), ["Applied", "ResponseNotStored"])
      assert.deepStrictEqual(ended(), ["Applied", "Disconnected", "ResponseNotStored"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("not-processed: nothing was done, and the repeat goes through when the store is back", () =>
    Effect.gen(function* () {
      let claims = 0
      const { ended, payments, runs } = yield* open({
        store: Layer.effect(
          IdempotencyStore.IdempotencyStore,
          Effect.map(IdempotencyStoreMemory.make, (store): IdempotencyStore.Store => ({
            ...store,
            claim: (options) =>
              Effect.suspend(() => (++claims === 1 ? Effect.fail(failing("claim", "unknown")) : store.claim(options)))
          }))
        ) as never
      })
      assert.strictEqual((yield* payments.charge({ payload })).id, "ch_1")
      assert.deepStrictEqual(ended(), ["Applied", "NotProcessed", "Success"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("not-processed alone: the call certainly did not happen", () =>
    Effect.gen(function* () {
      const { payments, runs } = yield* open({
        store: Layer.effect(
          IdempotencyStore.IdempotencyStore,
          Effect.map(IdempotencyStoreMemory.make, (store): IdempotencyStore.Store => ({
            ...store,
            claim: () => Effect.fail(failing("claim", "no"))
          }))
        ) as never
      })
      assert.deepStrictEqual(yield* down(payments.charge({ payload })), ["Refused", "NotProcessed"])
      assert.strictEqual(runs(), 0)
    })
  )

  it.live("unavailable: a commit of which nobody knows is repeated with the same key, and found", () =>
    Effect.gen(function* () {
      let commits = 0
      const { ended, payments, runs } = yield* open({
        options: { mode: Receiver.transactional() },
        store: Layer.effect(
          IdempotencyStore.TransactionalStore,
          Effect.map(IdempotencyStore.TransactionalStore, (store): IdempotencyStore.TransactionalStore["Service"] => ({
            ...store,
            transaction: (options) => (self) =>
              Effect.tap(store.transaction(options)(self), () =>
                Effect.suspend(() => (++commits === 1 ? Effect.fail(failing("complete", "unknown")) : Effect.void))
              ),
            get: () => Effect.fail(failing("get", "no"))
          }))
        ).pipe(Layer.provide(transactional)) as never
      })
      assert.strictEqual((yield* payments.charge({ payload })).id, "ch_1")
      assert.deepStrictEqual(ended(), ["Applied", "Unavailable", "Success"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("key-missing and request-too-large: nothing was done, and nothing is tried again", () =>
    Effect.gen(function* () {
      const keyless = yield* open()
      assert.deepStrictEqual(yield* down(keyless.payments.keyless({ payload })), ["Refused", "Rejected"])
      assert.deepStrictEqual(keyless.ended(), ["Refused", "Rejected"])
      const large = yield* open({ options: { maxRequestSize: 10 } })
      assert.deepStrictEqual(yield* down(large.payments.charge({ payload })), ["Refused", "Rejected"])
      assert.deepStrictEqual(large.ended(), ["Refused", "Rejected"])
      assert.strictEqual(keyless.runs() + large.runs(), 0)
    })
  )

  it.live("a body that comes in pieces, without a length, is compared as a whole, or is too large", () =>
    Effect.gen(function* () {
      const { runs, server } = yield* open({ options: { maxRequestSize: 100_000 } })
      const send = (pad: number) => {
        const text = `{"order":"o-1","amount":5${" ".repeat(pad)}}`
        const pieces = Stream.fromIterable(text.match(/[^]{1,10000}/g)!.map((piece) => new TextEncoder().encode(piece)))
        return HttpClientRequest.post(`${server.url}/charges`, { headers: { "idempotency-key": "k" } }).pipe(
          HttpClientRequest.bodyStream(pieces, { contentType: "application/json" }),
          server.client.execute,
          Effect.flatMap((response) => Effect.map(response.text, (text) => [response.status, text] as const))
        )
      }
      const [status, text] = yield* send(200_000)
      assert.deepStrictEqual([status, JSON.parse(text).type], [413, HttpReceiver.problems.requestTooLarge])
      assert.strictEqual(runs(), 0)
      // The first was turned away before it claimed the key, and the connection goes on.
      assert.deepStrictEqual(yield* send(50_000), [200, '{"id":"ch_1","amount":5,"note":""}'])
      assert.deepStrictEqual(yield* send(60_000), [200, '{"id":"ch_1","amount":5,"note":""}'])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("a store that fails after the fact does not turn a success into an error", () =>
    Effect.gen(function* () {
      const { ended, payments, runs } = yield* open({
        options: { mode: Receiver.leased({ onLostLease: "hold", lease: "200 millis" }) },
        store: Layer.effect(
          IdempotencyStore.IdempotencyStore,
          Effect.map(IdempotencyStoreMemory.make, (store): IdempotencyStore.Store => ({
            ...store,
            complete: () => Effect.fail(failing("complete", "unknown"))
          }))
        ) as never
      })
      assert.strictEqual((yield* payments.charge({ payload })).id, "ch_1")
      assert.deepStrictEqual(ended(), ["Applied", "Success"])
      assert.deepStrictEqual(yield* down(payments.charge({ payload })), ["Unknown", "OutcomeHeld"])
      assert.strictEqual(runs(), 1)
    })
  )

  it.live("a server that shuts down answers what it has begun, and ends what runs for a client that has left", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const ended: Array<string> = []
      const { runs, server } = yield* Scope.provide(
        open({
          run: ({ amount, order }, n) =>
            Effect.delay(
              Effect.succeed({ id: `ch_${n}`, amount, note: "" }),
              order === "o-1" ? "300 millis" : "600 millis"
            ).pipe(Effect.onExit((exit) => Effect.sync(() => ended.push(`${order} ${exit._tag}`))))
        }),
        scope
      )
      const send = (order: string) =>
        HttpClientRequest.post(`${server.url}/charges`, { headers: { "idempotency-key": order } }).pipe(
          HttpClientRequest.bodyJsonUnsafe({ order, amount: 5 }),
          server.client.execute,
          Effect.map(({ status }) => status)
        )
      const staying = yield* Effect.forkChild(send("o-1"))
      const leaving = yield* Effect.forkChild(send("o-2"))
      while (runs() < 2) yield* Effect.sleep("10 millis")
      yield* Fiber.interrupt(leaving)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.strictEqual(yield* Fiber.join(staying), 200)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(ended, ["o-1 Success", "o-2 Success"])
    })
  )

  it.live("Effect's own client fails with the problems as the contract declares them", () =>
    Effect.gen(function* () {
      const server = yield* onSocket(
        HttpApiBuilder.layer(Bank).pipe(
          Layer.provide(
            HttpApiBuilder.group(Bank, "charges", (handlers) =>
              handlers.handle("create", () => Effect.succeed({ id: "ch_1", amount: 5, note: "" }))
            )
          ),
          Layer.provide(
            HttpReceiver.layer(Idempotent, { mode: Receiver.leased({ onLostLease: "hold" }), principal: "shared" })
          ),
          Layer.provide(IdempotencyStoreMemory.layer),
          Layer.provide(NodeHttpServer.layerHttpServices)
        )
      )
      const client = yield* HttpApiClient.make(Bank, { baseUrl: server.url }).pipe(
        Effect.provideService(HttpClient.HttpClient, server.client)
      )
      const error = yield* Effect.flip(client.charges.create({ payload }))
      assert.instanceOf(error, HttpReceiver.KeyMissing)
      assert.include((error as HttpReceiver.KeyMissing).message, "idempotency-key")
    })
  )
})
