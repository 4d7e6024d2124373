/**
 * The live dashboard: which integration of this process is slow right now, and why.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { CurrentHub } from "../internal/hub.ts"
import { isLocal } from "./internal/local.ts"
import { page } from "./internal/page.ts"
import { isClosing } from "./internal/server.ts"
import { Watch } from "./internal/watch.ts"
import type { Snapshot } from "./Snapshot.ts"

type Request = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse

export type {
  Cause,
  FailureSnapshot,
  HeatColumn,
  IntegrationSnapshot,
  Numbers,
  OperationSnapshot,
  Snapshot
} from "./Snapshot.ts"

/**
 * The types of the problem documents (RFC 9457) that the routes answer with.
 *
 * | type              | status | what it says                                                            |
 * |-------------------|--------|-------------------------------------------------------------------------|
 * | `unauthenticated` | 401    | `authorize` does not know who asks                                      |
 * | `forbidden`       | 403    | who asks may not look                                                   |
 * | `notLocal`        | 403    | there is no `authorize`, and who asks is not known to be on this machine |
 *
 * @category constants
 * @since 0.1.0
 */
export const problems = {
  unauthenticated: "urn:breakwater:problem:dashboard-unauthenticated",
  forbidden: "urn:breakwater:problem:dashboard-forbidden",
  notLocal: "urn:breakwater:problem:dashboard-not-local"
} as const

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R> {
  /** Where the page is. Default: `/integrations`. */
  readonly path?: `/${string}` | undefined
  /**
   * Whether who asks may look: it succeeds, or fails with `"unauthenticated"` (401) or `"forbidden"` (403). Default: only who
   * asks from this machine, by a name of this machine, and without a proxy in between.
   */
  readonly authorize?: ((request: Request) => Effect.Effect<unknown, "unauthenticated" | "forbidden", R>) | undefined
  /** What `WWW-Authenticate` says with a 401; with `Basic realm="…"` a browser asks for a password. Default: `Bearer`. */
  readonly challenge?: string | undefined
}

const defaultPath = "/integrations"

/** How often a viewer is told, and how often it is asked whether the server is about to close. */
const everyMs = 1_000
const closingMs = 200

/** A snapshot that is younger than this is not made again: many viewers cost as much as one. */
const freshMs = 900

const secured: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store"
}

const problem = (
  status: number,
  type: keyof typeof problems,
  title: string,
  headers: Readonly<Record<string, string>> = {}
): Response =>
  HttpServerResponse.jsonUnsafe(
    { type: problems[type], status, title },
    { status, contentType: "application/problem+json", headers: { ...secured, ...headers } }
  )

const refused = {
  notLocal: problem(
    403,
    "notLocal",
    "Without `authorize` the dashboard is shown on its own machine alone: under localhost, and not through a proxy"
  ),
  forbidden: problem(403, "forbidden", "You may not look at this")
}

const text = (body: string, contentType: string): Response =>
  HttpServerResponse.text(body, { contentType, headers: secured })

const withoutSlash = (path: string): string => path.replace(/\/+$/, "")

/**
 * How the page's address is continued, relative to itself: so that it works behind a proxy that adds a prefix, too.
 */
const baseOf = (request: Request): string => {
  const path = request.originalUrl.replace(/[?#].*$/s, "")
  const last = path.slice(path.lastIndexOf("/") + 1)
  return last === "" ? "." : `./${last.replace(/[^\w.~%-]/g, encodeURIComponent)}`
}

/** What every viewer is shown at one moment, made and written once. */
interface Made {
  readonly at: number
  readonly json: string
  readonly event: Uint8Array
}

const encoder = new TextEncoder()

const make = (snapshot: Snapshot): Made => {
  const json = JSON.stringify(snapshot)
  return { at: snapshot.at, json, event: encoder.encode(`id: ${snapshot.at}\nretry: 1000\ndata: ${json}\n\n`) }
}

/**
 * Mounts the dashboard on the `HttpRouter`, as `HttpApiSwagger.layer` does. It shows every integration of this process whose
 * layer is open, and the calls that ended since it was mounted.
 *
 * **When to use**
 *
 * Use on a port that only those reach who run the service, or with `authorize`. It shows names of integrations, keys,
 * correlation ids and policies, and no input, answer, header or credential. It changes nothing; `HttpControl` does.
 *
 * **Details**
 *
 * | route                | what it answers                                                             |
 * |----------------------|-----------------------------------------------------------------------------|
 * | `path`               | the page, which needs nothing from another host                             |
 * | `path/events`        | server-sent events: a `Snapshot` at once, and one a second                  |
 * | `path/snapshot.json` | a `Snapshot`; also for `npx breakwater top http://localhost:3000/integrations` |
 *
 * Without `authorize` only requests from this machine are answered, and only those that name it (`localhost`, `127.0.0.1`,
 * `[::1]`) and came without a proxy. So a page of another site can't read it through a name that it lets point here. A server
 * that does not know its peers, such as `HttpRouter.toWebHandler`, needs `authorize`.
 *
 * A snapshot is made once a second for all viewers, and not at all while there is none. A call costs less than a microsecond.
 *
 * Open pages end as soon as the server or this layer begins to close, so that they do not delay its end. Put
 * `layerUntraced` around the server, or a page that is open for hours is a span of hours.
 *
 * **Example** (A dashboard, and a look at its figures)
 *
 * ```ts
 * import { Exhaustion, Integration, Operation, Policy } from "breakwater"
 * import { Dashboard } from "breakwater/dashboard"
 * import { Data, Effect, Layer, Schema } from "effect"
 * import { HttpRouter } from "effect/http"
 *
 * class Down extends Data.TaggedError("Down")<{}> {}
 *
 * class Rates extends Integration.Service<Rates>()(
 *   "shop/Rates",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Down() },
 *   { today: Operation.query("today", { success: Schema.Number, send: () => Effect.succeed(1.25) }) }
 * ) {}
 *
 * const Page = Dashboard.layer({
 *   path: "/integrations",
 *   authorize: ({ headers }) =>
 *     headers["authorization"] === "Bearer ops" ? Effect.void : Effect.fail("unauthenticated")
 * })
 * const CallOnce = Layer.effectDiscard(Effect.flatMap(Rates, (rates) => rates.today()))
 * const App = CallOnce.pipe(Layer.provide(Integration.layer(Rates)), Layer.provideMerge(Page))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(App, { disableLogger: true })
 * const send = (authorization: string) =>
 *   handler(new Request("http://shop.test/integrations/snapshot.json", { headers: { authorization } }))
 *
 * const seen = (await (await send("Bearer ops")).json()) as Dashboard.Snapshot
 * seen.integrations.map(({ name, outcomes }) => [name, outcomes.ok]) // => [["shop/Rates", 1]]
 * const refused = await send("Bearer guess")
 * refused.status // => 401
 * await dispose()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(options: Options<R> = {}): Layer.Layer<never, never, HttpRouter.HttpRouter | R> => {
  const path = withoutSlash(options.path ?? defaultPath)
  const at = (more: string) => `${path}${more}` as `/${string}`
  return Layer.effectContext(
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      const context = yield* Effect.context<R>()
      const hub = yield* Effect.service(CurrentHub)
      const watch = new Watch(hub, yield* Clock.currentTimeMillis)
      yield* Effect.acquireRelease(
        Effect.sync(() => hub.watch((event) => watch.log.record(event))),
        (leave) => Effect.sync(leave)
      )
      const closed = yield* Deferred.make<void>()
      yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))

      let made: Made | undefined
      const look = Effect.map(Clock.currentTimeMillis, (now) => {
        if (made === undefined || now - made.at >= freshMs || now < made.at) made = make(watch.snapshot(now))
        return made
      })

      const mayLook = (request: Request): Effect.Effect<Response | undefined> =>
        options.authorize === undefined
          ? Effect.succeed(isLocal(request) ? undefined : refused.notLocal)
          : Effect.matchEffect(Effect.provideContext(options.authorize(request), context), {
              onSuccess: () => Effect.undefined,
              onFailure: (refusal) =>
                Effect.succeed(
                  refusal === "forbidden"
                    ? refused.forbidden
                    : problem(401, "unauthenticated", "Say who you are", {
                        "www-authenticate": options.challenge ?? "Bearer"
                      })
                )
            })

      const add = (route: `/${string}`, answer: (request: Request) => Effect.Effect<Response>) =>
        router.add("GET", route, (request: Request) =>
          HttpMiddleware.withLoggerDisabled(
            Effect.flatMap(mayLook(request), (refusal) =>
              refusal === undefined ? answer(request) : Effect.succeed(refusal)
            )
          )
        )

      yield* add(path === "" ? "/" : at(""), (request) =>
        Effect.sync(() => text(page.html.replaceAll("{{base}}", baseOf(request)), "text/html; charset=utf-8"))
      )
      yield* add(at("/style.css"), () => Effect.succeed(text(page.css, "text/css; charset=utf-8")))
      yield* add(at("/app.js"), () => Effect.succeed(text(page.js, "text/javascript; charset=utf-8")))
      yield* add(at("/snapshot.json"), () => Effect.map(look, ({ json }) => text(json, "application/json")))
      yield* add(at("/events"), (request) =>
        Effect.succeed(
          HttpServerResponse.stream(Stream.interruptWhen(eventsOf(look, request), Deferred.await(closed)), {
            contentType: "text/event-stream",
            headers: {
              ...secured,
              "cache-control": "no-cache, no-transform",
              "x-accel-buffering": "no",
              // Or the connection would stay open for a while after its last event, and the server with it.
              connection: "close"
            }
          })
        )
      )
      return yield* untraced(path)
    })
  ) as Layer.Layer<never, never, HttpRouter.HttpRouter | R>
}

/** One event at once and then one a second, until the server begins to close. */
const eventsOf = (look: Effect.Effect<Made>, request: Request): Stream.Stream<Uint8Array> => {
  const wait = (left: number): Effect.Effect<boolean> =>
    isClosing(request)
      ? Effect.succeed(false)
      : left <= 0
        ? Effect.succeed(true)
        : Effect.flatMap(Effect.sleep(Math.min(left, closingMs)), () => wait(left - closingMs))
  return Stream.unfold(true, (isFirst: boolean) =>
    Effect.flatMap(wait(isFirst ? 0 : everyMs), (goesOn) =>
      goesOn ? Effect.map(look, ({ event }) => [event, false] as const) : Effect.undefined
    )
  )
}

const untraced = (path: string): Effect.Effect<Context.Context<never>> =>
  Effect.map(Effect.service(HttpMiddleware.TracerDisabledWhen), (others) =>
    Context.make(HttpMiddleware.TracerDisabledWhen, (request) => {
      const url = withoutSlash(request.url.replace(/[?#].*$/s, ""))
      return url === path || url.startsWith(`${path}/`) || others(request)
    })
  ) as Effect.Effect<Context.Context<never>>

/**
 * Makes no server spans of the dashboard's requests. A server begins a span before it looks for a route, so that the
 * dashboard's own layer can't: provide this one to the server.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUntraced = (options: { readonly path?: `/${string}` | undefined } = {}): Layer.Layer<never> =>
  Layer.effectContext(untraced(withoutSlash(options.path ?? defaultPath)))
