// The format of a cassette: a header, then one exchange a line.
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describeIssue } from "../../PolicyDecode.ts"
import { CassetteError, recordWith } from "../CassetteError.ts"
import type { Body, Exchange, Part, Request, Response } from "../Exchange.ts"
import { parseJson } from "./bodies.ts"

/** An exchange as it stands in a file. */
export interface Line {
  readonly exchange: Exchange
  /** The line of the file, from 1. */
  readonly line: number
  readonly text: string
}

const version = 1
const header = `{"cassette":${version}}`

// ---- schemas

const Body: Schema.Codec<Body> = Schema.Union([
  Schema.Struct({ json: Schema.Unknown }),
  Schema.Struct({ form: Schema.Array(Schema.Tuple([Schema.String, Schema.String])) }),
  Schema.Struct({ multipart: Schema.Array(Schema.suspend((): Schema.Codec<Part> => Part)) }),
  Schema.Struct({ text: Schema.String }),
  Schema.Struct({ base64: Schema.String })
])

const Part: Schema.Codec<Part> = Schema.Struct({
  name: Schema.String,
  filename: Schema.optional(Schema.String),
  type: Schema.optional(Schema.String),
  body: Schema.optional(Body)
})

const Headers = Schema.Record(Schema.String, Schema.String)

const Exchange: Schema.Codec<Exchange> = Schema.Struct({
  request: Schema.Struct({
    method: Schema.NonEmptyString,
    url: Schema.NonEmptyString,
    headers: Headers,
    body: Schema.optional(Body)
  }),
  response: Schema.optional(
    Schema.Struct({
      status: Schema.Int,
      headers: Headers,
      body: Schema.optional(Body),
      cut: Schema.optional(Schema.Boolean)
    })
  ),
  failure: Schema.optional(
    Schema.Struct({
      codes: Schema.Array(Schema.Struct({ code: Schema.String, syscall: Schema.optional(Schema.String) }))
    })
  ),
  elapsed: Schema.Number
})

const decodeExchange = Schema.decodeUnknownResult(Exchange)

// ---- reading

export const parse = (path: string, content: string): Effect.Effect<ReadonlyArray<Line>, CassetteError> =>
  Effect.fromResult(parseLines(path, content))

const parseLines = (path: string, content: string): Result.Result<ReadonlyArray<Line>, CassetteError> => {
  const malformed = (line: number, detail: string) =>
    Result.fail(
      new CassetteError({
        reason: "Malformed",
        path,
        line,
        detail: `${detail}. Mend the line, or record again: ${recordWith("record")}`
      })
    )
  const lines: Array<Line> = []
  let headed = false
  for (const [i, raw] of content
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const text = raw.replace(/\r$/, "")
    if (text.trim() === "") continue
    const line = i + 1
    const json = parseJson(text)
    if (json === undefined) return malformed(line, "this line is no JSON")
    if (!headed) {
      const of = typeof json.value === "object" && json.value !== null ? (json.value as { cassette?: unknown }) : {}
      if (typeof of.cassette !== "number") return malformed(line, `the first line must be ${header}`)
      if (of.cassette !== version) {
        return Result.fail(
          new CassetteError({
            reason: "Version",
            path,
            line,
            detail: `it is written in format ${of.cassette}, and this version of breakwater reads format ${version}. Update breakwater, or record again: ${recordWith("record")}`
          })
        )
      }
      headed = true
      continue
    }
    const decoded = decodeExchange(json.value)
    if (Result.isFailure(decoded)) return malformed(line, `this line is no exchange: ${describeIssue(decoded.failure)}`)
    const { failure, response } = decoded.success
    if ((failure === undefined) === (response === undefined)) {
      return malformed(line, "an exchange has either a response or a failure")
    }
    lines.push({ exchange: decoded.success, line, text })
  }
  return headed ? Result.succeed(lines) : malformed(1, `the file is empty: its first line must be ${header}`)
}

/** The content of a file, or `undefined` where there is none. */
export const contentOf = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string | undefined, CassetteError> =>
  Effect.catch(fs.readFileString(path), (cause) =>
    cause.reason._tag === "NotFound"
      ? Effect.succeed(undefined)
      : Effect.fail(
          new CassetteError({
            reason: "Unreadable",
            path,
            detail: `it can't be read (${cause.reason._tag})`,
            cause
          })
        )
  )

/** The exchanges of a file that must be there. */
export const readLines = (fs: FileSystem.FileSystem, path: string): Effect.Effect<ReadonlyArray<Line>, CassetteError> =>
  Effect.flatMap(contentOf(fs, path), (content) =>
    content === undefined
      ? Effect.fail(
          new CassetteError({
            reason: "Missing",
            path,
            detail: `there is no such file. Record it: ${recordWith("record")}`
          })
        )
      : parse(path, content)
  )

// ---- writing

const sorted = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1)))

const requestOf = ({ body, headers, method, url }: Request) => ({ method, url, headers: sorted(headers), body })

const responseOf = ({ body, cut, headers, status }: Response) => ({
  status,
  headers: sorted(headers),
  body,
  cut: cut === true ? true : undefined
})

/** An exchange on one line, its fields always in the same order. */
export const lineOf = ({ elapsed, failure, request, response }: Exchange): string =>
  JSON.stringify({
    request: requestOf(request),
    response: response === undefined ? undefined : responseOf(response),
    failure,
    elapsed
  })

export const contentFrom = (lines: ReadonlyArray<string>): string => `${[header, ...lines].join("\n")}\n`

/**
 * Writes a whole file beside its place and then puts it there, so that nobody ever sees half of one. `before` is what the
 * file held when the recording began: who finds something else would throw another's recording away.
 */
export const write = (
  fs: FileSystem.FileSystem,
  path: string,
  before: string | undefined,
  content: string
): Effect.Effect<void, CassetteError> =>
  Effect.gen(function* () {
    if ((yield* contentOf(fs, path)) !== before) {
      return yield* new CassetteError({
        reason: "Unwritable",
        path,
        detail: "it changed while it was being recorded. Do two tests record it? Give each its own cassette"
      })
    }
    const folder = path.replace(/[^/\\]*$/, "")
    if (folder !== "") yield* fs.makeDirectory(folder, { recursive: true })
    const beside = `${path}.${(yield* Random.nextIntBetween(0, 0x7fffffff)).toString(36)}.tmp`
    yield* Effect.onError(Effect.andThen(fs.writeFileString(beside, content), fs.rename(beside, path)), () =>
      Effect.ignore(fs.remove(beside, { force: true }))
    )
  }).pipe(
    Effect.catchTag("PlatformError", (cause) =>
      Effect.fail(
        new CassetteError({ reason: "Unwritable", path, detail: `it can't be written (${cause.reason._tag})`, cause })
      )
    )
  )
