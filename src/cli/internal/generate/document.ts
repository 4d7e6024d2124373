// A file with an OpenAPI document, as JSON or YAML by what is in it.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Yaml from "effect/encoding/Yaml"
import { readFile } from "node:fs/promises"
import { type Failed, failed, wrongUsage } from "../failed.ts"
import { clean } from "../print.ts"
import { why } from "./files.ts"

const json = (text: string) => Result.try(() => JSON.parse(text) as unknown)
const yaml = (text: string) => Result.try(() => Yaml.parse(text))

/** Where the JSON breaks off, without what stands there: V8 quotes the text. */
const placeOf = (error: unknown): string => {
  const place = /line \d+ column \d+/.exec(error instanceof Error ? error.message : "")
  return place === null ? "it ends too early, or holds what JSON does not know" : `it breaks off at ${place[0]}`
}

const parse = (file: string, text: string): Effect.Effect<unknown, Failed> => {
  const asJson = json(text)
  if (Result.isSuccess(asJson)) return Effect.succeed(asJson.success)
  const asYaml = yaml(text)
  if (Result.isSuccess(asYaml)) return Effect.succeed(asYaml.success)
  if (/^\s*[[{]/.test(text)) return Effect.fail(failed(`${clean(file)} is not JSON: ${placeOf(asJson.failure)}`))
  const message = asYaml.failure instanceof Error ? clean(asYaml.failure.message) : "it can't be read"
  return Effect.fail(
    failed(
      `${clean(file)} is neither JSON nor YAML that can be read here: ${message}. Where it is YAML, convert it to JSON`
    )
  )
}

/** The document in a file. Nothing is fetched. */
export const readDocument = (file: string): Effect.Effect<unknown, Failed> => {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(file)) {
    return Effect.fail(
      wrongUsage("nothing is fetched: download the description and commit it, so that its changes are reviewed")
    )
  }
  return Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (error) => failed(`${clean(file)} can't be read: ${why(error)}`)
  }).pipe(Effect.flatMap((text) => parse(file, text.replace(/^\uFEFF/, ""))))
}
