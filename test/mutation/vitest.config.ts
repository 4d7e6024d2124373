import { defineConfig, mergeConfig } from "vitest/config"
import base from "../../vitest.config.ts"

// What covers the policies, the outcome and the runner without a server, a socket or a process.
export default mergeConfig(
  base,
  defineConfig({
    test: {
      include: [
        "test/{Deadline,CallFailure,Exhaustion,Integration,LayersByHand,Nesting,Operation,Outcome,Policy,Reason,Telemetry}*.test.ts",
        "test/{BreakerCircuits,Circuit,ConfigPolicy,Control,Histogram}.test.ts",
        "test/properties/*.test.ts"
      ]
    }
  })
)
