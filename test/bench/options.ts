/** The command line of `npm run bench`. */
import { parseArgs } from "node:util"

export interface BenchOptions {
  readonly only: ReadonlyArray<string>
  readonly rounds: number
  readonly json: boolean
  readonly write: boolean
}

export type Parsed =
  | { readonly _tag: "Options"; readonly options: BenchOptions }
  | { readonly _tag: "Help" }
  | { readonly _tag: "Wrong"; readonly problem: string }

export const usage = (suites: ReadonlyArray<string>): string => `npm run bench -- [options]

  --only SUITE   this suite alone; may be given several times: ${suites.join(", ")}
  --rounds N     rounds of which the median is taken (default: 7)
  --quick        3 rounds
  --json         the results as JSON; progress goes to stderr
  --write        write the results to test/bench/table.json, which npm run bench:guard compares with
  --help         this`

const wrong = (problem: string): Parsed => ({ _tag: "Wrong", problem })

export const parse = (argv: ReadonlyArray<string>, suites: ReadonlyArray<string>): Parsed => {
  const args = argv.filter((arg) => arg !== "--")
  let values
  try {
    values = parseArgs({
      args,
      options: {
        only: { type: "string", multiple: true, default: [] },
        rounds: { type: "string" },
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return wrong((error as Error).message.split(/\. |\n/)[0]!)
  }
  if (values.help) return { _tag: "Help" }
  const unknown = values.only.find((name) => !suites.includes(name))
  if (unknown !== undefined) return wrong(`--only ${unknown}: there is no such suite; there are ${suites.join(", ")}`)
  if (values.rounds !== undefined && values.quick) return wrong("--rounds and --quick exclude each other")
  if (values.rounds !== undefined && !/^[1-9]\d{0,2}$/.test(values.rounds)) {
    return wrong(`--rounds ${values.rounds}: expected a number from 1 to 999`)
  }
  const rounds = values.quick ? 3 : Number(values.rounds ?? 7)
  return { _tag: "Options", options: { only: values.only, rounds, json: values.json, write: values.write } }
}
