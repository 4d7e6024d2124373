// What a sweep may forget, what a look finds, which texts fit, and who is told.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Entry, State, Why } from "../../../OutboxEntry.ts"
import type { Filter, Group } from "../../../OutboxStore.ts"
import {
  aTry,
  type Bench,
  check,
  claim,
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
  names,
  note,
  offering,
  put,
  redrive,
  resolve,
  same,
  stored
} from "./bench.ts"

const { millis, zero } = Duration
const unclear = { _tag: "NeedsReconcile", why: "key expired" } as const
const left = (bench: Bench, all: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(all, (name) => bench.b.get(idOf(name))),
    (found) => all.filter((_, n) => Option.isSome(found[n]!))
  )

/** Twenty thousand characters that do not compress. */
const long = (seed: number): string => {
  let state = seed
  let text = ""
  for (let n = 0; n < 20_000; n++) {
    state = (state * 48_271) % 0x7fff_ffff
    text += String.fromCharCode(97 + (state % 26))
  }
  return text
}

const keyed = (entries: ReadonlyArray<Entry>) => entries.map(({ key }) => key)

export const keeping = [
  check(
    "sweep: what was delivered, resolved or given up is forgotten after it was kept, with its notes, and no sooner",
    function* (bench) {
      const keep = bench.lease
      yield* ended(bench, "delivered", delivered("r", keep), { lane: lane("swept") })
      yield* ended(bench, "kept", delivered("r", hour))
      for (const [name, to] of [
        ["given up", { ...discard, keep }],
        ["resolved", { ...resolve, keep }]
      ] as const) {
        yield* ended(bench, name, dead)
        yield* bench.a.change({ id: idOf(name), generation: 0 }, to, note)
      }
      yield* ended(bench, "kept by default", dead)
      yield* bench.a.change({ id: idOf("kept by default"), generation: 0 }, { _tag: "Discard" }, note)
      const all = ["delivered", "given up", "resolved", "kept", "kept by default"]
      yield* bench.passAlmost(keep)
      yield* same("a sweep too early", yield* bench.b.sweep({ limit: 100 }), 0)
      yield* bench.pass(bench.exact ? millis(1) : keep)
      yield* same("a sweep of two", yield* bench.a.sweep({ limit: 2 }), 2)
      yield* same("a sweep of the rest", yield* bench.b.sweep({ limit: 100 }), 1)
      yield* same("a sweep of nothing", yield* bench.b.sweep({ limit: 100 }), 0)
      yield* same("what is left", yield* left(bench, all), ["kept", "kept by default"])
      yield* same("the notes", yield* bench.a.audits(idOf("given up")), [])
      const [first, second] = [
        yield* put(bench.a, "delivered", { lane: lane("swept"), lease: hour }),
        yield* put(bench.a, "x", { lane: lane("swept") })
      ]
      yield* same("the lane after a sweep", [first?.entry.state, second], ["Leased", undefined])
    }
  ),
  check("sweep: what has not ended, and what is dead or unclear, is never forgotten", function* (bench) {
    yield* put(bench.a, "pending", { delay: hour, expiresAfter: zero })
    yield* put(bench.a, "due", { expiresAfter: zero, operation: "other" })
    yield* put(bench.a, "lost", { lease: zero, lane: lane() })
    yield* put(bench.a, "waiting", { lane: lane() })
    yield* ended(bench, "dead", dead)
    yield* ended(bench, "unclear", unclear)
    yield* ended(bench, "swept", delivered("r", zero))
    const all = ["pending", "due", "lost", "waiting", "dead", "unclear"]
    yield* bench.pass(bench.exact ? Duration.days(1_000) : bench.lease)
    yield* same("a sweep", yield* bench.b.sweep({ limit: 100 }), 1)
    yield* same("what is left", yield* left(bench, all), all)
    for (const name of ["dead", "unclear"]) {
      yield* same(
        "a redrive after a sweep",
        yield* bench.a.change({ id: idOf(name), generation: 0 }, redrive, note),
        true
      )
    }
    yield* claims(bench, bench.a, bench.exact ? ["dead", "lost", "pending", "unclear"] : ["dead", "lost", "unclear"])
  }),
  check("sweep: a lane that is in use goes on", function* (bench) {
    yield* ended(bench, "one", delivered("r", zero), { lane: lane() })
    yield* put(bench.a, "two", { lane: lane(), lease: hour })
    yield* put(bench.a, "three", { lane: lane() })
    yield* bench.pass(millis(5))
    yield* same("a sweep", yield* bench.a.sweep({ limit: 9 }), 1)
    yield* put(bench.a, "four", { lane: lane() })
    const places = yield* Effect.forEach(["two", "three", "four"], (name) =>
      Effect.map(stored(bench.b, name), ({ position }) => position)
    )
    yield* same("places", places, [2, 3, 4])
    yield* bench.a.settle(yield* stored(bench.a, "two"), delivered(), learning())
    yield* mine(bench, bench.b, "three")
  }),
  check("list: what was asked for, oldest first, page by page", function* (bench) {
    const step = millis(bench.exact ? 1 : 3)
    const each = Effect.fnUntraced(function* (
      name: string,
      verdict: Parameters<typeof ended>[2] | undefined,
      more = {}
    ) {
      yield* verdict === undefined
        ? Effect.asVoid(put(bench.a, name, { delay: hour, ...more }))
        : Effect.asVoid(ended(bench, name, verdict, more))
      yield* bench.pass(step)
    })
    yield* each("h", delivered())
    yield* each("g", dead, { lane: lane("one", "skip") })
    yield* each("f", unclear, { operation: "refund" })
    yield* each("e", undefined)
    yield* each("d", { _tag: "Dead", why: "exhausted" }, { history: [aTry()] })
    yield* each("c", undefined, { integration: "mail", history: [aTry()] })
    yield* each("b", dead, { key: "K".repeat(200) })
    yield* each("a", dead, { key: `${"K".repeat(199)}k` })
    const all = ["h", "g", "f", "e", "d", "c", "b", "a"]
    const nameOf = (entry: Entry) => all.find((name) => idOf(name) === entry.id)
    const at = (yield* stored(bench.a, "e")).createdAt
    const asked: ReadonlyArray<readonly [Filter, string]> = [
      [{}, "hgfedcba"],
      [{ states: undefined, integration: undefined }, "hgfedcba"],
      [{ states: [] }, ""],
      [{ states: ["Dead"] }, "gdba"],
      [{ states: ["Dead", "NeedsReconcile"] }, "gfdba"],
      [{ states: ["Pending", "Delivered"] }, "hec"],
      [{ integration: "mail" }, "c"],
      [{ operation: "refund" }, "f"],
      [{ key: "d" }, "d"],
      [{ key: "K".repeat(200) }, "b"],
      [{ key: "D" }, ""],
      [{ lane: "one" }, "g"],
      [{ why: "exhausted" }, "d"],
      [{ reason: "Unavailable" }, "c"],
      [{ reason: "Success", states: ["Dead"] }, "gdba"],
      [{ createdBefore: at }, "hgf"],
      [{ createdAfter: at }, "dcba"],
      [{ createdAfter: at, why: "rejected", integration: "billing" }, "ba"]
    ]
    for (const [filter, expected] of asked) {
      const entries = yield* bench.b.list(filter, { limit: 100 })
      yield* same(`the list of ${JSON.stringify(filter)}`, entries.map(nameOf).join(""), expected)
      let pages = ""
      let after: Entry | undefined
      for (let n = 0; n < 9; n++) {
        const page = yield* bench.a.list(filter, { limit: 2, after })
        pages += page.map(nameOf).join("")
        after = page.at(-1)
        if (page.length < 2) break
      }
      yield* same(`the pages of ${JSON.stringify(filter)}`, pages, expected)
    }
    yield* same("an entry of a list", yield* bench.a.list({ key: "d" }, { limit: 1 }), [yield* stored(bench.b, "d")])
  }),
  check("list: entries of one moment are in the order of their ids", function* (bench) {
    const all = Array.from({ length: 30 }, (_, n) => `k${n}`)
    yield* Effect.forEach(all, (name) => bench.a.offer(offering(name)), { concurrency: "unbounded" })
    const entries = yield* bench.a.list({}, { limit: 100 })
    const inOrder = entries.toSorted((x, y) => x.createdAt - y.createdAt || (x.id < y.id ? -1 : 1))
    yield* same("the list", keyed(entries), keyed(inOrder))
    const pages: Array<string | undefined> = []
    for (let after: Entry | undefined; pages.length < all.length; after = entries[pages.length - 1]) {
      const page = yield* bench.b.list({}, { limit: 7, after })
      pages.push(...keyed(page))
      if (page.length === 0) break
    }
    yield* same("the pages", pages, keyed(inOrder))
  }),
  check("groups: what ended, or waits, alike, with how many and since when", function* (bench) {
    yield* ended(bench, "a", dead)
    yield* bench.pass(millis(bench.exact ? 1 : 3))
    yield* ended(bench, "b", dead)
    yield* ended(bench, "c", { _tag: "Dead", why: "exhausted" })
    yield* ended(bench, "d", unclear, { operation: "refund" })
    yield* put(bench.a, "e")
    yield* put(bench.a, "f", { integration: "mail", history: [aTry()] })
    const oldest = Effect.fnUntraced(function* (name: string) {
      return (yield* stored(bench.a, name)).createdAt
    })
    const group = (
      state: State,
      count: number,
      since: number,
      why: Why | undefined,
      reason: string | undefined,
      of = names
    ): Group => ({ ...of, state, why, reason, count, oldest: since })
    const expected = [
      group("Dead", 2, yield* oldest("a"), "rejected", "Success"),
      group("Dead", 1, yield* oldest("c"), "exhausted", "Success"),
      group("NeedsReconcile", 1, yield* oldest("d"), "key expired", "Success", { ...names, operation: "refund" }),
      group("Pending", 1, yield* oldest("e"), undefined, undefined),
      group("Pending", 1, yield* oldest("f"), undefined, "Unavailable", { ...names, integration: "mail" })
    ]
    const text = (groups: ReadonlyArray<Group>) =>
      groups
        .map(
          ({ count, integration, oldest, operation, reason, state, why }) =>
            `${integration} ${operation} ${state} ${why} ${reason} ${count} ${oldest}`
        )
        .toSorted()
    yield* same("all groups", text(yield* bench.b.groups({})), text(expected))
    yield* same("groups of the dead", text(yield* bench.b.groups({ states: ["Dead"] })), text(expected.slice(0, 2)))
    yield* same(
      "groups of an integration",
      text(yield* bench.b.groups({ integration: "mail" })),
      text(expected.slice(4))
    )
    yield* same("groups of no state", yield* bench.b.groups({ states: [] }), [])
  }),
  check("texts: what is stored comes back, of any length and in any script", function* (bench) {
    for (const [n, text] of [
      "",
      " ",
      "'; --",
      '\\ \\n "',
      "e\u0301 é ﬁ",
      "日本🎉",
      "\u0001\u001f\u007f\ufeff\ufffd",
      "$1 ? %_*",
      long(1),
      long(2)
    ].entries()) {
      const name = `t${n}`
      yield* put(bench.a, name, {
        key: text.slice(0, 900),
        fingerprint: text.slice(0, 200),
        payload: text,
        correlationId: text.slice(0, 99),
        history: [aTry({ message: text })],
        lane: lane(`${n} ${text}`)
      })
      const own = (yield* claim(bench, bench.b))[0]?.entry
      const found = [
        own?.key,
        own?.fingerprint,
        own?.payload,
        own?.correlationId,
        own?.history[0]?.message,
        own?.lane?.name
      ]
      yield* same("the entry", found, [
        text.slice(0, 900),
        text.slice(0, 200),
        text,
        text.slice(0, 99),
        text,
        `${n} ${text}`
      ])
      if (own !== undefined)
        yield* bench.b.settle(own, delivered(text), learning({ history: [aTry({ message: text })] }))
      const after = yield* stored(bench.a, name)
      yield* same("the result", [after.result, after.history[0]?.message], [text, text])
    }
  }),
  check("texts: what can't be kept is refused as a whole, or comes back as it was", function* (bench) {
    for (const [n, bad] of ["a\0b", "half \uD83C", "\uDF89 half"].entries()) {
      for (const field of ["key", "payload", "correlationId"] as const) {
        const name = `${field} ${n}`
        const exit = yield* Effect.result(bench.a.offer(offering(name, { [field]: bad })))
        if (exit._tag === "Success") yield* same("the entry", (yield* stored(bench.b, name))[field], bad)
        else {
          yield* same("the refusal", [exit.failure.reason, exit.failure.tookEffect], ["Malformed", "no"])
          yield* same("what is there", Option.isNone(yield* bench.b.get(idOf(name))), true)
        }
      }
      // A message in a history is no key: it must not be the reason that an entry can't be stored or settled.
      const history = [aTry({ message: bad })]
      yield* put(bench.a, `history ${n}`, { operation: `o${n}`, history })
      const [own] = yield* claim(bench, bench.a, 1, { ...names, operation: `o${n}` })
      if (own !== undefined) yield* bench.a.settle(own.entry, dead, learning({ history: [...history, ...history] }))
      yield* same("the history", (yield* stored(bench.b, `history ${n}`)).history, [...history, ...history])
    }
  }),
  check("told: who waits is told of everything that may be due, until the scope ends", function* (bench) {
    const told: Array<string> = []
    const scope = yield* Scope.make()
    const expect = (what: string, ...expected: ReadonlyArray<string>) =>
      Effect.suspend(() => same(what, told.splice(0), expected))
    const waker = ({ integration, operation }: typeof names) => void told.push(`${integration} ${operation}`)
    yield* Effect.provideService(bench.a.onOffer(waker), Scope.Scope, scope)
    yield* put(bench.a, "one", { lane: lane() })
    yield* expect("told of an offer", "billing charge")
    yield* bench.a.offer(offering("one", { lane: lane() }))
    yield* expect("told of what is there")
    yield* put(bench.a, "two", { lane: lane(), operation: "refund" })
    yield* expect("told of what waits")
    yield* put(bench.a, "own", { lease: hour })
    yield* expect("told of what is claimed")
    yield* bench.a.settle(yield* mine(bench, bench.a, "one"), delivered(), learning())
    yield* expect("told of the next in the lane", "billing refund")
    yield* ended(bench, "dead", dead)
    yield* expect("told of what is dead")
    yield* bench.a.change({ id: idOf("dead"), generation: 0 }, redrive, note)
    yield* expect("told of a redrive", "billing charge")
    yield* bench.a.pause(names)
    yield* bench.a.resume(names)
    yield* expect("told of what is resumed", "billing charge")
    yield* Scope.close(scope, yield* Effect.exit(Effect.void))
    yield* put(bench.a, "after")
    yield* expect("told after the scope has ended")
  }),
  check("transaction: it gives what its effect gives, and its own failure", function* (bench) {
    yield* same("outside of any", yield* bench.a.openTransaction, "none")
    const own = { _tag: "Own" } as const
    yield* same("a value", yield* bench.a.transaction(Effect.as(put(bench.a, "one"), "value")), "value")
    yield* same("a failure", yield* Effect.flip(bench.a.transaction(Effect.fail(own))), own)
    yield* same("a value of outside", yield* bench.a.outside(Effect.succeed(1)), 1)
    yield* same("a failure of outside", yield* Effect.flip(bench.a.outside(Effect.fail(own))), own)
    yield* claims(bench, bench.b, ["one"])
  })
]
