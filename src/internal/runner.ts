import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { AttemptStep, Call, CallStep, PolicyDecision, Site } from "../Call.ts"
import * as Deadline from "../Deadline.ts"
import { type CallFailure, isCallFailure } from "../CallFailure.ts"
import type { Decision } from "../Exhaustion.ts"
import { Cipher, OutboxStore } from "../OutboxStore.ts"
import { isIdempotencyKey, toText, toUuid } from "../IdempotencyKey.ts"
import * as Outcome from "../Outcome.ts"
import { PolicyError } from "../PolicyError.ts"
import { applyCase } from "../PolicyTranslate.ts"
import * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import { attemptSpan } from "./attemptSpan.ts"
import { boundary } from "./boundary.ts"
import { CallRecord, type Prepared } from "./call.ts"
import { type Services, servicesOf, withServices } from "./context.ts"
import type { Definition } from "./definition.ts"
import type { Drain, Ticket } from "./drain.ts"
import { CurrentHub } from "./hub.ts"
import { type Gate, siteOf, standsAside } from "./gate.ts"
import { callAttributes, callOutcome, errorType, log, notify, spanExit } from "./observe.ts"
import type { Durable } from "./durable.ts"
import type { Defaults, Stack } from "./plan.ts"
import { judged, settled } from "./precondition.ts"
import { park, writeAhead } from "./storing.ts"
import { setCallSite } from "./stack.ts"
import { StreamRecord, streamOf } from "./streaming.ts"
import { withTotal } from "./streamLimits.ts"
import { cutAfter, nowOf } from "./timer.ts"

/** The limit of a fallback, past which the call's own failure stands. */
const fallbackLimit = 1_000

/** What one client method runs. */
export type Method = (input: unknown, site: Error) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

let calls = 0

/** Compiles one operation: every policy is built, and the steps are folded, once. */
export const compile = (
  definition: Definition,
  stack: Stack,
  defaults: Defaults,
  bare: Omit<Site, "host">,
  gateOf: (layer: Stack["layers"][number]) => Gate,
  drain: Drain,
  observers: ReadonlyArray<(event: Telemetry.CallObserved) => void>
): Effect.Effect<{ readonly method: Method; readonly durable: Durable | undefined }, PolicyError, Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* definition.open({
      integration: bare.integration,
      operation: bare.operation,
      classify: defaults.classify,
      classifyErrors: defaults.classifyErrors
    })
    const site: Site = { ...bare, host: transport.server?.address }
    const services = servicesOf(yield* Effect.context<never>())
    const hub = yield* Effect.service(CurrentHub)
    const metrics = Telemetry.makeMetrics({
      integration: site.integration,
      operation: site.operation,
      http:
        definition.about.http === undefined
          ? undefined
          : { method: definition.about.http.method, server: transport.server?.address, port: transport.server?.port }
    })

    // From the inside out.
    let attempt: AttemptStep = (call) => (call as CallRecord).prepared!.send(call as CallRecord)
    const condition = definition.strategy._tag === "Conditional" ? definition.strategy : undefined
    if (condition !== undefined) attempt = judged(condition, attempt)
    let wrapped: CallStep | undefined
    for (const layer of stack.layers.toReversed()) {
      const gate = gateOf(layer)
      const own = siteOf(site, gate)
      if (layer.level === "attempt") {
        const transform = yield* layer.build(own)
        attempt = aside(gate, attempt, transform(attempt))
        // The span goes around the attempt's own timeout, and inside everything that waits.
        if (layer.slot === "attemptTimeout")
          attempt = attemptSpan(definition.about, transport.server, metrics, attempt) as AttemptStep
      } else {
        wrapped ??= boundary(site, attempt) as CallStep
        if (layer.slot === "totalDeadline") {
          if (site.reconcile !== undefined && definition.strategy._tag === "Reconcilable") {
            wrapped = lookFirst(site.reconcile, definition.strategy.lookFirst, wrapped)
          }
          if (condition !== undefined) wrapped = settled(condition, services, wrapped)
          wrapped = prepareWith(definition, transport.prepare, wrapped)
        }
        const transform = yield* layer.build(own)
        wrapped = aside(gate, wrapped, transform(wrapped))
      }
    }
    const whole = wrapped!
    const orElse = stack.orElse
    const name = `${site.integration} ${site.operation}`
    const translate = (failure: CallFailure, input: unknown): unknown => {
      const translated = applyCase(definition.translate, failure.reason.error, input)
      return translated !== undefined ? translated : orElse(failure, input as never)
    }
    const record = (input: unknown, fiber: Fiber.Fiber<unknown, unknown>, correlationId: string | undefined) => {
      const startedAt = nowOf(fiber)
      const id = `${startedAt.toString(36)}-${(++calls).toString(36)}`
      const call = new CallRecord({
        id,
        integration: site.integration,
        operation: site.operation,
        repeat: site.repeat,
        input,
        startedAt,
        correlationId: correlationId ?? id
      })
      call.deadline = fiber.getRef(Deadline.Current) ?? Infinity
      return call
    }

    /** What is to be parked is prepared even while the layer closes. */
    const parks = definition.writeAhead === undefined && stack.decision._tag === "Park"

    /** Runs a call and tells of it, once. */
    const perform = (
      call: CallRecord,
      fiber: Fiber.Fiber<unknown, unknown>,
      run: CallStep,
      links: ReadonlyArray<Tracer.SpanLink>,
      callSite: Error | undefined
    ): Effect.Effect<unknown, CallFailure> => {
      const { startedAt } = call
      // Nothing may come between the start of a call and what must happen at its end.
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Effect.makeSpan(name, { kind: "internal", attributes: callAttributes(call), links }), (span) => {
          const traceId = span.traceId === "noop" ? undefined : span.traceId
          if (!call.resumed && fiber.getRef(Telemetry.CorrelationId) === undefined && traceId !== undefined)
            call.correlationId = traceId
          metrics.active(1, fiber.context)
          const ticket = drain.enter(call, fiber)
          call.draining = ticket === undefined
          const body =
            ticket === undefined && !parks
              ? Effect.fail(call.fail(Reason.make("Draining"), "not transient", startedAt))
              : Effect.withParentSpan(run(call), span, { captureStackTrace: false })
          return Effect.matchCauseEffect(
            Effect.onExit(restore(body), (exit) => {
              metrics.active(-1, fiber.context)
              const failure = failureOf(exit, call, fiber)
              const event = observe(call, failure, exit, traceId, nowOf(fiber))
              metrics.update(event, fiber.context)
              span.attribute(Telemetry.names.outcome, event.callOutcome)
              span.attribute(Telemetry.names.effect, event.outcome)
              span.attribute(Telemetry.names.attempts, Telemetry.attemptsMade(event))
              span.attribute(Telemetry.names.correlationId, event.correlationId)
              if (event.retryDelay > 0) span.attribute(Telemetry.names.retryDelay, event.retryDelay / 1000)
              if (event.queueWait > 0) span.attribute(Telemetry.names.queueWait, event.queueWait / 1000)
              if (event.stream !== undefined) streamAttributes(span, event.stream)
              if (event.key !== undefined) span.attribute(Telemetry.names.key, event.key)
              if (event.errorType !== undefined) span.attribute(Telemetry.names.errorType, event.errorType)
              const after = failure?.reason.retryAfter
              if (after !== undefined) span.attribute(Telemetry.names.retryAfter, Duration.toSeconds(after))
              for (const decision of event.decisions) spanEvent(span, decision)
              span.end(
                fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(),
                Exit.isSuccess(exit)
                  ? Exit.void
                  : failure === undefined
                    ? Exit.failCause(exit.cause as Cause.Cause<never>)
                    : spanExit(failure.reason._tag, failure.reason.message)
              )
              const own = fiber.getRef(Telemetry.Observers)
              const all =
                own.length === 0 ? observers : observers.length === 0 ? own : [...new Set([...observers, ...own])]
              const written = log(fiber, event, span, failure)
              const watched = hub.watchers.length === 0 ? written : Effect.andThen(notify(hub.watchers, event), written)
              const told = all.length === 0 ? watched : Effect.andThen(notify(all, event), watched)
              if (ticket === undefined) return told
              return Effect.andThen(told, call.lingering === undefined ? ticket.leave : leaveLater(call, ticket))
            }),
            {
              onSuccess: Effect.succeed,
              onFailure: (cause) => {
                if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
                const failure = failureOf(Exit.failCause(cause), call, fiber)!
                if (callSite !== undefined) setCallSite(failure, callSite)
                return Effect.fail(failure)
              }
            }
          )
        })
      )
    }

    const prepareOnly = prepareWith(definition, transport.prepare, () => Effect.void)
    const bounds = definition.writeAhead ?? (stack.decision._tag === "Park" ? stack.decision.bounds : undefined)
    let run = exhaust(stack.decision, services, whole)
    let durable: Durable | undefined
    if (bounds !== undefined) {
      const context = yield* Effect.context<never>()
      const store = Context.getOption(context, OutboxStore)
      if (Option.isNone(store)) {
        return yield* new PolicyError({
          integration: site.integration,
          operation: site.operation,
          problems: ["calls are to be stored, but there is no OutboxStore: provide one to this layer"]
        })
      }
      const declared = Object.keys(definition.translate ?? {})
      if (declared.length > 0 && !transport.keep.keepsErrors) {
        // Or a handler that runs once more, or in another process, would be told another error than the caller was.
        return yield* new PolicyError({
          integration: site.integration,
          operation: site.operation,
          problems: [
            `calls are to be stored, and with them what they failed with until a handler was told: give the schema of ${declared.join(", ")} as \`error\``
          ]
        })
      }
      durable = {
        integration: site.integration,
        operation: site.operation,
        repeat: site.repeat,
        bounds,
        limit: stack.limits.totalDeadline!,
        settle: site.reconcile === undefined ? 0 : Duration.toMillis(site.reconcile.settle),
        keep: transport.keep,
        cipher: Context.get(context, Cipher),
        translate,
        resume: (loaded, entry, onCall, times, progress) =>
          Effect.withFiber((fiber) => {
            const call = record(loaded.input, fiber, entry.correlationId)
            call.resumed = true
            call.durable = true
            call.progress = progress
            call.prepared = loaded.prepared
            call.key = entry.key
            call.prior = entry.outcome
            call.firstSentAt = times.firstSentAt
            call.lastInDoubtAt = times.inDoubtAt
            call.leaseUntil = times.leaseUntil
            onCall(call)
            return Effect.map(
              Effect.exit(perform(call, fiber, whole, linksOf(entry.traceparent), undefined)),
              (exit) => ({
                exit,
                call
              })
            )
          })
      }
      run =
        definition.writeAhead === undefined
          ? park(store.value, durable, prepareOnly, whole)
          : writeAhead(store.value, durable, Infinity, prepareOnly, whole)
    }
    const { stream } = definition
    if (stream !== undefined) {
      const { firstByte, idle, total } = stream.limits
      const limits = { idle, total, boundToStatus: firstByte === Infinity }
      const bounded = withTotal(run)
      const streaming: Method = (input, callSite) =>
        streamOf((handoff) =>
          Effect.withFiber((fiber) => {
            const call = record(input, fiber, fiber.getRef(Telemetry.CorrelationId))
            call.stream = new StreamRecord(handoff, limits)
            return Effect.mapError(perform(call, fiber, bounded, [], callSite), (failure) => translate(failure, input))
          })
        )
      return { method: streaming, durable }
    }
    const method: Method = (input, callSite) =>
      Effect.withFiber<unknown, unknown>((fiber) => {
        const call = record(input, fiber, fiber.getRef(Telemetry.CorrelationId))
        return Effect.mapError(perform(call, fiber, run, [], callSite), (failure) => translate(failure, input))
      })
    return { method, durable }
  })

/** What the call gave up may still run when it has ended. Until then a closing layer waits for it. */
const leaveLater = (call: CallRecord, ticket: Ticket): Effect.Effect<void> =>
  Effect.sync(() => {
    call.over = true
    let running = call.lingering!.length
    for (const fiber of call.lingering!) {
      fiber.addObserver(() => {
        if (--running === 0) Effect.runSync(ticket.leave)
      })
    }
  })

/** The call that stored an entry, as a link of the span that makes it. */
const linksOf = (traceparent: string | undefined): ReadonlyArray<Tracer.SpanLink> => {
  const [, traceId, spanId, flags] = traceparent?.split("-") ?? []
  return traceId === undefined || spanId === undefined
    ? []
    : [{ span: Tracer.externalSpan({ traceId, spanId, sampled: flags === "01" }), attributes: {} }]
}

/** The failure behind an exit. A defect of a custom layer becomes one, so that none escapes. */
const failureOf = (
  exit: Exit.Exit<unknown, CallFailure>,
  call: CallRecord,
  fiber: Fiber.Fiber<unknown, unknown>
): CallFailure | undefined => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isFailReason(reason) && isCallFailure(reason.error)) return reason.error
  }
  const defect = Cause.squash(exit.cause)
  return call.fail(
    Reason.make("Failed", { message: "a layer of the policy died", cause: defect, outcome: call.outcome() }),
    "not transient",
    nowOf(fiber)
  )
}

const observe = (
  call: CallRecord,
  failure: CallFailure | undefined,
  exit: Exit.Exit<unknown, unknown>,
  traceId: string | undefined,
  now: number
): Telemetry.CallObserved => ({
  integration: call.integration,
  operation: call.operation,
  callOutcome: Exit.isFailure(exit) && failure === undefined ? "cancelled" : callOutcome(call, failure),
  outcome:
    failure === undefined
      ? Exit.isSuccess(exit) && !call.fellBack && call.stored === undefined
        ? "Applied"
        : call.outcome()
      : failure.outcome,
  errorType: failure === undefined ? undefined : errorType(failure.reason),
  attempts: call.attempts,
  startedAt: call.startedAt,
  latency: now - call.startedAt,
  retryDelay: call.waited,
  queueWait: call.totalQueued,
  queuedFor: { bulkhead: call.totalQueued - call.totalQueuedForRate, ratelimit: call.totalQueuedForRate },
  correlationId: call.correlationId,
  traceId,
  key: call.key,
  requestId: (call.attempts.findLast(({ reason }) => reason === "Success") ?? call.attempts.at(-1))?.requestId,
  decisions: call.decisions ?? nothing,
  ...(call.stream === undefined ? undefined : { stream: call.stream.observed(call.startedAt) })
})

const nothing: ReadonlyArray<PolicyDecision> = []

const streamAttributes = (span: Tracer.Span, { bytes, elements, firstElement }: Telemetry.StreamObserved): void => {
  span.attribute(Telemetry.names.streamElements, elements)
  span.attribute(Telemetry.names.streamBytes, bytes)
  if (firstElement !== undefined) span.attribute(Telemetry.names.streamFirstElement, firstElement / 1000)
}

/** What a layer decided, as an event of the call's span. A retry has one of its own, with its delay. */
const spanEvent = (span: Tracer.Span, decision: PolicyDecision): void => {
  if (decision.decided === "retried" && decision.mode === "enforce") return
  span.event(Telemetry.names.policyEvent, BigInt(Math.round(decision.at * 1e6)), {
    [Telemetry.names.policy]: decision.policy,
    [Telemetry.names.policyName]: decision.name,
    [Telemetry.names.decided]: decision.decided,
    [Telemetry.names.mode]: decision.mode
  })
}

/** Goes around a layer that is off. */
const aside = <E>(
  gate: Gate,
  inner: (call: Call) => Effect.Effect<unknown, E>,
  outer: (call: Call) => Effect.Effect<unknown, E>
): ((call: Call) => Effect.Effect<unknown, E>) =>
  outer === inner || !standsAside(gate) ? outer : (call) => (gate.mode === "off" ? inner(call) : outer(call))

/** Validates, derives the key and encodes, once per call. */
const prepareWith = (
  definition: Definition,
  prepare: (input: unknown) => Effect.Effect<Prepared, Reason.Reason>,
  step: CallStep
): CallStep => {
  const strategy = definition.strategy
  const keyed = strategy._tag === "Keyed" ? strategy : undefined
  return (call) =>
    // One that is stored is prepared when it is read, or before it is stored.
    (call as CallRecord).prepared !== undefined
      ? step(call)
      : Effect.matchCauseEffect(
          Effect.flatMap(prepare(call.input), (prepared) => {
            const record = call as CallRecord
            record.prepared = prepared
            if (keyed === undefined) return Effect.void
            const derived = Effect.try({
              try: () => keyed.derive(call.input as never),
              catch: (cause) => invalid("`derive` threw", cause)
            })
            return Effect.flatMap(derived, (key) => placeKey(keyed, key, prepared, record))
          }),
          {
            onSuccess: () => step(call),
            onFailure: (cause) => {
              if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
              const reason = cause.reasons.find(Cause.isFailReason)?.error
              return Effect.withFiber((fiber) =>
                Effect.fail(
                  (call as CallRecord).fail(
                    reason ?? invalid("preparing it threw", Cause.squash(cause)),
                    "not transient",
                    nowOf(fiber)
                  )
                )
              )
            }
          }
        )
}

/** Looks before anything is sent: an earlier process may have carried the same intent out. */
const lookFirst =
  (reconcile: NonNullable<Site["reconcile"]>, always: boolean, step: CallStep): CallStep =>
  (call) =>
    Effect.suspend(() => {
      const record = call as CallRecord
      if (!always && Outcome.didNotHappen(record.prior)) return step(call)
      const unknown = Reason.make("Failed", {
        message: "it could not be looked up whether an earlier process did it; nothing was sent",
        transient: true
      })
      // What a deadline that ends the look says of it.
      record.pending = unknown
      return Effect.matchCauseEffect(reconcile.find(call.input), {
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.withFiber((fiber) =>
                Effect.fail(
                  record.fail(
                    { ...unknown, cause: Cause.squash(cause) },
                    "whether it happened could not be looked up",
                    nowOf(fiber)
                  )
                )
              ),
        onSuccess: (found) => {
          record.pending = undefined
          return Option.match(found as Option.Option<unknown>, {
            onSome: Effect.succeed,
            onNone: () => {
              // The look settles what was done before, unless a 2xx was read: then it is only not to be seen yet.
              if (record.prior === "Applied") {
                const unseen = Reason.make("Failed", {
                  message: "it was answered before, and a look does not find it; nothing was sent",
                  transient: true,
                  outcome: "Applied"
                })
                return Effect.withFiber((fiber) =>
                  Effect.fail(record.fail(unseen, "a repeat is not safe", nowOf(fiber)))
                )
              }
              record.prior = "NotSent"
              return step(call)
            }
          })
        }
      })
    })

/** Turns the key into text, checks it, and puts it where the provider reads it. */
const placeKey = (
  keyed: Extract<Definition["strategy"], { readonly _tag: "Keyed" }>,
  key: unknown,
  prepared: Prepared,
  call: CallRecord
): Effect.Effect<void, Reason.Reason> => {
  if (!isIdempotencyKey(key)) return Effect.fail(invalid("`derive` returned no IdempotencyKey"))
  const text = keyed.placement.format === "uuid" ? toUuid(key) : toText(key)
  const problem = checkKey(text, keyed.placement.maxLength)
  if (problem !== undefined) return Effect.fail(invalid(problem))
  call.key = text
  if (keyed.issuedAt !== undefined) {
    const issuedAt = keyed.issuedAt(call.input as never)
    if (!Number.isFinite(issuedAt)) return Effect.fail(invalid(`\`issuedAt\` returned ${issuedAt}, no time`))
    call.firstSentAt = issuedAt
  }
  const refused = prepared.place(text)
  return refused === undefined ? Effect.void : Effect.fail(refused)
}

const invalid = (message: string, cause?: unknown) => Reason.make("InvalidInput", { message, cause })

const checkKey = (text: string, maxLength: number): string | undefined =>
  text.length === 0
    ? "the idempotency key is empty"
    : text.length > maxLength
      ? `the idempotency key has ${text.length} characters, the provider takes ${maxLength}`
      : /^[\x21-\x7e]+$/.test(text)
        ? undefined
        : "the idempotency key has characters other than visible ASCII"

/** The decision for failures that the policy would have retried. */
const exhaust = (decision: Decision, services: Services, step: CallStep): CallStep => {
  if (decision._tag !== "Fallback") return step
  const { f } = decision
  return (call) =>
    Effect.catch(step(call), (failure) => {
      const reason = failure.reason
      if (!reason.transient || reason._tag === "Declared") return Effect.fail(failure)
      // Whichever fallback it is: the types ask for `fallbackUnlessItHappened` where it may not be a second time.
      if (call.repeat !== "Safe" && !Outcome.didNotHappen(failure.outcome)) return Effect.fail(failure)
      return Effect.withFiber((fiber) =>
        Effect.catchCause(
          Effect.map(
            cutAfter(
              Effect.provideContext(
                Effect.suspend(() => f(call.input as never, failure as never) as Effect.Effect<unknown>),
                withServices(fiber.context, services)
              ) as Effect.Effect<unknown, CallFailure>,
              fallbackLimit,
              () => Effect.fail(failure)
            ),
            (value) => {
              ;(call as CallRecord).fellBack = true
              return value
            }
          ),
          (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause as Cause.Cause<never>) : Effect.fail(failure)
        )
      )
    })
}

/** What a `reconcilable` operation needs of its site. */
export const reconcileOf = (definition: Definition, services: Services): Site["reconcile"] => {
  const strategy = definition.strategy
  if (strategy._tag !== "Reconcilable") return undefined
  return {
    settle: Duration.fromInputUnsafe(strategy.settle),
    find: (input) =>
      Effect.withFiber((fiber) =>
        Effect.provideContext(
          Effect.suspend(() => strategy.find(input as never) as Effect.Effect<Option.Option<unknown>, unknown>),
          withServices(fiber.context, services)
        )
      )
  }
}
