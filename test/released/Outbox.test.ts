// What every released version has left in outboxes, and what its store still does there while a new version is deployed.
import { assert, describe, it } from "@effect/vitest"
import { RedisIdempotencyStore } from "breakwater/redis"
import { SqlIdempotencyStore, SqlOutboxStore } from "breakwater/sql"
import { SqliteClient } from "breakwater/sql/node"
import { Effect } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { writeOutbox } from "../../scripts/release-fixture.ts"
import { emptyPlace, migrateOutbox, missing, type Modules, openOutbox, sqlClient, sqlKinds } from "./open.ts"
import * as check from "./outboxCheck.ts"
import { loadOutbox, type OutboxRows } from "./outboxRows.ts"
import type { Seen } from "./outboxSeen.ts"
import { paused, type Promised, scenarios } from "./outboxScenarios.ts"
import { worldOf } from "./outboxWorld.ts"

const today: Modules = { SqlIdempotencyStore, SqlOutboxStore, SqliteClient, RedisIdempotencyStore }
// A version without an outbox has left none.
const versions = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(import.meta.dirname, entry.name, "outbox.json")))
  .map(({ name }) => name)

it("there is an outbox of a released version", () => assert.isNotEmpty(versions))

for (const version of versions) {
  const folder = join(import.meta.dirname, version)
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8")) as unknown
  const { paused: stopped, promises } = read("outbox.json") as {
    readonly promises: ReadonlyArray<Promised>
    readonly paused: typeof paused
  }
  const old = Effect.promise(() => import(join(folder, "stores.mjs")) as Promise<Modules>)

  describe(`the outbox of ${version}`, () => {
    it("holds a call in every state, and dead or unclear for every reason", () => {
      const states = new Set(promises.map(({ state }) => state))
      assert.deepStrictEqual([...states].toSorted(), [
        "Dead",
        "Delivered",
        "Discarded",
        "Leased",
        "NeedsReconcile",
        "Pending",
        "Waiting"
      ])
      const reasons = new Set(
        promises.flatMap(({ state, why }) => (state === "Dead" || state === "NeedsReconcile" ? [why] : []))
      )
      assert.deepStrictEqual([...reasons].toSorted(), [
        "exhausted",
        "expired",
        "key expired",
        "rejected",
        "schema",
        "sent once",
        "unclear"
      ])
    })

    for (const kind of sqlKinds) {
      const skip = missing(kind)
      describe.skipIf(skip !== undefined)(`${kind}${skip === undefined ? "" : `: ${skip}`}`, () => {
        const { rows, seen } = read(`outbox-${kind}.json`) as {
          readonly rows: OutboxRows
          readonly seen: ReadonlyArray<Seen>
        }
        const written: check.Written = { promises, seen, paused: stopped }

        /** A place as that version left it, and that today's migrations have seen, in the hands of one of the two. */
        const left = (by: "today's code" | "its own store") =>
          Effect.gen(function* () {
            const released = yield* old
            const place = yield* emptyPlace(released, kind)
            yield* migrateOutbox(released, kind, place)
            const now = yield* loadOutbox(released, kind, place, rows)
            yield* migrateOutbox(today, kind, place)
            const modules = by === "today's code" ? today : released
            const sql = yield* sqlClient(modules, kind, place)
            return { now, world: yield* worldOf(yield* openOutbox(modules, kind, place, sql), sql) }
          })

        for (const by of ["today's code", "its own store"] as const) {
          it.live(`${by} lists, shows and counts it`, () =>
            Effect.gen(function* () {
              const { now, world } = yield* left(by)
              yield* check.look(world, written, now)
            })
          )

          it.live(`${by} makes what is due, once, and tells what became of it`, () =>
            Effect.gen(function* () {
              const { world } = yield* left(by)
              yield* check.work(world, written)
            })
          )

          it.live(`${by} redrives what is dead or unclear, and resumes what is paused`, () =>
            Effect.gen(function* () {
              const { world } = yield* left(by)
              yield* check.redrive(world, written)
            })
          )
        }

        it.live("today's code ends by hand what is dead or unclear", () =>
          Effect.gen(function* () {
            const { world } = yield* left("today's code")
            yield* check.endByHand(world, written)
          })
        )

        it.live("today's code sweeps what was kept long enough", () =>
          Effect.gen(function* () {
            const { world } = yield* left("today's code")
            yield* check.sweep(world, written)
          })
        )

        it.live("today's code takes the same call for the same, and refuses another one under its key", () =>
          Effect.gen(function* () {
            const { world } = yield* left("today's code")
            yield* check.repeat(world, written)
          })
        )

        it.live("its own store reads and makes what today's code writes", () =>
          Effect.gen(function* () {
            const released = yield* old
            const place = yield* emptyPlace(today, kind)
            yield* migrateOutbox(released, kind, place)
            yield* migrateOutbox(today, kind, place)
            const { now, seen } = yield* writeOutbox(today, kind, place)
            const own: check.Written = { promises: scenarios.map(({ promised }) => promised), seen, paused }
            const sql = yield* sqlClient(released, kind, place)
            const world = yield* worldOf(yield* openOutbox(released, kind, place, sql), sql)
            yield* check.look(world, own, now)
            yield* check.work(world, own)
          })
        )
      })
    }
  })
}
