// Random sequences of calls by several owners through two handles, with time steps where time can be set: after each, the
// store must hold what the model holds.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Random from "effect/Random"
import type { Entry, Lane } from "../../../OutboxEntry.ts"
import type { Change, Offer, Owner, Store, Verdict } from "../../../OutboxStore.ts"
import { Violation } from "../../StoreHarness.ts"
import { aTry, type Bench, check, learning, note, offering, stored } from "./bench.ts"
import { Model } from "./model.ts"

const oneOf = <A>(values: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.map(Random.nextIntBetween(0, values.length - 1), (index) => values[index]!)

const hour = 3_600_000
const operations = ["charge", "charge", "refund"]
const kinds = [
  "offer",
  "offer",
  "offer",
  "claim",
  "claim",
  "claim",
  "settle",
  "settle",
  "settle",
  "settle",
  "change",
  "change",
  "sweep",
  "pause",
  "resume",
  "isBusy"
] as const

/** What times are where they can't be known: there or not. */
const timeless = (entry: Entry): Entry => {
  const some = (time: number | undefined) => (time === undefined ? undefined : 0)
  return {
    ...entry,
    firstSentAt: some(entry.firstSentAt),
    inDoubtAt: some(entry.inDoubtAt),
    leaseUntil: some(entry.leaseUntil),
    expiresAt: some(entry.expiresAt),
    dueAt: 0,
    createdAt: 0,
    changedAt: 0
  }
}

/** Every step compares every entry: by text where a value is not a plain one. */
const isAlike = (one: Entry, other: Entry): boolean => {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof Entry>
  for (const name of names) {
    const [x, y] = [one[name], other[name]]
    if (x !== y && (typeof x !== "object" || JSON.stringify(x) !== JSON.stringify(y))) return false
  }
  return true
}

class Walk {
  readonly model = new Model()
  readonly history: Array<string> = []
  private readonly owners: Array<Owner> = []
  private readonly bench: Bench
  private readonly where: string
  private readonly lengths: ReadonlyArray<number>
  private readonly integrations: ReadonlyArray<string>

  constructor(bench: Bench, run: number, where: string) {
    this.bench = bench
    // Of its own, so that what another sequence has left is not in the way.
    this.integrations = [`billing ${run}`, `billing ${run}`, `billing ${run}`, `mail ${run}`]
    this.where = where
    const lease = Duration.toMillis(bench.lease)
    // Over at once, or never, where the time between two calls is not known.
    this.lengths = bench.exact ? [0, 0, 1, lease, 2 * lease, hour] : [0, 0, hour]
  }

  private fails(actual: unknown, expected: unknown): Effect.Effect<never, Violation> {
    return Effect.fail(new Violation({ what: this.where, actual, expected, history: this.history.slice(-40) }))
  }
  private same(actual: unknown, expected: unknown): Effect.Effect<void, Violation> {
    return Equal.equals(actual, expected) ? Effect.void : this.fails(actual, expected)
  }

  private get length(): Effect.Effect<Duration.Duration> {
    return Effect.map(oneOf(this.lengths), (millis) => Duration.millis(millis))
  }

  private readonly drawOffer = Effect.fnUntraced(function* (this: Walk): Effect.fn.Return<Offer> {
    const name = `k${yield* Random.nextIntBetween(0, 9)} of ${this.integrations[0]}`
    const laneName = yield* oneOf(["blocks", "skips", "mixed", undefined])
    const onDead =
      laneName === "mixed" ? yield* oneOf(["block", "skip"] as const) : laneName === "skips" ? "skip" : "block"
    const lane: Lane | undefined = laneName === undefined ? undefined : { name: laneName, onDead }
    const lease = yield* this.length
    return offering(name, {
      integration: yield* oneOf(this.integrations),
      operation: yield* oneOf(operations),
      fingerprint: yield* oneOf(["f", "f", "f", "f", "g"]),
      lane,
      outcome: yield* oneOf(["NotSent", "Refused", "Unknown", "Applied"] as const),
      firstSentAgo: yield* oneOf([undefined, 70]),
      inDoubtAgo: yield* oneOf([undefined, 60]),
      attempts: yield* oneOf([0, 3]),
      history: yield* oneOf([[], [aTry()]]),
      delay: yield* this.length,
      expiresAfter: yield* oneOf([undefined, Duration.hours(2)]),
      lease: yield* oneOf([undefined, undefined, lease])
    })
  })
  private readonly drawVerdict = Effect.fnUntraced(function* (this: Walk): Effect.fn.Return<Verdict> {
    const [delay, keep] = [yield* this.length, yield* this.length]
    return yield* oneOf<Verdict>([
      { _tag: "Delivered", result: yield* oneOf(["r", "", undefined]), keep },
      { _tag: "Dead", why: "rejected" },
      { _tag: "NeedsReconcile", why: "sent once" },
      {
        _tag: "Again",
        delay,
        counts: yield* Random.nextBoolean,
        pausing: yield* Random.nextBoolean,
        answer: yield* oneOf([undefined, "answer"])
      }
    ])
  })
  private readonly drawChange = Effect.fnUntraced(function* (this: Walk): Effect.fn.Return<Change> {
    const [delay, keep] = [yield* this.length, yield* this.length]
    return yield* oneOf<Change>([
      {
        _tag: "Redrive",
        delay,
        newKey: yield* oneOf([undefined, "new key"]),
        again: yield* oneOf([undefined, false, true])
      },
      { _tag: "Discard", keep },
      { _tag: "Discard", keep: undefined },
      { _tag: "Answer", answer: yield* oneOf(["seen", ""]) },
      { _tag: "Resolve", keep }
    ])
  })

  private readonly step = Effect.fnUntraced(function* (this: Walk, store: Store) {
    const { model } = this
    const log = (line: string) => void this.history.push(`${store === this.bench.a ? "a" : "b"}: ${line}`)
    const kind = yield* oneOf(kinds)
    switch (kind) {
      case "offer": {
        const offer = yield* this.drawOffer()
        log(
          `offer ${offer.key} to ${offer.integration} ${offer.operation}, lane ${offer.lane?.name} ${offer.lane?.onDead}, lease ${offer.lease}`
        )
        const expected = model.offer(offer)
        const offered = yield* store.offer(offer)
        const told = offered._tag === "Stored" && offered.claim !== undefined ? "Claimed" : offered._tag
        yield* this.same(told, expected)
        if (offered._tag === "Stored" && offered.claim !== undefined)
          this.owners.push({ id: offer.id, epoch: offered.claim.entry.epoch })
        return
      }
      case "claim": {
        const of = {
          integration: yield* oneOf(this.integrations),
          operation: yield* oneOf(operations),
          limit: yield* oneOf([1, 2, 100]),
          lease: yield* this.length
        }
        const got = yield* store.claim(of)
        log(
          `claim ${of.integration} ${of.operation}, ${of.limit} at most, for ${of.lease}: ${got.map(({ entry }) => entry.key)}`
        )
        // Where time is real, what became due first can't be told: the model takes what it is given.
        const wrong = model.claim(of, got)
        if (wrong !== undefined)
          return yield* this.fails(
            got.map(({ entry }) => entry.key),
            wrong
          )
        for (const { entry } of got) this.owners.push({ id: entry.id, epoch: entry.epoch })
        return
      }
      case "settle": {
        if (this.owners.length === 0) return
        // Mostly one of the last owners, now and then one from before.
        const owner = yield* oneOf((yield* Random.nextBoolean) ? this.owners : this.owners.slice(-4))
        const verdict = yield* this.drawVerdict()
        const learned = learning({
          outcome: yield* oneOf(["NotSent", "Refused", "Unknown", "Applied"] as const),
          firstSentAgo: yield* oneOf([undefined, 5]),
          inDoubtAgo: yield* oneOf([undefined, 4])
        })
        log(`settle ${model.find(owner.id)?.key} of epoch ${owner.epoch}: ${verdict._tag}`)
        return yield* this.same(yield* store.settle(owner, verdict, learned), model.settle(owner, verdict, learned))
      }
      case "change": {
        // Mostly one that may be changed, now and then any.
        const open = model.entries.filter(({ state }) => state === "Dead" || state === "NeedsReconcile")
        const some = open.length > 0 && (yield* Random.next) < 0.8 ? open : model.entries
        if (some.length === 0) return
        const entry = yield* oneOf(some)
        const change = yield* this.drawChange()
        const generation = entry.generation + (yield* oneOf([0, 0, 0, 1]))
        log(`${change._tag} ${entry.key} of generation ${generation}`)
        const of = { id: entry.id, generation }
        yield* this.same(yield* store.change(of, change, note), model.change(of, change))
        return yield* this.same((yield* store.audits(entry.id)).length, model.notes.get(entry.id) ?? 0)
      }
      case "sweep":
        log("sweep")
        return yield* this.same(yield* store.sweep({ limit: 1_000 }), model.sweep())
      case "pause":
      case "resume": {
        const integration = yield* oneOf(this.integrations)
        const operation = yield* oneOf([undefined, ...operations])
        log(`${kind} ${integration} ${operation}`)
        const id = operation === undefined ? integration : `${integration} ${operation}`
        // Resumed more often than paused, or nothing would ever be claimed.
        if (kind === "pause" && (yield* Random.nextBoolean)) {
          model.paused.add(id)
          return yield* store.pause({ integration, operation })
        }
        model.paused.delete(id)
        return yield* store.resume({ integration, operation })
      }
      case "isBusy": {
        const integration = yield* oneOf(this.integrations)
        const name = yield* oneOf(["blocks", "skips", "mixed"])
        log(`isBusy ${name} of ${integration}`)
        return yield* this.same(yield* store.isBusy({ integration, name }), model.isBusy(integration, name))
      }
    }
  })

  readonly run = Effect.fnUntraced(function* (this: Walk, steps: number) {
    const { bench, model } = this
    if (bench.exact) {
      // The store's clock is its own: an entry tells what time it is.
      const name = `the time of ${this.where}`
      yield* bench.a.offer(offering(name, { integration: "clock" }))
      model.now = (yield* stored(bench.a, name)).createdAt
    }
    const lease = Duration.toMillis(bench.lease)
    for (let n = 0; n < steps; n++) {
      if (bench.exact && (yield* Random.next) < 0.3) {
        const by = yield* oneOf([1, 1, lease - 1, lease, lease + 1, 2 * lease, hour])
        this.history.push(`${by} ms later`)
        model.now += by
        yield* bench.pass(Duration.millis(by))
      }
      yield* this.step(yield* oneOf([bench.a, bench.b]))
      const view = (entries: ReadonlyArray<Entry>) =>
        entries
          .map((entry) => (bench.exact ? { ...entry } : timeless(entry)))
          .toSorted((x, y) => (x.id < y.id ? -1 : 1))
      const lists = [...new Set(this.integrations)].map((integration) =>
        bench.a.list({ integration }, { limit: 1_000 })
      )
      const actual = view((yield* Effect.all(lists)).flat())
      const expected = view(model.entries)
      if (actual.length !== expected.length) {
        return yield* this.fails(
          actual.map(({ key }) => key),
          expected.map(({ key }) => key)
        )
      }
      for (const [n, entry] of actual.entries()) {
        if (!isAlike(entry, expected[n]!)) return yield* this.fails(entry, expected[n])
      }
      yield* this.isInOrder(actual)
    }
  })

  /** What must hold whatever the model says: in a lane that blocks one at most is at work, and nobody before it is left. */
  private isInOrder(entries: ReadonlyArray<Entry>): Effect.Effect<void, Violation> {
    const active = entries.filter(
      ({ lane, state }) => lane?.name === "blocks" && (state === "Pending" || state === "Leased")
    )
    for (const entry of active) {
      const others = active.filter(({ integration }) => integration === entry.integration)
      if (others.length > 1)
        return this.fails(
          others.map(({ key }) => key),
          "one entry of the lane at work"
        )
    }
    return Effect.void
  }
}

export const histories = [
  check("model: random sequences of calls leave what the model holds", function* (bench) {
    for (let n = 0; n < bench.runs; n++) {
      const walk = new Walk(bench, n, `a sequence, seed ${bench.seed}, run ${n}`)
      yield* Random.withSeed(walk.run(80), `${bench.seed}/outbox/${n}`)
      // So that the sweeps of the next one find nothing of this one.
      if (bench.exact) yield* bench.pass(Duration.days(31))
      yield* bench.a.sweep({ limit: 1_000 })
    }
  })
]
