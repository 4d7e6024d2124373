/** What a client over HTTP is, and the ones that are compared by id. Each is loaded in the process that runs it. */

export type HttpFeature = "decode" | "retry" | "timeout"

export interface HttpClientPeer {
  readonly name: string
  readonly docs: string
  readonly has: ReadonlyArray<HttpFeature>
  readonly lacks: ReadonlyArray<string>
  /** A GET of `path` of the server. `timeout` is that of an attempt, in milliseconds. */
  readonly make: (
    origin: string,
    path: string,
    timeout: number
  ) => (() => Promise<unknown>) | Promise<() => Promise<unknown>>
}

type Load = () => Promise<HttpClientPeer>

export const clients = {
  undici: async () => (await import("./peers/undici.ts")).undici,
  "undici-zod": async () => (await import("./peers/undici.ts")).undiciZod,
  "fetch-zod": async () => (await import("./peers/fetch.ts")).fetchZod,
  "axios-zod": async () => (await import("./peers/axios.ts")).axiosZod,
  effect: async () => (await import("./peers/effectHttp.ts")).effectHttp,
  breakwater: async () => (await import("./peers/breakwaterHttp.ts")).overOurs,
  "breakwater-effect": async () => (await import("./peers/breakwaterHttp.ts")).overEffects
} satisfies Readonly<Record<string, Load>>

export type ClientId = keyof typeof clients

export const isClient = (id: string | undefined): id is ClientId => id !== undefined && Object.hasOwn(clients, id)

/** What one slice of a client comes to. */
export interface Slice {
  /** Microseconds of CPU of the main thread per request. */
  readonly cpu: number
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}
