import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** What an effect ends with, if it has nothing left to do; `undefined` if it has to be run for that. */
export const exitOf = <A, E>(self: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined =>
  // An exit of that effect has its types: the guard forgets them.
  Exit.isExit(self) ? (self as Exit.Exit<A, E>) : undefined
