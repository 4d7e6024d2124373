/**
 * A lean `HttpClient` for Node. It needs the package `undici`.
 *
 * @since 0.1.0
 */

/** The client over undici's dispatchers. */
export * as UndiciHttpClient from "./UndiciHttpClient.ts"
