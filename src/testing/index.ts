/**
 * Test doubles for integrations, and assertions about what they did.
 *
 * @since 0.1.0
 */

/** Real traffic, recorded once and replayed without a network. */
export * as Cassette from "./Cassette.ts"

/** Recorded answers against an `HttpApi`: what decodes, what is declared, what nobody reads. */
export * as Contract from "./Contract.ts"

/** Claims about what was executed, how calls ended and what their spans show, with a timeline where they fail. */
export { expectExecuted, expectOutcome, expectSpans } from "./Expect.ts"

/** A provider that misbehaves on purpose: faults as data, for HTTP and for any effect, with a ledger. */
export * as FaultInjection from "./FaultInjection.ts"

/** The real policies of an integration over a provider in memory, and a recording of every call and span. */
export * as IntegrationTest from "./IntegrationTest.ts"

/** A provider's memory for idempotency keys. */
export * as KeyWindow from "./KeyWindow.ts"

/** Many clients and a provider of limited capacity, in virtual time. */
export * as Simulation from "./Simulation.ts"

/** The timeline of a call as a small text diagram. */
export * as Timeline from "./Timeline.ts"

/** A whole fake provider, made from an `HttpApi`. */
export * as Upstream from "./Upstream.ts"

/** What every store of idempotency records must do, as cases for any test runner. */
export * as StoreConformance from "./StoreConformance.ts"

/** What every receiver over HTTP must do, as cases for any test runner. */
export * as ReceiverConformance from "./ReceiverConformance.ts"

/** What every store of an outbox must do, as cases for any test runner. */
export * as OutboxConformance from "./OutboxConformance.ts"
