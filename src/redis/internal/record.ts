// A record as Redis keeps it, and as the port gives it.
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Address, OnLostLease, Record, State, Step } from "../../IdempotencyStore.ts"

const states: { readonly [state: string]: State } = { R: "Running", D: "Done", H: "Held" }
const policies: ReadonlyArray<string> = ["rerun", "resume", "hold"] satisfies ReadonlyArray<OnLostLease>

const fieldsOf = (flat: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>()
  for (let n = 0; n + 1 < flat.length; n += 2) fields.set(flat[n]!, flat[n + 1]!)
  return fields
}

/** The steps among the fields of a record, in the order in which they were saved. */
export const stepsOf = (flat: ReadonlyArray<string>): ReadonlyArray<Step> => {
  const steps: Array<Step & { readonly number: number }> = []
  for (const [field, value] of fieldsOf(flat)) {
    if (!field.startsWith("s:")) continue
    const colon = value.indexOf(":")
    steps.push({ name: field.slice(2), data: value.slice(colon + 1), number: Number(value.slice(0, colon)) })
  }
  return steps.toSorted((a, b) => a.number - b.number).map(({ data, name }) => ({ name, data }))
}

/** The record, or nothing where a field is not what this version writes. */
export const recordOf = (flat: ReadonlyArray<string>): Record | undefined => {
  const fields = fieldsOf(flat)
  const address = addressOf(fields.get("id") ?? "")
  const fingerprint = fields.get("fp")
  const state = states[fields.get("st") ?? ""]
  const onLostLease = fields.get("on") ?? ""
  const [epoch, leaseUntil, expiresAt, createdAt] = ["ep", "lu", "ex", "cr"].map((name) => Number(fields.get(name)))
  const numbers = [epoch, leaseUntil, expiresAt, createdAt]
  if (address === undefined || fingerprint === undefined || state === undefined) return undefined
  if (!policies.includes(onLostLease) || !numbers.every(Number.isFinite)) return undefined
  return {
    ...address,
    fingerprint,
    state,
    epoch: epoch!,
    onLostLease: onLostLease as OnLostLease,
    leaseUntil: leaseUntil!,
    expiresAt: expiresAt!,
    steps: stepsOf(flat),
    result: fields.get("res"),
    createdAt: createdAt!
  }
}

const pair = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String])))

const addressOf = (id: string): Address | undefined => {
  const found = pair(id)
  return Option.isNone(found) ? undefined : { scope: found.value[0], key: found.value[1] }
}
