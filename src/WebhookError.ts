/**
 * Why a webhook delivery was not accepted.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a delivery was not accepted, or can't be checked.
 *
 * | reason               | what is known                                            | what to do with the delivery        |
 * |----------------------|----------------------------------------------------------|-------------------------------------|
 * | `TooLarge`           | the body is larger than `maxBytes`                        | reject it (413)                     |
 * | `MissingHeader`      | a header that the provider always sends is not there      | reject it (400)                     |
 * | `Malformed`          | a header, the body or its id can't be read                | reject it (400)                     |
 * | `Stale`              | it was signed too long before or after it arrived         | reject it (401)                     |
 * | `BadSignature`       | no active secret made any of its signatures               | reject it (401)                     |
 * | `InvalidEvent`       | it is genuine, and its body does not match the schema     | reject it (422): deliver it again   |
 * | `SecretsUnavailable` | the effect that reads the secrets failed                  | deliver it again later (503)        |
 * | `Misconfigured`      | a secret or an option can't work                          | fix the configuration, then start   |
 *
 * @category errors
 * @since 0.1.0
 */
export type WebhookReason =
  | "TooLarge"
  | "MissingHeader"
  | "Malformed"
  | "Stale"
  | "BadSignature"
  | "InvalidEvent"
  | "SecretsUnavailable"
  | "Misconfigured"

const next: { readonly [K in WebhookReason]: string } = {
  TooLarge: "reject it; raise `maxBytes` if the provider sends events of this size",
  MissingHeader: "reject it; it did not come from this provider, or a proxy removed the header",
  Malformed: "reject it",
  Stale: "reject it; if all deliveries fail so, set the clock, or pass `receivedAt` for what was buffered",
  BadSignature: "reject it; if all deliveries fail so, compare the secret, and verify the bytes that arrived",
  InvalidEvent: "extend the schema; the provider delivers the event again",
  SecretsUnavailable: "deliver it again later",
  Misconfigured: "correct it before the receiver is started"
}

/**
 * A delivery was not accepted. The message names no secret, no signature and nothing of the body.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookError extends Data.TaggedError("WebhookError")<{
  readonly reason: WebhookReason
  readonly provider: string
  /** What was found, in one line. */
  readonly detail: string
}> {
  override get message(): string {
    return `${this.provider} webhook: ${this.detail}; ${next[this.reason]}`
  }
}
