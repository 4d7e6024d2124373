import * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import type { Placement, Precondition } from "../../Idempotency.ts"

const fromJson = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))
const text = new TextDecoder()

/** Puts a key where the provider reads it, or says why it can't. */
export const placeKey = (
  request: HttpClientRequest.HttpClientRequest,
  placement: Placement,
  key: string
): HttpClientRequest.HttpClientRequest | string => {
  if (placement._tag === "Header") {
    return HttpClientRequest.setHeader(
      request,
      placement.name,
      placement.quoted ? `"${key.replace(/["\\]/g, "\\$&")}"` : key
    )
  }
  const path = placement._tag === "BodyField" ? placement.path : ["variables", placement.variable]
  const where = path.join(".")
  const body = request.body
  if (body._tag !== "Uint8Array") return `the key belongs into the body's ${where}, but there is no JSON body`
  const parsed = fromJson(text.decode(body.body))
  if (Exit.isFailure(parsed) || !isObject(parsed.value)) {
    return `the key belongs into the body's ${where}, but the body is no JSON object`
  }
  let at: Record<string, unknown> = parsed.value
  for (const name of path.slice(0, -1)) {
    const next = at[name] ?? (at[name] = {})
    if (!isObject(next)) return `the key belongs into the body's ${where}, but ${name} is no object`
    at = next
  }
  at[path.at(-1)!] = key
  return HttpClientRequest.setBody(request, HttpBody.text(JSON.stringify(parsed.value), body.contentType))
}

/** Puts the condition of a change into its header, or says why what should stand there is none. */
export const placeCondition = (
  request: HttpClientRequest.HttpClientRequest,
  sends: Precondition["sends"],
  input: unknown
): HttpClientRequest.HttpClientRequest | string => {
  if (sends.header === undefined) return request
  if (sends.header === "if-none-match") return HttpClientRequest.setHeader(request, sends.header, "*")
  const etag: unknown = sends.etag(input as never)
  return tagProblem(etag, sends.weak) ?? HttpClientRequest.setHeader(request, sends.header, String(etag))
}

/** What is wrong with an entity tag under `If-Match` (RFC 9110, 8.8.3). It never quotes the tag: no message has a header. */
const tagProblem = (etag: unknown, weak: boolean): string | undefined => {
  if (typeof etag !== "string" || etag === "") return "the entity tag is empty: was the ETag read?"
  if (etag === "*") return "the entity tag is *, which every version matches: a repeat would be a second change"
  const isWeak = etag.startsWith("W/")
  const opaque = isWeak ? etag.slice(2) : etag
  if (/^"[\x21\x23-\x7e\x80-\xff]*"$/.test(opaque)) {
    return isWeak && !weak
      ? 'the entity tag is weak (W/"…"), and under If-Match a weak one never matches (RFC 9110, 13.1.1): ' +
          'if the provider is known to compare it, say weak: "send"'
      : undefined
  }
  return /^"[^"]*"\s*,/.test(opaque)
    ? "there are several entity tags: a change is made to one version"
    : 'the entity tag is not in double quotes, or has other characters than a tag may have: give the ETag as it was read, "abc" and not abc'
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null && !Array.isArray(u)
