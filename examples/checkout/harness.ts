/**
 * Runs every order through one client (reserve, charge, receipt) against fresh providers, and counts what happened: from
 * the providers' ledger where the ledger knows, from what the program was told only where that is the question.
 */
import { Context, Effect, Exit, type Fiber, Layer, Scope } from "effect"
import { Checkout, type ClientEntry, type ClientOptions } from "./client.ts"
import { type FaultPlan, operations } from "./faults.ts"
import { concurrency, hungAfterMs } from "./limits.ts"
import type { Order } from "./orders.ts"
import { Providers, type ProvidersError } from "./provider/handle.ts"
import { makeTally, type Progress, type RunResult, type Settled, type Tally } from "./tally.ts"

export interface RunOptions {
  readonly client: ClientEntry
  readonly orders: ReadonlyArray<Order>
  readonly faults: FaultPlan
  readonly concurrency?: number | undefined
  /** Milliseconds after which a call counts as hung and is cut; 5 s unless a test says otherwise. */
  readonly hungAfterMs?: number | undefined
  /** Called after every call, and after every order. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Called when the run is interrupted, with the figures so far. */
  readonly onInterrupted?: ((result: RunResult) => void) | undefined
}

/** Runs all orders through one client. Fails only when the harness itself does, never because of the client. */
export const runClient = (options: RunOptions): Effect.Effect<RunResult, ProvidersError, Providers> =>
  Effect.scoped(
    Effect.gen(function* () {
      const run = yield* (yield* Providers).start(options.faults)
      const tally = makeTally(options)
      const { checkout, close } = yield* build(options.client, { urls: run.urls, observe: tally.observe })
      const limitMs = options.hungAfterMs ?? hungAfterMs
      tally.start()
      return yield* Effect.forEach(options.orders, (order) => runOrder(checkout, order, tally, limitMs), {
        concurrency: options.concurrency ?? concurrency,
        discard: true
      }).pipe(
        Effect.raceFirst(run.died),
        Effect.andThen(Effect.sync(tally.stop)),
        Effect.andThen(close),
        Effect.andThen(run.settled),
        Effect.andThen(Effect.map(run.audit, tally.result)),
        // The finaliser of an interrupted fiber cannot be cut, so the audit gets a fiber and a limit of its own.
        Effect.onInterrupt(() => apart(Effect.map(run.audit, (audit) => options.onInterrupted?.(tally.result(audit)))))
      )
    })
  )

const runOrder = Effect.fnUntraced(function* (
  checkout: Checkout["Service"],
  order: Order,
  tally: Tally,
  limitMs: number
) {
  tally.orderStarted()
  for (const operation of operations) {
    const succeeded = yield* runCall(
      Effect.suspend(() => checkout[operation](order)),
      limitMs,
      (settled) => tally.call(operation, order, settled)
    )
    if (!succeeded) break
  }
  tally.orderEnded()
})

/**
 * Runs a call in a fiber of its own, and waits for its end or for `limitMs` of wall time, whichever is first. A call that
 * is cut is interrupted, but not waited for: what cannot be interrupted must not hold up the harness as well.
 */
const runCall = (
  call: Effect.Effect<unknown, unknown>,
  limitMs: number,
  onSettled: (settled: Settled) => void
): Effect.Effect<boolean> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.callback((resume) => {
      const startedAt = performance.now()
      const fiber = Effect.runForkWith(context)(call)
      let isSettled = false
      const settle = (exit: Settled["exit"]) => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        onSettled({ exit, latencyMs: performance.now() - startedAt })
        resume(Effect.succeed(exit !== "hung" && Exit.isSuccess(exit)))
      }
      const timer = setTimeout(() => {
        const exit = fiber.pollUnsafe()
        settle(exit ?? "hung")
        if (exit === undefined) fiber.interruptUnsafe()
      }, limitMs)
      // Called at once if the call has already settled, as one that a client rejects itself does.
      fiber.addObserver(settle)
      return Effect.sync(() => {
        isSettled = true
        clearTimeout(timer)
        fiber.interruptUnsafe()
      })
    })
  )

/** Builds a client in a scope of its own, whose end is awaited for at most 2 s: a client that hangs there is left. */
const build = Effect.fnUntraced(function* (client: ClientEntry, options: ClientOptions) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.sync(() => void Effect.runFork(Scope.close(scope, Exit.void))))
  const context = yield* Effect.orDie(Layer.buildWithScope(client.layer(options), scope))
  return { checkout: Context.get(context, Checkout), close: apart(Scope.close(scope, Exit.void)) }
})

/** Runs an effect in a fiber of its own, and waits for it for at most 2 s. */
const apart = (effect: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const fiber: Fiber.Fiber<unknown, unknown> = Effect.runFork(effect)
    const end = () => {
      clearTimeout(timer)
      resume(Effect.void)
    }
    const timer = setTimeout(end, 2_000)
    fiber.addObserver(end)
  })
