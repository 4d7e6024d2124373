import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { cardProblems, idempotencyKeyHeader, replayedHeader } from "../../examples/checkout/contracts.ts"
import { type FaultKind, faultFor, type FaultPlan } from "../../examples/checkout/faults.ts"
import { Providers, type ProviderRun } from "../../examples/checkout/provider/handle.ts"

const order = "ord_1"

const request = (url: string, method: string, body: unknown, headers: Record<string, string> = {}) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { method, headers, body: JSON.stringify(body), signal })
      return { status: response.status, headers: response.headers, text: await response.text() }
    },
    catch: (error) => error
  })

const reserve = (run: ProviderRun, quantity = 1) =>
  request(`${run.urls.inventory}/reservations/${order}`, "PUT", { lines: [{ sku: "MUG-BLUE", quantity }] })

const charge = (run: ProviderRun, key: string | undefined = "k1", amount = 1290) =>
  request(
    `${run.urls.cards}/charges`,
    "POST",
    { orderId: order, amount, currency: "EUR", cardToken: "tok_visa_1" },
    key === undefined ? {} : { [idempotencyKeyHeader]: key }
  )

const receipt = (run: ProviderRun) =>
  request(`${run.urls.mail}/receipts`, "POST", { orderId: order, email: "a@example.com", amount: 1, currency: "EUR" })

const start = (faults: FaultPlan = { seed: 1, rate: 0 }) =>
  Effect.flatMap(Providers, (providers) => providers.start(faults))

/** Every request of this run meets this kind of fault. */
const always = (kind: FaultKind, seed = 1) => start({ seed, rate: 1, kinds: [kind] })

const changes = (run: ProviderRun) => Effect.map(run.audit, ({ ledger }) => ledger.map(({ operation }) => operation))

/** The first seed under which the arrivals of the charge meet these faults, one after the other. */
const seedWhere = (...wanted: ReadonlyArray<(fault: ReturnType<typeof faultFor>) => boolean>) => {
  for (let seed = 0; ; seed++) {
    if (wanted.every((holds, index) => holds(faultFor({ seed, rate: 0.9 }, "charge", order, index + 1)))) return seed
  }
}

layer(Providers.layer, { excludeTestServices: true })("the providers", (it) => {
  it.effect("replay the stored answer to a key that they know, and charge once", () =>
    Effect.gen(function* () {
      const run = yield* start()
      const first = yield* charge(run)
      const second = yield* charge(run)
      assert.deepStrictEqual([first.status, second.status], [201, 201])
      assert.strictEqual(second.text, first.text)
      assert.deepStrictEqual(
        [first, second].map(({ headers }) => headers.get(replayedHeader)),
        [null, "true"]
      )
      yield* charge(run, "k2")
      assert.deepStrictEqual(yield* changes(run), ["charge", "charge"])
    })
  )

  it.effect("refuse a key that comes back with another payload, and a charge without a key", () =>
    Effect.gen(function* () {
      const run = yield* start()
      yield* charge(run, "k1", 1290)
      const mismatch = yield* charge(run, "k1", 9999)
      assert.strictEqual(mismatch.status, 422)
      assert.strictEqual(mismatch.headers.get("content-type"), "application/problem+json")
      assert.strictEqual(JSON.parse(mismatch.text).type, cardProblems.keyReused)
      const keyless = yield* request(`${run.urls.cards}/charges`, "POST", { orderId: order, amount: 1 })
      assert.deepStrictEqual([keyless.status, JSON.parse(keyless.text).type], [400, cardProblems.keyMissing])
      assert.deepStrictEqual(yield* changes(run), ["charge"])
    })
  )

  it.effect("answer 409 while the first request with a key is at work, and replay once it is done", () =>
    Effect.gen(function* () {
      const seed = seedWhere(
        (fault) => fault?.kind === "stallBeforeHeaders" && fault.executes && fault.delayMs > 800,
        (fault) => fault === undefined,
        (fault) => fault === undefined
      )
      const run = yield* start({ seed, rate: 0.9 })
      // The first request never gets an answer, so the second one, sent once the first is at work, wins this race.
      const second = yield* Effect.raceFirst(charge(run), Effect.andThen(arrived(run, 1), charge(run)))
      assert.deepStrictEqual([second.status, JSON.parse(second.text).type], [409, cardProblems.inProgress])
      assert.deepStrictEqual(yield* changes(run), [])
      yield* run.settled
      assert.deepStrictEqual(yield* changes(run), ["charge"])
      const third = yield* charge(run)
      assert.deepStrictEqual([third.status, third.headers.get(replayedHeader)], [201, "true"])
      assert.deepStrictEqual(yield* changes(run), ["charge"])
    })
  )

  it.effect("count a PUT that leaves the state as it was as no state change", () =>
    Effect.gen(function* () {
      const run = yield* start()
      yield* reserve(run)
      yield* reserve(run)
      assert.deepStrictEqual(yield* changes(run), ["reserve"])
      yield* reserve(run, 2)
      assert.deepStrictEqual(yield* changes(run), ["reserve", "reserve"])
      assert.strictEqual((yield* run.audit).arrivals.reserve, 3)
    })
  )

  it.effect("send a receipt as often as they are asked to: there is no key", () =>
    Effect.gen(function* () {
      const run = yield* start()
      yield* receipt(run)
      yield* receipt(run)
      assert.deepStrictEqual(yield* changes(run), ["receipt", "receipt"])
    })
  )

  it.effect("refuse in their own words what they are meant to refuse", () =>
    Effect.gen(function* () {
      const run = yield* start()
      const answers = yield* Effect.all([
        request(`${run.urls.inventory}/reservations/x`, "PUT", { lines: [{ sku: "SOLD-OUT-MUG", quantity: 1 }] }),
        request(
          `${run.urls.cards}/charges`,
          "POST",
          { orderId: "x", amount: 1, currency: "EUR", cardToken: "tok_declined_1" },
          { [idempotencyKeyHeader]: "k" }
        ),
        request(`${run.urls.mail}/receipts`, "POST", { orderId: "x", email: "ada@bounce.example" })
      ])
      assert.deepStrictEqual(
        answers.map(({ status, text }) => [status, JSON.parse(text)._tag]),
        [
          [410, "SkuUnavailable"],
          [402, "CardError"],
          [422, "AddressError"]
        ]
      )
      assert.deepStrictEqual(yield* changes(run), [])
    })
  )

  it.effect("keep runs apart, also at the same time", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([start(), start()])
      yield* Effect.all([charge(one), charge(two), charge(two, "k2")], { concurrency: "unbounded" })
      assert.deepStrictEqual([(yield* changes(one)).length, (yield* changes(two)).length], [1, 2])
    })
  )

  it.effect("act out what has a status", () =>
    Effect.gen(function* () {
      const seen = []
      for (const kind of [
        "status500",
        "status502",
        "status503",
        "status504",
        "status429",
        "status429RetryAfter"
      ] as const) {
        const { headers, status } = yield* receipt(yield* always(kind))
        seen.push([status, headers.get("retry-after")])
      }
      assert.deepStrictEqual(seen, [
        [500, null],
        [502, null],
        [503, null],
        [504, null],
        [429, null],
        [429, "1"]
      ])
    })
  )

  it.effect("act out what breaks the connection or the body", () =>
    Effect.gen(function* () {
      const result = (kind: FaultKind) =>
        Effect.gen(function* () {
          const run = yield* always(kind)
          const outcome = yield* Effect.result(receipt(run))
          return [outcome._tag === "Success" ? outcome.success.status : "failed", (yield* changes(run)).length]
        })
      assert.deepStrictEqual(yield* result("resetBeforeReading"), ["failed", 0])
      assert.deepStrictEqual(yield* result("responseLost"), ["failed", 1])
      assert.deepStrictEqual(yield* result("cutBody"), ["failed", 1])
      assert.deepStrictEqual(yield* result("wrongShape"), [201, 1])
      assert.deepStrictEqual(yield* result("latency"), [201, 1])
    })
  )

  it.effect("stall until the run ends, and not longer", () =>
    Effect.gen(function* () {
      for (const kind of ["stallBeforeHeaders", "stallInBody"] as const) {
        const failed = yield* Effect.scoped(
          Effect.gen(function* () {
            const run = yield* always(kind)
            const fiber = yield* Effect.forkDetach(Effect.flip(receipt(run)))
            yield* arrived(run, 1)
            assert.isUndefined(fiber.pollUnsafe())
            return fiber
          })
        )
        assert.isDefined(
          yield* Effect.callback((resume) => void failed.addObserver((exit) => resume(Effect.succeed(exit))))
        )
      }
    })
  )

  it.effect("deliver a duplicate a second time without a second state change", () =>
    Effect.gen(function* () {
      const run = yield* always("duplicate")
      assert.strictEqual((yield* charge(run)).status, 201)
      assert.strictEqual((yield* reserve(run)).status, 200)
      yield* run.settled
      const audit = yield* run.audit
      assert.deepStrictEqual([audit.faults.duplicate, audit.pending, audit.ledger.length], [2, 0, 2])
      assert.deepStrictEqual(audit.arrivals, { reserve: 1, charge: 1, receipt: 0 })
    })
  )
})

/** Waits until so many charges and receipts have arrived: asks, and asks again. */
const arrived = (run: ProviderRun, count: number): Effect.Effect<void, unknown> =>
  Effect.flatMap(run.audit, ({ arrivals }) =>
    arrivals.charge + arrivals.receipt >= count ? Effect.void : Effect.suspend(() => arrived(run, count))
  )
