import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import type { CallStep, Site } from "../Call.ts"
import type { CallFailure } from "../CallFailure.ts"
import type { Reason } from "../Reason.ts"
import type { AttemptSpans } from "./attemptSpan.ts"
import { endOf, refuse } from "./boundary.ts"
import type { Budget } from "./budget.ts"
import type { CallRecord, Leaf } from "./call.ts"
import { envOf } from "./env.ts"
import { exitOf } from "./exit.ts"
import { Limited, limit, release } from "./deadlines.ts"
import type { Budgeted, Fusable, Guard, Retries, Timeout, Total } from "./fusable.ts"
import type { Gate } from "./gate.ts"
import { keyOf } from "./keyed.ts"
import { type Allowance, Current } from "./nesting.ts"
import { nanosOf } from "./span.ts"
import { cutByDeadline } from "./streamLimits.ts"
import { cutAfter } from "./timer.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The layers of one operation, as the fused runner needs them. */
export interface Parts {
  readonly site: Site
  readonly gates: ReadonlyArray<Gate>
  readonly total: Total
  readonly budget: Budgeted | undefined
  readonly retries: Retries
  /** Outermost first. */
  readonly guards: ReadonlyArray<Guard>
  /** Their keys, if no call has a say in them. */
  readonly keys: ReadonlyArray<string> | undefined
  readonly spans: AttemptSpans
  readonly timeout: Timeout
  /** Validates, derives the key and encodes, if that needs no waiting and nothing is wrong. */
  readonly prepare: (call: CallRecord, fiber: AnyFiber) => boolean
}

/** Collects what the layers say of themselves, as they are built from the inside out. */
export class Fusing {
  private readonly gates: Array<Gate> = []
  private readonly guards: Array<Guard> = []
  private total: Total | undefined = undefined
  private budget: Budgeted | undefined = undefined
  private retries: Retries | undefined = undefined
  private timeout: Timeout | undefined = undefined
  private complete = true

  add(gate: Gate, how: Fusable | undefined): void {
    this.gates.push(gate)
    if (how === undefined) this.complete = false
    else if (how.kind === "guard") this.guards.unshift(how)
    else if (how.kind === "total") this.total = how
    else if (how.kind === "budget") this.budget = how
    else if (how.kind === "retries") this.retries = how
    else this.timeout = how
  }

  /** The parts of an operation all of whose layers can be fused. */
  done(site: Site, spans: AttemptSpans, prepare: Parts["prepare"]): Parts | undefined {
    const { budget, complete, gates, guards, retries, timeout, total } = this
    if (!complete || total === undefined || retries === undefined || timeout === undefined) return undefined
    const keys = guards.every(({ keyed }) => typeof keyed === "string")
      ? guards.map(({ keyed }) => keyed as string)
      : undefined
    return { site, gates, guards, keys, total, budget, retries, timeout, spans, prepare }
  }
}

/**
 * A whole call as one step, and its first try as one callback: no fiber, timer or closure for each layer. What needs more
 * than that goes the way of the composed form, which is the reference: whatever may have to wait before the first try, and
 * all that comes after a first try that failed and may be repeated.
 */
export const fuse =
  (parts: Parts, composed: CallStep): Begin =>
  (record, fiber, resume) => {
    const now = envOf(fiber).clock.currentTimeMillisUnsafe()
    if (!isOrdinary(parts, record, fiber, now)) return void resume(under(record, composed(record)))
    const keys = keysOf(parts, record)
    const refusal = keys === undefined ? "unclear" : turnedAway(parts, keys, record, now)
    if (refusal === "unclear") return void resume(under(record, composed(record)))
    const run = new Run(parts, keys!, record, fiber, now)
    return refusal === undefined ? run.start(resume) : void resume(run.refused(refusal))
  }

/** Begins a call inside of a callback: what it resumes with ends the call, and what it returns gives it up. */
export type Begin = (
  call: CallRecord,
  fiber: AnyFiber,
  resume: (effect: Effect.Effect<unknown, CallFailure>) => void
) => Effect.Effect<void> | void

/** The same as a step, for what stands around the call. */
export const stepOf =
  (begin: Begin): CallStep =>
  (call) =>
    Effect.withFiber((fiber) => Effect.callback((resume) => begin(call as CallRecord, fiber, resume)))

/** What is not run by a `Run` finds the call's span in its context. */
const under = <A, E>(call: CallRecord, self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  call.span === undefined ? self : Effect.withParentSpan(self, call.span, { captureStackTrace: false })

/** Whether nothing stands in the way of a first try, as far as the layers are not asked. */
const isOrdinary = (parts: Parts, call: CallRecord, fiber: AnyFiber, now: number): boolean => {
  if (call.draining || call.resumed || call.root !== undefined) return false
  if (now >= call.deadline || now >= call.startedAt + parts.total.millis) return false
  const { gates } = parts
  for (let at = 0; at < gates.length; at++) if (gates[at]!.mode !== "enforce") return false
  const { around } = envOf(fiber)
  return (
    (around === undefined || around.ended) && parts.prepare(call, fiber) && refuse(parts.site, call, now) === undefined
  )
}

/** The key of each layer, read once; `undefined` where the application threw. */
const keysOf = (parts: Parts, call: CallRecord): ReadonlyArray<string> | undefined =>
  parts.keys ?? Result.getOrUndefined(Result.try(() => parts.guards.map(({ keyed }) => keyOf(keyed, call))))

/** `undefined` if every layer lets it through, or why the first that has circuits does not. */
const turnedAway = (
  { guards }: Parts,
  keys: ReadonlyArray<string>,
  call: CallRecord,
  now: number
): Reason | "unclear" | undefined => {
  let only = true
  for (let at = 0; at < guards.length; at++) {
    const guard = guards[at]!
    const key = keys[at]!
    if (!guard.isClear(key, now)) return (only ? guard.refuse?.(key, call, now) : undefined) ?? "unclear"
    // What has let it through would have to be left again.
    if (guard.isStateful) only = false
  }
  return undefined
}

const interrupted = Exit.interrupt()

/** One call on its first try. It is also the time limit of that try. */
class Run extends Limited {
  private readonly parts: Parts
  private readonly keys: ReadonlyArray<string>
  private readonly call: CallRecord
  private readonly fiber: AnyFiber
  private readonly now: number
  private resume: ((effect: Effect.Effect<unknown, CallFailure>) => void) | undefined = undefined
  private readonly entered: Array<unknown> = []
  private span: Tracer.Span | undefined = undefined
  private allowance: Allowance | undefined = undefined
  private draw: Budget | undefined = undefined
  private leaf: Leaf | undefined = undefined
  private child: AnyFiber | undefined = undefined
  /** When the try is cut, and whether by its own limit or that of the call. */
  private endsAt = 0
  private ownLimit = false
  /** Why the try was cut by its own limit, and whether the call's has ended. */
  private cut: Reason | undefined = undefined
  private out = false
  private givenUp = false
  private settled = false

  constructor(parts: Parts, keys: ReadonlyArray<string>, call: CallRecord, fiber: AnyFiber, now: number) {
    super()
    this.parts = parts
    this.keys = keys
    this.call = call
    this.fiber = fiber
    this.now = now
  }

  private begin(): void {
    const { call, now, parts } = this
    const own = call.startedAt + parts.total.millis
    if (call.deadline <= own) call.deadlineOf = "caller's deadline"
    else call.deadline = own
    this.draw = parts.budget?.begin(call, now)
    this.allowance = parts.retries.allowance(call)
    call.begin(now)
  }

  /** Ends a call that a layer turned away before anything was done. */
  refused(reason: Reason): Effect.Effect<unknown, CallFailure> {
    this.begin()
    this.call.end(reason, this.now)
    return this.rest(reason, this.now)
  }

  start(resume: (effect: Effect.Effect<unknown, CallFailure>) => void): Effect.Effect<void> | undefined {
    const { call, entered, fiber, keys, now, parts } = this
    const { guards } = parts
    this.resume = resume
    this.begin()
    // Before anything is taken: a tracer is the application's, and may throw.
    const around = call.span!
    // In the millisecond in which the call began, its first try begins with it: reading a clock costs as much as a layer.
    const { status } = around
    const startTime = now === call.startedAt && status._tag === "Started" ? status.startTime : nanosOf(fiber)
    this.span = parts.spans.start(call, fiber, around, startTime)
    for (let at = 0; at < guards.length; at++) entered.push(guards[at]!.enter(keys[at]!, call, fiber, now))
    const { millis } = parts.timeout
    const left = call.deadline - now
    this.ownLimit = millis < left
    this.endsAt = this.ownLimit ? now + millis : call.deadline
    call.attemptEndsBy = this.endsAt
    call.hasFullLimit = left >= millis * 0.99
    const prepared = call.prepared!
    if (prepared.start === undefined) this.proceed(Effect.suspend(() => prepared.send(call)))
    else this.leaf = prepared.start(call, fiber, (effect) => this.proceed(effect), now)
    // After it has begun: what ends in the millisecond of its limit has ended in time, and what ends at once has none.
    if (this.settled) return undefined
    limit(this, this.endsAt - now, fiber)
    return Effect.suspend(() => this.interrupt())
  }

  /** Goes on with what the leaf gave: an exit ends the try, an effect has to be run for that. */
  private proceed(effect: Effect.Effect<unknown, Reason>): void {
    if (this.settled) return
    const exit = exitOf(effect)
    if (exit !== undefined) return this.settle(exit)
    let context = Context.add(this.fiber.context, Tracer.ParentSpan, this.span!)
    if (this.allowance !== undefined) context = Context.add(context, Current, this.allowance)
    const child = Effect.runForkWith(context)(effect)
    const done = child.pollUnsafe()
    if (done !== undefined) return this.settle(done)
    this.child = child
    child.addObserver((exit) => this.settle(this.givenUp ? interrupted : exit))
  }

  override expire(): void {
    const { call, parts } = this
    if (this.ownLimit) this.cut = parts.timeout.cut(call, this.endsAt)
    else {
      this.out = true
      parts.total.cut(call)
    }
    this.stop()
  }

  /** Stops what the leaf does, and settles when that has ended. */
  private stop(): void {
    if (this.child !== undefined) return this.child.interruptUnsafe(this.fiber.id)
    this.leaf?.abort()
    this.settle(interrupted)
  }

  /** The caller gave the call up. */
  private interrupt(): Effect.Effect<void> {
    if (this.settled) return Effect.void
    this.givenUp = true
    const { child } = this
    if (child !== undefined) return Fiber.interrupt(child)
    this.stop()
    return Effect.void
  }

  /** Ends the try in every layer, from the inside out. */
  private settle(ended: Exit.Exit<unknown, Reason>): void {
    if (this.settled) return
    this.settled = true
    release(this)
    const { call, cut, entered, fiber, parts } = this
    const now = envOf(fiber).clock.currentTimeMillisUnsafe()
    const judged = cut !== undefined && !this.givenUp && Exit.hasInterrupts(ended) ? Exit.fail(cut) : ended
    const endTime = nanosOf(fiber)
    // No fiber runs this: what a tracer throws would leave the call without an end.
    const told = Result.try(() => parts.spans.end(this.span!, call, judged, fiber, this.now, now, endTime))
    const exit = Result.isSuccess(told) ? judged : Exit.die(told.failure)
    for (let at = entered.length - 1; at >= 0; at--) {
      parts.guards[at]!.leave(this.keys[at]!, entered[at], call, exit, fiber, now)
    }
    call.end(endOf(exit, call), now)
    this.resume!(this.ending(exit, now, endTime))
  }

  private ending(exit: Exit.Exit<unknown, Reason>, now: number, endTime: bigint): Effect.Effect<unknown, CallFailure> {
    if (Exit.isSuccess(exit)) {
      if (this.allowance !== undefined) this.allowance.ended = true
      this.call.endedAt = now
      this.call.endedAtNanos = endTime
      if (this.draw !== undefined) this.parts.budget!.succeeded(this.draw)
      return Effect.succeed(exit.value)
    }
    if (!Cause.hasInterruptsOnly(exit.cause)) return this.rest(this.call.lastReason!, now)
    if (this.allowance !== undefined) this.allowance.ended = true
    return this.out ? cutByDeadline(this.call) : (exit as Exit.Exit<never, never>)
  }

  /** What becomes of the call after its first try has failed. */
  private rest(reason: Reason, now: number): Effect.Effect<unknown, CallFailure> {
    const { allowance, call, parts } = this
    const rest = parts.retries.goOn(call, allowance, reason, now)
    if (exitOf(rest) !== undefined) {
      if (allowance !== undefined) allowance.ended = true
      return rest
    }
    const { draw } = this
    const whole =
      draw === undefined
        ? rest
        : Effect.map(rest, (value) => {
            parts.budget!.succeeded(draw)
            return value
          })
    return cutAfter<unknown, CallFailure, never>(under(call, whole), call.deadline - now, () => {
      parts.total.cut(call)
      return Effect.suspend(() => cutByDeadline(call))
    })
  }
}
