// What is loaded with the client's entries, and that the check of it refuses what it must.
import { assert, describe, it } from "@effect/vitest"
import { check, format, graphOf, type Read, readFromDisk } from "../../scripts/graph.ts"

const filesOf =
  (files: Readonly<Record<string, string>>): Read =>
  (path) =>
    files[path]

const refused: ReadonlyArray<readonly [what: string, files: Readonly<Record<string, string>>]> = [
  ["a barrel of Effect", { "src/Policy.ts": 'import { Effect } from "effect"' }],
  ["a barrel of Effect", { "src/Policy.ts": 'export * from "effect/http"' }],
  [
    "a barrel of Effect",
    {
      "src/Policy.ts": 'import * as A from "effect/A"',
      "node_modules/effect/dist/A.js": 'import { b } from "./http/index.js"'
    }
  ],
  [
    "SQL and what stores in it",
    {
      "src/Policy.ts": 'import { a } from "./internal/a.ts"',
      "src/internal/a.ts": 'import * as SqlClient from "effect/sql/SqlClient"'
    }
  ],
  [
    "Redis and what is kept in it",
    {
      "src/Policy.ts": 'import { a } from "./internal/a.ts"',
      "src/internal/a.ts": 'import * as RateLimiter from "effect/persistence/RateLimiter"'
    }
  ],
  ["a store of ours", { "src/Policy.ts": 'const a = () => import("./redis/A.ts")' }],
  ["the dashboard", { "src/Policy.ts": 'import "./dashboard/A.ts"' }],
  ["no part of a client", { "src/Policy.ts": 'import { a } from "./testing/A.ts"' }],
  ["a module of Node", { "src/Policy.ts": 'import { readFileSync } from "node:fs"' }],
  [
    "a module of Node",
    {
      "src/Policy.ts": 'import * as A from "effect/A"',
      "node_modules/effect/dist/A.js": 'import * as Http from "node:http"'
    }
  ],
  ["another package", { "src/Policy.ts": 'import "cockatiel"' }]
]

describe("the modules that are loaded with an entry", () => {
  it.each(refused)("are refused: %s (%#)", (what, files) => {
    assert.deepStrictEqual(
      check(filesOf(files), ["src/Policy.ts"]).map((violation) => violation.what),
      [what]
    )
  })

  it("may be named as types", () => {
    const files = filesOf({
      "src/Policy.ts":
        'import type * as RateLimiter from "effect/persistence/RateLimiter"\nexport type { A } from "effect"'
    })
    assert.deepStrictEqual(check(files, ["src/Policy.ts"]), [])
    assert.deepStrictEqual([...graphOf("src/Policy.ts", files).keys()], ["src/Policy.ts"])
  })

  it("are named with the way to them", () => {
    const files = filesOf({
      "src/Policy.ts": 'import { a } from "./internal/a.ts"',
      "src/internal/a.ts": 'import { b } from "../Policy.ts"\nimport * as Fs from "node:fs"'
    })
    const [violation] = check(files, ["src/Policy.ts"])
    assert.include(format(violation!), "src/Policy.ts loads a module of Node")
    assert.include(format(violation!), "src/Policy.ts → src/internal/a.ts → node:fs")
  })

  it("are those of a client, and no more", () => {
    assert.deepStrictEqual(check(readFromDisk).map(format), [])
  })

  it("are found in Effect as it is published", () => {
    const graph = graphOf("src/Policy.ts", readFromDisk)
    assert.isAbove([...graph.keys()].filter((path) => path.startsWith("node_modules/effect/dist/")).length, 100)
    for (const path of graph.keys()) assert.isDefined(readFromDisk(path), path)
    const redis = graphOf("node_modules/effect/dist/persistence/RateLimiter.js", readFromDisk)
    assert.isTrue(redis.has("node_modules/effect/dist/persistence/Redis.js"))
  })
})
