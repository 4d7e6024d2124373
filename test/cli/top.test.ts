import { assert, describe, it } from "@effect/vitest"
import { CliOutput } from "effect/cli"
import { Effect, Exit } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { addressOf, text } from "../../src/cli/internal/top.ts"
import { breakwater } from "./run.ts"

const integration = {
  name: "shop/Payments",
  rate: 12.34,
  errorRatio: 0.0314,
  p50Ms: 42.4,
  p95Ms: 812,
  p99Ms: 4_249,
  attemptsPerCall: 1.26,
  active: 3,
  breaker: "half_open",
  queue: { depth: 2, oldestAgeMs: 15 },
  slow: { cause: "provider", reason: "a call takes 4 s (p95)" },
  more: "of a later version"
}
const idle = {
  ...integration,
  name: "shop/Idle",
  rate: 0,
  errorRatio: null,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
  attemptsPerCall: null,
  active: 0,
  breaker: null,
  queue: null,
  slow: null
}
const snapshot = {
  at: 1,
  headline: "shop/Payments is slow right now: a call takes 4 s (p95).",
  slowest: { integration: "shop/Payments", cause: "provider", reason: "a call takes 4 s (p95)" },
  integrations: [integration, idle]
}

/** A server that answers with what it is told, and keeps what it was asked. */
const serve = (answers: Readonly<Record<string, { readonly status?: number; readonly body: string }>>) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly url: string; readonly asked: Array<string>; readonly close: () => void }>((done) => {
          const asked: Array<string> = []
          const server = createServer((request, response) => {
            asked.push(`${request.url} ${request.headers.authorization ?? ""}`.trim())
            const { body, status = 200 } = answers[request.url ?? ""] ?? { status: 404, body: "" }
            response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(body)
          })
          server.listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            done({ url: `http://127.0.0.1:${port}`, asked, close: () => server.close() })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  )

const figures = { "/integrations/snapshot.json": { body: JSON.stringify(snapshot) } }

describe("breakwater top", () => {
  it.live("prints the figures once, as a table and as JSON", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve(figures)
      const table = yield* breakwater(["top", `${url}/integrations`, "--once"])
      assert.deepStrictEqual([table.code, table.stderr], [0, ""])
      assert.strictEqual(
        table.stdout,
        [
          "shop/Payments is slow right now: a call takes 4 s (p95).",
          "",
          "INTEGRATION    RATE/S   ERR   P50    P95    P99  RUN  WAIT  BREAKER    SLOW",
          "shop/Payments      12  3.1%  42ms  812ms  4.25s    3     2  half open  provider",
          "shop/Idle           0     -     -      -      -    0     -  -",
          ""
        ].join("\n")
      )
      const json = yield* breakwater(["top", `${url}/integrations/`, "--once", "--json"], {
        env: { BREAKWATER_TOKEN: "ops" }
      })
      assert.deepStrictEqual([json.code, JSON.parse(json.stdout)], [0, snapshot])
      assert.deepStrictEqual(asked, ["/integrations/snapshot.json", "/integrations/snapshot.json Bearer ops"])
    })
  )

  it.live("goes on, a line of JSON each time, until Ctrl-C", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(figures)
      const ran = yield* breakwater(["top", `${url}/integrations`, "--json"], {
        onOutput: (seen, child) => {
          if (seen.split("\n").length > 2) child.kill("SIGINT")
        }
      })
      const lines = ran.stdout.trimEnd().split("\n")
      assert.deepStrictEqual([ran.code, ran.stderr], [130, ""])
      assert.isAtLeast(lines.length, 2)
      for (const line of lines) assert.deepStrictEqual(JSON.parse(line), snapshot)
    })
  )

  it.live("says what is wrong where there is no dashboard", () =>
    Effect.gen(function* () {
      const { url } = yield* serve({
        "/html/snapshot.json": { body: "<html></html>" },
        "/other/snapshot.json": { body: `{"integrations":[{}]}` },
        "/closed/snapshot.json": { status: 403, body: "{}" }
      })
      const rows: ReadonlyArray<readonly [given: string, code: number, said: RegExp]> = [
        ["http://127.0.0.1:9/integrations", 1, /^breakwater: nothing answers at http:\/\/127\.0\.0\.1:9\/integrations/],
        [`${url}/nothing`, 1, /^breakwater: there is no dashboard at .*: it answers with 404/],
        [`${url}/html`, 1, /is no dashboard of breakwater\n$/],
        [`${url}/other`, 1, /is no dashboard of breakwater\n$/],
        [`${url}/closed`, 1, /may not be looked at \(403\): give --token/],
        ["ftp://localhost/integrations", 2, /is no address of a dashboard/]
      ]
      for (const [given, code, said] of rows) {
        const ran = yield* breakwater(["top", given, "--once"])
        assert.deepStrictEqual([ran.code, ran.stdout], [code, ""], given)
        assert.match(ran.stderr, said)
      }
    })
  )
})

describe("an address", () => {
  it.effect("is that of the page, however it is written", () =>
    Effect.gen(function* () {
      const found = yield* Effect.forEach(
        [
          "localhost:3000/integrations",
          "http://localhost:3000/integrations/",
          "http://localhost:3000/integrations/snapshot.json",
          "https://shop.test/ops/integrations/events#now",
          "http://localhost:3000"
        ],
        addressOf
      )
      assert.deepStrictEqual(
        found.map(({ href }) => href),
        [
          "http://localhost:3000/integrations/snapshot.json",
          "http://localhost:3000/integrations/snapshot.json",
          "http://localhost:3000/integrations/snapshot.json",
          "https://shop.test/ops/integrations/snapshot.json",
          "http://localhost:3000/snapshot.json"
        ]
      )
      const refused = yield* Effect.forEach(["", "http://", "file:///etc", "http://a:b@localhost/"], (given) =>
        Effect.exit(addressOf(given))
      )
      assert.isTrue(refused.every(Exit.isFailure))
    })
  )
})

describe("the table", () => {
  it("fits 80 columns, whatever names there are, and lets none of them move the cursor", () => {
    const name = `\u001b[2J\u0000\u009b31m漢字/${"very long name ".repeat(9)}`
    const shown = text({ ...snapshot, headline: `${name} is slow`, integrations: [{ ...integration, name }, idle] }, 80)
    for (const line of shown.split("\n")) assert.isAtMost(CliOutput.displayWidth(line), 80, line)
    assert.notMatch(shown.replaceAll("\n", ""), /\p{Cc}/u)
    assert.include(shown, "half")
  })

  it("says so where there is nothing", () => {
    assert.include(text({ ...snapshot, integrations: [] }, 80), "There are no integrations.")
  })
})
