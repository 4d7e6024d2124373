/** How a header writes a time. */
export type DeadlineFormat = "millis" | "grpc"

/** gRPC has a header and a form of its own; all others are milliseconds. */
export const deadlineFormat = (header: string): DeadlineFormat =>
  header.toLowerCase() === "grpc-timeout" ? "grpc" : "millis"

// gRPC writes at most 8 digits and a unit.
const units = { n: 1e-6, u: 1e-3, m: 1, S: 1_000, M: 60_000, H: 3_600_000 } as const

/** Rounded down: the other side must not think that it has more time than there is. */
export const writeTimeout = (format: DeadlineFormat, millis: number): string => {
  const left = Math.max(0, Math.floor(millis))
  if (format === "millis") return String(left)
  if (left < 1e8) return `${left}m`
  const seconds = Math.floor(left / 1_000)
  return seconds < 1e8 ? `${seconds}S` : "99999999S"
}

export const parseTimeout = (format: DeadlineFormat, text: string): number | undefined => {
  if (format === "millis") return /^\d{1,12}$/.test(text) ? Number(text) : undefined
  const [, digits, unit] = /^(\d{1,8})([numSMH])$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * units[unit as keyof typeof units]
}
