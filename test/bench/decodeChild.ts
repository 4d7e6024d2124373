/**
 * A process that measures one decoder and sends nanoseconds of CPU per document: `decodeChild.ts DECODER SIZE`.
 *
 * This library decodes inside a call and has no decoder to call alone. So the same operation is measured with its schema
 * and with `Operation.unvalidated`, and the suite takes the difference. Documents of 1 KB come 64 in an answer, on both
 * sides of the comparison, so that the difference is larger than what it is the difference of.
 */
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import { CompiledSchemas } from "breakwater/compiled"
import { Context, Effect, Layer, References, Schema, Scope } from "effect"
import { type Loop, timed } from "./clock.ts"
import { type Size, texts } from "./document.ts"
import { Order } from "./peers/effectOrder.ts"

const [, , decoder, size] = process.argv
const text = texts[size as Size]
const many = size === "1k" ? 64 : 1

const answerOf = (text: string): unknown => Array.from({ length: many }, () => JSON.parse(text) as unknown)
const answer = answerOf(text)
const wrong = answerOf(text.replace('"amount":4200', '"amount":"4200"'))

class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {}) {}

const decided = { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Unavailable() } as const
const send = (input: boolean) => Effect.succeed(input ? answer : wrong)
const input = Schema.Boolean

class Bench extends Integration.Service<Bench>()("bench/Decode", decided, {
  validated: Operation.query("validated", { input, success: Schema.Array(Order), send }),
  unvalidated: Operation.query("unvalidated", {
    input,
    success: Operation.unvalidated("what a call costs without it"),
    send
  })
}) {}

const context = Context.make(Telemetry.LogLevels, { ok: undefined, failed: undefined }).pipe(
  Context.add(References.TracerEnabled, false)
)

const ours = (name: "validated" | "unvalidated") =>
  Effect.map(
    Effect.provideService(
      Layer.build(Layer.provide(Integration.layer(Bench), CompiledSchemas.layer)),
      Scope.Scope,
      Scope.makeUnsafe()
    ),
    (built) => {
      const call = Context.get(built, Bench)[name]
      const run: Loop = (n) =>
        Effect.runPromiseWith(context)(
          Effect.whileLoop({ while: () => n-- > 0, body: () => call(true), step: () => {} })
        )
      const refuses = Effect.runPromiseWith(context)(
        Effect.match(call(false), { onFailure: () => true, onSuccess: () => false })
      )
      return { run, refuses }
    }
  ).pipe(Effect.runPromise)

const looped =
  (decode: (answer: unknown) => unknown): Loop =>
  (n) => {
    for (let i = 0; i < n; i++) decode(answer)
    return Promise.resolve()
  }

const refusal = (decode: (answer: unknown) => unknown): Promise<boolean> =>
  new Promise((resolve) => resolve(decode(wrong))).then(
    () => false,
    () => true
  )

const opened = async (): Promise<{ readonly run: Loop; readonly refuses: Promise<boolean> }> => {
  switch (decoder) {
    case "breakwater":
      return ours("validated")
    case "breakwater-base":
      return ours("unvalidated")
    case "zod": {
      const { Orders } = await import("./peers/zod.ts")
      const decode = (answer: unknown) => Orders.parse(answer)
      return { run: looped(decode), refuses: refusal(decode) }
    }
    case "schema": {
      const decode = Schema.decodeUnknownSync(Schema.Array(Order))
      return { run: looped(decode), refuses: refusal(decode) }
    }
    default:
      throw new Error(`there is no decoder ${decoder}`)
  }
}

const { refuses, run } = await opened()
if ((await refuses) !== (decoder !== "breakwater-base")) {
  throw new Error(`${decoder}: a wrong document was ${decoder === "breakwater-base" ? "refused" : "accepted"}`)
}
const nanos = (await timed(run)) / many
process.send!(nanos, () => process.exit(0))
