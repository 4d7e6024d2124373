import { defineConfig } from "vitest/config"
import base from "../../vitest.config.ts"

// The suites of one group of groups.json: scripts/mutation.ts names them.
const include = process.env["MUTATION_TESTS"]?.split(" ") ?? []

// What a change makes hang is noticed sooner, and fails: Stryker would count it as a timeout, which is none of the killed.
const limit = 5_000

export default defineConfig({ ...base, test: { ...base.test, include, testTimeout: limit, hookTimeout: limit } })
