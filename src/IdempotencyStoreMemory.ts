/**
 * A store of idempotency records in memory: for tests, and for one process that may forget on restart.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import {
  type Address,
  type Claim,
  type ClaimOptions,
  IdempotencyStore,
  type Owner,
  type Record,
  type Step,
  type Store
} from "./IdempotencyStore.ts"

type Mutable = { -readonly [K in keyof Record]: Record[K] }

const idOf = ({ key, scope }: Address): string => `${scope.length}:${scope}${key}`

/**
 * Makes a store. Each has records of its own.
 *
 * **Details**
 *
 * Its clock is the one that it was made under, whoever calls it: make it under `TestClock`, and a test moves its leases. Nothing is forgotten but by `sweep` and by
 * claims of what has expired: put `IdempotencySweeper` beside it in a process that runs for long.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Store> = Effect.map(Clock.Clock, (clock): Store => {
  const records = new Map<string, Mutable>()
  let epochs = 0
  const atomic = <A>(f: (now: number) => A): Effect.Effect<A> => Effect.sync(() => f(clock.currentTimeMillisUnsafe()))

  /** What an owner may change: its own claim, and nothing else. */
  const owned = (owner: Owner): Mutable | undefined => {
    const record = records.get(idOf(owner))
    return record !== undefined && record.state === "Running" && record.epoch === owner.epoch ? record : undefined
  }
  const change = (owner: Owner, f: (record: Mutable, now: number) => void): Effect.Effect<boolean> =>
    atomic((now) => {
      const record = owned(owner)
      if (record === undefined) return false
      f(record, now)
      return true
    })

  const start = (
    options: ClaimOptions,
    now: number,
    before: Mutable | undefined,
    steps: ReadonlyArray<Step>
  ): Claim => {
    const epoch = ++epochs
    const leaseUntil = now + Duration.toMillis(options.lease)
    records.set(idOf(options), {
      scope: options.scope,
      key: options.key,
      fingerprint: options.fingerprint,
      state: "Running",
      epoch,
      onLostLease: options.onLostLease,
      leaseUntil,
      expiresAt: now + Duration.toMillis(options.timeToLive),
      steps,
      result: undefined,
      createdAt: now
    })
    return { _tag: "Started", epoch, leaseUntil, takenOver: before?.state === "Running", steps }
  }

  const claim = (options: ClaimOptions, now: number): Claim => {
    const known = records.get(idOf(options))
    if (known === undefined || isForgotten(known, now)) return start(options, now, undefined, [])
    if (known.fingerprint !== options.fingerprint) return { _tag: "Mismatch" }
    switch (known.state) {
      case "Done":
        return { _tag: "Replay", result: known.result }
      case "Held":
        return { _tag: "Held" }
      case "Running":
        if (known.leaseUntil > now) return { _tag: "InFlight", retryAfter: Duration.millis(known.leaseUntil - now) }
        if (known.onLostLease === "hold") {
          known.state = "Held"
          return { _tag: "Held" }
        }
        return start(options, now, known, known.onLostLease === "resume" ? known.steps : [])
    }
  }

  return {
    claim: (options) => atomic((now) => claim(options, now)),
    renew: (owner, lease) =>
      change(owner, (record, now) => {
        record.leaseUntil = now + Duration.toMillis(lease)
      }),
    saveStep: (owner, step) =>
      change(owner, (record) => {
        record.steps = [...record.steps.filter(({ name }) => name !== step.name), step]
      }),
    complete: (owner, { result, timeToLive }) =>
      change(owner, (record, now) => {
        record.state = "Done"
        record.result = result
        record.steps = []
        record.expiresAt = now + Duration.toMillis(timeToLive)
      }),
    release: (owner) => change(owner, () => records.delete(idOf(owner))),
    hold: (owner) =>
      change(owner, (record) => {
        record.state = "Held"
      }),
    resolve: (address, resolution) =>
      atomic((now) => {
        const record = records.get(idOf(address))
        if (record === undefined || !isHeld(record, now)) return false
        if (resolution._tag === "Absent") return records.delete(idOf(address))
        record.state = "Done"
        record.result = resolution.result
        record.steps = []
        record.expiresAt = now + Duration.toMillis(resolution.timeToLive)
        return true
      }),
    get: (address) => Effect.sync(() => Option.map(Option.fromNullishOr(records.get(idOf(address))), copy)),
    held: ({ limit, scope }) =>
      atomic((now) =>
        Array.from(records.values())
          .filter((record) => isHeld(record, now) && (scope === undefined || record.scope === scope))
          .toSorted((a, b) => a.createdAt - b.createdAt)
          .slice(0, limit)
          .map((record) => ({ ...copy(record), state: "Held" as const }))
      ),
    sweep: ({ limit }) =>
      atomic((now) => {
        let swept = 0
        for (const [id, record] of records) {
          if (swept === limit) break
          if (!isForgotten(record, now)) continue
          records.delete(id)
          swept++
        }
        return swept
      })
  }
})

const copy = (record: Mutable): Record => ({ ...record })

const isHeld = (record: Mutable, now: number): boolean =>
  record.state === "Held" || (record.state === "Running" && record.onLostLease === "hold" && record.leaseUntil <= now)

/** Whether nothing would be lost with it: done or given up, and past its time to live. */
const isForgotten = (record: Mutable, now: number): boolean =>
  record.expiresAt <= now &&
  (record.state === "Done" || (record.state === "Running" && record.leaseUntil <= now && record.onLostLease !== "hold"))

/**
 * A store of its own for every build of the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<IdempotencyStore> = Layer.effect(IdempotencyStore, make)
