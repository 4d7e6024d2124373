import * as Effect from "effect/Effect"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import { tooLarge } from "../../http/internal/collect.ts"

/** What the client offers to read, where a request does not say it itself. */
export const accepted = "gzip, deflate, br"

type Inflate = (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
  done: (error: (Error & { readonly code?: string }) | null, plain: Uint8Array) => void
) => void

interface Coding {
  readonly whole: Inflate
  readonly pieces: () => Transform
}

const gzip: Coding = { whole: Zlib.gunzip, pieces: Zlib.createGunzip }
const codings: ReadonlyMap<string, Coding> = new Map([
  ["gzip", gzip],
  ["x-gzip", gzip],
  ["br", { whole: Zlib.brotliDecompress, pieces: Zlib.createBrotliDecompress }],
  ["deflate", { whole: Zlib.inflate, pieces: Zlib.createInflate }]
])

/** The codings in the order in which they are undone, the last one first; none for `identity`. */
const undone = (encoding: string): ReadonlyArray<string> =>
  encoding
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
    .toReversed()

const unknown = (coding: string) => new Error(`the content coding is unknown: ${coding}`)

/** Decompresses a whole body, to no more than the limit: a small answer may unpack to gigabytes. */
export const inflate =
  (encoding: string, limit: number) =>
  (bytes: Uint8Array): Effect.Effect<Uint8Array, unknown> =>
    undone(encoding).reduce<Effect.Effect<Uint8Array, unknown>>((body, name) => {
      const coding = codings.get(name)
      return coding === undefined
        ? Effect.fail(unknown(name))
        : Effect.flatMap(body, (bytes) => unpack(coding, bytes, limit))
    }, Effect.succeed(bytes))

const unpack = (coding: Coding, bytes: Uint8Array, limit: number): Effect.Effect<Uint8Array, unknown> =>
  bytes.length === 0
    ? Effect.succeed(bytes)
    : Effect.callback((resume) => {
        coding.whole(bytes, { maxOutputLength: Math.min(limit, largest) }, (error, plain) =>
          resume(
            error === null
              ? Effect.succeed(plain)
              : Effect.fail(error.code === "ERR_BUFFER_TOO_LARGE" ? tooLarge : error)
          )
        )
      })

/** Node's own default and maximum. */
const largest = 2 ** 31

/** The steps that decompress a body piece by piece; `undefined` where nothing is to be done. */
export const decompressors = (encoding: string): ReadonlyArray<Transform> | Error => {
  const steps: Array<Transform> = []
  for (const name of undone(encoding)) {
    const coding = codings.get(name)
    if (coding === undefined) return unknown(name)
    steps.push(coding.pieces())
  }
  return steps
}
