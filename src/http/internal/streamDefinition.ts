// A stream as its operation's definition has it: its limits in milliseconds, and how it is read.
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type { StreamPlan } from "../../internal/definition.ts"
import { check, format } from "../../internal/duration.ts"
import * as Streaming from "../../Streaming.ts"
import { bodyOf } from "./streamBody.ts"
import type { Reading } from "./streamRead.ts"
import { byEventId, byRange } from "./streamResume.ts"

export interface AnyStreamOptions {
  readonly limits: Streaming.Limits
  readonly answer?: HttpApiSchema.StreamSchema
  readonly end?: Streaming.End<never, never>
  readonly resume?: Streaming.Resume<"sse" | "uint8array">
}

const defaultIdle = "30 seconds"

/** The schema of the stream that an endpoint declares. */
const declared = (api: HttpApi.Top, group: string, name: string): HttpApiSchema.StreamSchema | undefined => {
  let found: HttpApiSchema.StreamSchema | undefined
  HttpApi.reflect(api, {
    predicate: (at) => at.group.identifier === group && at.endpoint.identifier === name,
    onGroup() {},
    onEndpoint({ endpoint }) {
      for (const schema of endpoint.success) {
        // Effect has no guard for its stream schemas: these two fields are what only they have.
        if ("mode" in schema && "contentTypes" in schema) found ??= schema as unknown as HttpApiSchema.StreamSchema
      }
    }
  })
  return found
}

const ends: Record<Streaming.EndData["_tag"], string> = {
  Marker: "complete with the mark of its end",
  LastElement: "complete with its last element",
  Endless: "has no end: however it ends, it was cut"
}

export const streamOf = (
  api: HttpApi.Top,
  group: string,
  name: string,
  options: AnyStreamOptions
): { readonly plan: StreamPlan; readonly problems: ReadonlyArray<string>; readonly reading: Reading } => {
  const schema = options.answer ?? declared(api, group, name)
  if (schema === undefined)
    throw new RangeError(`HttpOperation.stream: "${group}.${name}" does not answer with a stream`)
  const problems: Array<string> = []
  const why: Array<string> = []
  const limitOf = (what: string, limit: Streaming.Limit): number => {
    if (Streaming.isUnlimited(limit)) {
      if (limit.unlimited.trim() === "") problems.push(`${what}: say why it is unlimited`)
      why.push(`${what} unlimited: ${limit.unlimited}`)
      return Infinity
    }
    const { millis, problem } = check(what, limit)
    if (problem !== undefined)
      problems.push(`${problem}: a stream without this limit says why, Streaming.unlimited(reason)`)
    return millis
  }
  const { limits } = options
  const firstByte =
    limits.firstByte === undefined ? undefined : limitOf("the limit of the first byte", limits.firstByte)
  const idle = limitOf("the idle limit", limits.idle ?? defaultIdle)
  const total = limitOf("the total limit", limits.total)
  const end = options.end?.end
  const resumer = options.resume === undefined ? undefined : options.resume.resume === "Range" ? byRange : byEventId
  return {
    problems,
    plan: {
      limits: { firstByte, idle, total },
      describe: [
        `ends within ${format(total)}, its consumer's time included; silent for ${format(idle)} at most`,
        ...why,
        end === undefined ? "complete where its protocol says so" : ends[end._tag],
        options.resume === undefined
          ? "cut after its first element, it fails as truncated"
          : `cut, it goes on by ${options.resume.resume}; attempts are counted anew after each element`
      ]
    },
    reading: { body: bodyOf(schema), end, resumer }
  }
}
