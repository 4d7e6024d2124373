// The services of a command line, from Node: arguments, output, a line of input, and how wide the terminal is.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { createInterface } from "node:readline"
import process from "node:process"

const size = () => ({ columns: Math.max(process.stdout.columns ?? 80, 60), rows: process.stdout.rows ?? 24 })

/** One line of the standard input; it is over at its end. */
const readLine: Effect.Effect<string, Terminal.QuitError> = Effect.callback((resume) => {
  const lines = createInterface({ input: process.stdin, terminal: false })
  lines.once("line", (line) => {
    resume(Effect.succeed(line))
    lines.close()
  })
  lines.once("close", () => resume(Effect.fail(new Terminal.QuitError())))
  return Effect.sync(() => lines.close())
})

const terminal = Terminal.make({
  columns: Effect.sync(() => size().columns),
  rows: Effect.sync(() => size().rows),
  size: Effect.tap(Queue.make<Terminal.Size, Cause.Done>(), (queue) => Queue.offer(queue, size())),
  // Nothing is asked by single keys.
  readInput: Effect.tap(Queue.make<Terminal.UserInput, Cause.Done>(), Queue.end),
  readLine,
  display: (text) => Effect.sync(() => void process.stdout.write(text))
})

const write = (stream: NodeJS.WriteStream) => () =>
  Sink.forEach((chunk: string | Uint8Array) => Effect.sync(() => void stream.write(chunk)))

const stdio = Stdio.make({
  args: Effect.sync(() => process.argv.slice(2)),
  stdinIsTerminal: Effect.sync(() => process.stdin.isTTY === true),
  stdoutIsTerminal: Effect.sync(() => process.stdout.isTTY === true),
  stderrIsTerminal: Effect.sync(() => process.stderr.isTTY === true),
  stdout: write(process.stdout),
  stderr: write(process.stderr),
  stdin: Stream.empty
})

export const services = Layer.mergeAll(
  Layer.succeed(Terminal.Terminal, terminal),
  Layer.succeed(Stdio.Stdio, stdio),
  // Effect's commands ask for them, for flags that read files and for prompts that open an editor; there is none here.
  FileSystem.layerNoop({}),
  Path.layer,
  Layer.succeed(
    ChildProcessSpawner.ChildProcessSpawner,
    ChildProcessSpawner.make(() => Effect.die(new Error("the command line starts no processes")))
  )
)

/**
 * Runs it to its end. Ctrl-C interrupts it, so that a transaction is rolled back and connections are closed; a second one ends
 * the process at once. Who reads the output may leave before its end: `head` does.
 */
export const run = Runtime.makeRunMain(({ fiber, teardown }) => {
  let left = false
  const stop = () => {
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
    fiber.interruptUnsafe()
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") process.exitCode = 1
      left = true
      fiber.interruptUnsafe()
    })
  }
  fiber.addObserver((exit) => {
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
    process.stdin.destroy()
    teardown(exit, (code) => {
      // Not `exit`, which would cut off what is not written yet.
      process.exitCode = left && Exit.hasInterrupts(exit) ? 0 : code
    })
  })
})
