import { assert, describe, it } from "@effect/vitest"
import { check, sources } from "../../scripts/mocks.ts"
import { format } from "../../scripts/rings.ts"

const linesOf = (source: string, path = "test/Policy.test.ts") =>
  check([{ path, source }]).map(({ line, rule }) => `${line} ${rule}`)

const refused: ReadonlyArray<string> = [
  'vi.mock("./payments.ts")',
  'vi.mock(import("./payments.ts"), () => ({ charge }))',
  'vi\n  .doMock("./payments.ts")',
  "vi?.mock('stripe')",
  "const state = vi.hoisted(() => ({}))",
  'vitest.mock("stripe")',
  'jest.mock("stripe")',
  'jest.unstable_mockModule("stripe", () => ({}))',
  'vi.stubGlobal("fetch", fake)',
  'import { vi as v } from "vitest"; v.mock("stripe")',
  'const { mock } = vi; mock("stripe")',
  'vi["mock"]("stripe")',
  'import { mock } from "node:test"; mock.module("stripe", {})',
  'test("a", (t) => t.mock.module("stripe", {}))',
  'import * as Payments from "./payments.ts"; vi.spyOn(Payments, "charge")',
  'import Stripe from "stripe"; vi.spyOn(Stripe, "charge")',
  'import { a, client as stripe } from "stripe"; vi.spyOn(stripe, "charge")',
  'import Stripe, { type A } from "stripe"; vi.spyOn(Stripe.prototype, "charge")',
  'const stripe = await import("stripe"); vi.spyOn(stripe, "charge")',
  'const { client } = await import("stripe"); vi.spyOn(client, "charge")',
  'import fs from "node:fs"; mock.method(fs, "readFile")',
  'vi.spyOn(globalThis, "fetch")',
  'import esmock from "esmock"'
]

const accepted: ReadonlyArray<string> = [
  "const PaymentsTest = Payments.layerMock({})",
  "Layer.mock(Payments)({})",
  "const f = vi.fn()",
  'const log = { write() {} }; vi.spyOn(log, "write")',
  "vi.useFakeTimers()",
  '// vi.mock("a")\nconst text = \'vi.mock("a")\'; /jest.mock/.test(text)',
  "navi.mock()\nit.vi.mock()",
  'import type { Log } from "./log.ts"; import { make } from "./log.ts"; const log = make(); vi.spyOn(log, "write")'
]

describe("module mocks", () => {
  for (const source of refused) {
    it(`refuses: ${source.replaceAll("\n", " ↵ ")}`, () => assert.deepStrictEqual(linesOf(source), ["1 mock"]))
  }

  for (const source of accepted) {
    it(`accepts: ${source.replaceAll("\n", " ↵ ")}`, () => assert.deepStrictEqual(linesOf(source), []))
  }

  it("refuses a folder of mocks", () => {
    assert.deepStrictEqual(linesOf("export const a = 1", "test/__mocks__/stripe.ts"), ["1 mock"])
  })

  it("looks into every folder, and at the configurations", () => {
    const files = sources()
    for (const path of [
      "src/index.ts",
      "src/testing/Upstream.ts",
      "test/setup.ts",
      "test/tooling/Mocks.test.ts",
      "test/smoke/consumer/main.ts",
      "examples/10_first-call.ts",
      "examples/testing/1_happy-path.test.ts",
      "scripts/mocks.ts",
      "vitest.config.ts"
    ]) {
      assert.include(files, path)
    }
    assert.isFalse(files.some((path) => path.includes("node_modules")))
  })

  it("says what, why and what to do instead", () => {
    const [violation] = check([{ path: "test/a.test.ts", source: '\nvi.mock("stripe")' }])
    assert.strictEqual(
      format(violation!),
      "test/a.test.ts:2 mocks a module (vi.mock) [mock]\n" +
        "  why: it replaces what the compiler has checked, for the whole process, by name\n" +
        "  instead: swap a layer: IntegrationTest.layer(Integration, upstream), layerMock of the integration, or Layer.succeed of a service"
    )
  })
})
