/**
 * Lists that come in pages, as a `Stream`: https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
 */
import { Data, Effect, HashSet, Option, Schema, Stream } from "effect"
import { Place } from "./api.ts"

/** What a list answers: its items, and the header that says where the next page is. */
export interface Page<A> {
  readonly body: ReadonlyArray<A>
  readonly headers: { readonly link?: string }
}

/** The links lead back to a page that was read already: following them would never end. */
export class PageRepeated extends Data.TaggedError("PageRepeated")<{ readonly place: Place }> {}

/**
 * Every item of a list, page by page, as far as the stream is pulled. Each page is a full call of the integration, with
 * its own deadline, retries and span; a page that fails ends the stream with that call's error.
 */
export const pages = <A, E, R>(
  read: (place: Place) => Effect.Effect<Page<A>, E, R>
): Stream.Stream<A, E | PageRepeated, R> =>
  Stream.paginate(start, ({ before, place }) =>
    Effect.gen(function* () {
      const name = `page ${place.page ?? ""} after ${place.after ?? ""}`
      if (HashSet.has(before, name)) return yield* new PageRepeated({ place })
      const { body, headers } = yield* read(place)
      const next = Option.map(nextOf(headers.link), (place) => ({ place, before: HashSet.add(before, name) }))
      return [body, next] as const
    })
  )

const start: { readonly place: Place; readonly before: HashSet.HashSet<string> } = {
  place: {},
  before: HashSet.empty()
}

/**
 * The place that `rel="next"` of a `Link` header (RFC 8288) points at.
 *
 * Only the query of the link is used. Its path has the repository's number in the place of its name, and a token must
 * not be sent to whatever host a header names.
 */
export const nextOf = (link: string | undefined): Option.Option<Place> => {
  for (const [, target = "", params = ""] of (link ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    if (!/;\s*rel="?next"?\s*(?:[;,]|$)/i.test(params)) continue
    return placeIn(Object.fromEntries(new URLSearchParams(target.slice(target.indexOf("?") + 1))))
  }
  return Option.none()
}

/** The part of a query that says where a page begins. The rest is what was asked for anyway. */
const placeIn = Schema.decodeOption(Place)
