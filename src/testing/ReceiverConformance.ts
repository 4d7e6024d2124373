/**
 * What every HTTP server must do that claims to carry out a request once per idempotency key, as cases that any test
 * runner can run, against any server that speaks HTTP.
 *
 * **When to use**
 *
 * With a receiver of your own, and with `HttpReceiver` in your own composition: behind your authorisation, over your
 * store, in your server.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { answers } from "./internal/receiver/answers.ts"
import { type Check, open } from "./internal/receiver/bench.ts"
import { requests } from "./internal/receiver/requests.ts"
import { type Harness, Violation } from "./ReceiverHarness.ts"

export { type Arrived, type Handler, type Harness, type Opened, type Reply, Violation } from "./ReceiverHarness.ts"

/**
 * One case: something that a server must do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** What must hold. */
  readonly name: string
  /** Starts a server of the harness, and fails with what does not hold. */
  readonly run: (harness: Harness) => Effect.Effect<void, Violation>
}

const caseOf = ({ body, name }: Check): Case => ({
  name,
  run: (harness) =>
    Effect.scoped(Effect.flatMap(open(harness), body)).pipe(
      Effect.asVoid,
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const error = Cause.squash(cause)
        const where = { server: harness.name, case: name }
        return Effect.fail(
          error instanceof Violation
            ? new Violation({ what: error.what, actual: error.actual, expected: error.expected, ...where })
            : new Violation({ what: "it failed", cause: error, ...where })
        )
      })
    )
})

/**
 * Every case: keys, fingerprints, tenants and who may ask; which answers are stored and how they are told again; requests
 * at the same time, and clients that leave.
 *
 * **When to use**
 *
 * To make a test of each, in the runner of your choice.
 *
 * **Details**
 *
 * Every case starts a server of its own. Run them with the live clock (`it.live` of `@effect/vitest`): some wait a few
 * milliseconds for a server.
 *
 * **Example** (One case against a server in memory)
 *
 * ```ts
 * import { IdempotencyStoreMemory, Receiver } from "breakwater"
 * import { HttpReceiver } from "breakwater/http"
 * import { ReceiverConformance } from "breakwater/testing"
 * import { Context, Effect, Layer } from "effect"
 * import { FetchHttpClient, HttpClient, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
 *
 * class Tenant extends Context.Service<Tenant, string>()("shop/Tenant") {}
 *
 * const Auth = HttpRouter.middleware<{ provides: Tenant }>()((handler) =>
 *   Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
 *     headers.authorization === undefined
 *       ? Effect.succeed(HttpServerResponse.empty({ status: 401 }))
 *       : Effect.provideService(handler, Tenant, headers.authorization.slice("Bearer ".length))
 *   )
 * )
 * const Idempotent = HttpReceiver.middleware({
 *   name: "shop",
 *   mode: Receiver.leased({ onLostLease: "hold" }),
 *   principal: Tenant
 * })
 *
 * const harness: ReceiverConformance.Harness = {
 *   name: "shop",
 *   onFailure: "hold",
 *   open: (handle) =>
 *     Effect.gen(function* () {
 *       const Things = HttpRouter.add("*", "/things/:id", (request) =>
 *         Effect.map(Effect.promise(() => handle(request)), ({ body = "", headers = {}, status }) =>
 *           HttpServerResponse.raw(body, { status, headers })
 *         )
 *       ).pipe(Layer.provide(Idempotent.combine(Auth).layer), Layer.provide(IdempotencyStoreMemory.layer))
 *       const server = HttpRouter.toWebHandler(Things, { disableLogger: true })
 *       yield* Effect.addFinalizer(() => Effect.promise(server.dispose))
 *       const context = yield* Layer.build(
 *         Layer.provide(
 *           Layer.fresh(FetchHttpClient.layer),
 *           Layer.succeed(FetchHttpClient.Fetch, (input, init) => server.handler(new Request(input, init)))
 *         )
 *       )
 *       return { url: "http://shop.test", client: Context.get(context, HttpClient.HttpClient) }
 *     })
 * }
 *
 * const one = ReceiverConformance.cases.find(({ name }) => name.startsWith("who may not"))!
 *
 * await Effect.runPromise(one.run(harness)) // => undefined
 * ```
 *
 * @category cases
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case> = [...requests, ...answers].map(caseOf)

/**
 * How a server did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly server: string
  /** The names of the cases that held. */
  readonly passed: ReadonlyArray<string>
  readonly failed: ReadonlyArray<Violation>
}

/**
 * Runs every case, one after the other, and reports how the server did. It never fails.
 *
 * @category running
 * @since 0.1.0
 */
export const check = (harness: Harness): Effect.Effect<Report> =>
  Effect.map(
    Effect.forEach(cases, ({ name, run }) =>
      Effect.match(run(harness), { onFailure: (violation) => violation, onSuccess: () => name })
    ),
    (outcomes): Report => ({
      server: harness.name,
      passed: outcomes.filter((outcome) => typeof outcome === "string"),
      failed: outcomes.filter((outcome) => typeof outcome !== "string")
    })
  )

/**
 * A report as text: a line per case that failed, and a count.
 *
 * @category running
 * @since 0.1.0
 */
export const format = (report: Report): string => {
  const { failed, passed, server } = report
  const count = `${server}: ${passed.length} of ${passed.length + failed.length} cases hold`
  return [...failed.map(({ message }) => message), count].join("\n")
}
