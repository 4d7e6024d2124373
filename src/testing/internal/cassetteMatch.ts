// Whether a recorded request is the one that is asked for, and how they differ.
import type { Body, Part, Request } from "../Exchange.ts"
import { parseJson } from "./bodies.ts"
import { decoded, redacted } from "./redact.ts"

/** What must be equal beside method, path, query and body, and what need not be. */
export interface Matching {
  /** Names of headers that must be equal, such as `idempotency-key`. Default: none. */
  readonly headers?: ReadonlyArray<string> | undefined
  /** Whether scheme, host and port must be equal. Default: no. */
  readonly origin?: boolean | undefined
  /** Names of query parameters that may differ. */
  readonly ignoreQuery?: ReadonlyArray<string> | undefined
  /**
   * Fields of the body that may differ: a name stands for every field of that name, and a path (`items[].id`,
   * `customer.createdAt`) for one place.
   */
  readonly ignoreFields?: ReadonlyArray<string> | undefined
}

/** Decides alone. Both requests are redacted. */
export type Predicate = (recorded: Request, sent: Request) => boolean

/** One place where two requests differ. */
export interface Difference {
  /** `method`, `path`, `query.page`, `header.accept`, `body.items[0].id`. */
  readonly at: string
  readonly recorded: unknown
  readonly sent: unknown
  /** How much it speaks against their being the same request. */
  readonly weight: number
}

/** All places in which a request differs from a recorded one: none where it is that request. */
export const differences = (recorded: Request, sent: Request, options: Matching): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const note = (at: string, recorded: unknown, sent: unknown, weight = 1) => {
    found.push({ at, recorded, sent, weight })
  }
  const a = new URL(recorded.url, "http://relative.invalid")
  const b = new URL(sent.url, "http://relative.invalid")
  if (recorded.method !== sent.method) note("method", recorded.method, sent.method, 8)
  if (options.origin === true && a.origin !== b.origin) note("origin", a.origin, b.origin)
  const [pathA, pathB] = [decoded(a.pathname), decoded(b.pathname)]
  if (!sameText(pathA, pathB)) note("path", pathA, pathB, 4 + distance(pathA.split("/"), pathB.split("/")))
  pairs("query", Array.from(a.searchParams), Array.from(b.searchParams), options.ignoreQuery ?? [], note)
  for (const name of options.headers ?? []) {
    const [one, other] = [recorded.headers[name.toLowerCase()], sent.headers[name.toLowerCase()]]
    if (!same(one, other)) note(`header.${name.toLowerCase()}`, one, other)
  }
  bodies(recorded.body, sent.body, options.ignoreFields ?? [], note)
  return found
}

type Note = (at: string, recorded: unknown, sent: unknown, weight?: number) => void

/** How many steps two paths are apart. */
const distance = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number =>
  Math.abs(a.length - b.length) * 2 + a.filter((step, i) => b[i] !== undefined && step !== b[i]).length

/** Equality of texts, where what was redacted when it was recorded stands for any text. */
const sameText = (recorded: string, sent: string): boolean => {
  if (recorded === sent) return true
  if (!recorded.includes(redacted)) return false
  const pieces = recorded.split(redacted)
  const [first, last] = [pieces[0]!, pieces.at(-1)!]
  if (!sent.startsWith(first)) return false
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = sent.indexOf(piece, at + 1)
    if (found < 0) return false
    at = found + piece.length
  }
  return sent.length - last.length > at && sent.endsWith(last)
}

const same = (recorded: unknown, sent: unknown): boolean =>
  typeof recorded === "string" && typeof sent === "string"
    ? sameText(recorded, sent)
    : recorded === sent || (recorded === redacted && sent !== undefined)

type Pairs = ReadonlyArray<readonly [name: string, value: string]>

/** Fields in any order, those of one name in theirs. */
const pairs = (at: string, recorded: Pairs, sent: Pairs, ignored: ReadonlyArray<string>, note: Note): void => {
  const names = new Set([...recorded, ...sent].map(([name]) => name))
  for (const name of names) {
    if (ignored.includes(name)) continue
    const one = recorded.filter(([own]) => own === name).map(([, value]) => value)
    const other = sent.filter(([own]) => own === name).map(([, value]) => value)
    if (one.length === other.length && one.every((value, i) => sameText(value, other[i]!))) continue
    note(`${at}.${name}`, single(one), single(other))
  }
}

const single = (values: ReadonlyArray<string>): unknown => (values.length > 1 ? values : values[0])

const kindOf = (body: Body | undefined): string => (body === undefined ? "none" : Object.keys(body)[0]!)

const bodies = (a: Body | undefined, b: Body | undefined, ignored: ReadonlyArray<string>, note: Note): void => {
  const [recorded, sent] = [structureOf(a), structureOf(b)]
  if (recorded === undefined && sent === undefined) return
  if (recorded === undefined || sent === undefined || kindOf(recorded) !== kindOf(sent)) {
    if (recorded !== undefined && "text" in recorded && recorded.text === redacted && sent !== undefined) return
    return note("body", shown(recorded), shown(sent), 3)
  }
  if ("json" in recorded && "json" in sent) json("body", "", recorded.json, sent.json, ignored, note)
  else if ("form" in recorded && "form" in sent) pairs("body", recorded.form, sent.form, ignored, note)
  else if ("multipart" in recorded && "multipart" in sent) multipart(recorded.multipart, sent.multipart, ignored, note)
  else if ("text" in recorded && "text" in sent) {
    if (!sameText(recorded.text, sent.text)) note("body", recorded.text, sent.text)
  } else if ("base64" in recorded && "base64" in sent && recorded.base64 !== sent.base64) {
    note("body", size(recorded.base64), size(sent.base64))
  }
}

const size = (base64: string): string => `${Math.floor((base64.replace(/=+$/, "").length * 3) / 4)} bytes`

const shown = (body: Body | undefined): unknown =>
  body === undefined ? undefined : "base64" in body ? size(body.base64) : Object.values(body)[0]

/** A body as it is compared: JSON by its structure, however the provider calls it. */
const structureOf = (body: Body | undefined): Body | undefined => {
  if (body === undefined || !("text" in body) || !/^\s*[[{]/.test(body.text)) return body
  const json = parseJson(body.text)
  return json === undefined ? body : { json: json.value }
}

const multipart = (
  recorded: ReadonlyArray<Part>,
  sent: ReadonlyArray<Part>,
  ignored: ReadonlyArray<string>,
  note: Note
): void => {
  for (const name of new Set([...recorded, ...sent].map((part) => part.name))) {
    if (ignored.includes(name)) continue
    const [one, other] = [recorded, sent].map((parts) => parts.filter((part) => part.name === name))
    if (one!.length !== other!.length) note(`body.${name}`, `${one!.length} parts`, `${other!.length} parts`)
    else {
      one!.forEach((part, i) => {
        const counterpart = other![i]!
        if (part.filename !== counterpart.filename) {
          note(`body.${name}.filename`, part.filename, counterpart.filename)
        }
        if (part.type !== counterpart.type) note(`body.${name}.type`, part.type, counterpart.type)
        bodies(part.body, counterpart.body, ignored, (at, a, b) => note(at.replace(/^body/, `body.${name}`), a, b))
      })
    }
  }
}

const isIgnored = (ignored: ReadonlyArray<string>, place: string): boolean =>
  ignored.some((field) =>
    /[.[]/.test(field)
      ? field === place
      : place === field || place.endsWith(`.${field}`) || place.endsWith(`].${field}`)
  )

/** `at` is the place as it is shown, `place` the same with `[]` for every index. */
const json = (
  at: string,
  place: string,
  recorded: unknown,
  sent: unknown,
  ignored: ReadonlyArray<string>,
  note: Note
): void => {
  if (place !== "" && isIgnored(ignored, place)) return
  if (same(recorded, sent)) return
  if (Array.isArray(recorded) && Array.isArray(sent)) {
    const length = Math.max(recorded.length, sent.length)
    for (let i = 0; i < length; i++) json(`${at}[${i}]`, `${place}[]`, recorded[i], sent[i], ignored, note)
    return
  }
  if (isRecord(recorded) && isRecord(sent)) {
    const names = namesOf(recorded, sent)
    for (const key of new Set([...Object.keys(recorded), ...names.keys()])) {
      const below = place === "" ? key : `${place}.${key}`
      json(`${at}.${key}`, below, own(recorded, key), own(sent, names.get(key) ?? key), ignored, note)
    }
    return
  }
  note(at, recorded, sent)
}

type Fields = Readonly<Record<string, unknown>>

/** The fields of what is sent, by their names in the recording, where a secret may have been a name. */
const namesOf = (recorded: Fields, sent: Fields): ReadonlyMap<string, string> => {
  const wild = Object.keys(recorded).filter((name) => name.includes(redacted) && !Object.hasOwn(sent, name))
  return new Map(
    Object.keys(sent).map((name) => {
      const as = Object.hasOwn(recorded, name) ? undefined : wild.find((other) => sameText(other, name))
      return [as ?? name, name]
    })
  )
}

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const own = (record: Fields, key: string): unknown => (Object.hasOwn(record, key) ? record[key] : undefined)

// ---- what a person reads

const short = (value: unknown, length: number): string => {
  if (value === undefined) return "nothing"
  const text = JSON.stringify(value)
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

/** A request on a few lines. */
export const describe = ({ body, method, url }: Request): string => {
  const line = `${method} ${url}`
  return body === undefined ? line : `${line}\n    body ${short(shown(body), 200)}`
}

/** Differences, one a line. */
export const describeDifferences = (differences: ReadonlyArray<Difference>): string => {
  const most = 8
  const width = Math.max(...differences.slice(0, most).map(({ at }) => at.length))
  return [
    ...differences
      .slice(0, most)
      .map(
        ({ at, recorded, sent }) => `    ${at.padEnd(width)}  recorded ${short(recorded, 60)}, sent ${short(sent, 60)}`
      ),
    ...(differences.length > most ? [`    … and ${differences.length - most} more`] : [])
  ].join("\n")
}
