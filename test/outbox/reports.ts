/** A provider of jobs, an integration that calls it, and one that has its jobs as one operation. */
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxStore,
  OutboxWorker,
  Policy,
  Polling,
  Reason
} from "breakwater"
import { Context, Data, type Duration, Effect, Layer, Schedule, Schema } from "effect"

export class Unreachable extends Data.TaggedError("Unreachable") {}
export class ReportFailed extends Schema.TaggedError<ReportFailed>()("ReportFailed", { why: Schema.String }) {}
/** What the integration that calls the provider fails with. */
export class ProviderDown extends Data.TaggedError("ProviderDown")<{
  readonly failure: CallFailure.CallFailure["reason"]
}> {}
/** What a caller sees when the end is not known. */
export class ReportLate extends Data.TaggedError("ReportLate")<{
  readonly outcome: string
  readonly reason: string
  readonly job: Polling.Job | undefined
}> {}

export type State = "running" | "done" | "failed" | "partly" | "odd"

/** What the world outside of every process knows. */
export const makeWorld = () => ({
  /** Starts that were received, and the jobs that they began, by key. */
  starts: [] as Array<string | undefined>,
  jobs: new Map<string, string>(),
  looks: 0,
  state: "running" as State,
  /** When it wants to be asked again, in seconds. */
  after: undefined as number | undefined,
  /** What becomes of the answers to the next starts. */
  answers: [] as Array<"lost" | "down" | "at once">,
  /** Called when a start was carried out, before it is answered. */
  onStart: (): void => {},
  onLook: (): void => {}
})
export type World = ReturnType<typeof makeWorld>

/** What one process is: it can die, and then nothing that it does has an effect any more. */
export interface Process {
  dead: boolean
}
const whileAlive =
  (process: Process) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => (process.dead ? Effect.never : self))

interface ProviderShape {
  readonly start: (order: string, key: string | undefined) => Effect.Effect<{ readonly id: string }, Unreachable>
  readonly status: (
    id: string
  ) => Effect.Effect<{ readonly state: State; readonly at: string; readonly after: number | undefined }>
}
export class Provider extends Context.Service<Provider, ProviderShape>()("test/Jobs/Provider") {}

const providerOf = (world: World, process: Process) => {
  const alive = whileAlive(process)
  return Layer.succeed(Provider, {
    start: (order, key) =>
      alive(
        Effect.suspend((): Effect.Effect<{ readonly id: string }, Unreachable> => {
          world.starts.push(key)
          const answer = world.answers.shift()
          if (answer === "down") return Effect.fail(new Unreachable())
          const name = key ?? `${order} ${world.starts.length}`
          if (!world.jobs.has(name)) world.jobs.set(name, `job-${world.jobs.size + 1}`)
          world.onStart()
          if (answer === "lost") return Effect.never
          // Whoever died meanwhile is told nothing.
          return alive(Effect.succeed({ id: answer === "at once" ? "" : world.jobs.get(name)! }))
        })
      ),
    status: (id) =>
      alive(
        Effect.suspend(() => {
          world.looks++
          world.onLook()
          return alive(Effect.succeed({ state: world.state, at: `/${id}`, after: world.after }))
        })
      )
  })
}

const Order = Schema.Struct({ order: Schema.String, due: Schema.Date })
type Order = typeof Order.Type
/** One whose encoded form is another than its type. */
export const Report = Schema.Struct({ url: Schema.String, pages: Schema.FiniteFromString })
export const report = { url: "/job-1", pages: 3 }
export const order = { order: "o1", due: new Date(1_000) }

const keyed = (lifetime: Duration.Input) =>
  Idempotency.keyed(({ order }: Order) => IdempotencyKey.derive("report", order), { lifetime })

/** The provider's own calls. */
export class Jobs extends Integration.Service<Jobs>()(
  "test/Jobs",
  {
    policy: Policy.standard({ maxAttempts: 1 }),
    exhausted: Exhaustion.fail,
    orElse: ({ reason }: CallFailure.CallFailure) => new ProviderDown({ failure: reason })
  },
  {
    start: Operation.mutation("start", {
      input: Order,
      success: Schema.Struct({ id: Schema.String }),
      idempotency: keyed("1 day"),
      send: ({ order }, { key }) => Effect.flatMap(Provider, (provider) => provider.start(order, key)),
      classify: () => Reason.unreachable(),
      translate: { Unreachable: () => new ProviderDown({ failure: Reason.make("Unreachable") }) }
    }),
    status: Operation.query("status", {
      input: Schema.String,
      success: Schema.Struct({
        state: Schema.Literals(["running", "done", "failed", "partly", "odd"]),
        at: Schema.String,
        after: Schema.UndefinedOr(Schema.Finite)
      }),
      send: (id) => Effect.flatMap(Provider, (provider) => provider.status(id))
    })
  }
) {}

/** The reports, with times in this unit, in milliseconds. */
export const reportsOf = (
  unit: number,
  { expires = 10_000, lifetime = "1 day" as Duration.Input, pause = 2, within = 20 } = {}
) => {
  const polling = Polling.make("test/report", {
    job: Schema.Struct({ id: Schema.String }),
    start: (input: Order) =>
      Effect.flatMap(Jobs, (jobs) =>
        Effect.map(
          jobs.start(input),
          ({ id }): Polling.Started<{ id: string }> | Polling.Step<typeof Report.Type, never> =>
            id === "" ? Polling.succeeded(report) : Polling.started({ id })
        )
      ),
    status: ({ id }) =>
      Effect.flatMap(Jobs, (jobs) =>
        Effect.map(jobs.status(id), ({ after, at, state }) => {
          switch (state) {
            case "running":
              return Polling.running({ retryAfter: after })
            case "done":
              return Polling.succeeded({ url: at, pages: 3 })
            case "failed":
              return Polling.failed(new ReportFailed({ why: "no space" }))
            case "partly":
              return Polling.failed(new ReportFailed({ why: "half of it" }), { outcome: "Unknown" })
            case "odd":
              return Polling.unexpected
          }
        })
      ),
    within: within * unit,
    schedule: Schedule.spaced(unit * pause)
  })
  const operation = {
    input: Order,
    success: Report,
    polling,
    idempotency: keyed(lifetime),
    classify: ({ failure }: ProviderDown): Reason.Verdict => ({
      ...failure,
      reason: failure.outcome === "NotSent" ? "Unreachable" : failure.transient ? "Unavailable" : "Failed"
    }),
    error: ReportFailed,
    translate: { ReportFailed: (error: ReportFailed) => error }
  }
  const orElse = (failure: CallFailure.CallFailure) =>
    new ReportLate({ outcome: failure.outcome, reason: failure.reason._tag, job: Polling.jobFrom(failure) })

  class Reports extends Integration.Service<Reports>()(
    "test/Reports",
    { exhausted: Exhaustion.fail, orElse },
    {
      live: Polling.operation("live", operation),
      park: Polling.operation("park", { ...operation, exhausted: Exhaustion.park }),
      put: Outbox.writeAheadWith(
        Polling.operation("put", { ...operation, idempotency: Idempotency.inherent("a PUT of the job's id") }),
        { expiresAfter: "1 hour" }
      ),
      make: Outbox.writeAheadWith(Polling.operation("make", operation), { expiresAfter: unit * expires })
    }
  ) {}

  /** What the handlers were told. `failing` says how often they fail first. */
  const told: Array<readonly [what: string, of: unknown, outcome: string]> = []
  const handling = { failing: 0 }
  const handlers = {
    onDelivered: (of: unknown, { outcome }: OutboxWorker.Ended<unknown>) =>
      Effect.suspend(() => {
        if (handling.failing-- > 0) return Effect.fail("not now")
        told.push(["delivered", of, outcome])
        return Effect.void
      }),
    onDead: (of: unknown, { outcome }: OutboxWorker.Ended<unknown>) =>
      Effect.sync(() => void told.push(["dead", of, outcome])),
    onNeedsReconcile: ({ outcome, why }: OutboxWorker.Ended<unknown>) =>
      Effect.sync(() => void told.push(["unclear", why, outcome]))
  }

  /** One process over a store: its own layers, and a worker. */
  const start = (world: World, store: OutboxStore.Store, process: Process = { dead: false }) => {
    const alive = whileAlive(process)
    const mortal: OutboxStore.Store = {
      ...store,
      offer: (offer) => alive(store.offer(offer)),
      claim: (options) => alive(store.claim(options)),
      settle: (...settled) => alive(store.settle(...settled)),
      transaction: (self) => alive(store.transaction(self))
    }
    return OutboxWorker.layer(
      Reports,
      { make: handlers, park: handlers, put: handlers },
      {
        pollInterval: unit,
        grace: unit * 10,
        drain: 0,
        schedule: Schedule.spaced(unit)
      }
    ).pipe(
      Layer.provideMerge(Integration.layer(Reports)),
      Layer.provideMerge(Integration.layer(Jobs)),
      Layer.provideMerge(providerOf(world, process)),
      Layer.provideMerge(Layer.succeed(OutboxStore.OutboxStore, mortal))
    )
  }
  return { Reports, polling, told, handling, start }
}
