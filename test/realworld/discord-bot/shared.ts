/** What the three variants share: GitHub's shapes, the application's error, and the intent. */
import { Schema } from "effect"

export const Issue = Schema.Struct({
  number: Schema.Int,
  html_url: Schema.String,
  title: Schema.String,
  body: Schema.String
})

/** The application's error: which call failed, and whether it was carried out. */
export class GithubUnavailable extends Schema.TaggedError<GithubUnavailable>()("GithubUnavailable", {
  operation: Schema.String,
  outcome: Schema.Literals(["NotSent", "Refused", "Unknown", "Applied"])
}) {}

export const token = "ghp_token"
export const bot = "effect-bot"
export const repository = { owner: "effect-ts", repo: "website" }

/** A Discord thread that somebody asked to make an issue of. */
export const Thread = Schema.Struct({ url: Schema.String, title: Schema.String, summary: Schema.String })
export type Thread = typeof Thread.Type

/** The thread that is to become an issue, once. */
export const intent: Thread = {
  url: "https://discord.com/channels/795981131316985866/1123434151113916456",
  title: "Docs: retry with a schedule",
  summary: "The example of the retry page does not say which errors it repeats."
}

export const issueOf = ({ summary, title, url }: Thread) => ({
  ...repository,
  title: `From Discord: ${title}`,
  body: `# Summary\n${summary}\n\n# Discord thread\n\n${url}\n`
})

/** The newest issues of the bot: GitHub knows no key, but every issue names its thread. */
export const recent = { ...repository, state: "all", creator: bot, per_page: 100 } as const

export const isOf = (thread: Thread) => (issue: typeof Issue.Type) => issue.body.includes(thread.url)
