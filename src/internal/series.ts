import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** How many sets of labels one metric has at most. OpenTelemetry's own default. */
export const most = 2_000

type Labels = Readonly<Record<string, string>>

const overflowing = "otel.metric.overflow"

// By the registry that holds the series: what one has is nothing to another, and goes with it.
const registries = new WeakMap<object, Map<string, Set<string>>>()

const setsOf = (context: Context.Context<never>, metric: string): Set<string> => {
  const registry = Context.get(context, Metric.MetricRegistry)
  let metrics = registries.get(registry)
  if (metrics === undefined) registries.set(registry, (metrics = new Map()))
  let sets = metrics.get(metric)
  if (sets === undefined) metrics.set(metric, (sets = new Set()))
  return sets
}

/**
 * The labels of one more series of a metric. Past the limit they are those of one series for all the rest, which is
 * counted, and warned of once: a metric whose labels grow without end takes the exporter and the database with it.
 *
 * It is asked once for each series and not for each measurement: callers keep what they made of the answer.
 */
export const labelsFor = (
  context: Context.Context<never>,
  metric: string,
  labels: Labels,
  overflow: { readonly name: string; readonly limit?: number }
): Labels => {
  const sets = setsOf(context, metric)
  const id = JSON.stringify(labels)
  if (sets.has(id)) return labels
  if (sets.size < (overflow.limit ?? most)) {
    sets.add(id)
    return labels
  }
  Metric.counter(overflow.name, {
    description: "Sets of labels that were folded into the overflow series of a metric",
    incremental: true,
    attributes: { metric, unit: "{label_set}" }
  }).updateUnsafe(1, context)
  if (!sets.has(overflowing)) {
    sets.add(overflowing)
    Effect.runForkWith(context)(
      Effect.logWarning(
        `${metric} has ${sets.size - 1} sets of labels, the most that one metric may have: all others are one series, ` +
          `${overflowing}="true". The labels that were one too many: ${Object.keys(labels).join(", ")}`
      )
    )
  }
  const unit = labels["unit"]
  return { [overflowing]: "true", ...(unit === undefined ? {} : { unit }) }
}
