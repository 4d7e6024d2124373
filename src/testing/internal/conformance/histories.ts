// Random sequences of calls, by several owners, with time steps where time can be set, and by several at once where not:
// each is recorded and judged by the model.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { type Address, isStoreError, type OnLostLease, type Store } from "../../../IdempotencyStore.ts"
import { Violation } from "../../StoreHarness.ts"
import { linearize } from "../linearize.ts"
import { at, type Bench, check } from "./bench.ts"
import { type Answer, line, type Made, model, type Op } from "./model.ts"

// ---- recording

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

export const perform = (store: Store, address: Address, op: Op): Effect.Effect<Answer, unknown> => {
  const boolean = (self: Effect.Effect<boolean, unknown>) =>
    Effect.map(self, (value): Answer => ({ _tag: "Boolean", value }))
  const ms = Duration.millis
  switch (op._tag) {
    case "claim": {
      const { fingerprint, onLostLease } = op
      const options = { ...address, fingerprint, onLostLease, lease: ms(op.lease), timeToLive: ms(op.timeToLive) }
      return Effect.map(store.claim(options), (claim): Answer => ({ _tag: "Claim", claim }))
    }
    case "renew":
      return boolean(store.renew({ ...address, epoch: op.epoch }, ms(op.lease)))
    case "saveStep":
      return boolean(store.saveStep({ ...address, epoch: op.epoch }, op.step))
    case "complete": {
      const { epoch, result, timeToLive } = op
      return boolean(store.complete({ ...address, epoch }, { result, timeToLive: ms(timeToLive) }))
    }
    case "release":
      return boolean(store.release({ ...address, epoch: op.epoch }))
    case "hold":
      return boolean(store.hold({ ...address, epoch: op.epoch }))
    case "resolveDone":
      return boolean(store.resolve(address, { _tag: "Done", result: op.result, timeToLive: ms(op.timeToLive) }))
    case "resolveAbsent":
      return boolean(store.resolve(address, { _tag: "Absent" }))
    case "get":
      return Effect.map(store.get(address), (record): Answer => ({ _tag: "Record", record }))
    case "sweep":
      return Effect.as(store.sweep({ limit: 100 }), { _tag: "Count" })
  }
}

/** The calls for one address, as they were made and answered. */
export class Recorder {
  readonly calls: Array<Made> = []
  private stamp = 0
  private readonly address: Address

  constructor(address: Address) {
    this.address = address
  }

  /**
   * Makes a call. One that is interrupted, or whose failure leaves it open, stays open; one that says that nothing was
   * written must have written nothing.
   */
  call(store: Store, by: string, op: Op, now = 0): Effect.Effect<Answer | undefined, unknown> {
    return Effect.suspend(() => {
      const made: Mutable<Made> = { op, by, now, invoked: ++this.stamp, returned: undefined, answer: undefined }
      this.calls.push(made)
      return Effect.onExit(perform(store, this.address, op), (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) {
            made.returned = ++this.stamp
            made.answer = exit.value
            return
          }
          const failed = exit.cause.reasons.find(Cause.isFailReason)?.error
          if (isStoreError(failed) && failed.tookEffect === "no") this.calls.splice(this.calls.indexOf(made), 1)
        })
      )
    })
  }

  /** Fails if no order of the calls fits the model. */
  judge(what: string, exact: boolean): Effect.Effect<void, Violation> {
    const verdict = linearize(model(exact), this.calls)
    if (verdict._tag === "Linearizable") return Effect.void
    const history = this.calls.map(line)
    if (verdict._tag === "Undecided") {
      return Effect.fail(new Violation({ what, actual: "more orders than can be tried", expected: "fewer", history }))
    }
    const actual = `none fits after ${verdict.longest.length}: ${verdict.stuck.map(line).join(" | ")}`
    return Effect.fail(new Violation({ what, actual, expected: "an order that the contract allows", history }))
  }
}

// ---- drawing

const oneOf = <A>(values: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.map(Random.nextIntBetween(0, values.length - 1), (index) => values[index]!)

const policies: ReadonlyArray<OnLostLease> = ["rerun", "resume", "hold"]
const results = ["a", "b", "", undefined]
const kinds: ReadonlyArray<Op["_tag"]> = [
  "claim",
  "claim",
  "claim",
  "claim",
  "claim",
  "renew",
  "renew",
  "saveStep",
  "saveStep",
  "saveStep",
  "complete",
  "complete",
  "release",
  "hold",
  "resolveDone",
  "resolveAbsent",
  "get",
  "sweep"
]

/** Draws a call by someone who knows these epochs, with these lengths of time. */
export const draw = (epochs: ReadonlyArray<number>, lengths: ReadonlyArray<number>): Effect.Effect<Op> =>
  Effect.gen(function* () {
    const kind = yield* oneOf(kinds)
    const length = yield* oneOf(lengths)
    const other = yield* oneOf(lengths)
    const result = yield* oneOf(results)
    // Mostly the last owner, now and then one from before.
    const epoch = yield* oneOf(epochs.length === 0 ? [0] : [...epochs, ...epochs.slice(-1), ...epochs.slice(-1)])
    switch (kind) {
      case "claim": {
        const fingerprint = yield* oneOf(["f:1", "f:1", "f:1", "f:1", "f:2"])
        return { _tag: kind, fingerprint, lease: length, timeToLive: other, onLostLease: yield* oneOf(policies) }
      }
      case "renew":
        return { _tag: kind, epoch, lease: length }
      case "saveStep":
        return { _tag: kind, epoch, step: { name: yield* oneOf(["one", "two"]), data: yield* oneOf(["1", "2"]) } }
      case "complete":
        return { _tag: kind, epoch, result, timeToLive: length }
      case "resolveDone":
        return { _tag: kind, result, timeToLive: length }
      case "release":
      case "hold":
        return { _tag: kind, epoch }
      case "resolveAbsent":
      case "get":
      case "sweep":
        return { _tag: kind }
    }
  })

const learn = (epochs: Array<number>, answer: Answer | undefined): void => {
  if (answer?._tag === "Claim" && answer.claim._tag === "Started") epochs.push(answer.claim.epoch)
}

const hour = 3_600_000
/** Over at once, or never: so that the time between two calls decides nothing. */
export const timeless = [0, hour, hour]

const runs = (bench: Bench, name: string, run: (n: number) => Effect.Effect<void, unknown>) =>
  Effect.forEach(
    Array.from({ length: bench.runs }, (_, n) => n),
    (n) => Random.withSeed(run(n), `${bench.seed}/${name}/${n}`),
    { discard: true }
  )

const sequence = Effect.fnUntraced(function* (bench: Bench, run: number) {
  const addresses = [at(`k${run}`, "one"), at(`k${run}`, "two")]
  const recorders = addresses.map((address) => new Recorder(address))
  const epochs: ReadonlyArray<Array<number>> = [[], []]
  const lease = Duration.toMillis(bench.lease)
  const lengths = bench.exact ? [0, 1, lease, lease, 2 * lease, hour] : timeless
  let now = 0
  for (let n = 0; n < 60; n++) {
    if (bench.exact && (yield* Random.next) < 0.3) {
      const by = yield* oneOf([1, 1, lease - 1, lease, lease, lease + 1, 2 * lease, hour])
      now += by
      yield* bench.pass(Duration.millis(by))
    }
    const which = yield* oneOf([0, 0, 0, 1])
    const store = yield* oneOf([bench.a, bench.b])
    const op = yield* draw(epochs[which]!, lengths)
    learn(epochs[which]!, yield* recorders[which]!.call(store, store === bench.a ? "a" : "b", op, now))
  }
  for (const recorder of recorders) yield* recorder.judge(`a sequence, seed ${bench.seed}, run ${run}`, bench.exact)
})

const overlapping = Effect.fnUntraced(function* (bench: Bench, run: number) {
  const recorder = new Recorder(at(`k${run}`))
  const epochs: Array<number> = []
  const owner = (name: string) =>
    Effect.gen(function* () {
      for (let n = 0; n < 8; n++) {
        for (let turns = yield* Random.nextIntBetween(0, 2); turns > 0; turns--) yield* Effect.yieldNow
        const op = yield* draw(epochs, timeless)
        learn(epochs, yield* recorder.call(name < "c" ? bench.a : bench.b, name, op))
      }
    })
  const fibers = []
  for (const name of ["a", "b", "c", "d"]) {
    const seeded = Random.withSeed(owner(name), `${bench.seed}/overlapping/${run}/${name}`)
    fibers.push(yield* Effect.forkChild(seeded))
  }
  // One in two runs loses an owner in the middle of a call.
  if (yield* Random.nextBoolean) {
    for (let turns = yield* Random.nextIntBetween(1, 20); turns > 0; turns--) yield* Effect.yieldNow
    yield* Fiber.interrupt(fibers[yield* Random.nextIntBetween(0, 3)]!)
  }
  for (const fiber of fibers) {
    const exit = yield* Fiber.await(fiber)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause)
  }
  yield* recorder.call(bench.b, "end", { _tag: "get" })
  yield* recorder.judge(`overlapping calls, seed ${bench.seed}, run ${run}`, false)
})

export const histories = [
  check("model: random sequences of calls by several owners answer as the model does", function* (bench) {
    yield* runs(bench, "sequence", (n) => sequence(bench, n))
  }),
  check("linearizable: overlapping calls have an order that the model allows", function* (bench) {
    yield* runs(bench, "overlapping", (n) => overlapping(bench, n))
  })
]
