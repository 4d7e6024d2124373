/**
 * Test doubles for integrations.
 *
 * @since 0.1.0
 */

/** An in-memory provider that misbehaves on purpose, with a ledger of what it executed. */
export * as FaultInjection from "./FaultInjection.ts"
