/** Slice 3: read a pull request and the files that it changes, through Octokit. It changes nothing. */
import { Schema } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { GithubUnavailable } from "./shared.ts"

const Comparison = Schema.Struct({
  base: Schema.String,
  head: Schema.String,
  paths: Schema.NonEmptyArray(Schema.String)
})

export const slice: Slice = {
  name: "package-metrics",
  source: "IMax153/package-metrics-action: src/Github.ts",
  steps: [],
  provider: () => ({
    operationOf: ({ url }) => (new URL(url).pathname.endsWith("/files") ? "listFiles" : "getPull"),
    respond: ({ operation }) => ({
      body:
        operation === "listFiles"
          ? [{ filename: "packages/effect/src/Effect.ts", status: "modified" }]
          : { number: 42, base: { ref: "main", sha: "5d1e" }, head: { ref: "feat/pipe", sha: "b7a0" } }
    })
  }),
  wire: {
    errorIn200: { message: "Server Error", documentation_url: "https://docs.github.com/rest" },
    unavailable: { message: "Service unavailable" },
    throttled: { message: "API rate limit exceeded" },
    changedShape: { items: [{ path: "packages/effect/src/Effect.ts" }] }
  },
  isSuccess: Schema.is(Comparison),
  claimOf: (error) => (error instanceof GithubUnavailable ? { step: error.operation, outcome: "Unknown" } : undefined),
  variants: { recipe, byHand, breakwater }
}
