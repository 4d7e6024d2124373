/**
 * `npm run lint:effect`: Effect's own type-aware rules over the whole project.
 *
 * Not a part of `npm run check`: the first run downloads about 150 MB. CI runs it. The tool is fetched by npx, as
 * oxlint is (see scripts/lint.ts), and never patches node_modules.
 */
import { run, seconds } from "./run.ts"

const version = "0.45.0"
const started = performance.now()

const config = {
  diagnosticSeverity: {
    floatingEffect: "error",
    floatingEffectInVitest: "error",
    missingReturnYieldStar: "error",
    missingStarInYieldEffectGen: "error",
    outdatedApi: "error",
    effectInFailure: "error",
    effectInVoidSuccess: "error",
    promiseInEffectSuccess: "error",
    tryCatchInEffectGen: "error",
    layerMergeAllWithDependencies: "error",
    catchUnfailableEffect: "error",
    // Right in an application; here they fire where a span's exit needs a plain Error, and where a benchmark, a peer or
    // a harness runs effects from outside.
    returnEffectInGen: "off",
    runEffectInsideEffect: "off",
    globalErrorInEffectFailure: "off",
    multipleEffectProvide: "off",
    unknownInEffectCatch: "off",
    // Style that we leave to the author.
    unnecessaryPipeChain: "off",
    missedPipeableOpportunity: "off",
    effectFnOpportunity: "off",
    unnecessaryEffectGen: "off",
    schemaSync: "off"
  }
}

const found = run("npx", [
  "-y",
  `@effect/tsgo@${version}`,
  "diagnostics",
  "--project",
  "tsconfig.json",
  "--strict",
  "--severity",
  "error,warning",
  "--format",
  "text",
  "--lspconfig",
  JSON.stringify(config)
])
process.stdout.write(found.stdout)
// "Checked 0 files" means that the configuration was not read, and nothing was checked.
if (!/Checked [1-9]\d* files/.test(found.stdout)) {
  process.stderr.write(found.stderr)
  console.error(`lint:effect: @effect/tsgo ${version} did not run. npx fetches it (150 MB) from the npm registry once.`)
  process.exitCode = 1
} else {
  console.log(`lint:effect: ${seconds(started)}`)
  process.exitCode = found.status
}
