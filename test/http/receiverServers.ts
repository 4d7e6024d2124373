import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { IdempotencyStore, IdempotencyStoreMemory, Receiver } from "breakwater"
import { Context, Deferred, Duration, Effect, Layer, Logger, Semaphore } from "effect"
import { HttpClient, HttpEffect, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import { createServer } from "node:http"
import * as HttpReceiver from "../../src/http/HttpReceiver.ts"
import type * as ReceiverConformance from "../../src/testing/ReceiverConformance.ts"

export class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}

type Response = HttpServerResponse.HttpServerResponse

const authorised = <E, R>(handler: Effect.Effect<Response, E, R>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }): Effect.Effect<Response, E, Exclude<R, Tenant>> => {
    const tenant = headers["authorization"]?.replace("Bearer ", "")
    return tenant === undefined
      ? Effect.succeed(HttpServerResponse.empty({ status: 401 }))
      : Effect.provideService(handler, Tenant, tenant)
  })

export const Auth = HttpRouter.middleware<{ provides: Tenant }>()((handler) => authorised(handler))

// ---- a server in memory, that a test stops the clock of

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: number
  readonly bytes: Uint8Array
  readonly text: string
  readonly type: string | undefined
}

const seen = (response: Response) =>
  Effect.map(
    Effect.promise(() => HttpServerResponse.toWeb(response).arrayBuffer()),
    (buffer): Answer => {
      const bytes = new Uint8Array(buffer)
      const text = new TextDecoder().decode(bytes)
      return {
        status: response.status,
        headers: response.headers as Record<string, string>,
        cookies: Object.keys(response.cookies.cookies).length,
        bytes,
        text,
        type: response.headers["content-type"] === "application/problem+json" ? JSON.parse(text).type : undefined
      }
    }
  )

/** What Effect's servers do with a request: its failures become responses, and to interrupt it is a client that leaves. */
export const serve = <E, R>(routes: Layer.Layer<never, E, R>) =>
  Effect.map(HttpRouter.toHttpEffect(routes), (app) => (request: Request) => {
    // The request's scope closes when its answer was read, as with a server.
    const sent = Deferred.makeUnsafe<Answer>()
    const handled = HttpEffect.toHandled(app as Effect.Effect<Response>, (_, response) =>
      Effect.flatMap(seen(response), (answer) => Deferred.succeed(sent, answer))
    )
    return Effect.provideService(
      Effect.andThen(Effect.exit(handled), Deferred.await(sent)) as Effect.Effect<Answer>,
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(request)
    )
  })

export const post = (
  key: string | undefined,
  body: string | Uint8Array<ArrayBuffer> | FormData | null = '{"amount":1}',
  more: { readonly path?: string; readonly method?: string; readonly headers?: Record<string, string> } = {}
) =>
  new Request(`http://shop.test${more.path ?? "/charges"}`, {
    method: more.method ?? "POST",
    body: more.method === "GET" ? null : body,
    headers: {
      ...(typeof body === "string" ? { "content-type": "application/json" } : {}),
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...more.headers
    }
  })

// ---- a store with transactions, made of the one in memory

/** What handlers write: a savepoint and a transaction roll it back. */
export class Writes extends Context.Service<Writes, Array<string>>()("test/Writes") {}

/** Transactions take turns, as on SQLite; what fails is forgotten. */
export const transactional: Layer.Layer<IdempotencyStore.TransactionalStore | Writes> = Layer.effectContext(
  Effect.gen(function* () {
    const store = yield* IdempotencyStoreMemory.make
    const turn = yield* Semaphore.make(1)
    const writes: Array<string> = []
    let claimed: Array<IdempotencyStore.Owner> = []
    const rollingBack = <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        const before = writes.length
        return Effect.onError(self, () => Effect.sync(() => writes.splice(before)))
      })
    const busy = new IdempotencyStore.StoreError({
      reason: "Busy",
      store: "test",
      operation: "claim",
      tookEffect: "no",
      cause: undefined
    })
    const transactionalStore: IdempotencyStore.TransactionalStore["Service"] = {
      ...store,
      claim: (options) =>
        Effect.tap(store.claim(options), (claim) =>
          Effect.sync(() => {
            if (claim._tag === "Started") claimed.push({ ...options, epoch: claim.epoch })
          })
        ),
      savepoint: rollingBack,
      transaction:
        ({ lockTimeout }) =>
        <A, E, R>(self: Effect.Effect<A, E, R>) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(
              Effect.timeoutOption(restore(turn.take(1)), lockTimeout),
              (taken): Effect.Effect<A, E | IdempotencyStore.StoreError, R> =>
                taken._tag === "None"
                  ? Effect.fail(busy)
                  : rollingBack(restore(self)).pipe(
                      Effect.onError(() => Effect.ignore(Effect.forEach(claimed, store.release))),
                      Effect.ensuring(
                        Effect.suspend(() => {
                          claimed = []
                          return turn.release(1)
                        })
                      )
                    )
            )
          )
    }
    return Context.make(IdempotencyStore.TransactionalStore, transactionalStore).pipe(Context.add(Writes, writes))
  })
)

// ---- servers on sockets for the conformance kit

const things = (handle: ReceiverConformance.Handler) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.map(
      // A handler that throws is a defect.
      Effect.promise(() => handle(request)),
      ({ body, headers = {}, status }) =>
        body === undefined
          ? HttpServerResponse.empty({ status, headers })
          : typeof body === "string"
            ? HttpServerResponse.text(body, { status, headers, contentType: headers["content-type"] ?? "text/plain" })
            : HttpServerResponse.uint8Array(body, { status, headers })
    )
  )

/** Puts routes on a socket of their own, and a client beside them that follows no redirect. */
export const onSocket = <E, R>(routes: Layer.Layer<never, E, R>, logger: Layer.Layer<never> = Logger.layer([])) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
        Layer.provideMerge(NodeHttpClient.layerUndici),
        Layer.provideMerge(logger)
      ) as Layer.Layer<HttpServer.HttpServer | HttpClient.HttpClient, E>
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = (address as { readonly port: number }).port
    return { url: `http://127.0.0.1:${port}`, client: Context.get(context, HttpClient.HttpClient) }
  })

/** One that has no transactions is for leases alone. */
type Store = Layer.Layer<IdempotencyStore.IdempotencyStore, unknown>

export interface Setup {
  readonly onFailure: ReceiverConformance.Harness["onFailure"]
  /** A store that is not in memory, and what it is called. For `rollback` it must have transactions. */
  readonly over?: { readonly name: string; readonly layer: Store }
  /** One principal for all tenants, with the receiver where it belongs or, a mutant, outside of the authorisation. */
  readonly shared?: "after authorisation" | "before authorisation"
}

const modeOf = ({ onFailure, over }: Setup): Receiver.Mode =>
  onFailure === "rollback"
    ? // On SQLite all transactions take turns, whatever their keys are: the last of many waits for all the others.
      Receiver.transactional({ lockTimeout: Duration.millis(over === undefined ? 100 : 2_000) })
    : Receiver.leased({ onLostLease: onFailure })

const storeOf = ({ onFailure, over }: Setup) =>
  (onFailure === "rollback"
    ? (over?.layer ?? transactional)
    : (over?.layer ?? IdempotencyStoreMemory.layer)) as Layer.Layer<
    IdempotencyStore.IdempotencyStore | IdempotencyStore.TransactionalStore,
    unknown
  >

const nameOf = (what: string, { onFailure, over }: Setup) =>
  `HttpReceiver on ${what}, ${onFailure}${over === undefined ? "" : `, over ${over.name}`}`

export const ofRoutes = (setup: Setup): ReceiverConformance.Harness => ({
  name: nameOf("routes", setup),
  onFailure: setup.onFailure,
  open: (handle) => {
    const common = { name: "things", mode: modeOf(setup) } as const
    const shared = HttpReceiver.middleware({ ...common, principal: "shared" })
    const layer =
      setup.shared === undefined
        ? HttpReceiver.middleware({ ...common, principal: Tenant }).combine(Auth).layer
        : setup.shared === "after authorisation"
          ? shared.combine(Auth).layer
          : Auth.combine(shared).layer
    const routes = HttpRouter.addAll([
      HttpRouter.route("GET", "/things/:id", things(handle)),
      HttpRouter.route("POST", "/things/:id", things(handle)),
      HttpRouter.route("PUT", "/things/:id", things(handle))
    ]).pipe(Layer.provide(layer as unknown as Layer.Layer<never>), Layer.provide(storeOf(setup)))
    return onSocket(routes)
  }
})

class ApiAuth extends HttpApiMiddleware.Service<ApiAuth, { provides: Tenant }>()("test/ApiAuth") {}
class ApiIdempotent extends HttpReceiver.Service<ApiIdempotent, { requires: Tenant }>()("test/ApiIdempotent") {}
const group = HttpApiGroup.make("things")
  .add(HttpApiEndpoint.get("get", "/things/:id"))
  .add(HttpApiEndpoint.post("post", "/things/:id"))
  .add(HttpApiEndpoint.put("put", "/things/:id"))
  .middleware(ApiIdempotent)
  .middleware(ApiAuth)
const Things = HttpApi.make("things").add(group)

export const ofEndpoints = (setup: Setup): ReceiverConformance.Harness => ({
  name: nameOf("endpoints", setup),
  onFailure: setup.onFailure,
  open: (handle) => {
    const answer = () => things(handle)
    const handlers = HttpApiBuilder.group(Things, "things", (handlers) =>
      handlers.handleRaw("get", answer).handleRaw("post", answer).handleRaw("put", answer)
    )
    const idempotent = HttpReceiver.layer(ApiIdempotent, { mode: modeOf(setup), principal: Tenant })
    return onSocket(
      HttpApiBuilder.layer(Things).pipe(
        Layer.provide(handlers),
        Layer.provide(idempotent),
        Layer.provide(Layer.succeed(ApiAuth, authorised as never)),
        Layer.provide(storeOf(setup))
      )
    )
  }
})
