import { assert, describe, it } from "@effect/vitest"
import { check, format, type SourceFile, unstableByTags } from "../../scripts/rings.ts"
import { blank, endOfStatement, importsOf } from "../../scripts/source.ts"

const isUnstable = (specifier: string) => specifier.startsWith("effect/http")

/** `rule line` of every violation in the given files. */
const rulesOf = (files: Readonly<Record<string, string>>, exceptions?: Parameters<typeof check>[1]["exceptions"]) => {
  const sources: Array<SourceFile> = Object.entries(files).map(([path, source]) => ({ path, source }))
  return check(sources, { isUnstable, exceptions: exceptions ?? [] }).map((v) => `${v.file}:${v.line} ${v.rule}`)
}

const refused: ReadonlyArray<readonly [rule: string, path: string, source: string]> = [
  ["ring", "src/Outcome.ts", 'import type { Policy } from "./Policy.ts"'],
  ["ring", "src/Policy.ts", 'import * as Integration from "./Integration.ts"'],
  ["ring", "src/PolicyStack.ts", 'export * from "./Integration.ts"'],
  ["ring", "src/Integration.ts", 'import { send } from "./http/HttpOperation.ts"'],
  ["ring", "src/Integration.ts", 'import * as Upstream from "./testing/Upstream.ts"'],
  ["ring", "src/internal/runner.ts", 'import { send } from "../http/HttpOperation.ts"'],
  ["ring", "src/internal/runner.ts", 'import * as Upstream from "../testing/Upstream.ts"'],
  ["ring", "src/http/HttpOperation.ts", 'import * as Upstream from "../testing/Upstream.ts"'],
  ["ring", "src/sql/SqlOutbox.ts", 'import * as HttpOperation from "../http/HttpOperation.ts"'],
  ["ring", "src/http/HttpReceiver.ts", 'const page = import("../dashboard/Dashboard.ts")'],
  ["ring", "src/testing/Upstream.ts", 'import * as SqlOutbox from "../sql/SqlOutbox.ts"'],
  ["ring", "src/index.ts", 'export * as HttpOperation from "./http/HttpOperation.ts"'],
  ["barrel", "src/Policy.ts", 'import { Effect } from "effect"'],
  ["barrel", "src/http/HttpOperation.ts", 'import type { HttpClient } from "effect/http"'],
  ["barrel", "src/http/HttpOperation.ts", 'import { Operation } from "../index.ts"'],
  ["barrel", "src/http/HttpOperation.ts", 'import { Y } from "./index.ts"'],
  ["unstable", "src/Outcome.ts", 'import type * as HttpClient from "effect/http/HttpClient"'],
  ["unstable", "src/Policy.ts", 'import * as HttpClient from "effect/http/HttpClient"'],
  ["unstable", "src/Policy.ts", 'import { type HttpClient } from "effect/http/HttpClient"'],
  ["unstable", "src/Integration.ts", 'export * from "effect/http/HttpClient"'],
  ["unstable", "src/internal/runner.ts", 'import type * as HttpClient from "effect/http/HttpClient"'],
  ["dependency", "src/Policy.ts", 'import { setTimeout } from "node:timers/promises"'],
  ["dependency", "src/http/HttpOperation.ts", 'import "cockatiel"'],
  ["dependency", "src/Policy.ts", 'import { Operation } from "breakwater"'],
  ["dependency", "src/testing/Upstream.ts", 'import * as Http from "node:http"'],
  ["dependency", "src/testing/node/SocketServer.ts", 'import * as Http from "express"'],
  ["ring", "src/testing/Upstream.ts", 'import { listen } from "./node/SocketServer.ts"'],
  ["dependency", "src/sql/SqlOutbox.ts", 'import { DatabaseSync } from "node:sqlite"'],
  ["dependency", "src/sql/node/SqliteClient.ts", 'import Database from "better-sqlite3"'],
  ["ring", "src/sql/SqlOutbox.ts", 'import { layer } from "./node/SqliteClient.ts"'],
  ["ring", "src/sql/node/SqliteClient.ts", 'import { run } from "../../cli/main.ts"'],
  ["ring", "src/cli/main.ts", 'import { listen } from "../testing/node/SocketServer.ts"'],
  ["ring", "src/cli/main.ts", 'import * as HttpOperation from "../http/HttpOperation.ts"'],
  ["dependency", "src/cli/main.ts", 'import { program } from "commander"'],
  ["timer", "src/testing/node/SocketServer.ts", "setTimeout(() => {}, 10)"],
  ["extension", "src/Policy.ts", 'import * as Operation from "./Operation.js"'],
  ["extension", "src/Policy.ts", 'import * as Operation from "./Operation"'],
  ["unlisted", "src/Helpers.ts", "export const a = 1"],
  ["unlisted", "src/kafka/Kafka.ts", "export const a = 1"],
  ["try", "src/Policy.ts", "try {} catch {}"],
  ["clock", "src/Policy.ts", "const now = Date.now()"],
  ["clock", "src/Policy.ts", "const now = new Date()"],
  ["clock", "src/http/HttpOperation.ts", "const now = performance.now()"],
  ["random", "src/Policy.ts", "const jitter = Math.random() * 2"],
  ["random", "src/testing/Upstream.ts", "const id = crypto.randomUUID()"],
  ["timer", "src/Policy.ts", "setTimeout(() => {}, 10)"],
  ["examples", "examples/checkout/main.ts", 'import { Integration } from "../../src/index.ts"']
]

const accepted: ReadonlyArray<readonly [path: string, source: string]> = [
  ["src/Operation.ts", 'import type { Outcome } from "./Outcome.ts"\nimport * as Effect from "effect/Effect"'],
  ["src/Retry.ts", 'import * as Policy from "./Policy.ts"\nimport * as Operation from "./Operation.ts"'],
  ["src/Policy.ts", 'import type * as HttpClient from "effect/http/HttpClient"'],
  ["src/Integration.ts", 'export type { HttpClient } from "effect/http/HttpClient"'],
  ["src/http/HttpOperation.ts", 'import * as HttpClient from "effect/http/HttpClient"'],
  ["src/http/HttpOperation.ts", 'import { a } from "./internal/a.ts"\nimport { b } from "../internal/b.ts"'],
  ["src/testing/Upstream.ts", 'import * as HttpOperation from "../http/HttpOperation.ts"'],
  ["src/testing/node/SocketServer.ts", 'import * as Http from "node:http"\nimport { a } from "../internal/a.ts"'],
  ["src/sql/node/SqliteClient.ts", 'import { DatabaseSync } from "node:sqlite"\nimport { a } from "./internal/a.ts"'],
  ["src/cli/main.ts", 'import process from "node:process"\nimport { layer } from "../sql/node/SqliteClient.ts"'],
  ["src/testing/node/index.ts", 'export * as SocketServer from "./SocketServer.ts"'],
  ["src/index.ts", 'export * as Operation from "./Operation.ts"'],
  ["src/http/index.ts", 'export * as HttpOperation from "./HttpOperation.ts"'],
  ["src/Policy.ts", "// try { Date.now() } catch { Math.random() }\nconst text = 'try { Math.random() }'"],
  ["src/Policy.ts", "const at = new Date(millis)\nconst a = Effect.try({ try: f, catch: g })"],
  ["src/Policy.ts", '/**\n * ```ts\n * import { Effect } from "effect"\n * ```\n */\nexport const a = 1'],
  ["examples/checkout/main.ts", 'import { Effect } from "effect"\nimport { Payments } from "./payments.ts"'],
  ["test/Policy.test.ts", 'import { Effect } from "effect"\nimport * as Policy from "../src/Policy.ts"']
]

describe("rings", () => {
  for (const [rule, path, source] of refused) {
    it(`refuses in ${path}: ${source} [${rule}]`, () => {
      assert.deepStrictEqual(rulesOf({ [path]: source }), [`${path}:1 ${rule}`])
    })
  }

  for (const [path, source] of accepted) {
    it(`accepts in ${path}: ${source.replaceAll("\n", " ↵ ")}`, () => {
      assert.deepStrictEqual(rulesOf({ [path]: source }), [])
    })
  }

  it("sees what a low ring reaches through internal files", () => {
    const files = {
      "src/CallFailure.ts": 'import { a } from "./internal/a.ts"',
      "src/internal/a.ts": 'import { b } from "./b.ts"',
      "src/internal/b.ts": 'import type { Policy } from "../Policy.ts"\nimport { Outcome } from "../Outcome.ts"'
    }
    assert.deepStrictEqual(rulesOf(files), ["src/internal/b.ts:1 ring"])
    assert.deepStrictEqual(
      rulesOf({
        "src/Policy.ts": files["src/CallFailure.ts"],
        "src/internal/a.ts": files["src/internal/a.ts"],
        "src/internal/b.ts": files["src/internal/b.ts"]
      }),
      []
    )
  })

  it("lets a listed exception pass, and only that one", () => {
    const files = { "src/Policy.ts": 'import * as HttpClient from "effect/http/HttpClient"\nconst now = Date.now()' }
    const exceptions = [{ file: "src/Policy.ts", allow: "effect/http/HttpClient", because: "a test" }]
    assert.deepStrictEqual(rulesOf(files, exceptions), ["src/Policy.ts:2 clock"])
  })

  it("says what, why and what to do instead", () => {
    const [violation] = check([{ path: "src/Policy.ts", source: 'import { Effect } from "effect"' }], { isUnstable })
    assert.deepStrictEqual(
      format(violation!),
      'src/Policy.ts:1 imports the barrel "effect" [barrel]\n' +
        "  why: a barrel loads every module behind it\n" +
        '  instead: import the module: import * as Name from "effect/Name"'
    )
  })

  it("reads stability from the installed Effect", () => {
    assert.isTrue(unstableByTags("effect/http/HttpClient"))
    assert.isTrue(unstableByTags("effect/persistence/CircuitBreaker"))
    assert.isTrue(unstableByTags("effect/ExecutionPlan"))
    assert.isFalse(unstableByTags("effect/Effect"))
    assert.isFalse(unstableByTags("effect/Schema"))
  })
})

describe("reading source", () => {
  it("tells comments, strings, templates and regular expressions from code", () => {
    const source =
      'const a = "// no" // yes\nconst b = `x ${f({ c: `try {` })} y` /* z */\nconst d = /["/*]+/.test(a) / 2'
    const { code, text } = blank(source)
    assert.strictEqual(code.length, source.length)
    assert.deepStrictEqual(
      code.split("\n").map((line) => line.replace(/\s+/g, " ").trim()),
      ['const a = " "', "const b = ` ${f({ c: ` ` })} `", "const d = / /.test(a) / 2"]
    )
    assert.include(text, '"// no"')
    assert.notInclude(text, "yes")
  })

  it("finds every form of import, with its line", () => {
    const source = [
      'import a, { type B } from "a"',
      "import {",
      "  c",
      '} from "c"',
      'import type { D } from "d"',
      'export type { E } from "e"',
      'export * as F from "f"',
      'import "g"',
      'const h = await import("h")',
      "export const i = 1",
      'const j = "from"'
    ].join("\n")
    assert.deepStrictEqual(
      importsOf(source).map(({ line, specifier, typeOnly }) => `${line} ${specifier} ${typeOnly}`),
      ["1 a false", "2 c false", "5 d true", "6 e true", "7 f false", "8 g false", "9 h false"]
    )
  })

  it("finds where a statement or property ends", () => {
    const code = ["f({", "  a: 1,", "  b: g(", "    2", "  ),", "  c: 3", "})", "h()", "  .pipe(i)", "k()"]
    assert.deepStrictEqual(
      [0, 1, 2, 7, 9].map((line) => endOfStatement(code, line)),
      [6, 1, 4, 8, 9]
    )
  })
})
