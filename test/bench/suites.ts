/** The suites by name, in the order in which they run. A new one is a file in suites/ and a line here. */
import type { Suite } from "./suite.ts"

/** Each is loaded when it runs: the names alone are needed for the command line. */
export const suites = {
  "in-process": async () => (await import("./suites/inProcess.ts")).inProcess(),
  allocation: async () => (await import("./suites/inProcess.ts")).allocation(),
  rejection: async () => (await import("./suites/inProcess.ts")).rejection(),
  http: async () => (await import("./suites/http.ts")).http(),
  decode: async () => (await import("./suites/decode.ts")).decode(),
  pending: async () => (await import("./suites/pending.ts")).pending(),
  receiver: async () => (await import("./suites/receiver.ts")).receiver()
} satisfies Readonly<Record<string, () => Promise<Suite>>>

export const names = Object.keys(suites) as ReadonlyArray<keyof typeof suites>
