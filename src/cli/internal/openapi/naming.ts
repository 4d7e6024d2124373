/** Which operations there are to generate, and what they are called. */
import type { Selection } from "./contract.ts"
import { fail, type RawOperation } from "./document.ts"
import { camel, makeNames, pascal, quote, type Names } from "./text.ts"

export interface Named {
  readonly raw: RawOperation
  readonly group: string
  readonly name: string
}

/** Names for all operations of the document, so that a selection does not change them. */
export const nameOperations = (operations: ReadonlyArray<RawOperation>): ReadonlyArray<Named> => {
  const groups = new Map<string, Names>()
  return operations.map((raw) => {
    const segments = raw.path.split("/").filter((segment) => segment !== "")
    const group = camel(raw.tags[0] ?? segments.find((segment) => !segment.startsWith("{")) ?? "default")
    const names = groups.get(group) ?? makeNames(["__proto__", "constructor"])
    groups.set(group, names)
    return { raw, group, name: names.claim(nameWithin(group, raw, segments)) }
  })
}

const nameWithin = (group: string, raw: RawOperation, segments: ReadonlyArray<string>): string => {
  if (raw.operationId === undefined) return camel([raw.method.toLowerCase(), ...segments].join(" "))
  // `issues/list-for-repo` in the group `issues` is `listForRepo`, and so is `issuesListForRepo`.
  const name = camel(raw.operationId)
  const rest = name.startsWith(group) ? name.slice(group.length) : ""
  return /^\p{Lu}/u.test(rest) ? camel(rest) : name
}

export const select = (all: ReadonlyArray<Named>, only: Selection | undefined): ReadonlyArray<Named> => {
  if (only === undefined || only.paths.length + only.tags.length + only.operations.length === 0) return all
  const found = new Set<string>()
  const selected = all.filter(({ group, name, raw }) => {
    const matching = [
      ...only.paths.filter((path) =>
        path.endsWith("/*")
          ? raw.path.startsWith(path.slice(0, -1)) || raw.path === path.slice(0, -2)
          : raw.path === path
      ),
      ...only.tags.filter((tag) => raw.tags.includes(tag)),
      ...only.operations.filter((id) => id === raw.operationId || id === `${group}.${name}`)
    ]
    for (const match of matching) found.add(match)
    return matching.length > 0
  })
  for (const wish of [...only.paths, ...only.tags, ...only.operations]) {
    if (!found.has(wish)) {
      fail(
        "NothingSelected",
        "#/paths",
        `Nothing in the document is called ${quote(wish)}: correct it, or take it out.`
      )
    }
  }
  return selected
}

export const groupClass = (group: string): string => `${pascal(group)}Group`
