/** The slice in breakwater. */
import { Exhaustion, Idempotency, Integration, Operation, Policy, Reason } from "breakwater"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { comparisonOf, Files, GithubUnavailable, intent, PullRequest, token } from "./shared.ts"

class Client extends Context.Service<Client, Octokit.Octokit>()("app/Client") {
  static readonly layer = Layer.effect(Client, Octokit.getOctokit(token))
}

const Pull = Schema.Struct({ owner: Schema.String, repo: Schema.String, pull_number: Schema.Int })

const reading = {
  client: Client,
  idempotency: Idempotency.readOnly("a GET"),
  input: Pull,
  classify: (error: unknown) => {
    if (!(error instanceof Octokit.RequestError) || error.response === undefined) return Reason.fromConnection(error)
    const seconds = error.response.headers["retry-after"] ?? (error.status === 429 ? 60 : 0)
    return Reason.fromStatus(error.status, { retryAfter: Duration.seconds(Number(seconds)) })
  }
}

class Github extends Integration.Service<Github>()(
  "app/Github",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ operation }) => new GithubUnavailable({ operation })
  },
  {
    getPull: Operation.fromPromise("getPull", {
      ...reading,
      success: PullRequest,
      call: async (pull, { signal }, { rest }) => (await rest.pulls.get({ ...pull, request: { signal } })).data
    }),
    listFiles: Operation.fromPromise("listFiles", {
      ...reading,
      success: Files,
      call: async (pull, { signal }, { rest }) =>
        (await rest.pulls.listFiles({ ...pull, per_page: 100, request: { signal } })).data
    })
  }
) {}

const layer = Integration.layer(Github).pipe(Layer.provide(Client.layer))

export const breakwater: Variant = Effect.gen(function* () {
  const { getPull, listFiles } = yield* Github
  return comparisonOf(yield* getPull(intent), yield* listFiles(intent))
}).pipe(Effect.provide(layer))
