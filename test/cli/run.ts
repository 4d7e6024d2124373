/** The command line as a user runs it: a process of its own. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What is typed; then the input is over, unless it stays open. */
  readonly input?: string
  readonly open?: boolean
  readonly node?: ReadonlyArray<string>
  /** Called with all that was printed so far. */
  readonly onOutput?: (text: string, child: ReturnType<typeof spawn>) => void
}

export const breakwater = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Ran> =>
  Effect.promise(
    () =>
      new Promise((done, failed) => {
        const child = spawn(
          process.execPath,
          ["-C", "@breakwater/source", ...(options.node ?? []), "src/cli/main.ts", ...args],
          {
            cwd: root,
            env: { PATH: process.env["PATH"], NO_COLOR: "1", USER: "ada", ...options.env },
            stdio: ["pipe", "pipe", "pipe"]
          }
        )
        let stdout = ""
        let stderr = ""
        child.stdout.on("data", (chunk: Buffer) => {
          stdout += chunk.toString()
          options.onOutput?.(stdout + stderr, child)
        })
        child.stderr.on("data", (chunk: Buffer) => {
          stderr += chunk.toString()
          options.onOutput?.(stdout + stderr, child)
        })
        child.on("error", failed)
        child.on("close", (code) => done({ code, stdout, stderr }))
        // It may have ended before it read what was typed.
        child.stdin.on("error", () => {})
        if (options.input !== undefined) child.stdin.write(options.input)
        if (options.open !== true) child.stdin.end()
      })
  )
