// The indentation of a generated text, of which the lines are right already.

/**
 * Every line that has open brackets before it is indented, two blanks for each earlier line that opened one. What is indented
 * further stays so, and so does what stands in a template.
 */
export const indented = (source: string): string => {
  /** The line on which each open bracket stands. */
  const open: Array<number> = []
  let inside: "code" | "comment" | "template" = "code"

  const read = (line: string, number: number) => {
    for (let i = 0; i < line.length; i++) {
      const char = line[i]!
      if (inside === "comment") {
        if (line.startsWith("*/", i)) inside = "code"
      } else if (inside === "template") {
        if (char === "\\") i++
        else if (char === "`") inside = "code"
      } else if (line.startsWith("//", i)) return
      else if (line.startsWith("/*", i)) inside = "comment"
      else if (char === "`") inside = "template"
      else if (char === '"' || char === "'" || isPattern(line, i)) i = endOf(line, i)
      else if ("([{".includes(char)) open.push(number)
      else if (")]}".includes(char)) open.pop()
    }
  }

  return source
    .split("\n")
    .map((line, number) => {
      const text = line.trimStart()
      const [before, depth] = [inside, () => new Set(open).size]
      if (text === "") return ""
      if (before !== "code") {
        read(line, number)
        return before === "comment" && text.startsWith("*") ? `${" ".repeat(2 * depth() + 1)}${text}` : line
      }
      const closing = /^[)\]}]*/.exec(text)![0].length
      const levels = new Set(open.slice(0, Math.max(0, open.length - closing))).size
      read(text, number)
      return " ".repeat(Math.max(2 * levels, line.length - text.length)) + text
    })
    .join("\n")
}

/** Whether a regular expression begins here: nothing is divided where an argument or a value begins. */
const isPattern = (line: string, at: number): boolean => line[at] === "/" && /[(,=:[]\s*$/.test(line.slice(0, at))

/** Where a text or a pattern ends that begins here. */
const endOf = (line: string, at: number): number => {
  for (let i = at + 1; i < line.length; i++) {
    if (line[i] === "\\") i++
    else if (line[i] === line[at]) return i
  }
  return line.length
}
