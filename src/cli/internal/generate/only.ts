// What `--only` says, and what was perhaps meant where it names nothing.
import * as Effect from "effect/Effect"
import { type Failed, wrongUsage } from "../failed.ts"
import type { Selection } from "../openapi/contract.ts"
import { clean } from "../print.ts"

const kinds = { path: "paths", tag: "tags", operation: "operations" } as const
type Kind = keyof typeof kinds

const split = (text: string): readonly [Kind, string] | undefined => {
  const [, kind, rest] = /^(path|tag|operation):(.+)$/s.exec(text) ?? []
  return kind === undefined ? (text.startsWith("/") ? ["path", text] : undefined) : [kind as Kind, rest!]
}

/** A selection, and the same in one form each, as it is kept and printed. */
export const selectionOf = (
  given: ReadonlyArray<string>
): Effect.Effect<{ readonly selection: Selection; readonly only: ReadonlyArray<string> }, Failed> => {
  const parts = given.map(split)
  const wrong = parts.indexOf(undefined)
  if (wrong >= 0) {
    return Effect.fail(
      wrongUsage(
        `--only: ${clean(given[wrong]!)} does not say what it names: path:/repos/*, tag:issues or operation:issues/create`
      )
    )
  }
  const chosen = parts.filter((part) => part !== undefined)
  const of = (kind: Kind) => chosen.filter(([own]) => own === kind).map(([, text]) => text)
  return Effect.succeed({
    selection: { paths: of("path"), tags: of("tag"), operations: of("operation") },
    only: [...new Set(chosen.map(([kind, text]) => `${kind}:${text}`))]
  })
}

// ---- what was meant

type Fields = Readonly<Record<string, unknown>>
const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {}
const textsOf = (value: unknown): ReadonlyArray<string> =>
  (Array.isArray(value) ? value : []).filter((own) => typeof own === "string")

/** All that `--only` could name. */
const namesOf = (document: unknown): Readonly<Record<Kind, ReadonlyArray<string>>> => {
  const paths = Object.entries(fieldsOf(fieldsOf(document)["paths"]))
  const operations = paths.flatMap(([, item]) => Object.values(fieldsOf(item)).map(fieldsOf))
  return {
    path: paths.map(([path]) => path),
    tag: [...new Set(operations.flatMap((own) => textsOf(own["tags"])))],
    operation: operations.flatMap((own) => textsOf([own["operationId"]]))
  }
}

/** How many characters have to be added, left out or replaced. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}

const plain = (text: string): string => text.toLowerCase().replace(/[^a-z\d/]+/g, "")

/** The three names that are nearest, the nearest first; of any kind, since `tag:issues/create` names an operation. */
const nearest = (kind: Kind, text: string, names: Readonly<Record<Kind, ReadonlyArray<string>>>) => {
  const asked = plain(text.replace(/\*+$/, ""))
  return (Object.keys(kinds) as ReadonlyArray<Kind>)
    .flatMap((own) => names[own].map((name) => ({ own, name })))
    .map(({ name, own }) => {
      const other = plain(name)
      const inside = asked.length > 2 && other.includes(asked) ? 1 : distance(asked, other)
      return { text: `${own}:${name}`, far: inside + (own === kind ? 0 : 0.5), most: Math.max(2, asked.length / 2) }
    })
    .filter(({ far, most }) => far <= most)
    .toSorted((a, b) => a.far - b.far)
    .slice(0, 3)
    .map((own) => own.text)
}

const isIn = (kind: Kind, text: string, names: ReadonlyArray<string>): boolean => {
  if (kind === "path" && text.endsWith("/*")) {
    return names.some((name) => name === text.slice(0, -2) || name.startsWith(text.slice(0, -1)))
  }
  // An operation is also known as `group.name`, which is made from its id.
  const same = (own: string) => plain(own).replaceAll("/", "")
  return names.some((name) => name === text || (kind === "operation" && same(name) === same(text)))
}

/** A sentence with the nearest names of each part of `--only` that names nothing; empty where there is none. */
export const meantText = (document: unknown, only: ReadonlyArray<string>): string => {
  const names = namesOf(document)
  return only
    .flatMap((text) => {
      const [kind, name] = split(text)!
      if (isIn(kind, name, names[kind])) return []
      const near = nearest(kind, name, names)
      return near.length === 0 ? [] : [`for ${text} there is ${near.join(", ")}`]
    })
    .map(clean)
    .join("; ")
}
