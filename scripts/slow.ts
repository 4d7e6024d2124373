/**
 * The suites that `npm test` leaves to `npm run test:stores`: they start many processes, or run every store there is, and
 * would take a developer's two minutes for themselves. CI runs both.
 */
export const slow: ReadonlyArray<string> = [
  "test/checkout/cli.test.ts",
  "test/checkout/crash.test.ts",
  "test/checkout/seeds.test.ts",
  "test/cli",
  "test/http/HttpReceiver.conformance.test.ts",
  "test/idempotency/Race.test.ts",
  "test/idempotency/StoreSqlite.test.ts",
  "test/outbox/StoreSqlite.test.ts",
  "test/properties/Streams.test.ts",
  "test/receiver/example.test.ts",
  "test/released",
  "test/simulation",
  "test/soak",
  "test/telemetry/Prometheus.test.ts"
]

/** The suites that need a browser: `npm run test:browser` runs them, and so does CI. */
export const browser = "test/dashboard/browser"
