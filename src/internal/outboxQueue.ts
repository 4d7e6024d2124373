/** A queue by time: a heap from which nothing is taken out of turn. What is no longer true is passed over when its turn comes. */
interface Slot<A> {
  readonly at: number
  readonly seq: number
  readonly value: A
}

const before = <A>(a: Slot<A>, b: Slot<A>): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq)

export class OutboxQueue<A> {
  private heap: Array<Slot<A>> = []
  private seq = 0
  /** Under how many slots it is never cleaned up. */
  private limit = 64
  /** Whether this value still waits for this time. */
  private readonly isTrue: (value: A, at: number) => boolean

  constructor(isTrue: (value: A, at: number) => boolean) {
    this.isTrue = isTrue
  }

  get size(): number {
    return this.heap.length
  }

  add(value: A, at: number): void {
    if (this.heap.length >= this.limit) this.clean()
    this.heap.push({ at, seq: this.seq++, value })
    this.up(this.heap.length - 1)
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
      if (this.isTrue(first.value, first.at)) return first.value
    }
  }

  /** Leaves out what is no longer true: at most as often as the queue has doubled, so that it costs little per value. */
  private clean(): void {
    this.heap = this.heap.filter(({ at, value }) => this.isTrue(value, at))
    for (let n = (this.heap.length >> 1) - 1; n >= 0; n--) this.down(n)
    this.limit = Math.max(64, 2 * this.heap.length)
  }

  private up(from: number): void {
    const slot = this.heap[from]!
    let n = from
    while (n > 0) {
      const parent = (n - 1) >> 1
      if (!before(slot, this.heap[parent]!)) break
      this.heap[n] = this.heap[parent]!
      n = parent
    }
    this.heap[n] = slot
  }

  private down(from: number): void {
    const slot = this.heap[from]!
    let n = from
    for (;;) {
      let child = 2 * n + 1
      if (child >= this.heap.length) break
      if (child + 1 < this.heap.length && before(this.heap[child + 1]!, this.heap[child]!)) child++
      if (!before(this.heap[child]!, slot)) break
      this.heap[n] = this.heap[child]!
      n = child
    }
    this.heap[n] = slot
  }
}
