import { defineConfig } from "vitest/config"
import base from "../../vitest.config.ts"

// The suites of one group of groups.json: scripts/mutation.ts names them.
const include = process.env["MUTATION_TESTS"]?.split(" ") ?? []

export default defineConfig({ ...base, test: { ...base.test, include } })
