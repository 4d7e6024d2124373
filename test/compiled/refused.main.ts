/** Decodes and encodes by compiled schemas, and tells what came of it and whether functions can be made from text. */
import { CompiledSchemas } from "breakwater/compiled"
import { Effect, Layer, Result, Schema } from "effect"
import { compilerOf, decoderOf, encoderOf } from "../../src/internal/decoder.ts"

const compile = compilerOf(Effect.runSync(Effect.scoped(Layer.build(CompiledSchemas.layer))))

const Item = Schema.Struct({
  id: Schema.String,
  at: Schema.DateFromString,
  lines: Schema.Array(Schema.Struct({ price: Schema.Number.check(Schema.isInt()) }))
})
const item = { id: "i", at: "2026-01-31T00:00:00.000Z", lines: [{ price: 1 }] }

const said = Effect.gen(function* () {
  const decode = decoderOf(Item, compile)
  const decoded = yield* decode(item)
  const encoded = yield* encoderOf(Item, compile)(decoded)
  const refused = yield* Effect.forEach(
    [{ ...item, id: 1 }, { ...item, at: "never" }, { ...item, lines: [{ price: 0.5 }] }, null],
    (value) => Effect.map(Effect.flip(decode(value)), ({ message }) => message)
  )
  return { decoded, encoded, refused }
})

const functions = Result.isSuccess(Result.try(() => globalThis.Function("return true")))
process.stdout.write(JSON.stringify({ functions, said: Effect.runSync(said) }))
