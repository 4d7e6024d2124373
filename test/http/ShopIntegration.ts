import type { Effect } from "effect"

// A file of an application, whose name is like one of the library's: a stack must point here all the same.

/** Calls a method; the call stands on line 7. */
export const callHere = <A, E>(method: (input: string) => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const called = method("a")
  return called
}
