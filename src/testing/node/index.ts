/**
 * Test doubles that need Node.
 *
 * @since 0.1.0
 */

/** A provider's double on a real TCP socket. */
export * as SocketServer from "./SocketServer.ts"
