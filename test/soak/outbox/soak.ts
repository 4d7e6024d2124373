/**
 * A soak of the outbox: processes that take orders and work for one outbox, killed and stopped at every point of an entry's
 * life, over a provider that fails, and an oracle that knows from its script what every order has to become.
 */
import { SqlOutboxStore } from "breakwater/sql"
import { Effect, FiberSet, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { prepare } from "../../idempotency/racing/stores.ts"
import type { Bundle } from "../bundle.ts"
import { pgWire } from "../pgWire.ts"
import {
  committedOf,
  createTables,
  cutConnections,
  endsOf,
  entriesOf,
  integration,
  openSql,
  urlOf
} from "./database.ts"
import { fleetOf, type Process } from "./fleet.ts"
import { judge, type Sent } from "./judge.ts"
import { drawOrder, keyOf, randomOf } from "./orders.ts"
import { planOf } from "./plan.ts"
import { applicationOf, leaseMillis, type Setup, tablesOf } from "./protocol.ts"
import { providerOf } from "./provider.ts"
import type { Options, Report } from "./report.ts"
import { judgeSweeps } from "./sweeping.ts"

const pause = Effect.sleep("25 millis")
/** More entries than these wait for nothing that the soak looks for. */
const enough = 40

/** Runs a soak. Its processes, and what they wrote, are gone when it returns. */
export const soak = (options: Options, bundle: Bundle): Effect.Effect<Report, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { isolation, store: kind } = options
      const seed = options.seed ?? 1
      const random = randomOf(seed)
      const place = yield* prepare(kind, isolation)
      const databaseUrl = process.env.DATABASE_URL
      const wire =
        kind === "postgres"
          ? yield* pgWire(isolation === undefined ? databaseUrl! : urlOf(databaseUrl!, place))
          : undefined
      const sql = yield* openSql({ kind, place, databaseUrl, isolation: undefined })
      yield* createTables(sql, kind, place)
      const tables = tablesOf(kind, place)
      const store = yield* Effect.provideService(
        SqlOutboxStore.make({ table: tables.outbox }),
        SqlClient.SqlClient,
        sql
      )

      const plan = planOf(options)
      const all = new Map<string, Sent>()
      const byKey = new Map<string, string>()
      const committedIn = new Map<string, Array<string>>()
      /** Transactions that hold their lane. */
      const open = new Map<
        string,
        { readonly order: string; readonly cuts: number; readonly name: string; readonly by: Process }
      >()
      const revived = new Set<string>()
      const sweeps = new Set<string>()
      const broken: Array<string> = []
      let orders = 0
      let backlog = 0
      let fenced = 0
      const disturbed = { connection: { order: 0, verdict: 0 }, conflict: { order: 0, verdict: 0 } }
      let swept = 0
      let lastStrike = performance.now()
      const started = performance.now()
      const isStalled = () => performance.now() - lastStrike > (options.stallMillis ?? 60_000)

      const provider = yield* providerOf({
        random,
        rate: options.faults ?? 0.2,
        declines: (order) => {
          const script = all.get(order)?.script
          return script === "declined" || (script === "declined at first" && !revived.has(order))
        },
        onWork: (order, server) => fleet.atWork(server, revived.has(order))
      })
      const setup: Omit<Setup, "keepsCode" | "name"> = {
        kind,
        place,
        databaseUrl: wire?.url ?? databaseUrl,
        isolation,
        providerUrl: provider.url,
        mutant: options.mutant
      }
      const commit = (by: Process, order: string) => {
        const { lane } = all.get(order)!
        if (lane !== undefined && open.get(lane)?.order === order) open.delete(lane)
        fleet.commit(by, order)
      }
      const cutting = yield* FiberSet.runtime(yield* FiberSet.make())()
      const fleet = yield* fleetOf({
        setup,
        bundle,
        processes: options.processes ?? 3,
        random,
        wire,
        isolation,
        cutOff: (name, then) =>
          void cutting(Effect.map(Effect.orDie(cutConnections(sql, applicationOf({ name, place }))), then)),
        onDisturbed: (by, what) => void disturbed[by][what]++,
        onStruck: (aim, counts) => {
          plan.over(aim, counts)
          if (!counts) return
          lastStrike = performance.now()
          options.onProgress?.(plan.sum(plan.done.kill), plan.sum(plan.done.stop))
        },
        onOffered: (order, by) => {
          const { lane } = all.get(order)!
          if (lane !== undefined) {
            const holder = open.get(lane)
            if (
              holder !== undefined &&
              !holder.by.dead &&
              holder.by.name === holder.name &&
              holder.by.cuts === holder.cuts
            ) {
              broken.push(`two open transactions have stored into one lane: ${holder.order} and ${order}`)
            }
            open.set(lane, { order, by, name: by.name, cuts: by.cuts })
            // It comes again only where its earlier transaction was not committed.
            const before = (committedIn.get(lane) ?? []).filter((other) => other !== order)
            committedIn.set(lane, [...before, order])
          }
          setTimeout(() => commit(by, order), random() * 6)
        },
        onSweep: (sweep) => void sweeps.add(sweep),
        onSwept: (forgotten) => void (swept += forgotten),
        onFenced: () => void fenced++,
        onBroken: (what) => void broken.push(what)
      })

      // ---- the load

      const fresh = (): Sent => {
        const sent = drawOrder(`o${++orders}`, random)
        all.set(sent.order, sent)
        byKey.set(keyOf(sent), sent.order)
        return sent
      }
      const some = (): Process | undefined => {
        const ready = fleet.ready()
        return ready[Math.floor(random() * ready.length)]
      }
      /** Orders until it is known whether it is committed. */
      const settled = (sent: Sent): Effect.Effect<void> =>
        Effect.suspend(() => {
          const by = some()
          if (by === undefined) return Effect.andThen(pause, settled(sent))
          return Effect.flatMap(fleet.place(by, sent), (ending) => {
            if (ending === "committed" || ending === "exists") sent.acknowledged = true
            return ending === "gone" || ending === "failed" ? Effect.andThen(pause, settled(sent)) : Effect.void
          })
        })
      const client: Effect.Effect<void> = Effect.suspend(() => {
        if (plan.isDone() || isStalled()) return Effect.void
        if (backlog > enough || fleet.ready().length === 0) return Effect.andThen(pause, client)
        return Effect.andThen(settled(fresh()), Effect.andThen(pause, client))
      })
      const running = yield* FiberSet.make<void>()
      const run = yield* FiberSet.runtime(running)()
      for (let n = 0; n < 6; n++) run(client)

      // ---- who looks after what is dead, and who strikes

      const open_ = ["Waiting", "Pending", "Leased"] as const
      /** When the last look began that found nothing to be done any more. */
      let overAt: number | undefined
      const revive = Effect.gen(function* () {
        const began = performance.now()
        const groups = yield* store.groups({ integration, states: open_ })
        backlog = groups.reduce((sum, { count }) => sum + count, 0)
        const dead = yield* entriesOf(store, ["Dead"])
        const ours = dead.filter(({ key }) => all.get(byKey.get(key ?? "") ?? "")?.script === "declined at first")
        overAt = backlog === 0 && ours.length === 0 ? began : undefined
        for (const { generation, id, key } of ours) {
          const ready = fleet.ready()
          const by = ready.find(({ aim }) => aim?.point === "during redrive" && !aim.arrived) ?? some()
          if (by === undefined) return
          revived.add(byKey.get(key!)!)
          yield* Effect.timeoutOption(fleet.redrive(by, { id, generation }), "5 seconds")
        }
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.orDie(revive), Effect.sleep("100 millis"))))
      const aims = Effect.sync(() => {
        fleet.forget()
        const free = fleet.ready().filter(({ aim }) => aim === undefined)
        // Somebody has to go on.
        if (free.length < 2) return
        const next = plan.next()
        if (next !== undefined) fleet.aimAt(free[Math.floor(random() * free.length)]!, next)
      })
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(aims, Effect.sleep("30 millis"))))

      // ---- the end

      const settle = options.settleMillis ?? 60_000
      const isLate = () => (plan.isDone() || isStalled()) && performance.now() - lastStrike > settle
      const tooLate = Effect.repeat(Effect.sleep("50 millis"), { until: isLate })
      yield* Effect.raceFirst(FiberSet.awaitEmpty(running), tooLate)
      yield* FiberSet.clear(running)
      const placed = performance.now()
      yield* Effect.repeat(Effect.sleep("50 millis"), { until: () => (overAt ?? 0) > placed || isLate() })
      // Whoever was stopped may still be at work: what it does too late counts.
      if (plan.sum(plan.done.stop) > 0) yield* Effect.sleep(leaseMillis)

      if (!plan.isDone()) broken.push(`the soak stalled: nothing could be struck for long: ${fleet.describe()}`)
      broken.push(...(yield* judgeSweeps(store, sweeps)))
      const entries = yield* entriesOf(store)
      const committed = new Set(yield* committedOf(sql, tables))
      const found = judge({
        orders: all,
        committed,
        lanes: committedIn,
        entries,
        orderOf: ({ key }) => byKey.get(key ?? ""),
        ends: yield* endsOf(sql, tables),
        requests: provider.requests,
        executed: provider.ledger.map(({ input }) => input as string)
      })
      const { executedTwice, lost } = found
      const unexpected = [...found.unexpected, ...broken]
      const kindOf = (what: string) => what.slice(0, what.indexOf(":"))
      const first = new Map([...lost, ...executedTwice, ...unexpected].toReversed().map((what) => [kindOf(what), what]))
      return {
        store: kind,
        isolation,
        seed,
        seconds: Math.round((performance.now() - started) / 1000),
        kills: plan.sum(plan.done.kill),
        killsByPoint: plan.done.kill,
        stops: plan.sum(plan.done.stop),
        stopsByPoint: plan.done.stop,
        cuts: plan.sum(plan.done.cut),
        cutsByPoint: plan.done.cut,
        cutOff: disturbed.connection,
        conflicts: disturbed.conflict,
        offered: committed.size,
        delivered: found.delivered,
        dead: found.dead,
        needsReconcile: found.needsReconcile,
        lost: lost.length,
        executedTwice: executedTwice.length,
        unexpected: unexpected.length,
        rolledBack: all.size - committed.size,
        requests: provider.requests.length,
        crashes: entries.reduce((sum, { crashes }) => sum + crashes, 0),
        redriven: entries.reduce((sum, { generation }) => sum + generation, 0),
        fenced,
        swept,
        examples: Array.from(first.values())
      } satisfies Report
    }) as Effect.Effect<Report, unknown, Scope.Scope>
  )
