/**
 * The bulkhead: how many attempts may run at once, and how many may wait for their turn.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Site } from "./Call.ts"
import type { CallRecord } from "./internal/call.ts"
import { check, format } from "./internal/duration.ts"
import { fusable } from "./internal/fusable.ts"
import { describeKey, type Key, keyAt, type Keyed, keyOf, kindOf } from "./internal/keyed.ts"
import { Bulkhead, type Permits, type Ticket } from "./internal/permits.ts"
import { attemptLayer, fromLayers, type Layer, type Policy, type Tunable } from "./internal/policy.ts"
import { cutAfter, nowOf } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"
import * as Telemetry from "./Telemetry.ts"

export { Permits } from "./internal/permits.ts"

/**
 * Options of a bulkhead.
 *
 * @category models
 * @since 0.1.0
 */
export interface BulkheadOptions {
  /** How many attempts may run at once. */
  readonly concurrency: number
  /** How many more may wait. Default: as many as may run. */
  readonly queue?: number | undefined
  /** How long one may wait. Default: until the call's total deadline. */
  readonly maxWait?: Duration.Input | undefined
  /** By what it is split: each key has `concurrency` permits of its own. Default: `"integration"`, which is one. */
  readonly key?: Key | undefined
  /** Bulkheads of one name are one. Default: `"bulkhead"`. */
  readonly name?: string | undefined
}

/**
 * Bounds the attempts that run at once.
 *
 * **When to use**
 *
 * For a provider that allows only so many requests at once, or whose slowness must not tie up all of this process. As a
 * `shared` layer it bounds all operations of an integration together.
 *
 * **When not to use**
 *
 * For a limit of requests per time: that is a rate limit. Not to stop calling a provider that is down: that is a breaker.
 *
 * **Details**
 *
 * Attempts over `concurrency` wait in a fair queue of at most `queue` (default: as many as may run); one more fails at
 * once with `BulkheadFull`, which did not happen, and so does one that has waited for `maxWait`. The wait ends with the
 * call's total deadline in any case. A permit is held by an attempt and never by a backoff. Bulkheads with one `name` share
 * their permits over an integration's operations.
 *
 * In mode `observe` nothing waits and nothing is turned away; what runs is counted, so that a bulkhead that begins to
 * enforce lets nobody in before enough of it has ended.
 *
 * **Example** (At most 10 requests at once for each host)
 *
 * ```ts
 * import { Policy } from "breakwater"
 *
 * export const shared = Policy.shared({
 *   bulkhead: { concurrency: 10, queue: 20, maxWait: "2 seconds", key: "host" }
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const bulkhead = (options: BulkheadOptions): Policy<never, "any"> =>
  fromLayers([layer(options)]) as Policy<never, "any">

const layer = (options: BulkheadOptions): Layer => {
  const name = options.name ?? "bulkhead"
  const { concurrency } = options
  const queue = options.queue ?? concurrency
  const longest = options.maxWait === undefined ? undefined : check("the bulkhead's maxWait", options.maxWait)
  const kind = kindOf(options.key)
  const settings = {
    concurrency,
    queue,
    maxWait: longest?.millis,
    key: kind === "integration" ? undefined : kind
  }
  const problems: Array<string> = longest?.problem === undefined ? [] : [longest.problem]
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    problems.push(`the bulkhead's concurrency must be an integer of at least 1, got ${concurrency}`)
  }
  if (!Number.isInteger(queue) || queue < 0) {
    problems.push(`the bulkhead's queue must be an integer of at least 0, got ${queue}`)
  }
  return attemptLayer({
    slot: "bulkhead",
    name,
    describe: `at most ${concurrency} attempts at once, ${queue} more may wait${
      longest === undefined ? "" : ` for ${format(longest.millis)}`
    }${describeKey(options.key)}`,
    problems,
    tunable: tunableOf(options, longest?.millis),
    settings,
    build: (site) =>
      Effect.flatMap(keyAt("the bulkhead", options.key, site), (keyed) => {
        return Effect.map(
          site.shared(
            `bulkhead ${name}`,
            settings,
            Effect.sync(() => new Bulkhead(concurrency, queue))
          ),
          (state): ((step: Step) => Step) => {
            site.clear.push((call) => site.mode() !== "enforce" || state.isFree(keyOf(keyed, call)))
            // It exists before any call, and needs not be made anew for each.
            if (typeof keyed === "string") state.keep(keyed)
            return limit(state, site, name, keyed, longest?.millis ?? Infinity)
          }
        )
      })
  })
}

type Step = (call: CallRecord) => Effect.Effect<unknown, Reason.Reason>

const limit = (state: Bulkhead, site: Site, name: string, keyed: Keyed, maxWait: number) => {
  const attributes = { [Telemetry.names.integration]: site.integration, [Telemetry.names.policyName]: name }
  const running = Metric.gauge(Telemetry.names.bulkheadRunning, {
    description: "Attempts that hold a permit",
    attributes: { ...attributes, unit: "{attempt}" }
  })
  const waiting = Metric.gauge(Telemetry.names.bulkheadWaiting, {
    description: "Attempts that wait for a permit",
    attributes: { ...attributes, unit: "{attempt}" }
  })
  const transform =
    (step: Step): Step =>
    (call) =>
      Effect.withFiber((fiber) => {
        const asked = nowOf(fiber)
        const ticket: Ticket = { held: false }
        let key: string
        let permits: Permits | undefined
        // Added and not set: another layer of the same integration writes to the same series.
        let counted: typeof running | undefined
        const count = (gauge: typeof running | undefined) => {
          counted?.modifyUnsafe(-1, fiber.context)
          counted = gauge
          gauge?.modifyUnsafe(1, fiber.context)
        }
        const go = () => {
          count(running)
          call.queued += nowOf(fiber) - asked
          return step(call)
        }
        return Effect.onExit(
          // Permits are taken inside what gives them back.
          Effect.suspend(() => {
            key = keyOf(keyed, call)
            permits = state.of(key)
            if (site.mode() === "observe") {
              const decided = permits.exceed(ticket)
              if (decided !== undefined) site.decided(call, decided, asked)
              return go()
            }
            if (permits.take(ticket)) return go()
            if (permits.isFull) {
              site.decided(call, "rejected", asked)
              return Effect.fail(permits.full())
            }
            site.decided(call, "waited", asked)
            permits.join(ticket, () => site.mode() === "enforce", asked)
            count(waiting)
            return Effect.flatMap(within(permits, ticket, maxWait, call, site, asked), go)
          }),
          () => {
            if (permits === undefined) return Effect.void
            // It never ran: the wait was a wait all the same, even where a permit came as it was given up.
            if (counted !== running) call.queued += nowOf(fiber) - asked
            count(undefined)
            ticket.leave?.()
            if (ticket.held) permits.release(ticket)
            state.done(key, permits)
            return Effect.void
          }
        )
      })
  return fusable(transform, {
    kind: "guard",
    keyed,
    isStateful: true,
    isClear: (key) => state.isFree(key),
    enter: (key, _call, fiber) => {
      const permits = state.of(key)
      permits.take(free)
      running.modifyUnsafe(1, fiber.context)
      return permits
    },
    leave: (key, entered, _call, _exit, fiber) => {
      const permits = entered as Permits
      running.modifyUnsafe(-1, fiber.context)
      permits.release(free)
      state.done(key, permits)
    }
  })
}

/** The ticket of all who never wait: there is nothing to note on it. */
const free: Ticket = { held: true }

/** Waits for a permit, but no longer than it may. */
const within = (
  permits: Permits,
  ticket: Ticket,
  maxWait: number,
  call: CallRecord,
  site: Site,
  asked: number
): Effect.Effect<void, Reason.Reason> =>
  cutAfter<void, Reason.Reason, never>(permits.wait(ticket), maxWait, () => {
    // It may have been handed one in the same moment.
    if (ticket.held) return Effect.void
    site.decided(call, "rejected", asked + maxWait)
    return Effect.fail(
      Reason.make("BulkheadFull", {
        message: `no permit within ${format(maxWait)}: ${permits.concurrency} attempts are running, the most allowed`
      })
    )
  })

const tunableOf = (options: BulkheadOptions, maxWait: number | undefined): Tunable => ({
  settings: {
    BULKHEAD_CONCURRENCY: { kind: "integer", value: options.concurrency },
    BULKHEAD_QUEUE: { kind: "integer", value: options.queue ?? options.concurrency },
    BULKHEAD_MAX_WAIT: { kind: "duration", value: maxWait }
  },
  tune: (values) =>
    layer({
      ...options,
      concurrency: values.BULKHEAD_CONCURRENCY ?? options.concurrency,
      queue: values.BULKHEAD_QUEUE ?? options.queue,
      maxWait: values.BULKHEAD_MAX_WAIT ?? options.maxWait
    })
})
