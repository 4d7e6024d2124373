// Decoding and encoding by schemas: compiled where a layer brings a compiler and the runtime lets it, interpreted elsewhere.
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"

/** Compiles what decodes by this AST, at its first use. It leaves the interpreter where it can't. */
export type Compile = (ast: SchemaAST.AST) => void

/**
 * The compiler of schemas, if there is one. It would be 7 KB of every compressed bundle, so nothing imports it here: a layer
 * brings it, and an integration asks for it when its own layer is built.
 */
export const Compiler: Context.Reference<Compile | undefined> = Context.Reference("breakwater/Schemas/Compiler", {
  defaultValue: (): Compile | undefined => undefined
})

/** The compiler that a layer was given. */
export const compilerOf = (context: Context.Context<never>): Compile | undefined => Context.get(context, Compiler)

type Codec = Schema.Codec<unknown, unknown>
type Parse = (value: unknown) => Effect.Effect<unknown, Schema.SchemaError>

/** `Schema.decodeUnknownEffect`, compiled if possible. */
export const decoderOf = (schema: Schema.Constraint, compile: Compile | undefined): Parse => {
  compile?.(schema.ast)
  return Schema.decodeUnknownEffect(schema as Codec)
}

/** `Schema.encodeUnknownEffect`, compiled if possible. */
export const encoderOf = (schema: Schema.Constraint, compile: Compile | undefined): Parse => {
  compile?.(SchemaAST.flip(schema.ast))
  return Schema.encodeUnknownEffect(schema as Codec)
}

/** Whether a parse has succeeded already: most need no fiber, and no services. */
export const isDone = <A, E>(parsed: Effect.Effect<A, E>): parsed is Exit.Success<A> =>
  Exit.isExit(parsed) && Exit.isSuccess(parsed)

/** What a schema makes of a value, if that is known at once. */
export type AtOnce = (value: unknown) => Exit.Success<unknown> | undefined

/**
 * Decodes or encodes without an effect. It gives nothing for a value that does not match, and for a schema that takes its
 * time: whoever asks then runs Effect's own way, which says why, or waits.
 */
export const atOnce = (
  schema: Schema.Constraint,
  direction: "decode" | "encode",
  compile: Compile | undefined,
  options: SchemaAST.ParseOptions | undefined
): AtOnce => {
  compile?.(direction === "decode" ? schema.ast : SchemaAST.flip(schema.ast))
  const parse = (
    direction === "decode"
      ? SchemaParser.decodeUnknownEffect(schema as Codec, options)
      : SchemaParser.encodeUnknownEffect(schema as Codec, options)
  ) as (value: unknown) => Effect.Effect<unknown, SchemaIssue.Issue>
  return (value) => {
    // What is no exit may be a failure too: a schema that was slow once need not be one that waits.
    const parsed = parse(value)
    return isDone(parsed) ? parsed : undefined
  }
}
