// The client that a cassette provides.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { CassetteError, recordWith } from "../CassetteError.ts"
import type { ReplayOptions } from "../CassetteOptions.ts"
import type { Exchange } from "../Exchange.ts"
import * as File from "./cassetteFile.ts"
import { Deck, describeMiss, type Numbered } from "./deck.ts"
import * as Playback from "./playback.ts"
import { Redactor } from "./redact.ts"
import { redactionOf } from "./redactSchema.ts"

type Request = HttpClientRequest.HttpClientRequest
type Answer = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const redactorOf = ({ api, redact }: ReplayOptions): Redactor =>
  new Redactor(redact ?? {}, api === undefined ? undefined : redactionOf(api))

const deckOf = (lines: ReadonlyArray<Numbered>, redactor: Redactor, options: ReplayOptions): Deck =>
  new Deck(lines, redactor, { match: options.match ?? {}, exhausted: options.exhausted ?? "fail" })

/** A recorded exchange, played for a request. */
const play = (request: Request, { elapsed, failure, response }: Exchange, options: ReplayOptions): Answer => {
  const answer: Answer =
    response === undefined
      ? Effect.suspend(() => Effect.fail(Playback.lose(request, failure ?? { codes: [] })))
      : Playback.play(request, response)
  return options.latency === "recorded" ? Effect.delay(answer, elapsed) : answer
}

const unrecordable = (path: string, { detail }: Playback.Unrecordable): CassetteError =>
  new CassetteError({
    reason: "Unrecordable",
    path,
    detail
  })

/** Ends a test with what went wrong in it, even where the integration made an error of its own of it. */
const endWith = (path: string, errors: ReadonlyArray<CassetteError>): Effect.Effect<void> => {
  const [first, ...more] = errors
  if (first === undefined) return Effect.void
  return Effect.die(
    more.length === 0
      ? first
      : new CassetteError({
          reason: first.reason,
          path,
          detail: [
            ...errors.slice(0, 3).map(({ detail }) => detail),
            ...(errors.length > 3 ? [`… and ${errors.length - 3} more`] : [])
          ].join("\n")
        })
  )
}

/** A client that answers from recordings. */
export const replay = (
  path: string,
  lines: ReadonlyArray<Numbered>,
  options: ReplayOptions
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const redactor = redactorOf(options)
    const deck = deckOf(lines, redactor, options)
    const errors: Array<CassetteError> = []
    const fail = (error: CassetteError) => {
      errors.push(error)
      return Effect.die(error)
    }
    yield* Effect.addFinalizer((exit) => {
      const { unused } = deck
      if (errors.length === 0 && exit._tag === "Success" && options.unused === "fail" && unused.length > 0) {
        const detail = `never asked for:\n${unused.map((line) => `  ${line}`).join("\n")}\nRecord again to be rid of them: ${recordWith("record")}`
        return Effect.die(new CassetteError({ reason: "Unused", path, detail }))
      }
      return endWith(path, errors)
    })
    return HttpClient.make((request, url) =>
      Effect.catch(
        Effect.flatMap(Playback.capture(request, url.href), ({ request: sent }): Answer => {
          const found = deck.take(redactor.lookedUp(sent))
          if (found._tag === "Found") return play(request, found.exchange, options)
          const how = found.recorded > 0 ? "record" : "append"
          const detail = `${describeMiss(deck, redactor.shown(sent), found.recorded)}\n  Record it: ${recordWith(how)}`
          return fail(new CassetteError({ reason: "Miss", path, detail }))
        }),
        (error) => (error instanceof Playback.Unrecordable ? fail(unrecordable(path, error)) : Effect.fail(error))
      )
    )
  })

interface Place {
  readonly path: string
  /** What the file held when the recording began. */
  readonly before: string | undefined
  /** What is replayed rather than sent. */
  readonly known: ReadonlyArray<File.Line>
}

/** A client that sends what is not known, and writes it down at the end. */
export const record = (
  fs: FileSystem.FileSystem,
  client: HttpClient.HttpClient,
  { before, known, path }: Place,
  options: ReplayOptions
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const redactor = redactorOf(options)
    const deck = deckOf(known, redactor, options)
    /** In the order in which they were sent; what is not answered yet, or never will be, is a hole. */
    const recorded: Array<Exchange | undefined> = []
    const errors: Array<CassetteError> = []
    const fail = (error: Playback.Unrecordable) => {
      const named = unrecordable(path, error)
      errors.push(named)
      return Effect.die(named)
    }
    yield* Effect.addFinalizer(() => {
      const exchanges = recorded.filter((exchange) => exchange !== undefined)
      // A test that sent nothing must not replace a cassette that holds something.
      const nothingNew = exchanges.length === 0 && before !== undefined
      const lines = [
        ...known.map(({ text }) => text),
        ...exchanges.map((exchange) => File.lineOf(redactor.final(exchange)))
      ]
      const written = nothingNew ? Effect.void : File.write(fs, path, before, File.contentFrom(lines))
      return Effect.andThen(Effect.orDie(written), endWith(path, errors))
    })

    const send = (captured: Playback.Captured): Answer =>
      Effect.gen(function* () {
        const at = recorded.push(undefined) - 1
        const started = yield* Clock.currentTimeMillis
        const keep = (came: Pick<Exchange, "response" | "failure">) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            recorded[at] = redactor.exchange({ request: captured.request, ...came, elapsed: now - started })
          })
        const response = yield* Effect.tapError(client.postprocess(Effect.succeed(captured.sendable)), ({ reason }) =>
          reason._tag === "TransportError" ? keep({ failure: Playback.failureFrom(reason.cause) }) : Effect.void
        )
        if (response.status === 101) {
          return yield* fail(
            new Playback.Unrecordable("the answer hands over the connection (101): test an upgrade without a cassette")
          )
        }
        const received = yield* Playback.receive(response)
        const kept = yield* Effect.catch(Playback.responseFrom(response, received), fail)
        yield* keep({ response: kept })
        return Playback.passOn(response, received)
      })

    return HttpClient.makeWith(
      (prepared) =>
        Effect.flatMap(prepared, (request) =>
          Effect.flatMap(
            Effect.catch(Playback.capture(request, urlOf(request)), (error) =>
              error instanceof Playback.Unrecordable ? fail(error) : Effect.fail(error)
            ),
            (captured): Answer => {
              const found = deck.take(redactor.lookedUp(captured.request))
              return found._tag === "Found" ? play(request, found.exchange, options) : send(captured)
            }
          )
        ),
      client.preprocess
    )
  })

/** Where a request goes. One that goes nowhere fails when it is sent. */
const urlOf = ({ hash, url, urlParams }: Request): string =>
  Result.match(Url.make(url, urlParams, Option.getOrUndefined(hash)), {
    onFailure: () => url,
    onSuccess: ({ href }) => href
  })
