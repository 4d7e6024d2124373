// A provider and its token endpoint, in memory: what each was asked, and how each answers.
import { type CallFailure, Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { type Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Context, Data, Effect, Exit, Layer, Schema } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

export interface Asked {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly form: Readonly<Record<string, string>>
}

type Respond = (asked: Asked, n: number) => Effect.Effect<Response, "lost">

export const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Effect.sync(
    () => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } })
  )

/** Tokens t1, t2, … that are good for an hour. */
export const issue: Respond = (_, n) => json(200, { access_token: `t${n}`, token_type: "Bearer", expires_in: 3600 })
export const fine: Respond = () => json(200, { id: "1" })
export const unauthorized: Respond = () => json(401, { error: "unauthorized" })

export class World {
  readonly tokens: Array<Asked> = []
  readonly calls: Array<Asked> = []
  token: Respond = issue
  api: Respond = fine

  /** The credentials of the calls, in the order in which they came. */
  get sent(): ReadonlyArray<string | undefined> {
    return this.calls.map(({ headers }) => headers["authorization"])
  }

  readonly client = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request: HttpClientRequest.HttpClientRequest, url) => {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const asked: Asked = {
        url,
        method: request.method,
        headers: { ...request.headers },
        body,
        form: Object.fromEntries(new URLSearchParams(body))
      }
      const isToken = url.host === "login.example"
      const list = isToken ? this.tokens : this.calls
      list.push(asked)
      return Effect.mapBoth((isToken ? this.token : this.api)(asked, list.length), {
        onSuccess: (response) => HttpClientResponse.fromWeb(request, response),
        onFailure: () =>
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause: new Error("ECONNRESET") })
          })
      })
    })
  )
}

export class Down extends Data.TaggedError("Down")<{ readonly failure: CallFailure.CallFailure }> {}

const Order = Schema.Struct({ order: Schema.String })
export class OrdersApi extends HttpApi.make("orders").add(
  HttpApiGroup.make("orders").add(
    HttpApiEndpoint.get("list", "/orders", { success: Schema.Struct({ id: Schema.String }) }),
    HttpApiEndpoint.post("create", "/orders", { payload: Order, success: Schema.Struct({ id: Schema.String }) }),
    HttpApiEndpoint.post("once", "/orders/once", { payload: Order, success: Schema.Struct({ id: Schema.String }) })
  )
) {}

/** The number of attempts is what a test is about, or one. */
const single = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("one attempt is looked at"),
  Policy.attemptTimeout("10 seconds")
)

export class Orders extends Integration.Service<Orders>()(
  "shop/Orders",
  { policy: single, exhausted: Exhaustion.fail, orElse: (failure) => new Down({ failure }) },
  {
    list: HttpOperation.endpoint(OrdersApi, "orders", "list"),
    create: HttpOperation.endpoint(OrdersApi, "orders", "create", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("order", payload.order), {
        lifetime: "1 day"
      })
    }),
    once: HttpOperation.endpoint(OrdersApi, "orders", "once", {
      idempotency: Idempotency.atMostOnce("the provider has no keys")
    })
  }
) {}

/** The orders of a world, with these credentials. */
export const connect = (world: World, auth: Auth.Auth, policy?: HttpIntegration.Options<Orders["Service"]>["policy"]) =>
  Effect.map(
    Layer.build(
      HttpIntegration.layer(Orders, { baseUrl: "https://api.example", auth, policy }).pipe(Layer.provide(world.client))
    ),
    Context.get(Orders)
  )

export const failureOf = (exit: Exit.Exit<unknown, Down>): CallFailure.CallFailure => {
  if (Exit.isSuccess(exit)) throw new Error("it succeeded")
  for (const reason of exit.cause.reasons) if (reason._tag === "Fail") return reason.error.failure
  throw new Error("it did not fail")
}
