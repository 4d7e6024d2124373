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
