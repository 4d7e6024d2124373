import { defineConfig } from "vitest/config"

// "@breakwater/source" lets a test import the package by its name and run src, not dist.
const conditions = ["@breakwater/source", "module", "node", "import", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 15_000,
    hookTimeout: 15_000,
    // Files share a worker's modules: to load Effect anew for each of them took half of the processors' time. So no file may
    // leave anything global behind. Three workers for two cores, because the tests over sockets and stores mostly wait.
    isolate: false,
    maxWorkers: "150%"
  }
})
