import * as Effect from "effect/Effect"
import type { Call } from "../Call.ts"
import type { CallRecord } from "./call.ts"
import { fingerprintOf } from "./fingerprint.ts"

/** Whose answer it is, as the options of a layer say it. */
export type Whose = "everyone" | ((call: Call) => string) | Effect.Effect<string>

/** What names the part of a request, where the request itself does not. */
export type Named = ((call: Call) => string) | undefined

/** Problems of the options that decide who shares an answer. Types say them first. */
export const problemsOf = (layer: string, whose: unknown): ReadonlyArray<string> =>
  whose === "everyone" || typeof whose === "function" || Effect.isEffect(whose)
    ? []
    : [`${layer} needs a principal: an answer of one user must never reach another`]

/** Reads whose answer it is in the caller's fiber. An empty principal is nobody's, and nothing is shared with nobody. */
export const withWhose = <A, E>(
  whose: Whose,
  call: Call,
  then: (who: string | undefined) => Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  if (whose === "everyone") return then("everyone")
  // A word before the name, so that nobody's name is "everyone".
  const named = (name: string) => then(typeof name === "string" && name !== "" ? `of ${name}` : undefined)
  return Effect.isEffect(whose) ? Effect.flatMap(whose, named) : Effect.suspend(() => named(whose(call)))
}

/**
 * The name of what a call asks for: two calls of one name ask the same for the same principal. `undefined` where nothing
 * is known that would tell two different requests apart.
 */
export const askedKey = (who: string, name: Named, call: CallRecord): string | undefined => {
  const { input, integration, operation, prepared } = call
  const key = (kind: string, what: unknown) => fingerprintOf([integration, operation, who, kind, what])
  if (name !== undefined) return key("name", name(call))
  const request = prepared?.request?.()
  if (request !== undefined) return lacksBody(request, input) ? undefined : key("request", request)
  return isPlain(input, 0) ? key("input", input ?? null) : undefined
}

/** Methods whose payload, if any, stands in the query. */
const bodyless: ReadonlySet<unknown> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"])

/** Whether the JSON of a request leaves out what its input holds: a form or a stream has no bytes yet. */
const lacksBody = (request: unknown, input: unknown): boolean => {
  if (typeof request !== "object" || request === null || !("body" in request) || request.body !== null) return false
  if ("method" in request && bodyless.has(request.method)) return false
  return typeof input === "object" && input !== null && "payload" in input && input.payload !== undefined
}

const deepest = 64

/**
 * Whether JSON says all of a value. A Map, a class with private fields, a Redacted or NaN look like others in it, and two
 * requests that look alike would share one answer.
 */
const isPlain = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
    case "undefined":
      return depth === 0
    case "object":
      break
    default:
      return false
  }
  if (value === null) return depth > 0
  if (depth > deepest) return false
  // In an array, what is undefined would be written as null, and so would a hole, which only the copy makes one of.
  if (Array.isArray(value)) return [...value].every((part) => isPlain(part, depth + 1))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  if ("toJSON" in value || Object.getOwnPropertySymbols(value).length > 0) return false
  return Object.values(value).every((part) => part === undefined || isPlain(part, depth + 1))
}
