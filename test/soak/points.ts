/**
 * The points in a server: its ports, decorated so that the request that is awaited at one of them says so and waits.
 */
import { HttpServerRequest } from "effect/http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { IdempotencyStore } from "breakwater"
import { Context, Duration, Effect, identity, Option } from "effect"
import type { SqlClient } from "effect/sql"
import type { ServerResponse } from "node:http"
import { prepareSweep, sweepUntil } from "./sweeping.ts"
import { attemptHeader, type Go, type Point, pointHeader, type Told } from "./protocol.ts"

type Store = IdempotencyStore.Store
type Transactional = IdempotencyStore.TransactionalStore["Service"]

/** The request that a fiber works for. */
export class Current extends Context.Service<
  Current,
  {
    readonly key: string
    readonly attempt: string
    /** Where it is awaited. It waits once. */
    point: Point | undefined
    /** Whether it has claimed, in a transaction that is still open. */
    claims: boolean
    /** Whether it told that it commits, and waits for no answer before it does. */
    commits: boolean
  }
>()("soak/Current") {}

const withCurrent = (f: (current: Current["Service"]) => Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.flatMap(Effect.serviceOption(Current), (found) =>
    Option.isSome(found) ? Effect.asVoid(f(found.value)) : Effect.void
  )

export const tell = (told: Told): void => void process.send?.(told)

// ---- who waits

const waiting = new Map<string, ReadonlyArray<() => void>>()
const told = new Set<string>()

export const listenForGo = (): void =>
  void process.on("message", ({ go }: Go) => {
    const resumes = waiting.get(go)
    waiting.delete(go)
    if (resumes === undefined) told.add(go)
    else for (const resume of resumes) resume()
  })

const whenTold = (key: string, resume: () => void): void => {
  if (told.delete(key)) resume()
  else waiting.set(key, [...(waiting.get(key) ?? []), resume])
}

const go = (key: string): Effect.Effect<void> => Effect.callback((resume) => whenTold(key, () => resume(Effect.void)))

/** The claims that this process holds. */
const claims = new Set<string>()

/** Waits here if the request is awaited here. */
export const at = (point: Point): Effect.Effect<void> =>
  withCurrent((current) => {
    if (current.point !== point) return Effect.void
    current.point = undefined
    tell({ _tag: "At", key: current.key, attempt: current.attempt, claims: claims.size })
    return go(current.key)
  })

// ---- the request and its answer

/** Reads from a request where it is awaited, and lets its answer stop halfway through the body. */
export const currentOf = Effect.map(HttpServerRequest.HttpServerRequest, (request): Current["Service"] => {
  const current = {
    key: request.headers["idempotency-key"] ?? "",
    attempt: request.headers[attemptHeader] ?? "",
    point: request.headers[pointHeader] as Point | undefined,
    claims: false,
    commits: false
  }
  if (current.point === "mid response") haltHalfway(request, current)
  return current
})

const haltHalfway = (request: HttpServerRequest.HttpServerRequest, current: Current["Service"]) => {
  const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
  const end = response.end.bind(response) as (...args: ReadonlyArray<unknown>) => unknown
  response.end = ((...args: ReadonlyArray<unknown>) => {
    const [content, ...rest] = args
    const isWhole = typeof content === "string" || content instanceof Uint8Array
    if (response.statusCode !== 201 || !isWhole) return end(...args)
    const body = Buffer.from(content as string)
    const half = body.length >> 1
    response.write(body.subarray(0, half), () => {
      tell({ _tag: "At", key: current.key, attempt: current.attempt, claims: claims.size })
      // A client that has left meanwhile gets no other half.
      whenTold(current.key, () => void (response.destroyed || end(body.subarray(half), ...rest)))
    })
    return response
  }) as typeof response.end
}

// ---- the store

/** Takes an effect out of the transaction that is open. */
type Outside = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Sweeps while the request waits: another fiber's work, of which the request's transaction knows nothing. */
const sweeping = (store: Store) =>
  Effect.flatMap(Effect.serviceOption(Current), (found) => {
    if (Option.isNone(found) || found.value.point !== "during sweep") return Effect.void
    let isOver = false
    const struck = Effect.tap(at("during sweep"), () => Effect.sync(() => (isOver = true)))
    const sweeps = sweepUntil(
      store,
      () => isOver,
      (forgotten) => forgotten > 0 && tell({ _tag: "Swept", forgotten })
    )
    return Effect.andThen(
      prepareSweep(store, found.value.attempt),
      // It says first that it is here: SQLite does its work at once, and returns when it is over.
      Effect.all([struck, sweeps], { concurrency: 2, discard: true })
    )
  })

/** A store whose transitions are points. */
export const watched = (store: Store, outside: Outside | undefined = undefined): Store => {
  const inTransaction = outside !== undefined
  /** Under a lease a transition is final when it has returned; in a transaction when that has been committed. */
  const alone = (self: Effect.Effect<void>) => (inTransaction ? Effect.void : self)
  const ends = (owner: IdempotencyStore.Owner, own: boolean): Effect.Effect<void> =>
    Effect.sync(() => {
      if (!inTransaction) claims.delete(owner.key)
      if (!own) tell({ _tag: "Fenced", key: owner.key })
    })
  return {
    ...store,
    claim: (options) =>
      Effect.andThen(alone(at("before claim")), store.claim(options)).pipe(
        Effect.tap((claim) => {
          if (claim._tag !== "Started") return Effect.void
          claims.add(options.key)
          const claimed = withCurrent((current) => Effect.sync(() => (current.claims = true)))
          return claimed.pipe(Effect.andThen(at("after claim")), Effect.andThen((outside ?? identity)(sweeping(store))))
        })
      ),
    renew: (owner, lease) => {
      const renewed = Effect.tap(store.renew(owner, lease), (own) =>
        Duration.isZero(lease) || !own ? ends(owner, own) : Effect.void
      )
      // The statement is on its way when the process is struck, not before it and not after it.
      return Effect.map(Effect.all([renewed, at("during renew")], { concurrency: 2 }), ([own]) => own)
    },
    complete: (owner, options) =>
      Effect.andThen(at("before completion"), store.complete(owner, options)).pipe(
        Effect.tap((own) => Effect.andThen(ends(owner, own), alone(at("after completion"))))
      ),
    release: (owner) => Effect.tap(store.release(owner), (own) => ends(owner, own)),
    hold: (owner) => Effect.tap(store.hold(owner), (own) => ends(owner, own))
  }
}

/** The same with transactions, whose commit is a point. */
export const watchedTransactional = (store: Transactional, sql: SqlClient.SqlClient): Transactional => {
  /** The last word of a transaction before its COMMIT. */
  const committing = withCurrent((current) => {
    if (current.point !== "during commit" || !claims.has(current.key)) return Effect.void
    current.point = undefined
    const { attempt, key } = current
    const say = (backend: number | undefined) =>
      tell({ _tag: "Committing", key, attempt, claims: claims.size, backend })
    return sql.onDialectOrElse({
      // The wire to the server lies in the parent's hand: it lets COMMIT through, or not, and keeps the answer.
      pg: () =>
        Effect.flatMap(Effect.orDie(sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`), ([row]) => {
          say(row!.pid)
          return go(key)
        }),
      orElse: () =>
        Effect.sync(() => {
          current.commits = true
          say(undefined)
        })
    })
  })
  const outside: Outside = Effect.updateContext(Context.omit(sql.transactionService) as never)
  return {
    ...store,
    ...watched(store, outside),
    transaction: (options) => (self) =>
      Effect.andThen(at("before claim"), store.transaction(options)(Effect.tap(self, committing))).pipe(
        // Not what another request of the same key holds, for which this one has waited in vain.
        Effect.ensuring(withCurrent((current) => Effect.sync(() => current.claims && claims.delete(current.key)))),
        Effect.tap(at("after completion")),
        // Nobody holds the wire to a file: the process is struck within COMMIT or, at the latest, here.
        Effect.tap(withCurrent(({ commits, key }) => (commits ? go(key) : Effect.void)))
      )
  }
}
