/**
 * Assertions about calls, for Vitest or any other runner: they throw an `AssertionError` whose message ends with the
 * timeline of the calls and with what the provider saw and did.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Tracer from "effect/Tracer"
import type * as Outcome from "../Outcome.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Change, Double } from "./FaultInjection.ts"
import { hide, placeOf } from "./internal/secrets.ts"
import type { Recorded } from "./IntegrationTest.ts"
import * as Timeline from "./Timeline.ts"

/** What a runner shows as a failed assertion, with a difference where both sides are there. */
class ExpectationError extends Error {
  readonly actual: unknown
  readonly expected: unknown
  override readonly name = "AssertionError"
  constructor(message: string, actual: unknown, expected: unknown) {
    super(message)
    this.actual = actual
    this.expected = expected
  }
}

const refuse = (what: string, timeline: string, actual?: unknown, expected?: unknown): never => {
  const error = new ExpectationError(`${what}\n\n${timeline}\n`, actual, expected)
  // The stack begins where the test made its claim.
  error.stack = (error.stack ?? "")
    .split("\n")
    .filter((line) => !/[\\/]testing[\\/]Expect\.[jt]s/.test(line))
    .join("\n")
  throw error
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? String(part) : typeof part === "function" ? "(decided by a function)" : part
  )
  return text === undefined ? String(value) : text.length > 160 ? `${text.slice(0, 157)}…` : text
}

/** Whether a value has all that `expected` has. Lists must have the same length; a function decides by itself. */
const has = (actual: unknown, expected: unknown): boolean => {
  if (typeof expected === "function") return expected(actual) === true
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((one: unknown, index) => has(actual[index], one))
    )
  }
  if (typeof expected === "object" && expected !== null && isPlain(expected)) {
    return (
      typeof actual === "object" &&
      actual !== null &&
      Object.entries(expected).every(([name, value]) => has((actual as Record<string, unknown>)[name], value))
    )
  }
  return Equal.equals(actual, expected)
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

// ---- what the provider executed

/**
 * Which change is meant: one with this key, and whose input (params, query, headers, payload) has all that is given here.
 * A function in the place of a value decides by itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Match {
  readonly key?: string | undefined
  readonly params?: unknown
  readonly query?: unknown
  readonly headers?: unknown
  readonly payload?: unknown
}

/**
 * What may be claimed of a provider's ledger.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExpectExecuted<Operation extends string> {
  /** Exactly one change, that fits. */
  readonly once: (operation: Operation, match?: Match) => void
  /** Exactly so many that fit. */
  readonly times: (count: number, operation: Operation, match?: Match) => void
  /** None that fits; without an operation, none at all. */
  readonly never: (operation?: Operation, match?: Match) => void
  /** These, in this order, and no other. */
  readonly inOrder: (operations: ReadonlyArray<Operation>) => void
}

const fits = (change: Change, operation: string | undefined, match: Match | undefined): boolean => {
  if (operation !== undefined && change.operation !== operation) return false
  const { key, ...input } = match ?? {}
  return (key === undefined || change.key === key) && has(change.input ?? {}, input)
}

/**
 * Claims about what a provider carried out: the only thing that says whether a customer was charged twice.
 *
 * **Example** (What a failure looks like)
 *
 * ```ts
 * import { expectExecuted, FaultInjection } from "breakwater/testing"
 *
 * const provider = FaultInjection.make({ respond: () => ({ status: 201 }) })
 *
 * const claim = () => expectExecuted(provider).once("POST /charges")
 *
 * claim // throws: expected POST /charges to be executed once, but it was executed 0 times
 * ```
 *
 * @category assertions
 * @since 0.1.0
 */
export const expectExecuted = <Operation extends string>(upstream: Double<Operation>): ExpectExecuted<Operation> => {
  const counted = (count: number, words: string, operation: string | undefined, match: Match | undefined) => {
    const found = upstream.ledger.filter((change) => fits(change, operation, match))
    if (found.length === count) return
    const what = operation ?? "nothing"
    const so = match === undefined ? "" : ` with ${show(match)}`
    const others = upstream.ledger.filter((change) => change.operation === operation && !found.includes(change))
    refuse(
      operation === undefined
        ? `expected nothing to be executed, but there ${were(found.length)} ${times(found.length, "change")}`
        : `expected ${what}${so} to be executed ${words}, but it was executed ${times(found.length, "time")}` +
            (others.length === 0
              ? ""
              : `; otherwise with ${others.map(({ input, key }) => show({ ...(key === undefined ? {} : { key }), ...(input as object | undefined) })).join(", ")}`),
      Timeline.formatAll(upstream)
    )
  }
  return {
    once: (operation, match) => counted(1, "once", operation, match),
    times: (count, operation, match) => counted(count, times(count, "time"), operation, match),
    never: (operation, match) => counted(0, "never", operation, match),
    inOrder: (operations) => {
      const actual = upstream.ledger.map(({ operation }) => operation)
      if (has(actual, operations)) return
      refuse(
        `expected ${show(operations)} to be executed in this order, but it was ${show(actual)}`,
        Timeline.formatAll(upstream),
        actual,
        operations
      )
    }
  }
}

const times = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const were = (count: number): string => (count === 1 ? "was" : "were")

// ---- how a call ended

/**
 * How a call should have ended. What is left out may be anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  /** Whether it happened. */
  readonly outcome?: Outcome.Outcome | undefined
  readonly callOutcome?: Telemetry.CallOutcome | undefined
  readonly errorType?: string | undefined
  /** The reason of each attempt, in order: `["Timeout", "Success"]`. */
  readonly attempts?: ReadonlyArray<Telemetry.CallObserved["attempts"][number]["reason"]> | undefined
  readonly key?: string | undefined
  readonly correlationId?: string | undefined
}

/**
 * What may be claimed of the calls of a recording.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExpectOutcome {
  /** The last call of this operation ended so. */
  readonly of: (operation: string, expected: Ended) => void
  /** The operation was called so often. */
  readonly calls: (count: number, operation: string) => void
}

/**
 * Claims about how calls ended, attempt by attempt. An operation is named as in the integration, `charge`, or with it,
 * `shop/Payments charge`.
 *
 * @category assertions
 * @since 0.1.0
 */
export const expectOutcome = (recorded: Recorded): ExpectOutcome => {
  const of = (operation: string) => recorded.calls.filter((call) => isOf(call, operation))
  return {
    of: (operation, expected) => {
      const call = of(operation).at(-1)
      if (call === undefined) return refuse(`expected a call of ${operation}, but there was none`, recorded.timeline())
      const actual = { ...call, attempts: call.attempts.map(({ reason }) => reason) }
      if (has(actual, expected)) return
      const names = Object.keys(expected) as ReadonlyArray<keyof Ended>
      const seen = Object.fromEntries(names.map((name) => [name, actual[name]]))
      const wrong = names.filter((name) => !has(actual[name], expected[name]))
      refuse(
        `expected ${operation} to end with ${wrong.map((name) => `${name} ${show(expected[name])}, not ${show(actual[name])}`).join(" and ")}`,
        recorded.timeline(),
        seen,
        expected
      )
    },
    calls: (count, operation) => {
      const found = of(operation).length
      if (found === count) return
      refuse(
        `expected ${times(count, "call")} of ${operation}, but there ${were(found)} ${found}`,
        recorded.timeline(),
        found,
        count
      )
    }
  }
}

const isOf = (call: Telemetry.CallObserved, operation: string): boolean =>
  call.operation === operation || `${call.integration} ${call.operation}` === operation

// ---- what the trace shows

/**
 * One span as it should be. What is left out may be anything; attributes that are not named too.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpanLike {
  readonly name?: string | undefined
  readonly attributes?: Readonly<Record<string, unknown>> | undefined
  readonly failed?: boolean | undefined
}

/**
 * What may be claimed of the spans of a recording.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExpectSpans {
  /** The last call of this operation has such a span, and one for each attempt, in order. */
  readonly of: (
    operation: string,
    expected: { readonly call?: SpanLike; readonly attempts?: ReadonlyArray<SpanLike> }
  ) => void
  /** No name, attribute, event or error of any span has this text. */
  readonly without: (secret: string | Redacted.Redacted) => void
}

interface SpanSeen {
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly failed: boolean
}

const viewOf = (span: Tracer.Span): SpanSeen => ({
  name: span.name,
  attributes: Object.fromEntries(span.attributes),
  failed: span.status._tag === "Ended" && span.status.exit._tag === "Failure"
})

/** What of a span is not as it should be. */
const differences = (where: string, actual: SpanSeen, expected: SpanLike): ReadonlyArray<string> => {
  const { attributes, ...own } = expected
  const differ = (at: string, is: Readonly<Record<string, unknown>>, be: Readonly<Record<string, unknown>>) =>
    Object.keys(be)
      .filter((name) => !has(is[name], be[name]))
      .map((name) => `${at}${name} ${show(be[name])}, not ${show(is[name])}`)
  return [...differ(`${where}.`, { ...actual }, own), ...differ(`${where} `, actual.attributes, attributes ?? {})]
}

/**
 * Claims about the spans that a backend would get.
 *
 * @category assertions
 * @since 0.1.0
 */
export const expectSpans = (recorded: Recorded): ExpectSpans => ({
  of: (operation, expected) => {
    const call = recorded.spans.findLast(
      (span) =>
        span.attributes.has(Telemetry.names.operation) &&
        span.kind === "internal" &&
        (span.attributes.get(Telemetry.names.operation) === operation || span.name === operation)
    )
    if (call === undefined) return refuse(`expected a span of ${operation}, but there is none`, recorded.timeline())
    const children = recorded.spans.filter(
      (span) => span.kind === "client" && Option.getOrUndefined(span.parent)?.spanId === call.spanId
    )
    const actual = { call: viewOf(call), attempts: children.map(viewOf) }
    if (has(actual, expected)) return
    const wrong = [
      ...differences("call", actual.call, expected.call ?? {}),
      ...(expected.attempts === undefined || expected.attempts.length === actual.attempts.length
        ? (expected.attempts ?? []).flatMap((span, n) => differences(`attempts[${n}]`, actual.attempts[n]!, span))
        : [`${times(expected.attempts.length, "attempt")}, not ${actual.attempts.length}`])
    ]
    refuse(`expected the spans of ${operation} to have ${wrong.join(" and ")}`, recorded.timeline(), actual, expected)
  },
  without: (secret) => {
    const text = typeof secret === "string" ? secret : String(Redacted.value(secret))
    if (text === "") return refuse("the secret to look for is empty, so every span would show it", recorded.timeline())
    for (const span of recorded.spans) {
      const place = placeOf(span, text)
      if (place !== undefined) {
        // A report is read by more people than a trace: it must not repeat the secret.
        refuse(`the span ${hide(span.name, text)} shows the secret in its ${place}`, hide(recorded.timeline(), text))
      }
    }
  }
})
