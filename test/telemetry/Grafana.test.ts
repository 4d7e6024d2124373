/** The dashboard and the alerts that are shipped are those that the names make. */
import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "breakwater"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { alerts, files, queries } from "../../scripts/grafana.ts"
import { root } from "../../scripts/run.ts"

describe("grafana/", () => {
  it("holds what npm run grafana makes", () => {
    for (const [path, make] of Object.entries(files)) {
      assert.strictEqual(readFileSync(join(root, path), "utf8"), make(), path)
    }
  })

  it("is shipped", () => {
    assert.include(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).files, "grafana")
  })

  it("has a dashboard whose panels have ids of their own, and lie beside each other", () => {
    const { panels } = JSON.parse(files["grafana/breakwater.json"]!()) as {
      readonly panels: ReadonlyArray<{
        readonly id: number
        readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
        readonly targets?: ReadonlyArray<{ readonly expr: string }>
      }>
    }
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Set<string>()
    for (const { gridPos, id } of panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isFalse(taken.has(`${x} ${y}`), `panel ${id}`)
          taken.add(`${x} ${y}`)
        }
      }
    }
    assert.deepStrictEqual(
      panels.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr)),
      queries
    )
  })

  it("has alerts that each say what to do", () => {
    assert.isAtLeast(alerts.length, 8)
    assert.strictEqual(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
    for (const { runbook } of alerts) assert.isAbove(runbook.length, 40)
  })
})

describe("names for Prometheus", () => {
  it("have the unit of a duration, the total of a counter, and neither of a gauge that counts", () => {
    assert.deepStrictEqual(Object.keys(Telemetry.metrics).map(Telemetry.prometheusName), [
      "breakwater_call_duration_seconds",
      "breakwater_call_attempts",
      "breakwater_call_retry_delay_seconds",
      "breakwater_call_queue_wait_seconds",
      "breakwater_active_calls",
      "breakwater_policy_decisions_total",
      "http_client_request_duration_seconds",
      "breakwater_attempt_duration_seconds",
      "breakwater_circuit_breaker_state",
      "breakwater_circuit_breaker_transitions_total",
      "breakwater_circuit_breaker_open_circuits",
      "breakwater_bulkhead_running",
      "breakwater_bulkhead_waiting",
      "breakwater_rate_limiter_remaining",
      "breakwater_outbox_depth",
      "breakwater_outbox_oldest_age_seconds",
      "breakwater_outbox_ended_total",
      "breakwater_receiver_requests_total",
      "breakwater_telemetry_overflow_total"
    ])
  })

  it("of others stay as they are, even where an object has them", () => {
    for (const name of ["orders", "my.metric", "toString", "__proto__"]) {
      assert.strictEqual(Telemetry.prometheusName(name), name)
    }
  })
})
