// Reads a list page by page: where the next one is, what was taken already, and when it would never end.
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { PagesError, type PagesReason } from "../PagesError.ts"
import { canonical } from "./fingerprint.ts"

/** What a page says of the one after it. */
export type Next<C> =
  | { readonly _tag: "End" }
  | { readonly _tag: "At"; readonly cursor: C }
  | { readonly _tag: "Lost"; readonly detail?: string }

/** Where a reader stands: at a page, of which so many items were taken. */
export interface Position<out C> {
  readonly cursor?: C | undefined
  readonly taken: number
  readonly last?: string | undefined
}

/** How one kind of list is read. */
export interface Definition<A, C, E, R> {
  readonly start: C | undefined
  readonly read: (cursor: C | undefined) => Effect.Effect<
    {
      readonly items: ReadonlyArray<A>
      /** What names each item, where they have names. */
      readonly keys: ReadonlyArray<string> | undefined
      readonly next: Next<C>
    },
    E,
    R
  >
  readonly maxPages: number
  readonly maxEmpty: number
  readonly equalPages: "fail" | "allow"
}

/** One page as it was read: what is new on it, and where one stands after each of these. */
export interface Read<A, C> {
  readonly items: ReadonlyArray<A>
  /** Where one stands after the item of the same index. */
  readonly after: (index: number) => Position<C>
  readonly begin: Position<C>
  readonly end: Position<C>
  readonly last: boolean
}

/** Values of which the newest so many are remembered. */
export const makeWindow = (limit: number) => {
  const values = new Set<string>()
  return {
    has: (value: string): boolean => values.has(value),
    add: (value: string): void => {
      values.add(value)
      if (values.size > limit) for (const oldest of values.keys()) return void values.delete(oldest)
    },
    size: (): number => values.size
  }
}

/** How much is remembered of a list, however long it is. */
export const remembered = { places: 1_000, pages: 8, keys: 10_000 } as const

/**
 * What is remembered of the pages that were read. It finds a circle of up to 1,000 places at its first repetition, and a
 * longer one by Brent's algorithm: one place is kept and compared with those that follow it, 1, 2, 4, 8 … places long.
 */
export const makeGuard = () => {
  const places = makeWindow(remembered.places)
  let kept: string | undefined
  let since = 0
  let power = 1
  const contents: Array<ReadonlyArray<unknown>> = []
  return {
    /** Notes a place, and returns whether it is a new one. */
    enter: (cursor: unknown): boolean => {
      const place = cursor === undefined ? "start" : canonical(cursor)
      if (places.has(place) || place === kept) return false
      places.add(place)
      since++
      if (since >= power) {
        kept = place
        power *= 2
        since = 0
      }
      return true
    },
    /** Notes what a page held, and returns whether no remembered page held the same. */
    differs: (items: ReadonlyArray<unknown>): boolean => {
      if (contents.some((other) => other.length === items.length && Equal.equals(other, items))) return false
      contents.push(items)
      if (contents.length > remembered.pages) contents.shift()
      return true
    },
    sizes: () => ({ places: places.size() + 1, pages: contents.length })
  }
}

const positionAt = <C>(cursor: C | undefined, taken: number, last?: string): Position<C> => ({
  ...(cursor === undefined ? {} : { cursor }),
  taken,
  ...(last === undefined ? {} : { last })
})

const isCount = (value: number, least: number) => Number.isSafeInteger(value) && value >= least

/** A new reading: each run of the effect that it gives reads the next page; `undefined` is the end of the list. */
export const open = <A, C, E, R>(
  list: Definition<A, C, E, R>,
  from: Position<C> | undefined
): Effect.Effect<Read<A, C> | undefined, E | PagesError, R> => {
  const guard = makeGuard()
  const seen = makeWindow(remembered.keys)
  let pages = 0
  let given = 0
  let empty = 0
  let resume = from ?? { taken: 0 }
  let cursor = resume.cursor ?? list.start
  let ended: true | { readonly reason: PagesReason; readonly detail?: string | undefined } | undefined = invalid(
    list,
    resume
  )
  guard.enter(cursor)

  const fail = (reason: PagesReason, detail?: string) =>
    Effect.fail(new PagesError({ reason, pages, items: given, detail }))

  return Effect.suspend(() => {
    if (ended === true) return Effect.undefined
    if (ended !== undefined) return fail(ended.reason, ended.detail)
    if (pages >= list.maxPages) return fail("TooMany", `there are more than ${list.maxPages} pages (\`maxPages\`)`)
    return Effect.flatMap(list.read(cursor), ({ items: all, keys, next }): Effect.Effect<Read<A, C>, PagesError> => {
      pages++
      const here = cursor
      const begin = resume

      // What an earlier run has taken of this page.
      let taken = resume.taken
      if (resume.last !== undefined && keys !== undefined) {
        // If it is gone, the page is given once more from its beginning: rather twice than never.
        if (keys[taken - 1] !== resume.last) taken = keys.indexOf(resume.last) + 1
      } else if (taken > all.length) return fail("Moved")
      resume = { taken: 0 }

      // Doubles are dropped where items have a key; without one, a page that was here before gives itself away.
      if (keys === undefined && list.equalPages === "fail" && all.length > 0 && !guard.differs(all)) {
        return fail("Unchanging")
      }
      const fresh: Array<number> = []
      for (let index = 0; index < all.length; index++) {
        const key = keys?.[index]
        if (key !== undefined && seen.has(key)) continue
        if (key !== undefined) seen.add(key)
        if (index >= taken) fresh.push(index)
      }
      if (fresh.length > 0) empty = 0
      else if (taken === 0 && ++empty > list.maxEmpty) {
        return all.length > 0
          ? fail("Unchanging", `more than ${list.maxEmpty} pages in a row held only doubles (\`maxEmpty\`)`)
          : fail("TooEmpty", `more than ${list.maxEmpty} pages in a row held nothing (\`maxEmpty\`)`)
      }
      given += fresh.length

      const at = (count: number) => positionAt(here, count, keys?.[count - 1])
      let end = at(all.length)
      if (next._tag === "End") ended = true
      else if (next._tag === "Lost") ended = { reason: "NoPlace", detail: next.detail }
      else if (!guard.enter(next.cursor)) ended = { reason: "Repeated" }
      else {
        cursor = next.cursor
        end = positionAt(cursor, 0)
      }
      return Effect.succeed({
        items: fresh.map((index) => all[index]!),
        // What is left out after an item belongs to it: a run that resumes there does not know any more that it is a double.
        after: (index) => (index + 1 < fresh.length ? at(fresh[index + 1]!) : end),
        begin: positionAt(here, begin.taken, begin.last),
        end,
        last: next._tag === "End"
      })
    })
  })
}

/** What of the options, or of a position that somebody stored, can't be. */
const invalid = (
  list: Pick<Definition<unknown, unknown, unknown, unknown>, "maxPages" | "maxEmpty">,
  { taken }: Position<unknown>
): { readonly reason: "Invalid"; readonly detail: string } | undefined => {
  const detail = !isCount(list.maxPages, 1)
    ? `\`maxPages\` is ${list.maxPages}, and must be an integer from 1 on`
    : !isCount(list.maxEmpty, 0)
      ? `\`maxEmpty\` is ${list.maxEmpty}, and must be an integer from 0 on`
      : !isCount(taken, 0)
        ? `${taken} items can't have been taken from the page to resume at`
        : undefined
  return detail === undefined ? undefined : { reason: "Invalid", detail }
}

/** The pages as a stream. Each run has a reading of its own, and reads a page when it is asked for, or one ahead. */
export const streamOf = <A, C, E, R>(
  list: Definition<A, C, E, R>,
  from: Position<C> | undefined,
  ahead: boolean
): Stream.Stream<Read<A, C>, E | PagesError, R> =>
  Stream.unwrap(
    Effect.map(Effect.scope, (scope) => {
      const read = open(list, from)
      let next: Fiber.Fiber<Read<A, C> | undefined, E | PagesError> | undefined
      const page = !ahead
        ? read
        : Effect.gen(function* () {
            const found = yield* Fiber.join(next ?? (yield* Effect.forkIn(read, scope)))
            // It is read while the consumer has this one, and is interrupted with the stream.
            next = found === undefined || found.last ? undefined : yield* Effect.forkIn(read, scope)
            return found
          })
      return Stream.fromPull(
        Effect.succeed(
          Effect.flatMap(page, (found): Pull.Pull<Arr.NonEmptyReadonlyArray<Read<A, C>>> =>
            found === undefined ? Cause.done() : Effect.succeed(Arr.of(found))
          )
        )
      )
    })
  )
