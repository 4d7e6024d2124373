import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Call } from "../Call.ts"
import { describeIssue } from "../PolicyDecode.ts"
import * as Reason from "../Reason.ts"
import type { CallRecord, Prepared } from "./call.ts"
import { provideServices, servicesOf, withServices } from "./context.ts"
import { compilerOf, decoderOf, encoderOf, isDone } from "./decoder.ts"
import type { OpenSite, Transport } from "./definition.ts"
import { exitOf } from "./exit.ts"
import { makeKeep } from "./keep.ts"
import * as limits from "./limits.ts"
import { Sending } from "./sending.ts"
import { nowOf } from "./timer.ts"

interface Options {
  readonly input: Schema.Constraint | undefined
  readonly success: Schema.Constraint | undefined
  /** That answers are values of `success` already, not what it encodes them as. */
  readonly decoded?: boolean | undefined
  /** Of the declared errors. */
  readonly error: Schema.Constraint | undefined
  readonly send: ((input: unknown, call: Call) => Effect.Effect<unknown, unknown, unknown>) | undefined
  readonly client: Context.Key<unknown, unknown> | undefined
  readonly call:
    | ((input: unknown, call: Call & { readonly signal: AbortSignal }, client: unknown) => PromiseLike<unknown>)
    | undefined
  readonly classify: ((error: unknown) => Reason.Verdict | undefined) | undefined
  readonly classifyAnswer: ((answer: unknown) => Reason.Verdict | Reason.Answered | undefined) | undefined
}

/** A failure of `send` whose meaning is known where it was made. */
export class Judged {
  readonly verdict: Reason.Verdict
  readonly error: unknown
  constructor(verdict: Reason.Verdict, error: unknown) {
    this.verdict = verdict
    this.error = error
  }
}

/** Opens the way to a provider through an effect or a promise. */
export const openEffect = (options: Options) => {
  const answer =
    options.decoded === true && options.success !== undefined ? Schema.toType(options.success) : options.success

  // Where an answer may be an error, one that can't be read may have been one.
  const unread = options.classifyAnswer === undefined ? "Applied" : "Unknown"

  const reasonFor = (failed: unknown, call: CallRecord, fiber: AnyFiber): Reason.Reason => {
    const error = failed instanceof Judged ? failed.error : failed
    const verdict = withHeaders(failed instanceof Judged ? failed.verdict : options.classify?.(error), fiber)
    if (verdict?.limit !== undefined) call.tell(verdict.limit)
    return verdict === undefined
      ? Reason.make("Failed", { message: nameOf(error), error, cause: error })
      : Reason.make(verdict.reason, { message: nameOf(error), ...verdict, error, cause: error })
  }

  const open = (_site: OpenSite): Effect.Effect<Transport> =>
    Effect.map(Effect.context<never>(), (built): Transport => {
      const services = servicesOf(built)
      const compile = compilerOf(built)
      const validate = options.input === undefined ? undefined : encoderOf(options.input, compile)
      const decode = answer === undefined ? undefined : decoderOf(answer, compile)
      const client = options.client === undefined ? undefined : Context.getUnsafe(built, options.client)
      const raw = (input: unknown, call: CallRecord, fiber: AnyFiber): Effect.Effect<unknown, Reason.Reason> => {
        if (options.call !== undefined) {
          const invoke = options.call
          return Effect.callback<unknown, Reason.Reason>((resume) => {
            const sending = new Sending(call)
            const invoked = Result.try(() =>
              invoke(input, sending, client).then(
                (value) => resume(Effect.succeed(value)),
                (error) => resume(Effect.suspend(() => Effect.fail(reasonFor(error, call, fiber))))
              )
            )
            if (Result.isFailure(invoked)) {
              resume(Effect.suspend(() => Effect.fail(reasonFor(invoked.failure, call, fiber))))
            }
            return Effect.sync(() => sending.abort())
          })
        }
        return Effect.mapError(
          Effect.suspend(() => options.send!(input, call) as Effect.Effect<unknown, unknown>),
          (error) => reasonFor(error, call, fiber)
        )
      }
      /** What an answer of a promise is worth: an exit, unless a schema has to wait or the application is asked. */
      const answered = (value: unknown, call: CallRecord): Effect.Effect<unknown, Reason.Reason> => {
        if (decode === undefined) return Effect.succeed(value)
        const decoded = Result.try(() => decode(value) as Effect.Effect<unknown, Schema.SchemaError>)
        if (Result.isFailure(decoded)) return Effect.die(decoded.failure)
        const done = exitOf(decoded.success)
        if (done !== undefined && Exit.isSuccess(done)) return Effect.succeed(done.value)
        call.phase = "answered"
        call.pending = Reason.make("BodyLost", {
          message: "the answer arrived, but was not decoded in time",
          outcome: unread
        })
        return provideServices(
          Effect.mapError(decoded.success, (error) =>
            Reason.make("InvalidResponse", { message: describeIssue(error), outcome: unread })
          ),
          services
        )
      }
      const start = (input: unknown): NonNullable<Prepared["start"]> => {
        const invoke = options.call!
        return (call, fiber, proceed, now) => {
          call.sent(now)
          const sending = new Sending(call)
          const failed = (error: unknown) => proceed(Effect.suspend(() => Effect.fail(reasonFor(error, call, fiber))))
          const invoked = Result.try(() =>
            invoke(input, sending, client).then((value) => proceed(answered(value, call)), failed)
          )
          if (Result.isFailure(invoked)) failed(invoked.failure)
          return sending
        }
      }
      // An answer that the application has to judge is run as an effect: the application may throw.
      const begins = options.call !== undefined && options.classifyAnswer === undefined
      const prepared = (input: unknown): Prepared => ({
        place: () => undefined,
        ...(begins ? { start: start(input) } : undefined),
        send: (call) =>
          Effect.withFiber((fiber) => {
            call.sent(nowOf(fiber))
            const { classifyAnswer } = options
            const sent =
              classifyAnswer === undefined
                ? raw(input, call, fiber)
                : Effect.flatMap(raw(input, call, fiber), (answer) => {
                    const verdict = withHeaders(classifyAnswer(answer), fiber)
                    if (verdict?.limit !== undefined) call.tell(verdict.limit)
                    return verdict === undefined || verdict.reason === "Answered"
                      ? Effect.succeed(answer)
                      : Effect.fail(Reason.make(verdict.reason, { message: "the answer was classified", ...verdict }))
                  })
            const decoded =
              decode === undefined
                ? sent
                : Effect.flatMap(sent, (value) => {
                    call.phase = "answered"
                    call.pending = Reason.make("BodyLost", {
                      message: "the answer arrived, but was not decoded in time",
                      outcome: unread
                    })
                    const read = decode(value)
                    if (isDone(read)) return read
                    return Effect.mapError(read, (error) =>
                      Reason.make("InvalidResponse", { message: describeIssue(error), outcome: unread })
                    )
                  })
            return provideServices(decoded, services)
          })
      })
      return {
        keep: makeKeep({
          input: options.input,
          success: options.success ?? Schema.Unknown,
          error: options.error,
          services,
          restore: (_request, input) => Effect.succeed(prepared(input))
        }),
        prepare: (input) =>
          validate === undefined
            ? Effect.succeed(prepared(input))
            : Effect.withFiber((fiber) => {
                const checked = validate(input)
                if (isDone(checked)) return Effect.succeed(prepared(input))
                return Effect.mapBoth(Effect.provideContext(checked, withServices(fiber.context, services)), {
                  onFailure: (error) => Reason.make("InvalidInput", { message: describeIssue(error) }),
                  onSuccess: () => prepared(input)
                })
              })
      }
    })
  return open
}

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** Fills in what the headers of a verdict say. */
const withHeaders = <V extends Reason.Verdict | Reason.Answered>(
  verdict: V | undefined,
  fiber: AnyFiber
): V | undefined => {
  // An SDK's types are promises: there may be none after all.
  if (verdict?.headers === undefined || verdict.headers === null) return verdict
  const now = nowOf(fiber)
  const headers = limits.toLower(verdict.headers)
  return {
    ...verdict,
    retryAfter: verdict.retryAfter ?? limits.retryAfter(headers["retry-after"], now),
    requestId: verdict.requestId ?? limits.requestIds.map((name) => headers[name]).find((id) => id !== undefined),
    replayed: verdict.replayed ?? headers["idempotent-replayed"]?.toLowerCase() === "true",
    limit: verdict.limit ?? limits.limitOf(headers, now)
  }
}

/** What kind of error it was, without its text: that may hold what must not be logged. */
const nameOf = (error: unknown): string => {
  if (typeof error === "object" && error !== null) {
    if ("_tag" in error && typeof error._tag === "string") return `failed with ${error._tag}`
    if (error instanceof Error) return `failed with ${error.name}`
  }
  return `failed with a ${typeof error}`
}
