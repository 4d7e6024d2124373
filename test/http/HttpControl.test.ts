import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { Context, Data, Effect, Exit, Layer, Logger, References, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpRouter } from "effect/http"
import * as HttpControl from "../../src/http/HttpControl.ts"

const { problems } = HttpControl

class Failed extends Data.TaggedError("Failed")<{ readonly why: string }> {}

const common = {
  policy: Policy.standard({ maxAttempts: 1 }),
  exhausted: Exhaustion.fail,
  orElse: ({ reason }: { readonly reason: { readonly _tag: string } }) => new Failed({ why: reason._tag })
}
const query = (name: string) => Operation.query(name, { success: Schema.String, send: () => Effect.succeed("ok") })

class Payments extends Integration.Service<Payments>()(
  "shop/Payments",
  { ...common, shared: Policy.shared({ breaker: {} }) },
  { charge: query("charge"), find: query("find") }
) {}

class Mails extends Integration.Service<Mails>()("shop/Mails", common, { send: query("send") }) {}

class Access extends Context.Service<Access, { readonly tokens: Readonly<Record<string, string>> }>()("test/Access") {}

/** `ops` may do everything; `guest` is known and may not; everybody else is a stranger. */
const authorize = (request: { readonly headers: Readonly<Record<string, string | undefined>> }) =>
  Effect.flatMap(Access, ({ tokens }) => {
    const name = tokens[request.headers["authorization"] ?? ""]
    return name === undefined
      ? Effect.fail("unauthenticated" as const)
      : name === "guest"
        ? Effect.fail("forbidden" as const)
        : Effect.succeed(name)
  })

const access = Layer.succeed(Access, { tokens: { "Bearer ops": "kim", "Bearer guest": "guest" } })

interface Answer {
  readonly status: number
  readonly headers: Headers
  // The test reads what it expects to be there.
  readonly json: any
}

type Send = (options?: {
  readonly method?: string
  readonly path?: string
  readonly token?: string | undefined
  readonly body?: unknown
  readonly raw?: string
  readonly type?: string
}) => Effect.Effect<Answer>

/** A router in memory, the services behind it, and the lines that were written. */
const world = <S>(routes: Layer.Layer<never, never, HttpRouter.HttpRouter | Access | S>, services: Layer.Layer<S>) =>
  Effect.gen(function* () {
    const lines: Array<{ readonly message: string; readonly annotations: Readonly<Record<string, unknown>> }> = []
    const logger = Logger.make(({ fiber, message }) => {
      const told = Array.isArray(message) ? message.join(" ") : String(message)
      lines.push({ message: told, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    })
    const context = yield* Layer.build(services)
    const web = HttpRouter.toWebHandler(
      routes.pipe(
        Layer.provide(access),
        Layer.provide(Layer.succeedContext(context)),
        Layer.provideMerge(Logger.layer([logger]))
      ),
      { disableLogger: true }
    )
    yield* Effect.addFinalizer(() => Effect.promise(() => web.dispose()))
    // Nothing is left to be provided, which the types can't see of services that they don't know.
    const handler = web.handler as (request: Request) => Promise<Response>
    const send: Send = ({ body, method, path = "/admin", raw, token = "ops", type = "application/json" } = {}) =>
      Effect.promise(async () => {
        const text = raw ?? (body === undefined ? undefined : JSON.stringify(body))
        const response = await handler(
          new Request(`http://shop.test${path}`, {
            method: method ?? (text === undefined ? "GET" : "POST"),
            headers: {
              ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
              ...(text === undefined ? {} : { "content-type": type })
            },
            ...(text === undefined ? {} : { body: text })
          })
        )
        const answer = await response.text()
        return {
          status: response.status,
          headers: response.headers,
          json: answer === "" ? undefined : JSON.parse(answer)
        }
      })
    return { send, context, lines }
  })

const both = Layer.mergeAll(Layer.fresh(Integration.layer(Payments)), Layer.fresh(Integration.layer(Mails))).pipe(
  Layer.orDie
)
const admin = HttpControl.layer({ path: "/admin", integrations: [Payments, Mails], authorize })

const why = (exit: Exit.Exit<string, Failed>) =>
  Exit.match(exit, {
    onSuccess: (value) => value,
    onFailure: (cause) => JSON.stringify(cause).match(/CircuitOpen/)?.[0]
  })

const isProblem = (answer: Answer, status: number, type: string, detail?: string) => {
  assert.deepStrictEqual([answer.status, answer.json.type, answer.json.status], [status, type, status])
  assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
  assert.strictEqual(answer.headers.get("cache-control"), "no-store")
  if (detail !== undefined) assert.include(answer.json.detail, detail)
}

describe("HttpControl: what it shows", () => {
  it.effect("GET: every integration as its control's snapshot", () =>
    Effect.gen(function* () {
      const { context, send } = yield* world(admin, both)
      const answer = yield* send()
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("content-type"), "application/json")
      assert.strictEqual(answer.headers.get("cache-control"), "no-store")
      const payments = yield* Effect.provide(Integration.control(Payments), context)
      const mails = yield* Effect.provide(Integration.control(Mails), context)
      assert.deepStrictEqual(answer.json, {
        integrations: [
          { name: "shop/Payments", ...(yield* payments.snapshot) },
          { name: "shop/Mails", ...(yield* mails.snapshot) }
        ]
      })
    })
  )
})

describe("HttpControl: who may", () => {
  it.effect.each([
    ["", 401, problems.unauthenticated],
    ["guess", 401, problems.unauthenticated],
    ["guest", 403, problems.forbidden]
  ] as const)("%j is turned away from looking and from changing", ([token, status, type]) =>
    Effect.gen(function* () {
      const { context, lines, send } = yield* world(admin, both)
      const looked = yield* send({ token })
      isProblem(looked, status, type)
      assert.strictEqual(looked.headers.get("www-authenticate"), status === 401 ? "Bearer" : null)
      isProblem(yield* send({ token, body: { integration: "shop/Mails", change: "forceOpen" } }), status, type)
      // Nothing is learned from a body either.
      isProblem(yield* send({ token, raw: "nonsense" }), status, type)
      assert.strictEqual(why(yield* Effect.exit(Context.get(context, Mails).send())), "ok")
      assert.deepStrictEqual(lines, [])
    })
  )

  it.effect("a defect of `authorize` lets nobody in", () =>
    Effect.gen(function* () {
      const broken = HttpControl.layer({
        path: "/admin",
        integrations: [Mails],
        authorize: () => Effect.die(new Error("the directory is down: ldap://secret"))
      })
      const { context, send } = yield* world(broken, both)
      const answer = yield* send({ body: { integration: "shop/Mails", change: "forceOpen" } })
      assert.strictEqual(answer.status, 500)
      assert.notInclude(JSON.stringify(answer.json ?? ""), "secret")
      assert.strictEqual(why(yield* Effect.exit(Context.get(context, Mails).send())), "ok")
    })
  )
})

describe("HttpControl: changes", () => {
  it.effect("every change, as the integration is then; the log says who and why", () =>
    Effect.gen(function* () {
      const { context, lines, send } = yield* world(admin, both)
      const payments = Context.get(context, Payments)
      const change = (body: object) => send({ body: { integration: "shop/Payments", reason: "incident 7", ...body } })
      const modesOf = (answer: Answer, slot: string): ReadonlyArray<string> =>
        answer.json.modes
          .filter((each: Integration.LayerMode) => each.slot === slot)
          .map((each: Integration.LayerMode) => `${each.operation} ${each.mode}`)

      const set = yield* change({ change: "setMode", policy: "attemptTimeout", operation: "find", mode: "off" })
      assert.strictEqual(set.status, 200)
      assert.strictEqual(set.json.name, "shop/Payments")
      assert.deepStrictEqual(modesOf(set, "attemptTimeout"), ["charge enforce", "find off"])

      assert.deepStrictEqual(modesOf(yield* change({ change: "shadow" }), "circuitBreaker"), [
        "charge observe",
        "find observe"
      ])

      assert.isTrue((yield* change({ change: "forceOpen" })).json.switchedOff)
      assert.strictEqual(why(yield* Effect.exit(payments.charge())), "CircuitOpen")
      assert.strictEqual(why(yield* Effect.exit(Context.get(context, Mails).send())), "ok")
      assert.isFalse((yield* change({ change: "forceClosed" })).json.switchedOff)
      assert.strictEqual(why(yield* Effect.exit(payments.charge())), "ok")

      const keyed = yield* change({ change: "forceOpen", breaker: "breaker", key: "eu" })
      assert.deepStrictEqual(keyed.json.forced, [
        { breaker: "breaker", key: null, to: "closed" },
        { breaker: "breaker", key: "eu", to: "open" }
      ])

      const resumed = yield* change({ change: "resume" })
      assert.deepStrictEqual(resumed.json.forced, [])
      assert.deepStrictEqual(modesOf(resumed, "attemptTimeout"), ["charge enforce", "find enforce"])

      const own = lines.filter(({ annotations }) => annotations["change"] !== undefined)
      assert.deepStrictEqual(
        own.map(({ annotations }) => annotations["change"]),
        ["setMode", "shadow", "forceOpen", "forceClosed", "forceOpen", "resume"]
      )
      assert.isTrue(
        own.every(({ annotations }) => annotations["by"] === "kim" && annotations["reason"] === "incident 7")
      )
    })
  )

  it.effect.each([
    [{ raw: "nonsense" }, 400, problems.invalidChange, ""],
    [{ raw: "" }, 400, problems.invalidChange, ""],
    [{ body: [] }, 400, problems.invalidChange, ""],
    [{ body: { integration: "shop/Mails", change: "explode" } }, 400, problems.invalidChange, ""],
    [{ body: { integration: "shop/Mails", change: "setMode", policy: "retry" } }, 400, problems.invalidChange, "mode"],
    [
      { body: { integration: "shop/Mails", change: "setMode", policy: "retry", mode: "on" } },
      400,
      problems.invalidChange,
      ""
    ],
    // Misspelt, it would be a change of all operations.
    [
      { body: { integration: "shop/Mails", change: "setMode", policy: "retry", mode: "off", operatoin: "send" } },
      400,
      problems.invalidChange,
      "operatoin"
    ],
    [
      { body: { integration: "shop/Mails", change: "resume", reason: "x".repeat(501) } },
      400,
      problems.invalidChange,
      ""
    ],
    [
      { body: { integration: "shop/Mail", change: "resume" } },
      404,
      problems.noIntegration,
      "there is shop/Payments, shop/Mails"
    ],
    [
      { body: { integration: "shop/Mails", change: "setMode", policy: "hedge", mode: "off" } },
      422,
      problems.notChanged,
      "there is no layer hedge"
    ],
    [
      { body: { integration: "shop/Mails", change: "setMode", policy: "retry", operation: "sent", mode: "off" } },
      422,
      problems.notChanged,
      "there is no operation sent; there is send"
    ],
    [
      { body: { integration: "shop/Mails", change: "forceOpen", breaker: "breaker" } },
      422,
      problems.notChanged,
      "there is no breaker"
    ],
    [
      { body: { integration: "shop/Mails", change: "forceOpen" }, type: "text/plain" },
      415,
      problems.notJson,
      undefined
    ],
    [
      { body: { integration: "shop/Mails", change: "resume", reason: "x".repeat(20_000) } },
      413,
      problems.tooLarge,
      "16 KiB"
    ]
  ] as const)("refuses %j with %i, and changes nothing", ([request, status, type, detail]) =>
    Effect.gen(function* () {
      const { context, lines, send } = yield* world(admin, both)
      isProblem(yield* send({ method: "POST", ...request }), status, type, detail)
      const control = yield* Effect.provide(Integration.control(Mails), context)
      const snapshot = yield* control.snapshot
      assert.isTrue(snapshot.modes.every(({ initial, mode }) => mode === initial))
      assert.isFalse(snapshot.switchedOff)
      assert.deepStrictEqual(lines, [])
    })
  )
})

describe("HttpControl: mounting", () => {
  it.effect("two paths, each with integrations of its own", () =>
    Effect.gen(function* () {
      const { send } = yield* world(
        Layer.mergeAll(
          HttpControl.layer({ path: "/admin", integrations: [Payments], authorize }),
          HttpControl.layer({ path: "/mails/admin", integrations: [Mails], authorize })
        ),
        both
      )
      const names = (answer: Answer) => answer.json.integrations.map(({ name }: { name: string }) => name)
      assert.deepStrictEqual(names(yield* send()), ["shop/Payments"])
      assert.deepStrictEqual(names(yield* send({ path: "/mails/admin" })), ["shop/Mails"])
      const body = { integration: "shop/Mails", change: "resume" }
      assert.strictEqual((yield* send({ body })).status, 404)
      assert.strictEqual((yield* send({ path: "/mails/admin", body })).status, 200)
    })
  )

  it.effect("two integrations of one id: one layer each on two paths, or controls with names on one", () =>
    Effect.gen(function* () {
      const us = yield* Layer.build(Layer.fresh(Integration.layer(Mails)))
      const eu = yield* Layer.build(Layer.fresh(Integration.layer(Mails)))
      const { send } = yield* world(
        Layer.mergeAll(
          HttpControl.layer({ path: "/us", integrations: [Mails], authorize }).pipe(
            Layer.provide(Layer.succeedContext(us))
          ),
          HttpControl.layer({ path: "/eu", integrations: [Mails], authorize }).pipe(
            Layer.provide(Layer.succeedContext(eu))
          ),
          HttpControl.layer({
            path: "/all",
            integrations: [
              { name: "mails-us", control: Effect.provide(Integration.control(Mails), us) },
              { name: "mails-eu", control: Effect.provide(Integration.control(Mails), eu) },
              Mails,
              Mails
            ],
            authorize
          }).pipe(Layer.provide(Layer.succeedContext(us)))
        ),
        Layer.empty
      )
      const off = (answer: Answer) =>
        answer.json.integrations.map(
          (each: { name: string; switchedOff: boolean }) => `${each.name} ${each.switchedOff}`
        )
      yield* send({ path: "/eu", body: { integration: "shop/Mails", change: "forceOpen" } })
      assert.deepStrictEqual(off(yield* send({ path: "/us" })), ["shop/Mails false"])
      assert.deepStrictEqual(off(yield* send({ path: "/all" })), [
        "mails-us false",
        "mails-eu true",
        "shop/Mails false",
        "shop/Mails#2 false"
      ])
      yield* send({ path: "/all", body: { integration: "mails-eu", change: "resume" } })
      assert.deepStrictEqual(off(yield* send({ path: "/eu" })), ["shop/Mails false"])
      assert.strictEqual(why(yield* Effect.exit(Context.get(eu, Mails).send())), "ok")
    })
  )

  it.live("over a socket", () =>
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const mails = yield* Mails
      const ops = HttpClientRequest.setHeader("authorization", "Bearer ops")
      const post = (body: object) =>
        Effect.flatMap(HttpClientRequest.bodyJson(ops(HttpClientRequest.post("/admin")), body), client.execute)
      const changed = yield* post({ integration: "shop/Mails", change: "forceOpen", reason: "wrong mails" })
      assert.strictEqual(changed.status, 200)
      assert.strictEqual(why(yield* Effect.exit(mails.send())), "CircuitOpen")
      const seen = yield* client.execute(ops(HttpClientRequest.get("/admin")))
      const page = (yield* seen.json) as unknown as { readonly integrations: ReadonlyArray<Integration.Snapshot> }
      assert.deepStrictEqual(
        page.integrations.map(({ switchedOff }) => switchedOff),
        [false, true]
      )
      assert.strictEqual((yield* client.execute(HttpClientRequest.get("/admin"))).status, 401)
      yield* post({ integration: "shop/Mails", change: "resume" })
      assert.strictEqual(why(yield* Effect.exit(mails.send())), "ok")
    }).pipe(
      Effect.provide(
        HttpRouter.serve(admin, { disableLogger: true, disableListenLog: true }).pipe(
          Layer.provideMerge(both),
          Layer.provide(access),
          Layer.provideMerge(NodeHttpServer.layerTest),
          Layer.provide(Logger.layer([]))
        )
      )
    )
  )
})
