import * as Data from "effect/Data"

/** A command that ends with a message and an exit code: 1 for what failed, 2 for wrong usage. */
export class Failed extends Data.TaggedError("Failed")<{ readonly message: string; readonly code: 1 | 2 }> {}

export const failed = (message: string): Failed => new Failed({ message, code: 1 })
export const wrongUsage = (message: string): Failed => new Failed({ message, code: 2 })
