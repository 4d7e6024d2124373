// What an offer stores, and what a claim gets.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Outcome } from "../../../Outcome.ts"
import {
  again,
  aTry,
  check,
  claim,
  claims,
  delivered,
  hour,
  idOf,
  keysOf,
  lane,
  learning,
  mine,
  names,
  offering,
  put,
  same,
  span,
  stored,
  violated
} from "./bench.ts"

const { millis, zero } = Duration

export const offers = [
  check("offer: what was stored is given back as it was", function* (bench) {
    const history = [aTry(), aTry({ reason: "Success", status: undefined, requestId: undefined, message: "ü\n'\"🎉" })]
    const offer = offering("all", {
      origin: "park",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      lane: lane("l", "skip"),
      outcome: "Unknown",
      firstSentAgo: 70_000,
      inDoubtAgo: 5_000,
      attempts: 3,
      history,
      delay: hour,
      expiresAfter: Duration.hours(2)
    })
    yield* same("the offer", yield* bench.a.offer(offer), { _tag: "Stored", claim: undefined })
    const entry = yield* stored(bench.b, "all")
    const at = entry.createdAt
    yield* same("the entry", entry, {
      id: idOf("all"),
      ...names,
      key: "all",
      fingerprint: "f:1",
      origin: "park",
      state: "Pending",
      why: undefined,
      payload: "payload of all",
      result: undefined,
      answer: undefined,
      lane: lane("l", "skip"),
      position: 1,
      epoch: 0,
      generation: 0,
      attempts: 3,
      tries: 0,
      crashes: 0,
      outcome: "Unknown",
      firstSentAt: at - 70_000,
      inDoubtAt: at - 5_000,
      dueAt: at + 3_600_000,
      leaseUntil: undefined,
      createdAt: at,
      changedAt: at,
      expiresAt: at + 7_200_000,
      history,
      correlationId: "c:all",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    })
    yield* put(bench.a, "least", { key: undefined })
    const least = yield* stored(bench.b, "least")
    yield* same(
      "what is absent",
      [least.key, least.lane, least.position, least.expiresAt, least.firstSentAt, least.history],
      [undefined, undefined, undefined, undefined, undefined, []]
    )
  }),
  check("offer: the same call exists, another one by its key is a mismatch, and nothing is written", function* (bench) {
    yield* put(bench.a, "one")
    for (const moved of [false, true]) {
      if (moved) yield* bench.a.settle(yield* mine(bench, bench.a, "one"), delivered(), learning())
      const before = yield* stored(bench.a, "one")
      for (const store of [bench.a, bench.b]) {
        const more = { payload: "another", lane: lane(), lease: hour }
        yield* same("the same call", yield* store.offer(offering("one", more)), { _tag: "Exists", entry: before })
        yield* same("another call", yield* store.offer(offering("one", { ...more, fingerprint: "f:2" })), {
          _tag: "Mismatch"
        })
        yield* same("the entry", yield* stored(store, "one"), before)
      }
    }
    yield* same("the lane that was named", yield* bench.a.isBusy({ integration: "billing", name: "lane" }), false)
  }),
  check("offer: with a lease it is claimed at once, and nobody else has it", function* (bench) {
    const own = yield* put(bench.a, "own", { lease: bench.lease, attempts: 2 })
    if (own === undefined) return yield* violated("the claim", own, "to be had")
    const { attempts, crashes, epoch, key, state, tries } = own.entry
    yield* same("the claim", [key, state, attempts, tries, crashes, epoch], ["own", "Leased", 3, 1, 0, 1])
    yield* same("the entry", yield* stored(bench.b, "own"), own.entry)
    yield* span(bench, "the lease", (own.entry.leaseUntil ?? 0) - own.now, bench.lease)
    yield* claims(bench, bench.b, [])
    yield* same("its end", yield* bench.b.settle(own.entry, delivered(), learning()), true)
  }),
  check("offer: it is due after its delay", function* (bench) {
    yield* put(bench.a, "later", { delay: bench.lease })
    yield* put(bench.a, "much later", { delay: hour })
    yield* bench.passAlmost(bench.lease)
    yield* claims(bench, bench.b, [], "what is claimed too early")
    yield* bench.pass(bench.exact ? millis(1) : bench.lease)
    yield* claims(bench, bench.b, ["later"])
  }),
  check("race: of many offers of one call one is stored", function* (bench) {
    for (let n = 0; n < bench.keys; n++) {
      const kind = n % 3
      const offered = yield* Effect.forEach(
        Array.from({ length: bench.racers }, (_, racer) => racer),
        (racer) =>
          (racer % 2 === 0 ? bench.a : bench.b).offer(
            offering(`k${n}`, {
              lease: hour,
              ...(kind === 0 ? {} : { lane: lane(`l${n}`) }),
              fingerprint: kind === 2 ? `f:${racer}` : "f"
            })
          ),
        { concurrency: "unbounded" }
      )
      const others = kind === 2 ? "Mismatch" : "Exists"
      const expected = ["Stored", ...Array.from({ length: bench.racers - 1 }, () => others)]
      yield* same("what they were told", offered.map(({ _tag }) => _tag).toSorted(), expected.toSorted())
    }
  }),
  check(
    "claim: gets what is due of its operation, that which is due longest first, and no more than its limit",
    function* (bench) {
      const step = millis(bench.exact ? 1 : 5)
      for (const name of ["d", "b", "c", "a"]) {
        yield* put(bench.a, name)
        yield* bench.pass(step)
      }
      yield* put(bench.a, "x", { operation: "refund" })
      yield* put(bench.a, "y", { integration: "mail" })
      const first = yield* claim(bench, bench.a, 3)
      yield* same(
        "the first three",
        first.map(({ entry }) => entry.key),
        ["d", "b", "c"]
      )
      yield* same("the rest", keysOf(yield* claim(bench, bench.b, 3)), ["a"])
      yield* same("another operation", keysOf(yield* claim(bench, bench.b, 9, { ...names, operation: "refund" })), [
        "x"
      ])
      yield* same("another integration", keysOf(yield* claim(bench, bench.b, 9, { ...names, integration: "mail" })), [
        "y"
      ])
      yield* same("an unknown one", yield* claim(bench, bench.b, 9, { ...names, operation: "nothing" }), [])
    }
  ),
  check("claim: it counts, it leases, and it says what the time is", function* (bench) {
    yield* put(bench.a, "one", { attempts: 1 })
    const before = yield* stored(bench.a, "one")
    const [own] = yield* claim(bench, bench.a)
    if (own === undefined) return yield* violated("the claim", own, "to be had")
    const { entry, now } = own
    yield* same("the entry", yield* stored(bench.b, "one"), entry)
    yield* same("the claim", entry, {
      ...before,
      state: "Leased",
      epoch: 1,
      attempts: 2,
      tries: 1,
      leaseUntil: entry.leaseUntil,
      changedAt: now
    })
    yield* span(bench, "the lease", (entry.leaseUntil ?? 0) - now, bench.lease)
    yield* span(bench, "the time since the offer", now - entry.createdAt, zero)
  }),
  check("claim: a lease that lives is not taken over, one that has ended is, by anybody", function* (bench) {
    yield* put(bench.a, "one")
    const first = yield* mine(bench, bench.a, "one")
    yield* bench.passAlmost(bench.lease)
    yield* claims(bench, bench.b, [], "what is claimed under a lease")
    yield* bench.pass(bench.exact ? millis(1) : bench.lease)
    const second = yield* mine(bench, bench.b, "one")
    yield* same("the next epoch", second.epoch > first.epoch, true)
    yield* claims(bench, bench.a, [], "what is claimed after the take-over")
    yield* same("the counts", [second.attempts, second.tries, second.crashes], [2, 2, 1])
  }),
  check("claim: what a lost claim did is in doubt, from the time of that claim", function* (bench) {
    const outcomes: ReadonlyArray<readonly [Outcome, Outcome]> = [
      ["NotSent", "Unknown"],
      ["Refused", "Unknown"],
      ["Unknown", "Unknown"],
      ["Applied", "Applied"]
    ]
    for (const [before, after] of outcomes) {
      for (const firstSentAgo of [undefined, 9_000]) {
        const name = `${before} ${firstSentAgo}`
        const own = yield* put(bench.a, name, { outcome: before, firstSentAgo, inDoubtAgo: 1_000, lease: zero })
        yield* bench.pass(millis(20))
        const [next] = yield* claims(bench, bench.b, [name])
        if (own === undefined || next === undefined) return yield* violated("the claims", [own, next], "to be had")
        const { crashes, firstSentAt, inDoubtAt, outcome } = next.entry
        yield* same(name, [outcome, inDoubtAt, crashes], [after, next.now, 1])
        yield* same(`${name}: first sent`, firstSentAt, own.entry.firstSentAt ?? own.now)
      }
    }
  }),
  check("claim: a stored answer leaves nothing in doubt", function* (bench) {
    yield* put(bench.a, "one", { lease: hour })
    const first = yield* stored(bench.a, "one")
    yield* bench.a.settle(
      first,
      again(zero, "the answer"),
      learning({ outcome: "Refused", firstSentAgo: undefined, history: [] })
    )
    const [second] = yield* bench.a.claim({ ...names, limit: 1, lease: zero })
    yield* same("the answer", second?.entry.answer, "the answer")
    yield* bench.pass(millis(5))
    const third = yield* mine(bench, bench.b, "one")
    yield* same(
      "what is known",
      [third.answer, third.outcome, third.inDoubtAt, third.firstSentAt, third.crashes],
      ["the answer", "Refused", undefined, undefined, 1]
    )
  }),
  check("race: of many claims each entry goes to one", function* (bench) {
    const all = Array.from({ length: bench.keys }, (_, n) => `k${n}`)
    for (const name of all) yield* put(bench.a, name)
    const claimed = yield* Effect.forEach(
      Array.from({ length: bench.racers }, (_, racer) => racer),
      (racer) =>
        Effect.gen(function* () {
          const store = racer % 2 === 0 ? bench.a : bench.b
          const got: Array<string | undefined> = []
          // One who finds none may have met rows that others were about to take: once more, to be sure.
          for (let none = 0; none < 3;) {
            const some = yield* store.claim({ ...names, limit: 3, lease: hour })
            if (some.length > 3) return yield* violated("a claim of at most 3", some.length, "3 at most")
            none = some.length === 0 ? none + 1 : 0
            got.push(...keysOf(some))
            yield* Effect.yieldNow
          }
          return got
        }),
      { concurrency: "unbounded" }
    )
    yield* same("what they have got", claimed.flat().toSorted(), all.toSorted())
  }),
  check("pause: what is paused is not claimed, by anybody, until it is resumed", function* (bench) {
    const operation = { ...names }
    const whole = { integration: "billing", operation: undefined }
    for (const what of [operation, whole]) {
      const name = `pause ${what.operation}`
      yield* bench.a.pause(what)
      yield* bench.b.pause(what)
      yield* put(bench.a, name)
      yield* claims(bench, bench.a, [], "what is paused")
      yield* claims(bench, bench.b, [], "what is paused elsewhere")
      yield* same("what is paused", yield* bench.b.paused, [what])
      yield* put(bench.a, `other ${name}`, { operation: "refund" })
      const refunds = keysOf(yield* claim(bench, bench.b, 9, { ...names, operation: "refund" }))
      yield* same("another operation", refunds, what.operation === undefined ? [] : [`other ${name}`])
      yield* bench.b.resume(what)
      yield* bench.b.resume(what)
      yield* same("what is paused", yield* bench.a.paused, [])
      const own = yield* mine(bench, bench.a, name)
      yield* bench.a.pause(what)
      yield* same("the end of what was claimed before", yield* bench.b.settle(own, delivered(), learning()), true)
      yield* bench.a.resume(what)
    }
  }),
  check("pause: an offer is not claimed at once, and a lost claim is not taken over", function* (bench) {
    yield* put(bench.a, "lost", { lease: zero })
    yield* bench.a.pause(names)
    yield* same("the claim", yield* put(bench.b, "own", { lease: bench.lease, attempts: 1 }), undefined)
    const { attempts, epoch, state } = yield* stored(bench.a, "own")
    yield* same("the entry", [state, attempts, epoch], ["Pending", 1, 0])
    yield* bench.pass(millis(5))
    yield* claims(bench, bench.a, [], "what is paused")
    yield* bench.b.resume(names)
    yield* claims(bench, bench.a, ["lost", "own"])
  })
]
