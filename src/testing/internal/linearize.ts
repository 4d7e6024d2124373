// Whether a history of overlapping calls could have happened one at a time (Wing and Gong, 1993): is there an order that
// keeps to the calls' times, in which every answer is one that the model allows?

/** One call, as it was recorded. Stamps are of one clock, and no two are equal. */
export interface Call {
  readonly invoked: number
  /** Absent for a call that was cut: it may have taken effect at any time since, or never. */
  readonly returned: number | undefined
}

export interface Model<S, C extends Call> {
  readonly initial: S
  /**
   * What may stand after the call. Empty where the call can't have had its answer here. A call without an answer may have
   * had any.
   */
  readonly step: (state: S, call: C) => ReadonlyArray<S>
  /** Equal for states that behave alike. */
  readonly keyOf: (state: S) => string
}

export type Verdict<C extends Call> =
  /** One of the orders. */
  | { readonly _tag: "Linearizable"; readonly order: ReadonlyArray<C> }
  /** The longest order that was found, and the calls that no answer of the model fits after it. */
  | { readonly _tag: "NotLinearizable"; readonly longest: ReadonlyArray<C>; readonly stuck: ReadonlyArray<C> }
  /** More was left to try than the limit allows. */
  | { readonly _tag: "Undecided"; readonly tried: number }

/** Searches for an order. Calls of different objects should be checked apart: that is much cheaper, and as good. */
export const linearize = <S, C extends Call>(
  model: Model<S, C>,
  history: ReadonlyArray<C>,
  limit = 1_000_000
): Verdict<C> => {
  const calls = history.toSorted((x, y) => x.invoked - y.invoked)
  const total = calls.filter(({ returned }) => returned !== undefined).length
  const seen = new Set<string>()
  let tried = 0
  let longest: ReadonlyArray<C> = []
  let stuck: ReadonlyArray<C> = []
  const order: Array<C> = []

  const search = (taken: bigint, state: S, left: number): boolean => {
    if (left === 0) return true
    if (tried++ > limit) return false
    // Every call that has returned is in effect by then: nothing that began later comes before it.
    let before = Number.POSITIVE_INFINITY
    for (const [index, { returned }] of calls.entries()) {
      if (returned !== undefined && (taken & (1n << BigInt(index))) === 0n) before = Math.min(before, returned)
    }
    const next: Array<C> = []
    for (const [index, call] of calls.entries()) {
      if (call.invoked > before) break
      const bit = 1n << BigInt(index)
      if ((taken & bit) !== 0n) continue
      next.push(call)
      for (const after of model.step(state, call)) {
        const key = `${taken | bit} ${model.keyOf(after)}`
        if (seen.has(key)) continue
        seen.add(key)
        order.push(call)
        if (search(taken | bit, after, call.returned === undefined ? left : left - 1)) return true
        order.pop()
      }
    }
    if (order.length >= longest.length) {
      longest = [...order]
      stuck = next.filter(({ returned }) => returned !== undefined)
    }
    return false
  }

  if (search(0n, model.initial, total)) return { _tag: "Linearizable", order }
  return tried > limit ? { _tag: "Undecided", tried } : { _tag: "NotLinearizable", longest, stuck }
}
