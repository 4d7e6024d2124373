/**
 * What is struck next, and where.
 */
import { cutPoints, type Kind, type Point, points, stopPoints } from "./protocol.ts"

/**
 * - `kill`: SIGKILL.
 * - `stop`: SIGSTOP for longer than a lease, while the others go on, and then SIGCONT.
 * - `cut`: the process lives, and loses its connections to PostgreSQL.
 */
export type Strike = "kill" | "stop" | "cut"
export type ByPoint = { [P in Point]?: number }

export interface Wanted {
  readonly store: Kind
  readonly kills: number
  /** Default: a fifth as many as kills. */
  readonly stops?: number | undefined
  /** Default: on PostgreSQL a fifth as many as kills. */
  readonly cuts?: number | undefined
  /** The points that are aimed at. Default: all. */
  readonly points?: ReadonlyArray<Point> | undefined
}

interface Next {
  readonly strike: Strike
  readonly point: Point
}

/** Which strike comes next: the kind that is further behind, and the point that had it least. */
export const planOf = (options: Wanted) => {
  const isWanted = (point: Point) => options.points?.includes(point) ?? true
  const pointsOf: Readonly<Record<Strike, ReadonlyArray<Point>>> = {
    kill: options.points ?? points,
    stop: stopPoints.filter(isWanted),
    // A file has no connection that could be lost.
    cut: options.store === "postgres" ? cutPoints.filter(isWanted) : []
  }
  const wanted: Readonly<Record<Strike, number>> = {
    kill: options.kills,
    stop: pointsOf.stop.length === 0 ? 0 : (options.stops ?? Math.ceil(options.kills / 5)),
    cut: pointsOf.cut.length === 0 ? 0 : (options.cuts ?? Math.ceil(options.kills / 5))
  }
  const strikes: ReadonlyArray<Strike> = ["kill", "stop", "cut"]
  const done: Record<Strike, ByPoint> = { kill: {}, stop: {}, cut: {} }
  const aimed: Record<Strike, ByPoint> = { kill: {}, stop: {}, cut: {} }
  const of = (counts: ByPoint, point: Point) => counts[point] ?? 0
  const sum = (counts: ByPoint) => Object.values(counts).reduce((sum, n) => sum + n, 0)
  return {
    done,
    sum,
    isDone: () => strikes.every((strike) => sum(done[strike]) >= wanted[strike]),
    next: (): Next | undefined => {
      const strike = strikes
        .map((strike) => ({ strike, part: (sum(done[strike]) + sum(aimed[strike])) / wanted[strike] }))
        .filter(({ part }) => part < 1)
        .toSorted((a, b) => a.part - b.part)[0]?.strike
      if (strike === undefined) return undefined
      const had = (point: Point) => of(done[strike], point) + of(aimed[strike], point)
      const point = pointsOf[strike].toSorted((a, b) => had(a) - had(b))[0]!
      aimed[strike][point] = of(aimed[strike], point) + 1
      return { strike, point }
    },
    /** The aim is over, with or without a strike that counts. */
    over: ({ point, strike }: Next, counts: boolean) => {
      aimed[strike][point] = of(aimed[strike], point) - 1
      if (counts) done[strike][point] = of(done[strike], point) + 1
    }
  }
}
