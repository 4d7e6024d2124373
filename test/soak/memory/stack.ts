/** An integration with every layer that keeps something for a key, and a look at what is kept. */
import { Exhaustion, Idempotency, Integration, Operation, Policy, Reason, Telemetry } from "breakwater"
import { Clock, Context, Data, type Duration, Effect, Layer, Schema, type Scope } from "effect"
import type { Site } from "../../../src/Call.ts"
import type { BreakerControl } from "../../../src/internal/breaker.ts"
import type { Bulkhead } from "../../../src/internal/permits.ts"
import { fromLayers } from "../../../src/internal/policy.ts"
import type { Limiter } from "../../../src/internal/rate.ts"

/** What the provider does with one attempt. */
export type Fate = "answers" | "answers at once" | "fails" | "fails first" | "declines" | "hangs"

export interface Asked {
  readonly key: string
  readonly fate: Fate
}

const Asked = Schema.declare((input): input is Asked => typeof input === "object" && input !== null && "fate" in input)

export class Failed extends Data.TaggedError("Failed")<{ readonly reason: Reason.Tag }> {}

class Said extends Data.TaggedError("Said")<{ readonly verdict: Reason.Verdict }> {}

const unavailable = Effect.fail(new Said({ verdict: Reason.unavailable() }))
const declined = Effect.fail(new Said({ verdict: Reason.rejected() }))

/** What a layer shares with the other operations of its integration, under the eyes of a test. */
const watched = <S>(policy: Policy.Policy<never, "any">, see: (state: S) => void): Policy.Policy<never, "any"> =>
  fromLayers(
    policy.layers.map((layer) => {
      const build = (site: Site) => {
        const shared: Site["shared"] = (name, options, make) =>
          Effect.tap(site.shared(name, options, make), (state) => Effect.sync(() => see(state as unknown as S)))
        return layer.build({ ...site, shared }) as never
      }
      return { ...layer, build }
    })
  ) as Policy.Policy<never, "any">

/** How many keys the layers know, and who waits or runs in them. */
export interface Known {
  readonly circuits: number
  readonly buckets: number
  readonly permits: number
  readonly running: number
  readonly waiting: number
}

export interface Options {
  readonly attemptTimeout: number
  readonly totalDeadline: number
  readonly rate: { readonly limit: number; readonly window: number }
  readonly bulkhead: { readonly concurrency: number; readonly queue: number }
  /** How long an answer takes that does not come at once. */
  readonly takes: number
  /** A layer of a test, around the whole call. */
  readonly around?: Policy.Policy<never, "any"> | undefined
}

export interface Stack {
  readonly call: (asked: Asked) => Effect.Effect<string, Failed>
  readonly known: () => Known
  readonly outcomes: Record<string, number>
  readonly attempts: () => number
}

/** The whole standard stack, each of its layers that keeps something split by a key of the call. */
export const make = (options: Options): Effect.Effect<Stack, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: { breaker?: BreakerControl; bulkhead?: Bulkhead; limiter?: Limiter } = {}
    const key = ({ input }: { readonly input: unknown }) => (input as Asked).key
    const outcomes: Record<string, number> = {}
    let attempts = 0
    const { around, attemptTimeout, bulkhead, rate, takes, totalDeadline } = options
    const answer = Effect.delay(Effect.succeed("ok"), takes)
    const first = new WeakSet<Asked>()
    const send = (asked: Asked) =>
      Effect.suspend((): Effect.Effect<string, Said> => {
        attempts++
        switch (asked.fate) {
          case "answers":
            return answer
          case "answers at once":
            return Effect.succeed("ok")
          case "declines":
            return declined
          case "fails":
            return Effect.delay(unavailable, takes)
          case "hangs":
            return Effect.never
          case "fails first": {
            if (first.has(asked)) return answer
            first.add(asked)
            return unavailable
          }
        }
      })
    class Soak extends Integration.Service<Soak>()(
      "test/MemorySoak",
      {
        policy: Policy.stack(
          Policy.standard({ attemptTimeout, totalDeadline, schedule: Policy.backoff({ base: 20 }) }),
          ...(around === undefined ? [] : [around])
        ),
        shared: Policy.stack(
          watched<BreakerControl>(Policy.breaker({ key }), (state) => (seen.breaker = state)),
          watched<Limiter>(Policy.rateLimit({ ...rate, key }), (state) => (seen.limiter = state)),
          watched<Bulkhead>(Policy.bulkhead({ ...bulkhead, key }), (state) => (seen.bulkhead = state))
        ),
        exhausted: Exhaustion.fail,
        orElse: ({ reason }) => new Failed({ reason: reason._tag })
      },
      {
        send: Operation.mutation("send", {
          idempotency: Idempotency.inherent("the same effect"),
          input: Asked,
          success: Schema.String,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send
        })
      }
    ) {}
    const layer = Layer.provide(
      Integration.layer(Soak),
      Telemetry.layerObserver(({ callOutcome }) => {
        outcomes[callOutcome] = (outcomes[callOutcome] ?? 0) + 1
      })
    )
    const client = Context.get(yield* Layer.build(Layer.orDie(layer)), Soak)
    return {
      call: (asked) => client.send(asked),
      known: () => ({
        circuits: seen.breaker!.circuits().length,
        buckets: seen.limiter!.buckets.size,
        permits: seen.bulkhead!.size,
        running: seen.bulkhead!.taken,
        waiting: seen.bulkhead!.waiting.size + seen.limiter!.waits().length
      }),
      outcomes,
      attempts: () => attempts
    }
  })

/** How many timers of Node's are set, of whomever. */
export const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

/** Runs an effect as if so many milliseconds had passed. */
export const later = <A, E, R>(self: Effect.Effect<A, E, R>, millis: number): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    const nanos = BigInt(millis) * 1_000_000n
    const ahead: Clock.Clock = {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + millis,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + millis),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanos,
      currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + nanos,
      monotonicTimeNanos: Effect.map(clock.monotonicTimeNanos, (now) => now + nanos),
      sleep: (duration: Duration.Duration) => clock.sleep(duration)
    }
    return Effect.provideService(self, Clock.Clock, ahead)
  })
