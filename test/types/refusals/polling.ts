// A job as one operation: its start can be repeated, its end is described, and its errors are translated.
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Outbox, OutboxWorker, Polling, Reason } from "breakwater"
import { Data, Effect, Schema } from "effect"
import { Charge, Order, PaymentsUnavailable } from "../contract.ts"

type In = typeof Order.Type
class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", { code: Schema.String }) {}
class StartFailed extends Data.TaggedError("StartFailed") {}

const keyed = Idempotency.keyed(({ order }: In) => IdempotencyKey.derive("job", order), { lifetime: "1 day" })
const polling = Polling.make("test/job", {
  job: Schema.String,
  start: (_: In) => Effect.succeed(Polling.started("1")),
  status: () => Effect.succeed(Polling.succeeded({ id: "ch", amount: 1 })),
  within: "1 minute"
})
const failing = Polling.make("test/failing", {
  job: Schema.String,
  start: (_: In) => Effect.succeed(Polling.started("1")),
  status: (id) => Effect.succeed(id === "" ? Polling.failed(new JobFailed({ code: "a" })) : Polling.succeeded("done")),
  within: "1 minute"
})
const refusing = Polling.make("test/refusing", {
  job: Schema.String,
  start: (_: In): Effect.Effect<Polling.Started<string>, StartFailed> => Effect.fail(new StartFailed()),
  status: () => Effect.succeed(Polling.succeeded("done")),
  within: "1 minute"
})

// What may start a second job can't be resumed.
Polling.operation("job", {
  input: Order,
  success: Charge,
  polling,
  // expect: a repeat of this start may start a second job, so the operation can't be resumed: give the start a key (Idempotency.keyed) or a look (Idempotency.reconcilable), or use Polling.run with onJob
  idempotency: Idempotency.atMostOnce("the provider has no key")
})

// The end of another job, or of any.
Polling.operation("job", {
  input: Order,
  // expect: `success` does not describe what the polling succeeds with: give the schema of the value in Polling.succeeded
  success: Schema.String,
  polling,
  idempotency: keyed
})
Polling.operation("job", {
  input: Order,
  // expect: this success accepts anything: describe the value in Polling.succeeded
  success: Schema.Unknown,
  polling,
  idempotency: keyed
})

// A job that fails, and what an error of the start means.
// expect: Property 'translate' is missing
Polling.operation("job", { input: Order, success: Schema.String, polling: failing, idempotency: keyed })
Polling.operation("job", {
  input: Order,
  success: Schema.String,
  polling: failing,
  idempotency: keyed,
  // expect: this schema leaves out a declared error of `send`: make it a union of all that `translate` has a case for
  error: Schema.Struct({ code: Schema.Int }),
  translate: { JobFailed: (error) => error }
})
// expect: Property 'classify' is missing
Polling.operation("job", { input: Order, success: Schema.String, polling: refusing, idempotency: keyed })
Polling.operation("job", {
  input: Order,
  success: Schema.String,
  polling: refusing,
  idempotency: keyed,
  // expect: Property 'code' does not exist on type 'StartFailed'
  classify: (error) => (error.code === "down" ? Reason.unreachable() : undefined)
})

// Another input.
Polling.operation("job", {
  input: Schema.Struct({ order: Schema.String }),
  success: Charge,
  // expect: Property 'amount' is missing in type '{ readonly order: string; }'
  polling,
  idempotency: Idempotency.keyed(({ order }: { readonly order: string }) => IdempotencyKey.derive("job", order), {
    lifetime: "1 day"
  })
})

// It has its own policy, and the other two decisions are the integration's if it leaves them open.
const job = Polling.operation("job", { input: Order, success: Charge, polling, idempotency: keyed })
const stored = Outbox.writeAhead(job)
Integration.Service<object>()(
  "test/None",
  { exhausted: Exhaustion.fail },
  {
    // expect: the provider's failures would leak: give `orElse` to the integration or to the operation
    job
  }
)
class Jobs extends Integration.Service<Jobs>()(
  "test/Jobs",
  { exhausted: Exhaustion.fail, orElse: () => new PaymentsUnavailable({ outcome: "Unknown" }) },
  { job: stored }
) {}
const nothing = { onDead: () => Effect.void, onNeedsReconcile: () => Effect.void }
// expect: Property 'onDelivered' is missing
OutboxWorker.layer(Jobs, { job: nothing })
// expect: Property 'name' does not exist on type '{ readonly id: string; readonly amount: number; }'
OutboxWorker.layer(Jobs, { job: { ...nothing, onDelivered: ({ name }) => Effect.log(name) } })

// A replacement for a job that may have been done.
Polling.operation("job", {
  input: Order,
  success: Charge,
  polling,
  idempotency: keyed,
  // expect: this fallback may run after it happened, and would do it twice: use Exhaustion.fallbackUnlessItHappened
  exhausted: Exhaustion.fallback("a note", () => Effect.succeed("later"))
})
