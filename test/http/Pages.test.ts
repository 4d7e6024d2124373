// Every way to read a list, by methods of an integration, over sockets.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, Integration, Pages, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { Data, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { type Exchange, json, quiet, serve, undici } from "./wire.ts"

const Item = Schema.Struct({ id: Schema.Int })
const Found = Schema.Struct({ found: Schema.Array(Item) })

class ListsApi extends HttpApi.make("lists").add(
  HttpApiGroup.make("lists").add(
    HttpApiEndpoint.get("byLink", "/link", {
      query: { page: Schema.optional(Schema.String), q: Schema.String },
      success: HttpApiSchema.WithHeaders(Schema.Array(Item), { link: Schema.optionalKey(Schema.String) })
    }),
    HttpApiEndpoint.get("byCursor", "/cursor", {
      query: { cursor: Schema.optional(Schema.String) },
      success: Schema.Struct({ ...Found.fields, next: Schema.NullOr(Schema.String) })
    }),
    HttpApiEndpoint.get("byUrl", "/url", {
      query: { page: Schema.optional(Schema.String) },
      success: Schema.Struct({ ...Found.fields, next_page_uri: Schema.NullOr(Schema.String) })
    }),
    HttpApiEndpoint.get("byOffset", "/offset", {
      query: { offset: Schema.FiniteFromString },
      success: Schema.Struct({ ...Found.fields, total: Schema.Int })
    }),
    HttpApiEndpoint.get("byNumber", "/number", { query: { page: Schema.FiniteFromString }, success: Found }),
    HttpApiEndpoint.post("byConnection", "/graphql", {
      payload: Schema.Struct({ variables: Schema.Struct({ after: Schema.NullOr(Schema.String) }) }),
      success: Schema.Struct({
        nodes: Schema.Array(Item),
        pageInfo: Schema.Struct({ hasNextPage: Schema.Boolean, endCursor: Schema.NullOr(Schema.String) })
      })
    })
  )
) {}

class Down extends Data.TaggedError("Down")<{ readonly reason: string }> {}

class Lists extends Integration.Service<Lists>()(
  "test/Lists",
  {
    policy: Policy.stack(
      Policy.totalDeadline("20 seconds"),
      Policy.retry(Policy.backoff({ base: 0, throttledBase: 0 })),
      Policy.attemptTimeout("10 seconds")
    ),
    exhausted: Exhaustion.fail,
    orElse: ({ reason }) => new Down({ reason: reason._tag })
  },
  {
    byLink: HttpOperation.endpoint(ListsApi, "lists", "byLink"),
    byCursor: HttpOperation.endpoint(ListsApi, "lists", "byCursor"),
    byUrl: HttpOperation.endpoint(ListsApi, "lists", "byUrl"),
    byOffset: HttpOperation.endpoint(ListsApi, "lists", "byOffset"),
    byNumber: HttpOperation.endpoint(ListsApi, "lists", "byNumber"),
    byConnection: HttpOperation.endpoint(ListsApi, "lists", "byConnection", {
      idempotency: Idempotency.readOnly("a GraphQL query")
    })
  }
) {}

const items = Array.from({ length: 11 }, (_, id) => ({ id }))
const size = 3

/** A provider of eleven items, three to a page, whose pages begin at a number in each of these forms. */
const lists = (exchange: Exchange) => {
  const { pathname, searchParams } = new URL(exchange.url, "http://provider.test")
  const variables = exchange.text === "" ? undefined : JSON.parse(exchange.text).variables
  const given = searchParams.get("page") ?? searchParams.get("cursor")?.slice(2) ?? variables?.after ?? "0"
  const start = Number(searchParams.get("offset") ?? (pathname === "/number" ? (given - 1) * size : given))
  const found = items.slice(start, start + size)
  const end = start + size
  const more = end < items.length
  switch (pathname) {
    case "/link": {
      // Another host, another path, and a parameter that was not asked for.
      const to = `<https://elsewhere.test/repositories/7/items?q=a%2Cb&page=${end}&admin=1>`
      const links = ['</first?page=0>; rel="first"; title="a, b"', ...(more ? [`${to}; rel="Next prefetch"`] : [])]
      return json(200, found, { link: links.join(" , ") })(exchange)
    }
    case "/cursor":
      return json(200, { found, next: more ? `c:${end}` : null })(exchange)
    case "/url":
      return json(200, { found, next_page_uri: more ? `/url?size=3&page=${end}` : null })(exchange)
    case "/offset":
      return json(200, { found, total: items.length })(exchange)
    case "/number":
      return json(200, { found })(exchange)
    default:
      return json(200, { nodes: found, pageInfo: { hasNextPage: more, endCursor: `${end}` } })(exchange)
  }
}

type Methods = Effect.Success<typeof Lists>

const listsOf = {
  byLink: (lists: Methods) =>
    Pages.byLink({
      query: ["page"],
      read: (place) => lists.byLink({ query: { q: "a,b", ...place } }),
      items: (page) => page.body,
      link: (page) => page.headers.link
    }),
  byCursor: (lists: Methods) =>
    Pages.byCursor({
      read: (cursor) => lists.byCursor({ query: { cursor } }),
      items: (page) => page.found,
      next: (page) => page.next
    }),
  byUrl: (lists: Methods) =>
    Pages.byUrl({
      query: ["page"],
      read: (place) => lists.byUrl({ query: place }),
      items: (page) => page.found,
      url: (page) => page.next_page_uri
    }),
  byOffset: (lists: Methods) =>
    Pages.byOffset({
      read: (offset) => lists.byOffset({ query: { offset } }),
      items: (page) => page.found,
      total: (page) => page.total
    }),
  byNumber: (lists: Methods) =>
    Pages.byNumber({ read: (page) => lists.byNumber({ query: { page } }), items: (page) => page.found }),
  byConnection: (lists: Methods) =>
    Pages.byConnection({
      read: (after) => lists.byConnection({ payload: { variables: { after } } }),
      connection: (page) => page
    })
}

/** What each asks for, page by page. */
const asked: Readonly<Record<keyof typeof listsOf, ReadonlyArray<string>>> = {
  byLink: ["?q=a%2Cb", "?page=3&q=a%2Cb", "?page=6&q=a%2Cb", "?page=9&q=a%2Cb"],
  byCursor: ["", "?cursor=c%3A3", "?cursor=c%3A6", "?cursor=c%3A9"],
  byUrl: ["", "?page=3", "?page=6", "?page=9"],
  byOffset: ["?offset=0", "?offset=3", "?offset=6", "?offset=9"],
  byNumber: ["?page=1", "?page=2", "?page=3", "?page=4", "?page=5"],
  byConnection: ["null", '"3"', '"6"', '"9"']
}

const askedOf = ({ text, url }: Exchange): string =>
  text === "" ? new URL(url, "http://provider.test").search : JSON.stringify(JSON.parse(text).variables.after)

/** A process of its own: a new layer, of which nothing is left when it is killed. */
const process = <A, E>(url: string, self: Effect.Effect<A, E, Lists>) =>
  Effect.provide(self, Layer.fresh(HttpIntegration.layer(Lists, { baseUrl: url }).pipe(Layer.provide(undici))))

describe.each(Object.keys(listsOf) as ReadonlyArray<keyof typeof listsOf>)("Pages.%s over HTTP", (kind) => {
  it.live("every page is one call, retried by itself", () =>
    Effect.gen(function* () {
      const wire = yield* serve(lists, json(503, {}), lists)
      const found = yield* process(
        wire.url,
        Effect.flatMap(Lists, (lists) => {
          const list = listsOf[kind](lists) as unknown as Pages.Pages<typeof Item.Type, never, Down>
          return Stream.runCollect(Pages.items(list))
        })
      )
      assert.deepStrictEqual(found, items)
      const [first, second, ...rest] = asked[kind]
      assert.deepStrictEqual(wire.requests.map(askedOf), [first, second, second, ...rest])
      assert.isTrue(wire.requests.every(({ headers }) => headers.host === `127.0.0.1:${wire.port}`))
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )

  it.live("killed and resumed, the same items once", () =>
    Effect.gen(function* () {
      for (const killed of [1, 3, 5, 9, 11]) {
        const wire = yield* serve(lists)
        const done: Array<unknown> = []
        let stored: string | undefined
        const run = Effect.flatMap(Lists, (lists) => {
          const list = listsOf[kind](lists) as unknown as Pages.Pages<typeof Item.Type, never, Down>
          const from = stored === undefined ? undefined : JSON.parse(stored)
          return Stream.runForEach(Pages.itemsWithPosition(list, { from }), ({ after, item }) =>
            Effect.suspend(() => {
              done.push(item)
              stored = JSON.stringify(after)
              return done.length === killed ? Effect.interrupt : Effect.void
            })
          )
        })
        yield* Effect.exit(Effect.flatMap(Effect.forkChild(process(wire.url, run)), Fiber.join))
        assert.strictEqual(done.length, killed)
        yield* process(wire.url, run)
        assert.deepStrictEqual(done, items)
        // The page in whose middle it was killed was read twice, and no other.
        const twice = killed % size !== 0 || killed === items.length ? 1 : 0
        assert.isAtMost(wire.requests.length, asked[kind].length + twice)
      }
    }).pipe(Effect.scoped, Effect.provide(quiet))
  )
})
