/**
 * The name of one intent, sent to a provider so that repeats of it are carried out once.
 *
 * A key is derived from what the caller means ("charge order 42"), never from the request body, a credential or an
 * attempt number: those change when nothing new was meant, and a changed key is a second charge. It is an argument of
 * the call, not middleware state, because a key minted in `HttpClient` middleware is minted again for every attempt.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import { sha256, toHex } from "./internal/sha256.ts"

const TypeId = "~breakwater/IdempotencyKey"

/**
 * A recipe for a key. The runner turns it into text once per logical call, before the first attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdempotencyKey {
  readonly [TypeId]: typeof TypeId
  readonly parts: ReadonlyArray<string>
  readonly stored: string | undefined
}

/**
 * Returns whether a value is an `IdempotencyKey`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isIdempotencyKey = (u: unknown): u is IdempotencyKey => Predicate.hasProperty(u, TypeId)

/**
 * Derives a key from business identity: the operation's name and the parts that make this intent different from every
 * other one.
 *
 * **When to use**
 *
 * Use when the intent has an identity of its own: an order, an invoice and its instalment, a message.
 *
 * **Details**
 *
 * The text is the first 16 bytes of a SHA-256 over the length-prefixed parts, as 32 hexadecimal digits: it fits every
 * provider's limit that we know, and carries no personal data in clear. The bytes are frozen by committed vectors.
 *
 * **Gotchas**
 *
 * Two charges of one order need a part that tells them apart (an instalment number, a reason). The library can't know
 * when a key was first used by an earlier process: give `issuedAt` to `Idempotency.keyed`, or store the call, if a
 * restart may repeat an intent near the end of the provider's `lifetime`.
 *
 * **Example** (Deriving a key from an order)
 *
 * ```ts
 * import { IdempotencyKey } from "breakwater"
 *
 * IdempotencyKey.toText(IdempotencyKey.derive("charge", "order-42")) // => "3c6c393618ab536ca1c29741ce58cda7"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const derive = (operation: string, ...intent: readonly [string, ...Array<string>]): IdempotencyKey => ({
  [TypeId]: TypeId,
  parts: [operation, ...intent],
  stored: undefined
})

/**
 * Takes a key that was minted earlier and stored, such as one that a client of yours sent or a row of your database
 * holds.
 *
 * **Gotchas**
 *
 * A key minted at the moment of the call is new after a crash: store it first, or derive it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromStored = (text: string): IdempotencyKey => ({ [TypeId]: TypeId, parts: [], stored: text })

const encoder = new TextEncoder()

const digest = (parts: ReadonlyArray<string>): Uint8Array => {
  const encoded = parts.map((part) => encoder.encode(part))
  const message = new Uint8Array(encoded.reduce((n, part) => n + 4 + part.length, 0))
  const view = new DataView(message.buffer)
  let offset = 0
  for (const part of encoded) {
    view.setUint32(offset, part.length)
    message.set(part, offset + 4)
    offset += 4 + part.length
  }
  return sha256(message).subarray(0, 16)
}

/**
 * The text of a key as it is sent: 32 hexadecimal digits, or the stored text unchanged.
 *
 * @category destructors
 * @since 0.1.0
 */
export const toText = (key: IdempotencyKey): string => key.stored ?? toHex(digest(key.parts))

/**
 * The text of a key as a UUID (version 8, RFC 9562), for providers that accept nothing else. A stored key is sent
 * unchanged.
 *
 * @category destructors
 * @since 0.1.0
 */
export const toUuid = (key: IdempotencyKey): string => {
  if (key.stored !== undefined) return key.stored
  const bytes = digest(key.parts)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = toHex(bytes)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
