/**
 * The switches of running integrations behind a route, for the people on call.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Integration from "../Integration.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * The types of the problem documents (RFC 9457) that the route answers with.
 *
 * | type              | status | what it says                                                       |
 * |-------------------|--------|--------------------------------------------------------------------|
 * | `unauthenticated` | 401    | `authorize` does not know who asks                                 |
 * | `forbidden`       | 403    | who asks may not do it                                             |
 * | `invalidChange`   | 400    | the body is no change; nothing was changed                         |
 * | `noIntegration`   | 404    | no integration of this name is mounted here                        |
 * | `tooLarge`        | 413    | the body has more than 16 KiB                                      |
 * | `notJson`         | 415    | the body is not `application/json`                                 |
 * | `notChanged`      | 422    | there is no such layer, operation or breaker, or it can't observe  |
 *
 * @category constants
 * @since 0.1.0
 */
export const problems = {
  unauthenticated: "urn:breakwater:problem:control-unauthenticated",
  forbidden: "urn:breakwater:problem:control-forbidden",
  invalidChange: "urn:breakwater:problem:control-invalid-change",
  noIntegration: "urn:breakwater:problem:control-no-integration",
  tooLarge: "urn:breakwater:problem:control-too-large",
  notJson: "urn:breakwater:problem:control-not-json",
  notChanged: "urn:breakwater:problem:control-not-changed"
} as const

const text = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500))
const base = {
  /** The name under which the integration is mounted: its id, unless it was given another. */
  integration: Schema.String,
  /** Why, for the log line. */
  reason: Schema.optionalKey(text)
}
const forced = { ...base, breaker: Schema.optionalKey(Schema.String), key: Schema.optionalKey(Schema.String) }

/**
 * The body of a POST: one change of one integration. A property that is not listed is refused, so that a misspelt
 * `operation` does not change all of them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Change = Schema.Union([
  Schema.Struct({
    ...base,
    change: Schema.Literal("setMode"),
    policy: Schema.String,
    operation: Schema.optionalKey(Schema.String),
    mode: Schema.Literals(["enforce", "observe", "off"])
  }),
  Schema.Struct({ ...base, change: Schema.Literals(["resume", "shadow"]) }),
  Schema.Struct({ ...forced, change: Schema.Literals(["forceOpen", "forceClosed"]) })
])

/**
 * One change.
 *
 * @category schemas
 * @since 0.1.0
 */
export type Change = typeof Change.Type

/**
 * A control under a name of its own, where two integrations have one id: the same one, built for two regions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Named<R> {
  readonly name: string
  readonly control: Effect.Effect<Integration.Control<never>, never, R>
}

/**
 * What is mounted: an integration, whose service the layer needs, or a control.
 *
 * @category models
 * @since 0.1.0
 */
export type Mounted = Integration.Any | Named<unknown>

/**
 * The services that a mounted integration needs.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Needs<I> =
  I extends Named<infer R>
    ? R
    : I extends Integration.ServiceClass<infer Self, infer _Id, infer _Methods, infer _R>
      ? Self
      : never

/**
 * Options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Is extends ReadonlyArray<Mounted>, R> {
  readonly path: `/${string}`
  readonly integrations: Is
  /**
   * Whether who asks may look (GET) and change (POST). It succeeds with their name, which stands in the log lines, or with
   * nothing; it fails with `"unauthenticated"` (401) or `"forbidden"` (403). There is no default: whoever reaches this
   * route can switch a provider off.
   */
  readonly authorize: (
    request: HttpServerRequest.HttpServerRequest
  ) => Effect.Effect<string | void, "unauthenticated" | "forbidden", R>
  /** What `WWW-Authenticate` says with a 401. Default: `Bearer`. */
  readonly challenge?: string | undefined
}

const problem = (
  status: number,
  type: keyof typeof problems,
  title: string,
  detail: string | undefined,
  headers: Record<string, string> = {}
): Response =>
  HttpServerResponse.jsonUnsafe(
    { type: problems[type], status, title, ...(detail === undefined ? {} : { detail }) },
    { status, contentType: "application/problem+json", headers: { "cache-control": "no-store", ...headers } }
  )

const data = (value: unknown): Response =>
  HttpServerResponse.jsonUnsafe(value, { headers: { "cache-control": "no-store" } })

const largest = ByteSize.fromInputUnsafe(16 * 1024)
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Change))

const isTooLarge = (error: unknown): boolean =>
  HttpServerError.isHttpServerError(error) &&
  error.reason._tag === "RequestParseError" &&
  error.reason.reason === "BodyTooLarge"

const invalid = (detail: string): Response => problem(400, "invalidChange", "The body is no change", detail)

const read = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<Change, Response> => {
  // A page of another origin can send a form or plain text without asking first, and no JSON.
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    return Effect.fail(problem(415, "notJson", "The body must be application/json", undefined))
  }
  return request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, largest),
    Effect.mapError((error) =>
      isTooLarge(error)
        ? problem(413, "tooLarge", "The body is too large", "A change has at most 16 KiB.")
        : invalid("The body could not be read.")
    ),
    Effect.flatMap((body) =>
      Effect.mapError(decode(body, { onExcessProperty: "error" }), (error) => invalid(error.message.slice(0, 1_000)))
    )
  )
}

const carryOut = (
  control: Integration.Control<string>,
  change: Change,
  by: string | undefined
): Effect.Effect<unknown, Integration.ControlError> => {
  const because = { reason: change.reason, by }
  switch (change.change) {
    case "setMode":
      return control.setMode({ ...because, policy: change.policy, operation: change.operation, mode: change.mode })
    case "shadow":
      return control.shadow(because)
    case "resume":
      return control.resume(because)
    default:
      return control[change.change]({ ...because, breaker: change.breaker, key: change.key })
  }
}

const isIntegration = (mounted: Mounted): mounted is Integration.Any => "~breakwater/Integration" in mounted

const open = (mounted: Mounted): { readonly name: string; readonly control: Effect.Effect<unknown, never, unknown> } =>
  isIntegration(mounted)
    ? {
        name: Integration.nameOf(mounted),
        // Whatever its operations are: the control checks the name of an operation itself.
        control: Integration.control(mounted as Integration.ServiceClass<unknown, string, object, unknown>)
      }
    : mounted

/**
 * Mounts a route on the `HttpRouter`, as `HttpApiSwagger.layer` does: GET shows what the integrations are at the moment, and
 * POST makes one change.
 *
 * **When to use**
 *
 * Use on a port or behind a proxy that only operators reach. Several processes have a route each: a change holds for the
 * one that it was sent to. What should hold for all of them belongs into the configuration.
 *
 * **Details**
 *
 * GET answers `{ "integrations": [{ "name", "integration", "switchedOff", "modes", "circuits", "forced", "plan" }] }`. POST
 * takes a `Change` and answers with the integration as it is then. Everything else is a problem document of `problems`. The
 * answers hold no secret, input or answer of a provider; keys of circuits are what the application made them of. Two
 * integrations of one name are shown as `name` and `name#2`; give one of them a name with `{ name, control }`.
 *
 * **Example** (A route for operators)
 *
 * ```ts
 * import { Exhaustion, Integration, Operation, Policy } from "breakwater"
 * import { HttpControl } from "breakwater/http"
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
 * const Admin = HttpControl.layer({
 *   path: "/admin/integrations",
 *   integrations: [Rates],
 *   authorize: ({ headers }) =>
 *     headers["authorization"] === "Bearer ops" ? Effect.succeed("ops") : Effect.fail("unauthenticated")
 * }).pipe(Layer.provide(Integration.layer(Rates)))
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Admin, { disableLogger: true })
 * const send = (authorization: string, change: HttpControl.Change) =>
 *   handler(
 *     new Request("http://shop.test/admin/integrations", {
 *       method: "POST",
 *       headers: { authorization, "content-type": "application/json" },
 *       body: JSON.stringify(change)
 *     })
 *   )
 *
 * const done = await send("Bearer ops", { integration: "shop/Rates", change: "forceOpen", reason: "wrong rates" })
 * done.status // => 200
 * const refused = await send("Bearer guess", { integration: "shop/Rates", change: "resume" })
 * refused.status // => 401
 * await dispose()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const Is extends ReadonlyArray<Mounted>, R = never>(
  options: Options<Is, R>
): Layer.Layer<never, never, HttpRouter.HttpRouter | Needs<Is[number]> | R> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      const context = yield* Effect.context<R>()
      const controls = new Map<string, Integration.Control<string>>()
      for (const { control, name } of options.integrations.map(open)) {
        let unique = name
        for (let n = 2; controls.has(unique); n++) unique = `${name}#${n}`
        controls.set(unique, (yield* control) as Integration.Control<string>)
      }
      const show = (name: string, control: Integration.Control<string>) =>
        Effect.map(control.snapshot, (snapshot) => ({ name, ...snapshot }))

      const authorised = (
        handler: (request: HttpServerRequest.HttpServerRequest, by: string | undefined) => Effect.Effect<Response>
      ) => {
        return (request: HttpServerRequest.HttpServerRequest) =>
          Effect.matchEffect(Effect.provideContext(options.authorize(request), context), {
            onSuccess: (by) => handler(request, by ?? undefined),
            onFailure: (refusal) =>
              Effect.succeed(
                refusal === "forbidden"
                  ? problem(403, "forbidden", "You may not do this", undefined)
                  : problem(401, "unauthenticated", "Say who you are", undefined, {
                      "www-authenticate": options.challenge ?? "Bearer"
                    })
              )
          })
      }

      yield* router.add(
        "GET",
        options.path,
        authorised(() =>
          Effect.map(
            Effect.forEach(controls, ([name, control]) => show(name, control)),
            (integrations) => data({ integrations })
          )
        )
      )
      yield* router.add(
        "POST",
        options.path,
        authorised((request, by) =>
          Effect.catch(
            Effect.flatMap(read(request), (change) => {
              const control = controls.get(change.integration)
              if (control === undefined) {
                const detail = `There is no ${change.integration}; there is ${[...controls.keys()].join(", ")}.`
                return Effect.fail(problem(404, "noIntegration", "No such integration is mounted here", detail))
              }
              return Effect.flatMap(
                Effect.mapError(carryOut(control, change, by), (error) =>
                  problem(422, "notChanged", "Nothing was changed", error.message)
                ),
                () => Effect.map(show(change.integration, control), data)
              )
            }),
            Effect.succeed
          )
        )
      )
    })
    // The services of what is mounted are those that the types of the list name; `open` forgets them.
  ) as Layer.Layer<never, never, HttpRouter.HttpRouter | Needs<Is[number]> | R>
