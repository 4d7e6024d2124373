import * as Option from "effect/Option"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as UrlParams from "effect/http/UrlParams"

export interface Address {
  readonly origin: string
  /** With its query. */
  readonly path: string
  readonly url: string
}

/** What `URL` would leave as it is: no dots that lead up, nothing to encode, nothing that ends the path. */
const plain =
  /^(https?:\/\/[a-z\d.-]+(?::\d+)?)(?:\/(?!\.|%2[eE])[\w\-.~!$&'()*+,;=:@%]*)*(?:\?[\w\-.~!$&()*+,;=:@%/?]+)?$/

/** Origins that were normalised: a process talks to few. */
const origins = new Map<string, string>()

const originOf = (text: string): string | undefined => {
  const known = origins.get(text)
  if (known !== undefined) return known
  if (!URL.canParse(text)) return undefined
  const { origin } = new URL(text)
  if (origins.size >= 1_000) origins.clear()
  origins.set(text, origin)
  return origin
}

/**
 * Where a request goes. Most URLs need no more than to be cut in two: a `URL` is made only for the others, and says the
 * same of all of them.
 */
export const addressOf = (request: HttpClientRequest.HttpClientRequest): Address | undefined => {
  const found = plain.exec(request.url)
  const params = request.urlParams.params.length > 0
  // `URL` writes a query anew when something is added to it.
  if (found !== null && !(params && request.url.includes("?"))) {
    const origin = originOf(found[1]!)
    if (origin !== undefined) {
      const given = request.url.slice(found[1]!.length)
      const path = `${given.startsWith("/") ? given : `/${given}`}${params ? `?${UrlParams.toString(request.urlParams)}` : ""}`
      return { origin, path, url: origin + path }
    }
  }
  return Option.match(HttpClientRequest.toUrl(request), {
    onNone: () => undefined,
    onSome: ({ origin, pathname, search }) => ({
      origin,
      path: pathname + search,
      url: origin + pathname + search
    })
  })
}
