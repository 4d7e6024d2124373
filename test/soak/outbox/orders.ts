/**
 * What is ordered in a soak of the outbox, drawn from its seed.
 */
import { IdempotencyKey } from "breakwater"
import type { Script, Sent } from "./judge.ts"

/** Numbers from a seed (mulberry32). */
export const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const lanes = ["north", "east", "south", "west"]

const scriptOf = (lane: string | undefined, draw: number): Script => {
  // A call that is dead for good would stop its lane for ever.
  if (lane !== undefined) return draw < 0.08 ? "declined at first" : "accepted"
  return draw < 0.1 ? "declined" : draw < 0.3 ? "declined at first" : "accepted"
}

export const drawOrder = (order: string, random: () => number): Sent => {
  const lane = random() < 0.5 ? lanes[Math.floor(random() * lanes.length)] : undefined
  return { order, lane, script: scriptOf(lane, random()), rollsBack: random() < 0.12, acknowledged: false }
}

/** The key of an order's call, by which its entry is found. */
export const keyOf = ({ lane, order }: Pick<Sent, "order" | "lane">): string =>
  IdempotencyKey.toText(IdempotencyKey.derive(lane === undefined ? "charge" : "ship", order))
