// Many at once: one winner per key, one take-over per lost lease, and nothing half done where a call is cut.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Claim, ClaimOptions, Store, StoreError } from "../../../IdempotencyStore.ts"
import { asking, at, type Bench, check, holds, hour, replayed, same, started, stored, told } from "./bench.ts"
import { Recorder } from "./histories.ts"
import type { Op } from "./model.ts"

const together = { concurrency: "unbounded" } as const

/** Claims by so many racers at once, half of them through each handle. */
const race = (
  bench: Bench,
  options: (racer: number) => ClaimOptions
): Effect.Effect<ReadonlyArray<Claim>, StoreError> =>
  Effect.forEach(
    Array.from({ length: bench.racers }, (_, racer) => racer),
    (racer) => (racer % 2 === 0 ? bench.a : bench.b).claim(options(racer)),
    together
  )

const tagsOf = (claims: ReadonlyArray<Claim>): { readonly [tag: string]: number } => {
  const tags: { [tag: string]: number } = {}
  for (const { _tag } of claims) tags[_tag] = (tags[_tag] ?? 0) + 1
  return tags
}

const keysOf = (bench: Bench): ReadonlyArray<string> => Array.from({ length: bench.keys }, (_, n) => `k${n}`)

/** Makes a claim whose lease has ended. */
const lost = Effect.fnUntraced(function* (bench: Bench, options: ClaimOptions) {
  const claim = yield* started(bench.a, options)
  yield* same("renew for zero", yield* bench.a.renew(claim.owner, Duration.zero), true)
  return claim
})

const cut: ReadonlyArray<readonly [name: string, before: ReadonlyArray<"claim" | "hold">, op: (epoch: number) => Op]> =
  [
    [
      "claim",
      [],
      () => ({ _tag: "claim", fingerprint: "f:1", lease: 3_600_000, timeToLive: 3_600_000, onLostLease: "resume" })
    ],
    ["renew", ["claim"], (epoch) => ({ _tag: "renew", epoch, lease: 0 })],
    ["saveStep", ["claim"], (epoch) => ({ _tag: "saveStep", epoch, step: { name: "one", data: "1" } })],
    ["complete", ["claim"], (epoch) => ({ _tag: "complete", epoch, result: "r", timeToLive: 3_600_000 })],
    ["release", ["claim"], (epoch) => ({ _tag: "release", epoch })],
    ["hold", ["claim"], (epoch) => ({ _tag: "hold", epoch })],
    ["resolve", ["claim", "hold"], () => ({ _tag: "resolveDone", result: "r", timeToLive: 3_600_000 })]
  ]

export const races = [
  check("race: of many that claim what is absent exactly one starts", function* (bench) {
    yield* Effect.forEach(
      keysOf(bench),
      Effect.fnUntraced(function* (key) {
        const claims = yield* race(bench, () => asking(bench, at(key), { lease: hour }))
        yield* same(`claims of ${key}`, tagsOf(claims), { Started: 1, InFlight: bench.racers - 1 })
        const winner = claims.find(({ _tag }) => _tag === "Started")
        if (winner?._tag !== "Started") return
        const owner = { ...at(key), epoch: winner.epoch }
        yield* same("the winner's complete", yield* bench.b.complete(owner, { result: key, timeToLive: hour }), true)
        const later = yield* race(bench, () => asking(bench, at(key)))
        for (const claim of later) yield* same(`a claim of ${key}`, claim, { _tag: "Replay", result: key })
      }),
      together
    )
  }),

  check("race: of many different requests for a key one starts, and only its own are told to wait", function* (bench) {
    const of = (key: string, racer: number) =>
      asking(bench, at(key), { lease: hour, fingerprint: `f:${Math.floor(racer / 2) % 3}` })
    for (const key of keysOf(bench)) {
      const claims = yield* race(bench, (racer) => of(key, racer))
      const { fingerprint } = yield* stored(bench.a, at(key))
      const mine = Array.from(claims.keys()).filter((racer) => of(key, racer).fingerprint === fingerprint)
      const expected = claims.map((claim, racer) =>
        mine.includes(racer) ? (claim._tag === "Started" ? "Started" : "InFlight") : "Mismatch"
      )
      yield* same(
        `claims of ${key}`,
        claims.map(({ _tag }) => _tag),
        expected
      )
      yield* same(`who starts ${key}`, tagsOf(claims)["Started"], 1)
    }
  }),

  check("race: of many that find a lost lease exactly one takes over, and the old owner is fenced", function* (bench) {
    yield* Effect.forEach(
      keysOf(bench),
      Effect.fnUntraced(function* (key) {
        const before = yield* lost(bench, asking(bench, at(key)))
        const claims = yield* race(bench, () => asking(bench, at(key), { lease: hour }))
        yield* same(`claims of ${key}`, tagsOf(claims), { Started: 1, InFlight: bench.racers - 1 })
        const winner = claims.find(({ _tag }) => _tag === "Started")
        if (winner?._tag !== "Started") return
        yield* same("takenOver", winner.takenOver, true)
        yield* holds("the epoch", winner.epoch, winner.epoch > before.epoch, `more than ${before.epoch}`)
        const stale = yield* bench.a.complete(before.owner, { result: "stale", timeToLive: hour })
        yield* same("the old owner's complete", stale, false)
      }),
      together
    )
  }),

  check("race: an owner that is late and one that takes over never both succeed", function* (bench) {
    for (const key of keysOf(bench)) {
      const { owner } = yield* lost(bench, asking(bench, at(key)))
      const [own, claim] = yield* Effect.all(
        [
          bench.a.complete(owner, { result: "late", timeToLive: hour }),
          bench.b.claim(asking(bench, at(key), { lease: hour }))
        ],
        together
      )
      yield* same(`what the claim of ${key} found, complete being ${own}`, claim._tag, own ? "Replay" : "Started")
    }
  }),

  check(
    "race: of many that resolve exactly one does, and of many that find a lost lease none starts",
    function* (bench) {
      for (const key of keysOf(bench)) {
        yield* lost(bench, asking(bench, at(key), { onLostLease: "hold" }))
        const claims = yield* race(bench, () => asking(bench, at(key), { onLostLease: "hold" }))
        yield* same(`claims of ${key}`, tagsOf(claims), { Held: bench.racers })
        const resolved = yield* Effect.forEach(
          Array.from({ length: bench.racers }, (_, n) => n),
          (n) =>
            (n % 2 === 0 ? bench.a : bench.b).resolve(at(key), { _tag: "Done", result: String(n), timeToLive: hour }),
          together
        )
        yield* same(`how many resolve ${key}`, resolved.filter(Boolean).length, 1)
        yield* replayed(bench.b, asking(bench, at(key)), String(resolved.indexOf(true)))
      }
    }
  ),

  check("R9: a claim that races a sweep starts over by itself, and the sweep takes no claim away", function* (bench) {
    for (const key of keysOf(bench)) {
      const { owner } = yield* started(bench.a, asking(bench, at(key)))
      const over = yield* bench.a.complete(owner, { result: "old", timeToLive: Duration.zero })
      yield* same("complete", over, true)
      const sweeping = Effect.forEach([bench.a, bench.b, bench.a], (store) => store.sweep({ limit: 100 }), together)
      const claiming = race(bench, () => asking(bench, at(key), { lease: hour }))
      const sweepFirst = Effect.map(Effect.all([sweeping, claiming], together), ([, claims]) => claims)
      const claimFirst = Effect.map(Effect.all([claiming, sweeping], together), ([claims]) => claims)
      const claims = yield* Number(key.slice(1)) % 2 === 0 ? sweepFirst : claimFirst
      yield* same(`claims of ${key}`, tagsOf(claims), { Started: 1, InFlight: bench.racers - 1 })
      yield* bench.b.sweep({ limit: 100 })
      yield* told(bench.b, asking(bench, at(key)), "InFlight", "a claim after all sweeps")
    }
  }),

  check("interruption: a call that is cut happened or did not happen, and leaves its record whole", function* (bench) {
    for (const [name, before, op] of cut) {
      for (let turns = 0; turns < 12; turns++) {
        const recorder = new Recorder(at(`${name} ${turns}`))
        const through = (store: Store, made: Op) => recorder.call(store, "a", made)
        // Nobody's epoch, where nobody claimed before.
        let epoch = 0
        for (const one of before) {
          const answer = yield* through(bench.a, one === "claim" ? cut[0]![2](0) : { _tag: "hold", epoch })
          if (answer?._tag === "Claim" && answer.claim._tag === "Started") epoch = answer.claim.epoch
        }
        const fiber = yield* Effect.forkChild(recorder.call(bench.a, "cut", op(epoch)), { startImmediately: true })
        for (let n = 0; n < turns; n++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* through(bench.a, { _tag: "get" })
        yield* through(bench.b, { _tag: "get" })
        yield* through(bench.a, { _tag: "saveStep", epoch, step: { name: "two", data: "2" } })
        yield* through(bench.b, cut[0]![2](0))
        yield* through(bench.b, { _tag: "complete", epoch, result: "later", timeToLive: 3_600_000 })
        yield* through(bench.a, { _tag: "get" })
        yield* recorder.judge(`a ${name} that was cut after ${turns} turns`, false)
      }
    }
  })
]
