/** What the figures of several rounds come to. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle one; between the two in the middle where their number is even. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export const spread = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** A copy in random order, so that no case always runs after the same neighbour. */
export const shuffled = <A>(values: ReadonlyArray<A>): Array<A> =>
  values
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value)
