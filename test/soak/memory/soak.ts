/**
 * A soak of one process: calls with changing keys through every layer, answered, failed, timed out, retried, turned away
 * and given up. Its memory must not grow, and when it ends nothing may be left of it.
 */
import { Policy, Telemetry } from "breakwater"
import { Cause, Effect, Exit, Fiber, Logger } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { randomOf } from "../outbox/orders.ts"
import { type Fate, type Known, later, make, timers } from "./stack.ts"

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

export const mutants = ["keeps every call", "leaves a timer"] as const
/** A defect that the soak must find. */
export type Mutant = (typeof mutants)[number]

export interface Options {
  readonly minutes: number
  /** Calls per second. */
  readonly rate: number
  readonly keys: number
  readonly seed: number
  readonly mutant?: Mutant | undefined
  readonly onSample?: ((sample: Sample) => void) | undefined
}

export interface Sample extends Known {
  readonly seconds: number
  readonly calls: number
  /** Calls that have not ended. */
  readonly pending: number
  /** Bytes, after a collection. */
  readonly heap: number
  readonly rss: number
  readonly timers: number
  /** Of a core, in percent, since the sample before. */
  readonly cpu: number
}

export interface Report {
  readonly minutes: number
  readonly rate: number
  readonly keys: number
  readonly seed: number
  readonly mutant?: Mutant | undefined
  readonly calls: number
  readonly attempts: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly cpuPercent: number
  readonly samples: ReadonlyArray<Sample>
  /** Of the heap after the first tenth, by least squares. */
  readonly bytesPerMinute: number
  readonly bytesPerCall: number
  /** When every call has ended. */
  readonly ended: Sample
  /** When the keys have been idle for as long as the longest of them is kept, and one more call was made. */
  readonly idle: Sample
  readonly problems: ReadonlyArray<string>
}

/** Longer than a breaker remembers a circuit that nobody uses. */
const idleTime = 2 * 3_600_000

/** How many keys are in use at a time. The others were, or will be. */
const active = 100

/** What becomes of a call: the caller's patience, in milliseconds, where it gives up. */
const draw = (random: () => number): { readonly fate: Fate; readonly patience: number | undefined } => {
  const luck = random()
  if (luck < 0.5) return { fate: "answers", patience: undefined }
  if (luck < 0.65) return { fate: "answers at once", patience: undefined }
  if (luck < 0.75) return { fate: "fails first", patience: undefined }
  if (luck < 0.8) return { fate: "fails", patience: undefined }
  if (luck < 0.85) return { fate: "declines", patience: undefined }
  if (luck < 0.9) return { fate: "hangs", patience: undefined }
  return { fate: luck < 0.95 ? "hangs" : "answers", patience: Math.floor(random() * 60) }
}

/** Bytes more for each minute, by least squares. */
export const slopeOf = (points: ReadonlyArray<readonly [minutes: number, bytes: number]>): number => {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [x, y] = [mean(([minutes]) => minutes), mean(([, bytes]) => bytes)]
  const spread = points.reduce((sum, [minutes]) => sum + (minutes - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, [minutes, bytes]) => sum + (minutes - x) * (bytes - y), 0) / spread
}

/** By how much the heap may have grown by the slope over a whole run: what the engine itself learns and compiles. */
const allowed = 1_000_000

const broken = (mutant: Mutant | undefined): Policy.Policy<never, "any"> | undefined => {
  if (mutant === undefined) return undefined
  const kept = new Set<unknown>()
  return Policy.make({
    slot: "call",
    name: mutant,
    build: () =>
      Effect.succeed((step) => (call) => {
        if (mutant === "keeps every call") kept.add(call)
        else if (kept.size < 1) kept.add(setTimeout(() => {}, 600_000))
        return step(call)
      })
  })
}

export const soak = (options: Options): Effect.Effect<Report> =>
  Effect.gen(function* () {
    const { keys, minutes, mutant, onSample, rate, seed } = options
    const stack = yield* make({
      attemptTimeout: 100,
      totalDeadline: 1_000,
      rate: { limit: 4, window: 500 },
      bulkhead: { concurrency: 2, queue: 2 },
      takes: 10,
      around: broken(mutant)
    })
    const random = randomOf(seed)
    const started = performance.now()
    const cpuAtStart = process.cpuUsage()
    const seconds = () => (performance.now() - started) / 1_000
    // In seconds: the keys in use move through all of them in half a minute at least, or in a tenth of the run.
    const lap = Math.max(30, Math.min(300, minutes * 6))
    // A bucket that is full again is looked for every ten seconds.
    const most = Math.ceil(Math.min(keys, active + (keys / lap) * 30))
    const quiet = yield* Effect.context<never>()
    let calls = 0
    let lastCpu = cpuAtStart
    let lastAt = 0
    const running = new Set<Fiber.Fiber<unknown, unknown>>()

    const sample = (): Sample => {
      // The second finds what the finalizers of the first let go.
      gc()
      gc()
      const at = seconds()
      const cpu = process.cpuUsage(lastCpu)
      const { heapUsed, rss } = process.memoryUsage()
      const taken: Sample = {
        seconds: Math.round(at * 10) / 10,
        calls,
        pending: running.size,
        heap: heapUsed,
        rss,
        ...stack.known(),
        timers: timers(),
        cpu: Math.round((cpu.user + cpu.system) / 1_000 / (at - lastAt)) / 10
      }
      lastCpu = process.cpuUsage()
      lastAt = seconds()
      onSample?.(taken)
      return taken
    }

    const start = () => {
      const base = Math.floor((seconds() / lap) * keys)
      const key = `key ${(base + Math.floor(random() * Math.min(active, keys))) % keys}`
      const { fate, patience } = draw(random)
      calls++
      const fiber = Effect.runForkWith(quiet)(Effect.exit(stack.call({ key, fate })))
      if (fiber.pollUnsafe() !== undefined) return
      running.add(fiber)
      const giveUp = patience === undefined ? undefined : setTimeout(() => fiber.interruptUnsafe(), patience)
      fiber.addObserver(() => {
        clearTimeout(giveUp)
        running.delete(fiber)
      })
    }

    const samples: Array<Sample> = []
    // Every minute, and twenty times in a short run.
    const every = Math.min(60, minutes * 3)
    while (seconds() < minutes * 60) {
      while (calls < seconds() * rate) start()
      if (seconds() >= (samples.length + 1) * every) samples.push(sample())
      yield* Effect.sleep(10)
    }
    for (const fiber of running) yield* Fiber.await(fiber)
    // Node counts the timer whose callback runs: this may be the one that ended the last call.
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    const ended = sample()
    // The time that keys are remembered has passed for a last call, and for it alone.
    calls++
    const last = yield* Effect.exit(later(stack.call({ key: "last", fate: "answers at once" }), idleTime))
    const idle = sample()

    const settled = samples.filter((sample) => sample.seconds >= minutes * 6)
    const slope = slopeOf(settled.map(({ heap, seconds }) => [seconds / 60, heap] as const))
    const cpu = process.cpuUsage(cpuAtStart)
    const problems: Array<string> = []
    if (slope * minutes > allowed) {
      problems.push(`the heap grows by ${Math.round(slope)} bytes a minute after the first tenth`)
    }
    for (const { buckets, pending, permits, seconds } of settled) {
      if (buckets > most) problems.push(`${buckets} buckets after ${seconds} s: ${most} keys were in use lately`)
      // A machine that stalls has many calls pending at once, but no key has a permit without one.
      if (permits > pending) problems.push(`${permits} keys with permits after ${seconds} s, of ${pending} calls`)
    }
    if (ended.timers > 0) problems.push(`${ended.timers} timers are left when every call has ended`)
    for (const name of ["permits", "running", "waiting"] as const) {
      if (ended[name] > 0) problems.push(`${ended[name]} ${name} are left when every call has ended`)
    }
    if (Exit.isFailure(last)) problems.push(`the last call failed: ${Cause.pretty(last.cause)}`)
    // The last call's own.
    if (idle.circuits > 1) problems.push(`${idle.circuits - 1} circuits are left when all have been idle`)
    if (idle.buckets > 1) problems.push(`${idle.buckets - 1} buckets are left when all have been idle`)
    return {
      minutes,
      rate,
      keys,
      seed,
      ...(mutant === undefined ? {} : { mutant }),
      calls,
      attempts: stack.attempts(),
      outcomes: stack.outcomes,
      cpuPercent: Math.round((cpu.user + cpu.system) / 1_000 / seconds()) / 10,
      samples,
      bytesPerMinute: Math.round(slope),
      bytesPerCall: Math.round((slope / (rate * 60)) * 1_000) / 1_000,
      ended,
      idle,
      problems
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(Logger.layer([])),
    Effect.provideService(Telemetry.LogLevels, { ok: undefined, failed: undefined })
  )
