import type * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"

/** What a body is said to be that is larger than it may be. */
export const tooLarge = "too large"

const TypeId = "~breakwater/http/Collect"

/**
 * A response that reads its own body to the end or to a limit, and frees its connection either way. It fails with
 * {@link tooLarge}, or with whatever cut the body.
 */
export interface Collect {
  readonly [TypeId]: (limit: number) => Effect.Effect<Uint8Array, unknown>
}

/** The name of the method, for a transport that has it. */
export const collect: typeof TypeId = TypeId

/** Whether a value is of a client that collects. The symbol is ours, so who has it has the method. */
const isCollect = (u: object): u is Collect => Predicate.hasProperty(u, TypeId)

export const collectorOf = (
  response: HttpClientResponse.HttpClientResponse
): ((limit: number) => Effect.Effect<Uint8Array, unknown>) | undefined =>
  isCollect(response) ? (limit) => response[TypeId](limit) : undefined
