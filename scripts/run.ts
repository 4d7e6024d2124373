/** What the tool scripts share: where the repository is, running a command, listing files. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "")

export const isMain = (url: string): boolean => process.argv[1] === fileURLToPath(url)

export const bin = (name: string): string => join(root, "node_modules", ".bin", name)

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  readonly output: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Goes to the terminal instead of the result. */
  readonly show?: boolean
}

/** Runs a command to its end. Never throws: a command that cannot be started has status 127. */
export const run = (command: string, args: ReadonlyArray<string>, options: RunOptions = {}): Ran => {
  const done = spawnSync(command, args, {
    cwd: options.cwd ?? root,
    env: {
      ...process.env,
      // Output that a script reads has no colours, and an npm below `npm run -s` still says why it failed.
      ...(options.show === true ? {} : { NO_COLOR: "1", FORCE_COLOR: undefined, npm_config_loglevel: "error" }),
      PATH: [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
      ...options.env
    },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    stdio: options.show === true ? "inherit" : ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32"
  })
  const stdout = done.stdout ?? ""
  const stderr = (done.stderr ?? "") + (done.error === undefined ? "" : `${done.error.message}\n`)
  return { status: done.status ?? 127, stdout, stderr, output: stdout + stderr }
}

/** Files below a folder of the repository, as sorted paths from its root with `/`; none if the folder is missing. */
export const filesUnder = (folder: string): ReadonlyArray<string> =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(root.length + 1)
            .replaceAll("\\", "/")
        )
        .toSorted()
    : []

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

export const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

export interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly code: string
  /** The whole message, its indented lines included. */
  readonly message: string
}

/** Reads the output of `tsc --pretty false`. */
export const diagnosticsOf = (output: string): ReadonlyArray<Diagnostic> => {
  const found: Array<{ file: string; line: number; code: string; message: string }> = []
  for (const text of output.split(/\r?\n/)) {
    const head = /^(.+?)\((\d+),\d+\): error (TS\d+): (.*)$/.exec(text) ?? /^()()error (TS\d+): (.*)$/.exec(text)
    if (head !== null) {
      found.push({
        file: head[1]!.replaceAll("\\", "/"),
        line: Number(head[2]),
        code: head[3]!,
        message: head[4]!
      })
    } else if (/^\s+\S/.test(text) && found.length > 0) found.at(-1)!.message += `\n${text}`
  }
  return found
}

export const squeeze = (text: string): string => text.replace(/\s+/g, " ").trim()
