// What every released version has left in databases, and what its processes still do there while a new version starts.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { IdempotencyStore } from "breakwater"
import { RedisIdempotencyStore } from "breakwater/redis"
import { SqlIdempotencyStore, SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Duration, Effect, Exit, Scope } from "effect"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bundle, writeFixture } from "../../scripts/release-fixture.ts"
import * as StoreConformance from "../../src/testing/StoreConformance.ts"
import * as check from "./check.ts"
import { emptyPlace, kinds, migrate, missing, type Modules, openStore } from "./open.ts"
import { start } from "./peer.ts"
import { load, type Rows } from "./rows.ts"
import { type Promised, scenarios, write } from "./scenarios.ts"

type Store = IdempotencyStore.Store

const today: Modules = { SqlIdempotencyStore, SqlOutboxStore, SqliteClient, RedisIdempotencyStore }
const versions = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.endsWith(".draft"))
  .map(({ name }) => name)

/** As processes meet it: SQLite may be locked by another one. Nothing was written then, and the caller comes again. */
const patient = <A>(self: Effect.Effect<A, IdempotencyStore.StoreError>) =>
  Effect.retry(self, { while: ({ reason }) => reason === "Busy", times: 500 })

const hour = Duration.hours(1)
const fingerprint = "h1:race"
const asking = (key: string): IdempotencyStore.ClaimOptions => ({
  scope: "race",
  key,
  fingerprint,
  lease: hour,
  timeToLive: hour,
  onLostLease: "rerun"
})
const together = { concurrency: "unbounded" } as const

/** Two versions at work for the same keys: one starts each, the other waits, and then tells its answer. */
const race = Effect.fnUntraced(function* (one: Store, other: Store) {
  const stores = [one, other]
  const won = [0, 0]
  const racers = (key: string) =>
    Effect.forEach(
      Array.from({ length: 8 }, (_, n) => n % 2),
      (by) => Effect.map(patient(stores[by]!.claim(asking(key))), (claim) => ({ by, claim })),
      together
    )
  const tags = (claims: ReadonlyArray<{ readonly claim: IdempotencyStore.Claim }>) =>
    claims.map(({ claim }) => claim._tag).toSorted()
  const oneStarted = [...Array.from({ length: 7 }, () => "InFlight"), "Started"]
  const keys = Array.from({ length: 60 }, (_, n) => `k${n}`)
  yield* Effect.forEach(
    keys,
    Effect.fnUntraced(function* (key) {
      const claims = yield* racers(key)
      assert.deepStrictEqual(tags(claims), oneStarted, key)
      const { by, claim } = claims.find(({ claim }) => claim._tag === "Started")!
      if (claim._tag !== "Started") return
      won[by]!++
      const owner = { scope: "race", key, epoch: claim.epoch }

      // The winner's process dies: of both versions one takes over, and the winner is fenced whichever it is.
      assert.isTrue(yield* patient(stores[by]!.renew(owner, Duration.zero)), key)
      const taking = yield* racers(key)
      assert.deepStrictEqual(tags(taking), oneStarted, key)
      const next = taking.find(({ claim }) => claim._tag === "Started")!
      if (next.claim._tag !== "Started") return
      assert.isTrue(next.claim.takenOver, key)
      assert.isAbove(next.claim.epoch, claim.epoch, key)
      for (const store of stores) {
        assert.isFalse(yield* patient(store.complete(owner, { result: "stale", timeToLive: hour })), key)
      }
      const taker = { ...owner, epoch: next.claim.epoch }
      const result = `${key} by ${next.by}`
      assert.isTrue(yield* patient(stores[next.by]!.complete(taker, { result, timeToLive: hour })), key)
      for (const { claim } of yield* racers(key)) assert.deepStrictEqual(claim, { _tag: "Replay", result }, key)
    }),
    { concurrency: 8 }
  )
  assert.strictEqual(won[0]! + won[1]!, keys.length)
  return won
})

/** What both versions must do together, handle by handle; how one alone counts time is the business of its own suite. */
const shared = /^(R2|R4: a lease|R5, R8|R6, R7|O2, O3|O4|O7|O8|fences|race|R9|linearizable|held|sizes)/

for (const version of versions) {
  const folder = join(import.meta.dirname, version)
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8")) as unknown
  const { records, version: named } = read("records.json") as {
    readonly version: string
    readonly records: ReadonlyArray<Promised>
  }
  const file = join(folder, "stores.mjs")

  describe(version, () => {
    it("is the folder of its version", () => assert.strictEqual(named, version))

    for (const kind of kinds) {
      const skip = missing(kind)
      describe.skipIf(skip !== undefined)(`${kind}${skip === undefined ? "" : `: ${skip}`}`, () => {
        const forgets = kind === "redis" ? "itself" : "swept"
        const { epochs, rows } = read(`${kind}.json`) as { readonly epochs: ReadonlyArray<number>; readonly rows: Rows }
        const old = Effect.promise(() => import(file) as Promise<Modules>)

        /** A place as that version left it, and that today's migrations have seen. */
        const left = Effect.gen(function* () {
          const released = yield* old
          const place = yield* emptyPlace(released, kind)
          yield* migrate(released, kind, place)
          const now = yield* load(released, kind, place, rows)
          yield* migrate(today, kind, place)
          return { place, written: { records, epochs: epochs.map((epoch) => epoch + now * 1000) } }
        })

        it.live("today's code reads what it wrote", () =>
          Effect.gen(function* () {
            const { place, written } = yield* left
            yield* check.read(yield* openStore(today, kind, place), written)
          })
        )

        it.live("today's code sweeps what it wrote", () =>
          Effect.gen(function* () {
            const { place, written } = yield* left
            yield* check.sweep(yield* openStore(today, kind, place), written, forgets)
          })
        )

        it.live("it reads what it wrote itself, in a table of today", () =>
          Effect.gen(function* () {
            const { place, written } = yield* left
            yield* check.read(yield* openStore(yield* old, kind, place), written)
          })
        )

        it.live("it reads what today's code writes", () =>
          Effect.gen(function* () {
            const place = yield* emptyPlace(today, kind)
            yield* migrate(yield* old, kind, place)
            yield* migrate(today, kind, place)
            const epochs = yield* write(yield* openStore(today, kind, place))
            const written = { records: scenarios.map(({ promised }) => promised), epochs }
            yield* check.read(yield* openStore(yield* old, kind, place), written)
          })
        )

        describe("a process of it, beside today's code", () => {
          const scope = Scope.makeUnsafe()
          let peer: (place: string) => Store
          beforeAll(async () => {
            peer = await Effect.runPromise(Effect.provideService(start(file, kind), Scope.Scope, scope))
          })
          afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

          const both = Effect.gen(function* () {
            const place = yield* emptyPlace(today, kind)
            yield* migrate(yield* old, kind, place)
            yield* migrate(today, kind, place)
            return { place, handles: [yield* openStore(today, kind, place), peer(place)] as const }
          })

          it.live(
            "has one winner per key, is told what the other completed, and fences and is fenced",
            () =>
              Effect.gen(function* () {
                // Both take part, or nothing is raced: who holds SQLite's lock may hold it for a whole race.
                for (let left = 20; ; left--) {
                  const { handles } = yield* both
                  const won = yield* race(...handles)
                  if (Math.min(...won) > 0) return
                  assert.isAbove(left, 0, `won ${won.join(" to ")}`)
                }
              }),
            60_000
          )

          const harness: StoreConformance.Harness = {
            name: `${kind}, today's code and ${version}`,
            open: Effect.map(both, ({ handles }) => ({ handles, time: { _tag: "Real" as const } })),
            forgets,
            effort: { runs: 5, keys: 10 }
          }
          for (const one of StoreConformance.cases.filter(({ name }) => shared.test(name))) {
            it.live(one.name, () => one.run(harness), 60_000)
          }
        })
      })
    }
  })
}

describe("a folder of a release", () => {
  it.effect("is never written again", () =>
    Effect.gen(function* () {
      const before = versions.map((version) => readdirSync(join(import.meta.dirname, version)))
      const error = yield* Effect.flip(writeFixture(join(import.meta.dirname, versions[0]!), "9.9.9"))
      assert.include(String(error), "never changes")
      assert.deepStrictEqual(
        versions.map((version) => readdirSync(join(import.meta.dirname, version))),
        before
      )
    })
  )

  it("holds a bundle that loads nothing but effect, its packages, clients and Node", async () => {
    const folder = mkdtempSync(join(tmpdir(), "breakwater-bundle-"))
    const file = join(folder, "stores.mjs")
    await bundle(file)
    assert.isTrue(existsSync(file))
    const files = [file, ...versions.map((version) => join(import.meta.dirname, version, "stores.mjs"))]
    for (const one of files) {
      const source = readFileSync(one, "utf8")
      const imports = Array.from(source.matchAll(/(?:from|import\()\s*"([^"]+)"/g), ([, from]) => from!)
      assert.isNotEmpty(imports)
      assert.deepStrictEqual(
        imports.filter((from) => !/^(effect\/|@effect\/|node:)/.test(from)),
        [],
        one
      )
    }
    rmSync(folder, { recursive: true })
  })
})
