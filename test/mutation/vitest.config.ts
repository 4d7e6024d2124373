import { matchesGlob, relative } from "node:path"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { defineConfig } from "vitest/config"
import base from "../../vitest.config.ts"

// The suites of one group of groups.json: scripts/mutation.ts names them.
const include = process.env["MUTATION_TESTS"]?.split(" ") ?? []

/**
 * The suites in the order of the group, and not the longest first: the first that notices ends the run, and the others are
 * then not even loaded, which is most of the time.
 */
class InOrder extends BaseSequencer {
  override sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) =>
      include.findIndex((pattern) => matchesGlob(relative(this.ctx.config.root, moduleId), pattern))
    return Promise.resolve(files.toSorted((a, b) => rank(a) - rank(b)))
  }
}

// A test that a change makes hang fails by this limit, and counts as one that noticed. A test and its hooks may take 30 s by
// the suites' own limit, which is when Stryker ends them: what it ends is a timeout, and not killed.
const limit = 5_000

export default defineConfig({
  ...base,
  test: { ...base.test, include, sequence: { sequencer: InOrder }, testTimeout: limit, hookTimeout: limit }
})
