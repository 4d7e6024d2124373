// The contract of one record as a pure model: which answers a call may have, and what stands afterwards.
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type { Claim, OnLostLease, Record, State, Step } from "../../../IdempotencyStore.ts"
import type { Call, Model } from "../linearize.ts"

/** A call of the store, for one address. Times are milliseconds. */
export type Op =
  | {
      readonly _tag: "claim"
      readonly fingerprint: string
      readonly lease: number
      readonly timeToLive: number
      readonly onLostLease: OnLostLease
    }
  | { readonly _tag: "renew"; readonly epoch: number; readonly lease: number }
  | { readonly _tag: "saveStep"; readonly epoch: number; readonly step: Step }
  | {
      readonly _tag: "complete"
      readonly epoch: number
      readonly result: string | undefined
      readonly timeToLive: number
    }
  | { readonly _tag: "release"; readonly epoch: number }
  | { readonly _tag: "hold"; readonly epoch: number }
  | { readonly _tag: "resolveDone"; readonly result: string | undefined; readonly timeToLive: number }
  | { readonly _tag: "resolveAbsent" }
  | { readonly _tag: "get" }
  | { readonly _tag: "sweep" }

export type Answer =
  | { readonly _tag: "Claim"; readonly claim: Claim }
  | { readonly _tag: "Boolean"; readonly value: boolean }
  | { readonly _tag: "Record"; readonly record: Option.Option<Record> }
  | { readonly _tag: "Count" }

/** A recorded call. */
export interface Made extends Call {
  readonly op: Op
  readonly answer: Answer | undefined
  /** The store's time in the call, where it stands still. */
  readonly now: number
  readonly by: string
}

interface Row {
  readonly fingerprint: string
  readonly state: State
  /** Absent after a claim whose answer is not known. */
  readonly epoch: number | undefined
  readonly onLostLease: OnLostLease
  readonly leaseUntil: number
  readonly expiresAt: number
  readonly steps: ReadonlyArray<Step>
  readonly result: string | undefined
}

/** What stands under one address. */
export interface Standing {
  /** No claim so far had a greater epoch than this. */
  readonly floor: number
  readonly row: Row | undefined
}

const byName = (steps: ReadonlyArray<Step>) =>
  steps.toSorted((x, y) => (x.name < y.name ? -1 : x.name > y.name ? 1 : 0))

const isLost = (row: Row, now: number): boolean => row.state === "Running" && row.leaseUntil <= now

const isForgotten = (row: Row, now: number): boolean =>
  row.expiresAt <= now && (row.state === "Done" || (isLost(row, now) && row.onLostLease !== "hold"))

const isHeld = (row: Row, now: number): boolean =>
  row.state === "Held" || (isLost(row, now) && row.onLostLease === "hold")

/** What a claim must find. */
const finds = (row: Row | undefined, op: Op & { readonly _tag: "claim" }, now: number): Claim["_tag"] => {
  if (row === undefined || isForgotten(row, now)) return "Started"
  if (row.fingerprint !== op.fingerprint) return "Mismatch"
  if (row.state === "Done") return "Replay"
  if (isHeld(row, now)) return "Held"
  return isLost(row, now) ? "Started" : "InFlight"
}

const claimed = (
  standing: Standing,
  op: Op & { readonly _tag: "claim" },
  now: number,
  claim: Claim | undefined,
  exact: boolean
): ReadonlyArray<Standing> => {
  const { floor, row } = standing
  const expected = finds(row, op, now)
  if (claim !== undefined && claim._tag !== expected) return []
  switch (expected) {
    case "Mismatch":
      return [standing]
    case "Held":
      return [{ floor, row: { ...row!, state: "Held" } }]
    case "Replay":
      return claim?._tag === "Replay" && claim.result !== row!.result ? [] : [standing]
    case "InFlight": {
      if (claim?._tag !== "InFlight") return [standing]
      const left = Duration.toMillis(claim.retryAfter)
      const most = row!.leaseUntil - now
      return left > 0 && (exact ? left === most : left <= most) ? [standing] : []
    }
    case "Started": {
      const before = row === undefined || isForgotten(row, now) ? undefined : row
      const steps = before?.onLostLease === "resume" ? before.steps : []
      if (claim?._tag === "Started") {
        const fits =
          claim.epoch > floor &&
          claim.takenOver === (before !== undefined) &&
          Equal.equals(byName(claim.steps), byName(steps))
        if (!fits) return []
      }
      const epoch = claim?._tag === "Started" ? claim.epoch : undefined
      const next: Row = {
        fingerprint: op.fingerprint,
        state: "Running",
        epoch,
        onLostLease: op.onLostLease,
        leaseUntil: now + op.lease,
        expiresAt: now + op.timeToLive,
        steps,
        result: undefined
      }
      return [{ floor: epoch ?? floor, row: next }]
    }
  }
}

/** What an owner's write makes of its record. */
const written = (row: Row, op: Op, now: number): Row | undefined => {
  switch (op._tag) {
    case "renew":
      return { ...row, leaseUntil: now + op.lease }
    case "saveStep":
      return { ...row, steps: [...row.steps.filter(({ name }) => name !== op.step.name), op.step] }
    case "complete":
    case "resolveDone":
      return { ...row, state: "Done", result: op.result, steps: [], expiresAt: now + op.timeToLive }
    case "hold":
      return { ...row, state: "Held" }
    default:
      return undefined
  }
}

/** What a look may see. What is forgotten may still be seen, until a sweep or the store itself removes it. */
const seen = (standing: Standing, found: Record | undefined, now: number): ReadonlyArray<Standing> => {
  const { floor, row } = standing
  if (found === undefined) return row === undefined || isForgotten(row, now) ? [standing] : []
  if (row === undefined) return []
  const fits =
    (row.epoch === undefined ? found.epoch > floor : found.epoch === row.epoch) &&
    found.fingerprint === row.fingerprint &&
    found.onLostLease === row.onLostLease &&
    found.result === row.result &&
    (found.state === row.state || (found.state === "Held" && isHeld(row, now))) &&
    (row.state === "Done" || Equal.equals(byName(found.steps), byName(row.steps)))
  return fits ? [{ floor: Math.max(floor, found.epoch), row: { ...row, epoch: found.epoch } }] : []
}

const step =
  (exact: boolean) =>
  (standing: Standing, call: Made): ReadonlyArray<Standing> => {
    const { answer, now, op } = call
    const { floor, row } = standing
    const value = answer?._tag === "Boolean" ? answer.value : undefined
    switch (op._tag) {
      case "claim":
        return claimed(standing, op, now, answer?._tag === "Claim" ? answer.claim : undefined, exact)
      case "get":
        return answer?._tag === "Record" ? seen(standing, Option.getOrUndefined(answer.record), now) : [standing]
      case "sweep":
        // What it forgets counts as absent anyway.
        return [standing]
      case "resolveDone":
      case "resolveAbsent": {
        const held = row !== undefined && isHeld(row, now)
        if (value !== undefined && value !== held) return []
        return held ? [{ floor, row: written(row, op, now) }] : [standing]
      }
      default: {
        const own = row !== undefined && row.state === "Running" && row.epoch === op.epoch
        if (!own) return value === true ? [] : [standing]
        const after = { floor, row: written(row, op, now) }
        if (!isForgotten(row, now)) return value === false ? [] : [after]
        // It may have been forgotten before its owner came back, or not yet.
        const gone = { floor, row: undefined }
        return value === undefined ? [after, gone] : value ? [after] : [gone]
      }
    }
  }

/** The model. With `exact`, time stands still in a call, and a lease ends to the millisecond. */
export const model = (exact: boolean): Model<Standing, Made> => ({
  initial: { floor: 0, row: undefined },
  step: step(exact),
  keyOf: ({ floor, row }) =>
    row === undefined ? String(floor) : JSON.stringify([floor, row, row.result === undefined])
})

const told = (answer: Answer | undefined): string => {
  if (answer === undefined) return "no answer"
  switch (answer._tag) {
    case "Claim": {
      const { claim } = answer
      if (claim._tag === "Started") {
        const steps = claim.steps.length === 0 ? "" : `, after ${claim.steps.map(({ name }) => name).join(", ")}`
        return `Started ${claim.epoch}${claim.takenOver ? ", taken over" : ""}${steps}`
      }
      if (claim._tag === "InFlight") return `InFlight for ${Duration.toMillis(claim.retryAfter)} ms`
      return claim._tag === "Replay" ? `Replay ${claim.result ?? "(not kept)"}` : claim._tag
    }
    case "Boolean":
      return String(answer.value)
    case "Record": {
      if (Option.isNone(answer.record)) return "none"
      const { epoch, result, state, steps } = answer.record.value
      return `${state} ${epoch}, ${steps.length} steps${state === "Done" ? `, ${result ?? "no result"}` : ""}`
    }
    case "Count":
      return "done"
  }
}

/** One line about a call, for a history. */
export const line = ({ answer, by, invoked, now, op, returned }: Made): string => {
  const { _tag, ...details } = op
  const stamps = `${String(invoked).padStart(4)}–${returned === undefined ? "…" : returned}`.padEnd(10)
  const time = now === 0 ? "" : ` at ${now} ms`
  return `${stamps} ${by} ${_tag} ${JSON.stringify(details)}${time} → ${told(answer)}`
}
