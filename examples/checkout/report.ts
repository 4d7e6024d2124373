/** The tables on standard output, at most 80 columns wide, and the one object of `--json`. */
import { styleText } from "node:util"
import { clientNames } from "./client.ts"
import type { ClientFigures, RunResult } from "./tally.ts"
import { concurrency } from "./limits.ts"
import type { IntegrationFigures } from "./meter.ts"

export interface Summary {
  readonly seed: number
  readonly faultRate: number
  readonly orders: number
  readonly results: ReadonlyArray<RunResult>
}

export interface JsonReport {
  readonly seed: number
  readonly orders: number
  readonly clients: ReadonlyArray<ClientFigures>
  readonly integrations: ReadonlyArray<IntegrationFigures>
}

/** The integrations are breakwater's; when it did not run, those of the first client that did. */
const observed = ({ results }: Summary): RunResult | undefined =>
  results.find(({ figures }) => figures.name === clientNames[0]) ?? results[0]

export const jsonReport = (summary: Summary): JsonReport => ({
  seed: summary.seed,
  orders: summary.orders,
  clients: summary.results.map(({ figures }) => figures),
  integrations: observed(summary)?.integrations ?? []
})

export const textReport = (summary: Summary): string => {
  const shown = observed(summary)
  if (shown === undefined) return "No client has run.\n"
  const { figures, integrations } = shown
  const cut = summary.results.find((result) => result.ordersEnded < summary.orders)
  const title = [
    `${number(summary.orders)} orders`,
    `seed ${summary.seed}`,
    `fault rate ${summary.faultRate}`,
    `${concurrency} orders at a time`
  ].join(" · ")
  const interrupted =
    cut === undefined
      ? []
      : [
          `Interrupted: ${cut.figures.name} had ended ${number(cut.ordersEnded)} of ${number(summary.orders)} orders.`,
          ""
        ]
  return [
    "",
    strong(title),
    "",
    ...interrupted,
    strong(`Calls of ${figures.name}, per integration`),
    "",
    ...integrationTable(integrations, figures.seconds),
    "",
    strong("The same orders under the same faults"),
    "",
    ...clientTable(summary.results),
    "",
    ...footnote.map(faint),
    ""
  ]
    .map((line) => `${line}\n`)
    .join("")
}

const integrationTable = (rows: ReadonlyArray<IntegrationFigures>, seconds: number) =>
  table(
    ["integration", "calls", "calls/s", "tries", "p50", "p95", "p99", "outcomes"],
    rows.map((row) => [
      row.name,
      number(row.calls),
      number(Math.round(row.calls / Math.max(seconds, 0.001))),
      (row.attempts / Math.max(row.calls, 1)).toFixed(2),
      milliseconds(row.p50Ms),
      milliseconds(row.p95Ms),
      milliseconds(row.p99Ms),
      Object.entries(row.outcomes)
        .map(([outcome, calls]) => `${outcome} ${number(calls)}`)
        .join(", ")
    ])
  )

const clientTable = (results: ReadonlyArray<RunResult>) =>
  table(
    ["client", "done", "twice", "hung", "untyped", "receipt?", "requests", "seconds", ""],
    results.map(({ figures }) => [
      figures.name,
      number(figures.ordersDone),
      number(figures.executedTwice),
      number(figures.hung),
      number(figures.untyped),
      number(figures.receiptUnknown),
      figures.requestsPerOrder.toFixed(2),
      figures.seconds.toFixed(1),
      ""
    ])
  )

const footnote = [
  "calls/s   calls that settled per second; a call is what the program makes",
  "tries     requests that were sent per call; p50 to p99 in milliseconds",
  "done      the providers' ledger holds the reservation, exactly one charge and",
  "          the receipt (or the program was told that the receipt is Unknown)",
  "twice     steps that changed the provider's state two times or more",
  "hung      calls that had not settled after 5 s; the harness cut them",
  "untyped   calls that ended in a defect or in an error outside errors.ts, whose",
  "          every member says whether the effect happened",
  "receipt?  receipts whose failure was reported as Unknown",
  "requests  requests that arrived at the providers, per order"
]

/** Right-aligned figures between a left-aligned first and a wrapped last column. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const last = head.length - 1
  const widths = head
    .slice(0, last)
    .map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const indent = widths.reduce((sum, width) => sum + width + 2, 0)
  const line = (cells: ReadonlyArray<string>) => {
    const figures = widths.map((width, column) =>
      column === 0 ? (cells[column] ?? "").padEnd(width) : (cells[column] ?? "").padStart(width)
    )
    const [first = "", ...rest] = wrap(cells[last] ?? "", 78 - indent)
    return [`  ${figures.join("  ")}  ${first}`.trimEnd(), ...rest.map((text) => `  ${" ".repeat(indent)}${text}`)]
  }
  return [...line(head).map(faint), ...rows.flatMap(line)]
}

const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(/(?<=,) /)) {
    const current = lines.at(-1)
    if (current !== undefined && current.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${current} ${word}`
    else lines.push(word)
  }
  return lines
}

export const number = (value: number): string => value.toLocaleString("en-US")

const milliseconds = (value: number): string => (value < 100 ? value.toFixed(1) : number(Math.round(value)))

// styleText honours NO_COLOR and leaves pipes plain.
export const strong = (text: string): string => (text === "" ? "" : styleText("bold", text))
export const faint = (text: string): string => (text === "" ? "" : styleText("dim", text))
