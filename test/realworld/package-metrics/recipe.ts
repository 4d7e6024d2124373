/**
 * Follows IMax153/package-metrics-action, `src/Github.ts`.
 *
 * Kept: the client of `getOctokit` (no retries of its own), a generic `request` whose abort signal is not used, one error
 * with the `RequestError` as its reason, the retry of every request on 403, 429 and 5xx, up to 10 times after 1, 2, 4 …
 * at most 60 seconds, and the span. `Schedule.min` is what `union` was in Effect 3. Ours: the program, which reads what
 * an action needs that compares a pull request's base and head.
 */
import { Context, Data, Effect, Layer, Schedule } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { comparisonOf, intent, token } from "./shared.ts"

class GithubError extends Data.TaggedError("GithubError")<{ readonly reason: Octokit.RequestError }> {}

const isTransient = ({ reason: { status } }: GithubError) => status === 403 || status === 429 || status >= 500

class Github extends Context.Service<Github>()("app/Github", {
  make: Effect.gen(function* () {
    const { rest } = yield* Octokit.getOctokit(token)

    const request = <A>(send: (rest: Octokit.Rest) => Promise<A>) =>
      Effect.tryPromise({
        try: () => send(rest),
        catch: (reason) => new GithubError({ reason: reason as Octokit.RequestError })
      }).pipe(
        Effect.retry({
          schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("60 seconds")]),
          times: 10,
          while: isTransient
        }),
        Effect.withSpan("Github.request")
      )

    return { request } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const recipe: Variant = Effect.gen(function* () {
  const { request } = yield* Github
  const pull = yield* request(({ pulls }) => pulls.get(intent))
  const files = yield* request(({ pulls }) => pulls.listFiles({ ...intent, per_page: 100 }))
  return comparisonOf(pull.data, files.data)
}).pipe(Effect.provide(Github.layer))
