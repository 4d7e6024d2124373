import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { Arbitrary, Effect, type Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { limit, Limited, release, running } from "../src/internal/deadlines.ts"
import { tries } from "./properties/support.ts"

class Noted extends Limited {
  at: number | undefined = undefined
  private readonly now: () => number
  readonly next: () => void
  constructor(now: () => number, next: () => void = () => {}) {
    super()
    this.now = now
    this.next = next
  }
  override expire(): void {
    this.at = this.now()
    this.next()
  }
}

/** A fiber that has ended has the context that it began with. */
const live = Effect.runSync(Effect.withFiber((fiber) => Effect.succeed({ context: fiber.context })))
const fiber = live as Fiber.Fiber<unknown, unknown>

describe("the limits of the live clock", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }))
  afterEach(() => void vi.useRealTimers())
  const now = () => performance.now()

  it("end at the end of their tick: never early, and no tick late", () => {
    const began = now()
    const all = [1, 3, 4, 5, 99, 100, 101, 250, 2_000].map((millis) => {
      const noted = new Noted(now)
      limit(noted, millis, fiber)
      return { millis, noted }
    })
    for (let n = 0; n < 2_100; n++) vi.advanceTimersByTime(1)
    for (const { millis, noted } of all) {
      const late = noted.at! - began - millis
      assert.isAtLeast(late, 0, `${millis}`)
      // A tick of 4 ms, and a timer of whole milliseconds.
      assert.isAtMost(late, 6, `${millis}`)
    }
    assert.strictEqual(running(), 0)
  })

  it("that are released do not end, and leave no timer soon", () => {
    const kept = new Noted(now)
    const gone = Array.from({ length: 1_000 }, () => new Noted(now))
    for (const one of gone) limit(one, 10_000, fiber)
    limit(kept, 10_000, fiber)
    for (const one of gone) release(one)
    assert.strictEqual(running(), 1)
    assert.strictEqual(vi.getTimerCount(), 1)
    vi.advanceTimersByTime(10_010)
    assert.isDefined(kept.at)
    assert.isTrue(gone.every(({ at }) => at === undefined))
    const last = new Noted(now)
    limit(last, 10_000, fiber)
    release(last)
    release(last)
    vi.advanceTimersByTime(100)
    assert.strictEqual(vi.getTimerCount(), 0)
    assert.strictEqual(running(), 0)
  })

  it("may end one another, and begin new ones", () => {
    const second = new Noted(now)
    const third = new Noted(now)
    const first: Noted = new Noted(now, () => {
      release(second)
      limit(third, 5, fiber)
    })
    // Who was put into a tick last ends first.
    limit(second, 20, fiber)
    limit(first, 20, fiber)
    vi.advanceTimersByTime(60)
    assert.isDefined(first.at)
    assert.isUndefined(second.at)
    assert.isAtLeast(third.at! - first.at!, 5)
    vi.advanceTimersByTime(100)
    assert.strictEqual(vi.getTimerCount(), 0)
  })

  it("that are begun as one ends do not delay those that come next", () => {
    const next = new Noted(now)
    const far = new Noted(now)
    const began = now()
    limit(new Noted(now, () => limit(far, 10_000, fiber)), 10, fiber)
    limit(next, 20, fiber)
    for (let n = 0; n < 200; n++) vi.advanceTimersByTime(1)
    assert.isAtMost(next.at! - began, 26)
    release(far)
    vi.advanceTimersByTime(100)
  })

  it.effect.prop(
    "whatever is begun and released, and when",
    {
      steps: Arbitrary.array(
        Arbitrary.schema(
          Schema.Struct({
            pause: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 })),
            millis: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 })),
            releases: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
          })
        ),
        { minLength: 1, maxLength: 40 }
      )
    },
    ({ steps }) =>
      Effect.sync(() => {
        const all: Array<{ readonly noted: Noted; readonly due: number; releasedAt: number | undefined }> = []
        for (const { millis, pause, releases } of steps) {
          vi.advanceTimersByTime(pause)
          const noted = new Noted(now)
          all.push({ noted, due: now() + millis, releasedAt: undefined })
          limit(noted, millis, fiber)
          const other = all[all.length - releases]
          if (other !== undefined && other.noted.at === undefined && other.releasedAt === undefined) {
            other.releasedAt = now()
            release(other.noted)
          }
        }
        vi.advanceTimersByTime(600)
        for (const { due, noted, releasedAt } of all) {
          if (releasedAt !== undefined) assert.isUndefined(noted.at)
          else assert.isTrue(noted.at! >= due && noted.at! <= due + 6, `due at ${due}, ended at ${noted.at}`)
        }
        assert.strictEqual(running(), 0)
        assert.strictEqual(vi.getTimerCount(), 0)
      }),
    tries(100)
  )
})

describe("the limits of another clock", () => {
  it.effect("end to the tick of that clock, and are driven by it alone", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clockWith(Effect.succeed)
      const kept = new Noted(() => clock.currentTimeMillisUnsafe())
      const gone = new Noted(() => 0)
      yield* Effect.withFiber((own) =>
        Effect.sync(() => {
          limit(kept, 2_000, own)
          limit(gone, 1_000, own)
        })
      )
      release(gone)
      assert.strictEqual(running(), 0)
      yield* TestClock.adjust(1_999)
      assert.isUndefined(kept.at)
      yield* TestClock.adjust(1)
      assert.strictEqual(kept.at, 2_000)
      assert.isUndefined(gone.at)
    })
  )
})
