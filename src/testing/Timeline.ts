/**
 * The timeline of a call as a small text diagram: attempts, waits and outcomes, and what the provider saw and did. At most
 * 80 columns wide.
 *
 * @since 0.1.0
 */
import type { Attempt } from "../CallFailure.ts"
import type { CallObserved } from "../Telemetry.ts"
import type { Double, WireRequest } from "./FaultInjection.ts"
import { ProviderId } from "./internal/double.ts"

const width = 24
const columns = 80

/** One line of the diagram: names, keys and notes come from elsewhere, and may be long or have line breaks. */
const fit = (text: string): string => {
  const flat = text.replace(/\s*[\r\n]+\s*/g, " ")
  return flat.length <= columns ? flat : `${flat.slice(0, columns - 1)}…`
}

/** Milliseconds as a person reads them. */
const millis = (n: number): string =>
  n < 1_000 ? `${Math.round(n)} ms` : n < 100_000 ? `${(n / 1_000).toFixed(2)} s` : `${Math.round(n / 1_000)} s`

const column = (at: number, total: number): number =>
  total === 0 ? 0 : Math.max(0, Math.min(width - 1, Math.floor((at / total) * width)))

/** A stretch of time within the call's. */
const bar = (from: number, to: number, total: number, fill: string): string => {
  const start = column(from, total)
  const end = Math.max(start + 1, column(to, total) + (to >= total ? 1 : 0))
  return " ".repeat(start) + fill.repeat(Math.min(width, end) - start)
}

const line = (...cells: ReadonlyArray<readonly [text: string, width: number]>): string =>
  cells
    // A text that fills its column must not run into the next.
    .map(([text, width]) => (width === 0 ? text : `${text} `.padEnd(width)))
    .join("")
    .trimEnd()

const attemptLines = (attempt: Attempt, total: number): ReadonlyArray<string> => {
  const { elapsed, number, outcome, reason, startedAfter, status, waited } = attempt
  const waits =
    waited <= 0
      ? []
      : [
          line(
            ["  wait", 7],
            [bar(startedAfter - waited, startedAfter, total, "·"), width + 2],
            ["", 11],
            [millis(waited), 9]
          )
        ]
  const bars = bar(startedAfter, startedAfter + elapsed, total, reason === "Success" ? "=" : "#")
  const answered = `${reason}${status === undefined ? "" : ` ${status}`}`
  return [
    ...waits,
    line(
      [`  #${number}`, 7],
      [bars, width + 2],
      [`+${millis(startedAfter)}`, 11],
      [millis(elapsed), 9],
      // The status says nothing that the longest of the reasons does not.
      [answered.length > 19 ? reason : answered, 19],
      [outcome, 8]
    )
  ]
}

/**
 * One call: a line per attempt and per wait, its bar where it lies in time.
 *
 * **Example** (A call that was answered at the second attempt)
 *
 * ```ts
 * import { Timeline } from "breakwater/testing"
 *
 * const attempt = { message: "", status: undefined, queued: 0, requestId: undefined, resolves: false }
 * const text = Timeline.format({
 *   integration: "shop/Payments",
 *   operation: "charge",
 *   callOutcome: "ok_after_retry",
 *   outcome: "Applied",
 *   errorType: undefined,
 *   startedAt: 0,
 *   latency: 100,
 *   retryDelay: 50,
 *   queueWait: 0,
 *   queuedFor: { bulkhead: 0, ratelimit: 0 },
 *   correlationId: "c-1",
 *   traceId: undefined,
 *   key: "k-1",
 *   requestId: undefined,
 *   decisions: [],
 *   attempts: [
 *     { ...attempt, number: 1, reason: "Disconnected", outcome: "Unknown", startedAfter: 0, elapsed: 25, waited: 0 },
 *     { ...attempt, number: 2, reason: "Success", outcome: "Applied", startedAfter: 75, elapsed: 25, waited: 50 }
 *   ]
 * })
 *
 * text.split("\n")[1] // => "  #1   ######                    +0 ms      25 ms    Disconnected       Unknown"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (call: CallObserved): string => {
  const { attempts, callOutcome, correlationId, errorType, integration, key, latency, operation, outcome } = call
  const total = Math.max(latency, ...attempts.map(({ elapsed, startedAfter }) => startedAfter + elapsed))
  const why = errorType === undefined ? "" : ` (${errorType})`
  const head = `${integration} ${operation}:`
  const ended = `${callOutcome}${why}, ${outcome}, in ${millis(latency)}`
  return [
    ...(head.length + 1 + ended.length > columns ? [head, `  ${ended}`] : [`${head} ${ended}`]),
    ...attempts.flatMap((attempt) => attemptLines(attempt, total)),
    ...(attempts.length === 0 ? ["  no attempt was made"] : []),
    ...(key === undefined ? [] : [`  key ${key}`]),
    `  correlation id ${correlationId}`
  ]
    .map(fit)
    .join("\n")
}

/**
 * What a provider saw and did: its requests with their faults, its ledger, its seed.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatProvider = <Operation extends string>(double: Double<Operation>): string => {
  const { [ProviderId]: provider, ledger, requests } = double
  const since = Math.min(...requests.map(({ at }) => at), ...ledger.map(({ at }) => at))
  const events = [
    ...requests.map((request) => ({
      at: request.at,
      request: request.index,
      text: requestText(request, provider.answers.get(request.index))
    })),
    ...ledger.map((change) => ({
      at: change.at,
      request: change.request,
      text: `executed ${change.operation} of request ${change.request + 1}${change.key === undefined ? "" : `, key ${short(change.key)}`}`
    }))
  ].toSorted((a, b) => a.at - b.at || a.request - b.request)
  const seed = provider.seed
  return [
    `the provider${seed === undefined ? "" : ` (seed ${seed})`}`,
    ...events.flatMap(({ at, text }) =>
      wrap(text).map((part, index) => line([index === 0 ? `  +${millis(at - since)}` : "", 13], [part, 0]))
    ),
    ...(events.length === 0 ? ["  was asked nothing"] : [])
  ]
    .map(fit)
    .join("\n")
}

/** Why a request was answered so must be readable to its end: it goes on in the next line. */
const wrap = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns - 13) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

const requestText = (
  { fault, index, operation }: WireRequest,
  answer: { readonly status: number; readonly note: string | undefined } | undefined
): string =>
  `request ${index + 1}: ${operation}` +
  (fault === undefined ? "" : `, met ${fault._tag}`) +
  (answer === undefined ? "" : `, answered ${answer.status}`) +
  (answer?.note === undefined ? "" : `: ${answer.note}`)

const short = (key: string): string => (key.length > 12 ? `${key.slice(0, 8)}…` : key)

/**
 * Everything that is known of a provider: the calls that an `IntegrationTest` observed, and the provider's own view.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatAll = <Operation extends string>(double: Double<Operation>): string =>
  [...double[ProviderId].calls.flat().map(format), formatProvider(double)].join("\n\n")
