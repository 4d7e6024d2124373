/**
 * One fault against one SDK, and what became of it: for the test, and for the table of `docs/recipes/sdks.md`.
 */
import { Policy } from "breakwater"
import { FaultInjection, IntegrationTest } from "breakwater/testing"
import { SocketServer } from "breakwater/testing/node"
import { Context, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { type Case, cases, refused } from "./faults.ts"
import { Calling, type Sdk, sdks } from "./sdks.ts"

export type Operation = "read" | "write"

export interface Result {
  readonly exit: Exit.Exit<unknown, { readonly _tag: string }>
  readonly recording: IntegrationTest.Recorded
  readonly provider: FaultInjection.FaultInjection
  /** What the other host got. */
  readonly elsewhere: FaultInjection.FaultInjection
  /** Everything that was logged, as text. */
  readonly logged: string
  /** The cell of the table: the attempts, and what is known in the end. */
  readonly cell: string
}

const attemptTimeout = "30 seconds"

const policy = Policy.standard({
  attemptTimeout,
  totalDeadline: "2 minutes",
  schedule: Policy.backoff({ base: 1, throttledBase: 1 })
})

/** Lets what is due on the real event loop happen: sockets are real, whatever clock the policy has. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/**
 * Runs a call, and ends its first attempt by its timeout once it is on its way. Only the policy's timers are in the hands
 * of the test: those of the SDK, and the sockets, are real.
 */
export const cutFirst = <A, E, R>(self: Effect.Effect<A, E, R>, underWay: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(self, { startImmediately: true })
    yield* underWay
    yield* TestClock.adjust(attemptTimeout)
    // Past the backoff, and far from the end of the second attempt.
    for (let n = 0; n < 5; n++) {
      yield* turn
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()))

/** Carries out one call of an SDK that meets one fault; `fault: undefined` is a server that is not there. */
export const run = (sdk: Sdk, operation: Operation, fault: Case | undefined): Effect.Effect<Result> =>
  Effect.gen(function* () {
    const provider = FaultInjection.make({ respond: sdk.respond })
    const elsewhere = FaultInjection.make({ respond: sdk.respond })
    const { refusing, url } = yield* SocketServer.listen(provider)
    const other = yield* SocketServer.listen(elsewhere)
    if (fault !== undefined) yield* provider.inject([fault.fault(sdk, other.url)])
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => lines.push(line))])
    const context = yield* Layer.build(Layer.merge(sdk.connect(url, policy), logger))
    const call = Effect.exit(Effect.provide(Context.get(context, Calling)[operation], context))
    const exit = yield* fault === undefined
      ? refusing(call)
      : fault.stalls === true
        ? cutFirst(call, provider.awaitFault())
        : call
    const recording = Context.get(context, IntegrationTest.Recording)
    const [observed] = recording.calls
    const attempts = (observed?.attempts ?? []).map(({ reason }) => reason).join(", ")
    return {
      exit,
      recording,
      provider,
      elsewhere,
      logged: lines.join("\n"),
      cell: Exit.isSuccess(exit) ? attempts : `${attempts}: **${observed?.outcome}**`
    }
  }).pipe(Effect.scoped, Effect.orDie)

/** One table: a line for every fault, a column for every SDK. */
const table = (operation: Operation, cells: ReadonlyMap<string, string>): string =>
  [
    `| | ${sdks.map(({ name }) => `\`${name}\``).join(" | ")} |`,
    `| --- |${sdks.map(() => " --- |").join("")}`,
    ...[...cases.map(({ name }) => name), refused].map(
      (name) => `| ${name} | ${sdks.map((sdk) => cells.get(idOf(sdk, operation, name)) ?? "").join(" | ")} |`
    )
  ].join("\n")

export const idOf = (sdk: Sdk, operation: Operation, fault: string) => `${sdk.name} ${operation} ${fault}`

/** Every combination, named as in the tables. */
export const combinations = sdks.flatMap((sdk) =>
  (["read", "write"] as const).flatMap((operation) =>
    [...cases, undefined].map((fault) => ({
      sdk,
      operation,
      fault,
      id: idOf(sdk, operation, fault?.name ?? refused)
    }))
  )
)

export const tables = (cells: ReadonlyMap<string, string>): Record<Operation, string> => ({
  read: table("read", cells),
  write: table("write", cells)
})
