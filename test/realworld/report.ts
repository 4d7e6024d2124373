/** What `npm run realworld` prints: a table of at most 80 columns, or one object. */
import { isKept, type Row, type Tally } from "./harness.ts"
import { variantNames } from "./Slice.ts"

export const jsonReport = (rows: ReadonlyArray<Row>) => ({ integrations: rows })

const titles = { recipe: "recipe", byHand: "by hand", breakwater: "breakwater" }
const columns = ["duplicates", "hangs", "untyped", "lines"] as const satisfies ReadonlyArray<keyof Tally>

const line = (name: string, variant: string, figures: ReadonlyArray<string>): string =>
  [name.padEnd(16), variant.padEnd(10), ...figures.map((figure, i) => figure.padStart(columns[i]!.length + 2))].join(
    " "
  )

export const textReport = (rows: ReadonlyArray<Row>): string => {
  const broken = rows.filter((row) => !isKept(row)).map(({ name }) => name)
  const all = rows.length > 1 ? [total(rows)] : []
  return [
    line("integration", "variant", columns),
    ...[...rows, ...all].flatMap((row) =>
      variantNames.map((variant, i) =>
        line(
          i === 0 ? row.name : "",
          titles[variant],
          columns.map((column) => String(row[variant][column]))
        )
      )
    ),
    "",
    "recipe      what the public file does, which the comment of recipe.ts names",
    "by hand     the same with deadline, safe retries, schema, error translation and",
    "            telemetry, written with Effect's operators",
    "duplicates  changes beyond the first for one step of one intent",
    "hangs       not ended after 2 minutes of virtual time",
    "untyped     ended in a defect, in an error that is not the application's or says",
    "            what is not so, or in a success that is none",
    "lines       after prettier, without imports, comments and what all three share",
    ...(broken.length === 0
      ? []
      : ["", "breakwater is not 0, 0, 0, or is longer than by hand, in:", ...broken.map((name) => `  ${name}`)])
  ]
    .map((text) => `${text.trimEnd()}\n`)
    .join("")
}

const total = (rows: ReadonlyArray<Row>): Row => {
  const sum = (variant: (typeof variantNames)[number]): Tally => {
    const of = (column: keyof Tally) => rows.reduce((all, row) => all + row[variant][column], 0)
    return { duplicates: of("duplicates"), hangs: of("hangs"), untyped: of("untyped"), lines: of("lines") }
  }
  return { name: "all", recipe: sum("recipe"), byHand: sum("byHand"), breakwater: sum("breakwater") }
}
