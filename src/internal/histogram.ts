// Durations in buckets whose bounds grow by a constant factor, so that every bucket has the same relative error: the way of
// DDSketch and of HdrHistogram's log buckets. Milliseconds throughout; nothing here reads a clock.

/** The shortest and the longest duration that keep the error. Others count as these. */
export const shortest = 0.01
export const longest = 600_000

/** The bound on the relative error. The buckets are a little narrower, which pays for the rounding of the logarithm. */
export const relativeError = 0.01
const within = relativeError * 0.999
const growth = (1 + within) / (1 - within)
const perLog = 1 / Math.log(growth)

/** The bucket of a duration. Bucket 0 is what is not longer than the shortest. */
const bucketOf = (millis: number): number =>
  Math.min(buckets - 1, Math.max(0, Math.ceil(Math.log(millis / shortest) * perLog)))

/** The value that is equally far, relatively, from both bounds of a bucket. */
const valueOf = (bucket: number): number => (bucket === 0 ? shortest : (2 * shortest * growth ** bucket) / (growth + 1))

/** How many buckets a histogram has, whatever it holds. */
export const buckets = Math.ceil(Math.log(longest / shortest) * perLog) + 1

/**
 * Counts of durations. Memory is fixed (`buckets` counts of 4 bytes), and a percentile is off by at most one per cent for
 * durations of 10 microseconds to 10 minutes.
 */
export class Histogram {
  count = 0
  private readonly counts = new Uint32Array(buckets)

  record(millis: number): void {
    // A clock that was set back has no duration to tell.
    if (!(millis >= 0)) return
    this.counts[bucketOf(millis)]!++
    this.count++
  }

  /** The duration that `percent` of a hundred do not exceed (nearest rank); `undefined` while there is none. */
  percentile(percent: number): number | undefined {
    if (this.count === 0) return undefined
    // Rounded first: 99.9 % of 1000 is 999.0000000000001 in floating point, and its rank 999.
    const exact = Number(((percent / 100) * this.count).toFixed(6))
    let left = Math.min(this.count, Math.max(1, Math.ceil(exact)))
    let bucket = 0
    while ((left -= this.counts[bucket]!) > 0) bucket++
    return valueOf(bucket)
  }

  /** How many durations are longer than this one, to the error of the buckets. */
  above(millis: number): number {
    let count = 0
    for (let bucket = millis >= 0 ? bucketOf(millis) + 1 : 0; bucket < buckets; bucket++) count += this.counts[bucket]!
    return count
  }

  add(other: Histogram): void {
    for (let bucket = 0; bucket < buckets; bucket++) this.counts[bucket]! += other.counts[bucket]!
    this.count += other.count
  }

  subtract(other: Histogram): void {
    for (let bucket = 0; bucket < buckets; bucket++) this.counts[bucket]! -= other.counts[bucket]!
    this.count -= other.count
  }

  clear(): void {
    this.counts.fill(0)
    this.count = 0
  }
}

/**
 * A histogram of the last while: slices of time of which the oldest is forgotten as a new one begins. What was recorded
 * counts for `window` minus one slice at least, and for `window` at most.
 *
 * The sum of the slices is kept, so that a percentile reads one histogram, and a record writes two.
 */
export class SlidingHistogram {
  private readonly slices: ReadonlyArray<Histogram>
  private readonly total = new Histogram()
  private readonly length: number
  /** The number of the newest slice, counted from the epoch. */
  private current = -Infinity

  constructor(options?: { readonly window?: number | undefined; readonly slices?: number | undefined }) {
    const slices = options?.slices ?? 6
    this.length = (options?.window ?? 60_000) / slices
    this.slices = Array.from({ length: slices }, () => new Histogram())
  }

  record(millis: number, now: number): void {
    this.turn(now)
    this.total.record(millis)
    this.slices[this.current % this.slices.length]!.record(millis)
  }

  percentile(percent: number, now: number): number | undefined {
    this.turn(now)
    return this.total.percentile(percent)
  }

  count(now: number): number {
    this.turn(now)
    return this.total.count
  }

  /** The durations of the window as one histogram, to add to those of other windows. Valid until the next call. */
  whole(now: number): Histogram {
    this.turn(now)
    return this.total
  }

  /** Forgets the slices that are too old. A clock that was set back goes on in the newest one. */
  private turn(now: number): void {
    const slice = Math.max(0, Math.floor(now / this.length))
    if (slice <= this.current) return
    const first = Math.max(this.current + 1, slice - this.slices.length + 1)
    if (this.current !== -Infinity) {
      for (let n = first; n <= slice; n++) {
        const old = this.slices[n % this.slices.length]!
        this.total.subtract(old)
        old.clear()
      }
    }
    this.current = slice
  }
}
