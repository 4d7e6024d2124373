/** The plots of the README: calls that succeeded, and requests that reached the provider, second by second. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fault, type Result } from "./scenarios.ts"

const width = 860
const height = 250
const left = 56
const right = 12
const top = 34
const bottom = 34

/** Colours that keep apart on light and on dark, and for who sees no red or green (Okabe and Ito). */
const colours: Readonly<Record<string, string>> = {
  breakwater: "#0072b2",
  "no retries": "#8a8a8a",
  retryTransient: "#d55e00",
  "cockatiel README": "#009e73",
  "Polly standard": "#cc79a7",
  "AWS standard": "#e69f00"
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const panel = (
  y: number,
  title: string,
  results: ReadonlyArray<Result>,
  of: (window: Result["windows"][number]) => number,
  most: number,
  unit: (value: number) => string
): string => {
  const seconds = results[0]!.windows.length
  const x = (second: number) => left + (second / seconds) * (width - left - right)
  const at = (value: number) => y + top + (1 - Math.min(1, value / most)) * (height - top - bottom)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${at(share * most)}" y2="${at(share * most)}"/>` +
      `<text x="${left - 8}" y="${at(share * most) + 4}" text-anchor="end">${unit(share * most)}</text>`
  )
  const ticks = Array.from({ length: Math.floor(seconds / 30) + 1 }, (_, n) => n * 30).map(
    (second) =>
      `<text x="${x(second)}" y="${y + height - bottom + 18}" text-anchor="${second === seconds ? "end" : "middle"}">${second} s</text>`
  )
  const lines = results
    // The one that the page is about goes on top.
    .toSorted((a, b) => Number(a.client === "breakwater") - Number(b.client === "breakwater"))
    .map((result) => {
      const points = result.windows.map((window, second) => `${x(second).toFixed(1)},${at(of(window)).toFixed(1)}`)
      const dash = result.breaker === "off" && result.client !== "no retries" ? ` stroke-dasharray="5 3"` : ""
      const weight = result.client === "breakwater" ? 2.4 : 1.3
      return `<polyline fill="none" stroke="${colours[result.client]}" stroke-width="${weight}"${dash} points="${points.join(" ")}"/>`
    })
  return [
    `<text class="title" x="${left}" y="${y + 18}">${escape(title)}</text>`,
    `<rect class="fault" x="${x(fault.from)}" width="${x(fault.until) - x(fault.from)}" y="${y + top}" height="${height - top - bottom}"/>`,
    ...grid,
    ...ticks,
    ...lines
  ].join("\n")
}

const legend = (y: number, results: ReadonlyArray<Result>): string => {
  const names = [...new Set(results.map(({ client }) => client))]
  return names
    .map((name, n) => {
      const x = left + (n % 6) * 138
      return `<line x1="${x}" x2="${x + 18}" y1="${y}" y2="${y}" stroke="${colours[name]}" stroke-width="2.4"/><text x="${x + 24}" y="${y + 4}">${escape(name)}</text>`
    })
    .join("\n")
}

export const plot = (scenario: string, what: string, results: ReadonlyArray<Result>): string => {
  const most =
    Math.ceil(Math.max(...results.flatMap(({ windows }) => windows.map(({ attempts }) => attempts))) / 500) * 500
  const all = 2 * height + 64
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12">
<title id="t">${escape(scenario)}: calls that succeeded, and requests that reached the provider, second by second</title>
<desc id="d">${escape(what)}. Solid lines have a circuit breaker, dashed ones have none.</desc>
<style>
svg { background: #fff } text { fill: #333 } .title { font-weight: 600; font-size: 13px } .grid { stroke: #ddd } .fault { fill: #000; opacity: .06 }
@media (prefers-color-scheme: dark) { svg { background: #0d1117 } text { fill: #ccc } .grid { stroke: #333 } .fault { fill: #fff; opacity: .08 } }
</style>
${panel(
  0,
  "Calls that succeeded within their deadline, of those that began in the second",
  results,
  ({ good, offered }) => (offered === 0 ? 1 : good / offered),
  1,
  (value) => `${value * 100} %`
)}
${panel(height, "Requests that reached the provider, in the second", results, ({ attempts }) => attempts, most, String)}
${legend(2 * height + 20, results)}
<text x="${left}" y="${2 * height + 48}">${escape(what)} (shaded). Solid: with a circuit breaker. Dashed: without.</text>
</svg>
`
}

export const writePlots = (
  folder: string,
  scenarios: ReadonlyArray<{ readonly name: string; readonly what: string }>,
  results: ReadonlyArray<Result>
): void => {
  mkdirSync(folder, { recursive: true })
  for (const { name, what } of scenarios) {
    const own = results.filter(({ scenario }) => scenario === name)
    if (own.length > 0) writeFileSync(join(folder, `${name.replaceAll(" ", "-")}.svg`), plot(name, what, own))
  }
}
