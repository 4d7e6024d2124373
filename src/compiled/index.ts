/**
 * Schemas compiled to JavaScript. It brings Effect's compiler along.
 *
 * @since 0.1.0
 */

/** A layer that lets integrations compile their schemas. */
export * as CompiledSchemas from "./CompiledSchemas.ts"
