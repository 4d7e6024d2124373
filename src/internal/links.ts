// The `Link` header (RFC 8288), and what may be taken from an address that a provider names.
import * as Option from "effect/Option"

/** One link: where it leads, and as what. */
export interface Link {
  /** As it was written: it may be relative. */
  readonly target: string
  /** Relation types in lower case. */
  readonly rels: ReadonlyArray<string>
  /** Whether it is a link from another resource than the one that was asked for. */
  readonly anchored: boolean
}

const space = /[ \t]*/y
const target = /<([^<>]*)>/y
const token = /[!#$%&'*+\-.^_`|~\w]+/y
const quoted = /"((?:[^"\\]|\\.)*)"/y
const emptyElements = /[ \t,]*/y

/**
 * Reads the header by the grammar of RFC 8288, 3, which is a list with `,` between links and `;` between parameters, either
 * of which may also stand inside a quoted string or a target. None, if it is not written so: a reader that skipped what it
 * does not understand could skip the next page.
 */
export const parseLinks = (header: string): Option.Option<ReadonlyArray<Link>> => {
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  const char = (expected: string): boolean => {
    take(space)
    if (header[at] !== expected) return false
    at++
    return true
  }

  const links: Array<Link> = []
  take(emptyElements)
  while (at < header.length) {
    const to = take(target)
    if (to === null) return Option.none()
    let rels: ReadonlyArray<string> | undefined
    let anchored = false
    while (char(";")) {
      take(space)
      const name = take(token)?.[0].toLowerCase()
      // "; ;" and a ";" at the end are no parameters, and are read over by everybody.
      if (name === undefined) continue
      let value = ""
      if (char("=")) {
        take(space)
        const string = take(quoted)
        const text = string === null ? take(token)?.[0] : string[1]!.replaceAll(/\\(.)/g, "$1")
        if (text === undefined) return Option.none()
        value = text
      }
      // "The rel parameter MUST NOT appear more than once …; occurrences after the first MUST be ignored by parsers."
      if (name === "rel")
        rels ??= value
          .toLowerCase()
          .split(/[ \t]+/)
          .filter((rel) => rel !== "")
      if (name === "anchor") anchored = true
    }
    links.push({ target: to[1]!.trim(), rels: rels ?? [], anchored })
    take(space)
    if (at < header.length && header[at] !== ",") return Option.none()
    take(emptyElements)
  }
  return Option.some(links)
}

/** An address as a URL. A relative one gets a host that does not exist, and that nobody is ever sent to. */
export const urlOf = (address: string, base = "http://relative.invalid/"): Option.Option<URL> =>
  URL.canParse(address, base) ? Option.some(new URL(address, base)) : Option.none()

/** Those of the named parameters that the query of an address has. None, if it has none of them, or is no address. */
export const queryIn = <Name extends string>(
  address: string,
  names: ReadonlyArray<Name>
): Option.Option<{ readonly [K in Name]?: string }> =>
  Option.flatMap(urlOf(address), ({ searchParams }) => {
    const found: { [K in Name]?: string } = {}
    for (const name of names) {
      const value = searchParams.get(name)
      if (value !== null) found[name] = value
    }
    return Object.keys(found).length === 0 ? Option.none() : Option.some(found)
  })
