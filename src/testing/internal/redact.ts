// Secrets by their place and by their name. What a schema calls Redacted is in redactSchema.ts.
import * as Result from "effect/Result"
import type { Body, Exchange, Part, Request, Response } from "../Exchange.ts"
import { parseJson } from "./bodies.ts"

/** What stands where a secret stood. */
export const redacted = "[redacted]"

/** What is redacted beside the defaults. */
export interface Redact {
  /** Names of headers, in any case. */
  readonly headers?: ReadonlyArray<string> | undefined
  /** Names of query parameters. */
  readonly query?: ReadonlyArray<string> | undefined
  /** Names of fields of forms and of JSON, at any depth. */
  readonly fields?: ReadonlyArray<string> | undefined
  /** Names, of any of the three, that look like secrets and are none. */
  readonly keep?: ReadonlyArray<string> | undefined
  /**
   * Has the last word on each exchange before it is written, and on each request before it is looked up. It must be pure:
   * it sees a request that is looked up without `response` and `failure`.
   */
  readonly with?: ((exchange: Exchange) => Exchange) | undefined
}

const normal = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "")

const parts =
  /token|secret|apikey|password|passwd|passphrase|signature|authorization|credential|privatekey|accesskey|authkey|cookie/
const wholes: ReadonlySet<string> = new Set(["pwd", "jwt", "otp", "cvc", "cvv"])
const inQuery: ReadonlySet<string> = new Set(["key", "sig", "auth"])

/** Who is secret, by name. */
class Names {
  private readonly more: Readonly<Record<"headers" | "query" | "fields", ReadonlySet<string>>>
  private readonly keep: ReadonlySet<string>

  constructor(options: Redact) {
    const set = (names: ReadonlyArray<string> | undefined) => new Set((names ?? []).map(normal))
    this.more = { headers: set(options.headers), query: set(options.query), fields: set(options.fields) }
    this.keep = set(options.keep)
  }

  has(place: "headers" | "query" | "fields", name: string): boolean {
    const it = normal(name)
    if (this.more[place].has(it)) return true
    if (this.keep.has(it) || it.includes("idempoten")) return false
    return parts.test(it) || wholes.has(it) || (place === "query" && inQuery.has(it))
  }
}

/** How much of what stands below a field is secret. Numbers of tokens are a language model's usage, and no secret. */
type Depth = "none" | "texts" | "all"

/** Names of what the provider hands out to fetch the next page with. Such values stand elsewhere, and may. */
const ofPages = /page|next|prev|continu|cursor|sync/

/** The shortest secret that is looked for elsewhere. Shorter ones, and words without a digit, would be found by chance. */
const shortest = 8

export class Redactor {
  private readonly names: Names
  private readonly bySchema: ((exchange: Exchange, mark: (secret: string) => void) => Exchange) | undefined
  private readonly last: ((exchange: Exchange) => Exchange) | undefined
  /** Every secret that stood in its place, to be found where it does not. */
  private readonly seen = new Set<string>()

  constructor(
    options: Redact,
    bySchema: ((exchange: Exchange, mark: (secret: string) => void) => Exchange) | undefined
  ) {
    this.names = new Names(options)
    this.bySchema = bySchema
    this.last = options.with
  }

  /** By schema, then by place and name. */
  exchange(exchange: Exchange): Exchange {
    const { request, response, ...rest } = this.bySchema?.(exchange, this.mark) ?? exchange
    return {
      request: this.ofRequest(request),
      ...(response === undefined ? {} : { response: this.ofResponse(response) }),
      ...rest
    }
  }

  /** A request as it is looked up: what else stands in it may only be compared with what was recorded. */
  lookedUp(request: Request): Request {
    const exchange = this.exchange({ request, elapsed: 0 })
    return (this.last === undefined ? exchange : this.last(exchange)).request
  }

  /** A request as a person may see it. */
  shown(request: Request): Request {
    return this.final(this.exchange({ request, elapsed: 0 })).request
  }

  /** What is written: without the secrets that were seen anywhere, and with the user's last word. */
  final(exchange: Exchange): Exchange {
    const clean = this.seen.size === 0 ? exchange : throughout(exchange, this.finder())
    return this.last === undefined ? clean : this.last(clean)
  }

  /** A replacement of every secret that was seen, in the forms in which it may stand in a text. */
  private finder(): (text: string) => string {
    const forms = Array.from(this.seen).flatMap((secret) => [secret, encodeURIComponent(secret)])
    const longestFirst = Array.from(new Set(forms)).toSorted((a, b) => b.length - a.length)
    return (text) => longestFirst.reduce((text, form) => text.replaceAll(form, redacted), text)
  }

  private readonly mark = (secret: string): void => {
    if (secret.length >= shortest && /\d/.test(secret) && !secret.includes(redacted)) this.seen.add(secret)
  }

  private hide(secret: string): string {
    if (secret === "") return ""
    this.mark(secret)
    return redacted
  }

  private hideNamed(name: string, secret: string): string {
    return ofPages.test(normal(name)) ? (secret === "" ? "" : redacted) : this.hide(secret)
  }

  private hideQuoted(name: string, value: string): string {
    return `${value[0]}${this.hideNamed(name, value.slice(1, -1))}${value[0]}`
  }

  private ofRequest(request: Request): Request {
    return {
      method: request.method,
      url: this.url(request.url),
      headers: this.headers(request.headers),
      ...(request.body === undefined ? {} : { body: this.body(request.body) })
    }
  }

  private ofResponse({ body, cut, headers, status }: Response): Response {
    return {
      status,
      headers: this.headers(headers),
      ...(body === undefined ? {} : { body: this.body(body) }),
      ...(cut === true ? { cut } : {})
    }
  }

  private headers(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(headers).map(([name, value]) => {
        if (!this.names.has("headers", name)) return [name, this.text(value)]
        // The parts of a header are secrets as well: "Bearer x", "Basic x", "session=x; Path=/".
        const words = /^(?:set-)?cookie$/i.test(name) ? value.matchAll(/=([^;,\s]*)/g) : value.matchAll(/\s(\S+)$/g)
        for (const [, word] of words) this.mark(word!)
        return [name, this.hide(value)]
      })
    )
  }

  private url(url: string): string {
    const at = url.search(/[?#]/)
    const [before, after] = at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at)]
    return this.text(before) + this.pairs(after)
  }

  /** The query and the fragment of a URL. */
  private pairs(query: string): string {
    return query.replace(/([?#&])([^=&#]+)=([^&#]*)/g, (_, lead: string, name: string, value: string) =>
      this.names.has("query", decoded(name)) || this.names.has("fields", decoded(name))
        ? `${lead}${name}=${this.hideEncoded(name, value)}`
        : `${lead}${name}=${this.encodedText(value)}`
    )
  }

  private hideEncoded(name: string, value: string): string {
    return this.hideNamed(decoded(name), decoded(value))
  }

  /** A value of a query that may have secrets in it, such as a URL of its own. */
  private encodedText(value: string): string {
    const plain = decoded(value)
    const clean = this.text(plain)
    return clean === plain ? value : encodeURIComponent(clean).replaceAll(encodeURIComponent(redacted), redacted)
  }

  private body(body: Body): Body {
    if ("json" in body) return { json: this.json(body.json, "none") }
    if ("form" in body) {
      return {
        form: body.form.map(([name, value]) => [
          name,
          this.names.has("fields", name) ? this.hideNamed(name, value) : this.text(value)
        ])
      }
    }
    if ("multipart" in body) return { multipart: body.multipart.map((part) => this.part(part)) }
    if ("text" in body) return { text: this.text(body.text) }
    return body
  }

  private part(part: Part): Part {
    if (part.body === undefined) return part
    if (!this.names.has("fields", part.name)) return { ...part, body: this.body(part.body) }
    if ("text" in part.body) this.mark(part.body.text)
    return { ...part, body: { text: redacted } }
  }

  private json(value: unknown, depth: Depth, name = ""): unknown {
    switch (typeof value) {
      case "string":
        return depth === "none" ? this.text(value) : this.hideNamed(name, value)
      case "number":
        return depth === "all" ? redacted : value
      case "object": {
        if (value === null) return null
        if (Array.isArray(value)) return value.map((item) => this.json(item, depth, name))
        return Object.fromEntries(
          Object.entries(value).map(([key, field]) => [key, this.json(field, this.below(depth, key), key)])
        )
      }
    }
    return value
  }

  private below(depth: Depth, name: string): Depth {
    if (!this.names.has("fields", name)) return depth
    return depth === "all" || !/tokens/.test(normal(name)) ? "all" : "texts"
  }

  /** A text that may hold JSON, lines of it, URLs, pairs or elements with secrets in them. */
  private text(text: string): string {
    if (text === "" || text === redacted) return text
    if (/^\s*[[{]/.test(text)) {
      const json = parseJson(text)
      if (json !== undefined) {
        const clean = JSON.stringify(this.json(json.value, "none"))
        return clean === JSON.stringify(json.value) ? text : clean
      }
    }
    if (text.includes("\n")) {
      // Lines of JSON, and the events of a stream.
      text = text.replace(/^(data: ?|)([[{].*)$/gm, (_, lead: string, line: string) =>
        parseJson(line) === undefined ? `${lead}${line}` : lead + this.text(line)
      )
    } else if (/^data: ?[[{]/.test(text)) {
      return text.replace(/^(data: ?)(.*)$/s, (_, lead: string, rest: string) => lead + this.text(rest))
    }
    return this.scrub(text)
  }

  private scrub(text: string): string {
    const secret = (name: string) => this.names.has("fields", name) || this.names.has("headers", name)
    return text
      .replace(userinfo, (_, scheme: string, info: string) => `${scheme}${this.hide(decoded(info))}@`)
      .replace(jwt, (token) => this.hide(token))
      .replace(inUrl, (all, lead: string, name: string, value: string) =>
        value !== "" && (secret(decoded(name)) || this.names.has("query", decoded(name)))
          ? `${lead}${name}=${this.hideEncoded(name, value)}`
          : all
      )
      .replace(quotedName, (all, name: string, between: string, value: string) =>
        value.length > 2 && secret(name.slice(1, -1)) ? name + between + this.hideQuoted(name, value) : all
      )
      .replace(plainName, (all, name: string, between: string, value: string) =>
        value.length > 2 && secret(name) ? name + between + this.hideQuoted(name, value) : all
      )
      .replace(element, (all, open: string, name: string, value: string, close: string) =>
        value.trim() !== "" && secret(name)
          ? `${open}${this.hideNamed(name, value.replace(/^<!\[CDATA\[|\]\]>$/g, ""))}${close}`
          : all
      )
      .replace(line, (all, name: string, between: string, value: string) =>
        secret(name) ? `${name}${between}${this.hideNamed(name, value)}` : all
      )
      .replace(bare, (all, lead: string, name: string, value: string) =>
        secret(name) ? `${lead}${name}=${this.hideNamed(name, value)}` : all
      )
  }
}

const userinfo = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/?#"<>\\]+)@/gi
const jwt = /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g
const inUrl = /([?&#])([^=&#?\s"'<>]+)=([^&#\s"<>\\]*)/g
const quotedName = /("(?:[^"\\\n]{1,80})"|'(?:[^'\\\n]{1,80})')(\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/g
const plainName = /([\w.-]{1,80})(\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')/g
const element = /(<(?:[\w-]+:)?([\w.-]+)(?:\s[^<>]*)?>)((?:<!\[CDATA\[[\s\S]*?\]\]>|[^<])+)(<\/)/g
const line = /^([\w-]+)(:[ \t]*)(?!\[redacted\]|["'[{])(\S.*)$/gm
const bare = /(^|[\s;,])([\w.-]+)=(?!\[redacted\]|["'])([^\s"<>]+)/g

/** A text of a query, decoded where that is possible. */
export const decoded = (text: string): string => {
  const spaced = text.replaceAll("+", " ")
  return Result.getOrElse(Result.try({ try: () => decodeURIComponent(spaced), catch: () => undefined }), () => spaced)
}

/** Applies a function to every text of an exchange that the wire carried. */
const throughout = ({ request, response, ...rest }: Exchange, clean: (text: string) => string): Exchange => {
  const headers = (of: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(of).map(([name, value]) => [name, clean(value)]))
  const part = (part: Part): Part => ({ ...part, ...(part.body === undefined ? {} : { body: body(part.body) }) })
  const body = (body: Body): Body => {
    if ("json" in body) return { json: everywhere(body.json, clean) }
    if ("form" in body) return { form: body.form.map(([name, value]) => [clean(name), clean(value)]) }
    if ("multipart" in body) return { multipart: body.multipart.map(part) }
    return "text" in body ? { text: clean(body.text) } : body
  }
  const withBody = <T extends Request | Response>(it: T): T => ({
    ...it,
    headers: headers(it.headers),
    ...(it.body === undefined ? {} : { body: body(it.body) })
  })
  return {
    request: { ...withBody(request), url: clean(request.url) },
    ...(response === undefined ? {} : { response: withBody(response) }),
    ...rest
  }
}

/** Applies a function to every text of a JSON value, the names of fields included. */
const everywhere = (value: unknown, clean: (text: string) => string): unknown => {
  if (typeof value === "string") return clean(value)
  if (Array.isArray(value)) return value.map((item) => everywhere(item, clean))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [clean(key), everywhere(field, clean)]))
}
