// What a generation tells a person.
import type { Generated, GeneratedOperation } from "../openapi/contract.ts"
import { clean, count, wrap } from "../print.ts"
import type { Change, Comparison, NamedChanges, OperationChanges, Place } from "./compare.ts"
import { type Decision, decisionsOf, operationText } from "./skeleton.ts"

/** Texts of a document go through here: they may be long, and hold anything. */
const item = (text: string, indent: number, columns: number): string =>
  " ".repeat(indent) + wrap(text, columns - indent - 2, indent + 2)

const some = (texts: ReadonlyArray<string>, most: number): string =>
  texts.length <= most ? texts.join(", ") : `${texts.slice(0, most).join(", ")} and ${texts.length - most} more`

type Names = (id: string) => boolean | undefined

/** Whether an integration names an endpoint. `undefined` where it names none at all: it may do so in a way of its own. */
export const namedIn = (integration: string | undefined, ids: ReadonlyArray<string>): Names => {
  const names = (id: string) => {
    const [group = "", name = ""] = id.split(".")
    return integration !== undefined && new RegExp(`["'\`]${group}["'\`]\\s*,\\s*["'\`]${name}["'\`]`).test(integration)
  }
  const found = new Set(ids.filter(names))
  return (id) => (found.size === 0 ? undefined : found.has(id))
}

const heading = ({ id, method, path, was }: Place & { readonly was?: string | undefined }, names: Names): string =>
  `${id}  ${method} ${path}${names(was ?? id) === false ? "  (not in integration.ts)" : ""}`

const section = (
  title: string,
  breaking: boolean,
  { changed, schemas, whole }: Comparison,
  removed: ReadonlyArray<Place>,
  names: Names,
  columns: number
): ReadonlyArray<string> => {
  const mine = (changes: ReadonlyArray<Change>) => changes.filter((own) => own.breaking === breaking)
  const lines = (own: OperationChanges | NamedChanges, head: string) => {
    const changes = mine(own.changes)
    return changes.length === 0 ? [] : [item(head, 2, columns), ...changes.map(({ text }) => item(text, 4, columns))]
  }
  const body = [
    ...mine(whole).map(({ text }) => item(text, 2, columns)),
    ...removed.flatMap((own) => [item(heading(own, names), 2, columns), item("is gone", 4, columns)]),
    ...changed.flatMap((own) => lines(own, heading(own, names))),
    ...schemas.flatMap((own) => lines(own, `${own.name}, in ${some(own.usedBy, 4)}`))
  ]
  return body.length === 0 ? [] : [`\n${title}`, ...body]
}

/** What has changed in the contract; empty where nothing has. */
export const changesText = (
  comparison: Comparison,
  generated: Generated,
  integration: string | undefined,
  columns: number
): string => {
  const { added, changed, removed } = comparison
  const ids = [...removed, ...generated.operations].map(({ id }) => id)
  const names = namedIn(integration, [...ids, ...changed.flatMap(({ was }) => was ?? [])])
  const fresh = added.flatMap(({ id }) => generated.operations.filter((own) => own.id === id))
  const sections = [
    ...section("Breaking", true, comparison, removed, names, columns),
    ...section("Compatible", false, comparison, [], names, columns),
    ...(fresh.length === 0
      ? []
      : [
          `\nNew, to be pasted into integration.ts where they are wanted`,
          ...fresh.map((own) => `\n${operationText(own, generated.apiName)},`)
        ])
  ]
  if (sections.length === 0) return ""
  const numbers = [
    ...(added.length > 0 ? [`${added.length} new`] : []),
    ...(removed.length > 0 ? [`${removed.length} gone`] : []),
    ...(changed.length > 0 ? [`${changed.length} changed`] : [])
  ]
  const of = numbers.length === 0 ? "" : `: of its operations ${numbers.join(", ")}`
  return [wrap(`The contract of ${generated.title} has changed${of}.`, columns, 0), ...sections].join("\n")
}

/** What the contract could not be made to say, so that nobody takes a promise for one that is kept. */
export const lossesText = ({ notes, operations }: Generated, columns: number): string => {
  const lossy = operations.filter(({ problems }) => problems.length > 0)
  const most = 12
  return [
    ...(notes.length === 0
      ? []
      : ["\nLost from the whole contract", ...notes.slice(0, most).map((text) => item(text, 2, columns))]),
    ...(notes.length > most ? [`  and ${notes.length - most} more; --json has them all`] : []),
    ...(lossy.length === 0 ? [] : ["\nLost from an operation"]),
    ...lossy
      .slice(0, most)
      .flatMap(({ id, problems }) => problems.map((problem) => item(`${id}: ${problem}`, 2, columns))),
    ...(lossy.length > most ? [`  and from ${lossy.length - most} more; --json has them all`] : [])
  ].join("\n")
}

const byOperation = (decisions: ReadonlyArray<Decision>) => new Set(decisions.map(({ operation }) => operation)).size

/** What a person has to decide before the integration compiles. */
export const decisionsText = (operations: ReadonlyArray<GeneratedOperation>, columns: number): string => {
  const open = operations.flatMap(decisionsOf)
  if (open.length === 0) return wrap("Nothing is left to decide: it compiles as it is.", columns, 0)
  const repeats = open.filter(({ what }) => what === "idempotency")
  const answers = open.filter(({ what }) => what === "success")
  const errors = open.length - repeats.length - answers.length
  return [
    wrap(
      `It does not compile yet: ${count(open.length, "decision")} in ${count(byOperation(open), "operation")}, each a name that begins with decide_`,
      columns,
      0
    ),
    ...(repeats.length === 0
      ? []
      : [
          item(
            `${repeats.length} idempotency: how a repeat of ${some(
              repeats.map(({ operation }) => operation),
              4
            )} is made safe`,
            2,
            columns
          )
        ]),
    ...(errors === 0
      ? []
      : [item(`${errors} translate: what a caller gets for an error that the contract declares`, 2, columns)]),
    ...(answers.length === 0
      ? []
      : [
          item(
            `${answers.length} success: the contract does not describe the answer of ${some(
              answers.map(({ operation }) => operation),
              4
            )}`,
            2,
            columns
          )
        ])
  ].join("\n")
}

/** The version of a document, as a sentence names it. */
export const titleOf = ({ title, version }: { readonly title: string; readonly version: string }): string =>
  clean(`${title} ${version}`)
