// How a claim ends, and who may end it.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Owner, Verdict } from "../../../OutboxStore.ts"
import {
  again,
  aTry,
  type Bench,
  check,
  claims,
  dead,
  delivered,
  hour,
  idOf,
  lane,
  learning,
  mine,
  put,
  refused,
  same,
  span,
  stored,
  violated
} from "./bench.ts"

const { millis, zero } = Duration

const ends: ReadonlyArray<Verdict> = [
  delivered(),
  dead,
  { _tag: "NeedsReconcile", why: "sent once" },
  again(hour, "answer")
]

/** No end by this owner changes anything. */
const fenced = (bench: Bench, name: string, owner: Owner, who: string) =>
  Effect.forEach(ends, (verdict) =>
    refused(bench, `${verdict._tag} by ${who}`, name, (store) => store.settle(owner, verdict, learning()))
  )

export const verdicts = [
  check(
    "settle: what is delivered keeps its result, what was learned, and nothing of what was sent",
    function* (bench) {
      for (const [name, result] of [
        ["one", "result"],
        ["none", undefined],
        ["empty", ""]
      ] as const) {
        yield* put(bench.a, name, { firstSentAgo: 60_000, history: [aTry()] })
        yield* bench.a.settle(
          yield* mine(bench, bench.a, name),
          again(zero, "answer"),
          learning({ outcome: "Unknown" })
        )
        const own = yield* mine(bench, bench.a, name)
        yield* same(
          "a delivery",
          yield* bench.a.settle(own, { _tag: "Delivered", result, keep: hour }, learning({ inDoubtAgo: 7 })),
          true
        )
        const after = yield* stored(bench.b, name)
        yield* same("the entry", after, {
          ...own,
          state: "Delivered",
          payload: "",
          result,
          answer: undefined,
          leaseUntil: undefined,
          outcome: "Applied",
          inDoubtAt: after.changedAt - 7,
          changedAt: after.changedAt,
          history: learning().history
        })
        yield* span(bench, "the time since the claim", after.changedAt - own.changedAt, zero)
      }
      yield* bench.pass(bench.lease)
      yield* claims(bench, bench.b, [])
    }
  ),
  check("settle: what is dead or unclear keeps its payload, says why, and is not sent", function* (bench) {
    const verdicts: ReadonlyArray<Verdict> = [
      { _tag: "Dead", why: "rejected" },
      { _tag: "Dead", why: "key expired" },
      { _tag: "NeedsReconcile", why: "sent once" }
    ]
    for (const verdict of verdicts) {
      const why = "why" in verdict ? verdict.why : undefined
      const name = `ends ${why}`
      yield* put(bench.a, name)
      const own = yield* mine(bench, bench.a, name)
      const learned = learning({
        outcome: "Unknown",
        firstSentAgo: 500,
        history: [aTry(), aTry({ reason: "Timeout" })]
      })
      yield* same("the end", yield* bench.b.settle(own, verdict, learned), true)
      const after = yield* stored(bench.b, name)
      yield* same("the entry", after, {
        ...own,
        state: verdict._tag,
        why,
        leaseUntil: undefined,
        outcome: "Unknown",
        firstSentAt: after.changedAt - 500,
        changedAt: after.changedAt,
        history: learned.history
      })
    }
    yield* bench.pass(bench.lease)
    yield* claims(bench, bench.a, [])
  }),
  check("settle: once more means due after the delay, with what counts and what does not", function* (bench) {
    for (const counts of [true, false]) {
      for (const pausing of [true, false]) {
        const name = `again ${counts} ${pausing}`
        yield* put(bench.a, name, { attempts: 4, firstSentAgo: 100, inDoubtAgo: 50 })
        const own = yield* mine(bench, bench.a, name)
        const verdict: Verdict = { _tag: "Again", delay: bench.lease, counts, pausing, answer: undefined }
        yield* same("the end", yield* bench.b.settle(own, verdict, learning({ outcome: "Refused" })), true)
        const after = yield* stored(bench.b, name)
        yield* same("the entry", after, {
          ...own,
          state: "Pending",
          attempts: counts ? 5 : 4,
          tries: pausing ? 1 : 0,
          outcome: "Refused",
          leaseUntil: undefined,
          dueAt: after.dueAt,
          changedAt: after.changedAt,
          history: learning().history
        })
        yield* span(bench, "the delay", after.dueAt - after.changedAt, bench.lease)
        yield* bench.passAlmost(bench.lease)
        yield* claims(bench, bench.a, [], "what is claimed too early")
        yield* bench.pass(bench.exact ? millis(1) : bench.lease)
        const next = yield* mine(bench, bench.a, name)
        yield* same(
          "the next claim",
          [next.attempts, next.tries, next.epoch, next.crashes],
          [counts ? 6 : 5, pausing ? 2 : 1, 2, 0]
        )
        yield* bench.a.settle(next, delivered(), learning())
      }
    }
  }),
  check("settle: an answer is there for the next claim, and for no other", function* (bench) {
    yield* put(bench.a, "one")
    yield* bench.a.settle(yield* mine(bench, bench.a, "one"), again(zero, "the answer"), learning())
    const second = yield* mine(bench, bench.b, "one")
    yield* same("the answer", second.answer, "the answer")
    yield* bench.a.settle(second, again(), learning())
    const third = yield* mine(bench, bench.b, "one")
    yield* same("no answer", third.answer, undefined)
    yield* bench.a.settle(third, again(zero, "another"), learning())
    yield* bench.a.settle(yield* mine(bench, bench.b, "one"), dead, learning())
    yield* same("the answer of what is dead", (yield* stored(bench.a, "one")).answer, undefined)
  }),
  check("fence: after a take-over the owner from before can change nothing", function* (bench) {
    for (const [name, more] of [
      ["alone", {}],
      ["in a lane", { lane: lane() }]
    ] as const) {
      yield* put(bench.a, name, { lease: bench.lease, ...more })
      const stale = yield* stored(bench.a, name)
      yield* bench.pass(bench.lease)
      const owner = yield* mine(bench, bench.b, name)
      yield* fenced(bench, name, stale, "an owner from before")
      yield* same("the end by the owner", yield* bench.b.settle(owner, delivered(), learning()), true)
      yield* fenced(bench, name, stale, "an owner from before")
    }
  }),
  check("fence: nobody can end what has ended, is not claimed, or is not there", function* (bench) {
    for (const [name, more] of [
      ["alone", {}],
      ["in a lane", { lane: lane() }]
    ] as const) {
      yield* put(bench.a, name, more)
      yield* fenced(bench, name, { id: idOf(name), epoch: 0 }, "one without a claim")
      const own = yield* mine(bench, bench.a, name)
      yield* fenced(bench, name, { id: own.id, epoch: own.epoch + 1 }, "one with an epoch of its own")
      yield* bench.a.settle(own, again(), learning())
      yield* fenced(bench, name, own, "one whose claim has ended")
      const next = yield* mine(bench, bench.b, name)
      yield* bench.b.settle(next, dead, learning())
      yield* fenced(bench, name, next, "the owner of what is dead")
    }
    for (const store of [bench.a, bench.b]) {
      const nobody = { id: idOf("nobody"), epoch: 1 }
      yield* same("the end of what is not there", yield* store.settle(nobody, delivered(), learning()), false)
    }
  }),
  check("fence: who is late, and was not taken over, is heard", function* (bench) {
    yield* put(bench.a, "one", { lease: bench.lease })
    const own = yield* stored(bench.a, "one")
    yield* bench.pass(bench.lease)
    yield* same("the end", yield* bench.a.settle(own, delivered(), learning()), true)
    yield* claims(bench, bench.b, [])
  }),
  check("race: of many ends of one claim one is heard", function* (bench) {
    for (let n = 0; n < bench.keys; n++) {
      const own = yield* put(bench.a, `k${n}`, { lease: hour, ...(n % 2 === 0 ? {} : { lane: lane(`l${n}`, "skip") }) })
      if (own === undefined) return yield* violated("the claim", own, "to be had")
      const heard = yield* Effect.forEach(
        Array.from({ length: bench.racers }, (_, racer) => racer),
        (racer) => (racer % 2 === 0 ? bench.a : bench.b).settle(own.entry, ends[racer % ends.length]!, learning()),
        { concurrency: "unbounded" }
      )
      yield* same("how many were heard", heard.filter(Boolean).length, 1)
    }
  })
]
