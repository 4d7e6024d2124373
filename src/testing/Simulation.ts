/**
 * Many clients, a provider with a limited capacity, and an outage, in virtual time: what a policy does to both sides.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Deadline from "../Deadline.ts"
import * as Reason from "../Reason.ts"
import { VirtualTime } from "./internal/virtualTime.ts"

/**
 * What a simulated provider answers when it does not do what it was asked.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProviderFailure extends Data.TaggedError("ProviderFailure")<{
  readonly kind: "unavailable" | "refused"
}> {}

/**
 * The `classify` of an operation that asks a simulated provider.
 *
 * @category errors
 * @since 0.1.0
 */
export const classify = (failure: ProviderFailure): Reason.Verdict =>
  failure.kind === "refused" ? Reason.unreachable() : Reason.unavailable({ status: 503 })

/**
 * A time in which a provider is not itself. `unavailable` answers 503 at once, `refuse` refuses connections, `hang` never
 * answers; `capacity` leaves a share of its workers; `slower` makes each request take so many times as long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Phase {
  readonly from: Duration.Input
  readonly until: Duration.Input
  readonly is: "unavailable" | "refuse" | "hang" | { readonly capacity: number } | { readonly slower: number }
}

/**
 * A provider: so many requests a second at most, each taking `serviceTime`; those over it wait in a queue, first come,
 * first served, and those over the queue are answered with 503 at once. A request whose client has gone is worked off all
 * the same: that is what makes an overload last.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderOptions {
  readonly capacity: number
  readonly serviceTime?: Duration.Input | undefined
  /** How many requests may wait. */
  readonly queue?: number | undefined
  readonly phases?: ReadonlyArray<Phase> | undefined
}

/**
 * One simulated provider of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider {
  /** One request: what an operation's `send` runs. */
  readonly request: Effect.Effect<string, ProviderFailure>
}

/** The call that a request belongs to. */
interface Running {
  sent: number
}

const Calling = Context.Reference<Running | undefined>("breakwater/Telemetry/SimulatedCall", {
  defaultValue: () => undefined
})

interface Queued {
  readonly answer: (exit: Effect.Effect<string, ProviderFailure>) => void
}

class SimulatedProvider implements Provider {
  arrivals = 0
  private busy = 0
  private readonly waiting: Array<Queued> = []
  private readonly time: VirtualTime
  private readonly workers: number
  private readonly serviceTime: number
  private readonly limit: number
  private readonly phases: ReadonlyArray<{ readonly from: number; readonly until: number; readonly is: Phase["is"] }>

  constructor(time: VirtualTime, options: ProviderOptions) {
    this.time = time
    this.serviceTime = millisOf(options.serviceTime ?? "100 millis")
    this.workers = Math.max(1, Math.round((options.capacity * this.serviceTime) / 1_000))
    this.limit = options.queue ?? options.capacity
    this.phases = (options.phases ?? []).map(({ from, is, until }) => ({
      from: millisOf(from),
      until: millisOf(until),
      is
    }))
    // Workers that come back begin at once, and not with the next request.
    for (const { until } of this.phases) time.after(until - time.now, () => this.work())
  }

  private get phase(): Phase["is"] | undefined {
    const { now } = this.time
    return this.phases.find(({ from, until }) => now >= from && now < until)?.is
  }

  readonly request: Effect.Effect<string, ProviderFailure> = Effect.withFiber((fiber) => {
    const phase = this.phase
    if (phase === "refuse") return Effect.delay(Effect.fail(new ProviderFailure({ kind: "refused" })), 1)
    this.arrivals++
    const call = fiber.getRef(Calling)
    if (call !== undefined) call.sent++
    if (phase === "hang") return Effect.never
    if (phase === "unavailable" || this.waiting.length >= this.limit) {
      return Effect.delay(Effect.fail(new ProviderFailure({ kind: "unavailable" })), 5)
    }
    return Effect.callback<string, ProviderFailure>((resume) => {
      this.waiting.push({ answer: resume })
      this.work()
    })
  })

  private work(): void {
    const phase = this.phase
    const workers =
      typeof phase === "object" && "capacity" in phase ? Math.round(this.workers * phase.capacity) : this.workers
    const takes = this.serviceTime * (typeof phase === "object" && "slower" in phase ? phase.slower : 1)
    while (this.busy < workers && this.waiting.length > 0) {
      const next = this.waiting.shift()!
      this.busy++
      this.time.after(takes, () => {
        this.busy--
        next.answer(Effect.succeed("ok"))
        this.work()
      })
    }
  }
}

/**
 * One second of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Window {
  /** Calls that began in it, and those of them that succeeded before their deadline. */
  readonly offered: number
  readonly good: number
  /** Requests that reached a provider in it. */
  readonly attempts: number
}

/**
 * What came of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  /** Requests that reached a provider, for each call that sent at least one. */
  readonly amplification: number
  /** Calls that succeeded within their deadline, of all that were offered. */
  readonly goodput: number
  /** The 99th percentile of how long the calls that succeeded took, in milliseconds. */
  readonly p99Ms: number
  readonly windows: ReadonlyArray<Window>
}

/**
 * What is simulated: `clients` of them, each making `callsPerSecond` at random times, for `duration`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E> {
  readonly clients: number
  readonly callsPerSecond: number
  readonly duration: Duration.Input
  /** How long every caller waits: a success that comes later is no good, and the call is given up. */
  readonly deadline: Duration.Input
  readonly seed?: number | string | undefined
  readonly providers: ReadonlyArray<ProviderOptions>
  /** Builds one client, with the state of its own, and gives what makes one call to the provider of that number. */
  readonly client: (
    providers: ReadonlyArray<Provider>
  ) => Effect.Effect<(provider: number) => Effect.Effect<unknown, unknown>, E, Scope.Scope>
}

const millisOf = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

/**
 * Runs a simulation. The same options and seed give the same report.
 *
 * **When to use**
 *
 * Use it to see what a policy does in an outage before there is one: how many requests it adds, how many calls it saves,
 * and how soon it is back.
 *
 * **When not to use**
 *
 * Its provider is a model: one queue, workers that take equally long, no network. It compares policies; it predicts no
 * figure of a real provider.
 *
 * **Details**
 *
 * Time is virtual: a run of minutes takes seconds. The calls are real ones, with the real layers. Every call runs below
 * `Deadline.within(deadline)` and is interrupted when that has passed.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E>(options: Options<E>): Effect.Effect<Report, E> =>
  Effect.scopedWith((scope) =>
    Effect.gen(function* () {
      const time = new VirtualTime()
      const seed = options.seed ?? 1
      const quiet = yield* Layer.buildWithScope(Logger.layer([]), scope)
      const context = (yield* Effect.context<never>()).pipe(
        Context.merge(quiet),
        Context.add(Clock.Clock, time),
        Context.add(Scheduler.Scheduler, time),
        Context.add(Metric.MetricRegistry, new Map()),
        Context.add(References.TracerEnabled, false)
      )
      const random = yield* Random.withSeed(Random.Random, seed)
      const within = Context.add(context, Random.Random, random)
      const providers = options.providers.map((provider) => new SimulatedProvider(time, provider))

      const calls: Array<(provider: number) => Effect.Effect<unknown, unknown>> = []
      for (let n = 0; n < options.clients; n++) {
        const building = Effect.runForkWith(within)(Scope.provide(options.client(providers), scope))
        time.advanceTo(0)
        const built = building.pollUnsafe()
        if (built === undefined) return yield* Effect.die(new Error("a client of a simulation must be built at once"))
        calls.push(yield* built)
      }

      const end = millisOf(options.duration)
      const deadline = millisOf(options.deadline)
      const windows = Array.from({ length: Math.ceil(end / 1_000) }, () => ({ offered: 0, good: 0, attempts: 0 }))
      const latencies: Array<number> = []
      let sending = 0

      const arrive = (call: (provider: number) => Effect.Effect<unknown, unknown>): void => {
        // Times between arrivals of a Poisson process.
        const next = (-Math.log(1 - random.nextDoubleUnsafe()) / options.callsPerSecond) * 1_000
        time.after(next, () => {
          if (time.now >= end) return
          arrive(call)
          const began = time.now
          const window = windows[Math.floor(began / 1_000)]!
          window.offered++
          const running: Running = { sent: 0 }
          const provider = providers.length === 1 ? 0 : random.nextIntUnsafe() % providers.length
          const fiber = Effect.runForkWith(Context.add(within, Calling, running))(
            Deadline.within(call(Math.abs(provider)), deadline)
          )
          const patience = time.after(deadline, () => fiber.interruptUnsafe())
          fiber.addObserver((exit) => {
            patience.run = undefined
            if (running.sent > 0) sending++
            if (Exit.isFailure(exit) || time.now - began > deadline) return
            window.good++
            latencies.push(time.now - began)
          })
        })
      }
      for (const call of calls) arrive(call)

      let reached = 0
      // One second at a time, so that whoever runs it can interrupt it; and on until the last call has ended.
      for (let second = 1; second * 1_000 <= end + deadline + 1_000; second++) {
        time.advanceTo(second * 1_000)
        const arrivals = providers.reduce((sum, provider) => sum + provider.arrivals, 0)
        const window = windows[second - 1]
        if (window !== undefined) window.attempts = arrivals - reached
        reached = arrivals
        yield* Effect.yieldNow
      }
      const offered = windows.reduce((sum, window) => sum + window.offered, 0)
      latencies.sort((a, b) => a - b)
      return {
        amplification: sending === 0 ? 0 : reached / sending,
        goodput: offered === 0 ? 0 : latencies.length / offered,
        p99Ms: latencies[Math.max(0, Math.ceil(latencies.length * 0.99) - 1)] ?? 0,
        windows
      }
    })
  )

/**
 * How many seconds after `from` it took until calls were good again: until the first second of which at least `ratio` was
 * good, after which no second of the next 30 was worse. `undefined` if that never came.
 *
 * @category reports
 * @since 0.1.0
 */
export const recovery = (
  report: Report,
  options: { readonly from: Duration.Input; readonly ratio?: number | undefined }
): number | undefined => {
  const ratio = options.ratio ?? 0.95
  const first = Math.ceil(millisOf(options.from) / 1_000)
  const isGood = ({ good, offered }: Window) => offered === 0 || good / offered >= ratio
  for (let at = first; at + 30 < report.windows.length; at++) {
    if (report.windows.slice(at, at + 31).every(isGood)) return at - first
  }
  return undefined
}
