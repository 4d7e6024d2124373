import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** Milliseconds of an input, or a sentence about what is wrong with it. */
export const check = (
  what: string,
  input: Duration.Input,
  options?: { readonly zero: boolean }
): { readonly millis: number; readonly problem?: string } => {
  // Effect reads NaN as zero.
  const duration = Number.isNaN(input) ? undefined : Option.getOrUndefined(Duration.fromInput(input))
  if (duration === undefined) return { millis: 0, problem: `${what} is not a duration: ${String(input)}` }
  const millis = Duration.toMillis(duration)
  if (!Number.isFinite(millis)) return { millis, problem: `${what} must be finite, got infinity` }
  if (!(millis > 0) && !(millis === 0 && options?.zero === true))
    return { millis, problem: `${what} must be longer than zero, got ${format(millis)}` }
  return { millis }
}

export const format = (millis: number): string => {
  if (!Number.isFinite(millis)) return "for ever"
  if (millis < 1000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${trim(millis / 1000)} s`
  if (millis < 3_600_000) return `${trim(millis / 60_000)} min`
  return `${trim(millis / 3_600_000)} h`
}

/** Two durations for a sentence that compares them: in milliseconds, where they differ and rounding would hide it. */
export const formatBoth = (first: number, second: number): readonly [string, string] => {
  const [one, other] = [format(first), format(second)]
  return one === other && first !== second ? [`${first} ms`, `${second} ms`] : [one, other]
}

const trim = (n: number) => String(Math.round(n * 10) / 10)
