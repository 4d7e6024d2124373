/**
 * `npm run grafana`: writes grafana/breakwater.json and grafana/alerts.yaml from the names in src/Telemetry.ts. With
 * `--check` it says whether the files are what it would write.
 *
 * Both are for names as `Telemetry.prometheusName` makes them, by scrape or through a collector of OpenTelemetry.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { metrics, names, prometheusName } from "../src/Telemetry.ts"
import { isMain, root } from "./run.ts"

/** A label as Prometheus writes it. */
const label = (name: string): string => name.replaceAll(".", "_")

const integration = label(names.integration)
const operation = label(names.operation)
const outcome = label(names.outcome)
const state = label(names.breakerState)
const policyName = label(names.policyName)
const breakerKey = label(names.breakerKey)
const by = `${integration}, ${operation}`

const calls = `${prometheusName(names.callDuration)}_count`
const callBuckets = `${prometheusName(names.callDuration)}_bucket`

/** Rejections take no time: an open circuit would make an integration look fast. Timeouts stay in. */
const noRejections = `${outcome}!~"rejected_.+"`
/** What is wrong with an integration. `failed` is an answer, such as a declined card, and `cancelled` the caller's doing. */
const wrong = `${outcome}=~"exhausted|timeout|decode_failed|rejected_.+"`
const degraded = `${outcome}=~"fallback|parked"`

// ---- alerts

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly severity: "critical" | "warning" | "info"
  readonly summary: string
  readonly description: string
  /** The first things to do. */
  readonly runbook: string
}

const share = (which: string) => `sum by (${by}) (rate(${calls}{${which}}[5m])) / sum by (${by}) (rate(${calls}[5m]))`
const who = `{{ $labels.${integration} }}`
const what = `${who} {{ $labels.${operation} }}`
const percent = "{{ $value | humanizePercentage }}"
const time = "{{ $value | humanizeDuration }}"

export const alerts: ReadonlyArray<Alert> = [
  {
    alert: "BreakwaterErrorRatio",
    expr: `${share(wrong)} > 0.05`,
    for: "5m",
    severity: "critical",
    summary: `${what} fails`,
    description: `${percent} of the calls of ${what} were exhausted, timed out, could not be decoded or were rejected.`,
    runbook:
      "Look at the outcomes in the dashboard: timeout and exhausted are the provider's, decode_failed is a contract that changed, rejected are limits of your own. Read the provider's status page and one trace of a failed call."
  },
  {
    alert: "BreakwaterLatency",
    expr: `histogram_quantile(0.95, sum by (le, ${by}) (rate(${callBuckets}{${noRejections}}[5m]))) > 2.5`,
    for: "10m",
    severity: "warning",
    summary: `${what} is slow`,
    description: `95 % of the calls of ${what} take up to ${time}.`,
    runbook:
      "Look at where the time goes: in requests the provider is slow, in retries it fails first, in queues your own limits are too low for the load. Shorten the attempt timeout only if the caller can bear a failure."
  },
  {
    alert: "BreakwaterCircuitOpen",
    expr: `max by (${integration}, ${policyName}, ${breakerKey}) (${prometheusName(names.breakerState)}{${state}=~"open|forced_open"}) == 1`,
    for: "1m",
    severity: "critical",
    summary: `The circuit ${`{{ $labels.${breakerKey} }}`} of ${who} is open`,
    description: `Calls of ${who} are turned away. One that was forced open stays so until it is released.`,
    runbook:
      "Find the failures that opened it in the outcomes before that moment. It closes by itself when probes succeed. If the provider is well and it stays open, look whether somebody forced it open."
  },
  {
    alert: "BreakwaterCircuitsOpen",
    expr: `max by (${integration}, ${policyName}) (${prometheusName(names.breakerOpen)}) > 0`,
    for: "5m",
    severity: "warning",
    summary: `Circuits of ${who} are open`,
    description: `{{ $value }} circuits of the breaker {{ $labels.${policyName} }}, which has one for each key of a call, are open.`,
    runbook: "See in the log lines of rejected calls which keys they are: often one tenant or one host is ill."
  },
  {
    alert: "BreakwaterRetries",
    expr: `sum by (${by}) (rate(${prometheusName(names.policyDecisions)}{${label(names.policy)}="retry", ${label(names.decided)}="retried", ${label(names.mode)}="enforce"}[5m])) / sum by (${by}) (rate(${calls}[5m])) > 0.2`,
    for: "10m",
    severity: "warning",
    summary: `${what} repeats many calls`,
    description: `There are ${percent} as many retries as calls of ${what}.`,
    runbook:
      "Retries hide failures and add load. See the reasons on the events breakwater.retry of some traces; give the policy a budget if it has none, and tell the provider."
  },
  {
    alert: "BreakwaterQueueWait",
    expr: `histogram_quantile(0.95, sum by (le, gate, ${by}) (rate(${prometheusName(names.callQueueWait)}_bucket[5m]))) > 1`,
    for: "10m",
    severity: "warning",
    summary: `${what} waits for its own limits`,
    description: `Of the calls of ${what} that wait at {{ $labels.gate }}, 95 % wait up to ${time}.`,
    runbook:
      "The limit is reached. If the provider is slow, more permits make it slower; if it is well and allows more, raise the bulkhead or the rate."
  },
  {
    alert: "BreakwaterDegraded",
    expr: `${share(degraded)} > 0.2`,
    for: "15m",
    severity: "info",
    summary: `${what} answers without its provider`,
    description: `${percent} of the calls of ${what} ended in their fallback or were parked.`,
    runbook:
      "Callers see no failure, and that is what it is for. Find out as for failed calls why the provider is not asked."
  },
  {
    alert: "BreakwaterOutboxOldestAge",
    expr: `max by (${by}) (${prometheusName(names.outboxOldestAge)}{state=~"waiting|pending"}) > 900`,
    for: "5m",
    severity: "warning",
    summary: `Stored calls of ${what} are not made`,
    description: `The oldest stored call of ${what} is ${time} old.`,
    runbook:
      "See with npx breakwater outbox stats and explain that a worker runs, that its lane is not paused or blocked by a dead call, and that the provider is well."
  },
  {
    alert: "BreakwaterOutboxDead",
    expr: `max by (${by}) (${prometheusName(names.outboxDepth)}{state="dead"}) > 0`,
    for: "5m",
    severity: "warning",
    summary: `Stored calls of ${what} were given up`,
    description: `{{ $value }} stored calls of ${what} are dead.`,
    runbook:
      "Read why with npx breakwater outbox list and explain, mend the cause, then redrive or discard them. A dead call blocks its lane."
  },
  {
    alert: "BreakwaterNeedsReconcile",
    expr: `max by (${by}) (${prometheusName(names.outboxDepth)}{state="needs_reconcile"}) > 0`,
    for: "5m",
    severity: "critical",
    summary: `Stored calls of ${what} need a decision`,
    description: `It is not known whether {{ $value }} stored calls of ${what} happened, and a repeat is not safe.`,
    runbook:
      "Look each one up at the provider, by its key or request id, and say what you found with npx breakwater outbox resolve."
  },
  {
    alert: "BreakwaterTelemetryOverflow",
    expr: `max by (metric) (${prometheusName(names.overflow)}) > 0`,
    for: "0m",
    severity: "warning",
    summary: "{{ $labels.metric }} has too many series",
    description: "{{ $value }} sets of labels of {{ $labels.metric }} were folded into one series.",
    runbook: "A warning in the log names the labels. Make the values of that label few, then restart the process."
  }
]

const quoted = (text: string) => JSON.stringify(text)

const alertsYaml = (): string =>
  [
    "# Written by `npm run grafana`: change scripts/grafana.ts instead.",
    "groups:",
    "  - name: breakwater",
    "    rules:",
    ...alerts.flatMap((alert) => [
      `      - alert: ${alert.alert}`,
      `        expr: ${quoted(alert.expr)}`,
      `        for: ${alert.for}`,
      "        labels:",
      `          severity: ${alert.severity}`,
      "        annotations:",
      `          summary: ${quoted(alert.summary)}`,
      `          description: ${quoted(alert.description)}`,
      `          runbook: ${quoted(alert.runbook)}`
    ]),
    ""
  ].join("\n")

// ---- dashboard

interface Query {
  readonly expr: string
  readonly legend: string
}

interface Panel {
  readonly title: string
  readonly description: string
  readonly unit: "reqps" | "percentunit" | "s" | "short"
  readonly type?: "timeseries" | "state-timeline"
  readonly queries: ReadonlyArray<Query>
}

const chosen = `${integration}=~"$integration"`
const chosenOperation = `${chosen}, ${operation}=~"$operation"`
const rate = (metric: string, where: string, groups: string) =>
  `sum by (${groups}) (rate(${metric}{${where}}[$__rate_interval]))`
const quantile = (q: number, metric: string, where: string, groups: string) =>
  `histogram_quantile(${q}, ${rate(`${metric}_bucket`, where, `le, ${groups}`)})`
const per = (metric: string) =>
  `${rate(`${prometheusName(metric)}_sum`, chosenOperation, integration)} / ${rate(calls, chosenOperation, integration)}`
const named = (...labels: ReadonlyArray<string>) => labels.map((name) => `{{${name}}}`).join(" ")

const rows: ReadonlyArray<{ readonly title: string; readonly panels: ReadonlyArray<Panel> }> = [
  {
    title: "Calls, as the application sees them",
    panels: [
      {
        title: "Calls by outcome",
        description: "Every call that ended. fallback and parked are calls that the provider did not answer.",
        unit: "reqps",
        queries: [{ expr: rate(calls, chosenOperation, outcome), legend: named(outcome) }]
      },
      {
        title: "Error ratio",
        description: "Exhausted, timed out, not decoded or rejected, of all calls.",
        unit: "percentunit",
        queries: [
          {
            expr: `(${rate(calls, `${chosenOperation}, ${wrong}`, by)} or 0 * ${rate(calls, chosenOperation, by)}) / ${rate(calls, chosenOperation, by)}`,
            legend: named(integration, operation)
          }
        ]
      },
      {
        title: "Duration of calls",
        description: "Without rejections, which take no time. Timeouts count at the time that they took.",
        unit: "s",
        queries: [0.5, 0.95, 0.99].map((q) => ({
          expr: quantile(q, prometheusName(names.callDuration), `${chosenOperation}, ${noRejections}`, integration),
          legend: `p${q * 100} ${named(integration)}`
        }))
      },
      {
        title: "Where the time of a call goes",
        description: "Means. What is left is requests, decoding and the program's own work.",
        unit: "s",
        queries: [
          { expr: per(names.callDuration), legend: `whole ${named(integration)}` },
          { expr: per(names.callQueueWait), legend: `queues ${named(integration)}` },
          { expr: per(names.callRetryDelay), legend: `backoff ${named(integration)}` }
        ]
      },
      {
        title: "Attempts per call",
        description: "1 is one request for a call; rejections lower it.",
        unit: "short",
        queries: [{ expr: per(names.callAttempts), legend: named(integration) }]
      },
      {
        title: "Calls that run",
        description: "At this moment.",
        unit: "short",
        queries: [
          {
            expr: `sum by (${by}) (${prometheusName(names.activeCalls)}{${chosenOperation}})`,
            legend: named(integration, operation)
          }
        ]
      }
    ]
  },
  {
    title: "Attempts",
    panels: [
      {
        title: "HTTP requests by status",
        description: "One for each attempt.",
        unit: "reqps",
        queries: [
          {
            expr: rate(
              `${prometheusName(names.httpDuration)}_count`,
              chosen,
              [integration, names.status, names.errorType].map(label).join(", ")
            ),
            legend: named(integration, label(names.status), label(names.errorType))
          }
        ]
      },
      {
        title: "Duration of HTTP requests",
        description: "With the reading of the answer.",
        unit: "s",
        queries: [0.5, 0.95].map((q) => ({
          expr: quantile(q, prometheusName(names.httpDuration), chosen, integration),
          legend: `p${q * 100} ${named(integration)}`
        }))
      },
      {
        title: "Duration of other attempts",
        description: "Of operations without HTTP.",
        unit: "s",
        queries: [0.5, 0.95].map((q) => ({
          expr: quantile(q, prometheusName(names.attemptDuration), chosenOperation, by),
          legend: `p${q * 100} ${named(integration, operation)}`
        }))
      }
    ]
  },
  {
    title: "Policies",
    panels: [
      {
        title: "What the layers decided",
        description: "In mode observe: what they would have decided.",
        unit: "reqps",
        queries: [
          {
            expr: rate(
              prometheusName(names.policyDecisions),
              chosenOperation,
              [integration, names.policy, names.decided, names.mode].map(label).join(", ")
            ),
            legend: named(...[integration, names.policy, names.decided, names.mode].map(label))
          }
        ]
      },
      {
        title: "Circuits",
        description: "The state that each is in.",
        unit: "short",
        type: "state-timeline",
        queries: [
          {
            expr: `max by (${integration}, ${breakerKey}, ${state}) (${prometheusName(names.breakerState)}{${chosen}}) == 1`,
            legend: named(integration, breakerKey, state)
          },
          {
            expr: `max by (${integration}, ${policyName}) (${prometheusName(names.breakerOpen)}{${chosen}})`,
            legend: `open circuits of ${named(integration, policyName)}`
          }
        ]
      },
      {
        title: "Changes of circuits",
        description: "In the last five minutes.",
        unit: "short",
        queries: [
          {
            expr: `sum by (${[integration, names.breakerFrom, names.breakerTo].map(label).join(", ")}) (increase(${prometheusName(names.breakerTransitions)}{${chosen}}[5m]))`,
            legend: named(integration, label(names.breakerFrom), label(names.breakerTo))
          }
        ]
      },
      {
        title: "Bulkheads",
        description: "Attempts that hold a permit, and that wait for one.",
        unit: "short",
        queries: [
          {
            expr: `sum by (${integration}, ${policyName}) (${prometheusName(names.bulkheadRunning)}{${chosen}})`,
            legend: `running ${named(integration, policyName)}`
          },
          {
            expr: `sum by (${integration}, ${policyName}) (${prometheusName(names.bulkheadWaiting)}{${chosen}})`,
            legend: `waiting ${named(integration, policyName)}`
          }
        ]
      },
      {
        title: "Waits for a permit or the rate",
        description: "Of the calls that waited.",
        unit: "s",
        queries: [
          {
            expr: quantile(0.95, prometheusName(names.callQueueWait), chosenOperation, `gate, ${integration}`),
            legend: `p95 ${named("gate", integration)}`
          }
        ]
      },
      {
        title: "What is left of rate limits",
        description: "As of the last attempt.",
        unit: "short",
        queries: [
          {
            expr: `min by (${integration}, ${policyName}) (${prometheusName(names.rateLimiterRemaining)}{${chosen}})`,
            legend: named(integration, policyName)
          }
        ]
      }
    ]
  },
  {
    title: "Outbox and receivers",
    panels: [
      {
        title: "Stored calls",
        description: "needs_reconcile waits for a person.",
        unit: "short",
        queries: [
          {
            expr: `max by (${by}, state) (${prometheusName(names.outboxDepth)}{${chosenOperation}})`,
            legend: named(integration, operation, "state")
          }
        ]
      },
      {
        title: "Age of the oldest stored call",
        description: "0 where there is none.",
        unit: "s",
        queries: [
          {
            expr: `max by (${by}, state) (${prometheusName(names.outboxOldestAge)}{${chosenOperation}})`,
            legend: named(integration, operation, "state")
          }
        ]
      },
      {
        title: "Stored calls that ended",
        description: "By how.",
        unit: "reqps",
        queries: [
          {
            expr: rate(prometheusName(names.outboxEnded), chosenOperation, `${by}, state`),
            legend: named(integration, operation, "state")
          }
        ]
      },
      {
        title: "Requests of receivers",
        description: "Of this application's own endpoints, by how they went.",
        unit: "reqps",
        queries: [
          {
            expr: `sum by (${label(names.receiver)}, ${outcome}) (rate(${prometheusName(names.receiverRequests)}[$__rate_interval]))`,
            legend: named(label(names.receiver), outcome)
          }
        ]
      },
      {
        title: "Series that overflowed",
        description: "Anything but 0: a label has too many values.",
        unit: "short",
        queries: [{ expr: `max by (metric) (${prometheusName(names.overflow)})`, legend: named("metric") }]
      }
    ]
  }
]

/** Every query of the dashboard. */
export const queries: ReadonlyArray<string> = rows.flatMap(({ panels }) =>
  panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))
)

const datasource = { type: "prometheus", uid: "${datasource}" }

const dashboardJson = (): string => {
  const panels: Array<object> = []
  let y = 0
  let id = 0
  for (const row of rows) {
    panels.push({
      id: ++id,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y },
      panels: []
    })
    y++
    row.panels.forEach((panel, at) => {
      panels.push({
        id: ++id,
        type: panel.type ?? "timeseries",
        title: panel.title,
        description: panel.description,
        datasource,
        gridPos: { h: 8, w: 8, x: (at % 3) * 8, y: y + Math.floor(at / 3) * 8 },
        fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
        options: { legend: { displayMode: "list", placement: "bottom" } },
        targets: panel.queries.map(({ expr, legend }, query) => ({
          refId: String.fromCharCode(65 + query),
          datasource,
          expr,
          legendFormat: legend
        }))
      })
    })
    y += Math.ceil(row.panels.length / 3) * 8
  }
  const variable = (name: string, query: string) => ({
    name,
    type: "query",
    datasource,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" }
  })
  return `${JSON.stringify(
    {
      uid: "breakwater",
      title: "breakwater",
      description: "Written by npm run grafana of breakwater.",
      tags: ["breakwater"],
      schemaVersion: 39,
      version: 1,
      editable: true,
      refresh: "10s",
      time: { from: "now-1h", to: "now" },
      templating: {
        list: [
          { name: "datasource", type: "datasource", query: "prometheus", current: {} },
          variable("integration", `label_values(${calls}, ${integration})`),
          variable("operation", `label_values(${calls}{${chosen}}, ${operation})`)
        ]
      },
      annotations: { list: [] },
      panels
    },
    undefined,
    2
  )}\n`
}

/** The families that a text names, such as `breakwater_call_duration_seconds`, without a histogram's suffixes. */
export const familiesIn = (text: string): ReadonlyArray<string> => {
  const known = Object.keys(metrics).map(prometheusName)
  return known.filter((family) => new RegExp(`\\b${family}(?:_bucket|_count|_sum)?\\b`).test(text))
}

export const files: Readonly<Record<string, () => string>> = {
  "grafana/breakwater.json": dashboardJson,
  "grafana/alerts.yaml": alertsYaml
}

if (isMain(import.meta.url)) {
  const check = process.argv.includes("--check")
  for (const [path, make] of Object.entries(files)) {
    const file = join(root, path)
    if (!check) writeFileSync(file, make())
    else if (readFileSync(file, "utf8") !== make()) {
      console.error(`${path} is not what scripts/grafana.ts makes: run npm run grafana`)
      process.exitCode = 1
    }
  }
}
