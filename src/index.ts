/**
 * breakwater: integrations that the compiler has checked.
 *
 * @since 0.1.0
 */

/** The record of one logical call, and the steps that layers wrap. */
export * as Call from "./Call.ts"
/** The one failure inside the toolkit. */
export * as CallFailure from "./CallFailure.ts"
/** Read, change, write: what a conditional write is for. */
export * as Conditional from "./Conditional.ts"
/** A deadline that travels with a program: every call inside it ends by then. */
export * as Deadline from "./Deadline.ts"
/** What becomes of a call when its policy has done all it could. */
export * as Exhaustion from "./Exhaustion.ts"
/** How a repeat is made safe. */
export * as Idempotency from "./Idempotency.ts"
/** The name of one intent. */
export * as IdempotencyKey from "./IdempotencyKey.ts"

/** The port of the receiving side's records: one atomic transition at a time. */
export * as IdempotencyStore from "./IdempotencyStore.ts"

/** Records in memory: for tests, and for one process that may forget on restart. */
export * as IdempotencyStoreMemory from "./IdempotencyStoreMemory.ts"
/** Forgets records whose time to live has passed, and tells when some are held. */
export * as IdempotencySweeper from "./IdempotencySweeper.ts"
/** One remote party. */
export * as Integration from "./Integration.ts"
/** One named call. */
export * as Operation from "./Operation.ts"
/** Calls that must happen, stored before they are sent. */
export * as Outbox from "./Outbox.ts"
/** What a person does about stored calls that died, or are unclear. */
export * as OutboxAdmin from "./OutboxAdmin.ts"
/** What a durable call ends with when it was not delivered. */
export { OutboxError, Undelivered } from "./OutboxError.ts"
/** Where durable calls are kept. */
export * as OutboxStore from "./OutboxStore.ts"
/** Durable calls in memory. */
export * as OutboxStoreMemory from "./OutboxStoreMemory.ts"
/** Makes the stored calls of an integration. */
export * as OutboxWorker from "./OutboxWorker.ts"
/** Did it happen? */
export * as Outcome from "./Outcome.ts"
/** Lists that come in pages, as a stream. */
export * as Pages from "./Pages.ts"
/** Jobs that are started with one call and told about in others. */
export * as Polling from "./Polling.ts"
/** The composable layers of a call, as values. */
export * as Policy from "./Policy.ts"
/** Why an attempt failed, and what `classify` may say. */
export * as Reason from "./Reason.ts"
/** What is decided about an answer that comes piece by piece. */
export * as Streaming from "./Streaming.ts"
/** The names of the signals, and the one event of every call. */
export * as Telemetry from "./Telemetry.ts"

/** The receiving side: a handler that runs once per key. */
export * as Receiver from "./Receiver.ts"

/** Verifies that a webhook delivery was made by its provider. */
export * as Webhook from "./Webhook.ts"
