// Fingerprints that two versions made in two ways meet in one store while a deploy is on its way.
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, IdempotencyStoreMemory } from "breakwater"
import { SqlIdempotencyStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Context, Duration, Effect, FileSystem, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { differ, fingerprintOf, fingerprintOfBytes } from "../src/internal/fingerprint.ts"
import * as receive from "../src/internal/receive.ts"
import { Running } from "../src/internal/running.ts"

const address = { scope: "shop|*|POST /charges", key: "k" }
const before = "h1:aa"
const after = "h2:bb"
const day = Duration.days(1)

/** A request of the version that makes fingerprints as `fingerprint` is made. */
const world = (
  runIn: (work: receive.Work<string, never, Running>) => Effect.Effect<receive.Received<string, never>>
) => {
  const runs: Array<string> = []
  const once = (fingerprint: string) =>
    runIn({
      address,
      fingerprint,
      handler: Effect.map(Running, ({ steps }) => {
        runs.push([fingerprint, ...steps.keys()].join(" "))
        return fingerprint
      }),
      judge: (exit) => Effect.succeed({ _tag: "Keep", result: exit._tag === "Success" ? exit.value : "" })
    })
  return { once, runs }
}

const leased = (store: IdempotencyStore.Store, onLostLease: IdempotencyStore.OnLostLease = "rerun") =>
  world((work) =>
    receive.leased(
      store,
      { timeToLive: day, wait: Duration.zero, lease: Duration.minutes(1), maxRun: Duration.minutes(5), onLostLease },
      work
    )
  )

const claiming = (onLostLease: IdempotencyStore.OnLostLease = "rerun"): IdempotencyStore.ClaimOptions => ({
  ...address,
  fingerprint: before,
  lease: Duration.minutes(1),
  timeToLive: day,
  onLostLease
})
const claimed = Effect.fnUntraced(function* (
  store: IdempotencyStore.Store,
  onLostLease?: IdempotencyStore.OnLostLease
) {
  const claim = yield* store.claim(claiming(onLostLease))
  return claim._tag === "Started" ? { ...address, epoch: claim.epoch } : assert.fail(claim._tag)
})

describe("fingerprints", () => {
  it("differ where they were made in one way and are not equal", () => {
    const [a, b] = [{ amount: 1 }, { amount: 2 }].map(fingerprintOf) as [string, string]
    assert.deepStrictEqual([differ(a, b), differ(a, a)], [true, false])
    assert.isFalse(differ(a, fingerprintOfBytes(new Uint8Array([1]))))
    assert.isFalse(differ(before, after))
    assert.isTrue(differ("h1:a", "h1:b"))
    assert.isTrue(differ("", "a"))
    assert.isFalse(differ("", "h1:a"))
  })

  it.effect("under a lease, an honest repeat across a change is told what was done, and does not run again", () =>
    Effect.gen(function* () {
      const { once, runs } = leased(yield* IdempotencyStoreMemory.make)
      yield* once(before)
      assert.deepStrictEqual(yield* once(after), { _tag: "Replay", result: before })
      // A process of the version before, which is still at work.
      assert.deepStrictEqual(yield* once(before), { _tag: "Replay", result: before })
      assert.deepStrictEqual(yield* once("h1:other"), { _tag: "Mismatch" })
      assert.deepStrictEqual(runs, [before])
    })
  )

  it.effect("what is at work is in flight, and what was lost is taken over after its steps, or held", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStoreMemory.make
      const { once, runs } = leased(store, "resume")
      const owner = yield* claimed(store, "resume")
      yield* store.saveStep(owner, { name: "reserved", data: "1" })
      assert.strictEqual((yield* once(after))._tag, "InFlight")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* once(after))._tag, "Ran")
      assert.deepStrictEqual(runs, [`${after} reserved`])
      // Whoever comes with the first way is not another request either, and is fenced as an owner.
      assert.deepStrictEqual(yield* once(before), { _tag: "Replay", result: after })
      assert.isFalse(yield* store.complete(owner, { result: "stale", timeToLive: day }))

      const other = yield* IdempotencyStoreMemory.make
      const held = leased(other, "hold")
      yield* other.hold(yield* claimed(other, "hold"))
      assert.deepStrictEqual(yield* held.once(after), { _tag: "Held" })
      assert.deepStrictEqual(held.runs, [])
    })
  )

  it.live("in a transaction it is the same, and another request stays another", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const filename = `${yield* fs.makeTempDirectoryScoped()}/records.db`
      const context = yield* Layer.build(Layer.provide(SqlIdempotencyStore.layer(), SqliteClient.layer({ filename })))
      const store = Context.get(context, IdempotencyStore.TransactionalStore)
      const settings = { timeToLive: day, wait: Duration.zero, lockTimeout: Duration.seconds(5) }
      const { once, runs } = world((work) => receive.transactional(store, settings, work))
      yield* once(before)
      assert.deepStrictEqual(yield* once(after), { _tag: "Replay", result: before })
      assert.deepStrictEqual(yield* once("h1:other"), { _tag: "Mismatch" })
      assert.deepStrictEqual(runs, [before])
      assert.strictEqual(Option.getOrThrow(yield* store.get(address)).fingerprint, before)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
