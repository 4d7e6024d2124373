/** Runs the slices against the fault script and counts. What is counted, and how, stands in `Slice.ts`. */
import { FaultInjection } from "breakwater/testing"
import { Cause, Context, Effect, Exit, type Fiber, Layer, Logger, Random, Result, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { countLines } from "./lines.ts"
import { crash, script } from "./script.ts"
import { type Claim, type Slice, Store, type Variant, type VariantName, variantNames } from "./Slice.ts"

/** How one scenario ended. */
export interface Scenario {
  readonly fault: string
  /** The request that it struck, from 1, as `operation, n-th request`. */
  readonly at: string
  readonly duplicates: number
  readonly hung: boolean
  /** Why the end counts as untyped, if it does. */
  readonly untyped: string | undefined
}

export interface Tally {
  readonly duplicates: number
  readonly hangs: number
  readonly untyped: number
  readonly lines: number
}

export interface Row {
  readonly name: string
  readonly recipe: Tally
  readonly byHand: Tally
  readonly breakwater: Tally
}

const variantFiles = variantNames.map((name) => `${name}.ts`)

/** How long a program may take, in milliseconds of virtual time. */
const limit = 120_000

/** More requests than any program makes in its time. */
const manyRequests = 1_000

/** How long after a crash the next process starts. */
const restart = 10_000

/** Everything about one variant of a slice: its scenarios, one by one. */
export const scenariosOf = Effect.fnUntraced(function* (slice: Slice, name: VariantName) {
  const requests = yield* healthyRequests(slice, name)
  const scenarios: Array<Scenario> = []
  for (const [index, operation] of requests.entries()) {
    const at = `${operation}, request ${index + 1}`
    for (const { after, fault, name: title, passes } of script) {
      const wire = slice.wire ?? {}
      const strike = fault(wire)
      const before: ReadonlyArray<FaultInjection.Fault | undefined> = Array.from({ length: index }, () => undefined)
      const rest = after === undefined ? [] : Array.from({ length: manyRequests }, () => after(wire))
      const once = yield* runScenario(slice, name, { faults: [...before, strike, ...rest] })
      scenarios.push({ fault: title, at, ...once })
      if (!passes) continue
      const twice = yield* runScenario(slice, name, { faults: [...before, strike, strike] })
      scenarios.push({ fault: `${title}, twice`, at, ...twice })
    }
    scenarios.push({ fault: "crash", at, ...(yield* runScenario(slice, name, { crashAt: index })) })
  }
  return scenarios
})

/** One row of the table. */
export const rowOf = Effect.fnUntraced(function* (slice: Slice) {
  const tally = Effect.fnUntraced(function* (name: VariantName) {
    const scenarios = yield* scenariosOf(slice, name)
    return {
      duplicates: scenarios.reduce((sum, { duplicates }) => sum + duplicates, 0),
      hangs: scenarios.filter(({ hung }) => hung).length,
      untyped: scenarios.filter(({ untyped }) => untyped !== undefined).length,
      lines: yield* countLines(new URL(`./${slice.name}/`, import.meta.url), variantFiles, `${name}.ts`)
    } satisfies Tally
  })
  return {
    name: slice.name,
    recipe: yield* tally("recipe"),
    byHand: yield* tally("byHand"),
    breakwater: yield* tally("breakwater")
  } satisfies Row
})

/** Whether breakwater's variant has no duplicate, hang or untyped end, and is no longer than the one by hand. */
export const isKept = ({ breakwater, byHand }: Row): boolean =>
  breakwater.duplicates + breakwater.hangs + breakwater.untyped === 0 && breakwater.lines <= byHand.lines

// ---- one scenario

interface Misfortune {
  readonly faults?: ReadonlyArray<FaultInjection.Fault | undefined>
  /** The index of the request during which the process is killed. */
  readonly crashAt?: number
}

/** The operations of a run in which nothing goes wrong: a slice that fails even then proves nothing. */
const healthyRequests = Effect.fnUntraced(function* (slice: Slice, name: VariantName) {
  const provider = FaultInjection.make(slice.provider())
  const { duplicates, hung, untyped } = yield* judged(slice, name, provider, {})
  if (duplicates > 0 || hung || untyped !== undefined) {
    const what = untyped ?? (hung ? "it hangs" : `${duplicates} duplicates`)
    return yield* Effect.die(new Error(`${slice.name}/${name}.ts fails where nothing goes wrong: ${what}`))
  }
  return provider.requests.map(({ operation }) => operation)
})

const runScenario = (slice: Slice, name: VariantName, misfortune: Misfortune) => {
  const { crashAt } = misfortune
  const faults =
    crashAt === undefined ? misfortune.faults : [...Array.from({ length: crashAt }, () => undefined), crash]
  return judged(slice, name, FaultInjection.make({ ...slice.provider(), faults }), misfortune)
}

const judged = Effect.fnUntraced(function* (
  slice: Slice,
  name: VariantName,
  provider: FaultInjection.FaultInjection,
  { crashAt }: Misfortune
) {
  const client = Context.get(yield* Layer.build(provider.layer), HttpClient.HttpClient)
  const rows = new Map<string, string>()
  const variant = slice.variants[name]
  let end: End = yield* live(variant, { client, rows, startAt: 0, crashed: () => wasSent(provider, crashAt) })
  if (end._tag === "Crashed") {
    // A copy: what the dead process may still write reaches nobody.
    const kept = new Map(rows)
    end = yield* live(variant, { client, rows: kept, startAt: end.at + restart, crashed: () => false })
  } else if (crashAt !== undefined) {
    return yield* Effect.die(new Error(`${slice.name}/${name}.ts ended before request ${crashAt + 1} was sent`))
  }
  const changes = countBy(provider.ledger.map(({ operation }) => operation))
  for (const operation of changes.keys()) {
    if (!slice.steps.includes(operation)) {
      return yield* Effect.die(new Error(`${slice.name}: ${operation} changed something, but is none of its steps`))
    }
  }
  return {
    duplicates: [...changes.values()].reduce((sum, count) => sum + count - 1, 0),
    hung: end._tag === "Hung",
    untyped: end._tag === "Ended" ? untypedEnd(slice, end.exit, changes) : undefined
  }
}, Effect.scoped)

const wasSent = ({ requests }: FaultInjection.FaultInjection, index: number | undefined): boolean =>
  index !== undefined && requests.length > index

const countBy = (names: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

const untypedEnd = (
  slice: Slice,
  exit: Exit.Exit<unknown, unknown>,
  changes: ReadonlyMap<string, number>
): string | undefined => {
  if (Exit.isSuccess(exit)) {
    const missing = slice.steps.find((step) => !changes.has(step))
    return missing !== undefined
      ? `success, but ${missing} was never carried out`
      : slice.isSuccess(exit.value)
        ? undefined
        : `success with ${JSON.stringify(exit.value)}`
  }
  const error = Result.getOrUndefined(Cause.findError(exit.cause))
  const claim = error === undefined ? undefined : slice.claimOf(error)
  if (claim === undefined) return `ended with ${String(Cause.squash(exit.cause))}`
  return isTrue(claim, slice, changes) ? undefined : `said ${claim.outcome} of ${claim.step}, which is not so`
}

/** Whether what an error says of a step is what the ledger says. A step that changes nothing can't be told wrong. */
const isTrue = ({ outcome, step }: Claim, { steps }: Slice, changes: ReadonlyMap<string, number>): boolean =>
  !steps.includes(step) || outcome === "Unknown" || (outcome === "Applied") === changes.has(step)

// ---- one process

type End =
  | { readonly _tag: "Ended"; readonly exit: Exit.Exit<unknown, unknown> }
  | { readonly _tag: "Hung" }
  | { readonly _tag: "Crashed"; readonly at: number }

interface Life {
  readonly client: HttpClient.HttpClient
  readonly rows: Map<string, string>
  readonly startAt: number
  readonly crashed: () => boolean
}

/**
 * Runs a program as a process of its own, with a clock of its own, until it ends, is killed or has had its time. What
 * does not end is not interrupted, for a crash runs no finalizer: its clock stands still from then on, and it no
 * longer reaches the provider.
 */
const live = Effect.fnUntraced(
  function* (variant: Variant, { client, crashed, rows, startAt }: Life) {
    yield* TestClock.setTime(startAt)
    const mortality = { alive: true }
    const services = Layer.mergeAll(
      Layer.succeed(HttpClient.HttpClient, mortal(client, mortality)),
      Store.layer(rows),
      Logger.layer([])
    )
    const program = variant.pipe(Effect.provide(services), Random.withSeed(1))
    const fiber: Fiber.Fiber<unknown, unknown> = yield* Effect.forkDetach(program, { startImmediately: true })
    for (let elapsed = 0; ;) {
      yield* turns
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return { _tag: "Ended", exit } as const
      if (crashed() || elapsed >= limit) {
        mortality.alive = false
        return crashed() ? ({ _tag: "Crashed", at: startAt + elapsed } as const) : ({ _tag: "Hung" } as const)
      }
      // A sleep of a fiber ends in its own time; one that a promise starts may be late by a step.
      const step = elapsed < 1_000 ? 50 : elapsed < 15_000 ? 500 : 2_500
      yield* TestClock.adjust(step)
      elapsed += step
    }
  },
  (life): Effect.Effect<End, never, Scope.Scope> => Effect.provide(life, TestClock.layer(), { local: true })
)

/** Lets promises and fibers that are ready go on, whoever they wait for in turn. Virtual time stands still. */
const turns = Effect.promise(async () => {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
})

const mortal = (client: HttpClient.HttpClient, mortality: { readonly alive: boolean }): HttpClient.HttpClient => {
  const check = <A>(value: A): Effect.Effect<A> => (mortality.alive ? Effect.succeed(value) : Effect.never)
  return HttpClient.transform(client, (response) =>
    check(undefined).pipe(Effect.andThen(response), Effect.flatMap(check))
  )
}
