/**
 * Lists that come in pages, as a `Stream`: every page is a full call, read when it is asked for.
 *
 * A list is a value: `byCursor`, `byLink`, `byUrl`, `byOffset`, `byNumber` and `byConnection` say how its next page is
 * found. `items` reads it, `itemsWithPosition` and `pages` also say where one stands, so that a reader that was killed goes
 * on with `from`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { parseLinks, queryIn } from "./internal/links.ts"
import { type Definition, type Next, streamOf } from "./internal/pages.ts"
import type { PagesError } from "./PagesError.ts"

export { PagesError, type PagesReason } from "./PagesError.ts"

const TypeId = "~breakwater/Pages"

/**
 * A list that comes in pages, and how it is read. It holds no state: every run of its streams begins by itself.
 *
 * `C` is what says where a page begins, `E` and `R` are those of the effect that reads a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pages<out A, in out C, out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: Definition<A, C, E, R>
}

/**
 * Where a reader stands: at the page that begins at `cursor` (the first, without one), of which `taken` items were taken.
 * It is plain JSON, to be stored. `last` is the key of the last item taken, for lists whose items have a `key`.
 *
 * It holds what the provider wrote into its cursor or link: keep it where you keep the items.
 *
 * @category models
 * @since 0.1.0
 */
export interface Position<out C> {
  readonly cursor?: C | undefined
  readonly taken: number
  readonly last?: string | undefined
}

/**
 * The schema of a position, for a store.
 *
 * **Example** (A position as text)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Pages } from "breakwater"
 *
 * const Stored = Schema.fromJsonString(Pages.positionSchema(Schema.String))
 *
 * Schema.encodeSync(Stored)({ cursor: "c7", taken: 40 }) // => '{"cursor":"c7","taken":40}'
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const positionSchema = <C extends Schema.Constraint>(cursor: C) =>
  Schema.Struct({ cursor: Schema.optional(cursor), taken: Schema.Natural, last: Schema.optional(Schema.String) })

/**
 * What every list may say of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in A> {
  /**
   * What names an item, for a list that changes while it is read: an item whose key is among the last 10,000 is dropped,
   * and a position remembers its item instead of a number. Default: none, every item is given.
   */
  readonly key?: ((item: A) => string) | undefined
  /** How many pages one run may read. Default: 10,000. */
  readonly maxPages?: number | undefined
  /** How many pages in a row may hold nothing (or, with `key`, nothing new) and yet name a next one. Default: 100. */
  readonly maxEmpty?: number | undefined
  /**
   * What a page is whose items all equal those of one of the eight pages before it. Default: `"fail"`, it is taken for a
   * provider that does not move on. `"allow"` is for items that nothing tells apart, such as plain numbers. With `key` it
   * does not matter.
   */
  readonly equalPages?: "fail" | "allow" | undefined
}

const Proto = {
  pipe() {
    return pipeArguments(this, arguments)
  }
}

const make = <P, A, C, E, R>(
  options: Options<A> & { readonly items: (page: P) => ReadonlyArray<A> },
  start: C | undefined,
  read: (cursor: C | undefined) => Effect.Effect<P, E, R>,
  next: (page: P, cursor: C | undefined, items: ReadonlyArray<A>) => Next<C>
): Pages<A, C, E, R> =>
  Object.assign(Object.create(Proto), {
    [TypeId]: {
      start,
      read: (cursor: C | undefined) =>
        Effect.map(read(cursor), (page) => {
          const items = options.items(page)
          const { key } = options
          return { items, keys: key === undefined ? undefined : items.map(key), next: next(page, cursor, items) }
        }),
      maxPages: options.maxPages ?? 10_000,
      maxEmpty: options.maxEmpty ?? 100,
      equalPages: options.equalPages ?? "fail"
    } satisfies Definition<A, C, E, R>
  })

const end: Next<never> = { _tag: "End" }
const at = <C>(cursor: C): Next<C> => ({ _tag: "At", cursor })
const lost = (detail: string): Next<never> => ({ _tag: "Lost", detail })

/**
 * Returns whether a value is a `Pages`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPages = (value: unknown): value is Pages<unknown, unknown, unknown, unknown> =>
  Predicate.hasProperty(value, TypeId)

/**
 * A list whose page says where the next one begins: a token of the provider, or the id of the last item.
 *
 * **Details**
 *
 * `next` gives the cursor of the next page; `undefined`, `null` and `""` are the end. Where the page also says whether there
 * are more, `more` decides, and a page with more and no cursor is a `NoPlace`. A cursor that is no string, such as DynamoDB's
 * `LastEvaluatedKey`, is named where `read` takes it: `read: (cursor: Key | undefined) => …`.
 *
 * **Example** (Every item, page by page)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Pages } from "breakwater"
 *
 * const answers = [{ found: [1, 2], next_cursor: "b" }, { found: [3], next_cursor: "" }] as const
 * // A method of an integration, in an application.
 * const search = (query: { cursor: string | undefined }) => Effect.succeed(answers[query.cursor === "b" ? 1 : 0])
 *
 * const found = Pages.byCursor({
 *   read: (cursor) => search({ cursor }),
 *   items: (page) => page.found,
 *   next: (page) => page.next_cursor
 * })
 *
 * await Effect.runPromise(Stream.runCollect(Pages.items(found))) // => [1, 2, 3]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byCursor = <P, A, E, R, C extends NonNullable<unknown> = string>(
  options: Options<A> & {
    readonly read: (cursor: C | undefined) => Effect.Effect<P, E, R>
    readonly items: (page: P) => ReadonlyArray<A>
    readonly next: (page: P) => NoInfer<C> | "" | null | undefined
    readonly more?: ((page: P) => boolean) | undefined
  }
): Pages<A, C, E, R> =>
  make<P, A, C, E, R>(options, undefined, options.read, (page) => {
    const cursor = options.next(page)
    const none = cursor === undefined || cursor === null || cursor === ""
    if (options.more === undefined ? none : !options.more(page)) return end
    return none ? lost("there are more pages, and `next` gives no cursor") : at<C>(cursor)
  })

/**
 * The parameters of a query that say where a page begins, under the names that were asked for.
 *
 * @category models
 * @since 0.1.0
 */
export type Place<Name extends string> = { readonly [K in Name]?: string }

/** What the two readers of an address have in common. */
interface Followed<Name extends string, P, A, E, R> extends Options<A> {
  /** Names of the query's parameters that say where a page begins. Which of them a link has may differ. */
  readonly query: ReadonlyArray<Name>
  /** Reads the page at a place; the first has none of the names. */
  readonly read: (place: Place<Name>) => Effect.Effect<P, E, R>
  readonly items: (page: P) => ReadonlyArray<A>
}

const follow = <Name extends string, P, A, E, R>(
  options: Followed<Name, P, A, E, R>,
  next: (page: P) => Option.Option<string> | { readonly _tag: "Lost"; readonly detail: string }
): Pages<A, Place<Name>, E, R> =>
  make<P, A, Place<Name>, E, R>(
    options,
    {},
    (place) => options.read(place ?? {}),
    (page) => {
      const target = next(page)
      if (target._tag === "Lost") return target
      if (target._tag === "None") return end
      return Option.match(queryIn(target.value, options.query), {
        onNone: () => lost(`the address of the next page has none of: ${options.query.join(", ")}`),
        onSome: at
      })
    }
  )

/**
 * A list whose next page stands in the `Link` header (RFC 8288), as with GitHub, GitLab, Shopify's REST API or Okta.
 *
 * **Details**
 *
 * Of the link only the parameters in `query` are used, and the page is read by the same method as the first: neither a
 * credential nor a request goes to a host that a header names, and a path that the provider wrote otherwise does not matter.
 * A link with none of them, or a header that is not written as the RFC has it, is a `NoPlace`; no header, and no
 * `rel="next"` in it, are the end.
 *
 * **Example** (Two pages of issues)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Pages } from "breakwater"
 *
 * // A method of an integration whose success is declared with `HttpApiSchema.WithHeaders`, in an application.
 * const issues = (query: { page?: string }) =>
 *   Effect.succeed(
 *     query.page === "2"
 *       ? { body: ["third"], headers: {} }
 *       : { body: ["first", "second"], headers: { link: '<https://api.example.com/r/1/issues?page=2>; rel="next"' } }
 *   )
 *
 * const all = Pages.byLink({
 *   query: ["page"],
 *   read: (place) => issues({ ...place }),
 *   items: (page) => page.body,
 *   link: (page): string | undefined => page.headers.link
 * })
 *
 * await Effect.runPromise(Stream.runCollect(Pages.items(all))) // => ["first", "second", "third"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byLink = <const Name extends string, P, A, E, R>(
  options: Followed<Name, P, A, E, R> & {
    /** The header, as it came. */
    readonly link: (page: P) => string | null | undefined
    /** The relation that is followed. Default: `next`. */
    readonly rel?: string | undefined
  }
): Pages<A, Place<Name>, E, R> => {
  const rel = (options.rel ?? "next").toLowerCase()
  return follow(options, (page) =>
    Option.match(parseLinks(options.link(page) ?? ""), {
      onNone: () => ({ _tag: "Lost" as const, detail: "the Link header can't be read" }),
      // A link with an `anchor` leads from another resource than this page.
      onSome: (links) =>
        Option.map(
          Option.fromUndefinedOr(links.find((link) => !link.anchored && link.rels.includes(rel))),
          ({ target }) => target
        )
    })
  )
}

/**
 * A list whose page holds the address of the next one: `next_page_uri` of Twilio, `links.next` of JSON:API, `next` of Django
 * REST framework, `@odata.nextLink`. Only its query is used, as with `byLink`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byUrl = <const Name extends string, P, A, E, R>(
  options: Followed<Name, P, A, E, R> & {
    /** The address of the next page, absolute or relative; `undefined`, `null` and `""` are the end. */
    readonly url: (page: P) => string | null | undefined
  }
): Pages<A, Place<Name>, E, R> =>
  follow(options, (page) => {
    const url = options.url(page)
    return url === undefined || url === null || url === "" ? Option.none() : Option.some(url)
  })

/**
 * A list that is read from the n-th item on.
 *
 * **Details**
 *
 * The next page begins behind the items of this one, or `step` further, for a provider that leaves items out of a page
 * after counting it. The end is where `total` is reached, where `more` says so, or, with neither, at a page without items:
 * that a page is short is no sign of the end, since a provider may cap what it gives.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byOffset = <P, A, E, R>(
  options: Options<A> & {
    readonly read: (offset: number) => Effect.Effect<P, E, R>
    readonly items: (page: P) => ReadonlyArray<A>
    /** How many items the whole list has. */
    readonly total?: ((page: P) => number) | undefined
    /** Whether there are more behind this page. */
    readonly more?: ((page: P) => boolean) | undefined
    /** How far it is from one page to the next. Default: as many as the page has items. */
    readonly step?: number | undefined
    /** Default: 0. */
    readonly first?: number | undefined
  }
): Pages<A, number, E, R> => {
  const first = options.first ?? 0
  return make<P, A, number, E, R>(
    options,
    first,
    (offset) => options.read(offset ?? first),
    (page, offset = first, items) => {
      const next = offset + (options.step ?? items.length)
      const more =
        options.more?.(page) ?? (options.total === undefined ? undefined : next - first < options.total(page))
      return (more ?? items.length > 0) ? at(next) : end
    }
  )
}

/**
 * A list whose pages are numbered. The end is where `count` pages were read, where `more` says so, or, with neither, at a page
 * without items.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byNumber = <P, A, E, R>(
  options: Options<A> & {
    readonly read: (page: number) => Effect.Effect<P, E, R>
    readonly items: (page: P) => ReadonlyArray<A>
    /** How many pages there are. */
    readonly count?: ((page: P) => number) | undefined
    /** Whether there are more behind this page. */
    readonly more?: ((page: P) => boolean) | undefined
    /** The number of the first page. Default: 1. */
    readonly first?: number | undefined
  }
): Pages<A, number, E, R> => {
  const first = options.first ?? 1
  return make<P, A, number, E, R>(
    options,
    first,
    (number) => options.read(number ?? first),
    (page, number = first, items) => {
      const next = number + 1
      const more =
        options.more?.(page) ?? (options.count === undefined ? undefined : next - first < options.count(page))
      return (more ?? items.length > 0) ? at(next) : end
    }
  )
}

/**
 * A connection of GraphQL, after Relay's specification. Ask for `nodes` or `edges { node }`, and for
 * `pageInfo { hasNextPage endCursor }`.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection<A> = {
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor?: string | null | undefined }
} & ({ readonly nodes: ReadonlyArray<A> } | { readonly edges: ReadonlyArray<{ readonly node: A }> })

/**
 * A list that is a GraphQL connection, read forward. `after` is `null` for the first page, as a variable may be.
 *
 * **Example** (Orders of a shop)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Pages } from "breakwater"
 *
 * const orders = (variables: { after: string | null }) =>
 *   Effect.succeed({
 *     shop: {
 *       orders: {
 *         edges: [{ node: variables.after === null ? "order-1" : "order-2" }],
 *         pageInfo: { hasNextPage: variables.after === null, endCursor: "abc" }
 *       }
 *     }
 *   })
 *
 * const all = Pages.byConnection({ read: (after) => orders({ after }), connection: (data) => data.shop.orders })
 *
 * await Effect.runPromise(Stream.runCollect(Pages.items(all))) // => ["order-1", "order-2"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byConnection = <P, A, E, R>(
  options: Options<A> & {
    readonly read: (after: string | null) => Effect.Effect<P, E, R>
    readonly connection: (page: P) => Connection<A>
  }
): Pages<A, string, E, R> =>
  make<P, A, string, E, R>(
    {
      ...options,
      items: (page) => {
        const connection = options.connection(page)
        return "nodes" in connection ? connection.nodes : connection.edges.map(({ node }) => node)
      }
    },
    undefined,
    (after) => options.read(after ?? null),
    (page) => {
      const { endCursor, hasNextPage } = options.connection(page).pageInfo
      if (!hasNextPage) return end
      return endCursor === undefined || endCursor === null
        ? lost("`hasNextPage` is true, and there is no `endCursor`")
        : at(endCursor)
    }
  )

/**
 * How a list is read this time.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions<out C> {
  /** Where to go on. Default: at the beginning. */
  readonly from?: Position<C> | undefined
  /** How many pages are read before they are asked for. Default: 0. */
  readonly prefetch?: 0 | 1 | undefined
}

const open = <A, C, E, R>(self: Pages<A, C, E, R>, options: ReadOptions<C> = {}) =>
  streamOf(self[TypeId], options.from, options.prefetch === 1)

/**
 * Every item of a list, in its order.
 *
 * **Details**
 *
 * A page is read when an item of it is asked for, and not before (`prefetch: 1` reads one ahead). Each is a full call of
 * `read`, with whatever deadline, retries and span that has; the errors are those of `read`, untouched, and `PagesError` for
 * pages that would never end. `Deadline.within` around the program that runs the stream bounds all pages together.
 *
 * @category streams
 * @since 0.1.0
 */
export const items = <A, C, E, R>(
  self: Pages<A, C, E, R>,
  options?: ReadOptions<C>
): Stream.Stream<A, E | PagesError, R> => Stream.flattenIterable(Stream.map(open(self, options), (page) => page.items))

/**
 * An item, and where one stands after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Positioned<out A, out C> {
  readonly item: A
  readonly after: Position<C>
}

/**
 * Every item of a list with the position after it: what a reader stores who may be killed, and gives as `from` later.
 *
 * **Details**
 *
 * Resumed at `after`, a list whose pages do not change gives the items behind this one, each once, whether it was the last of
 * its page or not. Store the position in the transaction that does something about the item, and each is done about once.
 * After the last item of all, the position is behind it on the last page: resumed there, a list that has grown gives what is
 * new.
 *
 * **Example** (Killed after two, resumed)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Pages } from "breakwater"
 *
 * const letters = Pages.byOffset({
 *   read: (offset) => Effect.succeed(["a", "b", "c", "d", "e"].slice(offset, offset + 3)),
 *   items: (page) => page
 * })
 *
 * const two = await Effect.runPromise(Stream.runCollect(Stream.take(Pages.itemsWithPosition(letters), 2)))
 * const from = two[1]!.after // => { cursor: 0, taken: 2 }
 *
 * await Effect.runPromise(Stream.runCollect(Pages.items(letters, { from }))) // => ["c", "d", "e"]
 * ```
 *
 * @category streams
 * @since 0.1.0
 */
export const itemsWithPosition = <A, C, E, R>(
  self: Pages<A, C, E, R>,
  options?: ReadOptions<C>
): Stream.Stream<Positioned<A, C>, E | PagesError, R> =>
  Stream.flattenIterable(
    Stream.map(open(self, options), (page) => page.items.map((item, index) => ({ item, after: page.after(index) })))
  )

/**
 * A page, and where one stands before and after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<out A, out C> {
  /** Without those that an earlier run has taken, and without doubles; it may be empty. */
  readonly items: ReadonlyArray<A>
  readonly before: Position<C>
  readonly after: Position<C>
  /** Whether it is the end of the list. */
  readonly last: boolean
}

/**
 * Every page of a list, empty ones too, for a reader that does something about a page at once: it stores `after` with it.
 *
 * @category streams
 * @since 0.1.0
 */
export const pages = <A, C, E, R>(
  self: Pages<A, C, E, R>,
  options?: ReadOptions<C>
): Stream.Stream<Page<A, C>, E | PagesError, R> =>
  Stream.map(open(self, options), (page) => ({
    items: page.items,
    before: page.begin,
    after: page.end,
    last: page.last
  }))
