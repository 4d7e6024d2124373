// What `breakwater generate` leaves open is a name that does not exist: the compiler names the operation and the decision.
import { Exhaustion, Idempotency, Integration, type Outcome, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Data, type Duration } from "effect"
import { GitHubApi } from "../../../examples/generated-github/api.ts"

class GitHubUnavailable extends Data.TaggedError("GitHubUnavailable")<{
  readonly outcome: Outcome.Outcome
  readonly retryAfter: Duration.Duration | undefined
}> {}

// As it is written.
class Untouched extends Integration.Service<Untouched>()(
  "app/GitHub",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome, retryAfter }) => new GitHubUnavailable({ outcome, retryAfter })
  },
  {
    issuesCreateComment: HttpOperation.endpoint(GitHubApi, "issues", "createComment", {
      // expect: Cannot find name 'decide_issues_createComment_idempotency'
      idempotency: decide_issues_createComment_idempotency,
      translate: {
        // expect: Cannot find name 'decide_issues_createComment_Forbidden'
        Forbidden: decide_issues_createComment_Forbidden,
        // expect: Cannot find name 'decide_issues_createComment_NotFound'
        NotFound: decide_issues_createComment_NotFound,
        // expect: Cannot find name 'decide_issues_createComment_Gone'
        Gone: decide_issues_createComment_Gone,
        // expect: Cannot find name 'decide_issues_createComment_ValidationFailed'
        ValidationFailed: decide_issues_createComment_ValidationFailed
      }
    })
  }
) {}

const unavailable = () => new GitHubUnavailable({ outcome: "Refused", retryAfter: undefined })

// Left out, it is the library that refuses, and the message names the endpoint too.
// expect: HttpApiEndpoint<"createComment", "POST", "/repos/:owner/:repo/issues/:issue_number/comments"
// expect: Property 'idempotency' is missing in type
HttpOperation.endpoint(GitHubApi, "issues", "createComment", {
  translate: { Forbidden: unavailable, NotFound: unavailable, Gone: unavailable, ValidationFailed: unavailable }
})
HttpOperation.endpoint(GitHubApi, "issues", "createComment", {
  idempotency: Idempotency.atMostOnce("a comment has no key"),
  // expect: Property 'Gone' is missing in type
  translate: { Forbidden: unavailable, NotFound: unavailable, ValidationFailed: unavailable }
})

// Decided.
HttpOperation.endpoint(GitHubApi, "issues", "createComment", {
  idempotency: Idempotency.atMostOnce("a comment has no key"),
  translate: { Forbidden: unavailable, NotFound: unavailable, Gone: unavailable, ValidationFailed: unavailable }
})
