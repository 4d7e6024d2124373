/** The slice in breakwater. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Operation, Policy, Reason } from "breakwater"
import { Array, Context, Duration, Effect, Layer, Predicate, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { GithubUnavailable, intent, isOf, Issue, issueOf, recent, Thread, token } from "./shared.ts"

class Rest extends Context.Service<Rest, Octokit.Rest>()("app/Rest") {
  static readonly layer = Layer.effect(
    Rest,
    Effect.map(Octokit.make({ auth: token, retry: { enabled: false } }), ({ rest }) => rest)
  )
}

const octokit = {
  client: Rest,
  classify: (error: unknown) => {
    if (!(error instanceof Octokit.RequestError) || error.response === undefined) return Reason.fromConnection(error)
    const seconds = error.response.headers["retry-after"] ?? (error.status === 429 ? 60 : 0)
    return Reason.fromStatus(error.status, { retryAfter: Duration.seconds(Number(seconds)) })
  },
  classifyAnswer: (data: unknown) => (Predicate.hasProperty(data, "message") ? Reason.unavailable() : undefined)
}

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: ({ operation, outcome }: CallFailure.CallFailure) => new GithubUnavailable({ operation, outcome })
}

class Issues extends Integration.Service<Issues>()("app/Issues", defaults, {
  listIssues: Operation.fromPromise("listIssues", {
    ...octokit,
    idempotency: Idempotency.readOnly("a GET"),
    success: Schema.Array(Issue),
    call: async (_, { signal }, { issues }) => (await issues.listForRepo({ ...recent, request: { signal } })).data
  })
}) {}

const findIssue = (thread: Thread) =>
  Effect.flatMap(Issues, ({ listIssues }) => Effect.map(listIssues(), Array.findFirst(isOf(thread))))

class Github extends Integration.Service<Github>()("app/Github", defaults, {
  createIssue: Operation.fromPromise("createIssue", {
    ...octokit,
    idempotency: Idempotency.reconcilable(findIssue, { settle: "1 second", lookFirst: true }),
    input: Thread,
    success: Issue,
    call: async (thread, { signal }, { issues }) =>
      (await issues.create({ ...issueOf(thread), request: { signal } })).data
  })
}) {}

const layer = Integration.layer(Github).pipe(Layer.provide(Integration.layer(Issues)), Layer.provide(Rest.layer))

export const breakwater: Variant = Effect.flatMap(Github, ({ createIssue }) => createIssue(intent)).pipe(
  Effect.provide(layer)
)
