// What is listed as held, what a sweep may forget, which names are one name, and how much fits into a record.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Address, OnLostLease } from "../../../IdempotencyStore.ts"
import { asking, at, type Bench, check, holds, hour, replayed, same, started, stored, told } from "./bench.ts"

const policies: ReadonlyArray<OnLostLease> = ["rerun", "resume", "hold"]
const tick = (bench: Bench) => bench.pass(Duration.millis(bench.exact ? 1 : 5))

/** Twenty thousand characters that do not compress, and that only the last one tells apart. */
const long = (last: string): string => {
  let state = 1
  let text = ""
  for (let n = 0; n < 20_000; n++) {
    state = (state * 48_271) % 0x7fff_ffff
    text += String.fromCharCode(97 + (state % 26))
  }
  return text + last
}

/** Addresses that a careless store takes for each other. */
const confusable: ReadonlyArray<Address> = [
  at("bc", "a"),
  at("c", "ab"),
  at("c", "a:b"),
  at("b:c", "a"),
  at("b|c", "a"),
  at("c", "a|b"),
  at("b/c", "a"),
  at("c", "a/b"),
  at("1:ab", "1"),
  at("ab", "1:1"),
  at('","c', '["a'),
  at('c"]', '["a","'),
  at("K", "s"),
  at("k", "s"),
  at("k", "S"),
  at("k ", "s"),
  at(" k", "s"),
  at("k\t", "s"),
  at("k", "s "),
  at("é", "s"),
  at("e\u0301", "s"),
  at("ﬁ", "s"),
  at("fi", "s"),
  at("ß", "s"),
  at("ss", "s"),
  at("日本🎉", "s"),
  at("日本🎊", "s"),
  at("{k}", "s"),
  at("}k{", "s"),
  at("%", "s"),
  at("_", "s"),
  at("*", "s"),
  at("?", "s"),
  at("\\", "s"),
  at("'; --", "s"),
  at('"', "s"),
  at("$1", "s"),
  at("__proto__", "s"),
  at("k", "__proto__"),
  at("1", "s"),
  at("01", "s"),
  at("1.0", "s"),
  at(long("x"), "s"),
  at(long("y"), "s"),
  at("s", long("x")),
  at("s", long("y")),
  at(long("x"), long("x"))
]

/** Names that a database may be unable to write down. It may refuse them; it may not confuse them. */
const unwritable: ReadonlyArray<Address> = [
  at("\ud800", "u"),
  at("\ud801", "u"),
  at("\ufffd", "u"),
  at("a\u0000b", "u"),
  at("a\u0000", "u"),
  at("a", "u"),
  at("a", "u\u0000"),
  at("a", "\udfff")
]

/** Texts that a store must give back as it got them. */
const texts: ReadonlyArray<readonly [name: string, text: string]> = [
  ["an empty one", ""],
  ["white space", " \t\r\n "],
  ["what looks like null", "null"],
  ["what looks like a number", "007"],
  ["JSON with escapes", JSON.stringify({ "a\u0000b": ['"\\/', "\u2028\u2029", "\ud83d\ude00"] })],
  ["many alphabets", "Grüße, 日本語, العربية, ਪੰਜਾਬੀ, e\u0301, 👩‍👩‍👧‍👦"],
  ["64 KiB", long("").repeat(4).slice(0, 65_536)],
  ["256 KiB", long("").repeat(14).slice(0, 262_144)],
  ["256 KiB in three-byte characters", "語".repeat(87_381)]
]

const resolved = { _tag: "Done", result: undefined, timeToLive: hour } as const

export const keeping = [
  check("held: what is held, oldest first, of one scope or of all, and no more than asked for", function* (bench) {
    const { a, b } = bench
    const hold = Effect.fnUntraced(function* (key: string, scope: string, how: "hold" | "lost") {
      yield* tick(bench)
      const claim = yield* started(a, asking(bench, at(key, scope), { onLostLease: "hold", lease: hour }))
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: key }), true)
      const written = how === "hold" ? a.hold(claim.owner) : a.renew(claim.owner, Duration.zero)
      yield* same(how, yield* written, true)
      return claim
    })
    // In an order that neither names nor shards can produce by accident.
    const all = [
      yield* hold("d", "red", "hold"),
      yield* hold("a", "blue", "lost"),
      yield* hold("z", "red", "lost"),
      yield* hold("c", "blue", "hold"),
      yield* hold("b", "red", "hold")
    ]
    // What is at work, done, absent again, or to be run again is not held.
    for (const onLostLease of policies) {
      yield* started(b, asking(bench, at("running", onLostLease), { onLostLease, lease: hour }))
      const done = yield* started(b, asking(bench, at("done", onLostLease), { onLostLease }))
      yield* same("complete", yield* b.complete(done.owner, { result: "ok", timeToLive: hour }), true)
      const released = yield* started(b, asking(bench, at("released", onLostLease), { onLostLease }))
      yield* same("release", yield* b.release(released.owner), true)
      if (onLostLease === "hold") continue
      const lost = yield* started(b, asking(bench, at("lost", onLostLease), { onLostLease }))
      yield* same("renew for zero", yield* b.renew(lost.owner, Duration.zero), true)
    }
    const listed = Effect.fnUntraced(function* (limit: number, scope: string | undefined, expected: typeof all) {
      const found = yield* (limit % 2 === 0 ? a : b).held(scope === undefined ? { limit } : { limit, scope })
      const names = found.map(({ epoch, fingerprint, key, scope, state, steps }) => ({
        epoch,
        fingerprint,
        key,
        scope,
        state,
        steps
      }))
      const owners = expected.map(({ owner }) => ({
        epoch: owner.epoch,
        fingerprint: "f:1",
        key: owner.key,
        scope: owner.scope,
        state: "Held",
        steps: [{ name: "one", data: owner.key }]
      }))
      yield* same(`held, at most ${limit}, of ${scope ?? "all scopes"}`, names, owners)
    })
    const red = all.filter(({ owner }) => owner.scope === "red")
    yield* listed(100, undefined, all)
    yield* listed(3, undefined, all.slice(0, 3))
    yield* listed(100, "red", red)
    yield* listed(1, "red", red.slice(0, 1))
    yield* listed(10, "nobody", [])
    yield* listed(0, undefined, [])
    yield* same("resolve", yield* b.resolve(all[1]!.owner, resolved), true)
    yield* same("resolve", yield* b.resolve(all[0]!.owner, { _tag: "Absent" }), true)
    yield* listed(100, undefined, all.slice(2))
  }),

  check("held: what is taken over with another policy, and what is held without it", function* (bench) {
    const { a, b } = bench
    const rerun = yield* started(a, asking(bench, at("rerun")))
    yield* same("hold of a rerun", yield* a.hold(rerun.owner), true)
    yield* tick(bench)
    const was = yield* started(a, asking(bench, at("was"), { onLostLease: "rerun", lease: hour }))
    yield* same("renew for zero", yield* a.renew(was.owner, Duration.zero), true)
    const now = yield* started(b, asking(bench, at("was"), { onLostLease: "hold", lease: hour }))
    yield* same(
      "held before",
      (yield* b.held({ limit: 9 })).map(({ key }) => key),
      ["rerun"]
    )
    yield* same("renew for zero", yield* b.renew(now.owner, Duration.zero), true)
    yield* same(
      "held after",
      (yield* a.held({ limit: 9 })).map(({ key }) => key),
      ["rerun", "was"]
    )
    for (const key of ["rerun", "was"]) yield* same("resolve", yield* a.resolve(at(key), { _tag: "Absent" }), true)
    yield* same("held at the end", yield* b.held({ limit: 9 }), [])
  }),

  check("sweep: forgets what is over, at most so many, and nothing that runs or is held", function* (bench) {
    const { a, b, lease } = bench
    const over: Array<Address> = []
    for (const key of ["1", "2", "3"]) {
      const done = yield* started(a, asking(bench, at(key, "done"), { timeToLive: hour }))
      yield* same("complete", yield* a.complete(done.owner, { result: key, timeToLive: lease }), true)
      over.push(done.owner)
    }
    for (const onLostLease of ["rerun", "resume"] as const) {
      over.push((yield* started(a, asking(bench, at(onLostLease, "gone"), { onLostLease, timeToLive: lease }))).owner)
    }
    const alive = []
    for (const onLostLease of policies) {
      const options = { onLostLease, timeToLive: lease, lease: hour }
      alive.push(yield* started(a, asking(bench, at(onLostLease, "running"), options)))
    }
    const held = yield* started(a, asking(bench, at("held"), { timeToLive: lease }))
    yield* same("hold", yield* a.hold(held.owner), true)
    yield* started(a, asking(bench, at("lost"), { onLostLease: "hold", timeToLive: lease }))
    const kept = yield* started(a, asking(bench, at("kept"), { timeToLive: lease }))
    yield* same("complete", yield* a.complete(kept.owner, { result: "kept", timeToLive: hour }), true)
    // Lost, but still to be resumed.
    const resumable = yield* started(a, asking(bench, at("resumable"), { onLostLease: "resume" }))
    yield* same("saveStep", yield* a.saveStep(resumable.owner, { name: "one", data: "1" }), true)

    yield* same("a sweep before anything is over", yield* b.sweep({ limit: 100 }), 0)
    yield* bench.pass(lease)
    const none = yield* a.sweep({ limit: 0 })
    yield* same("a sweep of none", none, 0)
    const counts = [yield* a.sweep({ limit: 2 }), yield* b.sweep({ limit: 100 }), yield* a.sweep({ limit: 100 })]
    if (bench.forgets === "swept") yield* same("what three sweeps forgot", counts, [2, over.length - 2, 0])
    else
      yield* holds(
        "what three sweeps forgot",
        counts,
        counts[0]! <= 2 && counts[1]! <= over.length,
        "at most what is over"
      )
    if (bench.forgets === "swept") {
      for (const address of over) yield* same("the record of what is over", (yield* b.get(address))._tag, "None")
    }
    for (const { scope, key } of over) {
      yield* same("takenOver", (yield* started(b, asking(bench, at(key, scope)))).takenOver, false)
    }
    for (const { owner } of alive) {
      yield* told(b, asking(bench, owner), "InFlight", "a claim of what runs, after a sweep")
      yield* same("its owner's complete", yield* a.complete(owner, { result: "ok", timeToLive: hour }), true)
    }
    for (const key of ["held", "lost"])
      yield* told(b, asking(bench, at(key)), "Held", "a claim of what is held, after a sweep")
    yield* same("held", (yield* b.held({ limit: 9 })).length, 2)
    yield* replayed(b, asking(bench, at("kept")), "kept")
    const resumed = yield* started(b, asking(bench, at("resumable")))
    yield* same("steps of what is resumed", resumed.steps, [{ name: "one", data: "1" }])
  }),

  check("names: no scope and key together are another scope and key", function* (bench) {
    const { a, b } = bench
    const claims = []
    for (const [n, address] of confusable.entries()) {
      claims.push(yield* started(a, asking(bench, address, { fingerprint: `f:${n}`, lease: hour }), `claim ${n}`))
    }
    for (const [n, claim] of claims.entries()) {
      const written = yield* b.complete(claim.owner, { result: `result ${n}`, timeToLive: hour })
      yield* same(`complete ${n}`, written, true)
    }
    for (const [n, address] of confusable.entries()) {
      yield* replayed(a, asking(bench, address, { fingerprint: `f:${n}` }), `result ${n}`, `claim ${n}, again`)
      const { key, scope } = yield* stored(b, address)
      yield* same(`address ${n}`, { scope, key }, address)
    }
  }),

  check("names: what can't be written down is refused, and never taken for another name", function* (bench) {
    const { a, b } = bench
    for (const [n, address] of unwritable.entries()) {
      const options = asking(bench, address, { fingerprint: `f:${n}`, lease: hour })
      const claim = yield* Effect.exit(a.claim(options))
      if (Exit.isFailure(claim)) continue
      if (claim.value._tag !== "Started") return yield* same(`claim ${n}`, claim.value, "Started, or a failure")
      const owner = { ...address, epoch: claim.value.epoch }
      const complete = b.complete(owner, { result: `result ${n}`, timeToLive: hour })
      yield* same(`complete ${n}`, yield* complete, true)
      yield* replayed(a, options, `result ${n}`, `claim ${n}, again`)
      const { key, scope } = yield* stored(b, address)
      yield* same(`address ${n}`, { scope, key }, address)
    }
  }),

  check("sizes: results, steps and fingerprints come back as they went in, up to 256 KiB", function* (bench) {
    const { a, b } = bench
    for (const [n, [name, text]] of texts.entries()) {
      const options = asking(bench, at(`k${n}`), {
        onLostLease: "resume",
        lease: hour,
        fingerprint: `f:${"é".repeat(200)}${"x".repeat(50)}${n}`
      })
      const claim = yield* started(a, options)
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name, data: text }), true)
      yield* same("renew for zero", yield* a.renew(claim.owner, Duration.zero), true)
      const next = yield* started(b, options)
      yield* holds(`a step with ${name}`, next.steps.length, next.steps[0]?.data === text, "to come back")
      yield* same("complete", yield* b.complete(next.owner, { result: text, timeToLive: hour }), true)
      const claimed = yield* told(a, options, "Replay")
      yield* holds(
        `a result: ${name}`,
        claimed._tag,
        claimed._tag === "Replay" && claimed.result === text,
        "to come back"
      )
      yield* holds("its record", name, (yield* stored(b, at(`k${n}`))).result === text, "to hold it")
    }
    const refused = asking(bench, at("k0"), { fingerprint: `f:${"é".repeat(200)}${"x".repeat(50)}` })
    yield* told(a, refused, "Mismatch", "a claim with another long fingerprint")
  }),

  check("time: a lease and a time to live may be very long, and need not be whole milliseconds", function* (bench) {
    const { a, b, lease } = bench
    const century = Duration.days(36_500)
    for (const onLostLease of policies) {
      for (const timeToLive of [century, Duration.infinity]) {
        const options = asking(bench, at(`${onLostLease} ${String(timeToLive)}`), {
          onLostLease,
          lease: century,
          timeToLive
        })
        const claim = yield* started(a, options)
        yield* same("renew", yield* b.renew(claim.owner, century), true)
        yield* bench.pass(Duration.millis(1))
        yield* told(b, options, "InFlight")
        yield* same("complete", yield* a.complete(claim.owner, { result: "ok", timeToLive }), true)
        yield* bench.pass(Duration.millis(1))
        yield* replayed(b, options, "ok")
        yield* holds(
          "expiresAt",
          yield* stored(a, options),
          (yield* stored(b, options)).expiresAt > 3e12,
          "in a century"
        )
      }
    }
    const fraction = Duration.sum(lease, Duration.micros(500n))
    const options = asking(bench, at("fraction"), { lease: fraction, timeToLive: Duration.sum(hour, fraction) })
    const claim = yield* started(a, options)
    yield* same("renew", yield* b.renew(claim.owner, fraction), true)
    yield* told(b, options, "InFlight")
    yield* bench.pass(Duration.sum(lease, Duration.millis(1)))
    const next = yield* started(b, options)
    yield* same("complete", yield* a.complete(next.owner, { result: "ok", timeToLive: fraction }), true)
    yield* replayed(b, options, "ok")
  })
]
