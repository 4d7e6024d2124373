/** Fresh processes for cases: each has a heap, an inline cache and timers of its own. */
import { type ChildProcess, fork, type ForkOptions } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const conditions = ["-C", "@breakwater/source"]

const options = (flags: ReadonlyArray<string>): ForkOptions => ({
  execArgv: [...conditions, ...flags],
  // Compiled code is kept between the processes of a run, which else spend most of their time on loading.
  env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), `breakwater-bench-${process.pid}`) },
  // What a peer prints must not get into the JSON of stdout.
  stdio: ["ignore", "ignore", "inherit", "ipc"]
})

export const start = (file: string, args: ReadonlyArray<string>, flags: ReadonlyArray<string> = []): ChildProcess =>
  fork(fileURLToPath(new URL(`./${file}`, import.meta.url)), [...args], options(flags))

/** Starts a process and waits for its one message. */
export const fresh = async (
  file: string,
  args: ReadonlyArray<string>,
  flags: ReadonlyArray<string> = []
): Promise<unknown> => {
  const child = start(file, args, flags)
  let answer: { readonly message: unknown } | undefined
  child.on("message", (message) => {
    answer = { message }
  })
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null]
  if (code !== 0 || answer === undefined) {
    throw new Error(
      `${file} ${args.join(" ")}: ended with ${signal ?? code}${answer === undefined ? ", no answer" : ""}`
    )
  }
  return answer.message
}

/** The next message of a process that stays. */
export const ask = async (child: ChildProcess, question?: string): Promise<unknown> => {
  const ended = new AbortController()
  const gone = once(child, "exit", { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${String(code)}`)
  })
  const answer = once(child, "message", { signal: ended.signal }).then(([message]) => message as unknown)
  if (question !== undefined) child.send(question)
  try {
    return await Promise.race([answer, gone])
  } finally {
    ended.abort()
    gone.catch(() => {})
    answer.catch(() => {})
  }
}

export const stop = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, "exit")
  child.kill()
  await gone
}
