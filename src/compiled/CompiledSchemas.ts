/**
 * Schemas that are compiled to JavaScript, for the integrations of a layer.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import type * as SchemaAST from "effect/SchemaAST"
import { type Compile, Compiler } from "../internal/decoder.ts"

/** Effect compiles anew each time that it is asked to, and a layer may be built many times. */
const compiled = new WeakSet<SchemaAST.AST>()

const compile: Compile = (ast) => {
  if (compiled.has(ast)) return
  compiled.add(ast)
  SchemaJITCompiler.enable(ast)
}

/**
 * Lets the operations of the integrations it is given to decode and encode by compiled schemas.
 *
 * **When to use**
 *
 * For a service on Node, Bun or Deno whose client is not `UndiciHttpClient.layer` of `breakwater/undici`, which brings it
 * along: for operations over another `HttpClient`, and for those over an effect or a promise. A compiled schema decodes
 * a JSON document several times as fast as an interpreted one.
 *
 * **Details**
 *
 * The compiler is Effect's (`effect/schema/SchemaJITCompiler`). A schema is compiled at its first use, which takes
 * milliseconds. Where the runtime makes no function from text (a Content-Security-Policy, Cloudflare's workers, `node
 * --disallow-code-generation-from-strings`), and for what the compiler does not know, schemas are interpreted as without
 * this layer. Values and errors are the same either way.
 *
 * **Gotchas**
 *
 * Effect keeps compiled schemas in one place for the whole process: whoever else decodes by the same schema object may
 * find the compiled one. The compiler adds about 7 KB to a compressed bundle, which is why it is not the default.
 *
 * **Example** (Compiled schemas over Effect's own client)
 *
 * ```ts
 * import { CompiledSchemas } from "breakwater/compiled"
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * // Layer.provide(HttpIntegration.layer(Acme, { baseUrl }), ClientLive)
 * const ClientLive = Layer.mergeAll(FetchHttpClient.layer, CompiledSchemas.layer)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.succeed(Compiler, compile)
