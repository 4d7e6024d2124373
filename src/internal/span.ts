import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { envOf } from "./env.ts"
import { isBelow } from "./observe.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

export type Attributes = ReadonlyArray<readonly [name: string, value: unknown]>

const noAnnotations = Context.empty()

/** The nearest span around that may be seen. */
const visible = (span: Tracer.AnySpan | undefined): Option.Option<Tracer.AnySpan> => {
  if (span === undefined) return Option.none()
  if (!Context.get(span.annotations, Tracer.DisablePropagation)) return Option.some(span)
  return span._tag === "Span" ? visible(Option.getOrUndefined(span.parent)) : Option.none()
}

// Effect keeps the span of a disabled tracer to itself: one is made to see what they are.
let disabled: Tracer.Span | undefined = undefined

const disabledSpan = (name: string, parent: Option.Option<Tracer.AnySpan>): Tracer.Span => {
  disabled ??= Effect.runSync(Effect.withTracerEnabled(Effect.makeSpan(""), false))
  return Object.assign(Object.create(Object.getPrototypeOf(disabled)), {
    name,
    parent,
    annotations: disabled.annotations
  })
}

/**
 * A span of Effect's own tracer, which keeps spans for nobody: only who holds it can look at it. So its attributes are put
 * together when somebody does.
 */
class QuietSpan extends Tracer.NativeSpan {
  private readonly given: Attributes
  private late: Array<readonly [name: string, value: unknown, isLazy: boolean]> | undefined = undefined
  private all: Map<string, unknown> | undefined = undefined

  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], given: Attributes) {
    super(options)
    this.given = given
  }

  override get attributes(): Map<string, unknown> {
    if (this.all === undefined) {
      this.all = new Map(this.given)
      for (const [name, value, isLazy] of this.late ?? [])
        this.all.set(name, isLazy ? (value as () => unknown)() : value)
      this.late = undefined
    }
    return this.all
  }

  override attribute(name: string, value: unknown): void {
    if (this.status._tag === "Ended") return
    if (this.all === undefined) (this.late ??= []).push([name, value, false])
    else this.all.set(name, value)
  }

  /** An attribute that takes some doing. */
  lazily(name: string, value: () => unknown): void {
    if (this.all === undefined) (this.late ??= []).push([name, value, true])
    else this.attribute(name, value())
  }
}

/** Sets an attribute that takes some doing: it is done where a tracer is told, or when somebody asks. */
export const setLazily = (span: Tracer.Span, name: string, value: () => unknown): void => {
  if (span instanceof QuietSpan) span.lazily(name, value)
  else span.attribute(name, value())
}

/**
 * Begins a span at once: what `Effect.makeSpan` does inside of an effect, with attributes that were put together once for
 * all spans of an operation.
 */
export const startSpan = (
  fiber: AnyFiber,
  name: string,
  kind: Tracer.SpanKind,
  around: Tracer.AnySpan | undefined,
  attributes: Attributes,
  links: ReadonlyArray<Tracer.SpanLink>,
  startTime: bigint
): Tracer.Span => {
  const { tracer, tracerEnabled } = fiber.cache
  const parent = visible(around)
  if (!tracerEnabled) return disabledSpan(name, parent)
  const env = envOf(fiber)
  const { annotations, links: linked } = env
  const options: Parameters<Tracer.Tracer["span"]>[0] = {
    name,
    parent,
    annotations: noAnnotations,
    links: linked.length === 0 && links.length === 0 ? [] : [...linked, ...links],
    startTime,
    kind,
    root: false,
    sampled: Option.isSome(parent) && !parent.value.sampled ? false : !isBelow(env.traceLevel, env.minimumTraceLevel)
  }
  if (tracer === undefined && noKeys(annotations)) return new QuietSpan(options, attributes)
  const span = (tracer ?? Tracer.nativeTracer).span(options)
  for (const key in annotations) span.attribute(key, annotations[key])
  for (let at = 0; at < attributes.length; at++) span.attribute(attributes[at]![0], attributes[at]![1])
  return span
}

/** The time of the fiber's clock for spans; 0 where spans are not timed. */
export const nanosOf = (fiber: AnyFiber): bigint => {
  const { clock, timed } = envOf(fiber)
  return timed ? clock.currentTimeNanosUnsafe() : BigInt(0)
}

const noKeys = (record: Readonly<Record<string, unknown>>): boolean => {
  for (const _ in record) return false
  return true
}
