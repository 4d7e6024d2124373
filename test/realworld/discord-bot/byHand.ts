/** The recipe with the five protections, added with Effect's operators. */
import { Array, Context, Data, Duration, Effect, Layer, Metric, Option, Schedule, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { GithubUnavailable, intent, isOf, Issue, issueOf, recent, type Thread, token } from "./shared.ts"

/** What one attempt came to. */
class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly outcome: "Refused" | "Unknown"
  readonly transient: boolean
  readonly retryAfter?: Duration.Duration
}> {}

const inDoubt = new AttemptFailed({ outcome: "Unknown", transient: true })

const failureOf = (error: unknown): AttemptFailed => {
  if (!(error instanceof Octokit.RequestError) || error.status >= 500) return inDoubt
  if (error.status !== 429) return new AttemptFailed({ outcome: "Refused", transient: false })
  const retryAfter = Duration.seconds(Number(error.response?.headers["retry-after"] ?? 60))
  return new AttemptFailed({ outcome: "Refused", transient: true, retryAfter })
}

const duration = Metric.timer("github_call_duration")
const failures = Metric.counter("github_call_failures")

class Github extends Context.Service<Github>()("app/Github", {
  make: Effect.gen(function* () {
    const { rest } = yield* Octokit.make({ auth: token, retry: { enabled: false } })

    const call = <A>(
      operation: string,
      options: { readonly success: Schema.ConstraintDecoder<A>; readonly safe: boolean },
      f: (rest: Octokit.Rest, request: { readonly signal: AbortSignal }) => Promise<Octokit.OctokitResponse<unknown>>
    ) =>
      Effect.tryPromise({ try: (signal) => f(rest, { signal }), catch: failureOf }).pipe(
        Effect.flatMap(({ data }) => Schema.decodeUnknownEffect(options.success)(data)),
        Effect.timeout("10 seconds"),
        Effect.mapError((error) => {
          if (error._tag === "AttemptFailed") return error
          return error._tag === "SchemaError" ? new AttemptFailed({ outcome: "Unknown", transient: false }) : inDoubt
        }),
        Effect.tapError(({ retryAfter }) => (retryAfter === undefined ? Effect.void : Effect.sleep(retryAfter))),
        Effect.retry({
          schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
          times: 2,
          while: ({ outcome, transient }) => transient && (options.safe || outcome === "Refused")
        }),
        Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.fail(inDoubt) }),
        Effect.mapError(({ outcome }) => new GithubUnavailable({ operation, outcome })),
        Effect.tapError((error) =>
          Effect.andThen(
            Metric.update(Metric.withAttributes(failures, { operation, outcome: error.outcome }), 1),
            Effect.logWarning("a call failed", error)
          )
        ),
        Effect.trackDuration(Metric.withAttributes(duration, { operation })),
        Effect.withSpan(`Github.${operation}`)
      )

    const findIssue = (thread: Thread) =>
      call("listIssues", { success: Schema.Array(Issue), safe: true }, ({ issues }, request) =>
        issues.listForRepo({ ...recent, request })
      ).pipe(Effect.map(Array.findFirst(isOf(thread))))

    const createIssue = (thread: Thread) =>
      call("createIssue", { success: Issue, safe: false }, ({ issues }, request) =>
        issues.create({ ...issueOf(thread), request })
      ).pipe(
        Effect.catchIf(
          ({ outcome }) => outcome === "Unknown",
          (error) =>
            findIssue(thread).pipe(
              Effect.delay("1 second"),
              Effect.flatMap(Effect.fromOption),
              Effect.mapError(() => error)
            )
        )
      )

    return { findIssue, createIssue } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const byHand: Variant = Effect.gen(function* () {
  const { createIssue, findIssue } = yield* Github
  const existing = yield* findIssue(intent)
  return Option.isSome(existing) ? existing.value : yield* createIssue(intent)
}).pipe(Effect.provide(Github.layer))
