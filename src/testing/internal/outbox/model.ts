// What a store is compared with: the contract, in the plainest way, over a list.
import * as Duration from "effect/Duration"
import type { Outcome } from "../../../Outcome.ts"
import type { Entry, Lane, OnDead, State } from "../../../OutboxEntry.ts"
import type { Change, Claimed, Learned, Offer, Owner, Verdict } from "../../../OutboxStore.ts"

type Mutable = { -readonly [K in keyof Entry]: Entry[K] }

const ms = Duration.toMillis
const live: ReadonlyArray<State> = ["Waiting", "Pending", "Leased"]

/** Whether the ones behind it wait for it. */
const isInTheWay = (entry: Entry): boolean =>
  live.includes(entry.state) ||
  ((entry.state === "Dead" || entry.state === "NeedsReconcile") && entry.lane?.onDead === "block")

const dueSince = (entry: Entry): number =>
  entry.state === "Pending" ? entry.dueAt : entry.state === "Leased" ? (entry.leaseUntil ?? Infinity) : Infinity

export class Model {
  /** In the order in which they were stored. */
  entries: ReadonlyArray<Mutable> = []
  readonly notes = new Map<string, number>()
  readonly paused = new Set<string>()
  private readonly keptUntil = new Map<string, number>()
  private readonly places = new Map<string, number>()
  now = 0

  find(id: string): Mutable | undefined {
    return this.entries.find((entry) => entry.id === id)
  }

  isPaused(of: { readonly integration: string; readonly operation: string }): boolean {
    return this.paused.has(of.integration) || this.paused.has(`${of.integration} ${of.operation}`)
  }

  private inLane(entry: { readonly integration: string; readonly lane: Lane | undefined }): ReadonlyArray<Mutable> {
    const { integration, lane } = entry
    if (lane === undefined) return []
    return this.entries
      .filter((other) => other.integration === integration && other.lane?.name === lane.name)
      .toSorted((x, y) => (x.position ?? 0) - (y.position ?? 0))
  }

  isBusy(integration: string, name: string): boolean {
    return this.inLane({ integration, lane: { name, onDead: "block" satisfies OnDead } }).some(isInTheWay)
  }

  /** The first that is in the way waits for nobody. */
  private advance(): void {
    for (const entry of this.entries) {
      if (entry.state === "Waiting" && this.inLane(entry).find(isInTheWay) === entry) {
        entry.state = "Pending"
        entry.changedAt = this.now
      }
    }
  }

  offer(offer: Offer): "Stored" | "Claimed" | "Exists" | "Mismatch" {
    const { now } = this
    const known = this.find(offer.id)
    if (known !== undefined) return known.fingerprint === offer.fingerprint ? "Exists" : "Mismatch"
    const place = `${offer.integration} ${offer.lane?.name}`
    const position = offer.lane && (this.places.get(place) ?? 0) + 1
    if (position !== undefined) this.places.set(place, position)
    const waits = this.inLane(offer).some(isInTheWay)
    const claimed = !waits && offer.lease !== undefined && !this.isPaused(offer)
    const { delay, expiresAfter, firstSentAgo, inDoubtAgo, lease, ...stored } = offer
    this.entries = [
      ...this.entries,
      {
        ...stored,
        state: waits ? "Waiting" : claimed ? "Leased" : "Pending",
        why: undefined,
        result: undefined,
        answer: undefined,
        position,
        epoch: claimed ? 1 : 0,
        generation: 0,
        attempts: offer.attempts + (claimed ? 1 : 0),
        tries: claimed ? 1 : 0,
        crashes: 0,
        firstSentAt: firstSentAgo === undefined ? undefined : now - firstSentAgo,
        inDoubtAt: inDoubtAgo === undefined ? undefined : now - inDoubtAgo,
        dueAt: now + ms(delay),
        leaseUntil: claimed && lease !== undefined ? now + ms(lease) : undefined,
        createdAt: now,
        changedAt: now,
        expiresAt: expiresAfter && now + ms(expiresAfter)
      }
    ]
    return claimed ? "Claimed" : "Stored"
  }

  /** What is wrong with a claim that got these; if nothing is, they are claimed. */
  claim(
    of: {
      readonly integration: string
      readonly operation: string
      readonly limit: number
      readonly lease: Duration.Duration
    },
    got: ReadonlyArray<Claimed>
  ): string | undefined {
    const { integration, lease, limit, operation } = of
    const due = this.entries.filter(
      (entry) => entry.integration === integration && entry.operation === operation && dueSince(entry) <= this.now
    )
    const count = this.isPaused(of) ? 0 : Math.min(limit, due.length)
    const chosen = got.map(({ entry }) => due.find(({ id }) => id === entry.id))
    if (got.length !== count || new Set(chosen).size !== count || chosen.includes(undefined)) {
      return `${count} of ${due.map(({ key }) => key).join(", ") || "none"}`
    }
    const mine = chosen.filter((entry) => entry !== undefined)
    const left = due.filter((entry) => !mine.includes(entry))
    if (left.some((entry) => mine.some((own) => dueSince(own) > dueSince(entry)))) return "those that are due longest"
    for (const entry of mine) {
      const lost = entry.state === "Leased"
      if (lost) {
        entry.crashes++
        entry.dueAt = dueSince(entry)
        if (entry.answer === undefined) {
          const outcome: Outcome = entry.outcome === "Applied" ? "Applied" : "Unknown"
          entry.outcome = outcome
          entry.inDoubtAt = this.now
          entry.firstSentAt ??= entry.changedAt
        }
      }
      entry.state = "Leased"
      entry.epoch++
      entry.attempts++
      entry.tries++
      entry.leaseUntil = this.now + ms(lease)
      entry.changedAt = this.now
    }
    return undefined
  }

  settle({ epoch, id }: Owner, verdict: Verdict, learned: Learned): boolean {
    const { now } = this
    const entry = this.find(id)
    if (entry?.state !== "Leased" || entry.epoch !== epoch) return false
    entry.outcome = learned.outcome
    if (learned.firstSentAgo !== undefined) entry.firstSentAt = now - learned.firstSentAgo
    if (learned.inDoubtAgo !== undefined) entry.inDoubtAt = now - learned.inDoubtAgo
    entry.history = learned.history
    entry.leaseUntil = undefined
    entry.answer = undefined
    entry.changedAt = now
    switch (verdict._tag) {
      case "Again":
        entry.state = "Pending"
        entry.answer = verdict.answer
        entry.dueAt = now + ms(verdict.delay)
        if (!verdict.counts) entry.attempts--
        if (!verdict.pausing) entry.tries--
        break
      case "Delivered":
        entry.state = "Delivered"
        entry.payload = ""
        entry.result = verdict.result
        this.keptUntil.set(id, now + ms(verdict.keep))
        break
      case "Dead":
      case "NeedsReconcile":
        entry.state = verdict._tag
        entry.why = verdict.why
    }
    this.advance()
    return true
  }

  private revive(entry: Mutable): void {
    const before = this.inLane(entry).filter((other) => (other.position ?? 0) < (entry.position ?? 0))
    entry.state = entry.lane?.onDead === "block" && before.some(isInTheWay) ? "Waiting" : "Pending"
    entry.generation++
    entry.attempts = 0
    entry.tries = 0
    entry.crashes = 0
    entry.dueAt = this.now
  }

  change(of: Pick<Entry, "id" | "generation">, change: Change): boolean {
    const { now } = this
    const entry = this.find(of.id)
    if (entry === undefined || entry.generation !== of.generation) return false
    const closed = entry.state !== "Dead" && entry.state !== "NeedsReconcile"
    if (closed && !(change._tag === "Discard" && (entry.state === "Pending" || entry.state === "Waiting"))) return false
    entry.why = undefined
    entry.changedAt = now
    switch (change._tag) {
      case "Answer":
        this.revive(entry)
        entry.outcome = "Applied"
        entry.answer = change.answer
        break
      case "Redrive": {
        this.revive(entry)
        entry.dueAt = now + ms(change.delay)
        entry.expiresAt = undefined
        entry.key = change.newKey ?? entry.key
        if (change.newKey !== undefined || change.again === true) {
          entry.outcome = "NotSent"
          entry.firstSentAt = undefined
          entry.inDoubtAt = undefined
        }
        break
      }
      case "Discard":
        entry.state = "Discarded"
        entry.payload = ""
        entry.answer = undefined
        this.keptUntil.set(of.id, now + ms(change.keep ?? Duration.days(30)))
        break
      case "Resolve":
        entry.state = "Delivered"
        entry.outcome = "Applied"
        entry.payload = ""
        this.keptUntil.set(of.id, now + ms(change.keep))
    }
    this.notes.set(of.id, (this.notes.get(of.id) ?? 0) + 1)
    this.advance()
    return true
  }

  sweep(): number {
    const before = this.entries
    this.entries = before.filter(({ id }) => (this.keptUntil.get(id) ?? Infinity) > this.now)
    for (const entry of before) {
      if (this.entries.includes(entry)) continue
      this.keptUntil.delete(entry.id)
      this.notes.delete(entry.id)
      if (this.inLane(entry).length === 0) this.places.delete(`${entry.integration} ${entry.lane?.name}`)
    }
    return before.length - this.entries.length
  }
}
