// What the tests of shared and kept answers have in common: a catalogue whose answers say for whom and for what they are,
// and a look at the state of the layers.
import { Context, Effect, Exit, type Fiber, Layer, Schema, Clock } from "effect"
import { Exhaustion, Integration, Operation, Policy, Telemetry } from "breakwater"
import type { Flights, Shadows } from "../../src/internal/flight.ts"
import type { LastGood } from "../../src/internal/lastGood.ts"
import { fromLayers } from "../../src/internal/policy.ts"
import { Failed, failureOf, type Said } from "./support.ts"

/** Who is asking. */
export const User: Context.Reference<string> = Context.Reference<string>("test/User", { defaultValue: () => "ada" })

export const Answer = Schema.Struct({ user: Schema.String, id: Schema.String, n: Schema.Int })

/** One send: what was asked for, by whom, and when it began and ended. */
export interface Sent {
  readonly user: string
  readonly id: string
  readonly n: number
  readonly began: number
  ended: number | undefined
}

/** A layer whose shared state is handed out when it is built. */
export const watching = <N extends "any" | "safe">(
  policy: Policy.Policy<never, N>,
  see: (state: unknown) => void
): Policy.Policy<never, N> =>
  fromLayers(
    policy.layers.map((layer) => ({
      ...layer,
      build: (site: Policy.Site) =>
        layer.build({
          ...site,
          shared: (name, options, make) =>
            Effect.map(site.shared(name, options, make), (state) => {
              see(state)
              return state
            })
        }) as never
    }))
  ) as unknown as Policy.Policy<never, N>

export interface CatalogOptions {
  /** Without coalescing and keeping. */
  readonly policy?: Policy.Complete | undefined
  readonly coalesce?: Policy.Policy<never, "safe"> | undefined
  readonly stale?: Policy.Policy<never, "safe"> | undefined
  readonly exhausted?: Exhaustion.Exhaustion<unknown, unknown, never, "safe"> | undefined
  /** How long calls have when the layer closes. Without it none: a test that fails would wait for time that never comes. */
  readonly drain?: number | undefined
  /** What a send does, beside answering. */
  readonly send?: ((sent: Sent) => Effect.Effect<void, Said>) | undefined
}

export const patient = Policy.stack(
  Policy.totalDeadline("30 seconds"),
  Policy.retryNever("each attempt is looked at"),
  Policy.attemptTimeout("30 seconds")
)

export const forUser = Policy.coalesce({ principal: User })

const now = Clock.currentTimeMillis

/** A catalogue and all that is to be seen of it. */
export const catalog = (options: CatalogOptions = {}) =>
  Effect.gen(function* () {
    const sent: Array<Sent> = []
    const events: Array<Telemetry.CallObserved> = []
    const built: Array<{ readonly flights: Flights; readonly shadows: Shadows }> = []
    const state = {
      kept: undefined as LastGood | undefined,
      /** How many runs are shared, and how many would be. */
      runs: () => built.reduce((sum, { flights }) => sum + flights.running.size, 0),
      watched: () => built.reduce((sum, { shadows }) => sum + shadows.running.size, 0)
    }
    // Nothing may come between the start of a send and what writes down its end.
    const send = ({ id }: { readonly id: string }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const one: Sent = { user: yield* User, id, n: sent.length + 1, began: yield* now, ended: undefined }
          sent.push(one)
          const exit = yield* Effect.exit(restore(Effect.suspend(() => options.send?.(one) ?? Effect.void)))
          one.ended = yield* now
          return yield* Exit.map(exit, () => ({ user: one.user, id, n: one.n }))
        })
      )
    const policy = Policy.stack(
      options.policy ?? patient,
      options.coalesce === undefined
        ? Policy.noop
        : watching(options.coalesce, (seen) => built.push(seen as (typeof built)[number])),
      options.stale === undefined
        ? Policy.noop
        : watching(options.stale, (seen) => (state.kept = seen as LastGood | undefined))
    )
    const query = (name: string) =>
      Operation.query(name, {
        input: Schema.Struct({ id: Schema.String }),
        success: Answer,
        policy: policy as Policy.Complete,
        classify: ({ verdict }: Said) => verdict,
        translate: { Said: () => undefined as never },
        send
      })
    class Catalog extends Integration.Service<Catalog>()(
      "test/Catalog",
      {
        exhausted: (options.exhausted ?? Exhaustion.fail) as Exhaustion.Exhaustion<unknown, never, never, "any">,
        orElse: (failure) => new Failed({ failure })
      },
      { get: query("get"), other: query("other") }
    ) {}
    const layer = Integration.layer(Catalog, { drain: options.drain ?? 0 }).pipe(
      Layer.provide(Telemetry.layerObserver((event) => events.push(event)))
    )
    const client = Context.get(yield* Layer.build(layer), Catalog)
    const as = <A, E>(self: Effect.Effect<A, E>, user: string) => Effect.provideService(self, User, user)
    return {
      get: (id = "a", user = "ada") => as(client.get({ id }), user),
      other: (id = "a", user = "ada") => as(client.other({ id }), user),
      sent,
      events,
      state
    }
  })

export const start = <A, E>(call: Effect.Effect<A, E>) => Effect.forkChild(call, { startImmediately: true })

export const tagOf = (fiber: Fiber.Fiber<unknown, unknown>): string | undefined => {
  const exit = fiber.pollUnsafe()
  return exit === undefined
    ? undefined
    : Exit.isSuccess(exit)
      ? "ok"
      : (failureOf(exit)?.reason._tag ?? (Exit.hasInterrupts(exit) ? "interrupted" : "defect"))
}
