import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { Dashboard } from "breakwater/dashboard"
import { Data, Effect, Exit, Layer, Schema, Scope, Tracer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer, request as open, type IncomingMessage, type OutgoingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { isLocal } from "../../src/dashboard/internal/local.ts"
import { page } from "../../src/dashboard/internal/page.ts"
import { CurrentHub, Hub } from "../../src/internal/hub.ts"
import { quiet } from "../properties/support.ts"

class Failed extends Data.TaggedError("Failed")<{}> {}

const hostile = `<img src=x onerror=alert(1)>"'\u0000\u001b[2J\u2028</script>\ndata: {}`

class Hostile extends Integration.Service<Hostile>()(
  hostile,
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Failed() },
  { [hostile]: Operation.query(hostile, { success: Schema.String, send: () => Effect.succeed("ok") }) }
) {}

type Page = Layer.Layer<never, never, HttpRouter.HttpRouter>

/** A router in memory, which does not know who asks. */
const inMemory = (routes: Page, hub = new Hub()) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        HttpRouter.toWebHandler(
          Layer.provide(Layer.provideMerge(routes, Layer.succeed(CurrentHub, hub)), Layer.succeed(CurrentHub, hub)),
          { disableLogger: true }
        )
      ),
      (web) => Effect.promise(() => web.dispose())
    ),
    (web) => ({
      ...web,
      get: (path: string, headers: Record<string, string> = {}) =>
        Effect.promise(() =>
          (web.handler as (r: Request) => Promise<Response>)(new Request(`http://shop.test${path}`, { headers }))
        )
    })
  )

const authorize = ({ headers }: { readonly headers: Readonly<Record<string, string | undefined>> }) =>
  headers["authorization"] === "Bearer ops"
    ? Effect.void
    : headers["authorization"] === undefined
      ? Effect.fail("unauthenticated" as const)
      : Effect.fail("forbidden" as const)

const anybody = { authorize: () => Effect.void }
const text = (response: Response) => Effect.promise(() => response.text())

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

describe("the routes", () => {
  it.effect("are the page, its style and its script, with headers that let in nothing else", () =>
    Effect.gen(function* () {
      const { get } = yield* inMemory(Dashboard.layer({ path: "/ops/integrations", ...anybody }))
      const answers = yield* Effect.forEach(["", "/style.css", "/app.js", "/snapshot.json", "/events"], (path) =>
        get(`/ops/integrations${path}`)
      )
      assert.deepStrictEqual(
        answers.map(({ headers, status }) => [status, headers.get("content-type")]),
        [
          [200, "text/html; charset=utf-8"],
          [200, "text/css; charset=utf-8"],
          [200, "text/javascript; charset=utf-8"],
          [200, "application/json"],
          [200, "text/event-stream"]
        ]
      )
      for (const { headers } of answers) {
        assert.deepStrictEqual(
          ["content-security-policy", "x-content-type-options", "referrer-policy"].map((name) => headers.get(name)),
          [policy, "nosniff", "no-referrer"]
        )
        assert.strictEqual(headers.get("access-control-allow-origin"), null)
      }
      assert.deepStrictEqual(
        answers.map(({ headers }) => headers.get("cache-control")),
        ["no-store", "no-store", "no-store", "no-store", "no-cache, no-transform"]
      )
      assert.deepStrictEqual(
        ["x-accel-buffering", "connection"].map((name) => answers[4]!.headers.get(name)),
        ["no", "close"]
      )
      const html = yield* text(answers[0]!)
      assert.strictEqual(html, page.html.replaceAll("{{base}}", "./integrations"))
      assert.strictEqual(yield* text(answers[1]!), page.css)
      assert.strictEqual(yield* text(answers[2]!), page.js)
      assert.strictEqual((yield* get("/ops/other")).status, 404)
    })
  )

  it.effect("are under /integrations unless they are told where, and under / too", () =>
    Effect.gen(function* () {
      const usual = yield* inMemory(Dashboard.layer(anybody))
      assert.strictEqual((yield* usual.get("/integrations")).status, 200)
      const root = yield* inMemory(Dashboard.layer({ path: "/", ...anybody }))
      const answer = yield* root.get("/?theme=dark")
      assert.strictEqual(yield* text(answer), page.html.replaceAll("{{base}}", "."))
      assert.strictEqual((yield* root.get("/snapshot.json")).status, 200)
    })
  )

  it.effect("are for those alone whom `authorize` lets in", () =>
    Effect.gen(function* () {
      const { get } = yield* inMemory(Dashboard.layer({ authorize, challenge: `Basic realm="ops"` }))
      for (const path of ["", "/style.css", "/app.js", "/snapshot.json", "/events"]) {
        const answers = yield* Effect.forEach(
          [{}, { authorization: "Bearer guest" }, { authorization: "Bearer ops" }],
          (who) => get(`/integrations${path}`, who as Record<string, string>)
        )
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [401, 403, 200]
        )
        assert.strictEqual(answers[0]!.headers.get("www-authenticate"), `Basic realm="ops"`)
        const { type } = JSON.parse(yield* text(answers[1]!))
        assert.strictEqual(type, Dashboard.problems.forbidden)
      }
    })
  )

  it.effect("are for nobody without `authorize` where it is not known who asks", () =>
    Effect.gen(function* () {
      const { get } = yield* inMemory(Dashboard.layer())
      const answer = yield* get("/integrations/snapshot.json", { host: "localhost" })
      assert.deepStrictEqual([answer.status, JSON.parse(yield* text(answer)).type], [403, Dashboard.problems.notLocal])
    })
  )

  it.effect("have no server spans", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const other = HttpRouter.add("GET", "/integrations-of-others", HttpServerResponse.empty())
      const { get } = yield* inMemory(
        Layer.mergeAll(Dashboard.layer(anybody), other, Layer.succeed(Tracer.Tracer, tracer)) as Page
      )
      for (const path of ["", "?a=b", "/events", "/snapshot.json"]) yield* get(`/integrations${path}`)
      assert.deepStrictEqual(spans, [])
      yield* get("/integrations-of-others")
      assert.deepStrictEqual(spans, ["GET"])
    })
  )
})

describe("without `authorize`", () => {
  const from = (address: string | undefined, headers: Record<string, string> = { host: "localhost:3000" }) =>
    isLocal({
      headers,
      peerAddress: address === undefined ? { _tag: "None" } : { _tag: "Some", value: address },
      remoteAddress: address === undefined ? { _tag: "None" } : { _tag: "Some", value: address }
    } as never)

  const rows: ReadonlyArray<readonly [what: string, may: boolean, asked: boolean]> = [
    ["127.0.0.1", true, from("127.0.0.1")],
    ["::1", true, from("::1")],
    ["an IPv4 address in IPv6", true, from("::ffff:127.0.0.1")],
    ["under 127.0.0.1", true, from("127.0.0.1", { host: "127.0.0.1:3000" })],
    ["under [::1]", true, from("::1", { host: "[::1]:3000" })],
    ["another machine", false, from("10.0.0.7")],
    ["an address that only begins so", false, from("127.0.0.1.example.com")],
    ["nobody that is known", false, from(undefined)],
    ["a name that was made to point here", false, from("127.0.0.1", { host: "evil.example:3000" })],
    ["no name", false, from("127.0.0.1", {})],
    ...["forwarded", "x-forwarded-for", "x-real-ip", "via"].map(
      (header) =>
        [`a proxy that says ${header}`, false, from("127.0.0.1", { host: "localhost", [header]: "10.0.0.7" })] as const
    )
  ]
  for (const [what, may, asked] of rows) {
    it(`${may ? "shows" : "does not show"} it to ${what}`, () => assert.strictEqual(asked, may))
  }
})

/** The first events of a stream, which is left then. */
const events = (response: Response, most: number) =>
  Effect.promise(async () => {
    const reader = response.body!.getReader()
    const decoder = new TextDecoder()
    let seen = ""
    while (seen.split("\n\n").length <= most) {
      const { done, value } = await reader.read()
      if (done) break
      seen += decoder.decode(value, { stream: true })
    }
    await reader.cancel()
    return seen.split("\n\n").slice(0, most)
  })

describe("events", () => {
  it.live("are whole snapshots: one at once, and the same one for all who look at the same time", () =>
    Effect.gen(function* () {
      const hub = new Hub()
      const { get } = yield* inMemory(Dashboard.layer(anybody), hub)
      const [a] = yield* events(yield* get("/integrations/events"), 1)
      const [b] = yield* events(yield* get("/integrations/events"), 1)
      assert.strictEqual(a, b)
      const [id, retry, data, ...more] = a!.split("\n")
      const snapshot = JSON.parse(data!.slice("data: ".length)) as Dashboard.Snapshot
      assert.deepStrictEqual([id, retry, more], [`id: ${snapshot.at}`, "retry: 1000", []])
      assert.deepStrictEqual(snapshot.integrations, [])
    })
  )

  it.live("keep a hostile name within one line of data, and the page does not hold it", () =>
    Effect.gen(function* () {
      const hub = new Hub()
      const { get } = yield* inMemory(Dashboard.layer(anybody), hub)
      yield* Effect.provide(
        Effect.gen(function* () {
          yield* (yield* Hostile)[hostile]!()
          const [only] = yield* events(yield* get("/integrations/events"), 1)
          assert.strictEqual(only!.split("\n").length, 3)
          const snapshot = JSON.parse(only!.split("\n")[2]!.slice("data: ".length)) as Dashboard.Snapshot
          assert.deepStrictEqual(
            snapshot.integrations.map(({ name, operations }) => [name, operations[0]!.name]),
            [[hostile, hostile]]
          )
          assert.notInclude(yield* text(yield* get("/integrations")), "onerror")
        }),
        Layer.provide(
          Integration.layer(Hostile),
          Layer.merge(Layer.succeed(CurrentHub, hub), quiet)
        ) as Layer.Layer<Hostile>
      ).pipe(Effect.provide(quiet))
    })
  )

  it.effect("cost nothing while nobody mounts the page, and the watch ends with the layer", () =>
    Effect.gen(function* () {
      const hub = new Hub()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { get } = yield* inMemory(Dashboard.layer(anybody), hub)
          yield* get("/integrations/snapshot.json")
          assert.strictEqual(hub.watchers.length, 1)
        })
      )
      assert.strictEqual(hub.watchers.length, 0)
    })
  )
})

describe("a server", () => {
  /** A real one, and what asks it. */
  const serve = (options: Dashboard.Options<never> = {}, around: Layer.Layer<never> = Layer.empty) =>
    Effect.gen(function* () {
      const node = createServer()
      const scope = yield* Scope.make()
      const server = HttpRouter.serve(Dashboard.layer(options), { disableLogger: true, disableListenLog: true }).pipe(
        // It would wait so long for an open page: longer than a test.
        Layer.provide(
          NodeHttpServer.layer(() => node, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "10 minutes" })
        ),
        Layer.provide(Layer.succeed(CurrentHub, new Hub())),
        Layer.provide(around)
      )
      yield* Layer.buildWithScope(server, scope)
      const { port } = node.address() as AddressInfo
      const get = (path: string, headers: OutgoingHttpHeaders = {}) =>
        Effect.promise(
          () =>
            new Promise<IncomingMessage>((done, failed) => {
              open({ host: "127.0.0.1", port, path, headers }, done).on("error", failed).end()
            })
        )
      return { scope, get, node }
    })

  it.live("shows it to its own machine, and not through a name of another", () =>
    Effect.gen(function* () {
      const { get, scope } = yield* serve()
      const statuses = yield* Effect.forEach(
        [{}, { host: "evil.example" }, { "x-forwarded-for": "10.0.0.7" }],
        (headers: OutgoingHttpHeaders) =>
          Effect.map(get("/integrations/snapshot.json", headers), (answer) => {
            answer.resume()
            return answer.statusCode
          })
      )
      assert.deepStrictEqual(statuses, [200, 403, 403])
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.live("makes no spans of it with `layerUntraced`, and spans of everything else", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(options.name)
          return span
        }
      })
      const traced = Layer.succeed(Tracer.Tracer, tracer)
      const { get, scope } = yield* serve({}, Layer.merge(Dashboard.layerUntraced(), traced))
      for (const path of ["/integrations", "/integrations/snapshot.json?a=b", "/integrations-of-others"]) {
        ;(yield* get(path)).resume()
      }
      assert.deepStrictEqual(spans, ["GET"])
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.live("ends open pages when it begins to close, and is not held up by them", () =>
    Effect.gen(function* () {
      const { get, node, scope } = yield* serve()
      const pages = yield* Effect.forEach(
        [1, 2, 3],
        () =>
          Effect.flatMap(get("/integrations/events"), (answer) =>
            Effect.promise(
              () =>
                new Promise<{ readonly ended: Promise<string> }>((begun) => {
                  const ended = new Promise<string>((done) => {
                    answer.on("end", () => done("ended"))
                    answer.on("error", () => done("cut off"))
                  })
                  answer.once("data", () => begun({ ended }))
                })
            )
          ),
        { concurrency: 3 }
      )
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(node.listening)
      assert.deepStrictEqual(yield* Effect.promise(() => Promise.all(pages.map(({ ended }) => ended))), [
        "ended",
        "ended",
        "ended"
      ])
    })
  )
})
