// The port of one double, which closes and opens again.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as Http from "node:http"
import type { SocketError } from "../SocketError.ts"
import { open } from "./listener.ts"

export interface Door {
  readonly port: number
  /** Closes the port while an effect runs. */
  readonly refusing: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Opens a port until the scope closes. */
export const openDoor = (
  port: number,
  onRequest: Http.RequestListener
): Effect.Effect<Door, SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    // Openings and closings take turns; the last of those who keep the port closed opens it, unless the scope has ended.
    const turn = Semaphore.makeUnsafe(1)
    const state = { listener: yield* open(port, onRequest), keptClosed: 0, ended: false }
    const own = state.listener.port
    yield* Effect.addFinalizer(() =>
      turn.withPermits(1)(
        Effect.suspend(() => {
          state.ended = true
          return state.keptClosed > 0 ? Effect.void : state.listener.close
        })
      )
    )
    const close = turn.withPermits(1)(
      Effect.suspend(() => (++state.keptClosed > 1 || state.ended ? Effect.void : state.listener.closeNoticed))
    )
    const reopen = turn.withPermits(1)(
      Effect.suspend(() =>
        --state.keptClosed > 0 || state.ended
          ? Effect.void
          : Effect.map(Effect.orDie(open(own, onRequest)), (listener) => {
              state.listener = listener
            })
      )
    )
    return {
      port: own,
      refusing: (self) =>
        Effect.acquireUseRelease(
          close,
          () => self,
          () => reopen
        )
    } satisfies Door
  }).pipe(Effect.uninterruptible)
