/** The slice in breakwater. */
import { Exhaustion, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { comparisonOf, Files, GithubUnavailable, intent, PullRequest, token } from "./shared.ts"

class Client extends Context.Service<Client, Octokit.Octokit>()("app/Client") {
  static readonly layer = Layer.effect(Client, Octokit.getOctokit(token))
}

const Pull = Schema.Struct({ owner: Schema.String, repo: Schema.String, pull_number: Schema.Int })

const use = (
  f: (rest: Octokit.Rest, request: { readonly signal: AbortSignal }) => Promise<Octokit.OctokitResponse<unknown>>
) =>
  Effect.flatMap(Client, ({ rest }) =>
    Effect.tryPromise({ try: (signal) => f(rest, { signal }), catch: (error) => error as Octokit.RequestError })
  ).pipe(Effect.map(({ data }) => data))

const classify = (error: Octokit.RequestError) => {
  if (!(error instanceof Octokit.RequestError) || error.status >= 500) return Reason.unavailable()
  if (error.status !== 429) return Reason.rejected({ status: error.status })
  return Reason.throttled({ retryAfter: Duration.seconds(Number(error.response?.headers["retry-after"] ?? 60)) })
}

class Github extends Integration.Service<Github>()(
  "app/Github",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ operation }) => new GithubUnavailable({ operation })
  },
  {
    getPull: Operation.query("getPull", {
      input: Pull,
      success: PullRequest,
      send: (pull) => use(({ pulls }, request) => pulls.get({ ...pull, request })),
      classify
    }),
    listFiles: Operation.query("listFiles", {
      input: Pull,
      success: Files,
      send: (pull) => use(({ pulls }, request) => pulls.listFiles({ ...pull, per_page: 100, request })),
      classify
    })
  }
) {}

const layer = Integration.layer(Github).pipe(Layer.provide(Client.layer))

export const breakwater: Variant = Effect.gen(function* () {
  const { getPull, listFiles } = yield* Github
  return comparisonOf(yield* getPull(intent), yield* listFiles(intent))
}).pipe(Effect.provide(layer))
