/**
 * Records of the receiving side, and of calls that must happen, in a SQL database.
 *
 * @since 0.1.0
 */

/** Idempotency records in PostgreSQL or SQLite, inside the application's transactions where it wants. */
export * as SqlIdempotencyStore from "./SqlIdempotencyStore.ts"

/** An outbox in PostgreSQL or SQLite: calls that are stored with the application's own transaction. */
export * as SqlOutboxStore from "./SqlOutboxStore.ts"
