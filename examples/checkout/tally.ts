/** The figures of one run: what the program saw while it ran, joined with what the providers' ledger says afterwards. */
import { Cause, Exit } from "effect"
import type { ClientEntry, ClientName } from "./client.ts"
import { isCheckoutError } from "./errors.ts"
import { type Operation, operations } from "./faults.ts"
import { type IntegrationFigures, makeMeter } from "./meter.ts"
import type { Order } from "./orders.ts"
import type { Audit } from "./provider/protocol.ts"

/** One row of the table. */
export interface ClientFigures {
  readonly name: ClientName
  /** The ledger holds the reservation, exactly one charge, and the receipt (or its `Unknown` failure was reported). */
  readonly ordersDone: number
  /** (order, step) pairs with two or more state changes. */
  readonly executedTwice: number
  /** Calls that had not settled 5 s after their start, and were cut. */
  readonly hung: number
  /** Calls that ended in a defect, or in an error outside `errors.ts`. */
  readonly untyped: number
  /** Receipts whose failure was reported as `Unknown`. */
  readonly receiptUnknown: number
  readonly requestsPerOrder: number
  readonly seconds: number
}

export interface RunResult {
  readonly figures: ClientFigures
  readonly integrations: ReadonlyArray<IntegrationFigures>
  readonly audit: Audit
  /** Orders that ran to an end; fewer than there are only when the run was interrupted. */
  readonly ordersEnded: number
  /** A few of the untyped, hung or doubled calls, in words. */
  readonly samples: ReadonlyArray<string>
}

export interface Progress {
  readonly ended: number
  readonly calls: number
  readonly hung: number
  readonly untyped: number
  readonly seconds: number
  readonly integrations: () => ReadonlyArray<IntegrationFigures>
}

/** The name of the remote party behind each step. */
export const integrationOf: Readonly<Record<Operation, string>> = {
  reserve: "inventory",
  charge: "cards",
  receipt: "mail"
}

/** How one call ended, as seen from outside. */
export interface Settled {
  readonly exit: Exit.Exit<unknown, unknown> | "hung"
  readonly latencyMs: number
}

export interface TallyOptions {
  readonly client: Pick<ClientEntry, "name" | "observes">
  readonly orders: ReadonlyArray<Order>
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

export interface Tally extends ReturnType<typeof makeTally> {}

export const makeTally = ({ client, onProgress, orders }: TallyOptions) => {
  const meter = makeMeter()
  const receiptsUnknown = new Set<string>()
  const samples: Array<string> = []
  const count = { started: 0, ended: 0, calls: 0, hung: 0, untyped: 0 }
  let startedAt = performance.now()
  let stoppedAt: number | undefined
  const seconds = () => ((stoppedAt ?? performance.now()) - startedAt) / 1_000

  const report = () => onProgress?.({ ...count, seconds: seconds(), integrations: meter.figures })
  const sample = (text: string) => {
    if (samples.length < 10) samples.push(text)
  }
  const classify = (operation: Operation, order: Order, exit: Settled["exit"]): string => {
    if (exit === "hung") {
      count.hung++
      sample(`${operation} ${order.id}: hung`)
      return "hung"
    }
    if (Exit.isSuccess(exit)) return "ok"
    const error = Cause.squash(exit.cause)
    if (Exit.hasFails(exit) && isCheckoutError(error)) {
      if (operation === "receipt" && error.outcome === "Unknown") receiptsUnknown.add(order.id)
      return error.outcome
    }
    count.untyped++
    sample(`${operation} ${order.id}: untyped ${describe(error)}`)
    return "untyped"
  }

  return {
    observe: meter.observe,
    start: () => {
      startedAt = performance.now()
    },
    stop: () => {
      stoppedAt = performance.now()
    },
    call: (operation: Operation, order: Order, { exit, latencyMs }: Settled): void => {
      count.calls++
      const outcome = classify(operation, order, exit)
      // A client that does not observe itself is observed from here; its attempts are filled in from the audit.
      if (!client.observes) {
        meter.observe({ integration: integrationOf[operation], operation, outcome, attempts: 0, latencyMs })
      }
      report()
    },
    orderStarted: () => {
      count.started++
    },
    orderEnded: () => {
      count.ended++
      report()
    },
    result: (audit: Audit): RunResult => {
      const changes = changesPerOrder(audit)
      const arrivals = operations.reduce((sum, operation) => sum + audit.arrivals[operation], 0)
      let ordersDone = 0
      let executedTwice = 0
      for (const { id } of orders) {
        const { charge, receipt, reserve } = changes.get(id) ?? none
        if (reserve > 0 && charge === 1 && (receipt > 0 || receiptsUnknown.has(id))) ordersDone++
        for (const [operation, times] of Object.entries({ charge, receipt, reserve })) {
          if (times < 2) continue
          executedTwice++
          sample(`${operation} ${id}: executed ${times} times`)
        }
      }
      return {
        figures: {
          name: client.name,
          ordersDone,
          executedTwice,
          hung: count.hung,
          untyped: count.untyped,
          receiptUnknown: receiptsUnknown.size,
          requestsPerOrder: round(arrivals / Math.max(1, count.started), 2),
          seconds: round(seconds(), 2)
        },
        integrations: meter.figures().map((figures) => (client.observes ? figures : withAttempts(figures, audit))),
        audit,
        ordersEnded: count.ended,
        samples
      }
    }
  }
}

const none: Record<Operation, number> = { reserve: 0, charge: 0, receipt: 0 }

const changesPerOrder = (audit: Audit): ReadonlyMap<string, Record<Operation, number>> => {
  const changes = new Map<string, Record<Operation, number>>()
  for (const { operation, order } of audit.ledger) {
    const entry = changes.get(order) ?? { ...none }
    entry[operation]++
    changes.set(order, entry)
  }
  return changes
}

const withAttempts = (figures: IntegrationFigures, audit: Audit): IntegrationFigures => {
  const operation = operations.find((operation) => integrationOf[operation] === figures.name)
  return operation === undefined ? figures : { ...figures, attempts: audit.arrivals[operation] }
}

const describe = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? `${error} (${error.cause})` : String(error)

const round = (value: number, digits: number): number => Number(value.toFixed(digits))
