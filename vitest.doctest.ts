import { defineConfig } from "vitest/config"
import base from "./vitest.config.ts"

// The examples of the documentation, as scripts/doctest.ts wrote them.
export default defineConfig({ ...base, test: { ...base.test, include: [".doctest/*.test.ts"] } })
