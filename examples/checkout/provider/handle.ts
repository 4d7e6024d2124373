/** The harness's side of the provider process: one process, any number of runs, also at the same time. */
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { FaultPlan } from "../faults.ts"
import type { Audit, Command, CommandMessage, ProviderUrls, Replies, ReplyMessage } from "./protocol.ts"

export class ProvidersError extends Schema.TaggedError<ProvidersError>()("ProvidersError", {
  problem: Schema.String
}) {
  override get message(): string {
    return `the provider process: ${this.problem}`
  }
}

/** One run: three fresh servers whose state nobody else touches. Ends with its scope. */
export interface ProviderRun {
  readonly urls: ProviderUrls
  /** Lets faults come by another plan from now on. */
  readonly change: (plan: FaultPlan) => Effect.Effect<void, ProvidersError>
  /** Waits for executions that outlived their client; no sleep, the providers say when. */
  readonly settled: Effect.Effect<void, ProvidersError>
  readonly audit: Effect.Effect<Audit, ProvidersError>
  /** Fails when the provider process ends, and waits until then. */
  readonly died: Effect.Effect<never, ProvidersError>
}

export class Providers extends Context.Service<
  Providers,
  {
    readonly start: (plan: FaultPlan) => Effect.Effect<ProviderRun, ProvidersError, Scope.Scope>
  }
>()("checkout/Providers") {
  static readonly layer: Layer.Layer<Providers, ProvidersError> = Layer.effect(
    Providers,
    Effect.gen(function* () {
      const { ask, died } = yield* Effect.acquireRelease(spawnProcess, ({ child }) => kill(child))
      let runs = 0
      const start = Effect.fnUntraced(function* (plan: FaultPlan) {
        const run = ++runs
        const urls = yield* Effect.acquireRelease(ask({ type: "start", run, plan }), () =>
          // A process that is gone has no run left to stop.
          Effect.ignore(ask({ type: "stop", run }))
        )
        const change = (plan: FaultPlan) => Effect.asVoid(ask({ type: "change", run, plan }))
        return {
          urls,
          change,
          settled: Effect.asVoid(ask({ type: "settle", run })),
          audit: ask({ type: "audit", run }),
          died
        }
      })
      return Providers.of({ start })
    })
  )
}

type Ask = <C extends Command>(command: C) => Effect.Effect<Replies[C["type"]], ProvidersError>

interface ProviderProcess {
  readonly child: ChildProcess
  readonly ask: Ask
  readonly died: Effect.Effect<never, ProvidersError>
}

const spawnProcess: Effect.Effect<ProviderProcess, ProvidersError> = Effect.callback((resume) => {
  // It imports the package by its name, as this process does: from its sources.
  const file = fileURLToPath(new URL("../providers.ts", import.meta.url))
  const child = spawn(process.execPath, ["-C", "@breakwater/source", file], {
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  const waiting = new Map<number, (reply: ReplyMessage) => void>()
  const mourners = new Set<(problem: string) => void>()
  let ended: string | undefined
  const end = (problem: string) => {
    ended ??= problem
    for (const [id, settle] of waiting) settle({ id, error: problem })
    waiting.clear()
    for (const mourn of mourners) mourn(problem)
  }
  child.on("message", (message: ReplyMessage) => {
    waiting.get(message.id)?.(message)
    waiting.delete(message.id)
  })
  child.on("exit", (code, signal) => end(`ended (${signal ?? `exit code ${code}`})`))
  const died: ProviderProcess["died"] = Effect.callback((resume) => {
    const fail = (problem: string) => resume(Effect.fail(new ProvidersError({ problem })))
    if (ended !== undefined) return fail(ended)
    mourners.add(fail)
    return Effect.sync(() => void mourners.delete(fail))
  })
  let ids = 0
  const ask: Ask = (command) =>
    Effect.callback((resume) => {
      const fail = (problem: string) => resume(Effect.fail(new ProvidersError({ problem })))
      if (ended !== undefined) return fail(ended)
      const message: CommandMessage = { id: ++ids, command }
      waiting.set(message.id, (reply) =>
        "error" in reply ? fail(reply.error) : resume(Effect.succeed(reply.ok as Replies[(typeof command)["type"]]))
      )
      child.send(message, (error) => {
        if (error === null) return
        waiting.delete(message.id)
        fail(ended ?? error.message)
      })
      return Effect.sync(() => waiting.delete(message.id))
    })
  child.once("error", (error) => {
    end(error.message)
    resume(Effect.fail(new ProvidersError({ problem: `did not start: ${error.message}` })))
  })
  child.once("spawn", () => resume(Effect.succeed({ child, ask, died })))
})

const kill = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
