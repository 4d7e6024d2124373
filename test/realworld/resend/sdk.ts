/**
 * A double of the `resend` package (6.38): promise-shaped, over the provider of the run, with what matters here of the
 * real one.
 *
 * - It never rejects: a failure is `{ data: null, error }`, a success `{ data, error: null }`, both with the headers.
 * - Where the status is not 2xx, `error` is the answer's JSON whatever it holds, or one named `application_error` if the
 *   body is no JSON. Where there is no answer, or a success whose body can't be read, it is an `application_error`
 *   without a status and without headers.
 * - A 2xx is a success, whatever its body holds.
 * - It knows no limit on time, no signal and no retry; `idempotencyKey` becomes a header.
 */
import { Effect, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import { make as makePromiseClient } from "../PromiseClient.ts"

export interface CreateEmailOptions {
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly html: string
}

/** What Resend promises about an error. Nothing checks that it keeps its promise. */
export interface ErrorResponse {
  readonly message: string
  readonly statusCode: number | null
  readonly name: string
}

export type CreateEmailResponse = (
  | { readonly data: { readonly id: string }; readonly error: null }
  | { readonly data: null; readonly error: ErrorResponse }
) & { readonly headers: { readonly [name: string]: string | undefined } | null }

export interface Resend {
  readonly emails: {
    readonly send: (
      payload: CreateEmailOptions,
      options?: { readonly idempotencyKey?: string }
    ) => Promise<CreateEmailResponse>
  }
}

/** `new Resend(key)`. */
export const make = (key: Redacted.Redacted): Effect.Effect<Resend, never, HttpClient.HttpClient> =>
  Effect.map(makePromiseClient, ({ fetch }) => ({
    emails: {
      send: async (payload, options) => {
        try {
          const response = await fetch("https://api.resend.com/emails", {
            method: "POST",
            headers: {
              authorization: `Bearer ${Redacted.value(key)}`,
              "content-type": "application/json",
              ...(options?.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey })
            },
            body: JSON.stringify(payload)
          })
          const headers = { "retry-after": response.headers.get("retry-after") ?? undefined }
          if (!response.ok) return { data: null, error: errorOf(await response.text(), response.status), headers }
          return { data: (await response.json()) as { readonly id: string }, error: null, headers }
        } catch {
          const message = "Unable to fetch data. The request could not be resolved."
          return { data: null, error: { name: "application_error", statusCode: null, message }, headers: null }
        }
      }
    }
  }))

const errorOf = (body: string, statusCode: number): ErrorResponse => {
  try {
    return JSON.parse(body) as ErrorResponse
  } catch {
    return { name: "application_error", statusCode, message: "Internal server error." }
  }
}
