// What a GraphQL answer means, beyond its status.
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Reason from "../../Reason.ts"

/**
 * Errors of an answer: their codes, and where in the data they belong. No messages: those may hold what was asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class Errors extends Schema.TaggedError<Errors>()("GraphqlErrors", {
  errors: Schema.Array(
    Schema.Struct({ code: Schema.UndefinedOr(Schema.String), path: Schema.UndefinedOr(Schema.String) })
  )
}) {}

/**
 * What the codes of a provider mean, beside those that everybody has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Codes {
  /** Nothing was executed, and a repeat would end the same, such as `ACCESS_DENIED`. */
  readonly refused?: ReadonlyArray<string> | undefined
  /** Nothing was executed, and later it would be. */
  readonly throttled?: ReadonlyArray<string> | undefined
  /** The provider failed: another try may end differently. */
  readonly unavailable?: ReadonlyArray<string> | undefined
  /** An earlier attempt with the same key is at work. */
  readonly inProgress?: ReadonlyArray<string> | undefined
  /** The key was used before, with something else. */
  readonly keyConflict?: ReadonlyArray<string> | undefined
}

/** The specification's steps before the execution in Apollo Server's words, which most others have too. */
const everybodys: Codes = {
  refused: [
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "OPERATION_RESOLUTION_FAILURE",
    "PERSISTED_QUERY_NOT_FOUND",
    "PERSISTED_QUERY_NOT_SUPPORTED",
    "MAX_COST_EXCEEDED"
  ],
  throttled: ["THROTTLED", "RATE_LIMITED", "RATE_LIMIT"],
  unavailable: ["INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"]
}

type Json = Readonly<Record<string, unknown>>
const isObject = (u: unknown): u is Json => typeof u === "object" && u !== null && !Array.isArray(u)
const at = (u: unknown, name: string): unknown => (isObject(u) ? u[name] : undefined)
const numberAt = (u: unknown, name: string): number | undefined => {
  const found = at(u, name)
  return typeof found === "number" && Number.isFinite(found) && found >= 0 ? found : undefined
}

/** A code is a word. What is none may be a message. */
const word = (u: unknown): string | undefined =>
  typeof u === "number" ? String(u) : typeof u === "string" && /^[\w.:-]{1,64}$/.test(u) ? u : undefined

/** Apollo, Shopify and most others give `extensions.code`; GitHub gives `type`. */
const codeOf = (error: unknown): string | undefined =>
  word(at(at(error, "extensions"), "code")) ?? word(at(error, "type")) ?? word(at(error, "code"))

/** Names of fields and numbers in lists: what the document asked for, never what was given to it. */
const pathOf = (error: unknown): ReadonlyArray<string> | undefined => {
  const path = at(error, "path")
  return Array.isArray(path) && path.length > 0 ? path.map((part) => word(part) ?? "?") : undefined
}

const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

/** Some servers give JSON no media type, or a wrong one. */
const bodyOf = (body: unknown): unknown => {
  if (typeof body !== "string") return body
  const parsed = fromJson(body)
  return Exit.isSuccess(parsed) ? parsed.value : body
}

/** What stands under `errors`. Whatever it is: unless it is nothing, it is an error. */
const foundIn = (errors: unknown): ReadonlyArray<unknown> =>
  Array.isArray(errors) ? errors : errors === undefined || errors === null ? [] : [errors]

/** Shopify's bucket of points, or the cost that GitHub's `rateLimit` field tells where a query asks for it. */
const costOf = (body: Json) => {
  const cost = at(at(body, "extensions"), "cost")
  const status = at(cost, "throttleStatus")
  const requested = numberAt(cost, "requestedQueryCost")
  const available = numberAt(status, "currentlyAvailable")
  const rate = numberAt(status, "restoreRate")
  const most = numberAt(status, "maximumAvailable")
  const after = (points: number) =>
    rate === undefined || rate === 0 ? undefined : Duration.millis(Math.ceil((Math.max(0, points) / rate) * 1_000))
  const missing = requested === undefined || available === undefined ? undefined : requested - available
  const spent = numberAt(cost, "actualQueryCost")
  return {
    /** What asks for more than the bucket can hold is never answered. */
    tooLarge: requested !== undefined && most !== undefined && requested > most,
    retryAfter: missing === undefined ? undefined : after(missing),
    limitOf: (throttled: boolean): Reason.Limit | undefined => {
      if (available === undefined) {
        const told = spent ?? numberAt(at(at(body, "data"), "rateLimit"), "cost")
        return told === undefined ? undefined : { cost: told }
      }
      const points = missing !== undefined && missing > 0 ? missing : (requested ?? spent)
      return {
        cost: spent ?? (throttled ? 0 : requested),
        remaining: available,
        limit: most,
        resetAfter: points === undefined ? undefined : after(points)
      }
    }
  }
}

/**
 * What the data of an answer with errors proves. `"none"`: there is no entry, which the specification keeps for what went
 * wrong before the execution. `"untouched"`: its fields are null, and each has an error of its own. All else may have run.
 */
const dataOf = (body: Json, errors: ReadonlyArray<{ readonly path: ReadonlyArray<string> | undefined }>) => {
  if (body.data === undefined) return "none"
  if (!isObject(body.data)) return "null"
  const fields = Object.entries(body.data)
  const failed = new Set(errors.map(({ path }) => path?.[0]))
  const untouched =
    errors.every(({ path }) => path === undefined || path.length === 1) &&
    fields.every(
      ([name, value]) => value === null && (failed.has(name) || (fields.length === 1 && failed.has(undefined)))
    )
  return untouched ? "untouched" : "touched"
}

const read = (given: unknown) => {
  const body = bodyOf(given)
  if (!isObject(body)) return undefined
  const errors = foundIn(body.errors).map((error) => ({ code: codeOf(error), path: pathOf(error) }))
  const cost = costOf(body)
  const joined = errors.map(({ code, path }) => ({ code, path: path?.join(".") }))
  const codes = [...new Set(joined.map(({ code }) => code ?? "an error without a code"))]
  const paths = [...new Set(joined.map(({ path }) => path).filter((path) => path !== undefined))]
  const some = (list: ReadonlyArray<string>): string => list.slice(0, 5).join(", ")
  const details = (throttled = false): Reason.Details => ({
    message: some(codes) + (paths.length === 0 ? "" : ` at ${some(paths)}`),
    // Not as `error`: a case of `translate` would take it, and lose what the reason says of waiting and of the outcome.
    cause: new Errors({ errors: joined }),
    limit: cost.limitOf(throttled)
  })
  return { errors, data: dataOf(body, errors), cost, details }
}

type Read = NonNullable<ReturnType<typeof read>>

const byCodes = (
  { cost, data, details, errors }: Read,
  { inProgress, keyConflict, refused, throttled, unavailable }: Codes,
  safe: boolean
): Reason.Verdict | undefined => {
  const isOf = (codes: ReadonlyArray<string> | undefined) => (error: { readonly code: string | undefined }) =>
    error.code !== undefined && codes?.includes(error.code) === true
  if (errors.length === 0) return undefined
  if (errors.some(isOf(keyConflict))) return Reason.keyConflict(details())
  if (errors.some(isOf(inProgress))) return Reason.inProgress(details())
  // A code is no proof where something else may have been executed.
  if (data === "none" || data === "untouched" || (safe && data === "null")) {
    if (errors.every(isOf(refused))) return Reason.rejected(details())
    if (errors.every(isOf([...(throttled ?? []), ...(refused ?? [])]))) {
      return cost.tooLarge
        ? Reason.rejected(details(true))
        : Reason.throttled({ ...details(true), retryAfter: cost.retryAfter })
    }
  }
  return (data === "none" || data === "null") && errors.some(isOf(unavailable))
    ? Reason.unavailable(details())
    : undefined
}

/** What the codes of a provider mean, for a `classify`. */
export const classifyCodes =
  (codes: Codes): Reason.Classify =>
  (_status, _headers, body) => {
    const found = read(body)
    return found === undefined ? undefined : byCodes(found, codes, false)
  }

/** A verdict of the library's own, which may be that the answer is an error of the contract. */
export type Judgement = (
  ...answer: Parameters<Reason.Classify>
) => (Omit<Reason.Verdict, "reason"> & { readonly reason: Reason.Tag }) | Reason.Answered | undefined

/** What an answer to a document means: after all that its integration said of it. */
export const judge =
  (kind: "query" | "mutation", partial: "fail" | "accept"): Judgement =>
  (status, _headers, body) => {
    const found = read(body)
    if (found === undefined) return undefined
    const { cost, data, details, errors } = found
    const success = status >= 200 && status < 300
    const ordinary = () => {
      const limit = cost.limitOf(false)
      return success && limit !== undefined ? Reason.answered({ limit }) : undefined
    }
    if (errors.length === 0) return ordinary()
    const known = byCodes(found, everybodys, kind === "query")
    const isPassing = errors.some(({ code }) => code !== undefined && everybodys.unavailable!.includes(code))
    if (!success) {
      // A request error by its status, or a status that a resolver chose. Of the other statuses the table knows more.
      if (status < 400 || status >= 500) return undefined
      if (kind === "mutation" && (data === "touched" || data === "null"))
        return Reason.rejected({ ...details(), outcome: "Unknown" })
      return status === 400 || status === 422 ? (known ?? Reason.rejected(details())) : undefined
    }
    if (known !== undefined) return known
    // What an unknown code means, a repeat would not change. A mutation may have run before something else failed.
    if (data === "none" || data === "null") return Reason.rejected({ ...details(), outcome: "Unknown" })
    if (partial === "accept") return ordinary()
    const { cause: error, ...rest } = details()
    return { ...rest, error, reason: "Declared", outcome: "Unknown", transient: isPassing }
  }
