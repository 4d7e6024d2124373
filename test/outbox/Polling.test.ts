/** Jobs as one operation: called, parked, stored before they are started, and resumed by another process. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Integration, Outbox, OutboxAdmin, OutboxStore, OutboxStoreMemory, Polling, Telemetry } from "breakwater"
import { SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Clock, Context, Duration, Effect, Exit, Fiber, FileSystem, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { makeWorld, order, type Process, report, ReportFailed, ReportLate, reportsOf } from "./reports.ts"

interface Harness {
  readonly name: string
  /** A unit of time, in milliseconds. */
  readonly unit: number
  readonly run: (
    name: string,
    body: (
      store: OutboxStore.Store,
      pass: Effect.Effect<void>,
      /** Runs a call in a transaction, where there are any: then a worker makes the first try too. */
      within: <A, E>(call: Effect.Effect<A, E>) => Effect.Effect<A, unknown>
    ) => Effect.Effect<void, unknown, Scope.Scope>
  ) => void
}

const memory: Harness = {
  name: "in memory",
  unit: 1_000,
  run: (name, body) =>
    it.effect(name, () =>
      Effect.scoped(
        Effect.flatMap(OutboxStoreMemory.make, (store) => body(store, TestClock.adjust("500 millis"), (call) => call))
      )
    )
}

const sqlite: Harness = {
  name: "in SQLite",
  unit: 20,
  run: (name, body) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const database = yield* Layer.build(
          SqliteClient.layer({ filename: `${folder}/outbox.db`, synchronous: "normal" })
        )
        const sql = Context.get(database, SqlClient.SqlClient)
        const provided = Effect.provideService(SqlClient.SqlClient, sql)
        yield* provided(SqlOutboxStore.migrate())
        yield* body(yield* provided(SqlOutboxStore.make()), Effect.sleep("10 millis"), sql.withTransaction)
      }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
    )
}

/** Lets time pass until something is so. */
const until = (pass: Effect.Effect<void>, what: string, is: () => boolean | Effect.Effect<boolean, unknown>) =>
  Effect.gen(function* () {
    for (let n = 0; n < 2_000; n++) {
      const found = is()
      if (typeof found === "boolean" ? found : yield* found) return
      yield* pass
    }
    assert.fail(`it did not come to that: ${what}`)
  })

const only = (store: OutboxStore.Store) =>
  Effect.map(store.list({}, { limit: 10 }), (all) => {
    assert.strictEqual(all.length, 1)
    return all[0]!
  })

/** A process that is never closed: it dies, at the end of its test at the latest. */
const begun = <A, E>(layer: (process: Process) => Layer.Layer<A, E>) =>
  Effect.gen(function* () {
    const process = yield* Effect.acquireRelease(
      Effect.sync((): Process => ({ dead: false })),
      (process) => Effect.sync(() => void (process.dead = true))
    )
    return { process, context: yield* Layer.buildWithScope(layer(process), yield* Scope.make()) }
  })

for (const { name, run, unit } of [memory, sqlite]) {
  describe(`Polling.operation, stored ${name}`, () => {
    for (const [state, end] of [
      ["done", ["delivered", report, "Applied"]],
      ["failed", ["dead", new ReportFailed({ why: "no space" }), "Refused"]]
    ] as const) {
      run(`a process dies while the job runs: another goes on with it (${state})`, (store, pass) =>
        Effect.gen(function* () {
          const { Reports, start, told } = reportsOf(unit)
          const world = makeWorld()
          const { context, process: first } = yield* begun((process) => start(world, store, process))
          const fiber = yield* Effect.forkDetach(Context.get(context, Reports).make(order))
          yield* until(pass, "the job is asked for", () => world.looks >= 2)
          first.dead = true
          assert.isTrue(Outbox.isQueued(yield* Fiber.join(fiber)))
          world.state = state
          yield* begun((process) => start(world, store, process))
          yield* until(pass, "it has ended", () => told.length > 0)
          assert.deepStrictEqual(told, [end])
          assert.deepStrictEqual([world.starts.length, world.jobs.size], [1, 1])
          yield* until(pass, "it is written down", () =>
            Effect.map(only(store), (entry) => entry.state === (state === "done" ? "Delivered" : "Dead"))
          )
          for (let n = 0; n < 100; n++) yield* pass
          assert.strictEqual(told.length, 1)
        })
      )
    }

    run(
      "a process dies before it has seen that the job was started: its key gives the same job",
      (store, pass, within) =>
        Effect.gen(function* () {
          const { Reports, start, told } = reportsOf(unit)
          const world = makeWorld()
          const { context, process: first } = yield* begun((process) => start(world, store, process))
          world.onStart = () => void (first.dead = true)
          yield* Effect.forkDetach(within(Context.get(context, Reports).make(order)))
          yield* until(pass, "the job is started", () => world.starts.length === 1)
          world.onStart = () => {}
          world.state = "done"
          yield* begun((process) => start(world, store, process))
          yield* until(pass, "it has ended", () => told.length > 0)
          assert.deepStrictEqual(told, [["delivered", report, "Applied"]])
          assert.strictEqual(world.starts.length, 2)
          assert.strictEqual(new Set(world.starts).size, 1)
          assert.strictEqual(world.jobs.size, 1)
        })
    )

    run("a delivery whose time is up leaves it unclear, and the next goes on with the same job", (store, pass) =>
      Effect.gen(function* () {
        const { Reports, start, told } = reportsOf(unit)
        const world = makeWorld()
        const { context } = yield* begun((process) => start(world, store, process))
        const queued = yield* Effect.forkDetach(Context.get(context, Reports).make(order))
        yield* until(pass, "two deliveries have waited", () =>
          Effect.map(
            store.list({}, { limit: 1 }),
            ([entry]) => entry !== undefined && entry.state === "Pending" && entry.history.length >= 3
          )
        )
        const entry = yield* only(store)
        assert.deepStrictEqual([entry.outcome, entry.attempts, entry.why], ["Unknown", 0, undefined])
        assert.match(entry.history[0]!.message, /the job was started/)
        assert.match(entry.history[1]!.message, /the job has not ended \(asked \w+/)
        assert.deepStrictEqual(told, [])
        world.state = "done"
        yield* until(pass, "it has ended", () => told.length > 0)
        assert.strictEqual(world.starts.length, 1)
        assert.isTrue(Outbox.isQueued(yield* Fiber.join(queued)))
      })
    )

    run("a process that is stopped gives the job back at once", (store, pass) =>
      Effect.gen(function* () {
        const { Reports, start, told } = reportsOf(unit)
        const world = makeWorld()
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(start(world, store), scope)
        yield* Effect.forkDetach(Context.get(context, Reports).make(order))
        yield* until(pass, "the job is asked for", () => world.looks >= 2)
        const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
        yield* until(pass, "it is closed", () => closing.pollUnsafe() !== undefined)
        const entry = yield* only(store)
        assert.deepStrictEqual([entry.state, entry.outcome, entry.attempts], ["Pending", "Unknown", 0])
        assert.isDefined(entry.answer)
        world.state = "done"
        yield* begun((process) => start(world, store, process))
        yield* until(pass, "it has ended", () => told.length > 0)
        assert.deepStrictEqual([told[0]![0], world.starts.length], ["delivered", 1])
      })
    )
  })
}

describe("Polling.operation, stored", () => {
  const ends = (
    name: string,
    set: (world: ReturnType<typeof makeWorld>) => void,
    expected: ReadonlyArray<readonly [string, unknown, string]>,
    starts: number
  ) =>
    memory.run(name, (store, pass) =>
      Effect.gen(function* () {
        const { Reports, start, told } = reportsOf(1_000, { expires: 100 })
        const world = makeWorld()
        set(world)
        const { context } = yield* begun((process) => start(world, store, process))
        yield* Effect.forkDetach(Effect.exit(Context.get(context, Reports).make(order)))
        yield* until(pass, "it has ended", () => told.length > 0)
        for (let n = 0; n < 100; n++) yield* pass
        assert.deepStrictEqual(told, expected)
        assert.strictEqual(world.starts.length, starts)
      })
    )

  ends(
    "a start that does not arrive is repeated",
    (world) => {
      world.answers.push("down", "down", "down")
      world.state = "done"
    },
    [["delivered", report, "Applied"]],
    4
  )
  ends(
    "a start that is an end already needs no look",
    (world) => void world.answers.push("at once"),
    [["delivered", report, "Applied"]],
    1
  )
  ends(
    "a job that failed half way needs to be reconciled",
    (world) => void (world.state = "partly"),
    [["unclear", "unclear", "Unknown"]],
    1
  )
  ends(
    "a state that nobody knows needs to be reconciled",
    (world) => void (world.state = "odd"),
    [["unclear", "unclear", "Unknown"]],
    1
  )
  ends("past its own time it is unclear", () => {}, [["unclear", "expired", "Unknown"]], 1)

  memory.run("the caller has Queued as soon as the job is stored, and can wait for it", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start } = reportsOf(1_000)
      const world = makeWorld()
      const { context } = yield* begun((process) => start(world, store, process))
      const queued = yield* Context.get(context, Reports).make(order)
      assert.isTrue(Outbox.isQueued(queued))
      const entry = yield* only(store)
      const { answer, outcome, state } = entry
      assert.include(OutboxAdmin.next(entry), "the provider has accepted it, and a worker goes on with it")
      assert.deepStrictEqual([state, outcome, world.looks], ["Pending", "Unknown", 0])
      assert.include(answer, "job-1")
      const waiting = yield* Effect.forkDetach(
        Effect.provide(Outbox.await(Reports, "make", queued as Outbox.Queued), context)
      )
      world.state = "done"
      yield* until(pass, "it has ended", () => waiting.pollUnsafe() !== undefined)
      assert.deepStrictEqual(yield* Fiber.join(waiting), report)
    })
  )

  memory.run("a call whose time is up is parked, and a worker gets the same job by its key", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000)
      const world = makeWorld()
      const { context } = yield* begun((process) => start(world, store, process))
      const parking = yield* Effect.forkDetach(Context.get(context, Reports).park(order))
      yield* until(pass, "it is parked", () => parking.pollUnsafe() !== undefined)
      assert.isTrue(Outbox.isParked(yield* Fiber.join(parking)))
      world.state = "done"
      yield* until(pass, "it has ended", () => told.length > 0)
      assert.deepStrictEqual(told, [["delivered", report, "Applied"]])
      assert.deepStrictEqual([world.starts.length, world.jobs.size], [2, 1])
    })
  )

  memory.run("a failed job settles what became of a start that has no key", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000)
      const world = makeWorld()
      world.state = "failed"
      const { context } = yield* begun((process) => start(world, store, process))
      yield* Context.get(context, Reports).put(order)
      yield* until(pass, "it has ended", () => told.length > 0)
      assert.deepStrictEqual(told, [["dead", new ReportFailed({ why: "no space" }), "Refused"]])
      assert.deepStrictEqual([world.starts.length, world.looks], [1, 1])
    })
  )

  memory.run(
    "waits in the outbox for longer than a delivery may, when the schedule or the provider says so",
    (store, pass) =>
      Effect.gen(function* () {
        const { Reports, start, told } = reportsOf(1_000, { pause: 30 })
        const world = makeWorld()
        world.after = 60
        const { context } = yield* begun((process) => start(world, store, process))
        yield* Context.get(context, Reports).make(order)
        yield* until(pass, "it was asked for twice", () => world.looks === 2)
        world.state = "done"
        yield* until(pass, "it has ended", () => told.length > 0)
        assert.deepStrictEqual([world.starts.length, world.looks], [1, 3])
        assert.isAtLeast(yield* Clock.currentTimeMillis, 150_000)
      })
  )

  memory.run("a handler that failed runs again from the end, which is not asked for again", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, handling, start, told } = reportsOf(1_000)
      const world = makeWorld()
      world.state = "done"
      handling.failing = 2
      const { context } = yield* begun((process) => start(world, store, process))
      yield* Context.get(context, Reports).make(order)
      yield* until(pass, "it was told", () => told.length > 0)
      assert.deepStrictEqual(told, [["delivered", report, "Applied"]])
      assert.deepStrictEqual([world.starts.length, world.looks], [1, 1])
    })
  )

  memory.run("its job is enciphered, as all that is stored", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000)
      const world = makeWorld()
      const reversed = (text: string) => Effect.succeed(Array.from(text).toReversed().join(""))
      const { context } = yield* begun((process) => start(world, store, process)).pipe(
        Effect.provideService(OutboxStore.Cipher, { encrypt: reversed, decrypt: reversed })
      )
      yield* Context.get(context, Reports).make(order)
      const { answer } = yield* only(store)
      assert.isDefined(answer)
      assert.notInclude(answer, "job-1")
      world.state = "done"
      yield* until(pass, "it has ended", () => told.length > 0)
      assert.strictEqual(world.starts.length, 1)
    })
  )

  memory.run("goes on past the life of the key, which it does not send any more", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000, { lifetime: "10 minutes" })
      const world = makeWorld()
      const { context, process } = yield* begun((process) => start(world, store, process))
      yield* Context.get(context, Reports).make(order)
      process.dead = true
      yield* TestClock.adjust("20 minutes")
      world.state = "done"
      yield* begun((process) => start(world, store, process))
      yield* until(pass, "it has ended", () => told.length > 0)
      assert.deepStrictEqual(told, [["delivered", report, "Applied"]])
      assert.strictEqual(world.starts.length, 1)
    })
  )

  memory.run("a person who redrives it has the same job", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000)
      const world = makeWorld()
      world.state = "odd"
      const { context } = yield* begun((process) => start(world, store, process))
      yield* Context.get(context, Reports).make(order)
      yield* until(pass, "it is unclear", () => told.length > 0)
      world.state = "done"
      yield* store.change(
        yield* only(store),
        { _tag: "Redrive", delay: Duration.zero, newKey: undefined },
        { action: "redrive", by: "test", evidence: "the state is known now" }
      )
      yield* until(pass, "it has ended", () => told.length > 1)
      assert.deepStrictEqual(told[1], ["delivered", report, "Applied"])
      assert.deepStrictEqual([new Set(world.starts).size, world.jobs.size], [1, 1])
    })
  )

  memory.run("its deliveries are well: each is one event, queued until the last", (store, pass) =>
    Effect.gen(function* () {
      const { Reports, start, told } = reportsOf(1_000)
      const world = makeWorld()
      const events: Array<string> = []
      const observed = Effect.provideService(Telemetry.Observers, [
        ({ callOutcome, operation, outcome }: Telemetry.CallObserved) =>
          void (operation === "make" && events.push(`${callOutcome} ${outcome}`))
      ])
      const { context } = yield* observed(begun((process) => start(world, store, process)))
      yield* observed(Context.get(context, Reports).make(order))
      yield* until(pass, "two deliveries have waited", () => events.length >= 3)
      world.state = "done"
      yield* until(pass, "it has ended", () => told.length > 0)
      assert.deepStrictEqual(events, ["queued Unknown", "queued Unknown", "queued Unknown", "ok Applied"])
    })
  )

  it.effect("is refused where a delivery would wait too long", () =>
    Effect.gen(function* () {
      const { start } = reportsOf(1_000, { within: 1_800 })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(start(makeWorld(), yield* OutboxStoreMemory.make))))
      assert.include(String(error), "a delivery that waits for 30 min is noticed that late")
    })
  )
})

describe("Polling.operation, called", () => {
  const called = (state: "done" | "failed" | "running" | "odd", answer?: "down") =>
    Effect.gen(function* () {
      const { Reports, polling, start } = reportsOf(1_000)
      const world = makeWorld()
      world.state = state
      if (answer !== undefined) world.answers.push(answer)
      const store = yield* OutboxStoreMemory.make
      const { context } = yield* begun((process) => start(world, store, process))
      const events: Array<Telemetry.CallObserved> = []
      const call = Context.get(context, Reports)
        .live(order)
        .pipe(Effect.exit, Effect.provideService(Telemetry.Observers, [(event) => void events.push(event)]))
      const fiber = yield* Effect.forkDetach(call)
      yield* until(TestClock.adjust("500 millis"), "it has ended", () => fiber.pollUnsafe() !== undefined)
      return { exit: yield* Fiber.join(fiber), events, world, context, polling }
    })

  it.effect("gives the end, as one call with those of start and status inside", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* called("done")
      assert.deepStrictEqual(exit, Exit.succeed(report))
      assert.deepStrictEqual(
        events.map(({ callOutcome, integration, operation }) => [integration, operation, callOutcome]),
        [
          ["test/Jobs", "start", "ok"],
          ["test/Jobs", "status", "ok"],
          ["test/Reports", "live", "ok"]
        ]
      )
      assert.strictEqual(new Set(events.map(({ traceId }) => traceId)).size, 1)
    })
  )

  it.effect("a failed job is its declared error, and did not happen", () =>
    Effect.gen(function* () {
      const { events, exit } = yield* called("failed")
      assert.deepStrictEqual(exit, Exit.fail(new ReportFailed({ why: "no space" })))
      assert.deepStrictEqual([events.at(-1)!.outcome, events.at(-1)!.callOutcome], ["Refused", "failed"])
    })
  )

  it.effect("when the time is up it is unclear, and the job that goes on can be resumed", () =>
    Effect.gen(function* () {
      const { context, exit, polling, world } = yield* called("running")
      const job = { polling: "test/report", ref: { id: "job-1" }, startedAt: 0 }
      assert.deepStrictEqual(exit, Exit.fail(new ReportLate({ outcome: "Unknown", reason: "InProgress", job })))
      assert.strictEqual(world.looks, 9)
      world.state = "done"
      const fiber = yield* Effect.forkDetach(Effect.provide(Polling.resume(polling, job), context))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), report)
      assert.strictEqual(world.starts.length, 1)
    })
  )

  it.effect("an error of the start means what `classify` says", () =>
    Effect.gen(function* () {
      const { exit } = yield* called("running", "down")
      assert.deepStrictEqual(
        exit,
        Exit.fail(new ReportLate({ outcome: "NotSent", reason: "Unreachable", job: undefined }))
      )
    })
  )

  it("its plan says how long it may take, and who retries", () => {
    const plan = Integration.planText(reportsOf(1_000).Reports)
    assert.include(plan, "the call ends within 20 s, whatever it waits for")
    assert.include(plan, "start and status of test/report are retried by their own integration")
  })
})
