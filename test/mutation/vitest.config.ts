import { defineConfig } from "vitest/config"
import base from "../../vitest.config.ts"

// The suites of one group of groups.json: scripts/mutation.ts names them.
const include = process.env["MUTATION_TESTS"]?.split(" ") ?? []

// A test that a change makes hang fails by this limit, and counts as one that noticed. A test and its hooks may take 30 s by
// the suites' own limit, which is when Stryker ends them: what it ends is a timeout, and not killed.
const limit = 5_000

export default defineConfig({ ...base, test: { ...base.test, include, testTimeout: limit, hookTimeout: limit } })
