import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Stream from "effect/Stream"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { AttemptStep, Call, CallStep, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import type { Decision } from "../Exhaustion.ts"
import { Cipher, OutboxStore } from "../OutboxStore.ts"
import { isIdempotencyKey, toText, toUuid } from "../IdempotencyKey.ts"
import * as Outcome from "../Outcome.ts"
import { PolicyError } from "../PolicyError.ts"
import { applyCase } from "../PolicyTranslate.ts"
import * as Reason from "../Reason.ts"
import * as Telemetry from "../Telemetry.ts"
import { attemptSpan, AttemptSpans } from "./attemptSpan.ts"
import { boundary } from "./boundary.ts"
import { CallRecord, type Prepared } from "./call.ts"
import { type Services, servicesOf, withServices } from "./context.ts"
import type { Definition } from "./definition.ts"
import type { Drain, Ticket } from "./drain.ts"
import { CurrentHub } from "./hub.ts"
import { type Gate, siteOf, standsAside } from "./gate.ts"
import { conclude, failureOf, type Told } from "./conclude.ts"
import { envOf } from "./env.ts"
import { exitOf } from "./exit.ts"
import { composedBecause, fusableOf } from "./fusable.ts"
import { fuse, Fusing, type Parts, stepOf } from "./fused.ts"
import { type Attributes, nanosOf, startSpan } from "./span.ts"
import type { Durable } from "./durable.ts"
import type { Defaults, Stack } from "./plan.ts"
import { judged, settled } from "./precondition.ts"
import { park, writeAhead } from "./storing.ts"
import { type CallSites, setCallSite } from "./stack.ts"
import { StreamRecord, streamOf } from "./streaming.ts"
import { withTotal } from "./streamLimits.ts"
import { cutAfter, nowOf } from "./timer.ts"

/** The limit of a fallback, past which the call's own failure stands. */
const fallbackLimit = 1_000

/** What one client method runs. */
export type Method = (
  input: unknown,
  site: Error | undefined,
  sites: CallSites
) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

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

    const spans = new AttemptSpans(definition.about, transport.server, metrics, site)
    const fusing = new Fusing()
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
        const outer = transform(attempt)
        fusing.add(gate, fusableOf(transform) ?? fusableOf(outer))
        attempt = aside(gate, attempt, outer)
        // The span goes around the attempt's own timeout, and inside everything that waits.
        if (layer.slot === "attemptTimeout") attempt = attemptSpan(spans, attempt) as AttemptStep
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
        const outer = transform(wrapped)
        fusing.add(gate, fusableOf(transform) ?? fusableOf(outer))
        wrapped = aside(gate, wrapped, outer)
      }
    }
    const whole = wrapped!
    const parts =
      composedBecause(stack.layers, definition) === undefined
        ? fusing.done(site, spans, preparedNow(definition, transport.prepare))
        : undefined
    const begin = parts === undefined ? undefined : fuse(parts, whole)
    const fused = begin === undefined ? whole : stepOf(begin)
    const told: Told = { metrics, observers, hub }
    const attributes: Attributes = [
      [Telemetry.names.integration, site.integration],
      [Telemetry.names.operation, site.operation],
      [Telemetry.names.peer, site.integration]
    ]
    const orElse = stack.orElse
    const name = `${site.integration} ${site.operation}`
    const translate = (failure: CallFailure, input: unknown): unknown => {
      const translated = applyCase(definition.translate, failure.reason.error, input)
      return translated !== undefined ? translated : orElse(failure, input as never)
    }
    const record = (input: unknown, fiber: Fiber.Fiber<unknown, unknown>, correlationId: string | undefined) => {
      const env = envOf(fiber)
      const call = new CallRecord({
        id: ++calls,
        integration: site.integration,
        operation: site.operation,
        repeat: site.repeat,
        input,
        startedAt: env.clock.currentTimeMillisUnsafe(),
        correlationId
      })
      if (env.deadline !== undefined) call.deadline = env.deadline
      return call
    }

    /** What is to be parked is prepared even while the layer closes. */
    const parks = definition.writeAhead === undefined && stack.decision._tag === "Park"

    /** Runs a call and tells of it, once. `map` makes the error of its failure. */
    const perform = (
      call: CallRecord,
      fiber: Fiber.Fiber<unknown, unknown>,
      run: CallStep,
      links: ReadonlyArray<Tracer.SpanLink>,
      callSite: Error | undefined,
      sites: CallSites | undefined,
      map: ((failure: CallFailure, input: unknown) => unknown) | undefined
    ): Effect.Effect<unknown, unknown> => {
      let ticket: Ticket | undefined
      return Effect.catchCause(
        Effect.onExitPrimitive(
          // Begun inside of what ends it: nothing may come between the start of a call and what must happen at its end.
          Effect.callback<unknown, CallFailure>((resume) => {
            call.span = startSpan(fiber, name, "internal", fiber.cache.span, attributes, links, nanosOf(fiber))
            metrics.active(1, fiber.context)
            ticket = drain.enter(call, fiber)
            call.draining = ticket === undefined
            if (ticket === undefined && !parks) {
              return resume(Effect.fail(call.fail(Reason.make("Draining"), "not transient", call.startedAt)))
            }
            // The fused form gives the call's span to what it runs, and to nothing else.
            if (begin !== undefined && run === fused) return begin(call, fiber, resume)
            return resume(Effect.withParentSpan(run(call), call.span, { captureStackTrace: false }))
          }),
          (exit) => (call.span === undefined ? undefined : conclude(told, call, exit, fiber, ticket, run === fused))
        ),
        (cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          const failure = failureOf(Exit.failCause(cause), call, fiber)!
          if (sites !== undefined) {
            sites.failed()
            setCallSite(failure, callSite)
          }
          return Effect.fail(map === undefined ? failure : map(failure, call.input))
        }
      )
    }

    const prepareOnly = prepareWith(definition, transport.prepare, () => Effect.void)
    const bounds = definition.writeAhead ?? (stack.decision._tag === "Park" ? stack.decision.bounds : undefined)
    let run = exhaust(stack.decision, services, fused)
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
            // Without `map` it fails with what the call failed with.
            const done = perform(call, fiber, whole, linksOf(entry.traceparent), undefined, undefined, undefined)
            return Effect.map(Effect.exit(done as Effect.Effect<unknown, CallFailure>), (exit) => ({ exit, call }))
          })
      }
      run =
        definition.writeAhead === undefined
          ? park(store.value, durable, prepareOnly, fused)
          : writeAhead(store.value, durable, Infinity, prepareOnly, fused)
    }
    const { stream } = definition
    if (stream !== undefined) {
      const { firstByte, idle, total } = stream.limits
      const limits = { idle, total, boundToStatus: firstByte === Infinity }
      const bounded = withTotal(run)
      const streaming: Method = (input, callSite, sites) =>
        streamOf((handoff) =>
          Effect.withFiber((fiber) => {
            const call = record(input, fiber, envOf(fiber).correlationId)
            call.stream = new StreamRecord(handoff, limits)
            return perform(call, fiber, bounded, none, callSite, sites, translate)
          })
        )
      return { method: streaming, durable }
    }
    const method: Method = (input, callSite, sites) =>
      Effect.withFiber<unknown, unknown>((fiber) => {
        const call = record(input, fiber, envOf(fiber).correlationId)
        return perform(call, fiber, run, none, callSite, sites, translate)
      })
    return { method, durable }
  })

const none: ReadonlyArray<Tracer.SpanLink> = []

/** The call that stored an entry, as a link of the span that makes it. */
const linksOf = (traceparent: string | undefined): ReadonlyArray<Tracer.SpanLink> => {
  const [, traceId, spanId, flags] = traceparent?.split("-") ?? []
  return traceId === undefined || spanId === undefined
    ? []
    : [{ span: Tracer.externalSpan({ traceId, spanId, sampled: flags === "01" }), attributes: {} }]
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
  { strategy }: Definition,
  prepare: (input: unknown) => Effect.Effect<Prepared, Reason.Reason>,
  step: CallStep
): CallStep => {
  const keyed = strategy._tag === "Keyed" ? strategy : undefined
  return (call) => {
    const record = call as CallRecord
    // One that is stored is prepared when it is read, or before it is stored.
    if (record.prepared !== undefined) return step(call)
    const { preparing } = record
    const prepared =
      preparing === undefined
        ? prepare(call.input)
        : Effect.onInterrupt(Fiber.join(preparing), () => Fiber.interrupt(preparing))
    return Effect.matchCauseEffect(
      Effect.flatMap(prepared, (prepared) => {
        record.prepared = prepared
        const refused = keyed === undefined ? undefined : placeKey(keyed, prepared, record)
        return refused === undefined ? Effect.void : Effect.fail(refused)
      }),
      {
        onSuccess: () => step(call),
        onFailure: (cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          const reason = cause.reasons.find(Cause.isFailReason)?.error
          return Effect.withFiber((fiber) =>
            Effect.fail(
              record.fail(reason ?? invalid("preparing it threw", Cause.squash(cause)), "not transient", nowOf(fiber))
            )
          )
        }
      }
    )
  }
}

/** The same for the fused runner: whether it is done, at once. What has to wait, or is wrong, is left to `prepareWith`. */
const preparedNow = (
  { strategy }: Definition,
  prepare: (input: unknown) => Effect.Effect<Prepared, Reason.Reason>
): Parts["prepare"] => {
  const keyed = strategy._tag === "Keyed" ? strategy : undefined
  return (call, fiber) => {
    if (call.prepared !== undefined) return true
    const making = prepare(call.input)
    let done = exitOf(making)
    if (done === undefined) {
      call.preparing = Effect.runForkWith(Context.add(fiber.context, Tracer.ParentSpan, call.span!))(making)
      done = call.preparing.pollUnsafe()
    }
    if (done === undefined || Exit.isFailure(done)) return false
    if (keyed !== undefined && placeKey(keyed, done.value, call) !== undefined) return false
    call.prepared = done.value
    return true
  }
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

/** Derives the key, turns it into text, checks it, and puts it where the provider reads it. */
const placeKey = (
  keyed: Extract<Definition["strategy"], { readonly _tag: "Keyed" }>,
  prepared: Prepared,
  call: CallRecord
): Reason.Reason | undefined => {
  const derived = Result.try(() => keyed.derive(call.input as never))
  if (Result.isFailure(derived)) return invalid("`derive` threw", derived.failure)
  const key: unknown = derived.success
  if (!isIdempotencyKey(key)) return invalid("`derive` returned no IdempotencyKey")
  const text = keyed.placement.format === "uuid" ? toUuid(key) : toText(key)
  const problem = checkKey(text, keyed.placement.maxLength)
  if (problem !== undefined) return invalid(problem)
  call.key = text
  if (keyed.issuedAt !== undefined) {
    const issuedAt = keyed.issuedAt(call.input as never)
    if (!Number.isFinite(issuedAt)) return invalid(`\`issuedAt\` returned ${issuedAt}, no time`)
    call.firstSentAt = issuedAt
  }
  return prepared.place(text)
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
