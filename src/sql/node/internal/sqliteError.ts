// What SQLite's result codes (https://www.sqlite.org/rescode.html) mean to whoever called.
import {
  AuthorizationError,
  ConnectionError,
  ConstraintError,
  isSqlError,
  LockTimeoutError,
  SerializationError,
  SqlError,
  type SqlErrorReason,
  SqlSyntaxError,
  UniqueViolation,
  UnknownError
} from "effect/sql/SqlError"

/** What was going on when SQLite refused. */
export type Operation = "open" | "prepare" | "execute" | "close"

const BUSY = 5
const READONLY = 8
const BUSY_SNAPSHOT = 517
/** A primary key, a unique index, and the row id: to the caller the same mistake. */
const unique: ReadonlySet<number> = new Set([1555, 2067, 2579])

const codeOf = (cause: unknown): number => {
  const code = typeof cause === "object" && cause !== null && "errcode" in cause ? cause.errcode : undefined
  return typeof code === "number" ? code : 0
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Whether another connection held a lock, so that the same statement may succeed a little later. */
export const isBusy = (error: SqlError): boolean => {
  const code = codeOf(error.reason.cause)
  return (code & 0xff) === BUSY && code !== BUSY_SNAPSHOT
}

/** Whether a connection that only reads can't do it: it writes, or it names what only another connection knows. */
export const isForWriter = (error: SqlError): boolean =>
  (codeOf(error.reason.cause) & 0xff) === READONLY || error.reason._tag === "SqlSyntaxError"

/** A `SqlError` for whatever `node:sqlite` threw. SQLite's messages name tables and columns, never values. */
export const sqlError = (cause: unknown, operation: Operation, where?: string): SqlError =>
  isSqlError(cause) ? cause : new SqlError({ reason: reasonOf(cause, operation, where ?? "") })

const reasonOf = (cause: unknown, operation: Operation, where: string): SqlErrorReason => {
  const code = codeOf(cause)
  const text = where + textOf(cause)
  const because = (message: string) => ({ cause, message, operation })
  if (unique.has(code)) {
    return new UniqueViolation({ ...because(text), constraint: constraintOf(textOf(cause)) })
  }
  if (code === BUSY_SNAPSHOT) {
    return new SerializationError(
      because(`${text}: it was written to after this transaction had read; run the transaction again from the start`)
    )
  }
  switch (code & 0xff) {
    case 0:
      return noCode(cause, operation, text)
    case 1:
      // Before the first step, SQLite's general error is about the text: its syntax, or a name that does not exist. A kept
      // statement finds out later that its table is gone.
      return operation === "prepare" || /no such (?:table|column)/.test(text)
        ? new SqlSyntaxError(because(text))
        : new UnknownError(because(text))
    case 3:
    case READONLY:
    case 23:
      return new AuthorizationError(because(text))
    case BUSY:
    case 6:
      return new LockTimeoutError(because(text))
    case 14:
      return new ConnectionError(
        because(`${text}: its folder must exist, and this user must be allowed to read and write there`)
      )
    case 19:
      return new ConstraintError(because(text))
    default:
      return new UnknownError(because(text))
  }
}

/** What Node itself refused, before SQLite saw it. */
const noCode = (cause: unknown, operation: Operation, text: string): SqlErrorReason => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  const because = (message: string) => ({ cause, message, operation })
  if (code === "ERR_OUT_OF_RANGE") {
    // Node's message holds the value.
    return new UnknownError(
      because(
        "an integer is too large for a JavaScript number: provide SqlClient.SafeIntegers with true to read bigints. " +
          "If the statement writes, it has written"
      )
    )
  }
  if (code === "ERR_INVALID_STATE" && /not open|finalized/.test(text)) {
    return new UnknownError(because("the database is closed: the scope of its client has ended; use it inside"))
  }
  return operation === "prepare" ? new SqlSyntaxError(because(text)) : new UnknownError(because(text))
}

/** The columns of a unique constraint: `users.email`, or `orders.tenant, orders.number`. */
const constraintOf = (text: string): string => /constraint failed: (.+)$/.exec(text)?.[1] ?? "unknown"
