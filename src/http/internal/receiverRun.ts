// One request through the receiver: key, body, claim, handler, record. Where it sits is the business of `HttpReceiver`.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ErrorReporter from "effect/ErrorReporter"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { type Address, IdempotencyStore, TransactionalStore } from "../../IdempotencyStore.ts"
import * as receive from "../../internal/receive.ts"
import { Running } from "../../internal/running.ts"
import type { Mode } from "../../Receiver.ts"
import * as Telemetry from "../../Telemetry.ts"
import * as Problem from "../ReceiverProblem.ts"
import * as Answer from "./receiverAnswer.ts"
import * as Incoming from "./receiverRequest.ts"

type Response = HttpServerResponse.HttpServerResponse
/** What wraps it knows its errors and services. */
type Handler = Effect.Effect<Response, unknown, unknown>

export interface Settings {
  readonly name: string
  readonly mode: Mode
  readonly principal: "shared" | Effect.Effect<string, never, unknown>
  readonly required: boolean
  /** In lower case. */
  readonly header: string
  readonly wait: Duration.Duration
  readonly retryAfter: Duration.Duration
  readonly timeToLive: Duration.Duration
  readonly maxRequest: number
  readonly rules: Answer.Rules
  readonly drain: Duration.Duration
}

/** What the failure of a handler is, where the receiver sits. */
export type Failed =
  /** An answer. */
  | { readonly _tag: "Answer"; readonly response: Response }
  /** The request was turned away before the handler began. */
  | { readonly _tag: "Refused" }
  | { readonly _tag: "Broken" }

export type Guard = (handler: Handler, failed: (cause: Cause.Cause<unknown>) => Effect.Effect<Failed>) => Handler

/** Carries an answer that is a failure through the engine, so that a transaction rolls back what came with it. */
class Answered {
  readonly response: Response
  constructor(response: Response) {
    this.response = response
  }
}

/** Carries a failure through the engine, of which it is known that nothing happened. */
class Refused {
  readonly cause: Cause.Cause<unknown>
  constructor(cause: Cause.Cause<unknown>) {
    this.cause = cause
  }
}

/** How a request went, as its log line and its counter say it. */
type Went =
  | "executed"
  | "released"
  | "failed"
  | "unrecorded"
  | "replayed"
  | "response_not_stored"
  | "in_progress"
  | "key_reused"
  | "outcome_unknown"
  | "not_processed"
  | "unavailable"
  | "key_missing"
  | "key_invalid"
  | "request_too_large"

const fine: ReadonlySet<Went> = new Set(["executed", "released", "replayed", "in_progress"])

interface Reply {
  readonly went: Went
  readonly exit: Exit.Exit<Response, unknown>
}

export const make = (
  settings: Settings
): Effect.Effect<Guard, never, Scope.Scope | IdempotencyStore | TransactionalStore> =>
  Effect.gen(function* () {
    const { mode, name, rules } = settings
    const engine = yield* openEngine(settings)
    const running = yield* FiberSet.make<Response, unknown>()
    // What runs for a client that has left is not among the requests that a closing server waits for.
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeoutOption(FiberSet.awaitEmpty(running), settings.drain)))
    const observe = observer(name)

    const retryAfter = String(Math.max(1, Math.ceil(Duration.toSeconds(settings.retryAfter))))
    const problem = (went: Went, error: Problem.ReceiverProblem, headers?: Record<string, string>) =>
      Effect.map(HttpServerRespondable.toResponse(error), (response): Reply => ({
        went,
        exit: Exit.succeed(headers === undefined ? response : HttpServerResponse.setHeaders(response, headers))
      }))
    const later = { "retry-after": retryAfter }

    // ---- what the engine says, as an answer

    const reply = (
      ended: receive.Received<Response, unknown>,
      verdict: receive.Verdict | undefined
    ): Effect.Effect<Reply> => {
      switch (ended._tag) {
        case "Ran": {
          const exit = unwrap(ended.exit)
          if (Exit.isFailure(exit) && !ended.recorded && Cause.hasInterruptsOnly(exit.cause)) return cut
          if (ended.recorded) {
            const went = verdict?._tag === "Keep" ? "executed" : verdict?._tag === "Nothing" ? "released" : "failed"
            return Effect.succeed({ went, exit })
          }
          return Effect.succeed({
            went: "unrecorded",
            exit: Exit.map(exit, HttpServerResponse.setHeader("idempotency-status", "unrecorded"))
          })
        }
        case "Replay": {
          const told = Answer.decode(ended.result)
          if (told._tag === "Told") return Effect.succeed({ went: "replayed", exit: Exit.succeed(told.response) })
          const marked = { "idempotent-replayed": "true" }
          const gone = problem(
            "response_not_stored",
            new Problem.ResponseNotStored({ detail: "Read the result instead of repeating the request." }),
            told.location === undefined ? marked : { ...marked, location: told.location }
          )
          return told.location === undefined ? gone : Effect.map(gone, seeOther)
        }
        case "InFlight":
          return problem(
            "in_progress",
            new Problem.InProgress({ detail: "Repeat it with the same key after the time in Retry-After." }),
            later
          )
        case "Mismatch":
          return problem(
            "key_reused",
            new Problem.KeyReused({ detail: "A key stands for one request. Nothing was done for this one." })
          )
        case "Held":
          return problem(
            "outcome_unknown",
            new Problem.OutcomeUnknown({ detail: "Don't repeat it. Find out what happened, or ask the operator." })
          )
        case "StoreFailed":
          // A claim under a lease that failed has run nothing. A commit may have taken place.
          return mode._tag === "Leased" || ended.error.tookEffect === "no"
            ? problem(
                "not_processed",
                new Problem.NotProcessed({ detail: "Nothing was done. Repeat it after the time in Retry-After." }),
                later
              )
            : cut
      }
    }
    const cut = problem(
      "unavailable",
      new Problem.Unavailable({ detail: "Repeat it with the same key after the time in Retry-After." }),
      later
    )

    // ---- one request

    return (handler, failed) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (Incoming.safe.has(request.method)) return yield* handler
        const { params, route } = yield* HttpRouter.RouteContext
        const query = yield* HttpServerRequest.ParsedSearchParams
        const principal = settings.principal === "shared" ? undefined : yield* settings.principal
        if (principal === "") {
          return yield* Effect.die(
            new Error(`${name}: the principal of a request is empty, so that tenants would share their keys`)
          )
        }
        const scope = scopeOf(name, principal, request.method, route.path)
        const refuse = (found: Effect.Effect<Reply>, key?: string) =>
          Effect.flatMap(
            Effect.tap(found, ({ exit, went }) => observe(went, scope, key, exit)),
            ({ exit }) => exit
          )

        const found = Incoming.keyOf(request.headers, settings.header)
        if (found._tag === "Missing") {
          if (!settings.required) return yield* Effect.provideServiceEffect(handler, Running, unkeyed(scope))
          return yield* refuse(
            problem("key_missing", new Problem.KeyMissing({ detail: `Send a key in the header ${settings.header}.` }))
          )
        }
        if (found._tag === "Invalid") {
          return yield* refuse(problem("key_invalid", new Problem.KeyInvalid({ detail: found.why })))
        }
        const { key } = found
        const body = yield* Incoming.readBody(request, settings.maxRequest)
        if (body === "TooLarge") {
          const detail = `A request with a key may have a body of at most ${settings.maxRequest} bytes.`
          return yield* refuse(problem("request_too_large", new Problem.RequestTooLarge({ detail })), key)
        }
        const matched = { method: request.method, route: route.path, params, query }
        const fingerprint = yield* Incoming.fingerprintOf(request, matched, body)
        const incoming = yield* Incoming.withBody(request, body)

        // From here on a client that leaves changes nothing: handler and record go on in the scope of the layer.
        const requestScope = yield* Effect.scope
        const handlerScope = Scope.makeUnsafe()
        let clientIsThere = true
        let handlerIsDone = false
        yield* Scope.addFinalizerExit(requestScope, (exit) => {
          clientIsThere = false
          return handlerIsDone ? Scope.close(handlerScope, exit) : Effect.void
        })

        const answering = Effect.matchCauseEffect(
          Effect.provideService(
            Effect.provideService(handler, HttpServerRequest.HttpServerRequest, incoming),
            Scope.Scope,
            handlerScope
          ),
          {
            onSuccess: answered,
            onFailure: (cause) =>
              Effect.flatMap(failed(cause), (what): Effect.Effect<Response, unknown> => {
                if (what._tag === "Answer") return answered(what.response)
                return what._tag === "Refused" ? Effect.fail(new Refused(cause)) : Effect.failCause(cause)
              })
          }
        )
        let verdict: receive.Verdict | undefined
        const judge = (exit: Exit.Exit<Response, unknown>) =>
          Effect.sync(
            () => (verdict = Exit.isSuccess(exit) ? Answer.judge(exit.value, rules) : judgeFailure(exit.cause))
          )
        const judgeFailure = (cause: Cause.Cause<unknown>): receive.Verdict => {
          const error = cause.reasons.length === 1 ? cause.reasons.find(Cause.isFailReason)?.error : undefined
          if (error instanceof Answered) return Answer.judge(error.response, rules)
          return error instanceof Refused ? { _tag: "Nothing" } : { _tag: "InDoubt" }
        }

        const address = { scope, key }
        const whole = engine({ address, fingerprint, handler: answering, judge }).pipe(
          Effect.flatMap((ended) => reply(ended, verdict)),
          Effect.tap(({ exit, went }) => observe(went, scope, key, exit)),
          Effect.flatMap(({ exit }) => exit),
          Effect.onExit((exit) => {
            handlerIsDone = true
            const streams = Exit.isSuccess(exit) && exit.value.body._tag === "Stream"
            // What a streamed answer needs is let go with the request that reads it.
            const close = clientIsThere && streams ? Effect.void : Scope.close(handlerScope, exit)
            return clientIsThere || Exit.isSuccess(exit)
              ? close
              : Effect.andThen(close, ErrorReporter.report(exit.cause))
          })
        ) as Effect.Effect<Response, unknown>

        const exit = yield* Effect.flatMap(FiberSet.run(running, whole), Fiber.await)
        if (Exit.isSuccess(exit) || !Cause.hasInterruptsOnly(exit.cause)) return yield* exit
        // Not the client was interrupted, but what ran for it: the layer is closing.
        return yield* refuse(cut, key)
      })
  })

const answered = (response: Response): Effect.Effect<Response, Answered> =>
  Answer.isSuccess(response) ? Effect.succeed(response) : Effect.fail(new Answered(response))

const unwrap = (exit: Exit.Exit<Response, unknown>): Exit.Exit<Response, unknown> => {
  if (Exit.isSuccess(exit)) return exit
  const error = exit.cause.reasons.find(Cause.isFailReason)?.error
  if (error instanceof Answered) return Exit.succeed(error.response)
  return error instanceof Refused ? Exit.failCause(error.cause) : exit
}

const seeOther = (reply: Reply): Reply => ({
  ...reply,
  exit: Exit.map(reply.exit, (response) => HttpServerResponse.setStatus(response, 303))
})

const openEngine = (settings: Settings) =>
  Effect.gen(function* () {
    const { mode, timeToLive, wait } = settings
    type Engine = <R>(
      work: receive.Work<Response, unknown, R>
    ) => Effect.Effect<receive.Received<Response, unknown>, never, Exclude<R, Running>>
    if (mode._tag === "Leased") {
      const store = yield* IdempotencyStore
      const engine: Engine = (work) => receive.leased(store, { ...mode, timeToLive, wait }, work)
      return engine
    }
    const store = yield* TransactionalStore
    const engine: Engine = (work) => receive.transactional(store, { ...mode, timeToLive, wait }, work)
    return engine
  })

/** No name, principal and route together look like others. */
const scopeOf = (name: string, principal: string | undefined, method: string, route: string): string =>
  [escaped(name), principal === undefined ? "*" : escaped(principal), `${method} ${route}`].join("|")
const escaped = (part: string): string => part.replace(/[%|*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)

/** A request without a key is an intent of its own: what it derives keys from is never met again. */
const unkeyed = (scope: string): Effect.Effect<Running["Service"]> =>
  Effect.map(Effect.all([Random.next, Random.next]), ([a, b]) => {
    const address: Address = { scope, key: `unkeyed ${a} ${b}` }
    return { address, steps: new Map(), save: () => Effect.void }
  })

const observer = (name: string) => {
  const counters = new Map<Went, Metric.Counter<number>>()
  const counterOf = (went: Went) => {
    let counter = counters.get(went)
    if (counter === undefined) {
      counter = Metric.counter(Telemetry.names.receiverRequests, {
        description: "Requests that a receiver answered, by how they went",
        incremental: true,
        attributes: { [Telemetry.names.receiver]: name, [Telemetry.names.outcome]: went, unit: "{request}" }
      })
      counters.set(went, counter)
    }
    return counter
  }
  return (went: Went, scope: string, key: string | undefined, exit: Exit.Exit<Response, unknown>) =>
    Effect.withFiber<void>((fiber) => {
      counterOf(went).updateUnsafe(1, fiber.context)
      const levels = fiber.getRef(Telemetry.LogLevels)
      const level = fine.has(went) ? levels.ok : levels.failed
      if (level === undefined) return Effect.void
      const line = Effect.annotateLogs(Effect.logWithLevel(level as never)(`${scope} ${went}`), {
        receiver: name,
        outcome: went,
        ...(key === undefined ? {} : { idempotency_key: key }),
        ...(Exit.isSuccess(exit) ? { status: exit.value.status } : {})
      })
      // A logger that throws must not change the answer.
      return Effect.catchCause(line, () => Effect.void)
    })
}
