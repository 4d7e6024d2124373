/**
 * Where an integration's HTTP operations are sent, and how.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Headers from "effect/http/Headers"
import type { Classify } from "../Reason.ts"
import type { Authorize } from "./internal/auth.ts"

export type { Classify } from "../Reason.ts"

/**
 * The settings of one integration's transport. Provided by `HttpIntegration.layer`.
 *
 * @category services
 * @since 0.1.0
 */
export class HttpTarget extends Context.Service<
  HttpTarget,
  {
    readonly baseUrl: string
    readonly authorize: Authorize
    readonly classify: Classify | undefined
    readonly classifyErrors: Classify | undefined
    readonly headers: Headers.Headers | undefined
    readonly correlationHeader: string | undefined
    readonly propagate: "none" | "w3c"
    readonly requestIdHeaders: ReadonlyArray<string>
    readonly maxBodySize: number
    readonly replayHeader: string
    readonly deadlineHeader: string | undefined
  }
>()("breakwater/http/HttpTarget") {}
