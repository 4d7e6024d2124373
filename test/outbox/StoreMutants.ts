/** The store in memory with one defect each, and the cases of the kit that must find it. */
import { OutboxStore, OutboxStoreMemory } from "breakwater"
import { Clock, Duration, Effect, Option } from "effect"
import type { Entry } from "../../src/OutboxEntry.ts"

type Store = OutboxStore.Store
type Names = { readonly integration: string; readonly operation: string }

export interface Mutant {
  readonly name: string
  /** How the names of those cases begin. */
  readonly foundBy: ReadonlyArray<string>
  readonly make: Effect.Effect<Store>
}

const mutant = (name: string, foundBy: ReadonlyArray<string>, change: (store: Store) => Partial<Store>): Mutant => ({
  name,
  foundBy,
  make: Effect.map(OutboxStoreMemory.make, (store) => ({ ...store, ...change(store) }))
})

const look = (store: Store, id: string) => Effect.map(store.get(id), Option.getOrUndefined)

/** A store that shows its entries otherwise than they are. */
const shown = (name: string, foundBy: ReadonlyArray<string>, view: (entry: Entry) => Entry): Mutant =>
  mutant(name, foundBy, (store) => ({
    get: (id) => Effect.map(store.get(id), Option.map(view)),
    list: (filter, page) => Effect.map(store.list(filter, page), (entries) => entries.map(view))
  }))

/** A store that stores another offer than it was given. */
const offered = (
  name: string,
  foundBy: ReadonlyArray<string>,
  other: (offer: OutboxStore.Offer) => OutboxStore.Offer
): Mutant => mutant(name, foundBy, (store) => ({ offer: (offer) => store.offer(other(offer)) }))

/** A store that gives out claims otherwise than they are. */
const claimed = (name: string, foundBy: ReadonlyArray<string>, view: (entry: Entry, now: number) => Entry): Mutant =>
  mutant(name, foundBy, (store) => ({
    claim: (options) =>
      Effect.map(store.claim(options), (claims) => claims.map(({ entry, now }) => ({ entry: view(entry, now), now })))
  }))

/** A store that ends a claim otherwise than it was told. */
const settled = (
  name: string,
  foundBy: ReadonlyArray<string>,
  other: (verdict: OutboxStore.Verdict) => OutboxStore.Verdict
): Mutant =>
  mutant(name, foundBy, (store) => ({
    settle: (owner, verdict, learned) => store.settle(owner, other(verdict), learned)
  }))

const changed = (
  name: string,
  foundBy: ReadonlyArray<string>,
  other: (change: OutboxStore.Change) => OutboxStore.Change
): Mutant =>
  mutant(name, foundBy, (store) => ({ change: (entry, change, audit) => store.change(entry, other(change), audit) }))

const pauseOf = ({ integration, operation }: OutboxStore.Paused) => JSON.stringify([integration, operation ?? null])

export const mutants: ReadonlyArray<Mutant> = [
  mutant("no epoch in settle", ["fence: after a take-over", "model"], (store) => ({
    settle: (owner, verdict, learned) =>
      Effect.flatMap(look(store, owner.id), (entry) =>
        store.settle({ id: owner.id, epoch: entry?.epoch ?? owner.epoch }, verdict, learned)
      )
  })),
  mutant(
    "a lost lease is not taken over",
    ["claim: a lease that lives", "lane: a lease that has ended", "model"],
    (store) => ({
      claim: (options) =>
        Effect.map(store.claim(options), (claims) => claims.filter(({ entry }) => entry.crashes === 0))
    })
  ),
  offered("a lane passes what blocks it", ["lane: what blocks", "model"], (offer) => ({
    ...offer,
    lane: offer.lane && { ...offer.lane, onDead: "skip" }
  })),
  mutant("what was sent is kept", ["settle: what is delivered", "discard", "resolve", "model"], (store) => {
    const payloads = new Map<string, string>()
    const full = (entry: Entry): Entry => ({ ...entry, payload: payloads.get(entry.id) ?? entry.payload })
    return {
      offer: (offer) => {
        payloads.set(offer.id, offer.payload)
        return store.offer(offer)
      },
      get: (id) => Effect.map(store.get(id), Option.map(full)),
      list: (filter, page) => Effect.map(store.list(filter, page), (entries) => entries.map(full))
    }
  }),
  mutant("a sweep forgets what is dead", ["sweep: what has not ended", "model"], (store) => ({
    sweep: (options) =>
      Effect.gen(function* () {
        for (const entry of yield* store.list({ states: ["Dead", "NeedsReconcile"] }, { limit: options.limit })) {
          const audit = { action: "discard", by: "the sweeper", evidence: "" } as const
          yield* store.change(entry, { _tag: "Discard", keep: Duration.zero }, audit)
        }
        return yield* store.sweep(options)
      })
  })),
  mutant("what is paused is claimed", ["pause", "model"], () => {
    const paused = new Map<string, OutboxStore.Paused>()
    return {
      pause: (what) => Effect.sync(() => void paused.set(pauseOf(what), what)),
      resume: (what) => Effect.sync(() => void paused.delete(pauseOf(what))),
      paused: Effect.sync(() => Array.from(paused.values()))
    }
  }),
  offered("no fingerprint", ["offer: the same call", "race: of many offers of one call", "model"], (offer) => ({
    ...offer,
    fingerprint: ""
  })),
  mutant("what exists is stored again", ["offer: the same call", "race: of many offers of one call"], (store) => ({
    offer: (offer) =>
      Effect.map(store.offer(offer), (offered) =>
        offered._tag === "Exists" ? { _tag: "Stored" as const, claim: undefined } : offered
      )
  })),
  offered("every offer is due at once", ["offer: it is due after", "lane: the next is due"], (offer) => ({
    ...offer,
    delay: Duration.zero
  })),
  offered("no offer is claimed at once", ["offer: with a lease", "lane: an offer with a lease"], (offer) => ({
    ...offer,
    lease: undefined
  })),
  offered("a correlation is lost", ["offer: what was stored"], (offer) => ({ ...offer, correlationId: "" })),
  mutant("a lease of a millisecond more", ["claim: a lease that lives", "claim: it counts"], (store) => ({
    claim: (options) => store.claim({ ...options, lease: Duration.sum(options.lease, Duration.millis(1)) })
  })),
  mutant("no limit of a claim", ["claim: gets what is due"], (store) => ({
    claim: (options) => store.claim({ ...options, limit: 1_000 })
  })),
  claimed("a claim is no attempt", ["claim: it counts", "settle: once more"], (entry) => ({
    ...entry,
    attempts: entry.attempts - 1
  })),
  claimed("what a lost claim did is not in doubt", ["claim: what a lost claim did"], (entry) => ({
    ...entry,
    inDoubtAt: undefined
  })),
  claimed(
    "in spite of an answer it is in doubt",
    ["claim: a stored answer", "answer: a claim that is lost"],
    (entry, now) =>
      entry.crashes > 0 && entry.answer !== undefined ? { ...entry, outcome: "Unknown", inDoubtAt: now } : entry
  ),
  mutant("what one has claimed, the next one gets too", ["race: of many claims"], (store) => {
    const last = new Map<string, OutboxStore.Claimed>()
    return {
      claim: (options) =>
        Effect.map(store.claim(options), (claims) => {
          const id = `${options.integration} ${options.operation}`
          const before = last.get(id)
          if (claims[0] === undefined) last.delete(id)
          else last.set(id, claims[0])
          return before === undefined || claims.length >= options.limit ? claims : [...claims, before]
        })
    }
  }),
  mutant("an offer is claimed in spite of a pause", ["pause: an offer"], (store) => ({
    offer: (offer) =>
      Effect.gen(function* () {
        const paused = yield* store.paused
        for (const what of paused) yield* store.resume(what)
        const offered = yield* store.offer(offer)
        for (const what of paused) yield* store.pause(what)
        return offered
      })
  })),
  settled("an empty result is none", ["settle: what is delivered"], (verdict) =>
    verdict._tag === "Delivered" ? { ...verdict, result: verdict.result || undefined } : verdict
  ),
  shown("nobody knows why it is dead", ["settle: what is dead", "model"], (entry) => ({ ...entry, why: undefined })),
  settled("every try counts", ["settle: once more", "model"], (verdict) =>
    verdict._tag === "Again" ? { ...verdict, counts: true } : verdict
  ),
  settled("an answer is forgotten", ["settle: an answer", "claim: a stored answer"], (verdict) =>
    verdict._tag === "Again" ? { ...verdict, answer: undefined } : verdict
  ),
  settled("everything is swept at once", ["sweep: what was delivered"], (verdict) =>
    verdict._tag === "Delivered" ? { ...verdict, keep: Duration.zero } : verdict
  ),
  mutant("everybody is told that they were heard", ["fence: nobody", "race: of many ends"], (store) => ({
    settle: (owner, verdict, learned) => Effect.as(store.settle(owner, verdict, learned), true)
  })),
  mutant("who is late is not heard", ["fence: who is late"], (store) => ({
    settle: (owner, verdict, learned) =>
      Effect.gen(function* () {
        const entry = yield* look(store, owner.id)
        if ((entry?.leaseUntil ?? Infinity) <= (yield* Clock.currentTimeMillis)) return false
        return yield* store.settle(owner, verdict, learned)
      })
  })),
  offered(
    "no lanes",
    [
      "lane: its entries",
      "lane: one that waits",
      "race: of many offers to a lane",
      "race: offers and deliveries",
      "race: entries of a lane"
    ],
    (offer) => ({
      ...offer,
      lane: undefined
    })
  ),
  offered("what is skipped blocks", ["lane: what is skipped", "model"], (offer) => ({
    ...offer,
    lane: offer.lane && { ...offer.lane, onDead: "block" }
  })),
  offered("lanes whose names are alike are one", ["lane: lanes of other names"], (offer) => ({
    ...offer,
    lane: offer.lane && { ...offer.lane, name: offer.lane.name.trim().toLowerCase() }
  })),
  shown(
    "what is revived waits for nobody",
    ["lane: where entries say different things", "answer: in a lane"],
    (entry) => (entry.state === "Waiting" && entry.generation > 0 ? { ...entry, state: "Pending" } : entry)
  ),
  shown(
    "every place is the first",
    ["lane: its entries", "race: of many offers to a lane", "sweep: a lane"],
    (entry) => ({
      ...entry,
      position: entry.position && 1
    })
  ),
  mutant("what waits can't be given up", ["lane: one that waits", "discard"], (store) => ({
    change: (of, change, audit) =>
      Effect.flatMap(look(store, of.id), (entry) =>
        entry?.state === "Waiting" ? Effect.succeed(false) : store.change(of, change, audit)
      )
  })),
  shown("a redrive counts on", ["redrive: it is pending"], (entry) =>
    entry.generation > 0 ? { ...entry, attempts: entry.attempts + 5 } : entry
  ),
  changed("a redrive has no new key", ["redrive: with a new key"], (change) =>
    change._tag === "Redrive" ? { ...change, newKey: undefined } : change
  ),
  changed("a redrive forgets nothing", ["redrive: again without a key", "worker: what a person", "model"], (change) =>
    change._tag === "Redrive" ? { ...change, again: false } : change
  ),
  changed("an answer by hand is another one", ["answer: it is known", "worker: a person's answer"], (change) =>
    change._tag === "Answer" ? { ...change, answer: `${change.answer}?` } : change
  ),
  changed("an answer by hand is no answer", ["answer: it is known", "worker: a person's answer", "model"], (change) =>
    change._tag === "Answer" ? { _tag: "Redrive", delay: Duration.zero, newKey: undefined } : change
  ),
  changed("an answer by hand is told to nobody", ["answer: it is known", "worker: a person's answer"], (change) =>
    change._tag === "Answer" ? { _tag: "Resolve", keep: Duration.hours(1) } : change
  ),
  changed("what is given up is kept for ever", ["sweep: what was delivered"], (change) =>
    change._tag === "Discard" ? { ...change, keep: Duration.days(9_999) } : change
  ),
  mutant("everybody is told that they gave it up", ["race: what is given up", "change: only what"], (store) => ({
    change: (of, change, audit) =>
      Effect.map(store.change(of, change, audit), (made) => made || change._tag === "Discard")
  })),
  mutant("any generation", ["change: only what", "race: of many changes"], (store) => ({
    change: (of, change, audit) =>
      Effect.flatMap(look(store, of.id), (entry) =>
        Effect.as(store.change({ id: of.id, generation: entry?.generation ?? 0 }, change, audit), true)
      )
  })),
  mutant("no notes", ["change: every change", "race: of many changes"], () => ({ audits: () => Effect.succeed([]) })),
  mutant("a list does not look at lanes", ["list: what was asked for"], (store) => ({
    list: (filter, page) => store.list({ ...filter, lane: undefined }, page)
  })),
  mutant("a page is in the order of keys", ["list: entries of one moment"], (store) => ({
    list: (filter, page) =>
      Effect.map(store.list(filter, page), (entries) =>
        entries.toSorted((x, y) => x.createdAt - y.createdAt || (x.key ?? "").localeCompare(y.key ?? ""))
      )
  })),
  mutant("a page begins with the last of the one before", ["list: what was asked for"], (store) => ({
    list: (filter, page) =>
      store.list(filter, { ...page, after: page.after && { ...page.after, id: page.after.id.slice(0, 31) } })
  })),
  mutant("groups count what they do not show", ["groups"], (store) => ({
    groups: () => store.groups({})
  })),
  offered("short payloads", ["texts: what is stored"], (offer) => ({
    ...offer,
    payload: offer.payload.slice(0, 8_191)
  })),
  offered("what is not well formed is mended", ["texts: what can't be kept"], (offer) => ({
    ...offer,
    payload: offer.payload.replaceAll("\0", "?")
  })),
  mutant("nobody is told", ["told"], () => ({ onOffer: () => Effect.void })),
  mutant("who waits is told of what is claimed", ["told"], (store) => {
    const wakers = new Set<(what: Names) => void>()
    return {
      offer: (offer) =>
        Effect.tap(store.offer(offer), () => Effect.sync(() => wakers.forEach((waker) => waker(offer)))),
      onOffer: (waker) =>
        Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => wakers.add(waker)),
            () => Effect.sync(() => wakers.clear())
          ),
          undefined
        )
    }
  }),
  mutant("a failure in a transaction is the store's", ["transaction"], (store) => ({
    transaction: (self) =>
      Effect.mapError(
        store.transaction(self),
        (cause) =>
          new OutboxStore.StoreError({
            reason: "Unavailable",
            store: "mutant",
            operation: "commit",
            tookEffect: "no",
            cause
          })
      )
  }))
]
