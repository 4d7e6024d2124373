import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Deadline from "../../Deadline.ts"
import * as Nesting from "../../internal/nesting.ts"
import { nowOf } from "../../internal/timer.ts"
import { NoCredential } from "./noCredential.ts"

/** A credential and how long it is good for, in milliseconds. */
export interface Fetched<A> {
  readonly value: A
  readonly lifetime: number
}

interface Held<A> {
  readonly value: A
  readonly gotAt: number
  /** From when on it is fetched anew, while it still serves. */
  readonly earlyAt: number
  readonly expiresAt: number
}

interface Fetching<A> {
  readonly waiting: Set<(exit: Exit.Exit<A, NoCredential>) => void>
  fiber: Fiber.Fiber<Fetched<A>, NoCredential> | undefined
  exit: Exit.Exit<A, NoCredential> | undefined
}

interface Options<A> {
  readonly fetch: Effect.Effect<Fetched<A>, NoCredential>
  readonly same: (a: A, b: A) => boolean
  /** How long before its end a credential of this lifetime is fetched anew, in milliseconds. */
  readonly early: (lifetime: number) => number
  /** Whether one that was refused serves until there is another. */
  readonly keepsRefused?: boolean | undefined
  readonly initial?: A | undefined
  /** How long nothing is fetched after a failure, in milliseconds: the first time, and at most. */
  readonly rest?: { readonly base: number; readonly cap: number } | undefined
}

const defaultRest = { base: 1_000, cap: 60_000 }

/**
 * A credential that is fetched when it is needed, by one fetch for all who need it. The fetch is a fiber of its own: who
 * waits for it may give up without ending it for the others, and it goes on when nobody waits.
 */
export class Renewal<A> {
  private held: Held<A> | undefined
  private fetching: Fetching<A> | undefined = undefined
  private failed: { readonly error: NoCredential; readonly at: number; readonly rest: number } | undefined = undefined
  private forcedAt = -Infinity
  private closed = false
  private readonly options: Options<A>
  private readonly rest: { readonly base: number; readonly cap: number }

  constructor(options: Options<A>) {
    this.options = options
    this.rest = options.rest ?? defaultRest
    this.held =
      options.initial === undefined
        ? undefined
        : { value: options.initial, gotAt: -Infinity, earlyAt: Infinity, expiresAt: Infinity }
  }

  /** The credential. Waits only if there is none that is still good. */
  readonly read: Effect.Effect<A, NoCredential> = Effect.withFiber((fiber) => {
    const now = nowOf(fiber)
    const { held } = this
    if (held === undefined || now >= held.expiresAt) return this.fresh(fiber, now)
    // A clock that was set back makes it look younger than it is.
    const due = now >= held.earlyAt || now < held.gotAt
    if (due && this.fetching === undefined && this.resting(now) === undefined) this.start(fiber, now)
    return Effect.succeed(held.value)
  })

  /**
   * Gets another credential after `sent` was refused. False if the refusal has to stand: what is fetched is the same, or
   * one was fetched for a refusal a moment ago, and a provider that refuses all of them would have us fetch for every call.
   */
  readonly renew = (sent: A): Effect.Effect<boolean, NoCredential> =>
    Effect.withFiber((fiber) => {
      const now = nowOf(fiber)
      const { held } = this
      const isHeld = held !== undefined && this.options.same(held.value, sent)
      // Somebody has fetched another since it was sent.
      if (held !== undefined && !isHeld && now < held.expiresAt) return Effect.succeed(true)
      if (this.fetching === undefined) {
        if (now >= this.forcedAt && now < this.forcedAt + this.rest.base) return Effect.succeed(false)
        if (this.resting(now) === undefined) this.forcedAt = now
      }
      if (isHeld && this.options.keepsRefused !== true) this.held = undefined
      return Effect.map(this.fresh(fiber, now), (value) => !this.options.same(value, sent))
    })

  /** Ends what is being fetched. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    const fiber = this.fetching?.fiber
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
  })

  /** Lets what is being fetched end, and fetches nothing any more. */
  readonly settle: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    const fiber = this.fetching?.fiber
    return fiber === undefined ? Effect.void : Effect.asVoid(Fiber.await(fiber))
  })

  private fresh(fiber: Fiber.Fiber<unknown, unknown>, now: number): Effect.Effect<A, NoCredential> {
    const { fetching } = this
    if (fetching !== undefined) return wait(fetching)
    const resting = this.resting(now)
    return resting === undefined ? wait(this.start(fiber, now)) : Effect.fail(resting)
  }

  /** The failure that stands until it is worth fetching again. A clock that was set back does not make it longer. */
  private resting(now: number): NoCredential | undefined {
    if (this.closed) return new NoCredential({ message: "the integration has shut down", transient: false })
    const { failed } = this
    if (failed === undefined || now < failed.at || now >= failed.at + failed.rest) return undefined
    return withRetryAfter(failed.error, failed.at + failed.rest - now)
  }

  private start(fiber: Fiber.Fiber<unknown, unknown>, now: number): Fetching<A> {
    const fetching: Fetching<A> = { waiting: new Set(), fiber: undefined, exit: undefined }
    this.fetching = fetching
    // It is nobody's part: the deadline and the retries of the call that happens to start it are not its own.
    const context = fiber.context.pipe(
      Context.add(Deadline.Current, undefined),
      Context.add(Nesting.Current, undefined)
    )
    const run = Effect.runForkWith(context as Context.Context<never>)(this.options.fetch)
    fetching.fiber = run
    run.addObserver((exit) => this.finish(fetching, exit, now, nowOf(run)))
    return fetching
  }

  private finish(fetching: Fetching<A>, exit: Exit.Exit<Fetched<A>, NoCredential>, startedAt: number, now: number) {
    this.fetching = undefined
    if (Exit.isSuccess(exit)) {
      const { lifetime, value } = exit.value
      // Counted from when it was asked for: it was made after that. At least half of its life it is good as it is.
      const early = Math.min(this.options.early(lifetime), lifetime / 2)
      const expiresAt = startedAt + lifetime
      this.held = { value, gotAt: startedAt, expiresAt, earlyAt: lifetime === Infinity ? Infinity : expiresAt - early }
      this.failed = undefined
      fetching.exit = Exit.succeed(value)
    } else {
      const error = errorOf(exit.cause)
      const asked = error.retryAfter === undefined ? 0 : Duration.toMillis(error.retryAfter)
      const known = this.failed === undefined ? this.rest.base : Math.min(this.failed.rest * 2, this.rest.cap)
      const rest = Math.max(known, asked)
      this.failed = { error, at: now, rest }
      // What may have used up the means to get another is not tried again while the old one serves.
      if (error.inDoubt === true && this.held !== undefined) this.held = { ...this.held, earlyAt: Infinity }
      fetching.exit = Exit.fail(withRetryAfter(error, rest))
    }
    for (const resume of fetching.waiting) resume(fetching.exit)
  }
}

const wait = <A>(fetching: Fetching<A>): Effect.Effect<A, NoCredential> =>
  Effect.callback<A, NoCredential>((resume) => {
    if (fetching.exit !== undefined) return resume(fetching.exit)
    fetching.waiting.add(resume)
    return Effect.sync(() => fetching.waiting.delete(resume))
  })

const withRetryAfter = (error: NoCredential, millis: number): NoCredential =>
  new NoCredential({
    message: error.message,
    transient: error.transient,
    retryAfter: Duration.millis(millis),
    inDoubt: error.inDoubt,
    cause: error.cause
  })

const errorOf = (cause: Cause.Cause<NoCredential>): NoCredential => {
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure !== undefined
    ? failure.error
    : new NoCredential({
        message: Cause.hasInterruptsOnly(cause)
          ? "the integration shut down while a credential was fetched"
          : "what fetches the credential died",
        transient: true,
        cause: Cause.squash(cause)
      })
}
