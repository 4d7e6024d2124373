/** The recipe with the five protections, added with Effect's operators. */
import { Context, Data, Duration, Effect, Layer, Metric, Schedule, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { comparisonOf, Files, GithubUnavailable, intent, PullRequest, token } from "./shared.ts"

/** What one attempt came to. */
class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly transient: boolean
  readonly retryAfter?: Duration.Duration
}> {}

const failureOf = (error: unknown): AttemptFailed => {
  if (!(error instanceof Octokit.RequestError) || error.status >= 500) return new AttemptFailed({ transient: true })
  if (error.status !== 429) return new AttemptFailed({ transient: false })
  const retryAfter = Duration.seconds(Number(error.response?.headers["retry-after"] ?? 60))
  return new AttemptFailed({ transient: true, retryAfter })
}

const duration = Metric.timer("github_call_duration")
const failures = Metric.counter("github_call_failures")

class Github extends Context.Service<Github>()("app/Github", {
  make: Effect.gen(function* () {
    const { rest } = yield* Octokit.getOctokit(token)

    /** For what only reads: it is repeated whatever happened. */
    const read = <A>(
      operation: string,
      success: Schema.ConstraintDecoder<A>,
      f: (rest: Octokit.Rest, request: { readonly signal: AbortSignal }) => Promise<Octokit.OctokitResponse<unknown>>
    ) =>
      Effect.tryPromise({ try: (signal) => f(rest, { signal }), catch: failureOf }).pipe(
        Effect.flatMap(({ data }) => Schema.decodeUnknownEffect(success)(data)),
        Effect.timeout("10 seconds"),
        Effect.mapError((error) =>
          error._tag === "AttemptFailed" ? error : new AttemptFailed({ transient: error._tag === "TimeoutError" })
        ),
        Effect.tapError(({ retryAfter }) => (retryAfter === undefined ? Effect.void : Effect.sleep(retryAfter))),
        Effect.retry({
          schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered),
          times: 2,
          while: ({ transient }) => transient
        }),
        Effect.timeout("30 seconds"),
        Effect.mapError(() => new GithubUnavailable({ operation })),
        Effect.tapError((error) =>
          Effect.andThen(
            Metric.update(Metric.withAttributes(failures, { operation }), 1),
            Effect.logWarning("a call failed", error)
          )
        ),
        Effect.trackDuration(Metric.withAttributes(duration, { operation })),
        Effect.withSpan(`Github.${operation}`)
      )

    return { read } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const byHand: Variant = Effect.gen(function* () {
  const { read } = yield* Github
  const pull = yield* read("getPull", PullRequest, ({ pulls }, request) => pulls.get({ ...intent, request }))
  const files = yield* read("listFiles", Files, ({ pulls }, request) =>
    pulls.listFiles({ ...intent, per_page: 100, request })
  )
  return comparisonOf(pull, files)
}).pipe(Effect.provide(Github.layer))
