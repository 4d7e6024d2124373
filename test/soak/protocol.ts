/**
 * What the processes of a soak say to each other, and the names of the points at which one of them is struck.
 */

export type Kind = "sqlite" | "postgres" | "redis"
export type Mode = "transactional" | "leased"

export type Point =
  | "before claim"
  | "after claim"
  | "during sweep"
  | "after child call"
  | "before completion"
  | "during commit"
  | "during renew"
  | "after completion"
  | "mid response"

const all: Readonly<Record<Mode, ReadonlyArray<Point>>> = {
  leased: [
    "before claim",
    "after claim",
    "during sweep",
    "after child call",
    "before completion",
    "during renew",
    "after completion",
    "mid response"
  ],
  transactional: [
    "before claim",
    "after claim",
    "during sweep",
    "before completion",
    "during commit",
    "after completion",
    "mid response"
  ]
}

/**
 * The points of a mode, in the order in which a request meets them. A claim under a lease is committed by itself, and is
 * renewed; in a transaction there is one commit, of everything, and no call to anyone.
 *
 * A process is struck during a sweep while it holds a claim. In a transaction on SQLite that can't be: who holds a claim
 * has the only connection and the lock of every writer, so a sweep waits until it holds it no more. Redis has no sweep: it
 * forgets by itself, and the method sends nothing.
 */
export const points = (store: Kind, mode: Mode): ReadonlyArray<Point> =>
  store === "redis" || (store === "sqlite" && mode === "transactional")
    ? all[mode].filter((point) => point !== "during sweep")
    : all[mode]

/** Defects that a soak must find, and the mode in which they show. */
export const mutants = {
  /** The child call has a new key in every run. */
  "no child key": "leased",
  /** The record is completed before the work is done. */
  "done too early": "leased",
  /** The record is never completed. */
  "never done": "leased",
  /** A sweep forgets everything, whatever its time. It shows where there are sweeps: in SQL. */
  "sweeps too much": "leased",
  /** Claim, writes and completion are committed one by one. */
  "no transaction": "transactional"
} as const satisfies Readonly<Record<string, Mode>>
export type Mutant = keyof typeof mutants

export interface Setup {
  readonly kind: Kind
  readonly mode: Mode
  /** The folder, schema or prefix of this soak. */
  readonly place: string
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  /** Where the provider listens that handlers call under a lease. */
  readonly providerUrl: string
  readonly leaseMillis: number
  readonly mutant: Mutant | undefined
  /** Whether this process keeps its compiled code for the next ones: none that is killed can. */
  readonly keepsCode: boolean
}

/** What a server says. */
export type Told =
  | { readonly _tag: "Ready"; readonly port: number }
  /** The request of this key is here, and goes on when it is told to. `claims`: how many this process holds. */
  | { readonly _tag: "At"; readonly key: string; readonly attempt: string; readonly claims: number }
  /** COMMIT is the next that happens. With a `backend` it waits until it is told to go on. */
  | {
      readonly _tag: "Committing"
      readonly key: string
      readonly attempt: string
      readonly claims: number
      readonly backend: number | undefined
    }
  /** A sweep has returned: how much it forgot. */
  | { readonly _tag: "Swept"; readonly forgotten: number }
  /** A write of a claim that was taken over was refused. */
  | { readonly _tag: "Fenced"; readonly key: string }
  /** A request met something that no request should meet. */
  | { readonly _tag: "Broken"; readonly what: string }

/** What a server is told: go on with the request of this key. */
export interface Go {
  readonly go: string
}

/** The headers of a request beside its key: which request of its key it is, and where it is awaited. */
export const attemptHeader = "x-soak-attempt"
export const pointHeader = "x-soak-point"

/** What is ordered, and the answer to it: the request whose run it tells of, and what was made. */
export interface Order {
  readonly order: string
  readonly decline: boolean
}
export interface Answered {
  readonly order: string
  readonly attempt: string
  readonly made: string
}

/** The table of the handler's own writes, in a transaction. No constraint keeps a duplicate out. */
export const effectsTable = (kind: "sqlite" | "postgres", place: string): string =>
  kind === "sqlite" ? "effects" : `${place}.effects`

export const recordsTable = (kind: "sqlite" | "postgres", place: string): string =>
  kind === "sqlite" ? "breakwater_idempotency" : `${place}.records`
