/** The entry of `npm run demo`; `cli.ts` is what it does. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { demo, exitCode } from "./cli.ts"

// A reader that has left (`| head`) is no error of ours.
process.stdout.on("error", () => process.exit(0))

NodeRuntime.runMain(demo(process.argv.slice(2)), {
  disableErrorReporting: true,
  // Exit by hand once everything is written: sockets that a client left open must not keep the demo alive.
  teardown: (exit) => process.stdout.write("", () => process.exit(exitCode(exit)))
})
