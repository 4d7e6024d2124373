// What a provider says of its rate limit in headers. Every parser is strict: a value that is not of a known form is
// nothing, because a wrong pause is worse than none.
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** Headers by their names in lower case. */
export type Lower = Readonly<Record<string, string | undefined>>

/** Headers as clients and SDKs hand them out. */
export type Any =
  | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  | { readonly get: (name: string) => string | null | undefined }

export interface Reading {
  readonly limit?: number | undefined
  readonly remaining?: number | undefined
  readonly resetAfter?: Duration.Duration | undefined
}

const epochMillis = (text: string): number | undefined => {
  const date = Option.getOrUndefined(DateTime.make(text))
  return date === undefined ? undefined : DateTime.toEpochMillis(date)
}

const httpDate = (text: string): number | undefined => (/^[A-Za-z]{3},/.test(text) ? epochMillis(text) : undefined)

const numberOf = (value: string | undefined): number | undefined => {
  const text = value?.trim()
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}

/** Whether and when an answer asks to be left alone: seconds or an HTTP date (RFC 9110, 10.2.3). */
export const retryAfter = (value: string | undefined, now: number): Duration.Duration | undefined => {
  if (value === undefined) return undefined
  const seconds = numberOf(value)
  if (seconds !== undefined) return Duration.seconds(seconds)
  const date = httpDate(value.trim())
  return date === undefined ? undefined : Duration.millis(Math.max(0, date - now))
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * When a limit is reset: seconds, an epoch in seconds or milliseconds, a text such as `6m0s`, or a date. A point of time is
 * read against the provider's own clock where the answer has a `Date`, so that clocks that differ do no harm.
 */
const resetOf = (value: string | undefined, providersNow: number): Duration.Duration | undefined => {
  const text = value?.trim()
  if (text === undefined) return undefined
  const number = numberOf(text)
  if (number !== undefined) {
    // A thousand million seconds are 31 years, which nobody is asked to wait: such a number is a point of time.
    return number < 1e9
      ? Duration.seconds(number)
      : Duration.millis(Math.max(0, (number < 1e12 ? number * 1_000 : number) - providersNow))
  }
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    let millis = 0
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
      millis += Number(amount) * units[unit!]!
    return Duration.millis(millis)
  }
  const date = /^\d{4}-\d\d-\d\dT/.test(text) ? epochMillis(text) : httpDate(text)
  return date === undefined ? undefined : Duration.millis(Math.max(0, date - providersNow))
}

/** The items of a structured list (RFC 9651) with their parameters of one letter: limits use no others. */
const itemsOf = (text: string): ReadonlyArray<ReadonlyMap<string, string>> => {
  const items: Array<Map<string, string>> = []
  // Strings may hold commas and semicolons: they are taken out before the list is split.
  for (const item of text.replace(/"(?:[^"\\]|\\.)*"/g, '""').split(",")) {
    const found = new Map<string, string>()
    for (const [, key, value] of item.matchAll(/;\s*([a-z])\s*=([^;]*)/g)) found.set(key!, value!)
    items.push(found)
  }
  return items
}

/** `RateLimit: "burst";r=3;t=5, "day";r=500;t=3600` of the draft since 08, with the quotas of `RateLimit-Policy`. */
const structured = (value: string, policy: string | undefined): ReadonlyArray<Reading> => {
  const quotas = policy === undefined ? [] : itemsOf(policy)
  const found = itemsOf(value)
  return found.flatMap((item, index) => {
    const remaining = numberOf(item.get("r"))
    if (remaining === undefined) return []
    const seconds = numberOf(item.get("t"))
    return [
      {
        remaining,
        limit: quotas.length === found.length ? numberOf(quotas[index]!.get("q")) : undefined,
        resetAfter: seconds === undefined ? undefined : Duration.seconds(seconds)
      }
    ]
  })
}

/** `RateLimit: limit=100, remaining=50, reset=5` of draft 07. */
const dictionary = (value: string): ReadonlyArray<Reading> => {
  const entries = new Map<string, string>()
  for (const [, key, number] of value.matchAll(/(?:^|,)\s*([a-z]+)\s*=\s*(\d+)/g)) entries.set(key!, number!)
  const remaining = numberOf(entries.get("remaining"))
  const seconds = numberOf(entries.get("reset"))
  return remaining === undefined
    ? []
    : [
        {
          remaining,
          limit: numberOf(entries.get("limit")),
          resetAfter: seconds === undefined ? undefined : Duration.seconds(seconds)
        }
      ]
}

type Names = readonly [remaining: string, reset: string | ReadonlyArray<string>, limit: string]

/** Headers in threes. Of those that an answer has, the first stands for requests. */
const threes: ReadonlyArray<Names> = [
  ["ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"],
  // GitHub, SendGrid and most others; Discord says the reset in seconds too.
  ["x-ratelimit-remaining", ["x-ratelimit-reset-after", "x-ratelimit-reset"], "x-ratelimit-limit"],
  // Twitter, Okta, Zendesk.
  ["x-rate-limit-remaining", "x-rate-limit-reset", "x-rate-limit-limit"],
  // OpenAI and those that are compatible.
  ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-requests"],
  ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-limit-tokens"],
  // Linear.
  ["x-ratelimit-requests-remaining", "x-ratelimit-requests-reset", "x-ratelimit-requests-limit"],
  // Anthropic.
  [
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-requests-limit"
  ],
  ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-limit"]
]

const ofThree = (headers: Lower, [remaining, reset, limit]: Names, providersNow: number): Reading | undefined => {
  const left = numberOf(headers[remaining])
  if (left === undefined) return undefined
  const names = typeof reset === "string" ? [reset] : reset
  return {
    remaining: left,
    // `100, 100;w=60` of the older drafts: the first is the one that counts.
    limit: numberOf(headers[limit]?.split(/[,;]/, 1)[0]),
    resetAfter: resetOf(
      names.map((name) => headers[name]).find((value) => value !== undefined),
      providersNow
    )
  }
}

const millisOf = (reading: Reading) => (reading.resetAfter === undefined ? 0 : Duration.toMillis(reading.resetAfter))

/** Of several limits the one that is spent the longest, else the first, or where all count the same the smallest. */
const tightest = (readings: ReadonlyArray<Reading>, comparable: boolean): Reading | undefined => {
  const spent = readings.filter(({ remaining }) => remaining === 0)
  if (spent.length > 0) return spent.reduce((a, b) => (millisOf(b) > millisOf(a) ? b : a))
  return comparable && readings.length > 0
    ? readings.reduce((a, b) => (b.remaining! < a.remaining! ? b : a))
    : readings[0]
}

/** What the headers of an answer say of the provider's limit; `undefined` for nothing that is recognised. */
export const limitOf = (headers: Lower, now: number): Reading | undefined => {
  const standard = headers["ratelimit"]
  if (standard !== undefined) {
    const items = structured(standard, headers["ratelimit-policy"])
    const found = tightest(items.length > 0 ? items : dictionary(standard), true)
    if (found !== undefined) return found
  }
  const date = headers["date"]
  const providersNow = (date === undefined ? undefined : httpDate(date.trim())) ?? now
  const readings: Array<Reading> = []
  for (const names of threes) {
    const reading = ofThree(headers, names, providersNow)
    if (reading !== undefined) readings.push(reading)
  }
  if (readings.length > 0) return tightest(readings, false)
  // Shopify's REST: `32/40` of a bucket whose rate the header does not say.
  const [, used, size] = /^\s*(\d+)\/(\d+)\s*$/.exec(headers["x-shopify-shop-api-call-limit"] ?? "") ?? []
  return size === undefined ? undefined : { remaining: Math.max(0, Number(size) - Number(used)), limit: Number(size) }
}

const isGetter = (headers: Any): headers is { readonly get: (name: string) => string | null | undefined } =>
  typeof headers.get === "function"

/** Where providers say the id of a request. */
export const requestIds = ["request-id", "x-request-id", "x-amzn-requestid"] as const

const read = [
  "date",
  "retry-after",
  "idempotent-replayed",
  ...requestIds,
  "ratelimit",
  "ratelimit-policy",
  "x-shopify-shop-api-call-limit",
  ...threes.flatMap(([remaining, reset, limit]) => [remaining, limit, ...(typeof reset === "string" ? [reset] : reset)])
]

/** The headers that are read, whatever a client hands out. */
export const toLower = (headers: Any): Lower => {
  const lower: Record<string, string> = {}
  if (isGetter(headers)) {
    for (const name of read) {
      const value = headers.get(name)
      if (typeof value === "string") lower[name] = value
    }
    return lower
  }
  for (const [name, value] of Object.entries(headers)) {
    // An SDK's types are promises: a header that is a number or null is there in practice.
    if (typeof value === "string") lower[name.toLowerCase()] = value
    else if (Array.isArray(value)) lower[name.toLowerCase()] = value.join(", ")
    else if (typeof value === "number") lower[name.toLowerCase()] = String(value)
  }
  return lower
}
