// How one layer acts at the moment, and what is told of it.
import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { Effect, Exit } from "effect"
import { alone, siteAlone } from "../src/internal/alone.ts"
import { Gate, siteOf, standsAside, switchLayer } from "../src/internal/gate.ts"

const gateOf = (policy: Policy.Any) => new Gate("get", policy.layers[0]!)

describe("a layer's gate", () => {
  it("begins with what the policy says", () => {
    const gate = gateOf(Policy.withMode(Policy.bulkhead({ name: "own", concurrency: 1 }), "observe"))
    assert.deepStrictEqual(
      [gate.operation, gate.slot, gate.name, gate.observes, gate.initial, gate.mode],
      ["get", "bulkhead", "own", true, "observe", "observe"]
    )
  })

  it("writes what the layer decided into the call's one history, with the leg that it was about", () => {
    const gate = gateOf(Policy.bulkhead({ concurrency: 1 }))
    const site = siteOf(siteAlone, gate)
    const call = alone("get", 0)
    site.decided(call, "rejected", 10)
    gate.mode = "observe"
    assert.strictEqual(site.mode(), "observe")
    site.decided(call.leg(2), "rejected", 20)
    const decision = { policy: "bulkhead", name: "bulkhead", decided: "rejected" }
    assert.deepStrictEqual<unknown>(call.decisions, [
      { ...decision, mode: "enforce", at: 10 },
      { ...decision, mode: "observe", at: 20, leg: 2 }
    ])
  })

  it("lets every layer stand aside but the total deadline, which keeps the caller's own", () => {
    const aside = [Policy.totalDeadline("1 second"), Policy.attemptTimeout("1 second"), Policy.breaker()].map(
      (policy) => standsAside(gateOf(policy))
    )
    assert.deepStrictEqual(aside, [false, true, true])
  })
})

describe("the switch of an operator", () => {
  it.effect("turns every attempt away, says so to layers that ask first, and tells it as a breaker does", () =>
    Effect.gen(function* () {
      const self = { off: false }
      const layer = switchLayer(self)
      assert.deepStrictEqual(
        [layer.slot, layer.name, layer.describe],
        ["circuitBreaker", "operator", "turns every attempt away while an operator has switched the integration off"]
      )
      if (layer.level !== "attempt") return assert.fail("it is a layer of an attempt")
      const told: Array<unknown> = []
      const site = {
        ...siteAlone,
        clear: [] as Array<(call: Policy.Call, now: number) => boolean>,
        decided: (_: unknown, decided: string) => void told.push(decided)
      }
      const step = (yield* layer.build(site))(() => Effect.succeed("ok"))
      const call = alone("get", 0)
      const clear = () => site.clear.map((isClear) => isClear(call, 0))
      assert.deepStrictEqual([clear(), yield* Effect.exit(step(call))], [[true], Exit.succeed("ok")])
      self.off = true
      assert.deepStrictEqual(clear(), [false])
      const reason = yield* Effect.flip(step(call))
      assert.deepStrictEqual(
        [reason._tag, reason.outcome, reason.message],
        ["CircuitOpen", "NotSent", "switched off by an operator"]
      )
      assert.deepStrictEqual(told, ["rejected"])
      self.off = false
      assert.deepStrictEqual([clear(), yield* Effect.exit(step(call))], [[true], Exit.succeed("ok")])
    })
  )
})
