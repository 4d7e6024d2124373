/**
 * The provider of the outbox's soak: it remembers keys, fails in every way that a keyed call survives, and its ledger says
 * what was done.
 */
import { FaultInjection, KeyWindow } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Effect } from "effect"
import { serverHeader } from "./protocol.ts"
import { lifetimeHours } from "./shop.ts"

const faults: ReadonlyArray<FaultInjection.Fault> = [
  FaultInjection.status(503),
  FaultInjection.status(503, { executes: true }),
  FaultInjection.status(429, { retryAfter: 1 }),
  FaultInjection.responseLost,
  FaultInjection.responseLost,
  FaultInjection.resetBeforeReading,
  FaultInjection.cutBody,
  // Longer than an attempt may take.
  FaultInjection.latency(400),
  FaultInjection.executesLate(400)
]

/** For so long, and so often, nobody is there. Milliseconds. */
const outage = { every: 7_000, from: 4_000, to: 5_000 }

export interface Options {
  readonly random: () => number
  /** The share of requests that meet a fault. */
  readonly rate: number
  /** Whether the provider says no to this order, now. */
  readonly declines: (order: string) => boolean
  /** It is at work for a request. How many milliseconds longer than otherwise. */
  readonly onWork: (order: string, server: string | undefined) => number
}

export const providerOf = ({ declines, onWork, random, rate }: Options) =>
  Effect.gen(function* () {
    const provider = FaultInjection.make({
      keys: KeyWindow.make({ lifetime: `${lifetimeHours} hours`, stores: ({ status = 200 }) => status < 300 }),
      faults: ({ elapsed }) => {
        const at = elapsed % outage.every
        if (rate > 0 && at >= outage.from && at < outage.to) return FaultInjection.refused
        return random() < rate ? faults[Math.floor(random() * faults.length)] : undefined
      },
      respond: ({ headers, index, text }) => {
        const { order } = JSON.parse(text) as { readonly order: string }
        const longer = onWork(order, headers[serverHeader])
        return Effect.delay(
          Effect.sync((): FaultInjection.Reply =>
            declines(order)
              ? { status: 402, body: { _tag: "CardError", code: "declined" }, changed: false }
              : { status: 200, body: { id: `ch_${index}` }, input: order }
          ),
          random() * 20 + longer
        )
      }
    })
    const { url } = yield* SocketServer.listen(provider)
    return { url, requests: provider.requests, ledger: provider.ledger }
  })
