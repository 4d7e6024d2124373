import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describeIssue } from "../PolicyDecode.ts"
import * as Reason from "../Reason.ts"
import { type Services, withServices } from "./context.ts"
import type { Keep } from "./definition.ts"

type Json = (value: unknown) => Effect.Effect<unknown, Reason.Reason>

/** What is kept of a call whose parts have these schemas. Without one, nothing is: `undefined` comes back. */
export const makeKeep = (options: {
  readonly input: Schema.Constraint | undefined
  readonly success: Schema.Constraint | undefined
  readonly error: Schema.Constraint | undefined
  readonly services: Services
  readonly restore: Keep["restore"]
}): Keep => {
  const input = codecOf("the input", options.input, options.services)
  const result = codecOf("the result", options.success, options.services)
  const error = codecOf("the error", options.error, options.services)
  return {
    saveInput: input.encode,
    loadInput: input.decode,
    saveResult: result.encode,
    loadResult: result.decode,
    keepsErrors: options.error !== undefined,
    saveError:
      options.error === undefined
        ? () => Effect.fail(Reason.make("InvalidInput", { message: "the error has no schema" }))
        : error.encode,
    loadError: error.decode,
    restore: options.restore
  }
}

const codecOf = (
  what: string,
  schema: Schema.Constraint | undefined,
  services: Services
): { readonly encode: Json; readonly decode: Json } => {
  if (schema === undefined) return { encode: () => Effect.succeed(null), decode: () => Effect.undefined }
  type Run = (value: unknown) => Effect.Effect<unknown, unknown>
  let codec: { readonly encode: Run; readonly decode: Run } | undefined
  // Built at the first use: few operations are ever stored.
  const built = () => {
    if (codec === undefined) {
      const json = Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>)
      codec = {
        encode: Schema.encodeUnknownEffect(json) as Run,
        decode: Schema.decodeUnknownEffect(json) as Run
      }
    }
    return codec
  }
  const run =
    (which: "encode" | "decode"): Json =>
    (value) =>
      Effect.withFiber((fiber) =>
        Effect.catchCause(
          Effect.provideContext(
            Effect.suspend(() => built()[which](value)),
            withServices(fiber.context as Context.Context<never>, services)
          ),
          (cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.failCause(cause as Cause.Cause<never>)
              : Effect.fail(
                  Reason.make("InvalidInput", {
                    message: `${what} can't be ${which === "encode" ? "stored" : "read from the store"}: ${whyOf(cause)}`
                  })
                )
        )
      )
  return { encode: run("encode"), decode: run("decode") }
}

const whyOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return Schema.isSchemaError(error) ? describeIssue(error) : "its schema has no JSON form"
}
