/**
 * The program of a process in one file. A soak starts a process per kill, and loading some hundred modules takes four
 * times as long as all that the process does until it is killed.
 */
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

export interface Bundle {
  readonly file: string
  /** Where Node keeps the compiled code between processes. */
  readonly cache: string
}

export const bundleOf = Effect.fnUntraced(function* (main: URL) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-soak-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  yield* Effect.promise(async () => {
    const built = await rolldown({
      input: { server: fileURLToPath(main) },
      platform: "node",
      // Optional peers, which are loaded where they are installed.
      external: ["pg-native", "pg-cloudflare"],
      resolve: { conditionNames: ["@breakwater/source", "node", "import", "default"] },
      logLevel: "silent"
    })
    await built.write({ dir: join(folder, "server"), format: "esm", entryFileNames: "[name].mjs" })
    await built.close()
  })
  return { file: join(folder, "server", "server.mjs"), cache: join(folder, "cache") } satisfies Bundle
})

export const bundle: Effect.Effect<Bundle, never, Scope.Scope> = bundleOf(new URL("./server.main.ts", import.meta.url))
