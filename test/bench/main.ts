/**
 * `npm run bench`: what one call costs, in process and over loopback, beside peers in the same run.
 *
 * `npm run bench -- --rounds 7` for more rounds. Times vary with the machine and its neighbours; read the ratios.
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { inProcess } from "./cases.ts"
import { overLoopback } from "./loopback.ts"
import { measure, table } from "./measure.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } })
const rounds = Number(values.rounds)

const program = Effect.scoped(
  Effect.gen(function* () {
    const print = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n\n`))
    yield* print(`node ${process.version}, ${rounds} rounds`)
    const local = yield* inProcess
    yield* print(table("One call in process", yield* Effect.promise(() => measure(local, rounds)), local[2]!.name))
    const remote = yield* overLoopback
    yield* print(
      table(
        "One call over loopback, 16 at a time",
        yield* Effect.promise(() => measure(remote, rounds)),
        remote[1]!.name
      )
    )
  })
)

await Effect.runPromise(program)
