// A compiled schema says what an interpreted one says: the same values, and the same sentences.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { CompiledSchemas } from "breakwater/compiled"
import { Data, Effect, Exit, Layer, Schema, SchemaGetter } from "effect"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { atOnce, type Compile, compilerOf, decoderOf, encoderOf } from "../../src/internal/decoder.ts"
import { describeIssue } from "../../src/PolicyDecode.ts"
import { tries } from "../properties/support.ts"
import { Choices, nearly, sampleOf, Tape } from "./schemas.ts"

const compile: Compile = compilerOf(Effect.runSync(Effect.scoped(Layer.build(CompiledSchemas.layer))))!

type Parse = (value: unknown) => Effect.Effect<unknown, Schema.SchemaError>

/** What comes of it, as data: a value, or what a user is told. */
const outcome = (parse: Parse, value: unknown): Effect.Effect<unknown> =>
  Effect.map(
    Effect.exit(Effect.suspend(() => parse(value))),
    Exit.match({
      onSuccess: (value): unknown => ({ value: plain(value) }),
      onFailure: (cause) =>
        cause.reasons.map((reason) =>
          reason._tag === "Fail" ? [reason.error.message, describeIssue(reason.error)] : String(reason)
        )
    })
  )

/** Two schemas have two classes of the same name: what an instance holds is compared, and not whose it is. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  const { constructor } = value
  if (constructor !== Object && constructor?.name !== "Made") return value
  return [constructor?.name, Object.entries(value).map(([name, part]) => [name, plain(part)])]
}

describe("compiled schemas", () => {
  it.effect.prop(
    "decode and encode any value as interpreted ones do, and refuse it with the same words",
    { shape: Choices, given: Choices },
    ({ given, shape }) =>
      Effect.gen(function* () {
        const sample = sampleOf(new Tape(shape))
        const [interpreted, compiled] = [sample.make(), sample.make()]
        const pairs: readonly [readonly [Parse, Parse], readonly [Parse, Parse]] = [
          [decoderOf(interpreted, undefined), decoderOf(compiled, compile)],
          [encoderOf(interpreted, undefined), encoderOf(compiled, compile)]
        ]
        const tape = new Tape(given)
        const value = sample.value(tape)
        const [decode, encode] = pairs
        // The first once more, for what its first use has compiled.
        for (const one of [value, nearly(value, tape), nearly(value, tape), value]) {
          assert.deepStrictEqual(yield* outcome(decode[1], one), yield* outcome(decode[0], one))
        }
        const [theirs, mine] = [yield* Effect.exit(decode[0](value)), yield* Effect.exit(decode[1](value))]
        if (Exit.isFailure(theirs) || Exit.isFailure(mine)) return
        for (let from = 0; from < 4; from++) {
          const wrong = (value: unknown) => (from === 0 ? value : nearly(value, new Tape(given.slice(from))))
          assert.deepStrictEqual(
            yield* outcome(encode[1], wrong(mine.value)),
            yield* outcome(encode[0], wrong(theirs.value))
          )
        }
      }),
    tries(600)
  )

  const Item = () =>
    Schema.Struct({ id: Schema.String, lines: Schema.Array(Schema.Struct({ price: Schema.NumberFromString })) })
  const item = { id: "i", lines: [{ price: "1" }] }

  it.effect("are compiled once, at their first use, and not for each layer", () =>
    Effect.gen(function* () {
      const made: Array<unknown> = []
      const { Function: original } = globalThis
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          globalThis.Function = new Proxy(original, {
            apply: (target, self, args) => {
              made.push(args)
              return Reflect.apply(target, self, args)
            }
          })
        }),
        () => Effect.sync(() => void (globalThis.Function = original))
      )
      const schema = Item()
      const first = decoderOf(schema, compile)
      const [own] = [made.length]
      assert.deepStrictEqual(yield* first(item), { id: "i", lines: [{ price: 1 }] })
      assert.isAbove(made.length, own, "nothing was compiled")
      const afterFirst = made.length
      assert.deepStrictEqual(yield* decoderOf(schema, compile)(item), { id: "i", lines: [{ price: 1 }] })
      assert.strictEqual(made.length, afterFirst)
      yield* decoderOf(Item(), undefined)(item)
      assert.strictEqual(made.length, afterFirst, "one that no layer compiles was compiled")
    }).pipe(Effect.scoped)
  )

  it("decode without an effect what needs none, and leave the rest", () => {
    for (const compiler of [compile, undefined]) {
      const waiting = Schema.String.pipe(
        Schema.decodeTo(Schema.String, {
          decode: SchemaGetter.transformEffect((text: string) =>
            text === "now" ? Effect.succeed(text) : Effect.as(Effect.yieldNow, text)
          ),
          encode: SchemaGetter.passthrough()
        })
      )
      const decode = atOnce(Item(), "decode", compiler, undefined)
      assert.deepStrictEqual(decode(item)?.value, { id: "i", lines: [{ price: 1 }] })
      assert.isUndefined(decode({ id: 1 }))
      assert.deepStrictEqual(atOnce(Item(), "encode", compiler, undefined)({ id: "i", lines: [] })?.value, {
        id: "i",
        lines: []
      })
      const later = atOnce(waiting, "decode", compiler, undefined)
      assert.isUndefined(later("a"))
      assert.strictEqual(later("now")?.value, "now")
      const strict = atOnce(Item(), "decode", compiler, { onExcessProperty: "error" })
      assert.isUndefined(strict({ ...item, more: 1 }))
      assert.isDefined(strict(item))
    }
  })

  class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}
  const Input = Schema.Struct({ count: Schema.Number.check(Schema.isInt()) })
  const Answer = Schema.Struct({ at: Schema.DateFromString })
  class Acme extends Integration.Service<Acme>()(
    "test/Acme",
    {
      policy: Policy.standard({ maxAttempts: 1 }),
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ message: failure.reason.message })
    },
    {
      look: Operation.query("look", {
        input: Input,
        success: Answer,
        send: ({ count }) => Effect.succeed({ at: count === 0 ? "never" : new Date(count).toISOString() })
      })
    }
  ) {}

  for (const [name, layer] of [
    ["compiled", Layer.provide(Integration.layer(Acme), CompiledSchemas.layer)],
    ["interpreted", Integration.layer(Acme)]
  ] as const) {
    it.effect(`an operation over an effect is ${name}, and says the same`, () =>
      Effect.gen(function* () {
        const acme = yield* Acme
        assert.deepStrictEqual(yield* acme.look({ count: 1 }), { at: new Date(1) })
        const unread = yield* Effect.flip(acme.look({ count: 0 }))
        assert.strictEqual(unread.message, 'Expected a valid Date at ["at"]')
        const invalid = yield* Effect.flip(acme.look({ count: 0.5 }))
        assert.strictEqual(invalid.message, 'Expected an integer at ["count"]')
      }).pipe(Effect.provide(layer))
    )
  }

  it("are interpreted where the runtime makes no function from text", { timeout: 60_000 }, () => {
    const run = (...flags: ReadonlyArray<string>) =>
      JSON.parse(
        execFileSync(
          process.execPath,
          [...flags, "-C", "@breakwater/source", fileURLToPath(new URL("./refused.main.ts", import.meta.url))],
          { encoding: "utf8" }
        )
      ) as { readonly functions: boolean; readonly said: unknown }
    const [free, refused] = [run(), run("--disallow-code-generation-from-strings")]
    assert.isTrue(free.functions)
    assert.isFalse(refused.functions)
    assert.deepStrictEqual(refused.said, free.said)
  })
})
