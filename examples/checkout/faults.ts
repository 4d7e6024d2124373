/**
 * Which fault meets which request. `faultFor` is a pure function of the seed, the operation, the order and the n-th
 * arrival of that pair at the provider, so that every client that sends the same request meets the same fault, whatever
 * its timing, concurrency or language.
 */

export const operations = ["reserve", "charge", "receipt"] as const

/** A step of the checkout: reserve stock (PUT), charge a card (POST with key), send a receipt (POST, no key). */
export type Operation = (typeof operations)[number]

/**
 * What goes wrong, named by what the wire does.
 *
 * | kind                 | did the provider execute? | what the client sees                                       |
 * |----------------------|---------------------------|------------------------------------------------------------|
 * | `latency`            | yes                       | the right answer, `delayMs` (50-200) late                  |
 * | `resetBeforeReading` | no                        | TCP reset, no byte of an answer                            |
 * | `responseLost`       | yes                       | the connection closes, no byte of an answer                |
 * | `stallBeforeHeaders` | half of them              | nothing at all; those that execute finish `delayMs` later  |
 * | `stallInBody`        | yes                       | 2xx, half a body, then nothing                             |
 * | `cutBody`            | yes                       | 2xx, half a body, then the connection closes               |
 * | `wrongShape`         | yes                       | 2xx with valid JSON of another shape                       |
 * | `status500/502/504`  | half of them              | that status; the answer is lost where it did execute       |
 * | `status503`          | no                        | 503                                                        |
 * | `status429`          | no                        | 429                                                        |
 * | `status429RetryAfter`| no                        | 429 with `Retry-After: 1`                                  |
 * | `duplicate`          | yes, delivered twice      | the first answer; the network repeats it `delayMs` later   |
 *
 * "Half of them" is decided by the same hash. `duplicate` exists only where the protocol makes a repeat safe: PUT and
 * the keyed POST. A client cannot be blamed for a network that doubles a request without a key.
 */
export const faultKinds = [
  "latency",
  "resetBeforeReading",
  "responseLost",
  "stallBeforeHeaders",
  "stallInBody",
  "cutBody",
  "wrongShape",
  "status500",
  "status502",
  "status503",
  "status504",
  "status429",
  "status429RetryAfter",
  "duplicate"
] as const

export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  readonly kind: FaultKind
  /** Whether this arrival reaches the provider's handler at all. */
  readonly executes: boolean
  /** Latency of the answer, of a slow execution, or of a duplicate's second delivery. 0 for the other kinds. */
  readonly delayMs: number
}

/** The seed, rate and kinds of one run: all that decides its faults. */
export interface FaultPlan {
  readonly seed: number
  /** The share of arrivals that meet a fault, 0 to 1. */
  readonly rate: number
  /** Restricts the kinds; tests use it to see one kind alone. */
  readonly kinds?: ReadonlyArray<FaultKind> | undefined
  /** Restricts the operations that meet a fault; `--dashboard` lets one provider fail at a time. */
  readonly operations?: ReadonlyArray<Operation> | undefined
  /** The bounds of `latency`, in milliseconds. */
  readonly latencyMs?: readonly [from: number, to: number] | undefined
}

export const defaultFaultRate = 0.15

const defaultLatencyMs: readonly [from: number, to: number] = [50, 200]

const retrySafe: ReadonlySet<Operation> = new Set<Operation>(["reserve", "charge"])

/** The fault that meets the `arrival`-th request (from 1) for this operation and order, or `undefined` for none. */
export const faultFor = (plan: FaultPlan, operation: Operation, order: string, arrival: number): Fault | undefined => {
  if (plan.operations !== undefined && !plan.operations.includes(operation)) return undefined
  const draw = draws(`${plan.seed}|${operation}|${order}|${arrival}`)
  if (draw(0) >= plan.rate) return undefined
  const kinds = (plan.kinds ?? faultKinds).filter((kind) => kind !== "duplicate" || retrySafe.has(operation))
  const kind = kinds[Math.floor(draw(1) * kinds.length)]
  return kind === undefined
    ? undefined
    : { kind, executes: executes(kind, draw(2) < 0.5), delayMs: delayMs(kind, draw(3), plan.latencyMs) }
}

const executes = (kind: FaultKind, coin: boolean): boolean => {
  switch (kind) {
    case "resetBeforeReading":
    case "status503":
    case "status429":
    case "status429RetryAfter":
      return false
    case "stallBeforeHeaders":
    case "status500":
    case "status502":
    case "status504":
      return coin
    default:
      return true
  }
}

const delayMs = (kind: FaultKind, uniform: number, [from, to] = defaultLatencyMs): number => {
  switch (kind) {
    case "latency":
      return from + Math.floor(uniform * (to - from + 1))
    // Up to 900 ms: often longer than an attempt timeout, so that a repeat meets a key that is still in flight.
    case "stallBeforeHeaders":
      return 100 + Math.floor(uniform * 801)
    // From right behind the first delivery to long after its answer.
    case "duplicate":
      return Math.floor(uniform * 301)
    default:
      return 0
  }
}

/**
 * Independent uniform numbers in [0, 1) from one text: two lanes of MurmurHash-like mixing over its characters, then
 * murmur3's finaliser per draw. The lanes make a 64-bit state, so that texts which differ in one digit share nothing.
 */
const draws = (text: string): ((index: number) => number) => {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x5bd1e995)
    a ^= a >>> 15
    b = Math.imul(b ^ code, 0x1b873593)
    b ^= b >>> 13
  }
  const first = mix(a ^ Math.imul(b, 0x27d4eb2f))
  const second = mix(b ^ Math.imul(a, 0x165667b1))
  return (index) => mix(mix(first + Math.imul(index + 1, 0x9e3779b9)) ^ second) / 0x1_0000_0000
}

const mix = (x: number): number => {
  let h = x | 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}
