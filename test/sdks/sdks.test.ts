// The official SDKs against one script of faults, over sockets. The tables that are compared stand in
// docs/recipes/sdks.md; `npm run example -- test/sdks/main.ts --write` makes them anew.
import { assert, describe, it } from "@effect/vitest"
import { WebClient } from "@slack/web-api"
import { Policy } from "breakwater"
import { expectSpans } from "breakwater/testing"
import { Context, Effect, Exit, Layer } from "effect"
import { readFileSync } from "node:fs"
import { inspect } from "node:util"
import { quiet, serve, silence, stalled } from "../http/wire.ts"
import { abortable, currentSignal } from "./abortable.ts"
import { cases, pageText, refused } from "./faults.ts"
import { cellsOf, page } from "./page.ts"
import { combinations, type Operation, type Result, run, cutFirst } from "./run.ts"
import { Calling, type Sdk, sdks } from "./sdks.ts"

const text = readFileSync(page, "utf8")

/** What the documentation says of one combination. */
const documented = (sdk: Sdk, operation: Operation, fault: string): string | undefined => {
  const [head = [], ...lines] = cellsOf(text, operation)
  return lines.find(([name]) => name === fault)?.[head.indexOf(`\`${sdk.name}\``)]
}

/** What must hold whatever an SDK makes of a fault. */
const check = (sdk: Sdk, operation: Operation, fault: string, result: Result) => {
  const { cell, elsewhere, exit, logged, provider, recording } = result
  const about = `${sdk.name}, ${operation}, ${fault}`
  const [observed] = recording.calls
  assert(observed !== undefined && recording.calls.length === 1, `${about}: one event per call`)
  const { attempts, outcome } = observed

  // A value, or an error that has a type.
  if (Exit.isFailure(exit)) {
    assert.strictEqual(Exit.findErrorOption(exit)._tag, "Some", `${about}: ${inspect(exit)}`)
  }
  // As many requests as attempts: nothing is repeated out of sight, and nobody else is asked.
  assert.strictEqual(provider.requests.length, fault === refused ? 0 : attempts.length, about)
  assert.strictEqual(elsewhere.requests.length, 0, `${about}: the other host was asked`)

  if (operation === "write") {
    const carriedOut = provider.ledger.length
    assert.isAtMost(carriedOut, 1, about)
    if (Exit.isSuccess(exit)) assert.strictEqual(carriedOut, 1, about)
    else if (carriedOut === 1) assert.include(["Unknown", "Applied"], outcome, about)
    if (sdk.keyed) {
      const sent = new Set(provider.requests.map(({ headers, text }) => `${headers["idempotency-key"]} ${text}`))
      assert.isAtMost(sent.size, 1, `${about}: one key and one body`)
      assert.match([...sent][0] ?? "0".repeat(32), /^[0-9a-f]{32}/, about)
    } else {
      for (const { outcome } of attempts.slice(0, -1)) assert.include(["Refused", "NotSent"], outcome, about)
    }
  }

  const basic = Buffer.from(`AC0:${sdk.secret}`).toString("base64")
  for (const hidden of [sdk.secret, basic, pageText, "a message of"]) {
    expectSpans(recording).without(hidden)
    assert.notInclude(`${inspect(exit, { depth: 9 })} ${JSON.stringify(exit)} ${logged}`, hidden, about)
  }

  assert.strictEqual(cell, documented(sdk, operation, fault), about)
}

describe.concurrent("the SDKs under one script of faults", () => {
  for (const sdk of sdks) {
    for (const operation of ["read", "write"] as const) {
      it.live(
        `${sdk.name}: ${operation}`,
        () =>
          Effect.forEach(
            combinations.filter((one) => one.sdk === sdk && one.operation === operation),
            ({ fault }) =>
              Effect.map(run(sdk, operation, fault), (result) => check(sdk, operation, fault?.name ?? refused, result)),
            { concurrency: 6, discard: true }
          ),
        60_000
      )
    }

    for (const [where, script] of [
      ["before the headers", silence],
      ["in the body", stalled(200)]
    ] as const) {
      it.live(`${sdk.name}: the connection of a request that stalls ${where} is closed with its attempt`, () =>
        Effect.gen(function* () {
          const wire = yield* serve(script)
          const policy = Policy.standard({ maxAttempts: 1, attemptTimeout: "30 seconds", totalDeadline: "1 minute" })
          const context = yield* Layer.build(Layer.merge(sdk.connect(wire.url, policy), quiet))
          const call = Effect.exit(Effect.provide(Context.get(context, Calling).write, context))
          const exit = yield* cutFirst(call, Effect.asVoid(wire.arrived()))
          assert.isTrue(Exit.isFailure(exit))
          assert.strictEqual(wire.requests.length, 1)
          // Long before the SDK's own time is up.
          yield* (yield* wire.arrived()).closed
        })
      )
    }
  }

  it("the tables have a line for every fault, and no other", () => {
    for (const operation of ["read", "write"] as const) {
      const [, ...lines] = cellsOf(text, operation)
      assert.deepStrictEqual(
        lines.map(([name]) => name),
        [...cases.map(({ name }) => name), refused]
      )
    }
  })
})

describe("the reasons for what the page says of an SDK", () => {
  it.live("Slack: a call that waited in the SDK's queue runs in the context of the one before it", () =>
    Effect.gen(function* () {
      const signals = { first: new AbortController().signal, second: new AbortController().signal }
      const found = (maxRequestConcurrency: number) =>
        Effect.promise(async () => {
          const seen: Array<string> = []
          const slack = new WebClient("xoxb-not-a-token", {
            maxRequestConcurrency,
            retryConfig: { retries: 0 },
            fetch: () => {
              seen.push(currentSignal() === signals.first ? "first" : "second")
              return Promise.resolve(Response.json({ ok: true }))
            }
          })
          await Promise.all([
            abortable(signals.first, () => slack.api.test()),
            abortable(signals.second, () => slack.api.test())
          ])
          return seen
        })
      assert.deepStrictEqual(yield* found(1), ["first", "first"])
      assert.deepStrictEqual(yield* found(Infinity), ["first", "second"])
    })
  )
})
