/** The command line of `npm run realworld`. The table, or with `--json` one object, goes to standard output. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Context, Data, Effect, Exit, Layer, Option } from "effect"
import { CliConfig, CliError, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import { isKept, rowOf } from "./harness.ts"
import { jsonReport, textReport } from "./report.ts"
import type { Slice } from "./Slice.ts"
import { slices } from "./slices.ts"

/** The two streams that are written to, and the slices that are run: a test gives its own. */
export const World = Context.Reference<{
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly slices: ReadonlyArray<Slice>
}>("realworld/World", {
  defaultValue: () => ({
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    slices
  })
})

class NotKept extends Data.TaggedError("NotKept")<{}> {}

const flags = {
  only: Flag.Literals(
    "only",
    slices.map(({ name }) => name)
  ).pipe(Flag.withDescription("Run one integration alone"), Flag.optional),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object instead of the table"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  )
}

const command = Command.make(
  "realworld",
  flags,
  Effect.fnUntraced(function* ({ json, only }) {
    const world = yield* World
    const chosen = world.slices.filter(({ name }) => Option.getOrElse(only, () => name) === name)
    const rows = yield* Effect.forEach(chosen, rowOf)
    world.out(json ? `${JSON.stringify(jsonReport(rows))}\n` : textReport(rows))
    if (!rows.every(isKept)) return yield* new NotKept()
  })
).pipe(
  Command.withDescription(
    "Runs eight public integrations against one fault script: as they are, with five protections by hand, in breakwater."
  )
)

/** Help on standard output when it was asked for; what is wrong with a flag on standard error, without the whole help. */
const presenter = Layer.unwrap(
  Effect.gen(function* () {
    const formatter = yield* CliOutput.Formatter
    const { err, out } = yield* World
    return CliOutput.layerPresenter({
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "Help") out(`${formatter.formatHelpDoc(event.helpDoc)}\n`)
          if (event._tag === "InvalidInvocation") {
            const problems = event.errors.map(({ message }) => `realworld: ${message}`).join("\n")
            err(`${problems}\n\nSee: npm run realworld -- --help\n`)
          }
        })
    })
  })
)

/** Everything, for these arguments. It says itself what went wrong; `exitCode` is left to the caller. */
export const realworld = (args: ReadonlyArray<string>): Effect.Effect<void, NotKept | CliError.CliError> =>
  Command.runWith(command, { version: "0.1.0" })(args).pipe(
    Effect.tapCause((cause) =>
      World.useSync(({ err }) => {
        // The presenter has said what is wrong with a flag, and the table which row is not kept.
        if (Cause.hasDies(cause)) err(`realworld: ${Cause.pretty(cause)}\n`)
      })
    ),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, CliConfig.layer({ builtIns: [GlobalFlag.Help] })))
  )

/** 0 kept, 1 not kept or broken, 2 a wrong flag, 130 interrupted. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  return CliError.isCliError(Cause.squash(exit.cause)) ? 2 : 1
}
