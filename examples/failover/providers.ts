/**
 * Two providers in this process: each keeps a ledger of what it has carried out, and fails as it is told to.
 */
import { HttpIntegration } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Layer } from "effect"
import { North, South } from "./payments.ts"

export interface Faulty {
  /** What goes wrong at each provider, request by request. */
  readonly north?: FaultInjection.Faults | undefined
  readonly south?: FaultInjection.Faults | undefined
}

/** The two integrations over two fake providers, and these. */
export const providersWith = (faulty: Faulty) => {
  const north = FaultInjection.make({
    respond: ({ method }) => ({ body: method === "GET" ? { cents: 30 } : { id: "ch_1" } }),
    faults: faulty.north
  })
  const south = FaultInjection.make({
    respond: ({ method }) => ({ body: method === "GET" ? { fee: 30 } : { payment: "pay_1" } }),
    faults: faulty.south
  })
  const layer = Layer.mergeAll(
    HttpIntegration.layer(North, { baseUrl: "https://north.example" }).pipe(Layer.provide(north.layer)),
    HttpIntegration.layer(South, { baseUrl: "https://south.example" }).pipe(Layer.provide(south.layer))
  )
  /** How often somebody has paid. */
  const charges = (provider: FaultInjection.FaultInjection) =>
    provider.ledger.filter(({ operation }) => operation.startsWith("POST ")).length
  return { north, south, layer, charges: () => ({ north: charges(north), south: charges(south) }) }
}
