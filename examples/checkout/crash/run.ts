/**
 * Kills the checkout's process at random moments and starts it again, until all orders have ended. The providers live on, as
 * those of the world do, and their ledger says in the end what was done how often.
 */
import { Deferred, Effect, FileSystem, Random, Schema } from "effect"
import { fork } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { FaultPlan, Operation } from "../faults.ts"
import type { Order } from "../orders.ts"
import { Providers } from "../provider/handle.ts"
import type { Life, Told } from "./protocol.ts"
import { database, listed } from "./shop.ts"

/** The defaults: together they take some fifteen seconds. */
export const defaultKills = 10
export const defaultOrders = 120

/** How long a process lives at most before it is killed, in milliseconds from when it is up. */
const longestLife = 600
/** How long the last life may take: nothing waits longer than some seconds, unless something is broken. */
const patience = "1 minute"

/** What a step has done over all orders, by the providers' ledger. */
export interface StepFigures {
  /** Orders for which it was done. */
  readonly done: number
  /** Orders for which it was not. A receipt that is listed is not lost. */
  readonly lost: number
  /** Orders for which it was done two times or more. */
  readonly twice: number
  /** Receipts that may have been sent: a person looks after them. */
  readonly listed: number
}

export interface CrashResult {
  readonly orders: number
  /** The ledger holds the reservation, exactly one charge, and the receipt (or the receipt is listed). */
  readonly ordersDone: number
  readonly kills: number
  readonly seconds: number
  readonly steps: Readonly<Record<Operation, StepFigures>>
}

export class CrashError extends Schema.TaggedError<CrashError>()("CrashError", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

export interface CrashOptions {
  readonly orders: ReadonlyArray<Order>
  readonly faults: FaultPlan
  readonly kills: number
  readonly onKill?: ((kill: number, ordersEnded: number) => void) | undefined
}

/** Starts a process, which ends with the scope at the latest. */
const born = (life: Life, cache: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const up = Deferred.makeUnsafe<void>()
        const done = Deferred.makeUnsafe<void>()
        const gone = Deferred.makeUnsafe<string>()
        const state = { ended: 0 }
        const child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), {
          // It imports the package by its name, as this process does: from its sources.
          execArgv: ["-C", "@breakwater/source"],
          env: { ...process.env, NODE_COMPILE_CACHE: cache },
          stdio: ["ignore", "ignore", "inherit", "ipc"]
        })
        child.on("message", ({ ended }: Told) => {
          Deferred.doneUnsafe(up, Effect.void)
          state.ended = ended
          if (ended >= life.orders.length) Deferred.doneUnsafe(done, Effect.void)
        })
        child.on("exit", (code, signal) => Deferred.doneUnsafe(gone, Effect.succeed(signal ?? `exit code ${code}`)))
        // It did not start, or the channel of one that was killed.
        child.on("error", (error) => {
          if (child.pid === undefined) Deferred.doneUnsafe(gone, Effect.succeed(error.message))
        })
        child.send(life, () => {})
        return { child, up, done, gone, state }
      }),
      ({ child, gone }) =>
        Effect.suspend(() => {
          child.kill("SIGKILL")
          return Deferred.await(gone)
        })
    ),
    ({ child, done, gone, state, up }) => {
      const untimely = Effect.flatMap(Deferred.await(gone), (how) =>
        Effect.fail(new CrashError({ problem: `the checkout's process ended by itself (${how})` }))
      )
      return {
        state,
        up: Effect.raceFirst(Deferred.await(up), untimely),
        done: Effect.raceFirst(Deferred.await(done), untimely),
        /** Waits, as long as it lives. */
        sleep: (millis: number) => Effect.raceFirst(Effect.sleep(millis), untimely),
        kill: Effect.suspend(() => {
          child.kill("SIGKILL")
          return Deferred.await(gone)
        }),
        /** Asks it to end, and waits until it has. */
        end: Effect.suspend(() => {
          child.disconnect()
          return Deferred.await(gone)
        })
      }
    }
  )

/** Runs the orders. Fails only if the harness does: what was lost or done twice stands in the result. */
export const runCrashes = (options: CrashOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { faults, kills, orders } = options
      const providers = yield* (yield* Providers).start(faults)
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "checkout-crash-" })
      const file = join(folder, "orders.db")
      const startedAt = performance.now()
      // Customers go on sending orders in every life, so that every kill meets some in their midst.
      const life = (n: number) =>
        born(
          { file, urls: providers.urls, orders: orders.slice(0, Math.ceil((orders.length * n) / (kills + 1))) },
          join(folder, "cache")
        )
      const lives = Effect.gen(function* () {
        for (let n = 1; n <= kills; n++) {
          const uptime = yield* Random.nextBetween(0, longestLife)
          const ended = yield* Effect.scoped(
            Effect.gen(function* () {
              const shop = yield* life(n)
              yield* shop.up
              yield* shop.sleep(uptime)
              yield* shop.kill
              return shop.state.ended
            })
          )
          options.onKill?.(n, ended)
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const shop = yield* life(kills + 1)
            // What has not ended by then is found to be lost.
            yield* Effect.timeoutOption(shop.done, patience)
            yield* Effect.timeoutOption(shop.end, "15 seconds")
          })
        )
      })
      yield* Effect.raceFirst(Random.withSeed(lives, `crash ${faults.seed}`), providers.died)
      const seconds = Number(((performance.now() - startedAt) / 1_000).toFixed(1))
      yield* providers.settled
      const { ledger } = yield* providers.audit
      const left = yield* listed.pipe(
        Effect.provide(database(file)),
        Effect.mapError(({ message }) => new CrashError({ problem: `the orders' file can't be read: ${message}` }))
      )
      if (left.orders.length !== left.entries) {
        return yield* new CrashError({
          problem: `${left.orders.length} orders say that their receipt is listed, the outbox lists ${left.entries}`
        })
      }
      const counts = new Map<string, number>()
      for (const { operation, order } of ledger) {
        counts.set(`${operation} ${order}`, (counts.get(`${operation} ${order}`) ?? 0) + 1)
      }
      const times = (operation: Operation, { id }: Order) => counts.get(`${operation} ${id}`) ?? 0
      const open = new Set(left.orders)
      const figures = (operation: Operation): StepFigures => {
        const isListed = ({ id }: Order) => operation === "receipt" && open.has(id)
        return {
          done: orders.filter((order) => times(operation, order) > 0).length,
          lost: orders.filter((order) => times(operation, order) === 0 && !isListed(order)).length,
          twice: orders.filter((order) => times(operation, order) > 1).length,
          listed: orders.filter(isListed).length
        }
      }
      return {
        orders: orders.length,
        ordersDone: orders.filter(
          (order) =>
            times("reserve", order) > 0 &&
            times("charge", order) === 1 &&
            (times("receipt", order) > 0 || open.has(order.id))
        ).length,
        kills,
        seconds,
        steps: { reserve: figures("reserve"), charge: figures("charge"), receipt: figures("receipt") }
      } satisfies CrashResult
    })
  )
