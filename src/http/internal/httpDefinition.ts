import type * as Effect from "effect/Effect"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as Exhaustion from "../../Exhaustion.ts"
import type * as Idempotency from "../../Idempotency.ts"
import type { Definition } from "../../internal/definition.ts"
import type * as P from "../../internal/policy.ts"
import type { Classify } from "../HttpTarget.ts"
import type { BodyKind } from "../HttpUpload.ts"
import { reflectEndpoint } from "./encoder.ts"
import { type AnyStreamOptions, streamOf } from "./streamDefinition.ts"
import type { Reading } from "./streamRead.ts"
import { openHttp } from "./transport.ts"

/** Options of an operation over HTTP, of whatever endpoint. */
export interface AnyOptions {
  readonly idempotency?: Idempotency.Any
  readonly translate?: Readonly<Record<string, (error: never, input: never) => unknown>>
  readonly policy?: P.Any
  readonly exhausted?: Exhaustion.Any
  readonly orElse?: (failure: never, input: never) => unknown
  readonly classify?: Classify
  readonly classifyErrors?: Classify
  readonly maxBodySize?: number
}

const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])
const idempotent: ReadonlySet<string> = new Set(["PUT", "DELETE"])

/** The same for an endpoint that answers with a stream. */
export const defineStream = (
  api: HttpApi.Top,
  group: string,
  name: string,
  options: AnyOptions & AnyStreamOptions
): Definition => {
  const { plan, problems, reading } = streamOf(api, group, name, options)
  const definition = define(api, group, name, options, reading)
  return { ...definition, stream: plan, problems: [...definition.problems, ...problems] }
}

/** What an endpoint and its options say, as data. */
export const define = (
  api: HttpApi.Top,
  group: string,
  name: string,
  options: AnyOptions,
  reading?: Reading,
  upload?: BodyKind
): Definition => {
  const reflected = reflectEndpoint(api, group, name)
  const { method, path } = reflected
  const idempotency: { readonly repeat: Idempotency.Repeat; readonly strategy: Idempotency.Strategy } =
    (upload === "once" ? onceOf(options.idempotency) : options.idempotency) ??
    (safe.has(method)
      ? { repeat: "Safe", strategy: { _tag: "Safe", reason: `${method} (RFC 9110)` } }
      : idempotent.has(method)
        ? { repeat: "Idempotent", strategy: { _tag: "Inherent", reason: `${method} (RFC 9110)` } }
        : {
            repeat: "AtMostOnce",
            strategy: { _tag: "AtMostOnce", reason: "nobody has said how a repeat is made safe" }
          })
  return {
    name: `${group}.${name}`,
    repeat: idempotency.repeat,
    strategy: idempotency.strategy,
    policy: options.policy,
    exhausted: options.exhausted,
    orElse: options.orElse as Definition["orElse"],
    translate: options.translate,
    about: { transport: "http", attemptName: `${method} ${path}`, http: { method, template: path } },
    problems: [
      // The types ask for it. Not everybody compiles.
      ...(options.idempotency === undefined && upload !== "once" && !safe.has(method) && !idempotent.has(method)
        ? [`a ${method} must say how a repeat is made safe: give idempotency`]
        : []),
      ...(options.maxBodySize !== undefined && !(Number.isInteger(options.maxBodySize) && options.maxBodySize > 0)
        ? [`maxBodySize must be a positive integer of bytes, got ${options.maxBodySize}`]
        : []),
      ...placementProblems(idempotency.strategy, method),
      ...(upload !== undefined &&
      idempotency.strategy._tag === "Keyed" &&
      idempotency.strategy.placement._tag !== "Header"
        ? ["a streamed body can't carry the key: place it in a header"]
        : [])
    ],
    upload,
    open: (site) =>
      openHttp(site, reflected, idempotency, {
        classify: options.classify,
        classifyErrors: options.classifyErrors,
        maxBodySize: options.maxBodySize,
        reading,
        upload
      }) as Effect.Effect<never>
  }
}

/** A body that can be sent once only: what makes a repeat safe is still sent along, for the provider. */
const onceOf = (
  given: Idempotency.Any | undefined
): { readonly repeat: Idempotency.Repeat; readonly strategy: Idempotency.Strategy } => ({
  repeat: "AtMostOnce",
  strategy: given?.strategy ?? { _tag: "AtMostOnce", reason: "its body can be sent once only" }
})

const placementProblems = (strategy: Idempotency.Strategy, method: string): ReadonlyArray<string> =>
  strategy._tag === "Keyed" && strategy.placement._tag !== "Header" && (safe.has(method) || method === "DELETE")
    ? [`a ${method} has no body that could carry the key: place it in a header`]
    : []
