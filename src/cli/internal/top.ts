// The figures of a dashboard in the terminal, as long as one looks.
import * as Argument from "effect/cli/Argument"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { type Failed, failed, wrongUsage } from "./failed.ts"
import { width } from "./look.ts"
import { clean, cut, json, table, wrap } from "./print.ts"

const Amount = Schema.NullOr(Schema.Finite)

/** What is shown of `Snapshot` in `breakwater/dashboard`. The rest may be of a later version. */
const Shown = Schema.Struct({
  headline: Schema.String,
  slowest: Schema.NullOr(Schema.Struct({ integration: Schema.String })),
  integrations: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      rate: Schema.Finite,
      errorRatio: Amount,
      p50Ms: Amount,
      p95Ms: Amount,
      p99Ms: Amount,
      attemptsPerCall: Amount,
      active: Schema.Finite,
      breaker: Schema.NullOr(Schema.String),
      queue: Schema.NullOr(Schema.Struct({ depth: Schema.Finite })),
      slow: Schema.NullOr(Schema.Struct({ cause: Schema.String }))
    })
  )
})
type Shown = typeof Shown.Type

const decode = Schema.decodeUnknownEffect(Shown)

const longestWait = 5_000
const everyMs = 1_000

/** Where the figures are: the address of the page is enough, and `http://` is what is meant without a scheme. */
export const addressOf = (given: string): Effect.Effect<URL, Failed> => {
  const whole = /^[a-z][a-z\d+.-]*:\/\//i.test(given) ? given : `http://${given}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    return Effect.fail(
      wrongUsage(`${clean(given)} is no address of a dashboard: http://localhost:3000/integrations is one`)
    )
  }
  if (url.username !== "" || url.password !== "") {
    return Effect.fail(wrongUsage("an address is no place for a password: give --token"))
  }
  url.hash = ""
  url.pathname = `${url.pathname.replace(/\/(?:snapshot\.json|events)?\/*$/, "").replace(/\/+$/, "")}/snapshot.json`
  return Effect.succeed(url)
}

interface Seen {
  readonly raw: unknown
  readonly shown: Shown
}

const look = (url: URL, token: Redacted.Redacted | undefined): Effect.Effect<Seen, Failed, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const headers = {
      accept: "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` })
    }
    const where = clean(url.href)
    const response = yield* Effect.mapError(client.get(url, { headers }), () =>
      failed(`nothing answers at ${where}: does the process run, and is this its port?`)
    )
    const { status } = response
    if (status === 401 || status === 403) {
      return yield* failed(
        `${where} may not be looked at (${status}): give --token, or look from the machine that the process runs on`
      )
    }
    if (status !== 200) {
      return yield* failed(
        `there is no dashboard at ${where}: it answers with ${status}. Is this the path of Dashboard.layer?`
      )
    }
    const other = () => failed(`what answers at ${where} is no dashboard of breakwater`)
    const raw = yield* Effect.mapError(response.json, other)
    return { raw, shown: yield* Effect.mapError(decode(raw), other) }
  }).pipe(
    Effect.timeoutOrElse({
      duration: longestWait,
      orElse: () => Effect.fail(failed(`${clean(url.href)} does not answer within ${longestWait / 1_000} seconds`))
    })
  )

const ms = (value: number | null): string =>
  value === null ? "-" : value < 1_000 ? `${Math.round(value)}ms` : `${Number((value / 1_000).toPrecision(3))}s`

const rateOf = (rate: number): string => (rate === 0 ? "0" : rate < 10 ? rate.toFixed(1) : String(Math.round(rate)))

/** The figures as they fit. */
export const text = ({ headline, integrations }: Shown, columns: number): string => {
  const right = true
  const rows = integrations.map((own) => [
    own.name,
    rateOf(own.rate),
    own.errorRatio === null ? "-" : `${Math.round(own.errorRatio * 1_000) / 10}%`,
    ms(own.p50Ms),
    ms(own.p95Ms),
    ms(own.p99Ms),
    own.attemptsPerCall === null ? "-" : own.attemptsPerCall.toFixed(1),
    String(own.active),
    own.queue === null ? "-" : String(own.queue.depth),
    own.breaker === null ? "-" : own.breaker.replaceAll("_", " "),
    own.slow === null ? "" : own.slow.cause
  ])
  return [
    wrap(headline, columns, 0),
    "",
    rows.length === 0
      ? "There are no integrations."
      : table(
          [
            { title: "INTEGRATION", min: 6 },
            { title: "RATE/S", right },
            { title: "ERR", right },
            { title: "P50", right },
            { title: "P95", right },
            { title: "P99", right },
            { title: "TRIES", right, optional: true },
            { title: "RUN", right },
            { title: "WAIT", right },
            { title: "BREAKER", min: 6 },
            { title: "SLOW", min: 5 }
          ],
          rows,
          columns
        )
  ].join("\n")
}

export const top = Command.make(
  "top",
  {
    url: Argument.String("url").pipe(
      Argument.withDescription("Where the dashboard is, such as http://localhost:3000/integrations")
    ),
    token: Flag.Redacted("token").pipe(
      Flag.withMetavar("TOKEN"),
      Flag.withDescription("Sent as Authorization: Bearer; default: BREAKWATER_TOKEN"),
      Flag.withFallbackConfig(Config.Redacted("BREAKWATER_TOKEN")),
      Flag.optional
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withoutNegation,
      Flag.withDescription("Print the figures once"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withoutNegation,
      Flag.withDescription("Print JSON: once a document, else one in a line each second"),
      Flag.withDefault(false)
    )
  },
  (given) =>
    Effect.gen(function* () {
      const url = yield* addressOf(given.url)
      const token = Option.getOrUndefined(given.token)
      const first = yield* look(url, token)
      if (given.once) {
        return yield* Console.log(given.json ? json(first.raw) : text(first.shown, yield* width))
      }
      if (given.json) {
        const line = ({ raw }: Seen) => Console.log(JSON.stringify(raw))
        yield* line(first)
        return yield* Effect.forever(Effect.delay(Effect.flatMap(look(url, token), line), everyMs))
      }
      const terminal = yield* Terminal.Terminal
      const stdio = yield* Stdio.Stdio
      const isTerminal = yield* stdio.stdoutIsTerminal
      const display = (shown: string) =>
        Effect.flatMap(Effect.zip(terminal.columns, terminal.rows), ([columns, rows]) => {
          if (!isTerminal) return Console.log(`${shown}\n`)
          // What does not fit would move the first line out of sight.
          const lines = shown.split("\n").slice(0, Math.max(1, rows - 1))
          const kept = lines.map((line) => (CliOutput.displayWidth(line) > columns ? cut(line, columns) : line))
          return Effect.ignore(terminal.display(`\u001b[H\u001b[2J${kept.join("\n")}\n`))
        })
      const show = ({ shown }: Seen) => Effect.flatMap(width, (columns) => display(text(shown, columns)))
      yield* show(first)
      // A process that starts again answers again: who looks on goes on looking.
      return yield* Effect.forever(
        Effect.delay(
          Effect.catch(Effect.flatMap(look(url, token), show), ({ message }) =>
            Effect.flatMap(width, (columns) => display(wrap(message, columns, 0)))
          ),
          everyMs
        )
      )
    }).pipe(Effect.provide(FetchHttpClient.layer))
).pipe(
  Command.withDescription("Show the figures of a dashboard: which integration of a process is slow right now, and why"),
  Command.withExamples([
    { command: "breakwater top http://localhost:3000/integrations", description: "Look on until Ctrl-C" },
    { command: "breakwater top localhost:3000/integrations --once --json", description: "All of it, for a program" }
  ])
)
