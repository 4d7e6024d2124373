// A stack costs 2 to 3 µs, and the stack of an error made inside the fiber's loop names no line of the user's. So
// failures are made without one, and the call site's, taken when the method was called, is put in its place.

interface StackTraceLimit {
  stackTraceLimit?: number
}

// V8 has this property and others do not; the library is built without Node's types, which would name it.
const constructor = Error as unknown as StackTraceLimit

export const withoutStack = <A>(make: () => A): A => {
  const limit = constructor.stackTraceLimit
  if (limit === undefined) return make()
  constructor.stackTraceLimit = 0
  const made = make()
  constructor.stackTraceLimit = limit
  return made
}

const frames = 6

// `take` and the client method that calls it: the user's line comes next. `captureStackTrace` could leave them out, for
// 1 µs more; their names could be looked for, but a user's file may be called like one of ours.
const own = 2

declare const performance: { readonly now: () => number }

/** How often a stack is taken of calls that do well, in milliseconds, and for how long of each after one that failed. */
const every = 1
const afterFailure = 10_000

/**
 * The stacks of the callers of one client method, to be read only if a call fails. To take one costs as much as half a
 * call, so calls that come faster than one a millisecond share that cost: not each of them has one, unless one has failed
 * lately.
 */
export class CallSites {
  private takenAt = -Infinity
  // A new method is young: whoever tries it out sees every line.
  private allUntil = performance.now() + 1_000

  take(): Error | undefined {
    const now = performance.now()
    if (now >= this.allUntil && now - this.takenAt < every) return undefined
    this.takenAt = now
    const limit = constructor.stackTraceLimit
    if (limit === undefined) return new Error()
    constructor.stackTraceLimit = frames
    const site = new Error()
    constructor.stackTraceLimit = limit
    return site
  }

  failed(): void {
    this.allUntil = performance.now() + afterFailure
  }
}

const unknown =
  "    (the line of this call was not recorded: they came faster than one a millisecond. The next ones have it)"

/** Gives `error` the stack of a call site, formatted only when somebody reads it. */
export const setCallSite = (error: Error, site: Error | undefined): void => {
  Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: false,
    get() {
      if (site === undefined) return `${error.name}: ${error.message}\n${unknown}`
      const lines = (site.stack ?? "").split("\n")
      // V8 writes the error's name first, other engines only frames.
      lines.splice(0, lines[0]?.startsWith("Error") === true ? own + 1 : own)
      return `${error.name}: ${error.message}\n${lines.join("\n")}`
    }
  })
}
