/**
 * What the processes of the outbox's soak say to each other, and the points at which one of them is struck.
 */

import type { Isolation } from "../../idempotency/racing/stores.ts"
import type { Disturbance } from "./disturbance.ts"

export type Kind = "sqlite" | "postgres"

/** The points, in the order in which an entry meets them. */
export const points = [
  /** The call is stored, and the transaction of the business write is open. */
  "before offer commits",
  /** COMMIT has returned, and nobody was told. */
  "after offer",
  /** The provider is at work for a request, and has answered nothing. */
  "during attempt 1",
  /** The provider has done it, and its answer is here. */
  "after execution",
  /** The call is over, and the transaction that writes its end down has not begun. */
  "before verdict",
  /** The handler has written, and the end is to be written, in one open transaction. */
  "during verdict",
  "during verdict commit",
  /** A dead entry is being revived. */
  "during redrive",
  "during redriven attempt",
  "during sweep",
  /** SIGTERM was sent while a request was on its way. */
  "during graceful stop"
] as const
export type Point = (typeof points)[number]

/** Where a process that is stopped for longer than its lease holds a claim, and no transaction. */
export const stopPoints: ReadonlyArray<Point> = ["before verdict", "during attempt 1", "during redriven attempt"]

/** Where a process loses all of its connections to PostgreSQL, and lives. */
export const cutPoints: ReadonlyArray<Point> = [
  "before offer commits",
  "after execution",
  "before verdict",
  "during verdict",
  "during verdict commit"
]

/** Where it is the provider, in the parent, that sees the point. */
export const onTheWire: ReadonlySet<Point> = new Set([
  "during attempt 1",
  "during redriven attempt",
  "during graceful stop"
])

/** Defects that a soak must find. */
export const mutants = ["no transaction", "new key per request", "lease for ever"] as const
export type Mutant = (typeof mutants)[number]

export interface Setup {
  readonly kind: Kind
  /** The folder or schema of this soak. */
  readonly place: string
  readonly databaseUrl: string | undefined
  /** How PostgreSQL keeps the transactions of this process apart; undefined for what the server does by itself. */
  readonly isolation: Isolation | undefined
  readonly providerUrl: string
  /** The name of this process, which its requests carry. */
  readonly name: string
  readonly mutant: Mutant | undefined
  /** Whether this process keeps its compiled code for the next ones: none that is killed can. */
  readonly keepsCode: boolean
}

/** What is ordered. With a lane it is shipped, behind what was ordered there before; without one it is charged. */
export interface Order {
  readonly order: string
  readonly lane: string | undefined
  /** The business fails after the call was stored. */
  readonly rollsBack: boolean
}

/** What a process says. */
export type Told =
  | { readonly _tag: "Ready" }
  /** Somebody is at the point at which this process is armed, and goes on when it is told to. */
  | { readonly _tag: "At"; readonly point: Point; readonly sweep?: string }
  /** COMMIT is the next that happens. With a `backend` it waits until it is told to go on. */
  | { readonly _tag: "Committing"; readonly backend: number | undefined }
  /** The call is stored in a transaction that is open. It commits, or not, when it is told to go on. */
  | { readonly _tag: "Offered"; readonly order: string }
  /** `Exists`: an earlier transaction of this order was committed. */
  | {
      readonly _tag: "Ended"
      readonly order: string
      readonly how: "committed" | "rolled back" | "exists" | "failed"
      readonly why: string
      readonly by?: Disturbance | undefined
    }
  | { readonly _tag: "Redriven"; readonly id: string }
  /** A write of a claim that was taken over was refused. */
  | { readonly _tag: "Fenced"; readonly verdict: string }
  | { readonly _tag: "Swept"; readonly forgotten: number }
  /** Something happened that should not. */
  | { readonly _tag: "Broken"; readonly what: string; readonly by?: Disturbance | undefined }

/** What a process is asked. */
export type Asked =
  | { readonly _tag: "Order"; readonly order: Order }
  | { readonly _tag: "Commit"; readonly order: string }
  | { readonly _tag: "Redrive"; readonly id: string; readonly generation: number }
  | { readonly _tag: "Arm"; readonly point: Point | undefined }
  | { readonly _tag: "GoOn" }

export const serverHeader = "x-soak-server"

/** By this name the server knows the connections of a process. */
export const applicationOf = ({ name, place }: Pick<Setup, "name" | "place">): string => `${place}/${name}`

/** The limits of a call, and how much longer its claim is held, in milliseconds. */
export const limits = { attempt: 300, total: 700, grace: 600 }
export const leaseMillis = limits.total + limits.grace

/** The tables. No constraint keeps a second end of an entry out; an order is written once. */
export const tablesOf = (kind: Kind, place: string) => {
  const name = (own: string) => (kind === "sqlite" ? own : `${place}.${own}`)
  return { outbox: name("breakwater_outbox"), orders: name("orders"), ends: name("ends") }
}
