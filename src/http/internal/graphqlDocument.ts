// What a GraphQL document says of itself. It is read only as far as it takes to refuse what the provider would refuse.
import type { Strategy } from "../../Idempotency.ts"

interface Part {
  readonly kind: string
  readonly name: string | undefined
  readonly head: ReadonlyArray<string>
  readonly body: ReadonlyArray<string>
}

const token = /"""(?:\\"""|[\s\S])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*|\.\.\.|[$@]\s*\w+|\w+|[^\s,\ufeff]/g

const isName = (text: string | undefined): text is string => text !== undefined && /^[A-Za-z_]\w*$/.test(text)

const depthOf: Readonly<Record<string, number>> = { "(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1 }

/** Its operations and fragments: what stands before the braces of each, and what stands in them. */
const partsOf = (document: string): ReadonlyArray<Part> => {
  const tokens = (document.match(token) ?? [])
    .filter((text) => !text.startsWith("#"))
    .map((text) => (text.startsWith('"') ? '"' : text.replace(/\s/g, "")))
  const parts: Array<Part> = []
  let start = 0
  let open: number | undefined
  let depth = 0
  for (const [index, text] of tokens.entries()) {
    if (text === "{" && depth === 0) open = index
    depth += depthOf[text] ?? 0
    if (text !== "}" || depth !== 0 || open === undefined) continue
    const [kind = "query", name] = tokens.slice(start, open)
    parts.push({
      kind,
      name: isName(name) ? name : undefined,
      head: tokens.slice(start, open),
      body: tokens.slice(open + 1, index)
    })
    start = index + 1
    open = undefined
  }
  return parts
}

/** How many fields an operation has; `undefined` where fragments hide it. */
const fieldsOf = ({ body }: Part): number | undefined => {
  let depth = 0
  let fields = 0
  for (const [index, text] of body.entries()) {
    if (depth === 0 && text === "...") return undefined
    if (depth === 0 && isName(text) && body[index + 1] !== ":") fields++
    depth += depthOf[text] ?? 0
  }
  return fields
}

/** Whether a directive has this variable for an argument. `@include` and `@skip` read no keys. */
const isGiven = (tokens: ReadonlyArray<string>, variable: string): boolean =>
  tokens.some((text, index) => {
    if (!text.startsWith("@") || text === "@include" || text === "@skip" || tokens[index + 1] !== "(") return false
    const end = tokens.indexOf(")", index)
    return tokens.slice(index, end).includes(variable)
  })

/** What is wrong with a document. */
export const documentProblems = (
  {
    document,
    kind,
    name,
    refusals
  }: {
    readonly document: string
    readonly kind: "query" | "mutation"
    readonly name: string
    /** Whether it has errors that say that nothing happened. */
    readonly refusals: boolean
  },
  strategy: Strategy
): ReadonlyArray<string> => {
  const parts = partsOf(document)
  const own = parts.find((part) => part.kind !== "fragment" && part.name === name)
  if (own === undefined) return [`the document has no ${kind} that is named ${name}`]
  if (own.kind !== kind) return [`${name} is a ${own.kind} in its document: it can't be given to GraphQL.${kind}`]
  const problems: Array<string> = []
  const fields = fieldsOf(own)
  if (kind === "mutation" && refusals && fields !== 1) {
    problems.push(
      `its errors say that nothing happened, and ${name} has ${fields === undefined ? "fields in fragments" : `${fields} fields`}, ` +
        "of which others may have: give each its own mutation"
    )
  }
  if (strategy._tag !== "Keyed" || strategy.placement._tag !== "GraphqlDirective") return problems
  const variable = `$${strategy.placement.variable}`
  if (!own.head.some((text, index) => text === variable && own.head[index + 1] === ":")) {
    problems.push(`the key is written to ${variable}, which ${name} does not declare`)
  }
  if (
    !parts.some((part) => (part === own || part.kind === "fragment") && isGiven(part.body, variable)) &&
    !isGiven(own.head, variable)
  ) {
    problems.push(
      `the key is written to ${variable}, which no directive is given, such as @idempotent(key: ${variable})`
    )
  }
  return problems
}
