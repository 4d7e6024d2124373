/**
 * breakwater over Redis or Valkey.
 *
 * @since 0.1.0
 */

/** Idempotency records that many processes share, without a database. */
export * as RedisIdempotencyStore from "./RedisIdempotencyStore.ts"
