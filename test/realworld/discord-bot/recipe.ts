/**
 * Follows Effect-TS/discord-bot, `packages/discord-bot/src/Github.ts`, and its caller `Issueifier.ts` there.
 *
 * Kept: an `Octokit` that is built from the token with its package's own defaults (so with its retries), calls that are
 * wrapped as `tryPromise` without the abort signal, one error that carries the cause, no span, an answer that nobody
 * validates. Left out: the file's other two wrappers (one for any promise, one for pages), which no mutation uses, and
 * what the caller does to summarise a thread.
 */
import { Context, Data, Effect, Layer } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { intent, issueOf, token } from "./shared.ts"

class GithubError extends Data.TaggedError("GithubError")<{ readonly cause: unknown }> {}

class Github extends Context.Service<Github>()("app/Github", {
  make: Effect.gen(function* () {
    const { rest } = yield* Octokit.make({ auth: token })

    const call =
      <In, A>(method: (rest: Octokit.Rest) => (parameters: In) => Promise<Octokit.OctokitResponse<A>>) =>
      (parameters: In) =>
        Effect.tryPromise({
          try: () => method(rest)(parameters),
          catch: (cause) => new GithubError({ cause })
        }).pipe(Effect.map(({ data }) => data))

    return { createIssue: call(({ issues }) => issues.create) } as const
  })
}) {
  static readonly layer = Layer.effect(this, this.make)
}

export const recipe: Variant = Github.use(({ createIssue }) => createIssue(issueOf(intent))).pipe(
  Effect.provide(Github.layer)
)
