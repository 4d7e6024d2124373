// The command line as a whole, and what it ends with.
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { discard, pause, redrive, resolve, resume } from "./change.ts"
import { explain } from "./explain.ts"
import type { Failed } from "./failed.ts"
import { generate } from "./generate.ts"
import { list, show, stats } from "./look.ts"
import { top } from "./top.ts"

const outbox = Command.make("outbox").pipe(
  Command.withDescription("Stored calls: look at them, make dead ones again, give them up, say that they happened"),
  Command.withSubcommands([list, show, stats, redrive, discard, resolve, pause, resume])
)

const breakwater = Command.make("breakwater").pipe(
  Command.withDescription(
    "Tools for what breakwater has stored in a database, for the integrations of a process that runs, and for new ones"
  ),
  Command.withSubcommands([outbox, explain, top, generate])
)

/** Help where it is asked for; after a mistake the mistake alone, and where help is. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          [
            ...event.errors.map(({ message }) => `breakwater: ${message}`),
            `See: ${event.commandPath.join(" ")} --help`
          ].join("\n")
        )
      : CliOutput.defaultPresenter.present(event)
})

const config = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

/** It has been told already; only its exit code is left. */
class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}

const end = (error: Failed | CliError.CliError): Effect.Effect<void, Ended> =>
  error._tag === "Failed"
    ? Effect.andThen(Console.error(`breakwater: ${error.message}`), Effect.fail(new Ended({ code: error.code })))
    : error._tag === "ShowHelp" && error.errors.length === 0
      ? Effect.void
      : Effect.fail(new Ended({ code: 2 }))

export const run = (version: string): Effect.Effect<void, Ended, Command.Environment> =>
  Command.run(breakwater, { version }).pipe(Effect.catch(end), Effect.provide(Layer.merge(presenter, config)))
