// A job as one operation: its exact types, with and without an outbox.
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  type Operation,
  Outbox,
  Polling,
  Reason
} from "breakwater"
import { Context, Data, Effect, type Layer, Schema } from "effect"
import { Order } from "../contract.ts"
import { expectType } from "../support.ts"

type In = typeof Order.Type
class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", { code: Schema.String }) {}
class NoSpace extends Data.TaggedError("NoSpace")<{ readonly order: string }> {}
class StartFailed extends Data.TaggedError("StartFailed") {}
class Late extends Data.TaggedError("Late")<{ readonly job: Polling.Job | undefined }> {}
class Provider extends Context.Service<Provider, { readonly at: string }>()("Provider") {}

const Report = Schema.Struct({ url: Schema.String, made: Schema.Date })
const polling = Polling.make("test/report", {
  job: Schema.String,
  start: (_: In): Effect.Effect<Polling.Started<string>, StartFailed | Polling.PollingError, Provider> =>
    Effect.fail(new StartFailed()),
  status: (id) =>
    Effect.succeed(
      id === "" ? Polling.failed(new JobFailed({ code: "a" })) : Polling.succeeded({ url: id, made: new Date(0) })
    ),
  within: "1 minute"
})
const keyed = Idempotency.keyed(({ order }: In) => IdempotencyKey.derive("job", order), { lifetime: "1 day" })

const report = Polling.operation("report", {
  input: Order,
  success: Report,
  polling,
  idempotency: keyed,
  // A `PollingError` of the start, such as a `BadLocation`, needs no verdict.
  classify: (error) => {
    expectType<StartFailed>()(error)
    return Reason.unavailable()
  },
  error: JobFailed,
  translate: { JobFailed: (_, { order }) => new NoSpace({ order }) }
})
expectType<
  Operation.Operation<
    In,
    { readonly url: string; readonly made: Date },
    NoSpace,
    Provider,
    "Idempotent",
    "exhausted" | "orElse"
  >
>()(report)

class Reports extends Integration.Service<Reports>()(
  "test/Reports",
  {
    exhausted: Exhaustion.fail,
    orElse: (failure: CallFailure.CallFailure) => new Late({ job: Polling.jobFrom(failure) })
  },
  { report, stored: Outbox.writeAheadWith(report, { expiresAfter: "1 hour" }) }
) {}
declare const reports: Reports["Service"]
expectType<(input: In) => Effect.Effect<{ readonly url: string; readonly made: Date }, NoSpace | Late>>()(
  reports.report
)
expectType<
  (input: In) => Effect.Effect<{ readonly url: string; readonly made: Date } | Outbox.Queued, NoSpace | Late>
>()(reports.stored)
Integration.layer(Reports) satisfies Layer.Layer<Reports, unknown, unknown>

// A job without an input, and one whose start is a PUT.
Polling.operation("all", {
  success: Schema.String,
  polling: Polling.make("test/all", {
    job: Schema.String,
    start: () => Effect.succeed(Polling.started("1")),
    status: () => Effect.succeed(Polling.succeeded("done")),
    within: "1 minute"
  }),
  idempotency: Idempotency.inherent("a PUT of a job's id"),
  exhausted: Exhaustion.fail,
  orElse: () => new Late({ job: undefined })
})
