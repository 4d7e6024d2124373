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

// `callSite` and the client method that calls it: the user's line comes next. `captureStackTrace` could leave them out,
// for 1 µs more; their names could be looked for, but a user's file may be called like one of ours.
const own = 2

/** The stack of a client method's caller, to be read only if the call fails. */
export const callSite = (): Error => {
  const limit = constructor.stackTraceLimit
  if (limit === undefined) return new Error()
  constructor.stackTraceLimit = frames
  const site = new Error()
  constructor.stackTraceLimit = limit
  return site
}

/** Gives `error` the stack of a call site, formatted only when somebody reads it. */
export const setCallSite = (error: Error, site: Error): void => {
  Object.defineProperty(error, "stack", {
    configurable: true,
    enumerable: false,
    get() {
      const lines = (site.stack ?? "").split("\n")
      // V8 writes the error's name first, other engines only frames.
      lines.splice(0, lines[0]?.startsWith("Error") === true ? own + 1 : own)
      return `${error.name}: ${error.message}\n${lines.join("\n")}`
    }
  })
}
