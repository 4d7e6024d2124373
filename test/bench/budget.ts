/** What the guard makes of figures: no measuring here. */
import type { Table } from "./report.ts"
import { passes, type Result, type Target } from "./suite.ts"

/** How much more than the committed garbage is refused, and how much worse than its limit a ratio may be in CI. */
export const slack = { bytes: 0.05, ratio: 0.15 }

export interface Verdict {
  readonly fine: boolean
  readonly line: string
}

const percent = (share: number): string => `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`

/** More garbage than was committed is refused. Less is not, but then the table no longer holds anybody to anything. */
export const bytesVerdict = (table: Table, id: string, bytes: number): Verdict => {
  const committed = table.figures.find((figure) => figure.suite === "allocation" && figure.id === id)?.median
  if (committed === undefined) {
    return { fine: false, line: `${id}: test/bench/table.json has no bytes for it: npm run bench -- --write` }
  }
  const change = bytes / committed - 1
  const line = `${id}: ${bytes.toFixed(0)} bytes per call, committed ${committed.toFixed(0)} (${percent(change)})`
  if (bytes > committed * (1 + slack.bytes)) return { fine: false, line: `${line}: more than 5 % over` }
  return { fine: true, line: change < -slack.bytes ? `${line}: npm run bench -- --only allocation --write` : line }
}

/** What a ratio may be: that of its target, or the committed one where the target is missed already, and the slack. */
export const limitOf = (table: Table, target: Target): number | undefined => {
  const committed = table.results.find(({ name }) => name === target.name)
  if (committed === undefined) return undefined
  const held = committed.pass ? target.target : committed.ratio
  return target.bound === "atLeast" ? held / (1 + slack.ratio) : held * (1 + slack.ratio)
}

export const ratioVerdict = (table: Table, target: Target, { max, min, ratio }: Result): Verdict => {
  const limit = limitOf(table, target)
  if (limit === undefined) {
    return { fine: false, line: `${target.name}: test/bench/table.json does not have it: npm run bench -- --write` }
  }
  const fine = passes({ target: limit, bound: target.bound }, ratio)
  const line = `${ratio} [${min}–${max}], limit ${limit.toPrecision(3)}: ${target.name}`
  return { fine, line }
}
