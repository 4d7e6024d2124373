// What the owner of a claim may do, and what one may not do whose claim is no longer its own: O1 to O8.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { OnLostLease, Step } from "../../../IdempotencyStore.ts"
import { asking, at, check, fenced, holds, hour, replayed, same, span, started, stored, told, writes } from "./bench.ts"

const policies: ReadonlyArray<OnLostLease> = ["rerun", "resume", "hold"]
const byName = (steps: ReadonlyArray<Step>) => steps.toSorted((x, y) => (x.name < y.name ? -1 : 1))

export const owners = [
  check("O1: a renewal moves the end of the lease, counted from now, and nothing else", function* (bench) {
    const { a, b, lease } = bench
    const claim = yield* started(a, asking(bench, at("k")))
    const before = yield* stored(a, at("k"))
    yield* bench.passAlmost(lease)
    yield* same("renew", yield* b.renew(claim.owner, hour), true)
    const { leaseUntil, ...rest } = yield* stored(a, at("k"))
    const { leaseUntil: earlier, ...others } = before
    yield* same("the rest of the record", rest, others)
    const passed = bench.exact ? Duration.subtract(lease, Duration.millis(1)) : Duration.zero
    yield* span(bench, "leaseUntil", leaseUntil - earlier, Duration.sum(Duration.subtract(hour, lease), passed))
    yield* bench.pass(lease)
    yield* told(b, asking(bench, at("k")), "InFlight", "a claim after the first lease")
    // A renewal may be for less than what is left.
    yield* same("a shorter renewal", yield* a.renew(claim.owner, lease), true)
    yield* bench.pass(lease)
    yield* same("takenOver", (yield* started(b, asking(bench, at("k")))).takenOver, true)
    yield* fenced(bench, claim.owner, "the owner that was taken over")
  }),

  check("O1, O2: an owner that is late is still the owner, as long as nobody came", function* (bench) {
    const { a, b, lease } = bench
    for (const onLostLease of policies) {
      const late = (key: string) => started(a, asking(bench, at(key, onLostLease), { onLostLease }))
      const claims = yield* Effect.forEach(["renew", "saveStep", "complete", "release", "hold"], late)
      yield* bench.pass(lease)
      for (const [index, [name, write]] of writes.entries()) {
        yield* same(`${name}, late, with ${onLostLease}`, yield* write(a, claims[index]!.owner), true)
      }
      yield* told(b, asking(bench, at("renew", onLostLease)), "InFlight")
      yield* replayed(b, asking(bench, at("complete", onLostLease)), "stale")
      yield* same("released", (yield* started(b, asking(bench, at("release", onLostLease)))).takenOver, false)
      yield* told(b, asking(bench, at("hold", onLostLease)), "Held")
    }
  }),

  check("O2, O3: an answer is written once, and lives from then on", function* (bench) {
    const { a, b, lease } = bench
    const claim = yield* started(a, asking(bench, at("k"), { timeToLive: hour, lease: hour }))
    yield* bench.pass(lease)
    yield* same("complete", yield* b.complete(claim.owner, { result: "one", timeToLive: lease }), true)
    yield* same("a second", yield* a.complete(claim.owner, { result: "two", timeToLive: hour }), false)
    const { createdAt, expiresAt } = yield* stored(a, at("k"))
    yield* span(bench, "expiresAt after createdAt", expiresAt - createdAt, Duration.sum(lease, lease))
    yield* replayed(b, asking(bench, at("k")), "one")
    yield* bench.pass(lease)
    yield* started(b, asking(bench, at("k")), "a claim after its time to live")
  }),

  check("O4: what was released is absent, and its owner owns nothing", function* (bench) {
    const { a, b } = bench
    for (const onLostLease of policies) {
      const address = at(onLostLease)
      const claim = yield* started(a, asking(bench, address, { onLostLease }))
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: "1" }), true)
      yield* same("release", yield* b.release(claim.owner), true)
      yield* same("the record", (yield* a.get(address))._tag, "None")
      yield* fenced(bench, claim.owner, "the owner that released")
      const next = yield* started(b, asking(bench, address, { onLostLease, fingerprint: "f:2" }))
      yield* same("takenOver", next.takenOver, false)
      yield* same("steps", next.steps, [])
      yield* holds("the next epoch", next.epoch, next.epoch > claim.epoch, `more than ${claim.epoch}`)
      yield* fenced(bench, claim.owner, "the owner that released, after another claim")
    }
  }),

  check("O4: a chain of epochs only grows, even through releases and sweeps in quick succession", function* (bench) {
    const { a, b } = bench
    const owners = []
    for (let n = 0; n < 20; n++) {
      const claim = yield* started(n % 2 === 0 ? a : b, asking(bench, at("k")))
      const last = owners.at(-1)?.epoch ?? 0
      yield* holds("the next epoch", claim.epoch, claim.epoch > last, `more than ${last}`)
      owners.push(claim.owner)
      if (n === 19) break
      if (n % 3 === 0) {
        yield* same("release", yield* a.release(claim.owner), true)
      } else {
        const over = yield* b.complete(claim.owner, { result: undefined, timeToLive: Duration.zero })
        yield* same("complete", over, true)
        if (n % 3 === 1) yield* a.sweep({ limit: 100 })
      }
    }
    for (const owner of owners.slice(0, -1)) yield* same("an old owner's release", yield* a.release(owner), false)
    const complete = b.complete(owners.at(-1)!, { result: "ok", timeToLive: hour })
    yield* same("the last owner's complete", yield* complete, true)
  }),

  check("O5: an owner in doubt gives its lease up at once, or holds", function* (bench) {
    const { a, b } = bench
    for (const onLostLease of ["rerun", "resume"] as const) {
      const claim = yield* started(a, asking(bench, at(onLostLease), { onLostLease, lease: hour }))
      yield* same("saveStep", yield* a.saveStep(claim.owner, { name: "one", data: "1" }), true)
      yield* same("renew for zero", yield* a.renew(claim.owner, Duration.zero), true)
      const next = yield* started(b, asking(bench, at(onLostLease), { onLostLease }))
      yield* same("takenOver", next.takenOver, true)
      yield* same("steps", next.steps, onLostLease === "rerun" ? [] : [{ name: "one", data: "1" }])
      yield* fenced(bench, claim.owner, "the owner that gave up")
    }
    const claim = yield* started(a, asking(bench, at("hold"), { onLostLease: "hold", lease: hour }))
    yield* same("renew for zero", yield* b.renew(claim.owner, Duration.zero), true)
    yield* told(b, asking(bench, at("hold")), "Held")
    yield* fenced(bench, claim.owner, "the owner that gave up what is to be held")
  }),

  check("O7: steps are kept in order, replaced by name, and handed to whoever resumes", function* (bench) {
    const { a, b } = bench
    const options = asking(bench, at("k"), { onLostLease: "resume" })
    const claim = yield* started(a, options)
    const save = (store: typeof a, owner: typeof claim.owner, name: string, data: string) =>
      Effect.flatMap(store.saveStep(owner, { name, data }), (saved) => same(`saveStep ${name}`, saved, true))
    const names = ["z", "a", "", "__proto__", "10", "9", "é", "a:b", "日本"]
    for (const [index, name] of names.entries()) yield* save(index % 2 === 0 ? a : b, claim.owner, name, `data ${name}`)
    const all = names.map((name) => ({ name, data: `data ${name}` }))
    yield* same("the steps", (yield* stored(b, at("k"))).steps, all)
    yield* save(b, claim.owner, "a", "")
    const replaced = all.map((step) => (step.name === "a" ? { name: "a", data: "" } : step))
    yield* same("the steps after a replacement", byName((yield* stored(a, at("k"))).steps), byName(replaced))

    yield* same("renew for zero", yield* a.renew(claim.owner, Duration.zero), true)
    const next = yield* started(b, options)
    yield* same("the steps of whoever resumes", byName(next.steps), byName(replaced))
    yield* fenced(bench, claim.owner, "the owner before")
    yield* save(a, next.owner, "last", "1")
    yield* same("renew for zero", yield* b.renew(next.owner, Duration.zero), true)
    const third = yield* started(a, options)
    yield* same("the steps of the third", byName(third.steps), byName([...replaced, { name: "last", data: "1" }]))
  }),

  check("O8: what is held is resolved once, as done or as not done", function* (bench) {
    const { a, b } = bench
    for (const [key, result] of [
      ["text", "resolved"],
      ["empty", ""],
      ["tombstone", undefined]
    ] as const) {
      const claim = yield* started(a, asking(bench, at(key), { onLostLease: "hold" }))
      yield* same("hold", yield* a.hold(claim.owner), true)
      const done = { _tag: "Done", result, timeToLive: bench.lease } as const
      yield* same("resolve", yield* b.resolve(at(key), done), true)
      yield* same("a second", yield* a.resolve(at(key), { _tag: "Absent" }), false)
      yield* replayed(a, asking(bench, at(key)), result)
      yield* fenced(bench, claim.owner, "the owner of what was resolved")
    }
    const claim = yield* started(a, asking(bench, at("absent"), { onLostLease: "hold" }))
    yield* same("hold", yield* b.hold(claim.owner), true)
    yield* same("resolve", yield* a.resolve(at("absent"), { _tag: "Absent" }), true)
    yield* same("the record", Option.isNone(yield* b.get(at("absent"))), true)
    const next = yield* started(b, asking(bench, at("absent")))
    yield* holds("the next epoch", next.epoch, next.epoch > claim.epoch, `more than ${claim.epoch}`)
    yield* fenced(bench, claim.owner, "the owner of what did not happen")
    yield* bench.pass(bench.lease)
    yield* started(b, asking(bench, at("text")), "a claim after the resolution's time to live")
  }),

  check("O8: nothing is resolved that is not held", function* (bench) {
    const { a, b, lease } = bench
    const resolutions = [{ _tag: "Absent" }, { _tag: "Done", result: "forged", timeToLive: hour }] as const
    const refused = Effect.fnUntraced(function* (key: string, what: string) {
      const before = yield* a.get(at(key))
      for (const resolution of resolutions) {
        yield* same(`resolve what ${what}`, yield* b.resolve(at(key), resolution), false)
        yield* same(`the record of what ${what}`, yield* a.get(at(key)), before)
      }
    })
    yield* refused("absent", "is absent")
    for (const onLostLease of policies) {
      const claim = yield* started(a, asking(bench, at(onLostLease), { onLostLease, lease: hour }))
      yield* refused(onLostLease, "is running")
      yield* same("complete", yield* a.complete(claim.owner, { result: "ok", timeToLive: hour }), true)
      yield* refused(onLostLease, "is done")
    }
    for (const onLostLease of ["rerun", "resume"] as const) {
      yield* started(a, asking(bench, at(`lost ${onLostLease}`), { onLostLease }))
    }
    yield* started(a, asking(bench, at("lost hold"), { onLostLease: "hold" }))
    yield* bench.pass(lease)
    for (const onLostLease of ["rerun", "resume"]) yield* refused(`lost ${onLostLease}`, "can be taken over")
    yield* same("resolve what has lost its lease", yield* b.resolve(at("lost hold"), resolutions[1]), true)
    yield* replayed(a, asking(bench, at("lost hold")), "forged")
  }),

  check("fences: an owner is stale after a take-over, and after those who came after it", function* (bench) {
    const { a, b, lease } = bench
    const first = yield* started(a, asking(bench, at("k")))
    yield* bench.pass(lease)
    const second = yield* started(b, asking(bench, at("k"), { lease: hour }))
    yield* fenced(bench, first.owner, "the owner that was taken over")
    yield* same("release", yield* b.release(second.owner), true)
    yield* fenced(bench, first.owner, "the first owner, after the second released")
    const third = yield* started(a, asking(bench, at("k"), { lease: hour }))
    yield* fenced(bench, first.owner, "the first owner, under the third's claim")
    yield* fenced(bench, second.owner, "the second owner, under the third's claim")
    yield* same("complete", yield* b.complete(third.owner, { result: "third", timeToLive: lease }), true)
    yield* fenced(bench, first.owner, "the first owner, after the third was done")
    yield* bench.pass(lease)
    yield* a.sweep({ limit: 100 })
    for (const stale of [first, second, third]) {
      for (const [name, write] of writes) yield* same(`${name} after a sweep`, yield* write(a, stale.owner), false)
    }
    const fourth = yield* started(b, asking(bench, at("k"), { lease: hour }))
    yield* holds("the fourth epoch", fourth.epoch, fourth.epoch > third.epoch, `more than ${third.epoch}`)
    for (const stale of [first, second, third]) yield* fenced(bench, stale.owner, "an owner before the sweep")
    yield* same("the fourth's complete", yield* a.complete(fourth.owner, { result: "4", timeToLive: hour }), true)
  }),

  check("fences: an epoch means nothing at another address", function* (bench) {
    const { a } = bench
    const one = yield* started(a, asking(bench, at("one"), { lease: hour }))
    const two = yield* started(a, asking(bench, at("two"), { lease: hour }))
    const other = yield* started(a, asking(bench, at("one", "other"), { lease: hour }))
    const { epoch } = one.owner
    for (const address of [at("two"), at("one", "other"), at("nowhere"), at("one", "nowhere")]) {
      if ([two, other].some((claim) => claim.owner.key === address.key && claim.epoch === epoch)) continue
      yield* fenced(bench, { ...address, epoch }, "the owner of another key")
    }
    for (const wrong of [epoch - 1, epoch + 1, 0, -1]) {
      yield* fenced(bench, { ...at("one"), epoch: wrong }, "one who guesses an epoch")
    }
    for (const claim of [one, two, other]) {
      yield* same("complete", yield* a.complete(claim.owner, { result: "ok", timeToLive: hour }), true)
    }
  })
]
