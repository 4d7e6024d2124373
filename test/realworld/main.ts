/** The entry of `npm run realworld`; `cli.ts` is what it does. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { exitCode, realworld } from "./cli.ts"

// A reader that has left (`| head`) is no error of ours.
process.stdout.on("error", () => process.exit(0))

NodeRuntime.runMain(realworld(process.argv.slice(2)), {
  disableErrorReporting: true,
  // Exit by hand once everything is written.
  teardown: (exit) => process.stdout.write("", () => process.exit(exitCode(exit)))
})
