import { assert, describe, it } from "@effect/vitest"
import { Outcome, Reason } from "breakwater"

type Evidence = Outcome.Evidence

const notSent: Evidence = { outcome: "NotSent", resolves: false }
const refused: Evidence = { outcome: "Refused", resolves: false }
const declared: Evidence = { outcome: "Refused", resolves: true }
const unknown: Evidence = { outcome: "Unknown", resolves: false }
const applied: Evidence = { outcome: "Applied", resolves: false }
const success: Evidence = { outcome: "Applied", resolves: true }
/** An attempt of unknown outcome that was looked up afterwards. */
const lookedUp: Evidence = { outcome: "NotSent", resolves: true }

describe("Outcome.fold", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<Evidence>, Outcome.Outcome]> = [
    ["no attempt", [], "NotSent"],
    ["timed out, then circuit open", [unknown, notSent], "Unknown"],
    ["timed out, then throttled", [unknown, refused], "Unknown"],
    ["timed out, then a 401, 403, 404, 409 or 503", [unknown, refused, unknown, refused], "Unknown"],
    ["timed out, then a declared error with the same key", [unknown, declared], "Refused"],
    ["a declared error settles only what came before it", [declared, unknown], "Unknown"],
    ["timed out, then a success", [unknown, success], "Applied"],
    ["timed out, looked up and not found", [lookedUp], "NotSent"],
    ["throttled, then looked up and not found", [refused, lookedUp], "Refused"],
    ["refused, then never sent", [refused, notSent], "Refused"],
    ["never sent, then refused", [notSent, refused], "Refused"],
    ["a lost 2xx is never taken back", [applied, notSent, refused, unknown, declared], "Applied"],
    ["a lost 2xx after doubt", [unknown, applied], "Applied"]
  ]
  it.each(cases)("%s", (_name, attempts, outcome) => {
    assert.strictEqual(Outcome.fold(attempts), outcome)
  })

  it("takes any iterable", () => {
    assert.strictEqual(Outcome.fold(new Set([unknown, notSent])), "Unknown")
  })
})

describe("Outcome.didNotHappen", () => {
  it("is true where doing it again can't do it twice", () => {
    assert.deepStrictEqual((["NotSent", "Refused", "Unknown", "Applied"] as const).map(Outcome.didNotHappen), [
      true,
      true,
      false,
      false
    ])
  })
})

describe("the outcome table", () => {
  // DESIGN's table, row by row: what nothing else decides must not drift.
  const table: Readonly<Record<Reason.Tag, readonly [Outcome.Outcome, transient: boolean, Reason.Health]>> = {
    InvalidInput: ["NotSent", false, "ignored"],
    CircuitOpen: ["NotSent", true, "ignored"],
    BulkheadFull: ["NotSent", true, "ignored"],
    RateLimited: ["NotSent", true, "ignored"],
    BudgetSpent: ["NotSent", false, "ignored"],
    DeadlineExceeded: ["NotSent", false, "ignored"],
    KeyExpired: ["NotSent", false, "ignored"],
    NotStored: ["NotSent", true, "ignored"],
    NotAuthenticated: ["NotSent", true, "ignored"],
    Draining: ["NotSent", false, "ignored"],
    SourceFailed: ["NotSent", false, "ignored"],
    Unreachable: ["NotSent", true, "failure"],
    Disconnected: ["Unknown", true, "failure"],
    Timeout: ["Unknown", true, "failure"],
    Throttled: ["Refused", true, "probe"],
    NotProcessed: ["Refused", true, "probe"],
    Declared: ["Refused", false, "success"],
    Rejected: ["Refused", false, "success"],
    PreconditionFailed: ["Refused", false, "success"],
    Unavailable: ["Unknown", true, "failure"],
    InProgress: ["Unknown", true, "success"],
    OutcomeHeld: ["Unknown", false, "success"],
    KeyConflict: ["Unknown", false, "success"],
    Truncated: ["Unknown", false, "failure"],
    BodyLost: ["Applied", true, "failure"],
    InvalidResponse: ["Applied", false, "success"],
    ResponseNotStored: ["Applied", false, "success"],
    Failed: ["Unknown", false, "failure"]
  }

  it.each(Object.entries(table))("%s", (tag, [outcome, transient, health]) => {
    const reason = Reason.make(tag as Reason.Tag)
    assert.deepStrictEqual([reason.outcome, reason.transient, reason.health], [outcome, transient, health])
    assert.isFalse(reason.resolves)
  })

  it.each(Object.keys(table))("a replayed %s never changes, except for a body that was lost on the way", (tag) => {
    const reason = Reason.make(tag as Reason.Tag, { replayed: true })
    assert.strictEqual(reason.transient, tag === "BodyLost")
  })

  it("tells what this process itself turned away", () => {
    const local = Object.keys(table).filter((tag) => Reason.isLocalRejection({ _tag: tag }))
    assert.deepStrictEqual(local, [
      "CircuitOpen",
      "BulkheadFull",
      "RateLimited",
      "BudgetSpent",
      "DeadlineExceeded",
      "NotStored",
      "Draining"
    ])
    for (const tag of local) assert.strictEqual(table[tag as Reason.Tag][2], "ignored")
  })
})
