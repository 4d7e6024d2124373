// Looking for a text in everything that a backend would get of a span.
import * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import type * as Tracer from "effect/Tracer"

/** Where a span shows a secret: the part of it, as a sentence names it. */
export const placeOf = (span: Tracer.Span, secret: string): string | undefined => {
  if (span.name.includes(secret)) return "name"
  for (const [name, value] of span.attributes) {
    if (shows(name, secret) || shows(value, secret)) return `attribute ${hide(name, secret)}`
  }
  if (shows((span as { readonly events?: unknown }).events, secret)) return "events"
  if (span.links.some((link) => shows(link.attributes, secret))) return "links"
  if (span.status._tag !== "Ended" || span.status.exit._tag === "Success") return undefined
  const { cause } = span.status.exit
  const told = [...cause.reasons, ...Cause.prettyErrors(cause)]
  return told.some((error) => describe(error).includes(secret)) ? "error" : undefined
}

/** A text without the secret. */
export const hide = (text: string, secret: string): string => text.replaceAll(secret, "…")

/** Whether a value shows a text, however an exporter writes it: its own text, and those of its parts. */
const shows = (value: unknown, secret: string, depth = 0): boolean => {
  if (typeof value !== "object" || value === null) return String(value).includes(secret)
  if (Redacted.isRedacted(value)) return false
  if (depth > 8) return false
  if (value instanceof Error) return describe(value).includes(secret)
  if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
    return Array.from(value as Iterable<unknown>).some((part) => shows(part, secret, depth + 1))
  }
  return (
    (!isPlain(value) && String(value).includes(secret)) ||
    Object.entries(value).some(([name, part]) => name.includes(secret) || shows(part, secret, depth + 1))
  )
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** An error as an exporter writes it: message and stack, and those of its causes. */
const describe = (value: unknown, depth = 0): string => {
  if (typeof value !== "object" || value === null || depth > 6) return String(value)
  const { cause, defect, error, message, stack } = value as Readonly<Record<string, unknown>>
  return [message, stack, error, defect, cause]
    .filter((part) => part !== undefined)
    .map((part) => describe(part, depth + 1))
    .join("\n")
}
