// A small program for Integration.test.ts: two calls run when SIGTERM comes. Prints one line of JSON per thing to tell.
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Telemetry } from "breakwater"
import { HttpIntegration } from "breakwater/http"
import { Effect, Layer, Logger } from "effect"
import { order, Provider } from "./wire.ts"

const tell = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)

const logs = Logger.layer([Logger.map(Logger.formatJson, (line) => tell({ log: JSON.parse(line) }))])

const observer = Telemetry.layerObserver(({ callOutcome, operation, outcome }) =>
  tell({ observed: [operation, callOutcome, outcome] })
)

const program = Effect.gen(function* () {
  const provider = yield* Provider
  const late = Effect.catchTag(provider.accept(order), "Seen", ({ failure }) =>
    Effect.sync(() => tell({ late: [failure.reason._tag, failure.outcome] }))
  )
  const slow = Effect.flatMap(provider.get({ params: { id: "1" } }), (thing) =>
    Effect.sync(() => tell({ slow: thing }))
  )
  // As the handlers of a server would be: not children of the fiber that the signal interrupts.
  yield* Effect.forkDetach(Effect.andThen(slow, late))
  yield* Effect.forkDetach(provider.create(order))
  return yield* Effect.onInterrupt(Effect.never, () => Effect.sync(() => tell({ interrupted: true })))
})

const layer = HttpIntegration.layer(Provider, { baseUrl: process.argv[2]!, drain: "300 millis" }).pipe(
  Layer.provide([NodeHttpClient.layerUndici, observer])
)

NodeRuntime.runMain(program.pipe(Effect.provide([layer]), Effect.provide(logs)))
