/** A stored call as a version reads it, as data. */
import type { Outbox } from "breakwater"

/** An entry and its notes as the version that wrote them has read them: times are relative to the store's clock. */
export interface Seen {
  readonly entry: { readonly [field: string]: unknown }
  readonly audits: ReadonlyArray<{ readonly at: number }>
}

const times = ["firstSentAt", "inDoubtAt", "dueAt", "leaseUntil", "createdAt", "changedAt", "expiresAt"]

/** As JSON has it, with times from that moment on. */
const plain = (value: object, now: number): { readonly [field: string]: unknown } =>
  Object.fromEntries(
    Object.entries(JSON.parse(JSON.stringify(value)) as object).map(([field, value]): [string, unknown] => [
      field,
      field === "at" || times.includes(field) ? (value as number) - now : value
    ])
  )

export const seenOf = (entry: Outbox.Entry, audits: ReadonlyArray<{ readonly at: number }>, now: number): Seen => ({
  entry: plain(entry, now),
  audits: audits.map((audit) => plain(audit, now) as unknown as Seen["audits"][number])
})
