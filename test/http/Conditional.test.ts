// Conditional writes: a change is never made twice, and never reported as refused when it was made.
import { assert, describe, it } from "@effect/vitest"
import {
  Conditional,
  Exhaustion,
  Idempotency,
  Integration,
  Operation,
  Outbox,
  OutboxStore,
  OutboxStoreMemory
} from "breakwater"
import { OutboxWorker, Outcome, Policy, Reason } from "breakwater"
import { expectOutcome, FaultInjection, IntegrationTest } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Arbitrary, Data, Effect, Exit, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { between, oneOf, seed, seededly, settle, tries } from "../properties/support.ts"
import {
  appendMine,
  Docs,
  DocsDown,
  docsOver,
  DocsReads,
  DocumentChanged,
  makeDocs,
  NoDocument,
  policy
} from "./documents.ts"
import { undici } from "./wire.ts"

const quiet = Logger.layer([])
const { cutBody, resetBeforeReading, responseLost, status } = FaultInjection
const mine = { params: { id: "d1" }, payload: { line: "mine" } }

/** Runs a test over documents of its own; the faults strike writes alone, unless told otherwise. */
const docs = (
  name: string,
  options: {
    readonly faults?: ReadonlyArray<FaultInjection.Fault | undefined>
    readonly others?: ReadonlyArray<number>
    readonly othersAfter?: ReadonlyArray<number>
  },
  body: (
    docs: Docs["Service"],
    upstream: ReturnType<typeof makeDocs>
  ) => Effect.Effect<void, unknown, IntegrationTest.Recording | OutboxStore.OutboxStore | Docs | DocsReads>
) =>
  it.effect(name, () =>
    Effect.suspend(() => {
      const upstream = makeDocs(FaultInjection.script(...(options.faults ?? [])))
      upstream.state.others = new Set(options.others)
      upstream.state.othersAfter = new Set(options.othersAfter)
      return Effect.flatMap(Docs, (service) => body(service, upstream)).pipe(
        Effect.provide(docsOver(upstream).pipe(Layer.provideMerge(OutboxStoreMemory.layer), Layer.provideMerge(quiet)))
      )
    })
  )

const failure = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(settle(self), (exit) =>
    Exit.isFailure(exit) ? Effect.flip(exit) : Effect.die(new Error(`it succeeded: ${JSON.stringify(exit.value)}`))
  )

/** The failure behind the error of `orElse`. */
const down = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(failure(self), (error) =>
    error instanceof DocsDown ? Effect.succeed(error.failure) : Effect.die(new Error(`another error: ${String(error)}`))
  )

const lines = ({ state }: ReturnType<typeof makeDocs>) => state.docs.get("d1")?.lines

describe("a conflict on a first attempt: somebody else was faster", () => {
  docs("declared: its case of translate, refused", { others: [0] }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.append(appendMine())), new DocumentChanged())
      assert.strictEqual(upstream.requests[0]?.headers["if-match"], '"v1"')
      assert.deepStrictEqual(upstream.state.done, [])
      expectOutcome(yield* IntegrationTest.Recording).of("append", { outcome: "Refused", attempts: ["Declared"] })
    })
  )

  docs("not declared: PreconditionFailed, refused and final", { others: [0] }, (docs) =>
    Effect.gen(function* () {
      const { outcome, reason, stopped } = yield* down(docs.appendPost(appendMine()))
      assert.deepInclude(reason, { _tag: "PreconditionFailed", outcome: "Refused", transient: false, status: 412 })
      assert.deepStrictEqual([outcome, stopped], ["Refused", "not transient"])
      expectOutcome(yield* IntegrationTest.Recording).of("appendPost", {
        errorType: "412",
        attempts: ["PreconditionFailed"]
      })
    })
  )

  docs("a 409, where the operation says that it means that", { others: [0] }, (docs) =>
    Effect.gen(function* () {
      const call = docs.appendAt({ ...mine, query: { version: 1 } })
      assert.deepStrictEqual(yield* failure(call), new DocumentChanged())
      expectOutcome(yield* IntegrationTest.Recording).of("appendAt", { outcome: "Refused", attempts: ["Declared"] })
    })
  )

  docs("it exists already", {}, (docs, upstream) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.create(mine)), new DocumentChanged())
      assert.strictEqual(upstream.requests[0]?.headers["if-none-match"], "*")
      expectOutcome(yield* IntegrationTest.Recording).of("create", { outcome: "Refused", attempts: ["Declared"] })
    })
  )

  docs("after attempts that certainly did nothing, it is certain too", { faults: [status(429)], others: [0] }, (docs) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.append(appendMine())), new DocumentChanged())
      expectOutcome(yield* IntegrationTest.Recording).of("append", {
        outcome: "Refused",
        attempts: ["Throttled", "Declared"]
      })
    })
  )
})

describe("a conflict after an attempt that may have been applied", () => {
  for (const own of [true, false]) {
    const whose = own ? "it was one's own" : "it was somebody else's"
    const faults = [own ? responseLost : resetBeforeReading]
    const others = own ? [] : [0]
    const cases: ReadonlyArray<readonly [string, (docs: Docs["Service"]) => Effect.Effect<unknown, unknown>]> = [
      ["a declared 412", (docs) => docs.append(appendMine())],
      ["a 412 that is not declared", (docs) => docs.appendPost(appendMine())],
      ["a declared 409", (docs) => docs.appendAt({ ...mine, query: { version: 1 } })],
      ["a look that proves nothing", (docs) => docs.appendLooking(appendMine())]
    ]
    for (const [name, call] of cases) {
      if (own && name.startsWith("a look")) continue
      docs(`${name}: unknown, and no case of translate (${whose})`, { faults, others }, (docs, upstream) =>
        Effect.gen(function* () {
          const { outcome, reason } = yield* down(call(docs))
          assert.strictEqual(upstream.state.done.length, own ? 1 : 0)
          assert.deepInclude(reason, {
            _tag: "PreconditionFailed",
            outcome: "Unknown",
            transient: false,
            error: undefined
          })
          assert.strictEqual(outcome, "Unknown")
          assert.match(reason.message, /^status 4(09|12): the version has changed, (by an earlier|and what is there)/)
        })
      )
    }
  }

  docs("a 404 too: a DELETE does not find what it deleted", { faults: [responseLost] }, (docs, upstream) =>
    Effect.gen(function* () {
      const { outcome, reason } = yield* down(docs.remove(appendMine()))
      assert.deepStrictEqual(upstream.state.done, ["removed"])
      assert.deepInclude(reason, { _tag: "Rejected", status: 404, outcome: "Unknown" })
      assert.strictEqual(outcome, "Unknown")
    })
  )

  docs("created, and the answer was lost", { faults: [responseLost] }, (docs, upstream) =>
    Effect.gen(function* () {
      const { outcome } = yield* down(docs.create({ ...mine, params: { id: "d2" } }))
      assert.deepStrictEqual([outcome, upstream.state.done], ["Unknown", ["mine"]])
    })
  )

  docs("a 2xx was read before: it happened", { faults: [cutBody] }, (docs, upstream) =>
    Effect.gen(function* () {
      const { message, outcome, reason } = yield* down(docs.append(appendMine()))
      assert.deepStrictEqual([outcome, reason._tag, upstream.state.done], ["Applied", "PreconditionFailed", ["mine"]])
      assert.include(message, "it happened; do not repeat")
    })
  )
})

describe("looking after a conflict in doubt", () => {
  docs("finds one's own change, which is the call's success", { faults: [responseLost] }, (docs, upstream) =>
    Effect.gen(function* () {
      const exit = yield* settle(docs.appendLooking(appendMine()))
      assert.deepStrictEqual(exit, Exit.succeed({ lines: ["first", "mine"] }))
      assert.deepStrictEqual(
        upstream.requests.map(({ method }) => method),
        ["PATCH", "PATCH", "GET"]
      )
      expectOutcome(yield* IntegrationTest.Recording).of("appendLooking", {
        outcome: "Applied",
        callOutcome: "ok_after_retry",
        attempts: ["Disconnected", "Declared"]
      })
    })
  )

  docs("after a 2xx whose body was lost as well", { faults: [cutBody] }, (docs) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* settle(docs.appendLooking(appendMine())),
        Exit.succeed({ lines: ["first", "mine"] })
      )
    })
  )

  docs("does not look where there is no doubt", { others: [0] }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.appendLooking(appendMine())), new DocumentChanged())
      assert.strictEqual(upstream.requests.length, 1)
    })
  )

  docs(
    "finds what somebody else has changed since: unknown",
    { faults: [responseLost], othersAfter: [0] },
    (docs, upstream) =>
      Effect.gen(function* () {
        const { outcome } = yield* down(docs.appendLooking(appendMine()))
        assert.deepStrictEqual(lines(upstream), ["first", "mine", "other"])
        assert.strictEqual(outcome, "Unknown")
      })
  )

  docs("proves that it did not happen, and then it is refused", { faults: [resetBeforeReading], others: [0] }, (docs) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.appendProving(appendMine())), new DocumentChanged())
      const recording = yield* IntegrationTest.Recording
      expectOutcome(recording).of("appendProving", { outcome: "Refused", attempts: ["Disconnected", "Declared"] })
      assert.include(recording.calls[1]?.attempts[1]?.message, "looked up afterwards: it did not happen")
    })
  )

  docs("never takes an answer back", { faults: [cutBody] }, (docs, upstream) =>
    Effect.gen(function* () {
      // The line is taken out again by somebody else: a look that proves the contrary finds nothing.
      yield* Effect.forkChild(
        Effect.andThen(
          upstream.awaitExecuted(),
          Effect.sync(() => upstream.state.docs.set("d1", { version: 9, lines: [] }))
        ),
        { startImmediately: true }
      )
      assert.strictEqual((yield* down(docs.appendProving(appendMine()))).outcome, "Applied")
    })
  )

  docs(
    "that fails: unknown, and whoever makes the call again looks again",
    { faults: [responseLost] },
    (docs, upstream) =>
      Effect.gen(function* () {
        yield* upstream.inject(FaultInjection.script(responseLost, undefined, status(500), status(500), status(500)))
        const { outcome, reason, stopped } = yield* down(docs.appendLooking(appendMine()))
        assert.deepStrictEqual([outcome, reason._tag, reason.transient], ["Unknown", "PreconditionFailed", true])
        assert.strictEqual(stopped, "whether it happened could not be looked up")
      })
  )

  docs("is bounded by the call's own deadline", {}, (docs, upstream) =>
    Effect.gen(function* () {
      const silence = FaultInjection.stallBeforeHeaders({ executes: false })
      yield* upstream.inject(
        FaultInjection.script(responseLost, undefined, ...Array.from({ length: 90 }, () => silence))
      )
      const { outcome, reason } = yield* down(docs.appendLooking(appendMine()))
      assert.deepStrictEqual([outcome, reason.error], ["Unknown", undefined])
    })
  )

  docs("finds that a DELETE was made", { faults: [responseLost] }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* settle(docs.removeLooking(appendMine())), Exit.void)
      assert.deepStrictEqual(upstream.state.done, ["removed"])
    })
  )

  docs("a 404 proves nothing else: the document was never there", { faults: [resetBeforeReading] }, (docs, upstream) =>
    Effect.gen(function* () {
      upstream.state.docs.clear()
      // What is gone now may have been there when it was asked first; the look says that it is gone, which was asked for.
      assert.deepStrictEqual(yield* settle(docs.removeLooking(appendMine())), Exit.void)
      assert.deepStrictEqual(yield* failure(docs.removeLooking(appendMine())), new NoDocument())
    })
  )

  docs("finds what was created", { faults: [responseLost] }, (docs, upstream) =>
    Effect.gen(function* () {
      const exit = yield* settle(docs.createLooking({ ...mine, params: { id: "d2" } }))
      assert.deepStrictEqual(exit, Exit.succeed({ lines: ["mine"] }))
      assert.deepStrictEqual(upstream.state.done, ["mine"])
    })
  )

  docs("a version in the query", { faults: [responseLost] }, (docs) =>
    Effect.gen(function* () {
      const exit = yield* settle(docs.appendAtLooking({ ...mine, query: { version: 1 } }))
      assert.deepStrictEqual(exit, Exit.succeed({ lines: ["first", "mine"] }))
    })
  )

  docs("an earlier process may have sent it: the first conflict is in doubt too", {}, (docs, upstream) =>
    Effect.gen(function* () {
      // A process before this one, which has crashed.
      yield* docs.append(appendMine())
      assert.deepStrictEqual(yield* settle(docs.appendAgain(appendMine())), Exit.succeed({ lines: ["first", "mine"] }))
      assert.deepStrictEqual(upstream.state.done, ["mine"])
    })
  )

  docs("an earlier process did not send it", { others: [0] }, (docs) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(docs.appendAgain(appendMine())), new DocumentChanged())
    })
  )
})

describe("entity tags", () => {
  const quoted = /^the entity tag is not in double quotes/
  it.effect.each<readonly [tag: string, says: RegExp]>([
    ["v1", quoted],
    ['"v1', quoted],
    ['v1"', quoted],
    ['"v 1"', quoted],
    ['"v1"\r\nx-admin: 1', quoted],
    ['"ключ"', quoted],
    ['w/"v1"', quoted],
    ["*", /which every version matches/],
    ["", /was the ETag read/],
    ['"v1", "v2"', /several/],
    ['W/"v1"', /is weak/]
  ])("%s is never sent", ([tag, says]) =>
    Effect.gen(function* () {
      const upstream = makeDocs()
      const { outcome, reason } = yield* Effect.flatMap(Docs, (docs) => down(docs.append(appendMine(tag)))).pipe(
        Effect.provide(docsOver(upstream).pipe(Layer.provide(OutboxStoreMemory.layer), Layer.provideMerge(quiet)))
      )
      assert.deepStrictEqual([reason._tag, outcome], ["InvalidInput", "NotSent"])
      assert.match(reason.message, says)
      if (tag.includes("v")) assert.notInclude(reason.message, "v1")
      assert.strictEqual(upstream.requests.length, 0)
    })
  )

  docs("a weak one is sent to a provider that is known to compare it", {}, (docs, upstream) =>
    Effect.gen(function* () {
      yield* failure(docs.appendWeak(appendMine('W/"v1"')))
      assert.strictEqual(upstream.requests[0]?.headers["if-match"], 'W/"v1"')
      assert.strictEqual((yield* down(docs.appendWeak(appendMine("W/v1")))).reason._tag, "InvalidInput")
    })
  )

  it("are told in the plan", () => {
    assert.include(
      Integration.planText(Docs),
      "conditional on an entity tag (If-Match), looks after a conflict in doubt"
    )
    assert.include(Integration.planText(Docs), "conditional on there being none yet (If-None-Match)")
    assert.include(Integration.planText(Docs), "conditional on a version in the request: the query's version")
  })
})

// ---- without HTTP

class Stale extends Data.TaggedError("Stale") {}
class Lost extends Data.TaggedError("Lost") {}
class StoreDown extends Data.TaggedError("StoreDown")<{ readonly outcome: Outcome.Outcome }> {}

describe("an operation over any effect", () => {
  const store = (
    answers: Array<"lost" | "stale" | "ok">,
    idempotency: Idempotency.Idempotency<void, string, never, "Idempotent">
  ) => {
    class Store extends Integration.Service<Store>()(
      "test/Store",
      { policy, exhausted: Exhaustion.fail, orElse: ({ outcome }) => new StoreDown({ outcome }) },
      {
        put: Operation.mutation("put", {
          success: Schema.String,
          idempotency,
          classify: (error: Stale | Lost) =>
            error._tag === "Stale" ? Reason.preconditionFailed() : Reason.disconnected(),
          translate: {
            Stale: () => new StoreDown({ outcome: "Refused" }),
            Lost: () => new StoreDown({ outcome: "Unknown" })
          },
          send: () =>
            Effect.suspend((): Effect.Effect<string, Stale | Lost> => {
              const answer = answers.shift()
              return answer === "lost"
                ? Effect.fail(new Lost())
                : answer === "stale"
                  ? Effect.fail(new Stale())
                  : Effect.succeed("done")
            })
        })
      }
    ) {}
    return Effect.flatMap(Store, (store) => settle(store.put())).pipe(
      Effect.provide(Layer.provideMerge(Integration.layer(Store), quiet))
    )
  }

  it.effect("says by its classify that the version was another", () =>
    Effect.gen(function* () {
      const versioned = Idempotency.versioned("the condition of the put")
      assert.deepStrictEqual(yield* store(["stale"], versioned), Exit.fail(new StoreDown({ outcome: "Refused" })))
      assert.deepStrictEqual(
        yield* store(["lost", "stale"], versioned),
        Exit.fail(new StoreDown({ outcome: "Unknown" }))
      )
    })
  )

  it.effect("has no header for an entity tag", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        store(
          [],
          Idempotency.conditional(() => '"v1"')
        )
      )
      assert.include(String(exit), "if-match is a header of HTTP")
    })
  )
})

// ---- stored calls

const work = Effect.scoped(
  Effect.andThen(
    Layer.build(
      OutboxWorker.layer(Docs, {
        parked: { onDelivered: () => Effect.void, onDead: () => Effect.void, onNeedsReconcile: () => Effect.void },
        parkedLooking: {
          onDelivered: () => Effect.void,
          onDead: () => Effect.void,
          onNeedsReconcile: () => Effect.void
        }
      })
    ),
    TestClock.adjust("5 minutes")
  )
)
const entries = Effect.flatMap(OutboxStore.OutboxStore, (store) => store.list({}, { limit: 10 }))

describe("a stored conditional write", () => {
  const down503 = Array.from({ length: 4 }, () => status(503))

  docs("made later with the same tag, it never overwrites what is newer", { faults: down503 }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.isTrue(Outbox.isParked(yield* settle(docs.parked(appendMine())).pipe(Effect.flatten)))
      upstream.state.docs.set("d1", { version: 2, lines: ["newer"] })
      yield* work
      assert.deepStrictEqual(lines(upstream), ["newer"])
      // A 503 does not say that nothing was done, so a person looks. It is not sent over and over with a tag that is gone.
      assert.strictEqual((yield* entries)[0]?.state, "NeedsReconcile")
      assert.strictEqual(upstream.requests.length, 5)
      for (const { headers, text } of upstream.requests) {
        assert.deepStrictEqual([headers["if-match"], text], ['"v1"', upstream.requests[0]!.text])
      }
    })
  )

  docs(
    "refused each time before, it is dead",
    { faults: Array.from({ length: 4 }, () => status(429)) },
    (docs, upstream) =>
      Effect.gen(function* () {
        yield* settle(docs.parked(appendMine()))
        upstream.state.docs.set("d1", { version: 2, lines: ["newer"] })
        yield* work
        assert.strictEqual((yield* entries)[0]?.state, "Dead")
      })
  )

  docs("what an earlier try has made is found", { faults: [responseLost, ...down503.slice(1)] }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.isTrue(Outbox.isQueued(yield* settle(docs.parkedLooking(appendMine())).pipe(Effect.flatten)))
      yield* work
      assert.deepStrictEqual([(yield* entries)[0]?.state, upstream.state.done], ["Delivered", ["mine"]])
    })
  )

  docs("a look that fails is made again", { faults: [responseLost, ...down503.slice(1)] }, (docs, upstream) =>
    Effect.gen(function* () {
      yield* settle(docs.parkedLooking(appendMine()))
      // The next try meets its own work, and cannot look.
      yield* upstream.inject(FaultInjection.script(undefined, status(500), status(500), status(500)))
      yield* work
      assert.deepStrictEqual([(yield* entries)[0]?.state, upstream.state.done], ["Delivered", ["mine"]])
    })
  )
})

// ---- any script of faults

const drawn = Arbitrary.array(
  oneOf([
    undefined,
    ...FaultInjection.all,
    responseLost,
    resetBeforeReading,
    FaultInjection.executesLate("12 seconds"),
    FaultInjection.executesLate("2 minutes"),
    FaultInjection.latency("15 seconds"),
    FaultInjection.duplicateDelivery()
  ]),
  { minLength: 0, maxLength: 7 }
)
const numbers = Arbitrary.array(between(0, 4), { maxLength: 3 })
const names = [
  "append",
  "appendLooking",
  "appendProving",
  "appendPost",
  "appendAt",
  "appendAtLooking",
  "create",
  "createLooking"
] as const

const call = (docs: Docs["Service"], name: (typeof names)[number]): Effect.Effect<unknown, unknown> => {
  switch (name) {
    case "create":
    case "createLooking":
      return docs[name]({ ...mine, params: { id: "d2" } })
    case "appendAt":
    case "appendAtLooking":
      return docs[name]({ ...mine, query: { version: 1 } })
    default:
      return docs[name](appendMine())
  }
}

/** What holds however a call has ended, and all that the provider still did after it. */
const holds = (exit: Exit.Exit<unknown, unknown>, done: ReadonlyArray<string>): void => {
  assert.isAtMost(done.length, 1)
  if (Exit.isSuccess(exit)) assert.strictEqual(done.length, 1)
  if (Exit.isFailure(exit) && done.length === 1) {
    const error = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
    assert.instanceOf(error, DocsDown, `reported as ${String(error)} though it was applied`)
    assert.isFalse(Outcome.didNotHappen(error.failure.outcome), error.failure.message)
  }
}

describe("any faults, any interference", () => {
  it.effect.prop(
    "a change is made once at most, and never reported as refused when it was made",
    { seed, faults: drawn, others: numbers, othersAfter: numbers, name: oneOf(names) },
    ({ faults, name, others, othersAfter, seed }) =>
      Effect.gen(function* () {
        const upstream = makeDocs(FaultInjection.script(...faults))
        upstream.state.others = new Set(others)
        upstream.state.othersAfter = new Set(othersAfter)
        yield* Effect.gen(function* () {
          const exit = yield* settle(call(yield* Docs, name))
          yield* TestClock.adjust("10 minutes")
          holds(exit, upstream.state.done)
          const { calls } = yield* IntegrationTest.Recording
          const event = calls.find(({ operation }) => operation === name)!
          if (upstream.state.done.length === 1) assert.isFalse(Outcome.didNotHappen(event.outcome))
        }).pipe(Effect.provide(Layer.provideMerge(docsOver(upstream), OutboxStoreMemory.layer)))
      }).pipe(seededly(seed)),
    tries(300)
  )

  it.effect.prop(
    "nor by a whole update, however often it reads again",
    {
      seed,
      faults: drawn,
      others: numbers,
      othersAfter: numbers,
      name: oneOf(["append", "appendLooking", "appendProving"] as const)
    },
    ({ faults, name, others, othersAfter, seed }) =>
      Effect.gen(function* () {
        const upstream = makeDocs(FaultInjection.script(...faults))
        upstream.state.others = new Set(others)
        upstream.state.othersAfter = new Set(othersAfter)
        yield* Effect.gen(function* () {
          const docs = yield* Docs
          const reads = yield* DocsReads
          const exit = yield* settle(
            Conditional.update({
              read: reads.get({ params: { id: "d1" } }),
              write: ({ headers }) => docs[name](appendMine(headers.etag)),
              changed: ({ _tag }) => _tag === "DocumentChanged"
            })
          )
          yield* TestClock.adjust("10 minutes")
          holds(exit, upstream.state.done)
        }).pipe(Effect.provide(Layer.provideMerge(docsOver(upstream), OutboxStoreMemory.layer)))
      }).pipe(seededly(seed)),
    tries(200)
  )
})

describe("Conditional.update", () => {
  const rename = (docs: Docs["Service"], reads: DocsReads["Service"], maxAttempts?: number) =>
    Conditional.update({
      read: reads.get({ params: { id: "d1" } }),
      write: ({ body, headers }) =>
        docs.append({ ...appendMine(headers.etag), payload: { line: `after ${body.lines.length}` } }),
      changed: ({ _tag }) => _tag === "DocumentChanged",
      ...(maxAttempts === undefined ? {} : { maxAttempts })
    })

  docs("reads again, and writes what follows from it", { others: [0, 1] }, (docs, upstream) =>
    Effect.gen(function* () {
      const exit = yield* settle(rename(docs, yield* DocsReads))
      assert.deepStrictEqual(exit, Exit.succeed({ lines: ["first", "other", "other", "after 3"] }))
      assert.deepStrictEqual(upstream.state.done, ["after 3"])
    })
  )

  docs("is bounded, and ends with the conflict", { others: [0, 1, 2, 3, 4, 5, 6] }, (docs, upstream) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* failure(rename(docs, yield* DocsReads)), new DocumentChanged())
      assert.strictEqual(upstream.state.writes, 5)
      assert.deepStrictEqual(yield* failure(rename(docs, yield* DocsReads, 1)), new DocumentChanged())
      assert.strictEqual(upstream.state.writes, 6)
    })
  )

  docs("does not begin again after a conflict in doubt", {}, (docs, upstream) =>
    Effect.gen(function* () {
      yield* upstream.inject(FaultInjection.script(undefined, responseLost))
      assert.strictEqual((yield* down(rename(docs, yield* DocsReads))).outcome, "Unknown")
      assert.deepStrictEqual(upstream.state.done, ["after 1"])
    })
  )

  docs("what cannot be read ends it", {}, (docs, upstream) =>
    Effect.gen(function* () {
      upstream.state.docs.clear()
      assert.deepStrictEqual(yield* failure(rename(docs, yield* DocsReads)), new NoDocument())
      assert.strictEqual(upstream.requests.length, 1)
    })
  )
})

describe("over a socket", () => {
  const fast = Policy.standard({ maxAttempts: 4, attemptTimeout: "2 seconds", totalDeadline: "20 seconds" })

  it.live("a lost answer, a conflict, and the look that finds it", () =>
    Effect.gen(function* () {
      const upstream = makeDocs(FaultInjection.script(responseLost))
      const { through } = yield* SocketServer.listen(upstream)
      yield* Effect.gen(function* () {
        const docs = yield* Docs
        assert.deepStrictEqual(yield* docs.appendLooking(appendMine()), { lines: ["first", "mine"] })
        assert.deepStrictEqual(yield* Effect.flip(docs.append(appendMine())), new DocumentChanged())
        yield* upstream.inject(FaultInjection.script(responseLost))
        const error = yield* Effect.flip(docs.append({ ...appendMine('"v2"'), payload: { line: "more" } }))
        assert.strictEqual(error instanceof DocsDown && error.failure.outcome, "Unknown")
        assert.deepStrictEqual(upstream.state.done, ["mine", "more"])
      }).pipe(
        Effect.provide(
          docsOver(through(undici), { append: fast, appendLooking: fast }).pipe(
            Layer.provideMerge(OutboxStoreMemory.layer),
            Layer.provideMerge(quiet)
          )
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("thirty scripts of faults, with somebody else", () =>
    Effect.forEach(
      Array.from({ length: 30 }, (_, index) => index),
      (index) =>
        Effect.gen(function* () {
          const faults = [undefined, responseLost, resetBeforeReading, cutBody, status(503), status(429)]
          const upstream = makeDocs(
            FaultInjection.script(faults[index % 6], faults[(index * 5 + 1) % 6], faults[Math.floor(index / 6)])
          )
          upstream.state.others = new Set([index % 4])
          upstream.state.othersAfter = new Set([(index + 1) % 3])
          const { through } = yield* SocketServer.listen(upstream)
          const name = names[index % 6]!
          const exit = yield* Effect.flatMap(Docs, (docs) => Effect.exit(call(docs, name))).pipe(
            Effect.provide(
              docsOver(through(undici), { [name]: fast }).pipe(
                Layer.provideMerge(OutboxStoreMemory.layer),
                Layer.provideMerge(quiet)
              )
            )
          )
          holds(exit, upstream.state.done)
        }).pipe(Effect.scoped),
      { concurrency: 6 }
    )
  )
})
