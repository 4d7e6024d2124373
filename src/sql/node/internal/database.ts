// One connection of node:sqlite, statement by statement. Everything here is synchronous, and throws.
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"

/** How the rows of a statement are given. `raw` says for a statement without rows what it changed. */
export type Mode = "rows" | "values" | "raw"

/** A row, as an ordinary object. */
export type Row = Record<string, unknown>

export interface Database {
  /** The file, or undefined for a database that only this connection can see. */
  readonly path: string | undefined
  readonly inTransaction: () => boolean
  /** The one statement that a text holds. A cached one is run again with `run` only. */
  readonly prepare: (sql: string, cached: boolean) => StatementSync
  /** The first statement of a text, and the text that follows. */
  readonly prepareFirst: (script: string) => { readonly statement: StatementSync; readonly rest: string }
  readonly close: () => void
}

/** Opens a file, or memory. `timeout: 0`, because SQLite's own wait for a lock stops the event loop. */
export const open = (
  filename: string,
  options: { readonly readonly: boolean; readonly foreignKeys: boolean; readonly cacheSize: number }
): Database => {
  const database = new DatabaseSync(filename, {
    readOnly: options.readonly,
    enableForeignKeyConstraints: options.foreignKeys,
    timeout: 0
  })
  const cache = new Map<string, StatementSync>()
  const prepareFirst = (script: string) => {
    if (isBlank(script)) throw new SyntaxError("the text holds no statement")
    const statement = database.prepare(script)
    return { statement, rest: script.slice(statement.sourceSQL.length) }
  }
  const prepareOnly = (sql: string) => {
    const { rest, statement } = prepareFirst(sql)
    if (!isBlank(rest)) {
      throw new SyntaxError(
        "the text holds more than one statement, and only the first would run: " +
          "send them one by one, or a whole script with `.unprepared`"
      )
    }
    return statement
  }
  return {
    path: database.location() ?? undefined,
    inTransaction: () => database.isOpen && database.isTransaction,
    prepareFirst,
    prepare: (sql, cached) => {
      if (!cached) return prepareOnly(sql)
      const known = cache.get(sql)
      const statement = known ?? prepareOnly(sql)
      // A Map keeps the order of insertion, so the first key is the one that was not used for the longest time.
      cache.delete(sql)
      cache.set(sql, statement)
      if (cache.size > options.cacheSize) cache.delete(cache.keys().next().value!)
      return statement
    },
    close: () => {
      if (database.isOpen) database.close()
    }
  }
}

/** Runs a statement to its end. */
export const run = (
  statement: StatementSync,
  values: ReadonlyArray<SQLInputValue>,
  mode: Mode,
  bigints: boolean
): unknown => {
  statement.setReadBigInts(bigints)
  statement.setReturnArrays(mode === "values")
  if (mode === "raw" && statement.columns().length === 0) {
    return statement.run(...values)
  }
  const rows = statement.all(...values)
  return mode === "values" ? rows : rows.map(plain)
}

/** The rows of a statement that is under way. */
export interface Rows {
  /** The next ones, up to 128; none at the end. */
  readonly take: () => ReadonlyArray<Row>
  /** Lets go of the statement. Throws when the database was closed before. */
  readonly end: () => void
}

const chunkSize = 128

/** Begins to read the rows of a statement that nobody else runs. */
export const iterate = (statement: StatementSync, values: ReadonlyArray<SQLInputValue>, bigints: boolean): Rows => {
  statement.setReadBigInts(bigints)
  const iterator = statement.iterate(...values)
  let ended = false
  return {
    take: () => {
      const rows: Array<Row> = []
      // Node 22 starts the statement again when it is asked for more after its end.
      while (!ended && rows.length < chunkSize) {
        const next = iterator.next()
        if (next.done === true) ended = true
        else rows.push(plain(next.value))
      }
      return rows
    },
    end: () => void iterator.return?.()
  }
}

/** Node's rows have no prototype, which breaks `deepStrictEqual`, `hasOwnProperty` and `Statement.defaultTransforms`. */
const plain = (row: unknown): Row => ({ ...(row as Row) })

/** Whether a text holds no statement: white space, semicolons and comments. */
export const isBlank = (text: string): boolean => /^(?:[\s;]|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*$/.test(text)

/** The values that SQLite stores for JavaScript's. */
export const bind = (params: ReadonlyArray<unknown>): Array<SQLInputValue> => params.map(bindOne)

const bindOne = (value: unknown, index: number): SQLInputValue => {
  switch (typeof value) {
    case "string":
    case "bigint":
      return value
    case "number":
      if (Number.isNaN(value)) throw refused(index, "NaN, which SQLite would store as NULL")
      // Node binds every number as REAL: then `? / 2` is 0.5, and a TEXT column holds '1.0'.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
    case "boolean":
      return value ? 1n : 0n
    case "undefined":
      return null
  }
  if (value === null) return null
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refused(index, "an invalid Date")
    return value.toISOString()
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return value as SQLInputValue
  throw refused(index, Array.isArray(value) ? "an array" : `of type ${typeof value}`)
}

const refused = (index: number, what: string): TypeError =>
  new TypeError(
    `parameter ${index + 1} is ${what}: give text, a number, a bigint, a boolean, a Date, bytes or null, ` +
      "and encode anything else first, for example with Schema.fromJsonString"
  )
