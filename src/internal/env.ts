import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as Deadline from "../Deadline.ts"
import * as Telemetry from "../Telemetry.ts"
import { Current } from "./nesting.ts"

/** What a call reads of the references of its fiber. */
class Env {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly deadline: number | undefined
  readonly correlationId: string | undefined
  readonly observers: ReadonlyArray<(event: Telemetry.CallObserved) => void>
  readonly levels: typeof Telemetry.LogLevels.Service
  readonly minimumLogLevel: typeof References.MinimumLogLevel.Service
  readonly around: typeof Current.Service
  /** Whether spans are timed, what each of them is given, and whether they are sampled by their level. */
  readonly timed: boolean
  readonly links: ReadonlyArray<Tracer.SpanLink>
  readonly annotations: Readonly<Record<string, unknown>>
  readonly traceLevel: typeof Tracer.CurrentTraceLevel.Service
  readonly minimumTraceLevel: typeof Tracer.MinimumTraceLevel.Service

  constructor(context: Context.Context<never>) {
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
    this.deadline = Context.get(context, Deadline.Current)
    this.correlationId = Context.get(context, Telemetry.CorrelationId)
    this.observers = Context.get(context, Telemetry.Observers)
    this.levels = Context.get(context, Telemetry.LogLevels)
    this.minimumLogLevel = Context.get(context, References.MinimumLogLevel)
    this.around = Context.get(context, Current)
    this.timed = Context.get(context, References.TracerTimingEnabled)
    this.links = Context.get(context, References.TracerSpanLinks)
    this.annotations = Context.get(context, References.TracerSpanAnnotations)
    this.traceLevel = Context.get(context, Tracer.CurrentTraceLevel)
    this.minimumTraceLevel = Context.get(context, Tracer.MinimumTraceLevel)
  }
}

export type { Env }

// A context never changes, and calls one after the other mostly have the same: thirteen look-ups are one comparison then.
let last = new Env(Context.empty())

/** What the references of a fiber are. */
export const envOf = (fiber: Fiber.Fiber<unknown, unknown>): Env => {
  const { context } = fiber
  return context === last.context ? last : (last = new Env(context))
}
