// A port that is open, and its connections.
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { type Reason, SocketError } from "../SocketError.ts"

export interface Listener {
  readonly port: number
  /** Closes the port and every connection at once. */
  readonly close: Effect.Effect<void>
  /** The same, and waits until the callers have noticed that their connections are gone. */
  readonly closeNoticed: Effect.Effect<void>
}

const host = "127.0.0.1"

/** How long, in milliseconds of real time, a caller may take to notice that a connection is gone. */
const noticed = 1_000

const reasons: Readonly<Record<string, Reason>> = {
  EADDRINUSE: "PortInUse",
  EACCES: "NotPermitted",
  EPERM: "NotPermitted"
}

/** Opens a port. */
export const open = (port: number, onRequest: Http.RequestListener): Effect.Effect<Listener, SocketError> =>
  Effect.callback((resume) => {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      return resume(Effect.fail(new SocketError({ reason: "InvalidPort", port })))
    }
    // Time is the business of faults: the server itself gives up on nobody.
    const server = Http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
    const connections = new Set<Socket>()
    server.on("connection", (socket) => {
      connections.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => connections.delete(socket))
    })
    server.on("request", onRequest)

    const close = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of connections) socket.destroy()
    })
    const drop = Effect.callback<void>((resume) => {
      const left = new Set(connections)
      if (left.size === 0) return resume(Effect.void)
      for (const socket of left) {
        socket.once("close", () => {
          left.delete(socket)
          if (left.size === 0) resume(Effect.void)
        })
        // A caller that notices closes its side as well, which closes the connection.
        socket.end()
      }
      // These connections are real, and so is the time that their callers take.
      AbortSignal.timeout(noticed).addEventListener("abort", () => {
        for (const socket of left) socket.destroy()
      })
    })

    const refused = (cause: Error) =>
      resume(
        Effect.fail(
          new SocketError({
            reason: reasons[(cause as { readonly code?: string }).code ?? ""] ?? "Failed",
            port,
            cause
          })
        )
      )
    server.once("error", refused)
    server.listen(port, host, () => {
      server.off("error", refused)
      resume(
        Effect.succeed({
          port: (server.address() as AddressInfo).port,
          close,
          closeNoticed: Effect.andThen(drop, close)
        })
      )
    })
  })
