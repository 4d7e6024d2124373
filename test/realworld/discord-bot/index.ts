/** Slice 2: make an issue of a Discord thread, through Octokit. */
import { Schema } from "effect"
import type { Slice } from "../Slice.ts"
import { breakwater } from "./breakwater.ts"
import { byHand } from "./byHand.ts"
import { recipe } from "./recipe.ts"
import { GithubUnavailable, intent, isOf, Issue } from "./shared.ts"

const NewIssue = Schema.Struct({ title: Schema.String, body: Schema.String })

export const slice: Slice = {
  name: "discord-bot",
  source: "Effect-TS/discord-bot: packages/discord-bot/src/Github.ts",
  steps: ["createIssue"],
  provider: () => {
    const issues: Array<typeof Issue.Type> = []
    return {
      operationOf: ({ method }) => (method === "POST" ? "createIssue" : "listIssues"),
      respond: ({ operation, text }) => {
        if (operation === "listIssues") return { body: issues }
        const number = 100 + issues.length
        const issue = {
          number,
          html_url: `https://github.com/effect-ts/website/issues/${number}`,
          ...Schema.decodeUnknownSync(NewIssue)(JSON.parse(text))
        }
        issues.unshift(issue)
        return { status: 201, body: issue }
      }
    }
  },
  wire: {
    errorIn200: { message: "Server Error", documentation_url: "https://docs.github.com/rest" },
    unavailable: { message: "Service unavailable" },
    throttled: { message: "You have exceeded a secondary rate limit" },
    changedShape: { issue: { number: 100, url: "https://github.com/effect-ts/website/issues/100" } }
  },
  isSuccess: (value) => Schema.is(Issue)(value) && isOf(intent)(value),
  claimOf: (error) =>
    error instanceof GithubUnavailable ? { step: error.operation, outcome: error.outcome } : undefined,
  variants: { recipe, byHand, breakwater }
}
