/**
 * OpenTelemetry's SDK: https://opentelemetry.io/docs/languages/js/instrumentation/#create-spans. Spans are real and
 * recorded; the processor counts and drops them, since exporting is no part of a call.
 */
import { type Attributes, context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api"
import { BasicTracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Exit, Option, Tracer } from "effect"

export const docs = "https://opentelemetry.io/docs/languages/js/instrumentation/#create-spans"

export const makeTracer = () => {
  let ended = 0
  const dropping: SpanProcessor = {
    onStart: () => {},
    onEnd: () => {
      ended++
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve()
  }
  const tracer = new BasicTracerProvider({ spanProcessors: [dropping] }).getTracer("bench")
  return { tracer, ended: () => ended }
}

/** A span of its own for every call, which says whether it failed. */
export const traced = (call: () => Promise<unknown>) => {
  const { ended, tracer } = makeTracer()
  const attributes: Attributes = { "service.name": "bench", operation: "call" }
  return {
    ended,
    call: async () => {
      const span = tracer.startSpan("bench.call", { kind: SpanKind.CLIENT, attributes })
      try {
        return await call()
      } catch (error) {
        span.recordException(error as Error)
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    }
  }
}

const kinds: Readonly<Record<Tracer.SpanKind, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER
}

const hrTime = (nanos: bigint): [number, number] => [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)]

/** An Effect span which is one of OpenTelemetry's, so that both sides of a comparison record the same. */
class Bridged extends Tracer.NativeSpan {
  readonly inner: Span
  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], inner: Span) {
    super(options)
    this.inner = inner
  }
  override attribute(key: string, value: unknown): void {
    this.inner.setAttribute(key, value as string)
  }
  override event(name: string, startTime: bigint, attributes?: Record<string, unknown>): void {
    this.inner.addEvent(name, attributes as Attributes, hrTime(startTime))
  }
  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    super.end(endTime, exit)
    if (Exit.isFailure(exit)) this.inner.setStatus({ code: SpanStatusCode.ERROR })
    this.inner.end(hrTime(endTime))
  }
}

/** The tracer of OpenTelemetry as a tracer of Effect. */
export const effectTracer = () => {
  const { ended, tracer } = makeTracer()
  const made = Tracer.make({
    span: (options) => {
      const parent = Option.getOrUndefined(options.parent)
      const around = parent instanceof Bridged ? trace.setSpan(context.active(), parent.inner) : context.active()
      const inner = tracer.startSpan(
        options.name,
        { kind: kinds[options.kind], startTime: hrTime(options.startTime) },
        around
      )
      return new Bridged(options, inner)
    }
  })
  return { tracer: made, ended }
}
