/** The slice in breakwater. */
import { type CallFailure, Exhaustion, Idempotency, Integration, Operation, Policy, Reason } from "breakwater"
import { Array, Context, Duration, Effect, Layer, Option, Predicate, Schema } from "effect"
import * as Octokit from "../Octokit.ts"
import type { Variant } from "../Slice.ts"
import { GithubUnavailable, intent, isOf, Issue, issueOf, recent, Thread, token } from "./shared.ts"

class Rest extends Context.Service<Rest, Octokit.Rest>()("app/Rest") {
  static readonly layer = Layer.effect(
    Rest,
    Effect.map(Octokit.make({ auth: token, retry: { enabled: false } }), ({ rest }) => rest)
  )
}

const use = (
  f: (rest: Octokit.Rest, request: { readonly signal: AbortSignal }) => Promise<Octokit.OctokitResponse<unknown>>
) =>
  Effect.flatMap(Rest, (rest) =>
    Effect.tryPromise({ try: (signal) => f(rest, { signal }), catch: (error) => error as Octokit.RequestError })
  ).pipe(
    Effect.map(({ data }) => data),
    Effect.filterOrFail(
      (data) => !Predicate.hasProperty(data, "message"),
      () => new Octokit.RequestError("an error with status 200", 500)
    )
  )

const classify = (error: Octokit.RequestError) => {
  if (!(error instanceof Octokit.RequestError) || error.status >= 500) return Reason.unavailable()
  if (error.status !== 429) return Reason.rejected({ status: error.status })
  return Reason.throttled({ retryAfter: Duration.seconds(Number(error.response?.headers["retry-after"] ?? 60)) })
}

const defaults = {
  policy: Policy.standard(),
  exhausted: Exhaustion.fail,
  orElse: ({ operation, outcome }: CallFailure.CallFailure) => new GithubUnavailable({ operation, outcome })
}

class Issues extends Integration.Service<Issues>()("app/Issues", defaults, {
  listIssues: Operation.query("listIssues", {
    success: Schema.Array(Issue),
    send: () => use(({ issues }, request) => issues.listForRepo({ ...recent, request })),
    classify
  })
}) {}

const findIssue = (thread: Thread) =>
  Effect.flatMap(Issues, ({ listIssues }) => Effect.map(listIssues(), Array.findFirst(isOf(thread))))

class Github extends Integration.Service<Github>()("app/Github", defaults, {
  createIssue: Operation.mutation("createIssue", {
    idempotency: Idempotency.reconcilable(findIssue, { settle: "1 second" }),
    input: Thread,
    success: Issue,
    send: (thread) => use(({ issues }, request) => issues.create({ ...issueOf(thread), request })),
    classify
  })
}) {}

const layer = Integration.layer(Github).pipe(Layer.provideMerge(Integration.layer(Issues)), Layer.provide(Rest.layer))

export const breakwater: Variant = Effect.gen(function* () {
  const { createIssue } = yield* Github
  const existing = yield* findIssue(intent)
  return Option.isSome(existing) ? existing.value : yield* createIssue(intent)
}).pipe(Effect.provide(layer))
