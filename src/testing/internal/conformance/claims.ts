// What a claim finds: R1 to R8 of the contract, at every edge of a lease and of a time to live.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { OnLostLease } from "../../../IdempotencyStore.ts"
import { asking, at, check, fenced, holds, hour, replayed, same, span, started, stored, told } from "./bench.ts"

const policies: ReadonlyArray<OnLostLease> = ["rerun", "resume", "hold"]
const day = Duration.days(1)

export const claims = [
  check("R1: what is absent starts, and the record says so", function* (bench) {
    const { a, b } = bench
    for (const onLostLease of policies) {
      const address = at(onLostLease)
      yield* same("an absent record", (yield* b.get(address))._tag, "None")
      const claim = yield* started(a, asking(bench, address, { onLostLease, timeToLive: day }))
      yield* same("takenOver", claim.takenOver, false)
      yield* same("steps", claim.steps, [])
      yield* holds("the epoch", claim.epoch, Number.isSafeInteger(claim.epoch) && claim.epoch > 0, "a positive integer")
      const record = yield* stored(b, address)
      const { createdAt, expiresAt, leaseUntil, ...rest } = record
      yield* same("the record", rest, {
        ...address,
        fingerprint: "f:1",
        state: "Running",
        epoch: claim.epoch,
        onLostLease,
        steps: [],
        result: undefined
      })
      yield* span(bench, "leaseUntil of record and claim", leaseUntil - claim.leaseUntil, Duration.zero)
      yield* span(bench, "leaseUntil after createdAt", leaseUntil - createdAt, bench.lease)
      yield* span(bench, "expiresAt after createdAt", expiresAt - createdAt, day)
    }
  }),

  check("R1: what is done starts over when its time to live has passed, and not before", function* (bench) {
    const { a, b, lease } = bench
    const claim = yield* started(a, asking(bench, at("k")))
    yield* same("complete", yield* a.complete(claim.owner, { result: "one", timeToLive: lease }), true)
    yield* bench.passAlmost(lease)
    yield* replayed(b, asking(bench, at("k")), "one", "a claim just before the end")
    yield* bench.pass(bench.exact ? Duration.millis(1) : lease)
    // Another request may have the key now: the old one is forgotten.
    const next = yield* started(b, asking(bench, at("k"), { fingerprint: "f:2", onLostLease: "hold" }))
    yield* same("takenOver", next.takenOver, false)
    yield* holds("the next epoch", next.epoch, next.epoch > claim.epoch, `more than ${claim.epoch}`)
    yield* fenced(bench, claim.owner, "the forgotten owner")
    const { epoch, fingerprint, onLostLease, result, state } = yield* stored(a, at("k"))
    yield* same(
      "the new record",
      { epoch, fingerprint, onLostLease, result, state },
      { epoch: next.epoch, fingerprint: "f:2", onLostLease: "hold", result: undefined, state: "Running" }
    )
  }),

  check("R2: another fingerprint is a mismatch wherever the record stands, and changes nothing", function* (bench) {
    const { a, b, lease } = bench
    const other = (key: string) => asking(bench, at(key), { fingerprint: "f:2" })
    const mismatch = Effect.fnUntraced(function* (key: string, what: string) {
      const before = yield* a.get(at(key))
      yield* told(b, other(key), "Mismatch", `another request for what ${what}`)
      yield* same(`the record of what ${what}`, yield* a.get(at(key)), before)
    })
    const running = yield* started(a, asking(bench, at("running"), { lease: hour }))
    yield* mismatch("running", "is running")
    yield* same("complete", yield* a.complete(running.owner, { result: "one", timeToLive: hour }), true)
    yield* mismatch("running", "is done")
    yield* replayed(b, asking(bench, at("running")), "one")

    const held = yield* started(a, asking(bench, at("held"), { lease: hour }))
    yield* same("hold", yield* a.hold(held.owner), true)
    yield* mismatch("held", "is held")

    for (const onLostLease of policies) yield* started(a, asking(bench, at(onLostLease), { onLostLease }))
    yield* bench.pass(lease)
    for (const onLostLease of policies) yield* mismatch(onLostLease, `has lost its lease, with ${onLostLease}`)
  }),

  check("R3: a live lease is in flight, for as long as it lasts at most", function* (bench) {
    const { a, b } = bench
    for (const onLostLease of policies) {
      const options = asking(bench, at(onLostLease), { onLostLease, lease: hour })
      const claim = yield* started(a, options)
      for (const store of [a, b]) {
        const found = yield* told(store, options, "InFlight")
        if (found._tag !== "InFlight") continue
        const left = Duration.toMillis(found.retryAfter)
        yield* span(bench, "retryAfter", left, hour)
      }
      yield* same("the owner's complete", yield* a.complete(claim.owner, { result: "ok", timeToLive: hour }), true)
    }
  }),

  check("R4: a lease that has ended is taken over, to run from the start or after its steps", function* (bench) {
    const { a, b, lease } = bench
    for (const onLostLease of ["rerun", "resume"] as const) {
      const claim = yield* started(a, asking(bench, at(onLostLease), { onLostLease }))
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: "1" }), true)
    }
    yield* bench.pass(lease)
    for (const onLostLease of ["rerun", "resume"] as const) {
      const before = yield* stored(a, at(onLostLease))
      const taken = yield* started(b, asking(bench, at(onLostLease), { onLostLease, timeToLive: day }))
      yield* same(`takenOver, with ${onLostLease}`, taken.takenOver, true)
      yield* same(
        `steps, with ${onLostLease}`,
        taken.steps,
        onLostLease === "rerun" ? [] : [{ name: "one", data: "1" }]
      )
      yield* holds("the epoch", taken.epoch, taken.epoch > before.epoch, `more than ${before.epoch}`)
      const record = yield* stored(a, at(onLostLease))
      yield* same("the record's epoch", record.epoch, taken.epoch)
      yield* same("the record's steps", record.steps, taken.steps)
      yield* told(a, asking(bench, at(onLostLease)), "InFlight", "a claim after the take-over")
      const left = Duration.subtract(day, lease)
      yield* span(bench, "expiresAt after leaseUntil", record.expiresAt - record.leaseUntil, left)
    }
  }),

  check("R4: the edge of a lease: a millisecond before, at its end, a millisecond after", function* (bench) {
    if (!bench.exact) return
    const { a, b, lease } = bench
    for (const key of ["at", "after"]) yield* started(a, asking(bench, at(key)))
    yield* bench.passAlmost(lease)
    for (const key of ["at", "after"]) {
      const claim = yield* told(b, asking(bench, at(key)), "InFlight", "a claim a millisecond before")
      yield* same("retryAfter", claim, { _tag: "InFlight", retryAfter: Duration.millis(1) })
    }
    yield* bench.pass(Duration.millis(1))
    yield* same("at its end", (yield* started(b, asking(bench, at("at")), "a claim at its end")).takenOver, true)
    yield* bench.pass(Duration.millis(1))
    yield* same("after it", (yield* started(a, asking(bench, at("after")), "a claim after it")).takenOver, true)
    yield* told(a, asking(bench, at("at")), "InFlight", "a claim of what was taken over")
  }),

  check("R4, R5: what was stored with a claim decides, not what the next one asks for", function* (bench) {
    const { a, b, lease } = bench
    for (const onLostLease of policies) {
      const claim = yield* started(a, asking(bench, at(onLostLease), { onLostLease }))
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: "1" }), true)
    }
    yield* told(b, asking(bench, at("rerun"), { lease: Duration.zero, timeToLive: Duration.zero }), "InFlight")
    yield* bench.pass(lease)
    const rerun = yield* started(b, asking(bench, at("rerun"), { onLostLease: "hold" }))
    yield* same("steps of a rerun", rerun.steps, [])
    const resume = yield* started(b, asking(bench, at("resume"), { onLostLease: "rerun" }))
    yield* same("steps of a resume", resume.steps, [{ name: "one", data: "1" }])
    yield* told(b, asking(bench, at("hold"), { onLostLease: "rerun" }), "Held")
    // From here on, what the take-over asked for.
    yield* bench.pass(lease)
    yield* told(a, asking(bench, at("rerun")), "Held", "a claim of what was taken over with hold")
    const again = yield* started(a, asking(bench, at("resume")))
    yield* same("steps of what was taken over with rerun", again.steps, [])
  }),

  check("R5, R8: what is to be held is held, and stays so through every lease and time to live", function* (bench) {
    const { a, b, lease } = bench
    const options = (key: string) => asking(bench, at(key), { onLostLease: "hold", timeToLive: lease })
    const lost = yield* started(a, options("lost"))
    const given = yield* started(a, options("given"))
    yield* same("hold", yield* b.hold(given.owner), true)
    yield* told(b, options("lost"), "InFlight", "a claim under the lease")
    yield* told(b, options("given"), "Held")
    yield* bench.pass(lease)
    yield* bench.pass(lease)
    for (const claim of [lost, given]) {
      yield* told(b, options(claim.owner.key), "Held")
      yield* a.sweep({ limit: 100 })
      yield* told(a, options(claim.owner.key), "Held", "a claim after a sweep")
      yield* same("its state", (yield* stored(a, claim.owner)).state, "Held")
      yield* fenced(bench, claim.owner, "the owner of what is held")
    }
  }),

  check("R6, R7: what is done is replayed as it was answered, or as an answer that was not kept", function* (bench) {
    const { a, b } = bench
    for (const [key, result] of [
      ["text", '{"ok":true}'],
      ["empty", ""],
      ["tombstone", undefined]
    ] as const) {
      const claim = yield* started(a, asking(bench, at(key), { onLostLease: "hold" }))
      yield* same("complete", yield* b.complete(claim.owner, { result, timeToLive: hour }), true)
      for (const store of [a, b]) yield* replayed(store, asking(bench, at(key)), result)
      const record = yield* stored(b, at(key))
      yield* same("the record", { state: record.state, result: record.result }, { state: "Done", result })
      yield* fenced(bench, claim.owner, "the owner of what is done")
      yield* replayed(a, asking(bench, at(key)), result, "a claim after late writes")
    }
  }),

  check("a lease and a time to live are two numbers: a short lease under a long time to live", function* (bench) {
    const { a, b, lease } = bench
    const done = yield* started(a, asking(bench, at("done"), { timeToLive: day }))
    yield* same("complete", yield* a.complete(done.owner, { result: "kept", timeToLive: hour }), true)
    yield* started(a, asking(bench, at("lost"), { timeToLive: day }))
    yield* bench.pass(lease)
    yield* replayed(b, asking(bench, at("done")), "kept", "a claim of what is done, after its lease")
    yield* a.sweep({ limit: 100 })
    yield* replayed(b, asking(bench, at("done")), "kept", "a claim after a sweep")
    yield* same("takenOver", (yield* started(b, asking(bench, at("lost")))).takenOver, true)
  }),

  check("a lease and a time to live are two numbers: a long lease over a short time to live", function* (bench) {
    const { a, b, lease } = bench
    for (const onLostLease of policies) {
      const options = asking(bench, at(onLostLease), { onLostLease, lease: hour, timeToLive: lease })
      const live = yield* started(a, options)
      yield* same("saveStep", yield* a.saveStep(live.owner, { name: "one", data: "1" }), true)
    }
    yield* bench.pass(lease)
    yield* bench.pass(lease)
    yield* a.sweep({ limit: 100 })
    for (const onLostLease of policies) {
      const options = asking(bench, at(onLostLease), { onLostLease })
      yield* told(b, options, "InFlight", "a claim under a live lease, after the time to live")
      const { epoch } = yield* stored(a, at(onLostLease))
      const owner = { ...at(onLostLease), epoch }
      yield* same("the owner's complete", yield* a.complete(owner, { result: "late", timeToLive: hour }), true)
      yield* replayed(b, options, "late")
    }
  }),

  check(
    "a lease that has ended with a time to live that has passed is absent, unless it is to be held",
    function* (bench) {
      const { a, b, lease } = bench
      for (const onLostLease of policies) {
        const claim = yield* started(a, asking(bench, at(onLostLease), { onLostLease, timeToLive: lease }))
        yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: "1" }), true)
      }
      yield* bench.pass(lease)
      for (const onLostLease of ["rerun", "resume"] as const) {
        // Forgotten: neither its steps nor its fingerprint count.
        const next = yield* started(b, asking(bench, at(onLostLease), { onLostLease, fingerprint: "f:2" }))
        yield* same(`takenOver, with ${onLostLease}`, next.takenOver, false)
        yield* same(`steps, with ${onLostLease}`, next.steps, [])
      }
      yield* told(b, asking(bench, at("hold")), "Held")
    }
  ),

  check("the clock of a process decides nothing: two handles ten minutes apart", function* (bench) {
    const { a, b, lease } = bench
    // Claimed by the one that is behind, looked at by the one that is ahead.
    const minute = Duration.minutes(1)
    const first = yield* started(a, asking(bench, at("a"), { lease: minute }))
    yield* told(b, asking(bench, at("a")), "InFlight", "a claim by a process whose clock is ahead")
    yield* b.sweep({ limit: 100 })
    yield* told(b, asking(bench, at("a")), "InFlight", "a claim after its sweep")
    yield* same("complete", yield* a.complete(first.owner, { result: "a", timeToLive: minute }), true)
    yield* replayed(b, asking(bench, at("a")), "a", "what was done, by a process whose clock is ahead")
    yield* b.sweep({ limit: 100 })
    yield* replayed(a, asking(bench, at("a")), "a", "what was done, after its sweep")

    // Claimed by the one that is ahead, looked at by the one that is behind.
    const second = yield* started(b, asking(bench, at("b")))
    yield* span(bench, "leases of both", first.leaseUntil - second.leaseUntil, Duration.subtract(minute, lease))
    const done = yield* started(b, asking(bench, at("done")))
    yield* same("complete", yield* b.complete(done.owner, { result: "b", timeToLive: lease }), true)
    const renewed = yield* started(a, asking(bench, at("renewed")))
    yield* same("renew", yield* b.renew(renewed.owner, lease), true)
    yield* bench.pass(lease)
    for (const key of ["b", "renewed"]) {
      yield* same(
        "takenOver",
        (yield* started(a, asking(bench, at(key)), "a claim by a process behind")).takenOver,
        true
      )
    }
    yield* started(a, asking(bench, at("done")), "a claim of what was done, by a process behind")
  })
]
