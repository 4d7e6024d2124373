/**
 * The wire between the servers of a soak and PostgreSQL: it can keep the answer to a COMMIT, or the COMMIT itself, so that
 * the one who sent it does not know whether it took place.
 */
import { Effect, type Scope } from "effect"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface Held {
  /** Ends the connection that is held. */
  readonly cut: () => void
}

export interface PgWire {
  readonly url: string
  /**
   * Keeps what this backend's client sends next, or lets it pass and keeps the answer: the transaction is not committed, or
   * it is, when `onHeld` is called. False if there is no such backend.
   */
  readonly hold: (backend: number, what: "statement" | "answer", onHeld: (held: Held) => void) => boolean
}

interface Connection {
  readonly client: Socket
  readonly server: Socket
  holding: { readonly what: "statement" | "answer"; readonly onHeld: (held: Held) => void } | undefined
}

export const pgWire = (url: string): Effect.Effect<PgWire, never, Scope.Scope> =>
  Effect.gen(function* () {
    const target = new URL(url)
    const backends = new Map<number, Connection>()
    const sockets = new Set<Socket>()

    const door = createServer((client) => {
      const server = connect(Number(target.port || 5432), target.hostname)
      const connection: Connection = { client, server, holding: undefined }
      let head = Buffer.alloc(0)
      let backend: number | undefined
      for (const [socket, other] of [
        [client, server],
        [server, client]
      ] as const) {
        sockets.add(socket)
        socket.setNoDelay(true)
        socket.on("error", () => socket.destroy())
        socket.on("close", () => {
          sockets.delete(socket)
          other.destroy()
          if (backend !== undefined) backends.delete(backend)
        })
      }
      const held = () => {
        const { onHeld } = connection.holding!
        // What comes now goes nowhere.
        connection.holding = { what: "answer", onHeld: () => {} }
        onHeld({ cut: () => client.resetAndDestroy() })
      }
      client.on("data", (data) => {
        if (connection.holding?.what === "statement") held()
        else server.write(data)
      })
      server.on("data", (data) => {
        if (connection.holding?.what === "answer") return held()
        client.write(data)
        if (backend !== undefined) return
        head = Buffer.concat([head, data])
        backend = backendOf(head)
        if (backend !== undefined) backends.set(backend, connection)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void door.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          door.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const own = new URL(url)
    own.hostname = "127.0.0.1"
    own.port = String((door.address() as AddressInfo).port)
    return {
      url: own.href,
      hold: (backend, what, onHeld) => {
        const connection = backends.get(backend)
        if (connection !== undefined) connection.holding = { what, onHeld }
        return connection !== undefined
      }
    }
  })

/** The process of the server behind a connection, from its BackendKeyData. */
const backendOf = (data: Buffer): number | undefined => {
  for (let at = 0; at + 9 <= data.length; at += 1 + data.readInt32BE(at + 1)) {
    if (data[at] === 0x4b) return data.readInt32BE(at + 5)
  }
  return undefined
}
