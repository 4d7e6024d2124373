/** The slice in breakwater. */
import { Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import {
  announcementOf,
  baseUrl,
  comment,
  historyOf,
  inDoubt,
  isRefusal,
  limits,
  markedMessageOf,
  SlackApi,
  SlackError,
  token
} from "./shared.ts"

class Slack extends Integration.Service<Slack>()(
  "prereview/Slack",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    classify: (_status, _headers, body) => {
      if (!isRefusal(body)) return undefined
      if (limits.has(body.error)) return Reason.throttled({ message: body.error })
      return inDoubt.has(body.error)
        ? Reason.unavailable({ message: body.error })
        : Reason.rejected({ message: body.error })
    },
    orElse: ({ operation, outcome, reason }) => new SlackError({ step: operation, outcome, message: reason.message })
  },
  {
    history: HttpOperation.endpoint(SlackApi, "conversations", "history"),
    post: HttpOperation.endpoint(SlackApi, "chat", "postMessage", {
      idempotency: Idempotency.atMostOnce("Slack has no key: whoever starts again looks first")
    })
  }
) {}

const SlackLive = HttpIntegration.layer(Slack, {
  baseUrl,
  auth: Auth.bearer(token)
})

export const breakwater = Effect.gen(function* () {
  const slack = yield* Slack
  const known = announcementOf(yield* slack.history({ query: historyOf(comment) }), comment)
  if (known !== undefined) return { channel: comment.channel, ts: known.ts }
  return yield* slack.post({ payload: markedMessageOf(comment) })
}).pipe(Effect.provide(SlackLive))
