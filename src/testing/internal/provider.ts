// The provider behind every double: it records what arrives, decides which fault strikes, keeps the table of keys and the
// ledger, and says what the wire does. How that looks on a wire is the business of its clients: memory, or a socket.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { CallObserved } from "../../Telemetry.ts"
import type { Tag } from "../Fault.ts"
import { type Faults, seedOf } from "../FaultPlan.ts"
import { type Claim, KeyTable, type KeyWindow, safe, told } from "../KeyWindow.ts"
import { Arrivals } from "./arrivals.ts"
import type { AwaitOptions, Change, Reply, WireRequest } from "./model.ts"

/** A request that has arrived, and about which nothing is known yet. */
export interface Incoming {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What the wire does in the end. */
export type Play =
  | { readonly _tag: "Answer"; readonly reply: Reply; readonly body: "whole" }
  // What becomes of a body is told when it happens, which is when it is sent so far.
  | { readonly _tag: "Answer"; readonly reply: Reply; readonly body: "stalls" | "cut"; readonly struck: () => void }
  | { readonly _tag: "Huge"; readonly reply: Reply; readonly bytes: number; readonly announced: boolean }
  | { readonly _tag: "Lost"; readonly syscall: "connect" | "read"; readonly code: "ECONNREFUSED" | "ECONNRESET" }
  | { readonly _tag: "Silence" }

export interface ProviderOptions {
  readonly faults: Faults | undefined
  readonly keys: KeyWindow
  readonly operationOf: (request: Pick<WireRequest, "method" | "url" | "headers" | "text">) => string
  readonly seed: number | string | undefined
}

export interface Respond {
  /** Carries a request out. Its `changed` and `input` go into the ledger. */
  readonly handle: (request: WireRequest) => Reply | Effect.Effect<Reply>
  /** Looks at a request before its key. What it answers is no execution. */
  readonly guard: ((request: WireRequest) => Effect.Effect<Reply | undefined>) | undefined
  /** The provider's own headers of each answer. A replay has those of the request that asked for it. */
  readonly headers: ((request: WireRequest) => Readonly<Record<string, string>>) | undefined
}

const text = new TextDecoder()
const lost = (syscall: "connect" | "read", code: "ECONNREFUSED" | "ECONNRESET"): Play => ({
  _tag: "Lost",
  syscall,
  code
})
const silence: Play = { _tag: "Silence" }
const answer = (reply: Reply): Play => ({ _tag: "Answer", reply, body: "whole" })

export class Provider {
  readonly requests: Array<WireRequest> = []
  readonly ledger: Array<Change> = []
  /** What each request was answered, by its index. A request without an answer has none. */
  readonly answers = new Map<number, { readonly status: number; readonly note: string | undefined }>()
  /** Calls that an `IntegrationTest` observed, for the diagrams of failed assertions. */
  readonly calls: Array<ReadonlyArray<CallObserved>> = []
  readonly arrivals: Arrivals
  private readonly options: ProviderOptions
  private readonly keys: KeyTable

  constructor(options: ProviderOptions) {
    this.options = options
    this.keys = new KeyTable(options.keys)
    this.arrivals = new Arrivals(options.faults)
  }

  /** The seed of the answers or of the faults, whichever was drawn. */
  get seed(): number | string | undefined {
    return seedOf(this.arrivals.faults) ?? this.options.seed
  }

  reset(now: number): void {
    this.requests.length = 0
    this.answers.clear()
    this.ledger.length = 0
    this.keys.clear()
    this.arrivals.reset(now)
  }

  /** Records a request, and acts out what the wire does with it. Executions run on in the scope when the caller leaves. */
  receive(incoming: Incoming, respond: Respond, scope: Scope.Scope): Effect.Effect<Play> {
    return Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const arrived = this.record(incoming, at)
      return Effect.map(this.act(arrived, respond, scope), (play) => {
        if (play._tag === "Answer" || play._tag === "Huge") {
          this.answers.set(arrived.index, { status: play.reply.status ?? 200, note: play.reply.note })
        }
        return play
      })
    })
  }

  private record(incoming: Incoming, at: number): WireRequest {
    const seen = { ...incoming, text: text.decode(incoming.body) }
    const operation = this.options.operationOf(seen)
    const { arrival, fault } = this.arrivals.arrive(operation, at)
    const arrived: WireRequest = {
      ...seen,
      index: this.requests.length,
      operation,
      arrival,
      at,
      key: this.options.keys.keyOf(seen),
      fault
    }
    this.requests.push(arrived)
    this.arrivals.tell()
    return arrived
  }

  private act(arrived: WireRequest, respond: Respond, scope: Scope.Scope): Effect.Effect<Play> {
    const { fault } = arrived
    if (fault === undefined) return Effect.map(this.execute(arrived, respond, scope), answer)
    const executed = this.execute(arrived, respond, scope)
    const struck = (play: Play) => {
      this.arrivals.strike(arrived.operation, fault)
      return play
    }
    switch (fault._tag) {
      case "Latency":
        this.arrivals.strike(arrived.operation, fault)
        return Effect.map(this.execute(arrived, respond, scope, fault.duration), answer)
      case "Refused":
        return Effect.sync(() => struck(lost("connect", "ECONNREFUSED")))
      case "ResetBeforeReading":
        return Effect.sync(() => struck(lost("read", "ECONNRESET")))
      case "ResponseLost":
        return Effect.map(executed, () => struck(lost("read", "ECONNRESET")))
      case "StallBeforeHeaders": {
        this.arrivals.strike(arrived.operation, fault)
        if (!fault.executes) return Effect.succeed(silence)
        return Effect.as(this.execute(arrived, respond, scope, fault.after), silence)
      }
      case "StallInBody":
      case "CutBody":
        return Effect.map(executed, (reply) => ({
          _tag: "Answer",
          reply,
          body: fault._tag === "CutBody" ? "cut" : "stalls",
          struck: () => this.arrivals.strike(arrived.operation, fault)
        }))
      case "WrongShape":
        return Effect.map(executed, (reply) => struck(answer({ ...reply, body: fault.body })))
      case "WrongMediaType":
        return Effect.map(executed, (reply) =>
          struck(answer({ ...reply, headers: { ...reply.headers, "content-type": fault.mediaType }, body: fault.body }))
        )
      case "Status": {
        const reply = { status: fault.status, headers: fault.headers, body: fault.body }
        return fault.executes
          ? Effect.map(executed, () => struck(answer(reply)))
          : Effect.sync(() => struck(answer(reply)))
      }
      case "HugeBody":
        return Effect.map(executed, (reply) =>
          struck({ _tag: "Huge", reply, bytes: fault.bytes, announced: fault.announced })
        )
      case "InProgress409":
        return Effect.sync(() => struck(answer(told(this.options.keys.inFlight, arrived))))
      case "DuplicateDelivery":
        return Effect.flatMap(executed, (reply) => {
          const again = Effect.map(this.execute(arrived, respond, scope, fault.after), () => struck(answer(reply)))
          return Duration.isZero(fault.after)
            ? again
            : Effect.as(Effect.forkIn(Effect.interruptible(again), scope, { startImmediately: true }), answer(reply))
        })
    }
  }

  /**
   * Looks at the table of keys, and carries out what is new. With a time `after`, or where carrying it out takes time, it
   * does so on a fiber that outlives the caller's.
   */
  private execute(
    arrived: WireRequest,
    respond: Respond,
    scope: Scope.Scope,
    after: Duration.Duration = Duration.zero
  ): Effect.Effect<Reply> {
    const { guard, headers } = respond
    const run = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      // Nothing may come between the claim of a key and the work: an interrupted caller would leave the key in flight.
      const claim = this.keys.claim(arrived, now)
      if ("reply" in claim) return late(claim.reply, after)
      if (Duration.isZero(after)) {
        const reply = respond.handle(arrived)
        if (!Effect.isEffect(reply)) return Effect.succeed(this.enter(arrived, claim, reply, now))
        return outlive(this.entered(arrived, claim, reply), scope)
      }
      const later = Effect.suspend(() => {
        const reply = respond.handle(arrived)
        return this.entered(arrived, claim, Effect.isEffect(reply) ? reply : Effect.succeed(reply))
      })
      return outlive(Effect.delay(later, after), scope)
    }).pipe(Effect.uninterruptible)
    const answered =
      guard === undefined
        ? run
        : Effect.flatMap(guard(arrived), (reply) => (reply === undefined ? run : late(reply, after)))
    return headers === undefined
      ? answered
      : Effect.map(answered, (reply) => ({ ...reply, headers: { ...headers(arrived), ...reply.headers } }))
  }

  private entered(arrived: WireRequest, claim: Claim, work: Effect.Effect<Reply>): Effect.Effect<Reply> {
    return Effect.flatMap(work, (reply) =>
      Effect.map(Clock.currentTimeMillis, (at) => this.enter(arrived, claim, reply, at))
    )
  }

  /** Enters what was carried out into the ledger, and the answer into the table of keys. */
  private enter(arrived: WireRequest, claim: Claim, reply: Reply, at: number): Reply {
    const status = reply.status ?? 200
    if (reply.changed ?? (!safe.has(arrived.method) && status >= 200 && status < 300)) {
      this.ledger.push({
        operation: arrived.operation,
        key: arrived.key,
        at,
        request: arrived.index,
        ...("input" in reply ? { input: reply.input } : {})
      })
    }
    if ("settle" in claim) claim.settle(reply)
    this.arrivals.tell()
    return reply
  }

  /** Waits until the n-th matching fault has struck, request has arrived, or change was made. */
  awaitFault(tag?: Tag, options?: AwaitOptions): Effect.Effect<void> {
    return this.arrivals.wait(
      () =>
        this.arrivals.struck.filter(
          (one) => (tag === undefined || one.fault._tag === tag) && matches(one.operation, options)
        ).length >= (options?.times ?? 1)
    )
  }

  awaitRequest(options?: AwaitOptions): Effect.Effect<void> {
    return this.arrivals.wait(
      () => this.requests.filter(({ operation }) => matches(operation, options)).length >= (options?.times ?? 1)
    )
  }

  awaitExecuted(options?: AwaitOptions): Effect.Effect<void> {
    return this.arrivals.wait(
      () => this.ledger.filter(({ operation }) => matches(operation, options)).length >= (options?.times ?? 1)
    )
  }
}

const matches = (operation: string, options: AwaitOptions | undefined): boolean =>
  options?.operation === undefined || options.operation === operation

/** An answer that carries nothing out. */
const late = (reply: Reply, after: Duration.Duration): Effect.Effect<Reply> =>
  Duration.isZero(after) ? Effect.succeed(reply) : Effect.as(Effect.interruptible(Effect.sleep(after)), reply)

/** Runs on a fiber of the scope's; who waits for it may leave. */
const outlive = <A>(self: Effect.Effect<A>, scope: Scope.Scope): Effect.Effect<A> =>
  Effect.flatMap(Effect.forkIn(Effect.interruptible(self), scope, { startImmediately: true }), (fiber) =>
    Effect.interruptible(Fiber.join(fiber))
  )
