import * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import type { Placement } from "../../Idempotency.ts"

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

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null && !Array.isArray(u)
