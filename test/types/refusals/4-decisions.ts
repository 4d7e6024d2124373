// Rule 4: timeout, deadline, retries, exhaustion and orElse are decided, by the operation or by its integration.
import { Exhaustion, Integration, Policy } from "breakwater"
import { HttpOperation } from "breakwater/http"
import { Api, PaymentsUnavailable } from "../contract.ts"

const policy = Policy.standard()
const exhausted = Exhaustion.fail
const orElse = () => new PaymentsUnavailable({ outcome: "Unknown" })
const find = HttpOperation.endpoint(Api, "charges", "get")

// Nobody decides: the message names the first decision that is missing.
class NoPolicy extends Integration.Service<NoPolicy>()(
  "NoPolicy",
  { exhausted, orElse },
  {
    // expect: no policy: give `policy: Policy.standard()` to the integration or to the operation
    find
  }
) {}
class NoExhausted extends Integration.Service<NoExhausted>()(
  "NoExhausted",
  { policy, orElse },
  {
    // expect: no decision for exhausted retries: give `exhausted: Exhaustion.fail` or a fallback to the integration or to the operation
    find
  }
) {}
class NoOrElse extends Integration.Service<NoOrElse>()(
  "NoOrElse",
  { policy, exhausted },
  {
    // expect: the provider's failures would leak: give `orElse` to the integration or to the operation
    find
  }
) {}
class Nothing extends Integration.Service<Nothing>()(
  "Nothing",
  {},
  {
    // expect: no policy: give `policy: Policy.standard()` to the integration or to the operation
    find
  }
) {}

// One operation decides for itself, and only for itself.
class OnlyOne extends Integration.Service<OnlyOne>()(
  "OnlyOne",
  { policy, exhausted },
  {
    find: HttpOperation.endpoint(Api, "charges", "get", { orElse }),
    // expect: the provider's failures would leak: give `orElse` to the integration or to the operation
    list: HttpOperation.endpoint(Api, "charges", "list")
  }
) {}

// A policy that leaves a decision out, in an operation.
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: the policy has no attempt timeout: start from Policy.standard(), or add Policy.attemptTimeout(duration)
  policy: Policy.stack(Policy.totalDeadline("9 seconds"), Policy.retry())
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: the policy has no total deadline: start from Policy.standard(), or add Policy.totalDeadline(duration)
  policy: Policy.stack(Policy.retry(), Policy.attemptTimeout("2 seconds"))
})
HttpOperation.endpoint(Api, "charges", "get", {
  // expect: the policy does not decide about retries: add Policy.retry(schedule) or Policy.retryNever(reason)
  policy: Policy.stack(Policy.totalDeadline("9 seconds"), Policy.attemptTimeout("2 seconds"))
})

// The same in an integration.
class NoTimeout extends Integration.Service<NoTimeout>()(
  "NoTimeout",
  {
    // expect: the policy has no attempt timeout: start from Policy.standard(), or add Policy.attemptTimeout(duration)
    policy: Policy.stack(Policy.totalDeadline("9 seconds"), Policy.retry()),
    exhausted,
    orElse
  },
  { find }
) {}
class NoDeadline extends Integration.Service<NoDeadline>()(
  "NoDeadline",
  {
    // expect: the policy has no total deadline: start from Policy.standard(), or add Policy.totalDeadline(duration)
    policy: Policy.stack(Policy.retryNever("slow"), Policy.attemptTimeout("2 seconds")),
    exhausted,
    orElse
  },
  { find }
) {}
class NoRetry extends Integration.Service<NoRetry>()(
  "NoRetry",
  {
    // expect: the policy does not decide about retries: add Policy.retry(schedule) or Policy.retryNever(reason)
    policy: Policy.stack(Policy.totalDeadline("9 seconds"), Policy.attemptTimeout("2 seconds")),
    exhausted,
    orElse
  },
  { find }
) {}

// Layers that decide nothing.
// expect: the policy has no attempt timeout
HttpOperation.endpoint(Api, "charges", "get", { policy: Policy.bulkhead({ concurrency: 3 }) })
// expect: the policy has no attempt timeout
HttpOperation.endpoint(Api, "charges", "get", { policy: Policy.breaker() })
// expect: the policy has no attempt timeout
HttpOperation.endpoint(Api, "charges", "get", { policy: Policy.noop })
// expect: the policy has no attempt timeout
HttpOperation.endpoint(Api, "charges", "get", { policy: Policy.shared({ breaker: Policy.breaker() }) })
