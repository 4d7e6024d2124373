// A contract's report for people, at 80 columns.
import type { EndpointReport, Report } from "../ContractReport.ts"

const width = 80

/** Words on lines that end before the edge, those after the first indented. A word that is too long stands alone. */
const wrap = (indent: string, first: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = indent + first
  let empty = first === ""
  for (const word of words) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = `${indent}  `
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}

/** Items as words that are kept whole, a comma between them. */
const listed = (items: ReadonlyArray<string>): ReadonlyArray<string> =>
  items.map((item, i) => (i < items.length - 1 ? `${item},` : item))

const spoken = (text: string): ReadonlyArray<string> => text.split(/\s+/)

const times = (count: number): string => `×${count}`

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`

const endpointLines = (endpoint: EndpointReport): ReadonlyArray<string> => {
  const { errors, hidden, ignored, lost, neverCame, statuses, undecodable } = endpoint
  const oneStatus = new Set([...ignored, ...neverCame].map(({ status }) => status)).size < 2
  const at = ({ at, status }: { readonly at: string; readonly status: number }) => (oneStatus ? at : `${status}:${at}`)
  const never = errors.filter(({ count }) => count === 0)
  const occurred = errors.filter(({ count }) => count > 0)
  return [
    ...wrap("", `${endpoint.group}.${endpoint.endpoint}`, [endpoint.method, endpoint.path]),
    ...wrap("  ", `${plural(endpoint.exchanges, "exchange")}:`, [
      ...listed([
        ...statuses.map(({ count, status }) => `${status} ${times(count)}`),
        ...(lost > 0 ? [`connection lost ${times(lost)}`] : [])
      ])
    ]),
    ...statuses
      .filter(({ declared, status }) => declared === "no" && status >= 200 && status < 300)
      .map(({ count, status }) => `  BROKEN  ${status} is not declared ${times(count)}`),
    ...undecodable.flatMap(({ at, count, message, status }) =>
      wrap("  ", "BROKEN ", [
        String(status),
        ...spoken(at === "" ? "does not decode:" : `does not decode at ${at}:`),
        ...spoken(message),
        times(count)
      ])
    ),
    ...statuses
      .filter(({ declared, status }) => declared === "no" && !(status >= 200 && status < 300))
      .map(({ count, status }) => `  not declared: ${status} ${times(count)}`),
    ...(occurred.length === 0
      ? []
      : wrap(
          "  ",
          "declared errors:",
          listed(occurred.map(({ count, name, status }) => `${name} (${status}) ${times(count)}`))
        )),
    ...(never.length === 0
      ? []
      : wrap("  ", "never occurred:", listed(never.map(({ name, status }) => `${name} (${status})`)))),
    ...(ignored.length === 0
      ? []
      : wrap(
          "  ",
          "sent and ignored:",
          listed(ignored.map((field) => `${at(field)} (${field.types.join("|")}) ${field.count}/${field.of}`))
        )),
    ...(neverCame.length === 0
      ? []
      : wrap("  ", "optional, never came:", listed(neverCame.map((field) => `${at(field)} 0/${field.of}`)))),
    ...(hidden === 0 ? [] : wrap("  ", plural(hidden, "answer"), spoken("can't be judged: redacted where it fails")))
  ]
}

/**
 * A report for people, at 80 columns. It holds names, places, types and numbers, and no value of any answer.
 *
 * @category checking
 * @since 0.1.0
 */
export const format = (report: Report): string => {
  const exercised = report.endpoints.filter(({ exchanges }) => exchanges > 0)
  const idle = report.endpoints.filter(({ exchanges }) => exchanges === 0)
  return [
    ...wrap("", `${report.api}:`, [
      ...spoken(
        `${plural(report.exchanges, "exchange")}, ${exercised.length} of ${plural(report.endpoints.length, "endpoint")} exercised`
      )
    ]),
    ...exercised.flatMap((endpoint) => ["", ...endpointLines(endpoint)]),
    ...(idle.length === 0 ? [] : ["", "never exercised"]),
    ...idle.flatMap(({ endpoint, group, method, path }) => wrap("  ", `${group}.${endpoint}`, [method, path])),
    ...(report.unmatched.length === 0 ? [] : ["", "requests that belong to no endpoint (is the baseUrl right?)"]),
    ...report.unmatched.flatMap(({ count, method, path }) => wrap("  ", method, [path, times(count)]))
  ].join("\n")
}
