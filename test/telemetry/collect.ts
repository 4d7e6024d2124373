/** Every signal that leaves a program, in memory, with ids that a run repeats. */
import { Telemetry } from "breakwater"
import { Cause, Context, Effect, Exit, Logger, Metric, Option, Tracer } from "effect"

/** A span with all that it carries, as an exporter would send it. Times are milliseconds. */
export interface Tree {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly from: number
  readonly to: number
  readonly status: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<readonly [name: string, at: number, attributes: Readonly<Record<string, unknown>>]>
  readonly links: ReadonlyArray<string>
  readonly children: ReadonlyArray<Tree>
}

/** A point of a metric. Of a histogram only the buckets that hold something, each by its upper bound. */
export interface Point {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly value: unknown
}

export interface Collected {
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
  readonly events: ReadonlyArray<Telemetry.CallObserved>
  /** The trees of all traces. */
  readonly trees: () => ReadonlyArray<Tree>
  /** The points of all metrics, by name. */
  readonly points: () => ReadonlyArray<Point>
  readonly metrics: () => ReadonlyArray<Metric.Metric.Snapshot>
  readonly registry: Metric.MetricRegistry
  /** The lines of the loggers that were asked for, in order. */
  readonly lines: ReadonlyArray<string>
  readonly watch: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const millis = (nanos: bigint): number => Number(nanos) / 1e6

/** How a span ended, as an exporter tells it. */
const statusOf = ({ status }: Tracer.NativeSpan): string => {
  if (status._tag !== "Ended") return "not ended"
  if (Exit.isSuccess(status.exit)) return "ok"
  if (Cause.hasInterruptsOnly(status.exit.cause)) return "interrupted"
  const error = Cause.squash(status.exit.cause) as Error
  return `${error.name}: ${error.message}`
}

const valueOf = (metric: Metric.Metric.Snapshot): unknown => {
  switch (metric.type) {
    case "Counter":
      return metric.state.count
    case "Gauge":
      return metric.state.value
    case "Histogram": {
      const { buckets, count, sum } = metric.state
      const own = buckets.map(([bound, below], at) => [bound, below - (buckets[at - 1]?.[1] ?? 0)] as const)
      return { count, sum, buckets: Object.fromEntries(own.filter(([, n]) => n > 0)) }
    }
    default:
      return metric.state
  }
}

/** Collects what the programs that are watched tell. `loggers` write lines; without one nothing is logged. */
export const collect = (...loggers: ReadonlyArray<Logger.Logger<unknown, string>>): Collected => {
  const spans: Array<Tracer.NativeSpan> = []
  const events: Array<Telemetry.CallObserved> = []
  const lines: Array<string> = []
  const registry: Metric.MetricRegistry = new Map()
  const id = (n: number, length: number) => n.toString(16).padStart(length, "0")
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return Object.defineProperties(span, {
        spanId: { value: id(spans.length, 16) },
        traceId: { value: Option.isSome(options.parent) ? options.parent.value.traceId : id(spans.length, 32) }
      })
    }
  })
  const treeOf = (span: Tracer.NativeSpan): Tree => ({
    name: span.name,
    kind: span.kind,
    from: millis(span.status.startTime),
    to: span.status._tag === "Ended" ? millis(span.status.endTime) : Number.NaN,
    status: statusOf(span),
    attributes: Object.fromEntries(span.attributes),
    events: span.events.map(([name, at, attributes]) => [name, millis(at), attributes ?? {}]),
    links: span.links.map(({ span }) => span.spanId),
    children: spans.filter(({ parent }) => Option.isSome(parent) && parent.value.spanId === span.spanId).map(treeOf)
  })
  const metrics = () => Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry))
  return {
    spans,
    events,
    lines,
    metrics,
    registry,
    trees: () => spans.filter(({ parent }) => Option.isNone(parent)).map(treeOf),
    points: () =>
      metrics()
        .map((metric) => ({ name: metric.id, attributes: { ...metric.attributes }, value: valueOf(metric) }))
        .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    watch: (self) =>
      self.pipe(
        Effect.withTracer(tracer),
        Effect.provideService(Metric.MetricRegistry, registry),
        Effect.provideService(Telemetry.Observers, [(event) => events.push(event)]),
        Effect.provide(Logger.layer(loggers.map((logger) => Logger.map(logger, (line) => void lines.push(line)))))
      )
  }
}
