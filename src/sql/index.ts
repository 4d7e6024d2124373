/**
 * Records of the receiving side in a SQL database.
 *
 * @since 0.1.0
 */

/** Idempotency records in PostgreSQL or SQLite, inside the application's transactions where it wants. */
export * as SqlIdempotencyStore from "./SqlIdempotencyStore.ts"
