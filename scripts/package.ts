/** `npm run check:package`: publint and are-the-types-wrong on the packed tarball. */
import { bin, run, seconds } from "./run.ts"
import { withTarball } from "./pack.ts"

const started = performance.now()
process.exitCode = withTarball((tarball) => {
  const publint = run(bin("publint"), ["run", tarball, "--strict"], { show: true })
  // attw deletes a tarball that it packs itself, so it gets ours.
  const attw = run(bin("attw"), [tarball, "--profile", "esm-only", "--no-emoji"], { show: true })
  return publint.status === 0 ? attw.status : publint.status
})
console.log(`check:package: ${seconds(started)}`)
