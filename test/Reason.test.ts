import { assert, describe, it } from "@effect/vitest"
import { Reason } from "breakwater"
import { Duration } from "effect"
import { ofStatus, ofTransport } from "../src/http/Answer.ts"

const made = (verdict: Reason.Verdict) => {
  const { reason, ...details } = verdict
  return Reason.make(reason, details)
}
const meaning = ({ _tag, health, outcome, transient }: Reason.Reason) => ({ _tag, health, outcome, transient })

describe("Reason.fromStatus", () => {
  it("says of every status what the transport over HTTP says", () => {
    for (let status = 400; status < 600; status++) {
      const verdict = Reason.fromStatus(status)
      assert.deepStrictEqual(
        [status, meaning(made(verdict!))],
        [status, meaning(ofStatus(status, true, { retryAfter: undefined, requestId: undefined, replayed: false }))]
      )
    }
  })

  it("a redirect is final, and may have happened; a success is none of its business", () => {
    for (let status = 300; status < 400; status++) {
      assert.deepStrictEqual(meaning(made(Reason.fromStatus(status)!)), {
        _tag: "Rejected",
        outcome: "Unknown",
        transient: false,
        health: "success"
      })
    }
    for (let status = 200; status < 300; status++) assert.isUndefined(Reason.fromStatus(status))
  })

  it("what is no status is no refusal", () => {
    const none: { readonly status?: number } = {}
    for (const status of [0, 100, -1, NaN, none.status as number]) {
      assert.deepInclude(
        meaning(made(Reason.fromStatus(status)!)),
        { outcome: "Unknown", transient: false },
        `${status}`
      )
    }
  })

  it("a detail that is undefined takes nothing away", () => {
    const nothing = { outcome: undefined, health: undefined }
    for (const status of [0, 302, 409, 501]) {
      assert.deepStrictEqual(made(Reason.fromStatus(status, nothing)!), made(Reason.fromStatus(status)!))
    }
  })

  it("carries what the caller read, which goes before", () => {
    const retryAfter = Duration.seconds(3)
    assert.deepInclude(Reason.fromStatus(429, { retryAfter, requestId: "r-1" }), {
      reason: "Throttled",
      status: 429,
      message: "status 429",
      requestId: "r-1"
    })
    assert.deepInclude(Reason.fromStatus(409, { outcome: "Refused" }), { reason: "Rejected", outcome: "Refused" })
  })
})

describe("Reason.fromConnection", () => {
  const coded = (code: string, more: object = {}) => Object.assign(new Error(code), { code, ...more })

  it.each<readonly [name: string, error: unknown, outcome: string]>([
    ["a refused connection", coded("ECONNREFUSED"), "NotSent"],
    ["a cause that says so", new Error("fetch failed", { cause: coded("ENOTFOUND") }), "NotSent"],
    [
      "every address refused",
      Object.assign(new Error(), { errors: [coded("ECONNREFUSED"), coded("ENOTFOUND")] }),
      "NotSent"
    ],
    [
      "one address that was reached",
      Object.assign(new Error(), { errors: [coded("ECONNREFUSED"), coded("ECONNRESET")] }),
      "Unknown"
    ],
    ["a connect that took too long", coded("ETIMEDOUT", { syscall: "connect" }), "NotSent"],
    ["a read that took too long", coded("ETIMEDOUT", { syscall: "read" }), "Unknown"],
    ["a reset", coded("ECONNRESET"), "Unknown"],
    ["no code at all", new Error("fetch failed"), "Unknown"],
    ["no error at all", undefined, "Unknown"]
  ])("%s", (_, error, outcome) => {
    const reason = made(Reason.fromConnection(error))
    assert.strictEqual(reason.outcome, outcome)
    assert.isTrue(reason.transient)
    assert.deepStrictEqual(meaning(reason), meaning(ofTransport(error)))
  })
})

/** What is read of headers, with the time until the reset in milliseconds. */
const read = (headers: Reason.HeadersLike, now = 0) => {
  const found = Reason.limitFromHeaders(headers, now)
  return (
    found && {
      remaining: found.remaining,
      limit: found.limit,
      reset: found.resetAfter && Duration.toMillis(found.resetAfter)
    }
  )
}

/** What is read of one text that says when a limit is reset. */
const resetOf = (text: string, now = 0) => read({ "x-ratelimit-remaining": "7", "x-ratelimit-reset": text }, now)!.reset

const noon = Date.UTC(2023, 10, 14, 12)
const noonInHttp = "Tue, 14 Nov 2023 12:00:00 GMT"

describe("Reason.retryAfterFromHeaders", () => {
  it.each<readonly [text: string, millis: number | undefined]>([
    ["30", 30_000],
    [" 17 ", 17_000],
    ["0.25", 250],
    ["12.5", 12_500],
    [noonInHttp, 60_000],
    [` ${noonInHttp} `, 60_000],
    ["Tue, 14 Nov 2023 11:58:00 GMT", 0],
    ["x5", undefined],
    ["5x", undefined],
    ["1e3", undefined],
    [".5", undefined],
    ["5.", undefined],
    ["", undefined],
    ["soon", undefined],
    ["Foo, soon", undefined],
    [`on ${noonInHttp}`, undefined],
    ["14 Nov 2023 12:00:00 GMT", undefined],
    ["2023-11-14T12:00:00Z", undefined]
  ])("%s", (text, millis) => {
    const after = Reason.retryAfterFromHeaders({ "Retry-After": text }, noon - 60_000)
    assert.strictEqual(after && Duration.toMillis(after), millis)
  })

  it("no header says nothing", () => {
    assert.isUndefined(Reason.retryAfterFromHeaders({}, 0))
  })
})

describe("Reason.limitFromHeaders", () => {
  it.each<readonly [text: string, millis: number | undefined]>([
    ["45", 45_000],
    [" 1.25 ", 1_250],
    ["999999999", 999_999_999_000],
    ["820ms", 820],
    ["12s", 12_000],
    ["1.25s", 1_250],
    ["12.5s", 12_500],
    ["6m0s", 360_000],
    [" 6m0s ", 360_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["x5s", undefined],
    ["5sx", undefined],
    ["5 s", undefined],
    ["5w", undefined],
    ["", undefined],
    ["soon", undefined],
    ["-5", undefined]
  ])("a reset in %s", (text, millis) => {
    assert.strictEqual(resetOf(text, noon), millis)
  })

  it.each<readonly [text: string, millis: number | undefined]>([
    [`${noon / 1_000}`, 10_000],
    [`${noon}`, 10_000],
    [`${noon / 1_000}.5`, 10_500],
    [`${noon / 1_000 - 60}`, 0],
    [noonInHttp, 10_000],
    ["Tue, 14 Nov 2023 11:00:00 GMT", 0],
    ["2023-11-14T12:00:00Z", 10_000],
    ["2023-11-14T12:00:00.250Z", 10_250],
    ["2023-11-14", undefined],
    ["+012023-11-14T12:00:00Z", undefined],
    ["14 Nov 2023 12:00:00 GMT", undefined],
    ["2023-99-14T12:00:00Z", undefined]
  ])("a reset at %s", (text, millis) => {
    assert.strictEqual(resetOf(text, noon - 10_000), millis)
  })

  it("a number is a point of time from a thousand million on, and in milliseconds from a million million on", () => {
    assert.strictEqual(resetOf("1000000000", 999_999_990_000), 10_000)
    assert.strictEqual(resetOf("1000000000000", 999_999_990_000), 10_000)
    assert.strictEqual(resetOf("999999999999", 999_999_999_998_000), 1_000)
  })

  it("points of time are read against the provider's own clock, where it tells one", () => {
    const at = (date: string) =>
      read({ date, "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2023-11-14T12:00:30Z" }, noon - 5_000)!.reset
    assert.strictEqual(at(noonInHttp), 30_000)
    assert.strictEqual(at(` ${noonInHttp} `), 30_000)
    assert.strictEqual(at("today"), 35_000)
  })

  it("the draft: the smallest of several, with the quota that belongs to it", () => {
    const policy = '"burst";q=10;w=5, "day";q=1000;w=86400'
    assert.deepStrictEqual(read({ ratelimit: '"burst";r=3;t=50, "day";r=500;t=3600', "ratelimit-policy": policy }), {
      remaining: 3,
      limit: 10,
      reset: 50_000
    })
    assert.deepStrictEqual(
      read({ ratelimit: '"burst";r=30;t=5,"day" ; r = 20 ; t = 60', "ratelimit-policy": policy }),
      {
        remaining: 20,
        limit: 1_000,
        reset: 60_000
      }
    )
    // Of two that are the same the first.
    assert.strictEqual(read({ ratelimit: '"a";r=3;t=5, "b";r=3;t=9' })!.reset, 5_000)
    // Quotas that can't be told apart are nobody's.
    assert.deepStrictEqual(read({ ratelimit: '"a";r=3;t=5, "b";r=4', "ratelimit-policy": '"a";q=10' }), {
      remaining: 3,
      limit: undefined,
      reset: 5_000
    })
    assert.deepStrictEqual(read({ ratelimit: '"a";t=5, "b";r=2' }), {
      remaining: 2,
      limit: undefined,
      reset: undefined
    })
  })

  it("the draft: of those that are spent the one that is so the longest", () => {
    const policy = '"a";q=1, "b";q=2, "c";q=3'
    const of = (ratelimit: string) => {
      const { limit, remaining, reset } = read({ ratelimit, "ratelimit-policy": policy })!
      return [remaining, limit, reset]
    }
    assert.deepStrictEqual(of('"a";r=0;t=5, "b";r=0;t=9, "c";r=8;t=99'), [0, 2, 9_000])
    assert.deepStrictEqual(of('"a";r=0;t=9, "b";r=0;t=5, "c";r=1'), [0, 1, 9_000])
    assert.deepStrictEqual(of('"a";r=0;t=5, "b";r=0;t=5, "c";r=1'), [0, 1, 5_000])
    assert.deepStrictEqual(of('"a";r=0, "b";r=0;t=5, "c";r=0'), [0, 2, 5_000])
  })

  it("the draft: names are texts, in which a comma or a semicolon is no sign", () => {
    assert.deepStrictEqual(read({ ratelimit: '"a, b;r=9;\\"c;r=1, d;r=1";r=30;pk=:cj0x:;t=12;1r=2' }), {
      remaining: 30,
      limit: undefined,
      reset: 12_000
    })
  })

  it("the draft 07", () => {
    for (const ratelimit of ["limit=100, remaining=50, reset=12", "limit = 100,remaining = 50 , reset =12"]) {
      assert.deepStrictEqual(read({ ratelimit }), { remaining: 50, limit: 100, reset: 12_000 })
    }
    assert.deepStrictEqual(read({ ratelimit: "remaining=0" }), { remaining: 0, limit: undefined, reset: undefined })
    for (const ratelimit of ["limit=100, reset=12", "limit=100;remaining=50", "remaining", ""]) {
      assert.isUndefined(read({ ratelimit }), ratelimit)
      // What can't be read does not hide what can.
      assert.strictEqual(read({ ratelimit, "x-ratelimit-remaining": "4" })!.remaining, 4)
    }
  })

  const threes = [
    ["ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"],
    ["x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit"],
    ["x-ratelimit-remaining", "x-ratelimit-reset-after", "x-ratelimit-limit"],
    ["x-rate-limit-remaining", "x-rate-limit-reset", "x-rate-limit-limit"],
    ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-requests"],
    ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-limit-tokens"],
    ["x-ratelimit-requests-remaining", "x-ratelimit-requests-reset", "x-ratelimit-requests-limit"],
    [
      "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-requests-reset",
      "anthropic-ratelimit-requests-limit"
    ],
    ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-limit"]
  ] as const
  it.each(threes)("%s, %s and %s", (remaining, reset, limit) => {
    const headers = { [remaining]: "12", [reset]: "34", [limit]: "56" }
    const expected = { remaining: 12, limit: 56, reset: 34_000 }
    assert.deepStrictEqual(read(headers), expected)
    assert.deepStrictEqual(read(new Headers(headers)), expected)
    assert.deepStrictEqual(read({ [remaining]: "12" }), { remaining: 12, limit: undefined, reset: undefined })
    assert.isUndefined(read({ [reset]: "34", [limit]: "56" }))
    // The older drafts have several limits in one header.
    assert.strictEqual(read({ ...headers, [limit]: "100, 200;w=60" })!.limit, 100)
    assert.strictEqual(read({ ...headers, [limit]: "100;w=60" })!.limit, 100)
  })

  it("of several headers the first that is there, or the one that is spent the longest", () => {
    const both = (requests: string, tokens: string, times: readonly [string, string] = ["1s", "2s"]) =>
      read({
        "x-ratelimit-remaining-requests": requests,
        "x-ratelimit-reset-requests": times[0],
        "x-ratelimit-remaining-tokens": tokens,
        "x-ratelimit-reset-tokens": times[1]
      })
    assert.strictEqual(both("59", "3")!.remaining, 59)
    assert.strictEqual(both("59", "0")!.reset, 2_000)
    assert.strictEqual(both("0", "0")!.reset, 2_000)
    assert.strictEqual(both("0", "0", ["9s", "2s"])!.reset, 9_000)
    // Discord tells an epoch too, and the time that is left counts.
    assert.strictEqual(
      read({ "x-ratelimit-remaining": "1", "x-ratelimit-reset": "99", "x-ratelimit-reset-after": "1.5" })!.reset,
      1_500
    )
  })

  it("Shopify's bucket", () => {
    const of = (text: string) => Reason.limitFromHeaders({ "X-Shopify-Shop-Api-Call-Limit": text }, 0)
    assert.deepStrictEqual(of("32/40"), { remaining: 8, limit: 40 })
    assert.deepStrictEqual(of(" 32/40 "), { remaining: 8, limit: 40 })
    assert.deepStrictEqual(of("45/40"), { remaining: 0, limit: 40 })
    for (const text of ["x32/40", "32/40x", "32", "/", ""]) assert.isUndefined(of(text), text)
    assert.strictEqual(read(new Headers({ "x-shopify-shop-api-call-limit": "1/2" }))!.remaining, 1)
  })

  it("headers as a client hands them out", () => {
    const fields = { date: noonInHttp, ratelimit: '"a";r=5', "ratelimit-policy": '"a";q=10' }
    assert.deepStrictEqual(read(new Headers(fields)), { remaining: 5, limit: 10, reset: undefined })
    const epoch = { date: noonInHttp, "x-ratelimit-remaining": "1", "x-ratelimit-reset": `${noon / 1_000 + 30}` }
    assert.strictEqual(read(new Headers(epoch))!.reset, 30_000)
    assert.deepStrictEqual(Reason.retryAfterFromHeaders(new Headers({ "Retry-After": "3" }), 0), Duration.seconds(3))
    // An array has the lines of a header, and a header that is named get is no function.
    const lines = { "X-RateLimit-Remaining": ["7"], "X-RateLimit-Limit": ["100", "200;w=60"], get: "x" }
    assert.deepStrictEqual(read(lines), { remaining: 7, limit: 100, reset: undefined })
    // Past the types there are numbers, and what is no header at all.
    assert.strictEqual(read({ "x-ratelimit-remaining": 7 } as never)!.remaining, 7)
    for (const value of [null, undefined, 7n]) {
      assert.isUndefined(read({ "x-ratelimit-remaining": value, ratelimit: value } as never), String(value))
    }
  })
})
