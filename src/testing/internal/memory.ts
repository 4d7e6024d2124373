// A provider in memory: what the wire does, as answers and errors of an `HttpClient`.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Play, Provider, Respond } from "./provider.ts"
import { bytesOf, huge, lost, respondWith } from "./wire.ts"

export const clientLayer = (
  provider: Provider,
  respond: Effect.Effect<Respond, never, Scope.Scope>
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.flatMap(
      Effect.zip(Effect.scope, Effect.zip(respond, Clock.currentTimeMillis)),
      ([scope, [respond, now]]) => {
        provider.arrivals.start(now)
        return Effect.succeed(
          HttpClient.make((request, url) =>
            Effect.flatMap(bytesOf(request), (body) => {
              // Its work would be interrupted without a word.
              if (scope.state._tag === "Closed") return Effect.die(new Error(closed))
              const incoming = { method: request.method, url: url.href, headers: { ...request.headers }, body }
              return Effect.flatMap(provider.receive(incoming, respond, scope), (play) => perform(request, play))
            })
          )
        )
      }
    )
  )

const closed =
  "this provider's layer has ended: provide it to the whole test, not to the effect that only takes the client out of it"

const perform = (
  request: HttpClientRequest.HttpClientRequest,
  play: Play
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  switch (play._tag) {
    case "Answer":
      return Effect.succeed(respondWith(request, play))
    case "Huge":
      return Effect.succeed(huge(request, play.reply, play.bytes, play.announced))
    case "Lost":
      return Effect.fail(lost(request, play.syscall, play.code))
    case "Silence":
      return Effect.never
  }
}
