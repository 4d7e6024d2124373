// Kept answers against a model: only the last good answer, to the same question, of the same principal, younger than it may
// be, for a reason that passes; and never more of them than there may be.
import { assert, describe, it } from "@effect/vitest"
import { Policy, Reason } from "breakwater"
import { Arbitrary, Duration, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, catalog, patient, start, User } from "./askers.ts"
import { ownClock, stage } from "./stepping.ts"
import { failureOf, say, seed, seededly, tries } from "./support.ts"

const lasts = 1_000
const most = 3

const does = ["answers", "answers", "fails", "throttles", "rejects", "hangs", "dies", "is given up"] as const

const whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const steps = Arbitrary.array(
  Arbitrary.schema(
    Schema.Struct({
      user: Schema.Literals(["ada", "bob"]),
      id: Schema.Literals(["a", "b", "c"]),
      waits: whole(0, 7),
      does: whole(0, does.length - 1)
    })
  ),
  { minLength: 4, maxLength: 14 }
)

/** What is kept, by the rules that the page states: a list, the most recently used last. */
class Model {
  private kept: Array<{ readonly key: string; readonly n: number; readonly at: number }> = []

  answered(key: string, n: number, at: number) {
    this.kept = [...this.kept.filter((entry) => entry.key !== key), { key, n, at }].slice(-most)
  }

  failed(key: string, now: number) {
    const entry = this.kept.find((one) => one.key === key)
    if (entry === undefined || now - entry.at >= lasts) return undefined
    this.kept = [...this.kept.filter((one) => one !== entry), entry]
    return entry
  }

  /** What is too old takes no room for longer than twice its time, and may take none as soon as it is too old. */
  forgets(now: number, has: (key: string) => boolean) {
    this.kept = this.kept.filter((entry) => now - entry.at < lasts || has(entry.key))
  }
}

describe("the last good answer", () => {
  for (const mode of ["enforce", "observe"] as const) {
    it.effect.prop(
      `as the model says, whatever is asked and whatever comes of it (${mode})`,
      { seed, steps },
      ({ seed, steps }) =>
        Effect.gen(function* () {
          let behaviour: (typeof does)[number] = "answers"
          const { events, get, sent, state } = yield* catalog({
            policy: Policy.stack(patient, Policy.totalDeadline(100), Policy.attemptTimeout(100)),
            stale: Policy.withMode(Policy.staleIfError({ for: lasts, principal: User, maxEntries: most }), mode),
            send: () => {
              switch (behaviour) {
                case "answers":
                  return Effect.void
                case "fails":
                  return say(Reason.unavailable())
                case "throttles":
                  return say(Reason.throttled())
                case "rejects":
                  return say(Reason.rejected())
                case "dies":
                  return Effect.die(new Error("boom"))
                default:
                  return Effect.never
              }
            }
          })
          const model = new Model()
          // Keys are digests; the model finds out which of its own is kept by the answer that stands there.
          const has = (key: string) =>
            [...state.kept!.entries.values()].some(({ answer }) => {
              const { id, user } = answer as typeof Answer.Type
              return `${user} ${id}` === key
            })
          let now = 0
          for (const { does: index, id, user, waits } of steps) {
            yield* TestClock.adjust(waits * 100)
            now += waits * 100
            behaviour = does[index]!
            const key = `${user} ${id}`
            model.forgets(now, has)
            const fiber = yield* start(Policy.withStaleAge(get(id, user)))
            if (behaviour === "hangs" || behaviour === "is given up") {
              yield* TestClock.adjust(50)
              now += 50
            }
            if (behaviour === "is given up") fiber.interruptUnsafe()
            if (behaviour === "hangs") {
              yield* TestClock.adjust(50)
              now += 50
              model.forgets(now, has)
            }
            yield* TestClock.adjust(0)
            const exit = fiber.pollUnsafe()!
            assert.isDefined(exit, "a call did not end")
            const told = events.at(-1)!.decisions.some(({ decided }) => decided === "served_stale")
            switch (behaviour) {
              case "answers":
                assert.deepStrictEqual(exit, Exit.succeed({ value: { user, id, n: sent.length }, age: undefined }))
                model.answered(key, sent.length, now)
                assert.isFalse(told)
                break
              case "fails":
              case "throttles":
              case "hangs": {
                const entry = model.failed(key, now)
                assert.strictEqual(told, entry !== undefined)
                if (entry === undefined || mode === "observe") assert.isDefined(failureOf(exit))
                else {
                  assert.isTrue(Exit.isSuccess(exit))
                  const { age, value } = (exit as Exit.Success<{ value: typeof Answer.Type; age: Duration.Duration }>)
                    .value
                  assert.deepStrictEqual([value, Duration.toMillis(age)], [{ user, id, n: entry.n }, now - entry.at])
                  assert.strictEqual(events.at(-1)!.callOutcome, "fallback")
                }
                break
              }
              default:
                assert.isTrue(Exit.isFailure(exit))
                assert.isFalse(told)
            }
            assert.isAtMost(state.kept!.entries.size, most)
            if (state.kept!.entries.size > 0) assert.isDefined(state.kept!.sweeper)
          }
          assert.strictEqual(events.length, steps.length)
          yield* TestClock.adjust(2 * lasts)
          assert.strictEqual(state.kept!.entries.size, 0, "what is too old is still kept")
          assert.isUndefined(state.kept!.sweeper)
        }).pipe(seededly(seed)),
      tries(mode === "enforce" ? 600 : 200)
    )
  }

  it.live(
    "ten thousand questions leave no more than there is room for, and no timer once the layer has closed",
    () =>
      Effect.gen(function* () {
        const seen = yield* Effect.scoped(
          Effect.gen(function* () {
            const { get, state } = yield* catalog({
              stale: Policy.staleIfError({ for: "1 hour", principal: User, maxEntries: 100 })
            })
            for (let n = 0; n < 10_000; n++) yield* get(`${n}`)
            assert.strictEqual(state.kept!.entries.size, 100)
            return state.kept!.sweeper!
          })
        )
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(seen)))
      }).pipe(seededly(1)),
    60_000
  )
})

describe("interruption at every yield point", () => {
  for (const fails of [false, true]) {
    it(
      fails ? "of a call that would be served" : "of a call that answers",
      () => {
        let points = 0
        for (let k = 0; k < 5_000; k++) {
          let failing = false
          const { built, close, run, start, stepper } = stage(
            ownClock(),
            catalog({
              stale: Policy.staleIfError({ for: "1 minute", principal: User }),
              send: () => Effect.andThen(Effect.yieldNow, failing ? say(Reason.unavailable()) : Effect.void)
            })
          )
          run(built.get())
          failing = fails
          const fiber = start(built.get())
          for (let n = 0; n < k; n++) stepper.step()
          const ended = fiber.pollUnsafe() !== undefined
          fiber.interruptUnsafe()
          stepper.drain()
          assert.isDefined(fiber.pollUnsafe(), `k = ${k}: it did not end`)
          assert.isAtMost(built.events.length, 2, `k = ${k}`)
          assert.strictEqual(built.state.kept!.entries.size, 1, `k = ${k}`)
          failing = true
          const served = run(built.get())
          assert.isTrue(Exit.isSuccess(served), `k = ${k}: the answer is lost`)
          // An answer that came is kept, and one that was given up is not.
          if (!fails) {
            const { n } = (served as Exit.Success<typeof Answer.Type>).value
            assert.isTrue(n === 1 || n === 2, `k = ${k}`)
            if (built.events[1]?.callOutcome === "ok") assert.strictEqual(n, 2, `k = ${k}`)
          }
          assert.isTrue(close(), `k = ${k}: the layer does not close`)
          if (ended) break
          points++
        }
        assert.isAbove(points, 30)
      },
      60_000
    )
  }
})
