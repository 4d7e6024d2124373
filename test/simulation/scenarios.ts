/** The three fixed scenarios: 200 clients, 5 calls a second each, a capacity of 1,500 requests a second. */
import { Simulation } from "breakwater/testing"
import { Effect } from "effect"
import type { Client } from "./clients.ts"

export interface Scenario {
  readonly name: string
  readonly what: string
  readonly providers: ReadonlyArray<Simulation.ProviderOptions>
}

export const fault = { from: 30, until: 90 }
/** Two minutes after the fault, so that a recovery late in it is still followed by 30 seconds. */
export const duration = 210

const during = (is: Simulation.Phase["is"]): ReadonlyArray<Simulation.Phase> => [
  { from: `${fault.from} seconds`, until: `${fault.until} seconds`, is }
]

/** One that serves all of its queue within 4 seconds at full capacity, and takes 10 at 40 %. */
const provider = { capacity: 1_500, serviceTime: "100 millis", queue: 6_000 } as const

export const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "outage",
    what: "the provider answers 503 for 60 seconds",
    providers: [{ ...provider, phases: during("unavailable") }]
  },
  {
    name: "brown-out",
    what: "40 % of the provider's capacity are left for 60 seconds",
    providers: [{ ...provider, phases: during({ capacity: 0.4 }) }]
  },
  {
    name: "one slow of three",
    what: "one of three providers takes 30 times as long for 60 seconds",
    providers: [
      { ...provider, capacity: 500, queue: 2_000, phases: during({ slower: 30 }) },
      { ...provider, capacity: 500, queue: 2_000 },
      { ...provider, capacity: 500, queue: 2_000 }
    ]
  }
]

export interface Result {
  readonly scenario: string
  readonly client: string
  readonly breaker: "on" | "off"
  readonly amplification: number
  readonly goodput: number
  /** The same during the fault alone. */
  readonly goodputInFault: number
  readonly p99Ms: number
  readonly recoverySeconds: number | null
  readonly windows: ReadonlyArray<Simulation.Window>
}

/** Runs one client through one scenario. Each of its 200 instances has state of its own for each provider. */
export const simulate = (
  scenario: Scenario,
  client: Client,
  breaker: "on" | "off",
  options: { readonly seed?: number; readonly clients?: number } = {}
): Effect.Effect<Result, unknown> => {
  const clients = options.clients ?? 200
  const share = clients / 200
  return Effect.map(
    Simulation.run({
      clients,
      callsPerSecond: 5,
      duration: `${duration} seconds`,
      deadline: "10 seconds",
      seed: options.seed ?? 1,
      providers: scenario.providers.map((one) => ({
        ...one,
        capacity: one.capacity * share,
        queue: (one.queue ?? one.capacity) * share
      })),
      client: (providers) =>
        Effect.map(
          Effect.forEach(providers, ({ request }) => client.make(request, breaker)),
          (calls) => (n) => calls[n]!
        )
    }),
    (report): Result => {
      const inFault = report.windows.slice(fault.from, fault.until)
      const sum = (of: (window: Simulation.Window) => number) => inFault.reduce((total, one) => total + of(one), 0)
      return {
        scenario: scenario.name,
        client: client.name,
        breaker,
        amplification: report.amplification,
        goodput: report.goodput,
        goodputInFault: sum(({ good }) => good) / sum(({ offered }) => offered),
        p99Ms: report.p99Ms,
        recoverySeconds: Simulation.recovery(report, { from: `${fault.until} seconds` }) ?? null,
        windows: report.windows
      }
    }
  )
}
