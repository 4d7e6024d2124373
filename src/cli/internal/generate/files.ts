// Files that appear whole or not at all.
import * as Effect from "effect/Effect"
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import process from "node:process"
import { type Failed, failed } from "../failed.ts"
import { clean } from "../print.ts"

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EEXIST: "a file of this name is in the way",
  EISDIR: "it is a folder",
  ENOENT: "there is no such file",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of its path is a file",
  EPERM: "permission denied",
  EROFS: "the file system is read-only"
}

/** Why Node refused, in words where they are known. */
export const why = (error: unknown): string => {
  const { code } = error as { readonly code?: unknown }
  return typeof code === "string" ? (reasons[code] ?? code) : "the reason is not known"
}

/** The text of a file, `undefined` where there is none. */
export const readIfThere = (path: string): Effect.Effect<string | undefined, Failed> =>
  Effect.tryPromise({
    try: () =>
      readFile(path, "utf8").catch((error: { readonly code?: string }) =>
        error.code === "ENOENT" ? undefined : Promise.reject(error)
      ),
    catch: (error) => failed(`${clean(path)} can't be read: ${why(error)}`)
  })

/** Whether there is anything of this name. */
export const isThere = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    lstat(path).then(
      () => true,
      () => false
    )
  )

export interface Output {
  readonly path: string
  readonly text: string
}

/**
 * Writes all texts beside their places first, and then moves them there: who reads a file finds the old text or the new one.
 * A Ctrl-C before the moves changes nothing, and one during them comes after the last.
 */
export const writeWhole = (outputs: ReadonlyArray<Output>): Effect.Effect<void, Failed> => {
  const asked = outputs.map(({ path, text }) => ({
    path,
    text,
    temporary: join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  }))
  const attempt = (path: string, body: (signal: AbortSignal) => Promise<unknown>) =>
    Effect.tryPromise({ try: body, catch: (error) => failed(`${clean(path)} can't be written: ${why(error)}`) })
  return Effect.gen(function* () {
    yield* Effect.forEach(new Set(asked.map(({ path }) => dirname(path))), (folder) =>
      attempt(folder, () => mkdir(folder, { recursive: true }))
    )
    yield* Effect.forEach(asked, ({ path, temporary, text }) =>
      attempt(path, (signal) => writeFile(temporary, text, { signal }))
    )
    yield* Effect.uninterruptible(
      Effect.forEach(asked, ({ path, temporary }) => attempt(path, () => rename(temporary, path)))
    )
  }).pipe(
    Effect.ensuring(
      Effect.ignore(Effect.forEach(asked, ({ temporary }) => Effect.tryPromise(() => rm(temporary, { force: true }))))
    )
  )
}
