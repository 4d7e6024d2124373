/** The process that `dashboard.ts` measures: integrations without a network, called at a steady pace, and the dashboard. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { Dashboard } from "breakwater/dashboard"
import { Context, Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"

/** What the process says: where it listens, and from then on what it has used whenever it is asked. */
export interface Reply {
  readonly url: string
  readonly at: number
  readonly cpuSeconds: number
  readonly calls: number
}

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

const defaults = {
  policy: Policy.standard(),
  shared: Policy.shared({ breaker: Policy.breaker(), bulkhead: Policy.bulkhead({ concurrency: 100 }) }),
  exhausted: Exhaustion.fail,
  orElse: () => new Unavailable()
}

const party = (n: number) => {
  class Party extends Integration.Service<Party>()(`bench/Party${n}`, defaults, {
    call: Operation.query("call", {
      success: Schema.String,
      // From 1 ms on, and one in twenty four times as long: there is something in every column and in the tail.
      send: () => Effect.as(Effect.sleep(calls++ % 20 === 0 ? 8 : 1 + (calls % 2)), "ok"),
      translate: {}
    })
  }) {}
  return Effect.map(Layer.build(Integration.layer(Party)), (context) => Context.get(context, Party).call)
}

let calls = 0
let url = ""
const count = Number(process.argv[2])

const reply = (): void => {
  const { system, user } = process.cpuUsage()
  const usage: Reply = { url, at: performance.now(), cpuSeconds: (system + user) / 1_000_000, calls }
  process.send?.(usage)
}

const quiet = Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined })

const program = Effect.gen(function* () {
  const server = HttpRouter.serve(Dashboard.layer({ path: "/integrations" }), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))
  const context = yield* Layer.build(server)
  url = `${HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)}/integrations`
  const parties = yield* Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    party
  )
  process.on("message", reply)
  reply()
  return yield* Effect.forEach(parties, (call) => Effect.forever(Effect.andThen(call(), Effect.sleep(20))), {
    concurrency: "unbounded",
    discard: true
  })
}).pipe(Effect.scoped, Effect.provide(quiet))

process.on("disconnect", () => process.exit(0))
await Effect.runPromise(program)
