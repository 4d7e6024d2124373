import { assert, describe, it } from "@effect/vitest"
import { Deadline, Polling } from "breakwater"
import { Clock, Data, type Duration, Effect, Exit, Fiber, Latch, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"

class StartFailed extends Data.TaggedError("StartFailed") {}
class ExportFailed extends Data.TaggedError("ExportFailed")<{ readonly why: string }> {}
class StatusDown extends Data.TaggedError("StatusDown")<{ readonly kind: "down" | "missing" | "denied" }> {}

type Answer =
  "running" | "done" | "failed" | "odd" | "down" | "missing" | "denied" | "hangs" | { readonly after: string | number }

/** A provider with one kind of job. `looks` are the times of the questions, in seconds. */
const provider = (...answers: ReadonlyArray<Answer>) => {
  const looks: Array<number> = []
  const starts: Array<string> = []
  let next = 0
  const polling = Polling.make("test/export", {
    job: Schema.Struct({ id: Schema.String }),
    start: (input: string): Effect.Effect<Polling.Started<{ id: string }> | Polling.Step<string, never>, StartFailed> =>
      Effect.gen(function* () {
        starts.push(input)
        if (input === "refused") return yield* new StartFailed()
        if (input === "at once") return Polling.succeeded("ready")
        if (input === "nonsense") return Polling.unexpected
        return Polling.started<{ id: string }>({ id: `job-${input}` }, input === "told" ? { retryAfter: "7" } : {})
      }),
    status: ({ id }) =>
      Effect.gen(function* () {
        looks.push((yield* Clock.currentTimeMillis) / 1_000)
        const answer = answers[Math.min(next++, answers.length - 1)]!
        if (typeof answer === "object") return Polling.running({ retryAfter: answer.after })
        switch (answer) {
          case "running":
            return Polling.running()
          case "done":
            return Polling.succeeded(`file of ${id}`)
          case "failed":
            return Polling.failed(new ExportFailed({ why: "no space" }))
          case "odd":
            return Polling.unexpected
          case "hangs":
            return yield* Effect.never
          default:
            return yield* new StatusDown({ kind: answer })
        }
      }),
    within: "1 minute",
    schedule: Schedule.spaced("5 seconds"),
    missing: (error) => error.kind === "missing",
    fatal: (error) => error.kind === "denied",
    grace: "10 seconds"
  })
  return { looks, starts, polling }
}

const virtually = <A, E, R>(self: Effect.Effect<A, E, R>, time: Duration.Input = "5 minutes") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(self))
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error : undefined

const failureOf = (exit: Exit.Exit<unknown, unknown>): Polling.PollingError => {
  const error = errorOf(exit)
  assert.instanceOf(error, Polling.PollingError)
  return error as Polling.PollingError
}

describe("Polling: the ends of a job", () => {
  it.effect("asks by the schedule until it is done", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("running", "running", "done")
      assert.deepStrictEqual(yield* virtually(Polling.run(polling, "a")), Exit.succeed("file of job-a"))
      assert.deepStrictEqual(looks, [5, 10, 15])
    })
  )

  it.effect("a job that failed is the application's error", () =>
    Effect.gen(function* () {
      const { polling } = provider("running", "failed")
      const exit = yield* virtually(Polling.run(polling, "a"))
      assert.deepStrictEqual(errorOf(exit), new ExportFailed({ why: "no space" }))
    })
  )

  it.effect("a start that fails, or is an end already, asks nothing", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("done")
      assert.deepStrictEqual(errorOf(yield* virtually(Polling.run(polling, "refused"))), new StartFailed())
      assert.deepStrictEqual(yield* virtually(Polling.run(polling, "at once")), Exit.succeed("ready"))
      assert.strictEqual(failureOf(yield* virtually(Polling.run(polling, "nonsense"))).reason, "UnknownState")
      assert.deepStrictEqual(looks, [])
    })
  )

  it.effect("a state that nobody knows ends it, once", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("running", "odd", "done")
      const error = failureOf(yield* virtually(Polling.run(polling, "a")))
      assert.deepStrictEqual([error.reason, error.outcome, error.polls], ["UnknownState", "Unknown", 2])
      assert.strictEqual(looks.length, 2)
    })
  )
})

describe("Polling: when it asks", () => {
  it.effect("a Retry-After takes the place of the schedule, of the start and of a status", () =>
    Effect.gen(function* () {
      const date = "Thu, 01 Jan 1970 00:00:40 GMT"
      const { looks, polling } = provider(
        { after: "12" },
        { after: 2 },
        { after: date },
        { after: "0" },
        { after: "soon" },
        "done"
      )
      assert.isTrue(Exit.isSuccess(yield* virtually(Polling.run(polling, "told"))))
      assert.deepStrictEqual(looks, [7, 19, 21, 40, 45, 50])
    })
  )

  it.effect("an error of a status says nothing of the job, unless it is fatal", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("down", "running", "down", "done")
      assert.deepStrictEqual(yield* virtually(Polling.run(polling, "a")), Exit.succeed("file of job-a"))
      assert.strictEqual(looks.length, 4)
      const denied = provider("running", "denied", "done")
      const error = failureOf(yield* virtually(Polling.run(denied.polling, "a")))
      assert.deepStrictEqual([error.reason, error.polls], ["StatusFailed", 2])
      assert.deepStrictEqual(error.error, new StatusDown({ kind: "denied" }))
      assert.strictEqual(denied.looks.length, 2)
    })
  )

  it.effect("a job may not be visible at first, and not for long", () =>
    Effect.gen(function* () {
      const late = provider("missing", "missing", "done")
      assert.isTrue(Exit.isSuccess(yield* virtually(Polling.run(late.polling, "a"))))
      const gone = provider("missing")
      const error = failureOf(yield* virtually(Polling.run(gone.polling, "a")))
      assert.strictEqual(error.reason, "Missing")
      // Up to ten seconds after its start, which was at 300.
      assert.deepStrictEqual(gone.looks, [305, 310, 315])
    })
  )
})

describe("Polling: a job that goes on", () => {
  it.effect("is told so at the deadline, and resumed from what the failure carries, without a second start", () =>
    Effect.gen(function* () {
      const running = Array.from({ length: 11 }, (): Answer => "running")
      const { looks, polling, starts } = provider(...running, "down", "done")
      const error = failureOf(yield* virtually(Polling.run(polling, "a")))
      assert.deepStrictEqual([error.reason, error.outcome, error.polls], ["Deadline", "Unknown", 11])
      assert.strictEqual(looks.at(-1), 55)
      assert.strictEqual(
        error.message,
        "test/export: the job is not done in time, and goes on (asked 11 times); keep `job`, and resume it later"
      )
      const stored = Schema.encodeSync(Schema.fromJsonString(Polling.Job))(error.job!)
      assert.strictEqual(stored, '{"polling":"test/export","ref":{"id":"job-a"},"startedAt":0}')
      const job = Schema.decodeSync(Schema.fromJsonString(Polling.Job))(stored)
      assert.deepStrictEqual(yield* virtually(Polling.resume(polling, job)), Exit.succeed("file of job-a"))
      assert.deepStrictEqual(starts, ["a"])
    })
  )

  it.effect("a wait that the provider asks for and that can't fit ends it at once", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider({ after: "3600" })
      const fiber = yield* Effect.forkChild(Effect.exit(Polling.run(polling, "a")))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(failureOf(yield* Fiber.join(fiber)).reason, "Deadline")
      assert.strictEqual(looks.length, 1)
    })
  )

  it.effect("a deadline around it shortens it, and a status that hangs is left at its end", () =>
    Effect.gen(function* () {
      const { polling } = provider("hangs")
      const fiber = yield* Effect.forkChild(Effect.exit(Deadline.within(Polling.run(polling, "a"), "8 seconds")))
      yield* TestClock.adjust("8 seconds")
      const error = failureOf(yield* Fiber.join(fiber))
      assert.deepStrictEqual([error.reason, error.polls], ["Deadline", 1])
    })
  )

  it.effect("a schedule that ends says so", () =>
    Effect.gen(function* () {
      const polling = Polling.make("test/short", {
        job: Schema.String,
        start: () => Effect.succeed(Polling.started("j")),
        status: () => Effect.succeed(Polling.running()),
        within: "1 minute",
        schedule: Schedule.recurs(2)
      })
      const error = failureOf(yield* virtually(Polling.run(polling, undefined)))
      assert.deepStrictEqual([error.reason, error.polls], ["Spent", 2])
    })
  )

  it.effect("is handed out before it is asked for, also where the caller gives up meanwhile", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("done")
      const storing = yield* Latch.make()
      const go = yield* Latch.make()
      const jobs: Array<Polling.Job> = []
      const fiber = yield* Effect.forkChild(
        Polling.run(polling, "a", {
          onJob: (job) =>
            Effect.andThen(
              Effect.andThen(storing.open, go.await),
              Effect.sync(() => jobs.push(job))
            )
        })
      )
      yield* storing.await
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* Effect.yieldNow
      yield* go.open
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(jobs, [{ polling: "test/export", ref: { id: "job-a" }, startedAt: 0 }])
      assert.deepStrictEqual(looks, [])
      assert.deepStrictEqual(yield* virtually(Polling.resume(polling, jobs[0]!)), Exit.succeed("file of job-a"))
    })
  )

  it.effect("of another polling, or that can't be read, is not asked for", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("done")
      for (const job of [
        { polling: "test/other", ref: { id: "1" }, startedAt: 0 },
        { polling: "test/export", ref: { number: 1 }, startedAt: 0 }
      ]) {
        assert.strictEqual(failureOf(yield* virtually(Polling.resume(polling, job))).reason, "OtherJob")
        assert.strictEqual(failureOf(yield* virtually(Polling.check(polling, job))).reason, "OtherJob")
      }
      assert.deepStrictEqual(looks, [])
    })
  )

  it.effect("`check` asks once", () =>
    Effect.gen(function* () {
      const { looks, polling } = provider("running", "down", "failed", "odd", "done")
      const job = yield* Polling.jobOf(polling, { id: "1" }, 0)
      assert.isUndefined(yield* Polling.check(polling, job))
      assert.isUndefined(yield* Polling.check(polling, job))
      assert.deepStrictEqual(
        yield* Effect.exit(Polling.check(polling, job)),
        Exit.fail(new ExportFailed({ why: "no space" }))
      )
      assert.strictEqual(failureOf(yield* Effect.exit(Polling.check(polling, job))).reason, "UnknownState")
      assert.deepStrictEqual(yield* Polling.check(polling, job), { value: "file of 1" })
      assert.strictEqual(looks.length, 5)
    })
  )
})

describe("Polling: where a job is", () => {
  const at = {
    path: "/v1/tenants/:tenant/jobs/:id",
    origins: ["https://api.example.com", "https://eu.example.com:8443/"]
  } as const

  it.each([
    "/v1/tenants/t%201/jobs/7",
    "/v1/tenants/t%201/jobs/7?version=2#x",
    "https://api.example.com/v1/tenants/t%201/jobs/7",
    "HTTPS://API.example.com:443/v1/tenants/t%201/jobs/7",
    "https://eu.example.com:8443/v1/x/../tenants/t%201/jobs/7"
  ])("takes %s", (location) => {
    const found: { readonly tenant: string; readonly id: string } = Effect.runSync(Polling.fromLocation(location, at))
    assert.deepStrictEqual(found, { tenant: "t 1", id: "7" })
  })

  it.each([
    undefined,
    null,
    "",
    "https://evil.test/v1/tenants/t/jobs/7",
    "//evil.test/v1/tenants/t/jobs/7",
    "\\\\evil.test/v1/tenants/t/jobs/7",
    "http://api.example.com/v1/tenants/t/jobs/7",
    "https://api.example.com:444/v1/tenants/t/jobs/7",
    "https://api.example.com@evil.test/v1/tenants/t/jobs/7",
    "https://user:pass@api.example.com/v1/tenants/t/jobs/7",
    "https://api.example.com.evil.test/v1/tenants/t/jobs/7",
    "http://relative.invalid/v1/tenants/t/jobs/7",
    "/v1/tenants/t/jobs",
    "/v1/tenants//jobs/7",
    "/v1/tenants/t/jobs/7/result",
    "/v1/tenants/%ff/jobs/7",
    "/v2/tenants/t/jobs/7",
    "https://["
  ])("refuses %s", (location) => {
    const error = Effect.runSync(Effect.flip(Polling.fromLocation(location, at)))
    assert.deepStrictEqual([error.reason, error.outcome, error.job], ["BadLocation", "Unknown", undefined])
    assert.notInclude(error.message, "evil")
  })
})
