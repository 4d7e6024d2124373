/**
 * What the property tests share: an integration with every way of making a repeat safe, a provider that misbehaves by a
 * script, and a driver that moves virtual time.
 *
 * Every property is seeded, so that a run repeats itself. `PROPERTY_SEED=7 PROPERTY_RUNS=20 npx vitest run
 * test/properties` tries another seed and twenty times as many inputs; a failure prints a `Replay` token, which goes
 * into the property's `arbitrary: { replay: "…" }`.
 */
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Policy,
  type Reason,
  Telemetry
} from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import {
  Arbitrary,
  Clock,
  Context,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Option,
  Random,
  Schema
} from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import type { Scope } from "effect"
import type { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import type { Permits } from "../../src/PolicyBulkhead.ts"

const { PROPERTY_RUNS, PROPERTY_SEED } = process.env
const times = Number(PROPERTY_RUNS ?? 1)

/** Options of a property: how many inputs it tries, and from which seed. */
export const tries = (runs: number) => ({
  timeout: 60_000 * Math.max(1, times),
  arbitrary: { runs: Math.ceil(runs * times), seed: PROPERTY_SEED ?? "breakwater", maxShrinks: 300 }
})

export const quiet = Logger.layer([])

// ---- time

/**
 * Runs an effect on a fiber and moves virtual time until it has ended. An hour of it at most: a call that has not ended
 * by then hangs.
 */
export const settle = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    for (let minutes = 0; minutes < 60; minutes += 5) {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      yield* TestClock.adjust("5 minutes")
    }
    const hung = fiber.pollUnsafe()
    if (hung !== undefined) return hung
    yield* Fiber.interrupt(fiber)
    return yield* Effect.die(new Error("the call did not end within an hour of virtual time"))
  })

// ---- the integration

export class Failed extends Data.TaggedError("Failed")<{ readonly failure: CallFailure.CallFailure }> {}
export class Declined extends Data.TaggedError("Declined")<{ readonly code: string }> {}

export class CardError extends Schema.TaggedError<CardError>()(
  "CardError",
  { code: Schema.String },
  { httpApiStatus: 402 }
) {}

export const Thing = Schema.Struct({ id: Schema.String, amount: Schema.Int })
const Order = Schema.Struct({ order: Schema.String, amount: Schema.Int })

export class AcmeApi extends HttpApi.make("acme").add(
  HttpApiGroup.make("acme").add(
    HttpApiEndpoint.get("get", "/things/:id", { params: { id: Schema.String }, success: Thing }),
    HttpApiEndpoint.put("put", "/things/:id", { params: { id: Schema.String }, payload: Thing, success: Thing }),
    HttpApiEndpoint.post("charge", "/charges", { payload: Order, success: Thing, error: CardError }),
    HttpApiEndpoint.post("pay", "/payments", { payload: Order, success: Thing }),
    HttpApiEndpoint.post("graph", "/graphql", {
      payload: Schema.Struct({ query: Schema.String, variables: Schema.Struct({ order: Schema.String }) }),
      success: Thing
    }),
    HttpApiEndpoint.post("mail", "/mails", { payload: Order, success: Thing }),
    HttpApiEndpoint.post("transfer", "/transfers", { payload: Order, success: Thing })
  )
) {}

/** What `find` answers for a transfer; a test puts in what its provider knows. */
export class Lookup extends Context.Service<
  Lookup,
  { readonly find: (order: string) => Effect.Effect<Option.Option<{ readonly id: string; readonly amount: number }>> }
>()("test/Lookup") {}

export const settleTime = 700

type Ordered = { readonly payload: { readonly order: string } }

export class Acme extends Integration.Service<Acme>()(
  "test/Acme",
  { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
  {
    get: HttpOperation.endpoint(AcmeApi, "acme", "get"),
    put: HttpOperation.endpoint(AcmeApi, "acme", "put"),
    charge: HttpOperation.endpoint(AcmeApi, "acme", "charge", {
      idempotency: Idempotency.keyed(({ payload }: Ordered) => IdempotencyKey.derive("charge", payload.order), {
        lifetime: "24 hours"
      }),
      translate: { CardError: ({ code }) => new Declined({ code }) }
    }),
    pay: HttpOperation.endpoint(AcmeApi, "acme", "pay", {
      idempotency: Idempotency.keyed(({ payload }: Ordered) => IdempotencyKey.derive("pay", payload.order), {
        lifetime: "24 hours",
        placement: Idempotency.bodyField(["meta", "idempotency_key"])
      })
    }),
    graph: HttpOperation.endpoint(AcmeApi, "acme", "graph", {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("graph", payload.variables.order), {
        lifetime: "24 hours",
        placement: Idempotency.graphqlDirective()
      })
    }),
    mail: HttpOperation.endpoint(AcmeApi, "acme", "mail", {
      idempotency: Idempotency.atMostOnce("it has no key")
    }),
    transfer: HttpOperation.endpoint(AcmeApi, "acme", "transfer", {
      idempotency: Idempotency.reconcilable(
        ({ payload }: Ordered) => Effect.flatMap(Lookup, ({ find }) => find(payload.order)),
        { settle: settleTime }
      )
    })
  }
) {}

export type Name = "get" | "put" | "charge" | "pay" | "graph" | "mail" | "transfer"

/** One call of the named operation for an order. */
export const callOf = (acme: Acme["Service"], name: Name, order = "o-1"): Effect.Effect<unknown, Failed | Declined> => {
  switch (name) {
    case "get":
      return acme.get({ params: { id: order } })
    case "put":
      return acme.put({ params: { id: order }, payload: { id: order, amount: 2 } })
    case "graph":
      return acme.graph({ payload: { query: "mutation", variables: { order } } })
    default:
      return acme[name]({ payload: { order, amount: 2 } })
  }
}

/** The key of a request, wherever it stands. */
export const keyOf = (request: Pick<FaultInjection.WireRequest, "headers" | "text">): string | undefined => {
  const header = request.headers["idempotency-key"]
  if (header !== undefined || request.text === "") return header
  const body = JSON.parse(request.text)
  return body.meta?.idempotency_key ?? body.variables?.idempotencyKey
}

export interface World {
  readonly acme: Acme["Service"]
  readonly provider: FaultInjection.FaultInjection
  readonly events: ReadonlyArray<Telemetry.CallObserved>
  /** How often, and when, it was looked whether a transfer happened. */
  readonly lookups: ReadonlyArray<number>
}

export interface WorldOptions {
  readonly faults?: FaultInjection.Faults | undefined
  /** The policy of every operation, or of those in `only`. */
  readonly policy?: Policy.Complete | undefined
  readonly only?: ReadonlyArray<Name> | undefined
  readonly http?: Omit<Parameters<typeof HttpIntegration.layer>[1], "baseUrl" | "policy"> | undefined
  readonly respond?: ((request: FaultInjection.WireRequest) => FaultInjection.Reply) | undefined
  /** Replaces the honest look at the ledger. */
  readonly find?:
    ((order: string) => Effect.Effect<Option.Option<{ readonly id: string; readonly amount: number }>>) | undefined
}

export const thing = { id: "t-1", amount: 2 }

/** An integration, a hostile provider, and what was observed. */
export const world = (options: WorldOptions = {}): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function* () {
    const provider = FaultInjection.make({
      respond: options.respond ?? (() => ({ body: thing })),
      faults: options.faults,
      keyOf
    })
    const events: Array<Telemetry.CallObserved> = []
    const lookups: Array<number> = []
    const find = (order: string) =>
      Effect.flatMap(
        TestClock.testClockWith((clock) => clock.currentTimeMillis),
        (now) => {
          lookups.push(now)
          return (
            options.find?.(order) ?? Effect.succeed(provider.ledger.length > 0 ? Option.some(thing) : Option.none())
          )
        }
      )
    const { policy } = options
    const layer = HttpIntegration.layer(Acme, {
      baseUrl: "https://acme.example",
      ...options.http,
      ...(policy === undefined
        ? {}
        : { policy: Object.fromEntries((options.only ?? names).map((name) => [name, policy])) })
    }).pipe(
      Layer.provide([
        provider.layer,
        Telemetry.layerObserver((event) => events.push(event)),
        Layer.succeed(Lookup, { find })
      ]),
      Layer.orDie
    )
    const acme = Context.get(yield* Layer.build(layer), Acme)
    return { acme, provider, events, lookups }
  })

/** Runs a property in a world of its own, quietly and with seeded jitter. */
export const seededly =
  (seed: number | string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provide(Random.withSeed(self, seed), quiet)

/** The failure of a call, if it failed with one. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>): CallFailure.CallFailure | undefined => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return error instanceof Failed ? error.failure : undefined
}

// ---- inputs

export const seed = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff })))

export const between = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const oneOf = <const A>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(between(0, values.length - 1), (index) => values[index]!)

/** The faults that a policy would try again after: they lead deeper than those that end a call at once. */
export const transient: ReadonlyArray<FaultInjection.Fault> = FaultInjection.all.filter(
  (fault) => fault._tag !== "WrongShape" && fault._tag !== "WrongMediaType"
)

/** After which faults the client knows that nothing was carried out: from DESIGN's table, not from the code. */
export const certainlyNot = (fault: FaultInjection.Fault | undefined): boolean =>
  fault !== undefined && (fault._tag === "Refused" || (fault._tag === "Status" && fault.status === 429))

/** A script of faults, `undefined` for none. It shrinks to fewer, and to those that stand first in the list. */
export const script = (
  faults: ReadonlyArray<FaultInjection.Fault | undefined> = [undefined, ...FaultInjection.all, ...transient],
  options: { readonly minLength?: number; readonly maxLength?: number } = {}
): Arbitrary.Arbitrary<Array<FaultInjection.Fault | undefined>> =>
  Arbitrary.array(oneOf(faults), { minLength: 3, maxLength: 6, ...options })

export const names: ReadonlyArray<Name> = ["get", "put", "charge", "pay", "graph", "mail", "transfer"]

export const millis = Duration.toMillis

// ---- what is inside

/** A layer of a call that gets hold of the state of an integration's breaker or bulkhead. */
export const spyOn = <S>(name: string, settings: object, see: (state: S) => void): Policy.Policy<never, "any"> =>
  Policy.make({
    slot: "call",
    name: `spy on ${name}`,
    build: (site) =>
      Effect.map(site.shared<S>(name, settings, Effect.die(new Error(`${name} was not built`))), (state) => {
        see(state)
        return (step) => step
      })
  })

/** A bulkhead, and its permits once it is built. */
export const watchedBulkhead = (concurrency: number, queue: number) => {
  const seen: { permits: Permits | undefined } = { permits: undefined }
  return {
    policy: Policy.stack(
      Policy.bulkhead({ concurrency, queue }),
      spyOn<Permits>("bulkhead bulkhead", { concurrency, queue }, (permits) => (seen.permits = permits))
    ),
    get permits(): Permits {
      return seen.permits!
    }
  }
}

/** A breaker that opens after `consecutive` failures in a row, and its state once it is built. */
export const watchedBreaker = (options: {
  readonly consecutive: number
  readonly openFor: number
  readonly maxOpenFor: number
}) => {
  type Store = CircuitBreaker.CircuitBreakerStore["Service"]
  const seen: { store: Store | undefined; keys: Set<string> } = { store: undefined, keys: new Set() }
  const settings = { consecutive: options.consecutive, openFor: options.openFor, maxOpenFor: options.maxOpenFor }
  return {
    policy: Policy.stack(
      Policy.breaker({ ...options, rate: false }),
      spyOn<{ readonly store: Store }>("breaker breaker", settings, ({ store }) => (seen.store = store))
    ),
    state: (key = "test/Acme") => Effect.orDie(Effect.suspend(() => seen.store!.state(key)))
  }
}

/** Interrupts a fiber. It must have ended when the runtime comes to rest, without any time passing. */
export const interruptAtOnce = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.gen(function* () {
    fiber.interruptUnsafe()
    for (let turn = 0; turn < 50; turn++) {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      yield* Effect.yieldNow
    }
    return yield* Effect.die(new Error("the call did not end when it was interrupted"))
  })

// ---- an operation without HTTP

/** An error that says what it means. */
export class Said extends Data.TaggedError("Said")<{ readonly verdict: Reason.Verdict }> {}

export const say = (verdict: Reason.Verdict): Effect.Effect<never, Said> => Effect.fail(new Said({ verdict }))

export interface ScriptedOptions {
  readonly policy: Policy.Complete
  readonly shared?: Policy.Policy<never, "any"> | undefined
  readonly repeat?: "Safe" | "Idempotent" | "AtMostOnce" | undefined
  readonly exhausted?: Exhaustion.Exhaustion<unknown, unknown, never, "any" | "safe"> | undefined
  /** What the n-th send does, from 1. Text and numbers are answers. */
  readonly send: (n: number) => Effect.Effect<unknown, Said>
}

/** An integration with one operation, `send`, that does what a script says, and when it did so. */
export const scripted = (options: ScriptedOptions) =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    const events: Array<Telemetry.CallObserved> = []
    const send = () =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.suspend(() => {
          sent.push(now)
          return options.send(sent.length)
        })
      )
    const idempotency = {
      Safe: Idempotency.readOnly("it reads"),
      Idempotent: Idempotency.inherent("the same effect"),
      AtMostOnce: Idempotency.atMostOnce("no key")
    }[options.repeat ?? "Idempotent"] as Idempotency.Idempotency<void, never, never, "Safe">
    class Scripted extends Integration.Service<Scripted>()(
      "test/Scripted",
      {
        policy: options.policy,
        ...(options.shared === undefined ? {} : { shared: options.shared }),
        exhausted: (options.exhausted ?? Exhaustion.fail) as Exhaustion.Exhaustion<unknown, never, never, "any">,
        orElse: (failure) => new Failed({ failure })
      },
      {
        send: Operation.mutation("send", {
          idempotency,
          success: Schema.Json,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send
        }),
        other: Operation.mutation("other", {
          idempotency,
          success: Schema.Json,
          classify: ({ verdict }: Said) => verdict,
          translate: { Said: () => undefined as never },
          send
        })
      }
    ) {}
    const layer = Integration.layer(Scripted).pipe(
      Layer.provide(Telemetry.layerObserver((event) => events.push(event)))
    )
    const client = Context.get(yield* Layer.build(layer), Scripted)
    return { call: client.send(), other: client.other(), sent, events }
  })

/** Runs an effect as `settle` does, and hands out the failure behind it. */
export const failing = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<CallFailure.CallFailure, never, R> =>
  Effect.flatMap(settle(self), (exit) => {
    const failure = failureOf(exit)
    return failure === undefined ? Effect.die(new Error(`no failure: ${String(exit)}`)) : Effect.succeed(failure)
  })
