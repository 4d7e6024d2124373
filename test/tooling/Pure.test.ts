import { assert, describe, it } from "@effect/vitest"
import { markPure } from "../../scripts/pure.ts"

const marked = (count: number, source: string) => {
  const out = markPure(source)
  assert.strictEqual(out.replaceAll("/* @__PURE__ */ ", ""), source)
  assert.strictEqual(out.split("\n").length, source.split("\n").length)
  assert.strictEqual(out.split("/* @__PURE__ */").length - 1, count, out)
  return out
}

describe("the marks of calls that have no effect", () => {
  it("are at what a module calls for a value", () => {
    marked(1, "export const a = f(1)")
    marked(1, "const a = new Map()")
    marked(2, "const a = f(g())")
    marked(1, "export default f()")
    marked(1, "export const a = { b: [f()] }")
    marked(1, "const a = b ? f() : undefined")
  })

  it("are at what a class is made of", () => {
    assert.strictEqual(
      marked(2, 'class A extends Data.TaggedError("A") { static b = f() }'),
      'class A extends /* @__PURE__ */ Data.TaggedError("A") { static b = /* @__PURE__ */ f() }'
    )
  })

  it("stand before a call of a call, once", () => {
    marked(1, `class A extends Schema.Error()("A") {}`)
    assert.include(markPure("const a = f()()"), "const a = /* @__PURE__ */ f()()")
  })

  it("are not where something runs later, or for what it does", () => {
    marked(0, "const a = () => f()")
    marked(0, "function a() { return f() }")
    marked(0, "class A { b = f(); c() { return f() } }")
    marked(0, "Object.freeze(a)")
    marked(0, "if (a) f()")
    marked(0, "const a = { b() { return f() }, get c() { return f() } }")
  })

  it("are not written twice", () => {
    const once = markPure("const a = f(g())")
    assert.strictEqual(markPure(once), once)
    const own = "const a = /* @__PURE__ */ f()"
    assert.strictEqual(markPure(own), own)
  })
})
