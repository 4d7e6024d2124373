// The recordings of one cassette, and which of them have been replayed.
import type { Exchange, Request } from "../Exchange.ts"
import {
  describe,
  describeDifferences,
  type Difference,
  differences,
  type Matching,
  type Predicate
} from "./cassetteMatch.ts"
import type { Redactor } from "./redact.ts"

interface Recording {
  readonly exchange: Exchange
  /** The request as it is compared. */
  readonly request: Request
  readonly line: number | undefined
  replayed: number
}

/** An exchange, and its line in a file, if it comes from one. */
export interface Numbered {
  readonly exchange: Exchange
  readonly line?: number
}

export interface Options {
  readonly match: Matching | Predicate
  readonly exhausted: "fail" | "repeatLast"
}

export type Found =
  | { readonly _tag: "Found"; readonly exchange: Exchange }
  /** No recording, or none that is left. */
  | { readonly _tag: "None"; readonly recorded: number }

interface Nearest {
  readonly recording: Recording
  readonly differences: ReadonlyArray<Difference>
}

export class Deck {
  private readonly recordings: ReadonlyArray<Recording>
  private readonly options: Options

  constructor(lines: ReadonlyArray<Numbered>, redactor: Redactor, options: Options) {
    this.recordings = lines.map(({ exchange, line }) => ({
      exchange,
      request: redactor.lookedUp(exchange.request),
      line,
      replayed: 0
    }))
    this.options = options
  }

  /** Takes the next recording of a request. */
  take(request: Request): Found {
    const matching = this.recordings.filter((recording) => this.matches(recording.request, request))
    const next =
      matching.find(({ replayed }) => replayed === 0) ??
      (this.options.exhausted === "repeatLast" ? matching.at(-1) : undefined)
    if (next === undefined) return { _tag: "None", recorded: matching.length }
    next.replayed++
    return { _tag: "Found", exchange: next.exchange }
  }

  /** What was never replayed. */
  get unused(): ReadonlyArray<string> {
    return this.recordings
      .filter(({ replayed }) => replayed === 0)
      .map(({ line, request }) => `${where(line)}${describe(request).split("\n")[0]}`)
  }

  private matches(recorded: Request, sent: Request): boolean {
    const { match } = this.options
    return typeof match === "function" ? match(recorded, sent) : differences(recorded, sent, match).length === 0
  }

  /** The recording that is most like a request that has none. */
  nearest(sent: Request): Nearest | undefined {
    const matching = typeof this.options.match === "function" ? {} : this.options.match
    let nearest: (Nearest & { readonly weight: number }) | undefined
    for (const recording of this.recordings) {
      const found = differences(recording.request, sent, matching)
      const weight = found.reduce((sum, difference) => sum + difference.weight, 0)
      if (nearest === undefined || weight < nearest.weight) nearest = { recording, differences: found, weight }
    }
    return nearest
  }
}

const where = (line: number | undefined): string => (line === undefined ? "" : `line ${line}: `)

/** What a person reads of a request that has no recording. `shown` is the request with all its secrets hidden. */
export const describeMiss = (deck: Deck, shown: Request, recorded: number): string => {
  const asked = `  ${describe(shown)}`
  if (recorded > 0) {
    const times = recorded === 1 ? "once" : `${recorded} times`
    return `this request was recorded ${times} and is sent once more:\n${asked}\n  (exhausted: "repeatLast" repeats the last answer)`
  }
  const nearest = deck.nearest(shown)
  if (nearest === undefined) return `no request is recorded, so not this one:\n${asked}`
  const { differences, recording } = nearest
  const what = `${where(recording.line)}${describe(recording.request).split("\n")[0]}`
  const how =
    differences.length === 0 ? "    equal in all but what the own `match` looks at" : describeDifferences(differences)
  return `no recording of this request:\n${asked}\n  The nearest is ${what}\n${how}`
}
