/**
 * The points in a process of the outbox's soak: its ports, decorated so that the first who comes to the point at which the
 * process is armed says so and waits.
 */
import type { OutboxStore } from "breakwater"
import { Duration, Effect } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { SqlClient } from "effect/sql"
import { type Mutant, type Point, serverHeader, type Told } from "./protocol.ts"

export const tell = (told: Told): void => void process.send?.(told)

// ---- who waits

let armed: Point | undefined
let onGoOn: (() => void) | undefined

export const arm = (point: Point | undefined): void => void (armed = point)
export const isArmed = (point: Point): boolean => armed === point
export const goOn = (): void => {
  onGoOn?.()
  onGoOn = undefined
}
const whenTold: Effect.Effect<void> = Effect.callback((resume) => {
  onGoOn = () => resume(Effect.void)
})

/** Waits here if the process is armed for this. */
export const at = (point: Point, sweep?: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (armed !== point) return Effect.void
    armed = undefined
    tell({ _tag: "At", point, ...(sweep === undefined ? {} : { sweep }) })
    return whenTold
  })

// ---- the store

const mutated = (store: OutboxStore.Store, mutant: Mutant | undefined): OutboxStore.Store => {
  if (mutant === "no transaction") return { ...store, transaction: (self) => self }
  if (mutant !== "lease for ever") return store
  return { ...store, claim: (options) => store.claim({ ...options, lease: Duration.days(1) }) }
}

/** A store whose transitions are points. */
export const watched = (
  given: OutboxStore.Store,
  sql: SqlClient.SqlClient,
  mutant: Mutant | undefined
): OutboxStore.Store => {
  const store = mutated(given, mutant)
  /** The last word of a transaction before its COMMIT. True if somebody is to be met within it. */
  const committing = Effect.suspend(() => {
    if (armed !== "during verdict commit") return Effect.succeed(false)
    armed = undefined
    return sql.onDialectOrElse({
      // The wire to the server lies in the parent's hand: it lets COMMIT through, or not, and keeps the answer.
      pg: () =>
        Effect.flatMap(Effect.orDie(sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`), ([row]) => {
          tell({ _tag: "Committing", backend: row!.pid })
          return Effect.as(whenTold, false)
        }),
      orElse: () =>
        Effect.sync(() => {
          tell({ _tag: "Committing", backend: undefined })
          return true
        })
    })
  })
  return {
    ...store,
    transaction: (self) =>
      Effect.gen(function* () {
        yield* at("before verdict")
        let isMet = false
        const value = yield* store.transaction(
          Effect.tap(
            self,
            Effect.map(committing, (met) => void (isMet = met))
          )
        )
        // Nobody holds the wire to a file: the process is struck within COMMIT or, at the latest, here.
        if (isMet) yield* whenTold
        return value
      }),
    settle: (owner, verdict, learned) =>
      Effect.andThen(
        verdict._tag === "Again" ? Effect.void : at("during verdict"),
        Effect.tap(store.settle(owner, verdict, learned), (own) =>
          Effect.sync(() => void (own || tell({ _tag: "Fenced", verdict: verdict._tag })))
        )
      ),
    // The statement is on its way when the process is struck, not before it and not after it.
    change: (entry, change, audit) =>
      Effect.map(
        Effect.all([at("during redrive"), store.change(entry, change, audit)], { concurrency: 2 }),
        ([, changed]) => changed
      )
  }
}

// ---- the client

/** A client whose answers are a point, and whose requests say who sends them. */
export const watchedClient = (client: HttpClient.HttpClient, name: string, mutant: Mutant | undefined) => {
  let requests = 0
  return client.pipe(
    HttpClient.mapRequest((request) => {
      const named = HttpClientRequest.setHeader(request, serverHeader, name)
      const key = request.headers["idempotency-key"]
      return mutant === "new key per request" && key !== undefined
        ? HttpClientRequest.setHeader(named, "idempotency-key", `${key}${name}${++requests}`)
        : named
    }),
    HttpClient.tap(({ status }) => (status < 300 ? at("after execution") : Effect.void))
  )
}
