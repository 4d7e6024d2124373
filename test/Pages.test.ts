import { assert, describe, it } from "@effect/vitest"
import { Deadline, Exhaustion, Integration, Operation, Pages, Policy } from "breakwater"
import { Arbitrary, Data, Effect, Exit, Fiber, Latch, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { parseLinks, queryIn } from "../src/internal/links.ts"
import { makeGuard, makeWindow, remembered } from "../src/internal/pages.ts"
import { between, oneOf, quiet, tries } from "./properties/support.ts"

// ---- one list, read in each way

interface Answer {
  readonly found: ReadonlyArray<number>
  readonly next: number | undefined
}

/** A provider of pages that do not change. `reads` are the pages that it was asked for. */
const provider = (pages: ReadonlyArray<ReadonlyArray<number>>) => {
  const reads: Array<number> = []
  const answer = (page: number): Effect.Effect<Answer> =>
    Effect.sync(() => {
      reads.push(page)
      return { found: pages[page] ?? [], next: page + 1 < pages.length ? page + 1 : undefined }
    })
  return { reads, answer, all: pages.flat() }
}

type Read = (page: number) => Effect.Effect<Answer>
type Options = Pages.Options<number>

const kinds = {
  byCursor: (read: Read, options: Options = {}) =>
    Pages.byCursor({
      ...options,
      read: (cursor) => read(cursor === undefined ? 0 : Number(cursor.slice(1))),
      items: (page) => page.found,
      next: (page) => (page.next === undefined ? "" : `c${page.next}`)
    }),
  byLink: (read: Read, options: Options = {}) =>
    Pages.byLink({
      ...options,
      query: ["page"],
      read: (place) => read(Number(place.page ?? "0")),
      items: (page) => page.found,
      link: (page) => (page.next === undefined ? undefined : `<?page=${page.next}>; rel="next"`)
    }),
  byUrl: (read: Read, options: Options = {}) =>
    Pages.byUrl({
      ...options,
      query: ["after"],
      read: (place) => read(Number(place.after ?? "0")),
      items: (page) => page.found,
      url: (page) => (page.next === undefined ? null : `https://elsewhere.test/list?after=${page.next}&size=3`)
    }),
  byNumber: (read: Read, options: Options = {}) =>
    Pages.byNumber({
      ...options,
      read: (page) => read(page - 1),
      items: (page) => page.found,
      more: (page) => page.next !== undefined
    }),
  byOffset: (read: Read, options: Options = {}) =>
    // Each page stands for ten places of the list, of which the provider leaves some out.
    Pages.byOffset({
      ...options,
      read: (offset) => read(offset / 10),
      items: (page) => page.found,
      more: (page) => page.next !== undefined,
      step: 10
    }),
  byConnection: (read: Read, options: Options = {}) =>
    Pages.byConnection({
      ...options,
      read: (after) => read(after === null ? 0 : Number(after)),
      connection: (page) => ({
        edges: page.found.map((node) => ({ node })),
        pageInfo: { hasNextPage: page.next !== undefined, endCursor: page.next === undefined ? null : `${page.next}` }
      })
    })
}

type Kind = keyof typeof kinds
const names = Object.keys(kinds) as ReadonlyArray<Kind>

/** All of them as one type: what says where a page begins is stored as JSON in any case. */
const listOf = (kind: Kind, read: Read, options?: Options) =>
  kinds[kind](read, options) as unknown as Pages.Pages<number, never>

/** What a process keeps over its death. */
const stored = (position: Pages.Position<unknown>) => JSON.parse(JSON.stringify(position)) as Pages.Position<never>

/** A list of lists, some empty, whose items are 0, 1, 2 … */
const lists = Arbitrary.map(Arbitrary.array(between(0, 4), { minLength: 1, maxLength: 8 }), (sizes) => {
  let count = 0
  return sizes.map((size) => Array.from({ length: size }, () => count++))
})

class Killed extends Data.TaggedError("Killed") {}

const reasonOf = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.map(Effect.flip(Stream.runDrain(stream)), (error) =>
    error instanceof Pages.PagesError ? error.reason : error
  )

describe("Pages: every way to read the same list", () => {
  it.effect.prop(
    "gives all items once, in order, and asks for every page once",
    { kind: oneOf(names), pages: lists, keyed: oneOf([false, true]), prefetch: oneOf([0, 1] as const) },
    ({ keyed, kind, pages, prefetch }) =>
      Effect.gen(function* () {
        const { all, answer, reads } = provider(pages)
        const list = listOf(kind, answer, keyed ? { key: String } : {})
        assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(list, { prefetch })), all)
        assert.deepStrictEqual(reads, [...pages.keys()])
        // A list is a value: what was read once is read from its beginning again.
        assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(list, { prefetch })), all)
      }),
    tries(200)
  )

  it.effect.prop(
    "killed and resumed, gives the same items once",
    {
      kind: oneOf(names),
      pages: lists,
      keyed: oneOf([false, true]),
      prefetch: oneOf([0, 1] as const),
      // After how many events (a page that is asked for, an item that is done) each run is killed.
      kills: Arbitrary.array(between(1, 9), { minLength: 1, maxLength: 6 })
    },
    ({ keyed, kills, kind, pages, prefetch }) =>
      Effect.gen(function* () {
        const { all, answer } = provider(pages)
        const done: Array<number> = []
        let from: Pages.Position<never> | undefined
        let left = Number.POSITIVE_INFINITY
        const event = Effect.suspend(() => (left-- <= 0 ? Effect.interrupt : Effect.void))
        const list = listOf(kind, (page) => Effect.andThen(event, answer(page)), keyed ? { key: String } : {})
        const run = Effect.suspend(() =>
          Stream.runForEach(Pages.itemsWithPosition(list, { from, prefetch }), ({ after, item }) =>
            Effect.andThen(
              event,
              // An item is done, and the position stored, in one transaction.
              Effect.sync(() => {
                done.push(item)
                from = stored(after)
              })
            )
          )
        )
        for (const kill of kills) {
          left = kill
          yield* Effect.exit(Effect.flatMap(Effect.forkChild(run), Fiber.join))
        }
        left = Number.POSITIVE_INFINITY
        yield* run
        assert.deepStrictEqual(done, all)
      }),
    tries(400)
  )

  it.effect.prop(
    "page by page: killed after any page and resumed, the same pages once",
    {
      kind: oneOf(names),
      pages: lists,
      keyed: oneOf([false, true]),
      taken: between(0, 8),
      prefetch: oneOf([0, 1] as const)
    },
    ({ keyed, kind, pages, prefetch, taken }) =>
      Effect.gen(function* () {
        const { answer } = provider(pages)
        const list = listOf(kind, answer, keyed ? { key: String } : {})
        const all = yield* Stream.runCollect(Pages.pages(list, { prefetch }))
        assert.deepStrictEqual(
          all.map(({ items }) => items),
          pages
        )
        assert.deepStrictEqual(
          all.map(({ last }) => last),
          pages.map((_, index) => index === pages.length - 1)
        )
        const first = all.slice(0, taken)
        const from = first.length === 0 ? undefined : stored(first.at(-1)!.after)
        const rest = yield* Stream.runCollect(Pages.pages(list, { from, prefetch }))
        // Behind the last page, it is read once more: it could have grown.
        const again = taken >= pages.length ? [[]] : pages.slice(taken)
        assert.deepStrictEqual(
          rest.map(({ items }) => items),
          again
        )
        // Each page begins where the one before it ended, and gives the same again when read from there.
        for (const page of all) {
          const [same] = yield* Stream.runCollect(Stream.take(Pages.pages(list, { from: stored(page.before) }), 1))
          assert.deepStrictEqual(same!.items, page.items)
          assert.deepStrictEqual(same!.after, page.after)
        }
      }),
    tries(150)
  )
})

describe("Pages: where the end is", () => {
  const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)

  it.effect("an offset moves by what came, and a short page is no end", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const capped = Pages.byOffset({
        // Ten were asked for; the provider never gives more than four.
        read: (offset) => Effect.sync(() => (asked.push(offset), range(offset, Math.min(offset + 4, 10)))),
        items: (page) => page
      })
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(capped)), range(0, 10))
      assert.deepStrictEqual(asked, [0, 4, 8, 10])
    })
  )

  it.effect("a total spares the page behind the end, from wherever it is counted", () =>
    Effect.gen(function* () {
      for (const first of [0, 1]) {
        const asked: Array<number> = []
        const list = Pages.byOffset({
          read: (offset) =>
            Effect.sync(() => {
              asked.push(offset)
              return { of: 9, found: range(offset, Math.min(offset + 3, 9 + first)) }
            }),
          items: (page) => page.found,
          total: (page) => page.of,
          first
        })
        assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(list)), range(first, 9 + first))
        assert.deepStrictEqual(asked, [first, first + 3, first + 6])
      }
    })
  )

  it.effect("a count of pages, or a page without items, ends numbered pages", () =>
    Effect.gen(function* () {
      const read = (asked: Array<number>) => (page: number) =>
        Effect.sync(() => {
          asked.push(page)
          return { pages: 3, found: page <= 3 ? [page] : [] }
        })
      const [counted, uncounted]: [Array<number>, Array<number>] = [[], []]
      const items = (page: { readonly found: ReadonlyArray<number> }) => page.found
      const one = Pages.byNumber({ read: read(counted), items, count: (page) => page.pages })
      const other = Pages.byNumber({ read: read(uncounted), items })
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(one)), [1, 2, 3])
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(other)), [1, 2, 3])
      assert.deepStrictEqual([counted, uncounted], [range(1, 4), range(1, 5)])
    })
  )

  it.effect("`more` decides over a cursor that is always there, and one that is missing is no end", () =>
    Effect.gen(function* () {
      const stripe = (hasMore: (last: number) => boolean) =>
        Pages.byCursor({
          read: (cursor: number | undefined = 0) =>
            Effect.succeed({ data: range(cursor + 1, cursor + 3), has_more: hasMore(cursor + 2) }),
          items: (page) => page.data,
          next: (page) => page.data.at(-1),
          more: (page) => page.has_more
        })
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(stripe((last) => last < 6))), range(1, 7))
      const lost = Pages.byCursor({
        read: () => Effect.succeed({ data: [], has_more: true }),
        items: (page) => page.data,
        next: () => undefined,
        more: (page) => page.has_more
      })
      assert.strictEqual(yield* reasonOf(Pages.items(lost)), "NoPlace")
    })
  )

  it.effect("a connection with `nodes`, and one that says there is more and not where", () =>
    Effect.gen(function* () {
      const list = (endCursor: string | null | undefined) =>
        Pages.byConnection({
          read: (after) =>
            Effect.succeed({ nodes: [after ?? "first"], pageInfo: { hasNextPage: after === null, endCursor } }),
          connection: (page) => page
        })
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(list("b"))), ["first", "b"])
      for (const none of [null, undefined]) {
        const seen: Array<string> = []
        const exit = yield* Effect.flip(
          Stream.runForEach(Pages.items(list(none)), (item) => Effect.sync(() => seen.push(item)))
        )
        assert.strictEqual(exit.reason, "NoPlace")
        assert.deepStrictEqual(seen, ["first"])
      }
    })
  )

  it.effect("a list that has grown gives what is new, from the position behind its end", () =>
    Effect.gen(function* () {
      const items = [1, 2, 3]
      const list = Pages.byOffset({
        read: (offset) => Effect.sync(() => items.slice(offset, offset + 2)),
        items: (page) => page,
        total: () => items.length
      })
      const first = yield* Stream.runCollect(Pages.itemsWithPosition(list))
      items.push(4, 5)
      const rest = yield* Stream.runCollect(Pages.items(list, { from: first.at(-1)!.after }))
      assert.deepStrictEqual(rest, [4, 5])
    })
  )
})

describe("Pages: what would never end", () => {
  const numbers = (
    next: (page: number) => number | undefined,
    found: (page: number) => ReadonlyArray<unknown>,
    options: Pages.Options<unknown> = {}
  ) => {
    const asked: Array<number> = []
    const list = Pages.byCursor({
      ...options,
      read: (cursor: number | undefined = 0) =>
        Effect.sync(() => {
          asked.push(cursor)
          return cursor
        }),
      items: found,
      next
    })
    return { asked, list }
  }

  it.effect("a circle, after one reading of each page", () =>
    Effect.gen(function* () {
      const { asked, list } = numbers(
        (page) => (page === 3 ? 1 : page + 1),
        (page) => [page, -page]
      )
      const seen: Array<unknown> = []
      const error = yield* Effect.flip(
        Stream.runForEach(Pages.items(list), (item) => Effect.sync(() => seen.push(item)))
      )
      assert.deepStrictEqual(asked, [0, 1, 2, 3])
      assert.strictEqual(seen.length, 8)
      assert.deepStrictEqual([error.reason, error.pages, error.items], ["Repeated", 4, 8])
      assert.strictEqual(
        error.message,
        "after 4 pages and 8 items: the place of the next page was read already, so that there would be no end; check what says where the next page is, and that the provider moves on"
      )
    })
  )

  it.effect("a circle that is longer than what is remembered of it", () =>
    Effect.gen(function* () {
      const length = 5_000
      const { asked, list } = numbers(
        (page) => (page + 1) % length,
        (page) => [page],
        { maxPages: 1_000_000 }
      )
      assert.strictEqual(yield* reasonOf(Pages.items(list)), "Repeated")
      assert.isBelow(asked.length, 3 * length)
    })
  )

  it.effect("an offset that stays where it is", () =>
    Effect.gen(function* () {
      const list = Pages.byOffset({ read: () => Effect.succeed([]), items: (page) => page, more: () => true })
      assert.strictEqual(yield* reasonOf(Pages.items(list)), "Repeated")
    })
  )

  it.effect("one content under ever new cursors, told apart from pages that happen to be equal", () =>
    Effect.gen(function* () {
      const same = numbers(
        (page) => page + 1,
        () => [{ id: "a", at: new Date(0) }]
      )
      const seen: Array<unknown> = []
      const error = yield* Effect.flip(
        Stream.runForEach(Pages.items(same.list), (item) => Effect.sync(() => seen.push(item)))
      )
      assert.deepStrictEqual([error.reason, error.pages, error.items, seen.length], ["Unchanging", 2, 1, 1])

      const turns = numbers(
        (page) => page + 1,
        (page) => [{ id: page % 8 }]
      )
      assert.strictEqual(yield* reasonOf(Pages.items(turns.list)), "Unchanging")
      assert.strictEqual(turns.asked.length, 9)

      const allowed = numbers(
        (page) => (page < 4 ? page + 1 : undefined),
        () => [7],
        { equalPages: "allow" }
      )
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(allowed.list)), [7, 7, 7, 7, 7])
    })
  )

  it.effect("empty pages are no end, but not for ever", () =>
    Effect.gen(function* () {
      const sparse = numbers(
        (page) => (page < 20 ? page + 1 : undefined),
        (page) => (page % 5 === 0 ? [page] : []),
        { maxEmpty: 4 }
      )
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(sparse.list)), [0, 5, 10, 15, 20])
      const void_ = numbers(
        (page) => page + 1,
        () => [],
        { maxEmpty: 4 }
      )
      assert.strictEqual(yield* reasonOf(Pages.items(void_.list)), "TooEmpty")
      assert.strictEqual(void_.asked.length, 5)
      const doubles = numbers(
        (page) => page + 1,
        () => ["a"],
        { maxEmpty: 4, key: String }
      )
      assert.strictEqual(yield* reasonOf(Pages.items(doubles.list)), "Unchanging")
      assert.strictEqual(doubles.asked.length, 6)
    })
  )

  it.effect("more pages than one run may read; the next goes on from there", () =>
    Effect.gen(function* () {
      const { asked, list } = numbers(
        (page) => (page < 5 ? page + 1 : undefined),
        (page) => [page],
        { maxPages: 3 }
      )
      let from: Pages.Position<number> | undefined
      const seen: Array<unknown> = []
      const run = Effect.suspend(() =>
        Stream.runForEach(Pages.pages(list, { from }), ({ after, items }) =>
          Effect.sync(() => {
            seen.push(...items)
            from = after
          })
        )
      )
      const error = yield* Effect.flip(run)
      assert.deepStrictEqual([error.reason, error.pages, asked.length], ["TooMany", 3, 3])
      assert.include(error.message, "there are more than 3 pages (`maxPages`)")
      yield* run
      assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5])
    })
  )

  it.effect("options and positions that can't be are refused before anything is read", () =>
    Effect.gen(function* () {
      for (const options of [
        { maxPages: 0 },
        { maxPages: 1.5 },
        { maxPages: Infinity },
        { maxEmpty: -1 },
        { maxEmpty: NaN }
      ]) {
        const { asked, list } = numbers(
          () => undefined,
          () => [],
          options
        )
        assert.strictEqual(yield* reasonOf(Pages.items(list)), "Invalid")
        assert.strictEqual(asked.length, 0)
      }
      for (const taken of [-1, 0.5, NaN]) {
        const { asked, list } = numbers(
          () => undefined,
          () => []
        )
        assert.strictEqual(yield* reasonOf(Pages.items(list, { from: { taken } })), "Invalid")
        assert.strictEqual(asked.length, 0)
      }
    })
  )

  it("remembers no more of 100,000 pages than of 10,000", () => {
    const guard = makeGuard()
    const keys = makeWindow(remembered.keys)
    let most = { places: 0, pages: 0, keys: 0 }
    for (let page = 0; page < 100_000; page++) {
      assert.isTrue(guard.enter(`cursor ${page}`))
      assert.isTrue(guard.differs([page]))
      for (const item of [0, 1, 2]) keys.add(`${page}/${item}`)
      const { pages, places } = guard.sizes()
      most = {
        places: Math.max(most.places, places),
        pages: Math.max(most.pages, pages),
        keys: Math.max(most.keys, keys.size())
      }
    }
    assert.deepStrictEqual(most, { places: 1_001, pages: 8, keys: 10_000 })
  })

  it.effect("reads 100,000 pages where that is allowed", () =>
    Effect.gen(function* () {
      const { list } = numbers(
        (page) => (page < 99_999 ? page + 1 : undefined),
        (page) => [page],
        { maxPages: 100_000 }
      )
      assert.strictEqual(yield* Stream.runCount(Pages.items(list)), 100_000)
    })
  )
})

describe("Pages: a list that changes while it is read", () => {
  /** Newest first, three to a page. */
  const feed = (items: Array<string>, key?: (item: string) => string) =>
    Pages.byOffset({
      key,
      read: (offset) => Effect.sync(() => items.slice(offset, offset + 3)),
      items: (page) => page,
      step: 3,
      total: () => items.length
    })

  it.effect("what moves on to the next page is given once, by its key", () =>
    Effect.gen(function* () {
      for (const key of [undefined, (item: string) => item]) {
        const items = ["f", "e", "d", "c", "b", "a"]
        const seen: Array<string> = []
        yield* Stream.runForEach(Pages.items(feed(items, key)), (item) =>
          Effect.sync(() => {
            seen.push(item)
            if (item === "d" && items.length === 6) items.unshift("g")
          })
        )
        assert.deepStrictEqual(
          seen,
          key === undefined ? ["f", "e", "d", "d", "c", "b", "a"] : ["f", "e", "d", "c", "b", "a"]
        )
      }
    })
  )

  it.effect("a position with a key finds its item again, wherever it is on the page by now", () =>
    Effect.gen(function* () {
      const after = (items: Array<string>, count: number) =>
        Effect.map(
          Stream.runCollect(Stream.take(Pages.itemsWithPosition(feed(items, String)), count)),
          (all) => all.at(-1)!.after
        )
      const from = yield* after(["f", "e", "d", "c"], 2)
      assert.deepStrictEqual(from, { cursor: 0, taken: 2, last: "e" })
      const rest = (items: Array<string>) => Stream.runCollect(Pages.items(feed(items, String), { from }))
      assert.deepStrictEqual(yield* rest(["f", "e", "d", "c"]), ["d", "c"])
      // "f" was deleted: two were taken, and "e" is the first now.
      assert.deepStrictEqual(yield* rest(["e", "d", "c"]), ["d", "c"])
      assert.deepStrictEqual(yield* rest(["g", "f", "e", "d", "c"]), ["d", "c"])
      // "e" itself was deleted: rather twice than never.
      assert.deepStrictEqual(yield* rest(["f", "d", "c"]), ["f", "d", "c"])
    })
  )

  it.effect("doubles on one page are given once, and killed between them, too", () =>
    Effect.gen(function* () {
      const list = Pages.byCursor({
        key: String,
        read: () => Effect.succeed(["a", "b", "a", "c", "b"]),
        items: (page) => page,
        next: () => undefined
      })
      const all = yield* Stream.runCollect(Pages.itemsWithPosition(list))
      assert.deepStrictEqual(
        all.map(({ item }) => item),
        ["a", "b", "c"]
      )
      for (const [index, { after }] of all.entries()) {
        const rest = yield* Stream.runCollect(Pages.items(list, { from: stored(after) }))
        assert.deepStrictEqual(rest, ["a", "b", "c"].slice(index + 1))
      }
    })
  )

  it.effect("without a key, a page that has become shorter than what was taken of it is told, not passed over", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(Pages.items(feed(["a"]), { from: { cursor: 0, taken: 2 } })))
      assert.deepStrictEqual([error.reason, error.pages, error.items], ["Moved", 1, 0])
    })
  )
})

describe("Pages: the reads", () => {
  it.effect("a page is read when it is asked for, or one ahead", () =>
    Effect.gen(function* () {
      for (const prefetch of [0, 1] as const) {
        const { answer, reads } = provider([
          [0, 1],
          [2, 3],
          [4, 5],
          [6, 7],
          [8, 9]
        ])
        const most: Array<number> = []
        yield* Stream.runForEach(Stream.take(Pages.items(listOf("byCursor", answer), { prefetch }), 5), () =>
          Effect.andThen(
            // Whatever could run by now, has.
            Effect.repeat(Effect.yieldNow, { times: 20 }),
            Effect.sync(() => most.push(reads.length))
          )
        )
        assert.deepStrictEqual(most, prefetch === 0 ? [1, 1, 2, 2, 3] : [2, 2, 3, 3, 4])
      }
    })
  )

  it.effect("whose stream ends early or is interrupted, they are interrupted, and none follows", () =>
    Effect.gen(function* () {
      for (const prefetch of [0, 1] as const) {
        const began = yield* Latch.make()
        const log: Array<string> = []
        const list = listOf("byNumber", (page) =>
          page === 0
            ? Effect.succeed({ found: [0], next: 1 })
            : Effect.andThen(
                began.open,
                Effect.onInterrupt(Effect.never, () => Effect.sync(() => log.push("interrupted")))
              )
        )
        const fiber = yield* Effect.forkChild(Stream.runDrain(Pages.items(list, { prefetch })))
        yield* began.await
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(log, ["interrupted"])
        if (prefetch === 1) {
          // The consumer has its item, and nobody waits for the page that is read ahead.
          assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(Pages.items(list, { prefetch }), 1)), [0])
          assert.isAtMost(log.length, 2)
        }
      }
    })
  )

  it.effect("an error of a read is the stream's error, untouched, after the items before it; a retry begins anew", () =>
    Effect.gen(function* () {
      for (const prefetch of [0, 1] as const) {
        let broken = true
        const { answer, reads } = provider([[0], [1], [2]])
        const list = Pages.byNumber({
          read: (page) => (page === 2 && broken ? Effect.fail(new Killed()) : answer(page - 1)),
          items: (page) => page.found,
          more: (page) => page.next !== undefined
        })
        const seen: Array<number> = []
        const run = Stream.runForEach(Pages.items(list, { prefetch }), (item) => Effect.sync(() => seen.push(item)))
        const error: Killed | Pages.PagesError = yield* Effect.flip(run)
        assert.deepStrictEqual(error, new Killed())
        assert.deepStrictEqual(seen, [0])
        broken = false
        yield* run
        assert.deepStrictEqual(seen, [0, 0, 1, 2])
        assert.deepStrictEqual(reads, [0, 0, 1, 2])
      }
    })
  )
})

class Slow extends Data.TaggedError("Slow")<{ readonly outcome: string }> {}

class Shelf extends Integration.Service<Shelf>()(
  "test/Shelf",
  {
    policy: Policy.standard(),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome }) => new Slow({ outcome })
  },
  {
    list: Operation.query("list", {
      input: Schema.Struct({ page: Schema.Int }),
      success: Schema.Struct({ found: Schema.Array(Schema.Int), chain: Schema.Array(Schema.String) }),
      send: ({ page }) =>
        Effect.gen(function* () {
          yield* Effect.sleep("1 second")
          const chain: Array<string> = []
          let span = yield* Effect.option(Effect.currentSpan)
          while (Option.isSome(span)) {
            chain.push(span.value.name)
            span = Option.filter(span.value.parent, (parent) => parent._tag === "Span")
          }
          return { found: [page], chain }
        })
    })
  }
) {}

describe("Pages: over an integration", () => {
  const pages = Effect.map(Shelf, (shelf) =>
    Pages.byNumber({
      read: (page) => shelf.list({ page }),
      items: (page) => page.found.map((number) => ({ number, chain: page.chain })),
      more: (page) => page.found[0]! < 9
    })
  )
  const virtually = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.exit(self))
      yield* TestClock.adjust("2 minutes")
      return yield* Fiber.join(fiber)
    })

  it.effect("a deadline around the run bounds all pages together", () =>
    Effect.gen(function* () {
      for (const prefetch of [0, 1] as const) {
        const list = yield* pages
        const seen: Array<number> = []
        const run = Stream.runForEach(Pages.items(list, { prefetch }), ({ number }) =>
          Effect.sync(() => seen.push(number))
        )
        const exit = yield* virtually(Deadline.within(run, "2500 millis"))
        assert.deepStrictEqual(seen, [1, 2])
        assert.deepStrictEqual(exit, Exit.fail(new Slow({ outcome: "Unknown" })))
        // Each page has its own time without it: nine take longer than any one might.
        seen.length = 0
        assert.isTrue(Exit.isSuccess(yield* virtually(run)))
        assert.strictEqual(seen.length, 9)
      }
    }).pipe(Effect.provide([Integration.layer(Shelf), quiet]))
  )

  it.effect("every page is a call with a span, below the one around the run", () =>
    Effect.gen(function* () {
      for (const prefetch of [0, 1] as const) {
        const list = yield* pages
        const exit = yield* virtually(Effect.withSpan(Stream.runCollect(Pages.items(list, { prefetch })), "sync"))
        assert.isTrue(Exit.isSuccess(exit))
        if (Exit.isFailure(exit)) continue
        assert.strictEqual(exit.value.length, 9)
        for (const { chain } of exit.value) {
          assert.isAtLeast(chain.length, 3)
          assert.strictEqual(chain.at(-1), "sync")
        }
      }
    }).pipe(Effect.provide([Integration.layer(Shelf), quiet]))
  )
})

describe("Pages: the Link header (RFC 8288)", () => {
  const next = (header: string) =>
    Option.map(
      parseLinks(header),
      (links) => links.find(({ anchored, rels }) => !anchored && rels.includes("next"))?.target
    )

  it.each<[string, string | undefined]>([
    ["", undefined],
    [" , ,", undefined],
    ['<https://a/?page=2>; rel="next"', "https://a/?page=2"],
    ["<?page=2>;rel=next", "?page=2"],
    ['<?page=2> ; REL = "Next"', "?page=2"],
    ['<?page=1>; rel="prev", <?page=3>; rel="next"', "?page=3"],
    ['<?page=9>; rel="prefetch  next\tlast"', "?page=9"],
    ['<?page=9>; rel="nextish"', undefined],
    ['<?page=1>; rel="prev"; rel="next"', undefined],
    ['<?q=a,b;rel=next&page=1>; rel="first", <?page=2>; rel=next', "?page=2"],
    ['<?page=1>; title="a, <b>; rel=\\"next\\""; rel=prev, <?page=2>; title="\\\\"; rel=next', "?page=2"],
    ['<?page=1>; rel="next"; anchor="/other", <?page=2>; rel="next"', "?page=2"],
    ["<?page=2>; rel=next;", "?page=2"],
    ["<?page=2>;; crossorigin; title*=UTF-8''n%20e; rel=next", "?page=2"],
    [",<?page=2>; rel=next,,<?page=3>; rel=last ", "?page=2"],
    ["<>; rel=self", undefined]
  ])("reads %s", (header, target) => {
    assert.deepStrictEqual(next(header), Option.some(target))
  })

  it.each(["page=2", "<?page=2", '<?page=2>; rel="next', "<?page=2> rel=next", "<a>; rel=next <b>", "<a>; rel=@"])(
    "can't read %s, and does not take it for the end",
    (header) => {
      assert.deepStrictEqual(parseLinks(header), Option.none())
    }
  )

  it("takes of an address what was asked for, and nothing else", () => {
    const names = ["page", "after"] as const
    assert.deepStrictEqual(queryIn("https://evil.test/x?page=2&admin=1#after=3", names), Option.some({ page: "2" }))
    assert.deepStrictEqual(queryIn("/x?after=a%2Bb+c%3D", names), Option.some({ after: "a+b c=" }))
    assert.deepStrictEqual(queryIn("?page=", names), Option.some({ page: "" }))
    for (const none of ["/x?before=2", "", "https://[", "/page=2"])
      assert.deepStrictEqual(queryIn(none, names), Option.none())
  })

  it.effect("a header that can't be read, and a link without a known place, end the stream loudly", () =>
    Effect.gen(function* () {
      for (const link of ["page=2", '<https://a/?before=a>; rel="next"']) {
        const list = Pages.byLink({
          query: ["page"],
          read: () => Effect.succeed([1]),
          items: (page) => page,
          link: () => link
        })
        const error = yield* Effect.flip(Stream.runDrain(Pages.items(list)))
        assert.deepStrictEqual([error.reason, error.pages, error.items], ["NoPlace", 1, 1])
        assert.notInclude(error.message, "before")
      }
      const last = Pages.byLink({
        query: ["page"],
        rel: "NEXT",
        read: () => Effect.succeed([1]),
        items: (page) => page,
        link: () => null
      })
      assert.deepStrictEqual(yield* Stream.runCollect(Pages.items(last)), [1])
    })
  )
})
