// The names of a record in Redis. They are frozen: another name for the same scope and key is another record.
import type { Address } from "../../IdempotencyStore.ts"
import { sha256, toHex } from "../../internal/sha256.ts"

/**
 * Over how many hash slots of a cluster the records are spread. A record and the index that lists it when it is held must
 * be in one slot, or no script could write both.
 */
export const shards = 64

const encoder = new TextEncoder()
const readable = 200

/** Scope and key as one text: JSON, which no other pair is written as, and which has no half of a surrogate pair. */
export const textOf = ({ key, scope }: Address): string => JSON.stringify([scope, key])

/** FNV-1a, 32 bits. */
const shardOf = (text: string): number => {
  let hash = 0x811c_9dc5
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x0100_0193)
  return (hash >>> 0) % shards
}

export interface Keys {
  /** The key of the record. */
  readonly record: string
  /** The sorted set of what is held, or will be if its owner does not come back, of the record's shard. */
  readonly index: string
  /** The record in that set. */
  readonly member: string
  readonly text: string
}

export const indexOf = (prefix: string, shard: number): string => `${prefix}{${shard}}:held`

export const recordOf = (prefix: string, shard: number, member: string): string => `${prefix}{${shard}}:r:${member}`

export const keysOf = (prefix: string, address: Address): Keys => {
  const text = textOf(address)
  const member = text.length <= readable ? text : `sha256:${toHex(sha256(encoder.encode(text)))}`
  const shard = shardOf(text)
  return { record: recordOf(prefix, shard, member), index: indexOf(prefix, shard), member, text }
}
