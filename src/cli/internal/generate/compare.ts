// What has changed between two generations, for who has written an integration against the first.
import { compareSchemas, type Direction, type Pair } from "./compareSchema.ts"
import type { Contract, Operation } from "./contract.ts"

export interface Change {
  readonly text: string
  /** The integration may not compile, or a call that was right is wrong now. */
  readonly breaking: boolean
}

export interface OperationChanges {
  readonly id: string
  /** What it was called before, where that was something else. */
  readonly was: string | undefined
  readonly method: string
  readonly path: string
  readonly changes: ReadonlyArray<Change>
}

/** Changes of a schema that several places name, told once. */
export interface NamedChanges {
  readonly name: string
  readonly usedBy: ReadonlyArray<string>
  readonly changes: ReadonlyArray<Change>
}

export interface Place {
  readonly id: string
  readonly method: string
  readonly path: string
}

export interface Comparison {
  /** What concerns the whole: its version, its name, what was selected. */
  readonly whole: ReadonlyArray<Change>
  readonly added: ReadonlyArray<Place>
  readonly removed: ReadonlyArray<Place>
  readonly changed: ReadonlyArray<OperationChanges>
  readonly schemas: ReadonlyArray<NamedChanges>
}

const place = ({ id, method, path }: Operation): Place => ({ id, method, path })

/** An operation is the same one while its method and path are, whatever the path's parameters are called. */
const keyOf = ({ method, path }: Operation): string => `${method} ${path.replace(/\{[^}]*\}/g, "{}")}`

const parts: Readonly<Record<string, string>> = { path: "params", query: "query", header: "headers", cookie: "cookies" }

/** `query:per_page` as the call has it. */
const argument = (name: string): string => {
  const [where = "", ...rest] = name.split(":")
  return `${parts[where] ?? where}.${rest.join(":")}`
}

const code = (text: string): string => `\`${text}\``
const isSuccess = (status: string): boolean => status.startsWith("2")
const list = (texts: ReadonlyArray<string | number>): string => texts.join(", ")

/** Each once; breaking where it is so for any of those who see it. */
const merged = (changes: ReadonlyArray<Change>): ReadonlyArray<Change> => {
  const found = new Map<string, boolean>()
  for (const { breaking, text } of changes) found.set(text, breaking || found.get(text) === true)
  return [...found].map(([text, breaking]) => ({ text, breaking }))
}

export const compare = (before: Contract, after: Contract): Comparison => {
  const named = { before: before.schemas, after: after.schemas }
  // A pair of names is compared once for each direction; what uses it is found by following the pairs from there.
  const compared = new Map<
    string,
    { readonly pair: Pair; readonly changes: ReadonlyArray<Change>; readonly next: ReadonlyArray<string> }
  >()
  const users = new Map<string, Set<string>>()

  const look = (pair: Pair, direction: Direction): string => {
    const key = JSON.stringify([pair.before, pair.after, direction])
    if (!compared.has(key)) {
      compared.set(key, { pair, changes: [], next: [] })
      const found = compareSchemas(named.before[pair.before], named.after[pair.after], direction, named)
      compared.set(key, {
        pair,
        changes: found.changes.map(({ breaking, path, text }) => ({
          text: path === "" ? `it ${text}` : `${code(path)} ${text}`,
          breaking
        })),
        next: found.pairs.map((next) => look(next, direction))
      })
    }
    return key
  }

  const use = (operation: string, keys: ReadonlyArray<string>) => {
    const seen = new Set<string>(keys)
    for (const key of seen) for (const next of compared.get(key)!.next) seen.add(next)
    for (const key of seen) {
      const { changes, pair } = compared.get(key)!
      if (changes.length === 0 && pair.before === pair.after) continue
      users.set(key, (users.get(key) ?? new Set()).add(operation))
    }
  }

  const compareOperations = (a: Operation, b: Operation): ReadonlyArray<Change> => {
    const changes: Array<Change> = []
    const say = (text: string, breaking: boolean) => void changes.push({ text, breaking })
    const schemas = (at: string, x: Parameters<typeof compareSchemas>[0], y: typeof x, direction: Direction) => {
      const found = compareSchemas(x, y, direction, named)
      for (const { breaking, path, text } of found.changes) {
        say(`${code(path === "" ? at : path.startsWith("[") ? at + path : `${at}.${path}`)} ${text}`, breaking)
      }
      use(
        b.id,
        found.pairs.map((pair) => look(pair, direction))
      )
    }

    if (a.id !== b.id) say(`was ${code(a.id)}: the integration names it by group and endpoint`, true)
    if (b.deprecated && !a.deprecated) say("is deprecated", false)
    if (a.deprecated && !b.deprecated) say("is not deprecated any more", false)

    const [given, taken] = [a.signature.parameters, b.signature.parameters]
    for (const name of new Set([...Object.keys(given), ...Object.keys(taken)])) {
      const [x, y] = [given[name], taken[name]]
      const at = argument(name)
      if (x === undefined) {
        say(`${code(at)} is new and ${y!.required ? "must" : "can"} be given`, y!.required)
      } else if (y === undefined) say(`${code(at)} is gone`, true)
      else {
        if (x.required !== y.required)
          say(`${code(at)} ${y.required ? "must be given now" : "can be left out now"}`, y.required)
        schemas(at, x.schema, y.schema, "in")
      }
    }

    const [bodyA, bodyB] = [a.signature.body, b.signature.body]
    if (bodyA === null && bodyB !== null) {
      say(`takes ${code("payload")}${bodyB.required ? ", which must be given" : ""}`, bodyB.required)
    } else if (bodyA !== null && bodyB === null) say(`takes no ${code("payload")} any more`, true)
    else if (bodyA !== null && bodyB !== null) {
      if (bodyA.required !== bodyB.required) {
        say(`${code("payload")} ${bodyB.required ? "must be given now" : "can be left out now"}`, bodyB.required)
      }
      content(bodyA.content, bodyB.content, "payload", "in")
    }

    const [answersA, answersB] = [a.signature.answers, b.signature.answers]
    for (const status of new Set([...Object.keys(answersA), ...Object.keys(answersB)])) {
      const [x, y] = [answersA[status], answersB[status]]
      // Errors are told by their tags, below.
      if (x === undefined) {
        if (isSuccess(status)) say(`may be answered with ${status} too`, true)
      } else if (y === undefined) {
        if (isSuccess(status)) say(`is not answered with ${status} any more`, true)
      } else content(x, y, `answer ${status}`, "out")
    }

    const tagged = (own: Operation) => new Map(own.errors.map(({ statuses, tag }) => [tag, statuses]))
    const [errorsA, errorsB] = [tagged(a), tagged(b)]
    for (const [tag, statuses] of errorsB) {
      const had = errorsA.get(tag)
      if (had === undefined) {
        say(
          `has a new error ${code(tag)} (${list(statuses)}): ${code("translate")} will not compile until it has a case`,
          true
        )
      } else if (list(had) !== list(statuses)) {
        say(`${code(tag)} is the error for ${list(statuses)} now, and was for ${list(had)}`, false)
      }
    }
    for (const [tag, statuses] of errorsA) {
      if (!errorsB.has(tag)) say(`has no error ${code(tag)} (${list(statuses)}) any more: its case can go`, false)
    }

    if (a.validated && !b.validated) {
      say(`does not describe its answer any more: ${code("success")} must say that it is taken as it is`, true)
    }
    if (!a.validated && b.validated) say(`describes its answer now: ${code("success")} has to go`, true)
    const keys = b.keyHeaders.filter((name) => !a.keyHeaders.includes(name))
    if (keys.length > 0) say(`has a header for an idempotency key now: ${list(keys.map(code))}`, false)
    return merged(changes)

    function content(x: Operation["signature"]["answers"][string], y: typeof x, at: string, direction: Direction) {
      for (const type of new Set([...Object.keys(x), ...Object.keys(y)])) {
        const many = Object.keys(x).length + Object.keys(y).length > 2
        if (!(type in x)) say(`${code(at)} can be ${type} too`, direction === "out")
        else if (!(type in y)) say(`${code(at)} can't be ${type} any more`, true)
        else schemas(many ? `${at} (${type})` : at, x[type], y[type], direction)
      }
    }
  }

  const old = new Map(before.operations.map((own) => [keyOf(own), own]))
  const now = new Map(after.operations.map((own) => [keyOf(own), own]))
  const changed: Array<OperationChanges> = []
  for (const [key, own] of now) {
    const was = old.get(key)
    if (was === undefined) continue
    const changes = compareOperations(was, own)
    if (changes.length > 0) changed.push({ ...place(own), was: was.id === own.id ? undefined : was.id, changes })
  }

  const byName = new Map<string, { readonly users: Set<string>; readonly changes: Array<Change> }>()
  for (const [key, operations] of users) {
    const { changes, pair } = compared.get(key)!
    const own = byName.get(pair.after) ?? { users: new Set(), changes: [] }
    for (const operation of operations) own.users.add(operation)
    if (pair.before !== pair.after && !(pair.before in after.schemas)) {
      own.changes.push({ text: `was called ${code(pair.before)}: who imports it has to follow`, breaking: true })
    }
    own.changes.push(...changes)
    byName.set(pair.after, own)
  }

  const schemas = [...byName].map(([name, { changes, users }]) => ({
    name,
    usedBy: [...users].toSorted(),
    changes: merged(changes)
  }))
  return {
    whole: [
      ...(before.version === after.version
        ? []
        : [{ text: `version ${after.version}, was ${before.version}`, breaking: false }]),
      ...(before.apiName === after.apiName
        ? []
        : [{ text: `the API is ${code(after.apiName)} now, and was ${code(before.apiName)}`, breaking: true }]),
      ...(list(before.only) === list(after.only)
        ? []
        : [
            {
              text: `another selection: ${list(after.only) || "everything"}, was ${list(before.only) || "everything"}`,
              breaking: false
            }
          ])
    ],
    added: [...now].filter(([key]) => !old.has(key)).map(([, own]) => place(own)),
    removed: [...old].filter(([key]) => !now.has(key)).map(([, own]) => place(own)),
    changed,
    schemas: schemas.filter(({ changes }) => changes.length > 0)
  }
}

export const isEmpty = ({ added, changed, removed, schemas, whole }: Comparison): boolean =>
  [added, changed, removed, schemas, whole].every((own) => own.length === 0)
