/**
 * `.ci/stores node -C @breakwater/source scripts/release-fixture.ts`: writes `test/released/<version>/` for the version in
 * package.json. Every release runs it once, on the commit that is released, and commits the folder.
 *
 * - `stores.mjs`: the stores of that version in one file, with `effect`, its packages and the clients outside. The tests
 *   run it in a process of its own beside today's code. It goes on working as long as today's Effect is one of the version's
 *   peers; after that the file may go, and the rows stay.
 * - `records.json`: which records there are, and what every later version must find there.
 * - `sqlite.json`, `postgres.json`, `redis.json`: the records as that version wrote them, in each store.
 * - `outbox.json`: which stored calls there are in an outbox, and what every later version must make of them.
 * - `outbox-sqlite.json`, `outbox-postgres.json`: those calls as that version saw them, and the rows that it wrote.
 *
 * A released version never changes: databases hold what it wrote, and old processes run beside new ones in every deploy. So
 * a folder that exists is not written again. Where a test of such a folder fails, the code is wrong, not the folder.
 */
import { Effect } from "effect"
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"
import {
  emptyPlace,
  kinds,
  migrate,
  migrateOutbox,
  missing,
  type Modules,
  openOutbox,
  openStore,
  sqlClient,
  type SqlKind,
  sqlKinds
} from "../test/released/open.ts"
import { type Seen, seenOf } from "../test/released/outboxSeen.ts"
import { dumpOutbox } from "../test/released/outboxRows.ts"
import { paused, scenarios as calls, write as writeCalls } from "../test/released/outboxScenarios.ts"
import { worldOf } from "../test/released/outboxWorld.ts"
import { dump } from "../test/released/rows.ts"
import { scenarios, write } from "../test/released/scenarios.ts"
import { isMain, read, root } from "./run.ts"

const entry = "\0breakwater-stores"

/** Bundles the stores of this checkout into one file. */
export const bundle = async (file: string): Promise<void> => {
  const built = await rolldown({
    input: entry,
    cwd: root,
    platform: "node",
    external: (id) => id !== entry && !id.startsWith(".") && !id.startsWith("/") && !id.startsWith("breakwater"),
    resolve: { conditionNames: ["@breakwater/source", "node", "import", "default"] },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) =>
          id === entry
            ? ["breakwater/sql", "breakwater/sql/node", "breakwater/redis"]
                .map((from) => `export * from "${from}"`)
                .join("\n")
            : undefined
      }
    ],
    logLevel: "warn"
  })
  await built.write({
    file,
    format: "esm",
    comments: { legal: false, annotation: false, jsdoc: false },
    banner: "/* oxlint-disable */"
  })
  await built.close()
}

/** A row or a key of Redis is one line. */
const json = (value: unknown): string =>
  `${JSON.stringify(value, undefined, 1)
    .replace(/\n {4,}/g, " ")
    .replace(/\n {3}(?=[}\]])/g, " ")}\n`

/** Writes every stored call into a place that has its tables, and says how they look. `now` is that place's clock. */
export const writeOutbox = (modules: Modules, kind: SqlKind, place: string) =>
  Effect.gen(function* () {
    const sql = yield* sqlClient(modules, kind, place)
    const world = yield* worldOf(yield* openOutbox(modules, kind, place, sql), sql)
    const ids = yield* writeCalls(world)
    const { now, rows } = yield* dumpOutbox(modules, kind, place)
    const seen: Array<Seen> = []
    for (const id of ids) {
      const [{ audits, entry }] = yield* world.admin.show(id)
      seen.push(seenOf(entry, audits, now))
    }
    return { now, rows, seen }
  })

/** Writes the folder, which must not be there yet. */
export const writeFixture = (folder: string, version: string): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    if (existsSync(folder)) return yield* Effect.fail(new Error(`${folder} exists: a released version never changes`))
    const file = join(folder, "stores.mjs")
    mkdirSync(folder, { recursive: true })
    yield* Effect.promise(() => bundle(file))
    // What is written is what the bundle writes.
    const modules = (yield* Effect.promise(() => import(file))) as Modules
    const records = scenarios.map(({ promised }) => promised)
    writeFileSync(join(folder, "records.json"), json({ version, records }))
    for (const kind of kinds) {
      if (missing(kind) !== undefined) return yield* Effect.fail(new Error(missing(kind)))
      const { epochs, now, rows } = yield* Effect.scoped(
        Effect.gen(function* () {
          const place = yield* emptyPlace(modules, kind)
          yield* migrate(modules, kind, place)
          const epochs = yield* write(yield* openStore(modules, kind, place))
          return { epochs, ...(yield* dump(modules, kind, place)) }
        })
      )
      // Microseconds from the moment of the dump, as in the rows.
      const relative = epochs.map((epoch) => epoch - now * 1000)
      writeFileSync(join(folder, `${kind}.json`), json({ epochs: relative, rows }))
    }
    writeFileSync(
      join(folder, "outbox.json"),
      json({ version, promises: calls.map(({ promised }) => promised), paused })
    )
    for (const kind of sqlKinds) {
      const { rows, seen } = yield* Effect.scoped(
        Effect.gen(function* () {
          const place = yield* emptyPlace(modules, kind)
          yield* migrateOutbox(modules, kind, place)
          return yield* writeOutbox(modules, kind, place)
        })
      )
      writeFileSync(join(folder, `outbox-${kind}.json`), json({ seen, rows }))
    }
  })

const main = async (): Promise<void> => {
  const { version } = JSON.parse(read("package.json")) as { readonly version: string }
  const folder = join(root, "test", "released", version)
  if (existsSync(folder)) {
    console.error(`release-fixture: ${version} was written before, and a released version never changes`)
    process.exitCode = 1
    return
  }
  const draft = `${folder}.draft`
  rmSync(draft, { recursive: true, force: true })
  await Effect.runPromise(writeFixture(draft, version))
  // All of it, or none.
  renameSync(draft, folder)
  console.log(
    `release-fixture: test/released/${version}, ${statSync(join(folder, "stores.mjs")).size} bytes of stores.mjs`
  )
}

if (isMain(import.meta.url)) await main()
