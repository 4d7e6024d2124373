/**
 * The memory that a provider has of idempotency keys: where it reads them, for how long it keeps them, which answers it
 * stores, and what it says to a key that is in flight or that comes again with another request.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { problems } from "../http/Answer.ts"
import * as Idempotency from "../Idempotency.ts"
import type { Reply, WireRequest } from "./internal/model.ts"

/**
 * Options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where the key stands: the same value that the operation has. Default: `Idempotency.header()`. */
  readonly placement?: Idempotency.Placement | undefined
  /** How long a key is remembered after its first use. Default: for ever. */
  readonly lifetime?: Duration.Input | "forever" | undefined
  /** Which methods look at the key. Default: all of them. Stripe: POST alone. */
  readonly methods?: ReadonlyArray<string> | undefined
  /** Which answers are stored under the key; the key of another is free again. Default: all of them. */
  readonly stores?: ((reply: Reply) => boolean) | undefined
  /** The answer to a key whose first request is at work. Default: 409 with breakwater's problem document. */
  readonly inFlight?: Answer | undefined
  /** The answer to a key that comes again with another request. Default: 422 with breakwater's problem document. */
  readonly mismatch?: Answer | undefined
  /** The answer to a mutating request without a key. Default: it is carried out. */
  readonly missing?: Answer | undefined
  /** The header of a replayed answer, or `false` for a provider that does not tell. Default: `idempotent-replayed`. */
  readonly replayHeader?: string | false | undefined
}

/**
 * What a provider answers: the same to everyone, or what fits the request.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = Reply | ((request: WireRequest) => Reply)

/**
 * A provider's rules for keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyWindow {
  readonly keyOf: (request: Pick<WireRequest, "headers" | "text">) => string | undefined
  readonly lifetime: number
  readonly methods: ReadonlySet<string> | undefined
  readonly stores: (reply: Reply) => boolean
  readonly inFlight: Answer
  readonly mismatch: Answer
  readonly missing: Answer | undefined
  readonly replayHeader: string | false
}

/** RFC 9457, with the types that breakwater's client recognises. */
export const problem = (status: number, type: string): Reply => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: { type, status }
})

/**
 * Rules for keys. Without options: as breakwater's own receiver, for ever.
 *
 * **Example** (Stripe's: POST only, 24 hours, 400 for another request)
 *
 * ```ts
 * import { KeyWindow } from "breakwater/testing"
 *
 * const keys = KeyWindow.make({
 *   lifetime: "24 hours",
 *   methods: ["POST"],
 *   mismatch: { status: 400, body: { error: { type: "idempotency_error" } } }
 * })
 *
 * keys.lifetime // => 86400000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): KeyWindow => ({
  keyOf: keyAt(options.placement ?? Idempotency.header()),
  lifetime:
    options.lifetime === undefined || options.lifetime === "forever"
      ? Infinity
      : Duration.toMillis(Duration.fromInputUnsafe(options.lifetime)),
  methods: options.methods === undefined ? undefined : new Set(options.methods),
  stores: options.stores ?? (() => true),
  inFlight: options.inFlight ?? problem(409, problems.inProgress),
  mismatch: options.mismatch ?? problem(422, problems.keyReused),
  missing: options.missing,
  replayHeader: options.replayHeader === false ? false : (options.replayHeader ?? "idempotent-replayed").toLowerCase()
})

const json = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

/** Reads the key from where an operation's placement puts it. */
const keyAt = (placement: Idempotency.Placement): KeyWindow["keyOf"] => {
  if (placement._tag === "Header") {
    return ({ headers }) => {
      const text = headers[placement.name]
      return text === undefined || !placement.quoted ? text : text.replace(/^"(.*)"$/, "$1").replace(/\\(["\\])/g, "$1")
    }
  }
  const path = placement._tag === "BodyField" ? placement.path : ["variables", placement.variable]
  return ({ text }) => {
    const body = json(text)
    if (Exit.isFailure(body)) return undefined
    const found = path.reduce<unknown>(
      (at, name) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[name] : undefined),
      body.value
    )
    return typeof found === "string" ? found : undefined
  }
}

interface Entry {
  readonly fingerprint: string
  readonly since: number
  /** `undefined` while the first request is at work. */
  reply: Reply | undefined
}

/** What the table says to a request: an answer, or leave to carry it out and to `settle` the key afterwards. */
export type Claim = { readonly reply: Reply } | { readonly settle: (reply: Reply) => void }

/** What an answer is for one request. */
export const told = (answer: Answer, request: WireRequest): Reply =>
  typeof answer === "function" ? answer(request) : answer

const free: Claim = { settle: () => {} }

/** The keys of one provider. */
export class KeyTable {
  private readonly window: KeyWindow
  private readonly entries = new Map<string, Entry>()

  constructor(window: KeyWindow) {
    this.window = window
  }

  clear(): void {
    this.entries.clear()
  }

  claim(request: WireRequest, now: number): Claim {
    const { window } = this
    if (window.methods?.has(request.method) === false) return free
    const { key } = request
    if (key === undefined) {
      return window.missing !== undefined && !safe.has(request.method) ? { reply: told(window.missing, request) } : free
    }
    const fingerprint = `${request.method} ${request.url}\n${request.text}`
    const known = this.entries.get(key)
    if (known === undefined || (known.reply !== undefined && now - known.since >= window.lifetime)) {
      const entry: Entry = { fingerprint, since: now, reply: undefined }
      this.entries.set(key, entry)
      return {
        settle: (reply) => {
          if (window.stores(reply)) entry.reply = reply
          else if (this.entries.get(key) === entry) this.entries.delete(key)
        }
      }
    }
    if (known.fingerprint !== fingerprint) return { reply: told(window.mismatch, request) }
    if (known.reply === undefined) return { reply: told(window.inFlight, request) }
    if (window.replayHeader === false) return { reply: known.reply }
    return {
      reply: { ...known.reply, headers: { ...known.reply.headers, [window.replayHeader]: "true" } }
    }
  }
}

/** Methods that change nothing (RFC 9110). */
export const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "QUERY", "TRACE"])
