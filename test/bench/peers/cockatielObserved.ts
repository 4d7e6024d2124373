/** cockatiel with a total timeout inside a span of OpenTelemetry's SDK and metrics of prom-client: see their files. */
import type { Peer } from "../peer.ts"
import { cockatielTotal, wrappedWithTotal } from "./cockatiel.ts"
import { docs, traced } from "./openTelemetry.ts"
import { counted } from "./promClient.ts"

export const cockatielObserved: Peer = {
  name: "cockatiel: the same, an OpenTelemetry span, prom-client",
  docs,
  has: [...cockatielTotal.has, "span", "metrics"],
  lacks: ["retry budget", "a span per attempt", "metrics per attempt", "key", "decode", "typed errors", "outcome"],
  make: (leaf, settings) => {
    const spans = traced(wrappedWithTotal(leaf, settings))
    const metrics = counted(spans.call)
    return { call: metrics.call, spans: spans.ended, counted: metrics.counted }
  }
}
