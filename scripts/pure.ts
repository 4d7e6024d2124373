/**
 * Marks the calls that a module makes as it loads as pure, as Effect's own build does. package.json says already that no
 * module of ours does anything by being loaded; a bundler believes that of modules that are not used at all, and of a used
 * one only call by call.
 */
import { parseAst } from "rolldown/parseAst"

const mark = "/* @__PURE__ */ "

type Node = { readonly type: string; readonly start: number; readonly end: number } & Readonly<Record<string, unknown>>

const isNode = (u: unknown): u is Node => typeof u === "object" && u !== null && typeof (u as Node).type === "string"

/** What runs later, or never. */
const isFunction = (node: Node) => node.type === "ArrowFunctionExpression" || node.type === "FunctionExpression"

/** Where a module's own evaluation calls or constructs, for a value that somebody may not want. */
const callsOf = (program: Node): ReadonlyArray<number> => {
  const at: Array<number> = []
  const visit = (node: Node) => {
    if (isFunction(node) || node.type === "FunctionDeclaration") return
    if (node.type === "PropertyDefinition" && node["static"] !== true) {
      if (node["computed"] === true && isNode(node["key"])) visit(node["key"])
      return
    }
    if (node.type === "CallExpression" || node.type === "NewExpression") at.push(node.start)
    // A call that is a statement is made for what it does.
    if (node.type === "ExpressionStatement") return
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) for (const each of value) if (isNode(each)) visit(each)
      if (isNode(value)) visit(value)
    }
  }
  visit(program)
  return [...new Set(at)].toSorted((a, b) => b - a)
}

/** The same module, on the same lines. */
export const markPure = (code: string): string => {
  let marked = code
  for (const start of callsOf(parseAst(code) as unknown as Node)) {
    if (!marked.slice(0, start).trimEnd().endsWith("@__PURE__ */")) {
      marked = marked.slice(0, start) + mark + marked.slice(start)
    }
  }
  return marked
}
