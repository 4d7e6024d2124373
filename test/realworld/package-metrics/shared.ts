/** What the three variants share: GitHub's shapes, the application's error, and the intent. */
import { Schema } from "effect"

const Ref = Schema.Struct({ ref: Schema.String, sha: Schema.String })

export const PullRequest = Schema.Struct({ number: Schema.Int, base: Ref, head: Ref })

export const Files = Schema.Array(Schema.Struct({ filename: Schema.String, status: Schema.String }))

/** The application's error: which call failed. Nothing is changed at GitHub. */
export class GithubUnavailable extends Schema.TaggedError<GithubUnavailable>()("GithubUnavailable", {
  operation: Schema.String
}) {}

export const token = "ghs_token"

/** The pull request whose metrics are asked for. */
export const intent = { owner: "effect-ts", repo: "effect", pull_number: 42 }

/** What the action compares: the two commits, and the files that differ. */
export const comparisonOf = (pull: typeof PullRequest.Type, files: typeof Files.Type) => ({
  base: pull.base.sha,
  head: pull.head.sha,
  paths: files.map(({ filename }) => filename)
})
