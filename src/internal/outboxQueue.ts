/** One wait of a value. */
export interface Slot {
  readonly at: number
  readonly seq: number
}

/** What waits in a queue, in one at most, for what its slot says. */
export interface Waiting {
  slot: Slot | undefined
}

interface Place<A> extends Slot {
  readonly value: A
}

const before = (a: Slot, b: Slot): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq)

/**
 * A queue by time: a heap from which nothing is taken out of turn. A value that has another slot by then, or none, is
 * passed over when its turn comes.
 */
export class OutboxQueue<A extends Waiting> {
  private heap: Array<Place<A>> = []
  private seq = 0
  private live = 0

  get size(): number {
    return this.heap.length
  }

  /** Waits for a time from now on, and no longer for another one. */
  add(value: A, at: number): void {
    this.drop(value)
    const place: Place<A> = { at, seq: this.seq++, value }
    value.slot = place
    this.live++
    this.heap.push(place)
    this.up(this.heap.length - 1)
  }

  /** Waits no longer. */
  drop(value: A): void {
    if (value.slot === undefined) return
    value.slot = undefined
    this.live--
    if (this.heap.length > 64 && this.heap.length > 2 * this.live) this.clean()
  }

  /** The next value whose time has come, taken out. Equal times go in the order in which they were added. */
  take(now: number): A | undefined {
    for (;;) {
      const first = this.heap[0]
      if (first === undefined || first.at > now) return undefined
      const last = this.heap.pop()!
      if (this.heap.length > 0) {
        this.heap[0] = last
        this.down(0)
      }
      if (first.value.slot === first) {
        first.value.slot = undefined
        this.live--
        return first.value
      }
    }
  }

  /** Leaves out what would be passed over: when it is the greater part, so that it costs little per value. */
  private clean(): void {
    this.heap = this.heap.filter((place) => place.value.slot === place)
    for (let n = (this.heap.length >> 1) - 1; n >= 0; n--) this.down(n)
  }

  private up(from: number): void {
    const place = this.heap[from]!
    let n = from
    while (n > 0) {
      const parent = (n - 1) >> 1
      if (!before(place, this.heap[parent]!)) break
      this.heap[n] = this.heap[parent]!
      n = parent
    }
    this.heap[n] = place
  }

  private down(from: number): void {
    const place = this.heap[from]!
    let n = from
    for (;;) {
      let child = 2 * n + 1
      if (child >= this.heap.length) break
      if (child + 1 < this.heap.length && before(this.heap[child + 1]!, this.heap[child]!)) child++
      if (!before(this.heap[child]!, place)) break
      this.heap[n] = this.heap[child]!
      n = child
    }
    this.heap[n] = place
  }
}
