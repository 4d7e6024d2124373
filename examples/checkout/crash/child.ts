/** The process of the checkout that `run.ts` kills and starts again. It ends by itself when the channel to its parent does. */
import { Effect, References } from "effect"
import { flushCompileCache } from "node:module"
import type { Life, Told } from "./protocol.ts"
import { ended, layer, place } from "./shop.ts"

const tell = (told: Told) => Effect.sync(() => void (process.connected && process.send?.(told)))

const disconnected = Effect.callback<void>((resume) => {
  if (!process.connected) return resume(Effect.void)
  process.once("disconnect", () => resume(Effect.void))
})

const report = Effect.gen(function* () {
  let last = 0
  while (true) {
    const now = yield* ended
    if (now !== last) yield* tell({ ended: now })
    last = now
    yield* Effect.sleep("50 millis")
  }
})

const main = ({ file, orders, urls }: Life) =>
  Effect.andThen(
    tell({ ended: 0 }),
    // Customers do not wait for the orders of others to end.
    Effect.all([Effect.forEach(orders, place, { discard: true }), report], { concurrency: "unbounded", discard: true })
  ).pipe(
    Effect.raceFirst(disconnected),
    Effect.provide(layer(file, urls)),
    // A table follows; a service would log what needs to be looked at.
    Effect.provideService(References.MinimumLogLevel, "Error")
  )

// The parent decides when this ends: Ctrl-C reaches the whole process group.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {})

// For the next life: Node writes it at the end of a process, and this one is not going to have one.
flushCompileCache()

process.once("message", (life: Life) => {
  Effect.runPromise(main(life)).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
})
