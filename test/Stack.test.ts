import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { CallSites, setCallSite } from "../src/internal/stack.ts"

describe("the stacks of callers", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }))
  afterEach(() => void vi.useRealTimers())

  const count = (sites: CallSites, calls: number) =>
    Array.from({ length: calls }, () => sites.take()).filter((site) => site !== undefined).length

  it("are taken of all calls of a new method, and of one that failed lately, else once a millisecond", () => {
    const sites = new CallSites()
    assert.strictEqual(count(sites, 10), 10)
    vi.advanceTimersByTime(1_000)
    assert.strictEqual(count(sites, 10), 1)
    vi.advanceTimersByTime(1)
    assert.strictEqual(count(sites, 10), 1)
    sites.failed()
    assert.strictEqual(count(sites, 10), 10)
    vi.advanceTimersByTime(9_999)
    assert.strictEqual(count(sites, 10), 10)
    vi.advanceTimersByTime(1)
    assert.strictEqual(count(sites, 10), 1)
  })

  it("leave the limit of the application's own stacks as it was", () => {
    const before = Error.stackTraceLimit
    new CallSites().take()
    assert.strictEqual(Error.stackTraceLimit, before)
  })

  it("a failure of a call that has none says so", () => {
    const error = new Error("down")
    setCallSite(error, undefined)
    assert.match(error.stack!, /^Error: down\n {4}\(the line of this call was not recorded: /)
  })
})
