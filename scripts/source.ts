/** Reads TypeScript as text. TypeScript 7 has no API for tools, and these checks need only comments, strings and brackets told apart. */

export interface Blanked {
  /** Comments are spaces; strings are kept. Same length and lines as the source. */
  readonly text: string
  /** Comments and the contents of strings, templates and regular expressions are spaces; quotes are kept. */
  readonly code: string
}

const regexMayFollow =
  /(?:^|[=(,:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|yield|await|throw))\s*$/

export const blank = (source: string): Blanked => {
  const text = source.split("")
  const code = source.split("")
  const space = (from: number, to: number, both: boolean) => {
    for (let i = from; i < to; i++) {
      if (source[i] === "\n") continue
      code[i] = " "
      if (both) text[i] = " "
    }
  }
  // Each open `${` remembers how many plain `{` stand inside it.
  const templates: Array<number> = []
  const skipTemplate = (start: number): number => {
    let i = start
    while (i < source.length) {
      if (source[i] === "\\") i += 2
      else if (source[i] === "`") {
        space(start, i, false)
        return i + 1
      } else if (source.startsWith("${", i)) {
        space(start, i, false)
        templates.push(0)
        return i + 2
      } else i++
    }
    space(start, i, false)
    return i
  }
  let i = 0
  while (i < source.length) {
    const c = source[i]!
    const inside = templates.length - 1
    if (source.startsWith("//", i) || (i === 0 && source.startsWith("#!"))) {
      const end = source.indexOf("\n", i)
      space(i, end < 0 ? source.length : end, true)
      i = end < 0 ? source.length : end
    } else if (source.startsWith("/*", i)) {
      const close = source.indexOf("*/", i + 2)
      const end = close < 0 ? source.length : close + 2
      space(i, end, true)
      i = end
    } else if (c === '"' || c === "'") {
      let end = i + 1
      while (end < source.length && source[end] !== c && source[end] !== "\n") end += source[end] === "\\" ? 2 : 1
      space(i + 1, Math.min(end, source.length), false)
      i = end + 1
    } else if (c === "`") {
      i = skipTemplate(i + 1)
    } else if (c === "{" && inside >= 0) {
      templates[inside]!++
      i++
    } else if (c === "}" && inside >= 0) {
      if (templates[inside] === 0) {
        templates.pop()
        i = skipTemplate(i + 1)
      } else {
        templates[inside]!--
        i++
      }
    } else if (c === "/" && regexMayFollow.test(code.slice(Math.max(0, i - 40), i).join(""))) {
      let end = i + 1
      let set = false
      while (end < source.length && source[end] !== "\n" && (set || source[end] !== "/")) {
        if (source[end] === "\\") end++
        else if (source[end] === "[") set = true
        else if (source[end] === "]") set = false
        end++
      }
      space(i + 1, Math.min(end, source.length), false)
      i = end + 1
    } else i++
  }
  return { text: text.join(""), code: code.join("") }
}

export const lineAt = (source: string, offset: number): number => source.slice(0, offset).split("\n").length

export interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
  readonly line: number
}

const clause = String.raw`(?:[\w$]+\s*,\s*)?(?:\*\s*as\s+[\w$]+|\{[^{}]*\}|[\w$]+)`
const importForms = [
  new RegExp(String.raw`\bimport\s+(type\s+)?${clause}\s*from\s*(["'])`, "g"),
  /\bexport\s+(type\s+)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^{}]*\})\s*from\s*(["'])/g,
  /\bimport(\s*)(["'])/g,
  /\bimport(\s*)\(\s*(["'])/g
]

/** Every module that the source names in an import, a re-export or `import()`, in order. */
export const importsOf = (source: string): ReadonlyArray<Import> => {
  const { code, text } = blank(source)
  const found: Array<Import> = []
  for (const form of importForms) {
    for (const match of code.matchAll(form)) {
      const quote = match.index + match[0].length - 1
      found.push({
        specifier: text.slice(quote + 1, text.indexOf(match[2]!, quote + 1)),
        typeOnly: match[1] !== undefined && match[1].trim() === "type",
        line: lineAt(source, match.index)
      })
    }
  }
  return found.toSorted((a, b) => a.line - b.line)
}

/** How many brackets the line of blanked code opens, less those it closes. */
export const depthOf = (code: string): number =>
  (code.match(/[([{]/g) ?? []).length - (code.match(/[)\]}]/g) ?? []).length

/** The last line (0-based, inclusive) of the statement or property that begins on line `start`. */
export const endOfStatement = (code: ReadonlyArray<string>, start: number): number => {
  let depth = 0
  for (let line = start; line < code.length; line++) {
    depth += depthOf(code[line]!)
    if (depth > 0) continue
    const next = code.slice(line + 1).find((text) => text.trim() !== "")
    const continues =
      /(?:=>|[=+\-*/%&|?:<,]|\bextends|\breturn)\s*$/.test(code[line]!) && !(depth <= 0 && /,\s*$/.test(code[line]!))
    if (!continues && (next === undefined || !/^\s*(?:[.?:|&=>]|(?:extends|implements|satisfies|as)\b)/.test(next)))
      return line
  }
  return code.length - 1
}
