/** The slice in breakwater. */
import { Exhaustion, Idempotency, Integration, Policy, Reason } from "breakwater"
import { Auth, HttpIntegration, HttpOperation } from "breakwater/http"
import { Effect } from "effect"
import {
  baseUrl,
  depositionOf,
  isRefusal,
  metadataOf,
  queryOf,
  review,
  token,
  ZenodoApi,
  ZenodoError
} from "./shared.ts"

const onceOnly = Idempotency.atMostOnce("Zenodo has no key: whoever starts again looks first")

class Zenodo extends Integration.Service<Zenodo>()(
  "prereview/Zenodo",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    classify: (status, _headers, body) =>
      status < 300 && isRefusal(body) ? Reason.rejected({ message: body.message }) : undefined,
    orElse: ({ operation, outcome, reason }) => new ZenodoError({ step: operation, outcome, message: reason.message })
  },
  {
    find: HttpOperation.endpoint(ZenodoApi, "depositions", "list"),
    create: HttpOperation.endpoint(ZenodoApi, "depositions", "create", { idempotency: onceOnly }),
    publish: HttpOperation.endpoint(ZenodoApi, "depositions", "publish", { idempotency: onceOnly })
  }
) {}

const ZenodoLive = HttpIntegration.layer(Zenodo, {
  baseUrl,
  auth: Auth.bearer(token)
})

export const breakwater = Effect.gen(function* () {
  const zenodo = yield* Zenodo
  const known = depositionOf(yield* zenodo.find({ query: queryOf(review) }), review)
  if (known?.submitted === true) return known
  const { id } = known ?? (yield* zenodo.create({ payload: { metadata: metadataOf(review) } }))
  return yield* zenodo.publish({ params: { id } })
}).pipe(Effect.provide(ZenodoLive))
