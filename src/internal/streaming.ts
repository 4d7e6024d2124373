import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { StreamObserved } from "../Telemetry.ts"
import { later } from "./timer.ts"

type Chunk = Arr.NonEmptyReadonlyArray<unknown>

/**
 * A limit on time that is set again while what it bounds is running. Nothing rings before `cutBy` has it, and nothing after.
 */
export class Alarm {
  private at = Infinity
  private cancel: (() => void) | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private ring: (() => void) | undefined = undefined

  /** Rings at that time, in epoch milliseconds of the current clock; never for `Infinity`. */
  set(at: number, now: number): void {
    this.at = at
    if (this.fiber !== undefined) this.arm(now)
  }

  attach(fiber: Fiber.Fiber<unknown, unknown>, now: number, ring: () => void): void {
    this.fiber = fiber
    this.ring = ring
    this.arm(now)
  }

  detach(): void {
    this.cancel?.()
    this.cancel = this.fiber = this.ring = undefined
  }

  private arm(now: number): void {
    this.cancel?.()
    this.cancel = undefined
    if (this.at !== Infinity) this.cancel = later(this.fiber!, Math.max(0, this.at - now), () => this.ring?.())
  }
}

/** Runs `self` until an alarm rings: then `onCut` runs first, `self` is interrupted, and what `onCut` gave is the result. */
export const cutBy = <A, E>(
  self: Effect.Effect<A, E>,
  alarm: Alarm,
  now: number,
  onCut: () => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) =>
    Effect.callback<A, E>((resume) => {
      let cut: Effect.Effect<A, E> | undefined
      const child = Effect.runForkWith(fiber.context)(self)
      const done = child.pollUnsafe()
      if (done !== undefined) return resume(done)
      alarm.attach(fiber, now, () => {
        cut = onCut()
        child.interruptUnsafe(fiber.id)
      })
      child.addObserver((exit) => {
        alarm.detach()
        resume(cut !== undefined && Exit.hasInterrupts(exit) ? cut : exit)
      })
      return Effect.suspend(() => {
        alarm.detach()
        return Fiber.interrupt(child)
      })
    })
  )

/**
 * Where the call hands its elements to the consumer: one chunk at a time, and none that was not asked for. So the provider
 * is read as fast as the consumer takes, and is waited for only while the consumer waits.
 */
export class Handoff {
  private chunk: Chunk | undefined = undefined
  private exit: Exit.Exit<unknown, unknown> | undefined = undefined
  private wanted = false
  private taker: (() => void) | undefined = undefined
  private giver: (() => void) | undefined = undefined

  /** For the consumer. One that is interrupted finds its chunk the next time. */
  readonly take: Pull.Pull<Chunk, unknown> = Effect.suspend(() => {
    const { chunk, exit } = this
    if (chunk !== undefined) {
      this.chunk = undefined
      return Effect.succeed(chunk)
    }
    if (exit !== undefined) return Exit.isSuccess(exit) ? Cause.done() : Effect.failCause(exit.cause)
    return Effect.callback<Chunk, unknown>((resume) => {
      this.taker = () => resume(this.take)
      this.wanted = true
      this.giver?.()
      return Effect.sync(() => {
        this.taker = undefined
      })
    })
  })

  /** For the call: ends when the consumer has asked for more. */
  readonly demand: Effect.Effect<void> = Effect.suspend(() =>
    this.wanted
      ? Effect.void
      : Effect.callback<void>((resume) => {
          this.giver = () => resume(Effect.void)
          return Effect.sync(() => {
            this.giver = undefined
          })
        })
  )

  /** For the call, when there is demand. */
  offer(chunk: Chunk): void {
    this.chunk = chunk
    this.wanted = false
    this.wake()
  }

  close(exit: Exit.Exit<unknown, unknown>): void {
    this.exit = exit
    this.wake()
  }

  private wake(): void {
    const { taker } = this
    this.taker = undefined
    taker?.()
  }
}

/** How far a stream has come, and its limits. One per call, beside the call's record. */
export class StreamRecord {
  readonly handoff: Handoff
  /** The limits in milliseconds; `Infinity` for none. */
  readonly idle: number
  readonly total: number
  /** Whether an attempt is bounded to its status only. */
  readonly boundToStatus: boolean
  elements = 0
  bytes = 0
  /** How often it went on after a cut. */
  resumed = 0
  /** Elements when the last attempt began. */
  private before = 0
  /** Epoch milliseconds. */
  firstByteAt: number | undefined = undefined
  firstElementAt: number | undefined = undefined
  /** When the current attempt got its first byte. */
  answeredAt: number | undefined = undefined
  /** Where it is, for the transport that can go on from there. */
  position: unknown = undefined
  /** Ends the limit of the current attempt, and that of the call. */
  onAnswer: ((now: number) => void) | undefined = undefined
  onFlow: ((now: number) => void) | undefined = undefined
  /** Runs once, with the first element of an attempt. */
  onElement: ((now: number) => void) | undefined = undefined
  /** Begins the limit of the call again. */
  onStall: ((now: number) => void) | undefined = undefined
  private flowing = false

  constructor(
    handoff: Handoff,
    limits: { readonly idle: number; readonly total: number; readonly boundToStatus: boolean }
  ) {
    this.handoff = handoff
    this.idle = limits.idle
    this.total = limits.total
    this.boundToStatus = limits.boundToStatus
  }

  /** Whether it has begun, and was not cut since. */
  get flows(): boolean {
    return this.flowing
  }

  /** An attempt begins. */
  begin(): void {
    this.before = this.elements
    this.answeredAt = this.onElement = undefined
    if (this.elements > 0) this.resumed++
  }

  /** Whether the last attempt brought anything: those after it are counted anew. */
  get progressed(): boolean {
    return this.elements > this.before
  }

  /** The provider has begun to answer: from now on the attempt has other limits. */
  answers(now: number): void {
    if (this.answeredAt !== undefined) return
    this.answeredAt = now
    this.onAnswer?.(now)
  }

  /** Hands elements over. There must be demand. */
  offer(chunk: Chunk, now: number): void {
    this.elements += chunk.length
    this.firstElementAt ??= now
    this.onElement?.(now)
    this.onElement = undefined
    if (!this.flowing) {
      this.flowing = true
      this.onFlow?.(now)
    }
    this.handoff.offer(chunk)
  }

  /** What telemetry is told, for a call that began then. */
  observed(startedAt: number): StreamObserved {
    const { bytes, elements, firstByteAt, firstElementAt, resumed } = this
    return {
      firstByte: firstByteAt === undefined ? undefined : firstByteAt - startedAt,
      firstElement: firstElementAt === undefined ? undefined : firstElementAt - startedAt,
      elements,
      bytes,
      resumed
    }
  }

  /** It was cut, and is to go on. */
  stall(now: number): void {
    if (!this.flowing) return
    this.flowing = false
    this.onStall?.(now)
  }
}

/**
 * A stream whose every run is one call, on a fiber of its own that ends with the stream, whoever ends it. Nothing is sent
 * before the first pull.
 */
export const streamOf = (run: (handoff: Handoff) => Effect.Effect<unknown, unknown>): Stream.Stream<unknown, unknown> =>
  Stream.fromChannel<Chunk, unknown, never>(
    Channel.fromTransform((_upstream: Pull.Pull<unknown, unknown, unknown>, scope) =>
      Effect.sync(() => {
        const handoff = new Handoff()
        let started = false
        return Effect.suspend((): Pull.Pull<Chunk, unknown> => {
          if (started) return handoff.take
          started = true
          return Effect.andThen(
            Effect.uninterruptible(
              Effect.map(Effect.forkIn(run(handoff), scope, { startImmediately: true }), (fiber) =>
                fiber.addObserver((exit) => handoff.close(exit))
              )
            ),
            handoff.take
          )
        })
      })
    )
  )
