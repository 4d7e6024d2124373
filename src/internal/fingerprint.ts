import { sha256 } from "./sha256.ts"

const encoder = new TextEncoder()

/**
 * JSON with the names of objects sorted, so that two texts of one value are equal (after RFC 8785; numbers are written as
 * JavaScript writes them, which is what that RFC asks for).
 */
export const canonical = (value: unknown): string => {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null"
  if ("toJSON" in value && typeof value.toJSON === "function") return canonical(value.toJSON())
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  const entries = Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${entries.map(([name, part]) => `${JSON.stringify(name)}:${canonical(part)}`).join(",")}}`
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** The SHA-256 of a text, in hexadecimal. */
export const hashOf = (text: string): string => hex(sha256(encoder.encode(text)))

/** What a request was. What stands before the colon names how that was found out. */
export const fingerprintOf = (value: unknown): string => `j1:${hashOf(canonical(value))}`

/** What bytes were. */
export const fingerprintOfBytes = (bytes: Uint8Array): string => `b1:${hex(sha256(bytes))}`

const wayOf = (fingerprint: string): string => fingerprint.slice(0, Math.max(0, fingerprint.indexOf(":")))

/**
 * Whether two fingerprints say that their requests differ. Those that were made in two ways, by two versions, can't be
 * compared and say nothing: then the key alone says which request it is.
 */
export const differ = (one: string, other: string): boolean => one !== other && wayOf(one) === wayOf(other)
