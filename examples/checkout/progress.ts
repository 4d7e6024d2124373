/** Progress on standard error while a client runs: one live line on a terminal, else a plain line every two seconds. */
import { stripVTControlCharacters, styleText } from "node:util"
import type { Progress } from "./tally.ts"

export interface ProgressReporter {
  readonly update: (progress: Progress) => void
  /** Clears the live line; nothing is written after this. */
  readonly end: () => void
}

export const makeProgressReporter = (
  name: string,
  orders: number,
  output: { readonly err: (text: string) => void; readonly columns: number | undefined }
): ProgressReporter => {
  let latest: Progress | undefined
  const live = output.columns !== undefined
  // Leaves room for the "^C" that a terminal echoes.
  const columns = Math.min(80, output.columns ?? 80) - 3
  const show = () => {
    if (latest === undefined) return
    if (live) output.err(`\r${fit(liveLine(name, orders, latest), columns)}\u001b[K`)
    else output.err(`${plainLine(name, orders, latest)}\n`)
  }
  const timer = setInterval(show, live ? 100 : 2_000)
  return {
    update: (progress) => {
      latest = progress
    },
    end: () => {
      clearInterval(timer)
      if (live) output.err("\r\u001b[K")
      else show()
    }
  }
}

const liveLine = (name: string, orders: number, progress: Progress): string => {
  const width = 10
  const full = Math.round(width * (progress.ended / Math.max(1, orders)))
  const bar = styleText("cyan", "━".repeat(full), { validateStream: false }) + "─".repeat(width - full)
  const slowest = Math.round(Math.max(0, ...progress.integrations().map(({ p95Ms }) => p95Ms)))
  return `${name} ${bar} ${progress.ended}/${orders}  ${rate(progress)}/s  p95 ${slowest} ms${trouble(progress)}`
}

const plainLine = (name: string, orders: number, progress: Progress): string =>
  `${name}: ${progress.ended} of ${orders} orders after ${progress.seconds.toFixed(1)} s, ${rate(progress)} calls/s, ` +
  `p95 ${quantiles(progress)} ms${trouble(progress)}`

const rate = ({ calls, seconds }: Progress): number => Math.round(calls / Math.max(seconds, 0.001))

const quantiles = ({ integrations }: Progress): string =>
  integrations()
    .map(({ name, p95Ms }) => `${name} ${Math.round(p95Ms)}`)
    .join(" ")

const trouble = ({ hung, untyped }: Progress): string =>
  `${hung === 0 ? "" : `  hung ${hung}`}${untyped === 0 ? "" : `  untyped ${untyped}`}`

const fit = (line: string, columns: number): string =>
  stripVTControlCharacters(line).length <= columns ? line : stripVTControlCharacters(line).slice(0, columns)
