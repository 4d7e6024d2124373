// Runs in an empty folder that has the packed tarball installed, on each Node that the package supports.
import { readFileSync } from "node:fs"

const manifest = JSON.parse(readFileSync(new URL("node_modules/breakwater/package.json", import.meta.url), "utf8")) as {
  readonly exports: Readonly<Record<string, object | string | null>>
}

for (const [key, target] of Object.entries(manifest.exports)) {
  if (target === null || typeof target === "string" || key.includes("*")) continue
  const entry = (await import(`breakwater${key.slice(1)}`)) as object
  const names = Object.keys(entry)
  if (names.length === 0) throw new Error(`breakwater${key.slice(1)} exports nothing`)
  console.log(`breakwater${key.slice(1)}: ${names.join(", ")}`)
}

const closed = await import(["breakwater", "internal", "x"].join("/")).then(
  () => "opened",
  (error: { readonly code?: string }) => error.code
)
if (closed !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(`breakwater/internal/x must be closed, but: ${closed}`)
