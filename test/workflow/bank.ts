/** A provider that processes share: it remembers keys, and its ledger says what was done, and for whom. */
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Lost, Provider, type Sent } from "./shop.ts"

export interface Request {
  readonly runner: string
  readonly key: string
}

/**
 * Listens until the scope closes. Of what it has done it tells before it answers; where it is told to be silent there is
 * no answer at all.
 */
export const listen = (onDone: (request: Request) => "answer" | "be silent") =>
  Effect.gen(function* () {
    const requests: Array<Request> = []
    /** What was done, in that order: a key that is known is answered from memory. */
    const ledger: Array<Sent> = []
    const server = createServer((incoming, outgoing) => {
      let text = ""
      incoming.on("data", (data) => (text += String(data)))
      incoming.on("end", () => {
        const request: Request = {
          runner: String(incoming.headers["x-runner"]),
          key: String(incoming.headers["idempotency-key"])
        }
        requests.push(request)
        const { amount } = JSON.parse(text) as { readonly amount: number }
        const isNew = !ledger.some(({ key }) => key === request.key)
        if (isNew) ledger.push({ amount, key: request.key })
        if (isNew && onDone(request) === "be silent") return
        outgoing.end(`ch_${amount}`)
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return { requests, ledger, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
  })

/** The way to it from a runner. */
export const layerOver = (url: string, runner: string): Layer.Layer<Provider> =>
  Layer.succeed(Provider, {
    send: ({ amount, key }) =>
      Effect.mapError(
        Effect.tryPromise(async (signal) => {
          const answer = await fetch(url, {
            method: "POST",
            headers: { "x-runner": runner, "idempotency-key": key ?? "none" },
            body: JSON.stringify({ amount }),
            signal
          })
          return answer.text()
        }),
        () => new Lost()
      )
  })
