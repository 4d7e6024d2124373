/**
 * SQL databases that need Node.
 *
 * @since 0.1.0
 */

/** Effect's `SqlClient` over the SQLite that Node brings. */
export * as SqliteClient from "./SqliteClient.ts"
