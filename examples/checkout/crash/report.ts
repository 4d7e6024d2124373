/** The table of `--crash`, at most 80 columns wide, and its one object of `--json`. */
import { faint, number, strong, table } from "../report.ts"
import { integrationOf } from "../tally.ts"
import { operations } from "../faults.ts"
import type { CrashResult } from "./run.ts"

export interface CrashSummary {
  readonly seed: number
  readonly faultRate: number
  readonly result: CrashResult
}

/** Whether nothing was lost, nothing was done twice, and every order is done. */
export const holds = ({ orders, ordersDone, steps }: CrashResult): boolean =>
  ordersDone === orders && operations.every((operation) => steps[operation].lost + steps[operation].twice === 0)

export const crashJson = ({ faultRate, result, seed }: CrashSummary) => ({ seed, faultRate, ...result })

export const crashText = ({ faultRate, result, seed }: CrashSummary): string => {
  const title = [
    `${number(result.orders)} orders`,
    `seed ${seed}`,
    `fault rate ${faultRate}`,
    `${number(result.kills)} kills`,
    `${result.seconds.toFixed(1)} s`
  ].join(" · ")
  return [
    "",
    strong(title),
    "",
    `  ${number(result.ordersDone)} of ${number(result.orders)} orders are done.`,
    "",
    ...table(
      ["step", "done", "lost", "twice", "listed", ""],
      operations.map((operation) => {
        const { done, listed, lost, twice } = result.steps[operation]
        return [
          `${operation} (${integrationOf[operation]})`,
          number(done),
          number(lost),
          number(twice),
          operation === "receipt" ? number(listed) : "–",
          ""
        ]
      })
    ),
    "",
    ...footnote.map(faint),
    ""
  ]
    .map((line) => `${line}\n`)
    .join("")
}

const footnote = [
  "done    orders for which the providers' ledger holds the step",
  "lost    orders for which it does not (a listed receipt is not lost)",
  "twice   orders for which it was done two times or more",
  "listed  receipts that the outbox lists as needs-reconcile: they may have been",
  "        sent when the process was killed, or when the answer was lost, and the",
  "        mail provider has no key that would make a repeat safe"
]
