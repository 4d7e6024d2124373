// What a person may do to an entry, and to which.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { State } from "../../../OutboxEntry.ts"
import type { Change } from "../../../OutboxStore.ts"
import {
  aTry,
  type Bench,
  again,
  answer,
  check,
  claims,
  dead,
  delivered,
  discard,
  ended,
  hour,
  idOf,
  lane,
  learning,
  mine,
  note,
  put,
  redrive,
  refused,
  resolve,
  same,
  span,
  states,
  stored,
  violated
} from "./bench.ts"

const { zero } = Duration
const unclear = { _tag: "NeedsReconcile", why: "key expired" } as const

const change = (bench: Bench, name: string, to: Change, generation = 0) =>
  bench.b.change({ id: idOf(name), generation }, to, note)

/** An entry in a state. */
const inState = (bench: Bench, state: State, name: string) =>
  Effect.gen(function* () {
    switch (state) {
      case "Waiting":
        yield* put(bench.a, `before ${name}`, { lane: lane(name), lease: hour })
        yield* put(bench.a, name, { lane: lane(name) })
        break
      case "Pending":
        yield* put(bench.a, name, { delay: hour })
        break
      case "Leased":
        yield* put(bench.a, name, { lease: hour })
        break
      case "Delivered":
        yield* ended(bench, name, delivered())
        break
      case "Dead":
        yield* ended(bench, name, dead)
        break
      case "NeedsReconcile":
        yield* ended(bench, name, unclear)
        break
      case "Discarded":
        yield* put(bench.a, name, { delay: hour })
        yield* change(bench, name, discard)
    }
    const entry = yield* stored(bench.a, name)
    yield* same(`the state of ${name}`, entry.state, state)
    return entry
  })

const allStates: ReadonlyArray<State> = [
  "Waiting",
  "Pending",
  "Leased",
  "Delivered",
  "Dead",
  "NeedsReconcile",
  "Discarded"
]

export const hands = [
  check("redrive: it is pending again with what it had, and counts from zero", function* (bench) {
    for (const verdict of [dead, unclear]) {
      const name = `r ${verdict._tag}`
      yield* put(bench.a, name, { lease: zero, expiresAfter: hour, attempts: 5, firstSentAgo: 400 })
      yield* bench.pass(Duration.millis(5))
      const own = yield* mine(bench, bench.a, name)
      const history = [aTry(), aTry()]
      yield* bench.a.settle(own, verdict, learning({ outcome: "Unknown", inDoubtAgo: 3, history }))
      const before = yield* stored(bench.a, name)
      yield* same("the change", yield* change(bench, name, { ...redrive, delay: bench.lease }), true)
      const after = yield* stored(bench.a, name)
      yield* same("the entry", after, {
        ...before,
        state: "Pending",
        why: undefined,
        generation: 1,
        attempts: 0,
        tries: 0,
        crashes: 0,
        dueAt: after.dueAt,
        changedAt: after.changedAt,
        expiresAt: undefined
      })
      yield* span(bench, "the delay", after.dueAt - after.changedAt, bench.lease)
      yield* claims(bench, bench.a, [], "what is claimed too early")
      yield* bench.pass(bench.lease)
      const next = yield* mine(bench, bench.a, name)
      yield* same(
        "the next claim",
        [next.attempts, next.tries, next.epoch > own.epoch, next.payload],
        [1, 1, true, `payload of ${name}`]
      )
      yield* bench.a.settle(next, delivered(), learning())
    }
  }),
  check("redrive: with a new key nothing is known of the old one", function* (bench) {
    yield* put(bench.a, "one", { firstSentAgo: 400, inDoubtAgo: 300, outcome: "Unknown" })
    yield* bench.a.settle(yield* mine(bench, bench.a, "one"), unclear, learning({ outcome: "Unknown" }))
    yield* same("the change", yield* change(bench, "one", { ...redrive, newKey: "another" }), true)
    const { firstSentAt, history, id, inDoubtAt, key, outcome } = yield* stored(bench.a, "one")
    yield* same(
      "the entry",
      [key, outcome, firstSentAt, inDoubtAt, id],
      ["another", "NotSent", undefined, undefined, idOf("one")]
    )
    yield* same("what was tried", history, learning().history)
  }),
  check("redrive: again without a key, nothing is known of the earlier tries", function* (bench) {
    for (const again of [true, false, undefined]) {
      const name = `again ${again}`
      const known = { key: undefined, lease: hour, firstSentAgo: 400, inDoubtAgo: 300, outcome: "Unknown" } as const
      const own = yield* put(bench.a, name, known)
      if (own === undefined) return yield* violated("the claim", own, "to be had")
      yield* bench.a.settle(own.entry, unclear, learning({ outcome: "Unknown" }))
      yield* same("the change", yield* change(bench, name, { ...redrive, again }), true)
      const { firstSentAt, inDoubtAt, key, outcome } = yield* stored(bench.a, name)
      const before = [own.entry.firstSentAt, own.entry.inDoubtAt, "Unknown"]
      const expected = again === true ? [undefined, undefined, "NotSent"] : before
      yield* same("the entry", [firstSentAt, inDoubtAt, outcome, key], [...expected, undefined])
      yield* bench.a.change({ id: own.entry.id, generation: 1 }, discard, note)
    }
  }),
  check("discard: it is given up, and its payload is gone", function* (bench) {
    for (const state of ["Waiting", "Pending", "Dead", "NeedsReconcile"] as const) {
      const name = `d ${state}`
      const before = yield* inState(bench, state, name)
      yield* same("the change", yield* change(bench, name, discard), true)
      const after = yield* stored(bench.a, name)
      yield* same("the entry", after, {
        ...before,
        state: "Discarded",
        why: undefined,
        payload: "",
        changedAt: after.changedAt
      })
    }
    yield* claims(bench, bench.b, [])
  }),
  check("answer: it is known how it ended, and whoever claims it is told", function* (bench) {
    for (const verdict of [dead, unclear]) {
      for (const text of ["seen", ""]) {
        const name = `a ${verdict._tag} ${text}`
        yield* put(bench.a, name, { lease: zero, attempts: 5, firstSentAgo: 400, expiresAfter: hour })
        yield* bench.pass(Duration.millis(5))
        const own = yield* mine(bench, bench.a, name)
        yield* bench.a.settle(own, verdict, learning({ outcome: "Unknown", inDoubtAgo: 3, history: [aTry()] }))
        const before = yield* stored(bench.a, name)
        yield* same("the change", yield* change(bench, name, { ...answer, answer: text }), true)
        const after = yield* stored(bench.a, name)
        yield* same("the entry", after, {
          ...before,
          state: "Pending",
          why: undefined,
          outcome: "Applied",
          answer: text,
          generation: 1,
          attempts: 0,
          tries: 0,
          crashes: 0,
          dueAt: after.dueAt,
          changedAt: after.changedAt
        })
        // At once: a database may read its clock more than once for a statement.
        yield* span(bench, "the delay", after.dueAt - after.changedAt, zero)
        const next = yield* mine(bench, bench.b, name)
        yield* same("the claim", [next.answer, next.payload, next.key], [text, `payload of ${name}`, name])
        // The handler failed: it is told again, until it has come to its end.
        yield* bench.b.settle(next, again(zero, text), learning())
        const last = yield* mine(bench, bench.a, name)
        yield* same("the answer of the next claim", last.answer, text)
        yield* same("the end", yield* bench.a.settle(last, delivered(), learning()), true)
        const { answer: left, payload, result, state } = yield* stored(bench.b, name)
        yield* same("what is delivered", [state, result, payload, left], ["Delivered", "result", "", undefined])
      }
    }
  }),
  check("answer: a claim that is lost leaves nothing in doubt, and the answer to the next one", function* (bench) {
    yield* ended(bench, "one", unclear)
    const before = yield* stored(bench.a, "one")
    yield* same("the change", yield* change(bench, "one", answer), true)
    yield* bench.a.claim({ integration: "billing", operation: "charge", limit: 1, lease: zero })
    yield* bench.pass(Duration.millis(5))
    const next = yield* mine(bench, bench.b, "one")
    yield* same(
      "what is known",
      [next.answer, next.outcome, next.inDoubtAt, next.crashes],
      ["seen", "Applied", before.inDoubtAt, 1]
    )
  }),
  check("answer: in a lane it keeps its place, and those behind it wait for its end", function* (bench) {
    yield* ended(bench, "one", dead, { lane: lane() })
    yield* put(bench.a, "two", { lane: lane() })
    yield* same("the change", yield* change(bench, "one", answer), true)
    yield* same("the lane", yield* states(bench.a, ["one", "two"]), ["Pending", "Waiting"])
    const own = yield* mine(bench, bench.b, "one")
    yield* bench.b.settle(own, delivered(), learning())
    yield* claims(bench, bench.a, ["two"])
    // Where entries say different things, one that was passed may find another before it.
    yield* put(bench.a, "x", { lane: lane("mixed", "skip"), lease: hour })
    yield* put(bench.a, "y", { lane: lane("mixed"), delay: zero })
    yield* bench.a.settle(yield* stored(bench.a, "x"), dead, learning())
    yield* bench.a.settle(yield* mine(bench, bench.a, "y"), dead, learning())
    yield* same("the change", yield* change(bench, "x", answer), true)
    yield* same("another change", yield* change(bench, "y", answer), true)
    yield* same("the other lane", yield* states(bench.a, ["x", "y"]), ["Pending", "Waiting"])
  }),
  check("resolve: it is known that it happened, and nothing more", function* (bench) {
    for (const verdict of [dead, unclear]) {
      const name = `s ${verdict._tag}`
      yield* put(bench.a, name)
      yield* bench.a.settle(yield* mine(bench, bench.a, name), verdict, learning({ outcome: "Unknown" }))
      const before = yield* stored(bench.a, name)
      yield* same("the change", yield* change(bench, name, resolve), true)
      const after = yield* stored(bench.a, name)
      yield* same("the entry", after, {
        ...before,
        state: "Delivered",
        why: undefined,
        outcome: "Applied",
        payload: "",
        changedAt: after.changedAt
      })
    }
    yield* claims(bench, bench.b, [])
  }),
  check("change: only what is dead or unclear, and of the generation that was looked at", function* (bench) {
    for (const to of [redrive, discard, answer, resolve]) {
      for (const state of allStates) {
        const name = `c ${to._tag} ${state}`
        const entry = yield* inState(bench, state, name)
        const open = state === "Dead" || state === "NeedsReconcile"
        const fine = open || (to._tag === "Discard" && (state === "Pending" || state === "Waiting"))
        const past = { id: entry.id, generation: entry.generation + 1 }
        yield* refused(bench, `${to._tag} of another generation`, name, (store) => store.change(past, to, note))
        if (!fine) yield* refused(bench, `${to._tag} of ${state}`, name, (store) => store.change(entry, to, note))
      }
    }
    for (const store of [bench.a, bench.b]) {
      const nobody = { id: idOf("nobody"), generation: 0 }
      yield* same("a change of what is not there", yield* store.change(nobody, redrive, note), false)
      yield* same("its notes", yield* store.audits(nobody.id), [])
    }
  }),
  check("change: every change has its note, the oldest first", function* (bench) {
    yield* ended(bench, "one", dead)
    const notes = [
      { action: "redrive", by: "ada", evidence: "they said so" },
      { action: "redrive with a new key", by: "Grace Hopper", evidence: "" },
      { action: "discard", by: "ada", evidence: "two\nlines, and ü '\"" }
    ] as const
    const changes: ReadonlyArray<Change> = [redrive, { ...redrive, newKey: "new" }, discard]
    for (const [n, to] of changes.entries()) {
      if (n > 0)
        yield* bench.a.settle(
          (yield* bench.a.claim({ integration: "billing", operation: "charge", limit: 1, lease: hour }))[0]!.entry,
          dead,
          learning()
        )
      yield* same("the change", yield* bench.b.change({ id: idOf("one"), generation: n }, to, notes[n]!), true)
    }
    const written = yield* bench.a.audits(idOf("one"))
    yield* same(
      "the notes",
      written.map(({ action, by, evidence }) => ({ action, by, evidence })),
      [...notes]
    )
    const { changedAt } = yield* stored(bench.a, "one")
    yield* span(bench, "the time since the last note", changedAt - (written.at(-1)?.at ?? 0), zero)
    yield* same("the notes of another", yield* bench.a.audits(idOf("two")), [])
  }),
  check("race: of many changes of one entry one is made", function* (bench) {
    for (let n = 0; n < Math.ceil(bench.keys / 4); n++) {
      yield* ended(bench, `k${n}`, dead, n % 2 === 0 ? {} : { lane: lane(`l${n}`) })
      const made = yield* Effect.forEach(
        Array.from({ length: bench.racers }, (_, racer) => racer),
        (racer) =>
          (racer % 2 === 0 ? bench.a : bench.b).change(
            { id: idOf(`k${n}`), generation: 0 },
            [redrive, discard, answer, resolve][racer % 4]!,
            note
          ),
        { concurrency: "unbounded" }
      )
      const count = made.filter(Boolean).length
      yield* same("how many were made", count, 1)
      yield* same("how many notes there are", (yield* bench.a.audits(idOf(`k${n}`))).length, 1)
    }
  }),
  check("race: what is given up is not claimed, or what is claimed is not given up", function* (bench) {
    for (let n = 0; n < bench.keys; n++) {
      yield* put(bench.a, `k${n}`)
      const give = change(bench, `k${n}`, discard)
      const take = bench.a.claim({ integration: "billing", operation: "charge", limit: 1, lease: hour })
      const both = { concurrency: "unbounded" } as const
      const { claimed, given } = yield* n % 2 === 0
        ? Effect.all({ given: give, claimed: take }, both)
        : Effect.all({ claimed: take, given: give }, both)
      // A claim passes over what another one has locked, so that both may come to nothing; but never may both succeed.
      if (given && claimed.length > 0)
        return yield* violated("an entry that was given up and claimed", claimed[0], "one of them")
      if (!given) yield* change(bench, `k${n}`, discard)
      for (const { entry } of claimed) yield* bench.a.settle(entry, delivered(), learning())
    }
  })
]
