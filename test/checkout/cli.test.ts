import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { demo, exitCode, Output } from "../../examples/checkout/cli.ts"
import { CurrentHub, Hub } from "../../src/internal/hub.ts"
import { generateOrders } from "../../examples/checkout/generate-orders.ts"

let folder: string
let small: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checkout-"))
  small = join(folder, "small.ndjson")
  writeFileSync(
    small,
    generateOrders(3)
      .map((order) => `${JSON.stringify(order)}\n`)
      .join("")
  )
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the demo in this process. `onError` sees its standard error as it grows. */
const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  onError: (text: string) => void = () => {},
  columns?: number
) {
  const text = { out: "", err: "" }
  const exit = yield* Effect.exit(demo(args)).pipe(
    // As in a process of its own: what other files of this worker have built is not to be seen on its dashboard.
    Effect.provideService(CurrentHub, new Hub()),
    Effect.provideService(Output, {
      out: (more) => {
        text.out += more
      },
      err: (more) => {
        text.err += more
        onError(text.err)
      },
      columns
    })
  )
  return { ...text, exit, code: exitCode(exit) }
})

const refused = Effect.fnUntraced(function* (args: ReadonlyArray<string>, message: string) {
  const { code, err, out } = yield* run(args)
  assert.strictEqual(code, 2, err)
  assert.strictEqual(out, "")
  assert.include(err, message)
  assert.notMatch(err, /^\s+at /m, "a stack trace")
})

describe("npm run demo", () => {
  it.live("refuses wrong flags and values without a stack trace, and suggests the right ones", () =>
    Effect.all([
      refused(["--sede", "3"], "demo: Unrecognized flag: --sede in command demo\n\n  Did you mean this?\n    --seed"),
      refused(["--json", "--fault-rate", "1.5"], '--fault-rate: "1.5". Expected a number from 0 to 1\n'),
      refused(["--seed", "-1"], '--seed: "-1". Expected a whole number of at least 0\n'),
      refused(["--seed", "many"], '--seed: "many"'),
      refused(["--only", "axios"], '--only: "axios"'),
      refused(["more"], 'Unexpected positional argument: "more"'),
      refused(["--serve", "--json"], "demo: --serve and --json exclude each other\n"),
      refused(["--dashboard", "--crash"], "demo: --dashboard and --crash exclude each other\n"),
      refused(["--dashboard", "--serve"], "demo: --serve and --dashboard exclude each other\n"),
      refused(["--dashboard", "--only", "effect"], "demo: --dashboard and --only exclude each other: "),
      refused(["--dashboard", "--port", "65536"], '--port: "65536". Expected a port from 0 to 65535\n'),
      refused(["--dashboard", "--port", "http"], '--port: "http"')
    ])
  )

  it.live("refuses a bad orders file, naming file, line and fault", () => {
    const file = join(folder, "bad.ndjson")
    writeFileSync(file, `${JSON.stringify(generateOrders(1)[0])}\n{"id":"b","lines":[]}\n`)
    return Effect.all([
      refused(["--orders", file], "bad.ndjson:2: lines[0]: missing key\n"),
      refused(["--orders", join(folder, "none.ndjson")], "none.ndjson: no such file\n")
    ])
  })

  it.live("has a help that fits in 80 columns", () =>
    Effect.gen(function* () {
      const { code, out } = yield* run(["--help"])
      assert.strictEqual(code, 0)
      for (const flag of ["seed", "orders", "fault-rate", "only", "json", "serve", "dashboard", "port"])
        assert.include(out, `--${flag}`)
      for (const line of out.split("\n")) assert.isAtMost(line.length, 80)
    })
  )

  it.live("prints one JSON object, and nothing else, on standard output", () =>
    Effect.gen(function* () {
      const args = ["--json", "--only", "effect", "--seed", "7", "--fault-rate", "0", "--orders", small]
      const { code, out } = yield* run(args)
      assert.strictEqual(code, 0)
      const report = JSON.parse(out)
      assert.deepStrictEqual([report.seed, report.orders, report.clients.length], [7, 3, 1])
      assert.strictEqual(report.clients[0].ordersDone, 3)
    })
  )

  it.live("prints the tables on standard output, progress on standard error", () =>
    Effect.gen(function* () {
      const { err, out } = yield* run(["--only", "cockatiel", "--fault-rate", "0", "--orders", small])
      assert.match(err, /^3 orders, seed 1, fault rate 0: cockatiel\ncockatiel: 3 of 3 orders after /)
      assert.match(out, /^ {2}cockatiel +3 +0 +0 +0 +0 +3\.00 /m)
    })
  )

  it.live("shows progress on a terminal in one line that it clears", () =>
    Effect.gen(function* () {
      const { err } = yield* run(["--only", "cockatiel", "--fault-rate", "0", "--orders", small], () => {}, 80)
      assert.isTrue(err.endsWith("\r\u001b[K"))
      assert.strictEqual(err.split("\n").length, 2)
    })
  )

  it.live("serves the checkout's own API until it is interrupted, and refuses a port that is taken", () =>
    Effect.gen(function* () {
      const listening = yield* Deferred.make<{ readonly url: string; readonly port: string }>()
      const fiber = yield* Effect.forkChild(
        run(["--serve", "--port", "0", "--fault-rate", "0"], (text) => {
          const [url, port] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(text) ?? []
          if (url !== undefined && port !== undefined) Deferred.doneUnsafe(listening, Effect.succeed({ url, port }))
        })
      )
      const { port, url } = yield* Deferred.await(listening)
      assert.deepStrictEqual(yield* Effect.promise(() => fetch(`${url}/health`).then((_) => _.json())), {
        status: "ok"
      })
      yield* refused(["--serve", "--port", port], `demo: port ${port} is in use; choose another with --port`)
      yield* Fiber.interrupt(fiber)
      const failed = yield* Effect.exit(Effect.tryPromise(() => fetch(`${url}/health`)))
      assert.isTrue(Exit.isFailure(failed), "the server has gone")
    })
  )

  it.live("shows its integrations on a dashboard, keeps calls going, and refuses a port that is taken", () =>
    Effect.gen(function* () {
      const listening = yield* Deferred.make<string>()
      const fiber = yield* Effect.forkChild(
        run(["--dashboard", "--port", "0"], (text) => {
          const [url] = /http:\/\/127\.0\.0\.1:\d+\/integrations/.exec(text) ?? []
          if (url !== undefined) Deferred.doneUnsafe(listening, Effect.succeed(url))
        })
      )
      const url = yield* Deferred.await(listening)
      const answer = yield* Effect.promise(() => fetch(url))
      assert.match(answer.headers.get("content-type") ?? "", /^text\/html/)
      // As many snapshots as it takes until each of the three has been called.
      let snapshot: Record<string, never> & { readonly integrations: ReadonlyArray<Record<string, unknown>> }
      do {
        snapshot = yield* Effect.promise(() => fetch(`${url}/snapshot.json`).then((_) => _.json() as never))
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      } while (snapshot.integrations.some(({ p50Ms }) => p50Ms === null))
      assert.deepStrictEqual(snapshot.integrations.map(({ name }) => String(name)).toSorted(), [
        "checkout/Cards",
        "checkout/Inventory",
        "checkout/Mail"
      ])
      assert.isNull(snapshot["slowest"], "it begins calmly")
      for (const name of ["rate", "errorRatio", "p50Ms", "p95Ms", "p99Ms", "attemptsPerCall"])
        for (const integration of snapshot.integrations) assert.isNumber(integration[name], name)
      yield* refused(["--dashboard", "--port", new URL(url).port], `demo: port ${new URL(url).port} is in use; choose`)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => fetch(url)))), "the server has gone")
    })
  )

  it("stops the dashboard on Ctrl-C, though a page is open, with code 130", async () => {
    const main = fileURLToPath(new URL("../../examples/checkout/main.ts", import.meta.url))
    const child = spawn(process.execPath, ["-C", "@breakwater/source", main, "--dashboard", "--port", "0"], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    let page: Promise<Response> | undefined
    child.stdout.on("data", (chunk) => {
      out += chunk
    })
    child.stderr.on("data", (chunk) => {
      err += chunk
      const [url] = /http:\/\/127\.0\.0\.1:\d+\/integrations(?=\n)/.exec(err) ?? []
      if (url === undefined || page !== undefined) return
      page = fetch(`${url}/events`)
      void page.then((response) => response.body?.getReader().read()).then(() => child.kill("SIGINT"))
    })
    const code = await new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)))
    assert.strictEqual(code, 130, err)
    assert.strictEqual(out, "")
    assert.notMatch(err, /^\s+at /m, "a stack trace")
  })

  it("ends at once on Ctrl-C, with the figures so far and code 130", async () => {
    // A true signal to a true process, as soon as it says that it is under way: seconds before anybody could be done.
    const main = fileURLToPath(new URL("../../examples/checkout/main.ts", import.meta.url))
    const args = ["-C", "@breakwater/source", main, "--json"]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
    let out = ""
    let err = ""
    let interruptedAt = 0
    child.stdout.on("data", (chunk) => {
      out += chunk
    })
    child.stderr.on("data", (chunk) => {
      err += chunk
      if (interruptedAt > 0 || !/ of 1000 orders after/.test(err)) return
      interruptedAt = performance.now()
      child.kill("SIGINT")
    })
    const code = await new Promise((resolve) => child.on("close", resolve))
    assert.strictEqual(code, 130, err)
    assert.isBelow(performance.now() - interruptedAt, 2_000)
    const { clients, orders } = JSON.parse(out)
    assert.strictEqual(orders, 1_000)
    assert.isBelow(clients.at(-1).ordersDone, 1_000)
  }, 30_000)

  it("has an exit code for each kind of end", () => {
    assert.strictEqual(exitCode(Exit.void), 0)
    assert.strictEqual(exitCode(Exit.die(new Error("a bug"))), 1)
    assert.strictEqual(exitCode(Exit.failCause(Cause.interrupt())), 130)
  })
})
