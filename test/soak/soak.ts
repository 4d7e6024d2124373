/**
 * A soak of the receiver: servers that are killed, stopped and cut off at every point of a request, a load that does not
 * give up, and an oracle that counts what was done.
 */
import { Effect, FiberSet, type Scope } from "effect"
import { openStore, prepare } from "../idempotency/racing/stores.ts"
import type { Bundle } from "./bundle.ts"
import { deliver, judge, type Sent } from "./load.ts"
import { databaseOf, providerOf } from "./oracle.ts"
import { pgWire } from "./pgWire.ts"
import { type ByPoint, planOf, type Wanted } from "./plan.ts"
import type { Kind, Mode, Mutant, Setup } from "./protocol.ts"
import { type Aim, type Server, servers } from "./servers.ts"
import { judgeSweeps } from "./sweeping.ts"

export interface Options extends Wanted {
  readonly servers?: number | undefined
  readonly leaseMillis?: number | undefined
  /** How long after the last strike a key may be without a definite answer. Default: a minute. */
  readonly settleMillis?: number | undefined
  /** How long without a strike the soak goes on. Default: a minute. */
  readonly stallMillis?: number | undefined
  /** Of what is chosen: the time of a kill, and who is faster, it does not repeat. */
  readonly seed?: number | undefined
  readonly mutant?: Mutant | undefined
  readonly onProgress?: ((kills: number, stops: number) => void) | undefined
}

export interface Report {
  readonly store: Kind
  readonly mode: Mode
  readonly seed: number
  readonly seconds: number
  /** Of a process that held a claim. */
  readonly kills: number
  readonly killsByPoint: ByPoint
  readonly stops: number
  readonly stopsByPoint: ByPoint
  readonly cuts: number
  /** Kills of a process that held no claim, which do not count. */
  readonly idleKills: number
  /** What had become of the COMMIT in whose middle a process was struck. */
  readonly commits: { readonly committed: number; readonly rolledBack: number }
  /** Writes of a process that had lost its claim, which the store refused. */
  readonly fenced: number
  /** Records that were forgotten by sweeps which had returned when their process was struck. */
  readonly swept: number
  /** Answers to what was done and could not be recorded. */
  readonly unrecorded: number
  readonly keys: number
  readonly requests: number
  readonly lost: number
  readonly duplicated: number
  readonly violations: number
  /** The first of every kind. */
  readonly examples: ReadonlyArray<string>
}

/** Numbers from a seed (mulberry32). */
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const pause = Effect.sleep("20 millis")

/** Runs a soak. Its processes, and what they wrote, are gone when it returns. */
export const soak = (options: Options, bundle: Bundle): Effect.Effect<Report, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { mode, store } = options
      const seed = options.seed ?? 1
      const random = randomOf(seed)
      const leaseMillis = options.leaseMillis ?? 1_000
      const place = yield* prepare(store)
      const databaseUrl = process.env.DATABASE_URL
      const wire = store === "postgres" && mode === "transactional" ? yield* pgWire(databaseUrl!) : undefined
      const provider = yield* providerOf(random)
      const effects = mode === "leased" ? provider.effects : yield* databaseOf(store as "sqlite", place, databaseUrl)
      const setup: Omit<Setup, "keepsCode"> = {
        kind: store,
        mode,
        place,
        databaseUrl: wire?.url ?? databaseUrl,
        redisUrl: process.env.REDIS_URL,
        providerUrl: provider.url,
        leaseMillis,
        mutant: options.mutant
      }

      const plan = planOf(options)
      const all = new Map<string, Sent>()
      /** The request that was on its way when its process was struck within COMMIT. */
      const commits = new Map<string, string>()
      /** The requests beside which a process swept when it was struck. */
      const sweeps: Array<string> = []
      const broken: Array<string> = []
      let swept = 0
      let fenced = 0
      let idleKills = 0
      let keys = 0
      let lastStrike = performance.now()
      const started = performance.now()

      const isStalled = () => performance.now() - lastStrike > (options.stallMillis ?? 60_000)

      const running = yield* FiberSet.make<void>()
      const run = yield* FiberSet.runtime(running)()
      const fresh = (): Sent => {
        const sent: Sent = {
          key: `order-${++keys}`,
          decline: random() < 0.1,
          answers: [],
          requests: 0,
          answered: false,
          repeated: false
        }
        all.set(sent.key, sent)
        return sent
      }
      const forget = (aim: Aim | undefined) => {
        // Answered without having been struck: another process was faster.
        if (aim === undefined || aim.arrived || aim.server.aim !== aim) return
        aim.server.aim = undefined
        plan.over(aim, false)
      }
      const delivered = (sent: Sent, aimed: () => Pick<Aim, "server" | "point"> | undefined, aim?: Aim) =>
        deliver(sent, { ready: () => fleet.ready(), random, aim: aimed, onAnswered: () => forget(aim) })

      const fleet = yield* servers({
        setup,
        bundle,
        servers: options.servers ?? 3,
        random,
        wire,
        isAnswered: (key) => all.get(key)?.answered === true,
        sendCompanion: (server) => {
          const sent = fresh()
          const { child } = server
          run(delivered(sent, () => (server.child === child ? { server, point: "after claim" } : undefined)))
          return sent.key
        },
        onStruck: (aim, counts) => {
          lastStrike = performance.now()
          plan.over(aim, counts)
          if (!counts) idleKills++
          if (aim.point === "during commit") commits.set(aim.key, aim.attempt)
          if (aim.point === "during sweep") sweeps.push(aim.attempt)
          options.onProgress?.(plan.sum(plan.done.kill), plan.sum(plan.done.stop))
        },
        onSwept: (forgotten) => (swept += forgotten),
        onFenced: () => fenced++,
        onBroken: (what) => broken.push(what)
      })

      /** A server at which nothing is aimed. The last one stays so: somebody has to answer. */
      const target = (): Server | undefined => {
        const ready = fleet.ready()
        const free = ready.filter(({ aim }) => aim === undefined)
        return free.length > 1 || ready.length === 1 ? free[0] : undefined
      }
      const aimAt = (server: Server | undefined, { key }: Sent): Aim | undefined => {
        const next = server === undefined ? undefined : plan.next()
        if (server === undefined || next === undefined) return undefined
        const aim: Aim = { key, server, arrived: false, attempt: "", ...next }
        server.aim = aim
        return aim
      }
      const worker: Effect.Effect<void> = Effect.suspend(() => {
        if (plan.isDone() || isStalled()) return Effect.void
        if (fleet.ready().length === 0) return Effect.andThen(pause, worker)
        const sent = fresh()
        const aim = aimAt(target(), sent)
        // A refusal has no body that is cut, and a row that is rolled back makes no commit long.
        if (aim?.point === "mid response" || aim?.point === "during commit") sent.decline = false
        const isAimed = () => aim !== undefined && aim.server.aim === aim && !aim.arrived
        return Effect.andThen(
          delivered(sent, () => (isAimed() ? aim : undefined), aim),
          Effect.andThen(pause, worker)
        )
      })
      for (let n = 0; n < 8; n++) run(worker)

      const settle = options.settleMillis ?? 60_000
      const tooLate: Effect.Effect<void> = Effect.suspend(() =>
        (plan.isDone() || isStalled()) && performance.now() - lastStrike > settle
          ? Effect.void
          : Effect.andThen(Effect.sleep("100 millis"), tooLate)
      )
      yield* Effect.raceFirst(FiberSet.awaitEmpty(running), tooLate)
      yield* FiberSet.clear(running)
      // Whoever was stopped may still be at work: what it does too late counts.
      if (plan.sum(plan.done.stop) > 0) yield* Effect.sleep(leaseMillis / 2)

      if (!plan.isDone()) broken.push(`the soak stalled: no process could be struck for a minute: ${fleet.describe()}`)
      if (sweeps.length > 0) broken.push(...(yield* judgeSweeps(yield* openStore(store, place), sweeps)))
      const counts = new Map<string, number>()
      for (const order of yield* effects) counts.set(order, (counts.get(order) ?? 0) + 1)
      const { duplicated, lost, violations } = judge(all.values(), (key) => counts.get(key) ?? 0)
      for (const order of counts.keys())
        if (!all.has(order)) broken.push(`something was done that nobody ordered: ${order}`)
      const committed = Array.from(commits).filter(([key, attempt]) =>
        all.get(key)!.answers.some(({ body, status }) => status === 201 && body.includes(`"${attempt}"`))
      ).length
      const every = [...lost, ...duplicated, ...violations, ...broken]
      const first = new Map(every.toReversed().map((what) => [what.slice(0, what.indexOf(":")), what]))
      return {
        store,
        mode,
        seed,
        seconds: Math.round((performance.now() - started) / 1000),
        kills: plan.sum(plan.done.kill),
        killsByPoint: plan.done.kill,
        stops: plan.sum(plan.done.stop),
        stopsByPoint: plan.done.stop,
        cuts: plan.sum(plan.done.cut),
        idleKills,
        commits: { committed, rolledBack: commits.size - committed },
        fenced,
        swept,
        unrecorded: Array.from(all.values()).flatMap(({ answers }) => answers.filter(({ unrecorded }) => unrecorded))
          .length,
        keys: all.size,
        requests: Array.from(all.values()).reduce((sum, { requests }) => sum + requests, 0),
        lost: lost.length,
        duplicated: duplicated.length,
        violations: violations.length + broken.length,
        examples: Array.from(first.values())
      } satisfies Report
    }) as Effect.Effect<Report, unknown, Scope.Scope>
  )
