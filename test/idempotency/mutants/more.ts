/** Defects of real stores, each found in a wrapper of one method or two, so that every case of the kit has something to find. */
import { type IdempotencyStore, IdempotencyStoreMemory } from "breakwater"
import { Clock, Duration, Effect, Option } from "effect"
import { type Mutant, mutant, type Store } from "./mutant.ts"

type Address = IdempotencyStore.Address
type Record = IdempotencyStore.Record

const look = (store: Store, address: Address): Effect.Effect<Record | undefined, IdempotencyStore.StoreError> =>
  Effect.map(store.get(address), Option.getOrUndefined)

/** A store whose records are named by something else than scope and key. */
const renamed = (name: string, foundBy: ReadonlyArray<string>, rename: (address: Address) => Address): Mutant =>
  mutant(name, foundBy, (store) => ({
    claim: (options) => store.claim({ ...options, ...rename(options) }),
    renew: (owner, lease) => store.renew({ ...owner, ...rename(owner) }, lease),
    saveStep: (owner, step) => store.saveStep({ ...owner, ...rename(owner) }, step),
    complete: (owner, options) => store.complete({ ...owner, ...rename(owner) }, options),
    release: (owner) => store.release({ ...owner, ...rename(owner) }),
    hold: (owner) => store.hold({ ...owner, ...rename(owner) }),
    resolve: (address, resolution) => store.resolve(rename(address), resolution),
    get: (address) =>
      Effect.map(
        store.get(rename(address)),
        Option.map((record) => ({ ...record, scope: address.scope, key: address.key }))
      )
  }))

/** A store that keeps something else than it was given. */
const results = (name: string, foundBy: ReadonlyArray<string>, keep: (result: string) => string | undefined): Mutant =>
  mutant(name, foundBy, (store) => ({
    complete: (owner, { result, timeToLive }) =>
      store.complete(owner, { timeToLive, result: result === undefined ? undefined : keep(result) }),
    resolve: (address, resolution) =>
      store.resolve(
        address,
        resolution._tag === "Done" && resolution.result !== undefined
          ? { ...resolution, result: keep(resolution.result) }
          : resolution
      )
  }))

export const more: ReadonlyArray<Mutant> = [
  mutant("a claim is not written", ["R1", "race"], (store) => ({
    claim: (options) =>
      Effect.tap(store.claim(options), (claim) =>
        claim._tag === "Started" ? store.release({ ...options, epoch: claim.epoch }) : Effect.void
      )
  })),
  mutant("an answer is kept for ever", ["R1: what is done", "O2, O3", "sweep"], (store) => ({
    complete: (owner, { result }) => store.complete(owner, { result, timeToLive: Duration.days(999) })
  })),
  mutant("no fingerprint", ["R2", "race: of many different requests"], (store) => ({
    claim: (options) => store.claim({ ...options, fingerprint: "" })
  })),
  mutant("a mismatch ends the claim", ["R2", "model"], (store) => ({
    claim: (options) =>
      Effect.gen(function* () {
        const claim = yield* store.claim(options)
        const record = yield* look(store, options)
        if (claim._tag === "Mismatch" && record !== undefined) yield* store.release({ ...options, epoch: record.epoch })
        return claim
      })
  })),
  mutant("no time to wait", ["R3", "R4: the edge", "model"], (store) => ({
    claim: (options) =>
      Effect.map(store.claim(options), (claim) =>
        claim._tag === "InFlight" ? { ...claim, retryAfter: Duration.zero } : claim
      )
  })),
  mutant("steps are lost in a take-over", ["R4: a lease", "O7", "model"], (store) => ({
    claim: (options) =>
      Effect.map(store.claim(options), (claim) => (claim._tag === "Started" ? { ...claim, steps: [] } : claim))
  })),
  mutant("a lease of a millisecond more", ["R4: the edge", "R1: what is absent", "model"], (store) => ({
    claim: (options) => store.claim({ ...options, lease: Duration.sum(options.lease, Duration.millis(1)) })
  })),
  mutant("the next claim decides what becomes of a lost one", ["R4, R5"], (store) => ({
    claim: (options) =>
      Effect.gen(function* () {
        const record = yield* look(store, options)
        const now = yield* Clock.currentTimeMillis
        const lost = record?.state === "Running" && record.leaseUntil <= now
        if (lost && options.onLostLease !== "hold") yield* store.resolve(options, { _tag: "Absent" })
        return yield* store.claim(options)
      })
  })),
  mutant("a sweep forgets what is held", ["R5, R8", "sweep", "model"], (store) => ({
    sweep: (options) =>
      Effect.gen(function* () {
        for (const record of yield* store.held({ limit: options.limit }))
          yield* store.resolve(record, { _tag: "Absent" })
        return yield* store.sweep(options)
      })
  })),
  results("an empty answer is none", ["R6, R7", "O8", "sizes"], (result) => result || undefined),
  results("answers of 64 KiB at most", ["sizes"], (result) => result.slice(0, 65_536)),
  results("answers in the characters of one alphabet", ["sizes"], (result) =>
    String.fromCharCode(...Array.from(result.slice(0, 100), (c) => c.charCodeAt(0) & 0xff)).concat(result.slice(100))
  ),
  mutant("a lost claim is taken over however old it is", ["a lease that has ended with a time to live"], (store) => ({
    claim: (options) => store.claim({ ...options, timeToLive: Duration.days(999) })
  })),
  mutant("a renewal counts from the end of the lease", ["O1: a renewal"], (store) => ({
    renew: (owner, lease) =>
      Effect.gen(function* () {
        const left = ((yield* look(store, owner))?.leaseUntil ?? 0) - (yield* Clock.currentTimeMillis)
        return yield* store.renew(owner, Duration.sum(lease, Duration.millis(Math.max(0, left))))
      })
  })),
  mutant("a lease is never given up", ["O5", "race: of many that find a lost lease"], (store) => ({
    renew: (owner, lease) => (Duration.isZero(lease) ? Effect.succeed(true) : store.renew(owner, lease))
  })),
  mutant("who is late owns nothing", ["O1, O2"], (store) => {
    const inTime = <A extends ReadonlyArray<unknown>>(
      write: (owner: IdempotencyStore.Owner, ...more: A) => ReturnType<Store["hold"]>
    ) =>
      Effect.fnUntraced(function* (owner: IdempotencyStore.Owner, ...more: A) {
        const record = yield* look(store, owner)
        const late = record !== undefined && record.leaseUntil <= (yield* Clock.currentTimeMillis)
        return late ? false : yield* write(owner, ...more)
      })
    return { renew: inTime(store.renew), complete: inTime(store.complete), hold: inTime(store.hold) }
  }),
  mutant("an answer is written again and again", ["O2, O3", "R6, R7"], (store) => ({
    complete: (owner, options) =>
      Effect.gen(function* () {
        if (yield* store.complete(owner, options)) return true
        const record = yield* look(store, owner)
        return record?.state === "Done" && record.epoch === owner.epoch
      })
  })),
  mutant("a release only ends the lease", ["O4: what was released", "model"], (store) => ({
    release: (owner) => store.renew(owner, Duration.zero)
  })),
  {
    name: "epochs begin again with every record",
    foundBy: ["O4: a chain", "fences: an owner is stale"],
    handles: Effect.map(IdempotencyStoreMemory.make, (store) => {
      const offsets = new Map<string, number>()
      const idOf = ({ key, scope }: Address) => JSON.stringify([scope, key])
      const inside = (owner: IdempotencyStore.Owner) => ({
        ...owner,
        epoch: owner.epoch + (offsets.get(idOf(owner)) ?? 0)
      })
      const broken: Store = {
        ...store,
        claim: (options) =>
          Effect.map(store.claim(options), (claim) => {
            if (claim._tag !== "Started") return claim
            if (!claim.takenOver) offsets.set(idOf(options), claim.epoch - 1)
            return { ...claim, epoch: claim.epoch - offsets.get(idOf(options))! }
          }),
        renew: (owner, lease) => store.renew(inside(owner), lease),
        saveStep: (owner, step) => store.saveStep(inside(owner), step),
        complete: (owner, options) => store.complete(inside(owner), options),
        release: (owner) => store.release(inside(owner)),
        hold: (owner) => store.hold(inside(owner)),
        get: (address) =>
          Effect.map(
            store.get(address),
            Option.map((record) => ({ ...record, epoch: record.epoch - (offsets.get(idOf(address)) ?? 0) }))
          )
      }
      return [broken, broken] as const
    })
  },
  mutant("an epoch is looked for under every key", ["fences: an epoch means nothing"], (store) => {
    const owners = new Map<number, IdempotencyStore.Owner>()
    return {
      claim: (options) =>
        Effect.tap(store.claim(options), (claim) =>
          Effect.sync(() => claim._tag === "Started" && owners.set(claim.epoch, { ...options, epoch: claim.epoch }))
        ),
      renew: (owner, lease) => store.renew(owners.get(owner.epoch) ?? owner, lease)
    }
  }),
  mutant("steps are the members of an object", ["O7"], (store) => ({
    get: (address) =>
      Effect.map(
        store.get(address),
        Option.map((record) => ({
          ...record,
          steps: Object.entries(Object.fromEntries(record.steps.map(({ data, name }) => [name, data]))).map(
            ([name, data]) => ({ name, data })
          )
        }))
      )
  })),
  mutant("a resolution is for what runs, too", ["O8: nothing is resolved", "model"], (store) => ({
    resolve: (address, resolution) =>
      Effect.gen(function* () {
        const record = yield* look(store, address)
        if (record?.state === "Running") yield* store.hold({ ...address, epoch: record.epoch })
        return yield* store.resolve(address, resolution)
      })
  })),
  mutant("what is resolved stays so", ["O8: what is held"], (store) => ({
    resolve: (address, resolution) =>
      store.resolve(
        address,
        resolution._tag === "Done" ? { ...resolution, timeToLive: Duration.days(999) } : resolution
      )
  })),
  mutant("held: newest first", ["held: what is held"], (store) => ({
    held: (options) => Effect.map(store.held(options), (records) => records.toReversed())
  })),
  mutant("held: of all scopes", ["held: what is held"], (store) => ({ held: ({ limit }) => store.held({ limit }) })),
  mutant("held: only what was claimed so", ["held: what is taken over"], (store) => ({
    held: (options) =>
      Effect.map(store.held(options), (records) => records.filter(({ onLostLease }) => onLostLease === "hold"))
  })),
  mutant("a sweep without a limit", ["sweep"], (store) => ({ sweep: () => store.sweep({ limit: 1_000 }) })),
  renamed("scope and key in one text", ["names: no scope"], ({ key, scope }) => ({
    scope: "",
    key: `${scope}:${key}`
  })),
  renamed("keys without regard to case", ["names: no scope"], ({ key, scope }) => ({ scope, key: key.toLowerCase() })),
  renamed("keys without white space around them", ["names: no scope"], ({ key, scope }) => ({
    scope,
    key: key.trim()
  })),
  renamed("keys of 255 characters", ["names: no scope"], ({ key, scope }) => ({ scope, key: key.slice(0, 255) })),
  renamed("keys in well-formed UTF-8", ["names: what can't be written"], ({ key, scope }) => ({
    scope,
    key: key.replace(/\p{Surrogate}/gu, "\ufffd")
  })),
  mutant("milliseconds in 32 bits", ["time"], (store) => ({
    claim: (options) => store.claim({ ...options, lease: Duration.min(options.lease, Duration.millis(2 ** 31)) }),
    complete: (owner, { result, timeToLive }) =>
      store.complete(owner, { result, timeToLive: Duration.millis(Duration.toMillis(timeToLive) | 0) })
  })),
  mutant("an owner looks before it completes", ["race: an owner that is late"], (store) => ({
    complete: (owner, options) =>
      Effect.gen(function* () {
        const own = (yield* look(store, owner))?.epoch === owner.epoch
        yield* Effect.yieldNow
        if (!own) return false
        const epoch = (yield* look(store, owner))?.epoch ?? owner.epoch
        return yield* store.complete({ ...owner, epoch }, options)
      })
  })),
  mutant("a resolver looks before it resolves", ["race: of many that resolve"], (store) => ({
    resolve: (address, resolution) =>
      Effect.gen(function* () {
        const { key, scope } = address
        const held = (yield* store.held({ limit: 1_000 })).some(
          (record) => record.key === key && record.scope === scope
        )
        yield* Effect.yieldNow
        if (held) yield* store.resolve(address, resolution)
        return held
      })
  })),
  mutant("a sweep looks before it forgets", ["R9"], (store) => {
    const known = new Map<string, Address>()
    return {
      claim: (options) => {
        known.set(options.key, { scope: options.scope, key: options.key })
        return store.claim(options)
      },
      sweep: () =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const over = []
          for (const address of known.values()) {
            const record = yield* look(store, address)
            if (record !== undefined && record.state === "Done" && record.expiresAt <= now) over.push(address)
          }
          yield* Effect.yieldNow
          for (const address of over) {
            const record = yield* look(store, address)
            if (record !== undefined) yield* store.release({ ...address, epoch: record.epoch })
          }
          return over.length
        })
    }
  }),
  mutant("a completion in two steps", ["interruption"], (store) => ({
    complete: (owner, options) =>
      Effect.gen(function* () {
        if (!(yield* store.hold(owner))) return false
        yield* Effect.yieldNow
        return yield* store.resolve(owner, { _tag: "Done", ...options })
      })
  }))
]
