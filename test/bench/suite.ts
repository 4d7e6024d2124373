/**
 * A suite of the benchmark: what it measures in each round, and the ratios that it is held to.
 *
 * A ratio is taken inside a round, between figures that were measured beside each other; what is reported is the median
 * of the rounds' ratios. Figures of different runs are never compared.
 */
import { type Spread, spread } from "./stats.ts"

/** One thing that is measured, as a row of the table. */
export interface Row {
  /** The figure's key in a round. */
  readonly id: string
  readonly name: string
  readonly unit: string
  /** The page from which a peer is configured. */
  readonly docs?: string | undefined
  /** What the others of this table do and this one does not. */
  readonly lacks?: ReadonlyArray<string> | undefined
}

/** The figures of one round, by the ids of their rows. */
export type Round = Readonly<Record<string, number>>

export interface Target {
  readonly name: string
  /** The ratio, in one round, that the target is about. */
  readonly ratio: (round: Round) => number
  readonly target: number
  /** Whether the ratio may be at most the target (the default) or must be at least that. */
  readonly bound?: "atMost" | "atLeast" | undefined
}

export interface Options {
  readonly rounds: number
  readonly say: (line: string) => void
}

export interface Suite {
  /** What `--only` calls it. */
  readonly name: string
  readonly title: string
  /** What is measured and how, in a sentence, for the head of the table. */
  readonly method: string
  readonly rows: ReadonlyArray<Row>
  readonly targets: ReadonlyArray<Target>
  /** Why it can't run here. */
  readonly missing?: (() => string | undefined) | undefined
  /** Checks that every case does what its row claims, then measures. It rejects where a check fails. */
  readonly run: (options: Options) => Promise<ReadonlyArray<Round>>
}

/** The outcome of one target, as `--json` prints it. */
export interface Result {
  readonly name: string
  readonly target: number
  readonly ratio: number
  readonly min: number
  readonly max: number
  readonly pass: boolean
}

export interface Figure extends Spread {
  readonly suite: string
  readonly id: string
  readonly unit: string
}

const rounded = (value: number): number => Number(value.toPrecision(4))

export const passes = ({ bound, target }: Pick<Target, "bound" | "target">, ratio: number): boolean =>
  bound === "atLeast" ? ratio >= target : ratio <= target

/** What is rounded is what is judged: a reader of the table comes to the same verdict. */
export const resultOf = (target: Target, rounds: ReadonlyArray<Round>): Result => {
  const { max, median, min } = spread(rounds.map(target.ratio))
  const ratio = rounded(median)
  return {
    name: target.name,
    target: target.target,
    ratio,
    min: rounded(min),
    max: rounded(max),
    pass: passes(target, ratio)
  }
}

/** The least of each figure. What else runs on a machine only ever adds to CPU, so that least is the steadiest of few. */
export const leastOf = (rounds: ReadonlyArray<Round>): Round => {
  const least: Record<string, number> = {}
  for (const round of rounds) {
    for (const [id, value] of Object.entries(round)) least[id] = Math.min(least[id] ?? Infinity, value)
  }
  return least
}

export const figuresOf = ({ name, rows }: Suite, rounds: ReadonlyArray<Round>): ReadonlyArray<Figure> =>
  rows.map(({ id, unit }) => {
    const { max, median, min } = spread(rounds.map((round) => round[id] ?? Number.NaN))
    return { suite: name, id, unit, median: rounded(median), min: rounded(min), max: rounded(max) }
  })
