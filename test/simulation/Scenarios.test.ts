import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { clients } from "./clients.ts"
import { scenarios, simulate } from "./scenarios.ts"

describe("the standard stack in the three scenarios, with 20 of the 200 clients", () => {
  const client = clients.find(({ name }) => name === "breakwater")!
  const simulated = (name: string, breaker: "on" | "off", of = client) =>
    simulate(
      scenarios.find((scenario) => scenario.name === name)!,
      of,
      breaker,
      { clients: 20 }
    )

  it.effect.each(["on", "off"] as const)(
    "adds at most 15 %% of requests in an outage, breaker %s",
    (breaker) =>
      Effect.gen(function* () {
        const result = yield* simulated("outage", breaker)
        assert.isAtMost(result.amplification, 1.15)
        assert.isNotNull(result.recoverySeconds)
        assert.isAtMost(result.recoverySeconds!, 5)
      }),
    60_000
  )

  it.effect(
    "has the best goodput of all in a brown-out",
    () =>
      Effect.gen(function* () {
        const own = yield* simulated("brown-out", "on")
        assert.isAtMost(own.recoverySeconds!, 15)
        for (const other of clients) {
          for (const breaker of other.breakers) {
            if (other === client && breaker === "on") continue
            const theirs = yield* simulated("brown-out", breaker, other)
            assert.isAtLeast(own.goodput, theirs.goodput, `${other.name}, breaker ${breaker}`)
          }
        }
      }),
    120_000
  )
})
