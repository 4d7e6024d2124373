/**
 * What is struck next, and where.
 */
import { type Mode, type Kind, type Point, points } from "./protocol.ts"
import type { Aim, Strike } from "./servers.ts"

export type ByPoint = { [P in Point]?: number }

export interface Wanted {
  readonly store: Kind
  readonly mode: Mode
  readonly kills: number
  /** How many processes are stopped for longer than a lease, beside those that are killed. Default: a fifth as many. */
  readonly stops?: number | undefined
  /** How many connections to PostgreSQL are cut in the middle of a COMMIT. Default: a fifth as many as kills. */
  readonly cuts?: number | undefined
  /** The points that are aimed at. Default: all of the mode. */
  readonly points?: ReadonlyArray<Point> | undefined
}

/** Which strike comes next: the kind that is furthest behind, and the point that had it least. */
export const planOf = (options: Wanted) => {
  const { kills, mode, store } = options
  const all = options.points ?? points(store, mode)
  // Whoever is stopped after the work is done writes late: that comes first.
  const late = all.indexOf("before completion")
  const forStops = late < 0 ? all : [...all.slice(late), ...all.slice(0, late)]
  // Whoever is stopped within a statement on SQLite keeps the lock of its file, and nobody can take over.
  const isStoppable = (point: Point) => point !== (store === "sqlite" ? "during sweep" : undefined)
  const canCut = store === "postgres" && mode === "transactional"
  const done: Record<Strike, ByPoint> = { kill: {}, stop: {}, cut: {} }
  const aimed: Record<Strike, ByPoint> = { kill: {}, stop: {}, cut: {} }
  const of = (counts: ByPoint, point: Point) => counts[point] ?? 0
  const sum = (counts: ByPoint) => Object.values(counts).reduce((sum, n) => sum + n, 0)
  const pointsOf: Readonly<Record<Strike, ReadonlyArray<Point>>> = {
    kill: all,
    // A transaction whose COMMIT is on the wire is cut off instead.
    stop: forStops.filter((point) => isStoppable(point) && !(canCut && point === "during commit")),
    cut: ["during commit"]
  }
  const wanted: Readonly<Record<Strike, number>> = {
    kill: kills,
    stop: pointsOf.stop.length > 0 ? (options.stops ?? Math.ceil(kills / 5)) : 0,
    cut: canCut ? (options.cuts ?? Math.ceil(kills / 5)) : 0
  }
  return {
    done,
    sum,
    isDone: () => (Object.keys(wanted) as Array<Strike>).every((strike) => sum(done[strike]) >= wanted[strike]),
    next: (): { readonly strike: Strike; readonly point: Point } | undefined => {
      const open = (Object.keys(wanted) as Array<Strike>)
        .map((strike) => ({ strike, part: (sum(done[strike]) + sum(aimed[strike])) / wanted[strike] }))
        .filter(({ part }) => part < 1)
        .toSorted((a, b) => a.part - b.part)[0]
      if (open === undefined) return undefined
      const { strike } = open
      const had = (point: Point) => of(done[strike], point) + of(aimed[strike], point)
      const point = pointsOf[strike].toSorted((a, b) => had(a) - had(b))[0]!
      aimed[strike][point] = of(aimed[strike], point) + 1
      return { strike, point }
    },
    /** The aim is over, with or without a strike that counts. */
    over: ({ point, strike }: Aim, counts: boolean) => {
      aimed[strike][point] = of(aimed[strike], point) - 1
      if (counts) done[strike][point] = of(done[strike], point) + 1
    }
  }
}
