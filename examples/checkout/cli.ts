/**
 * `npm run demo`: the checkout's command line. Progress goes to standard error; the tables, or with `--json` one object,
 * go to standard output.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import {
  Cause,
  Context,
  Effect,
  Exit,
  type FileSystem,
  Layer,
  Logger,
  Option,
  type PlatformError,
  Predicate,
  References,
  Schema
} from "effect"
import { CliConfig, CliError, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import { HttpServer } from "effect/http"
import { relative } from "node:path"
import type { ClientEntry } from "./client.ts"
import { clients } from "./clients/index.ts"
import { crashJson, crashText, holds } from "./crash/report.ts"
import { CrashError, defaultKills, defaultOrders, runCrashes } from "./crash/run.ts"
import { runDashboard } from "./dashboard.ts"
import { defaultFaultRate } from "./faults.ts"
import { runClient } from "./harness.ts"
import { defaultOrdersFile, loadOrders, OrdersFileError } from "./orders.ts"
import { makeProgressReporter } from "./progress.ts"
import { Providers, ProvidersError } from "./provider/handle.ts"
import { jsonReport, type Summary, textReport } from "./report.ts"
import * as Server from "./server.ts"
import type { RunResult } from "./tally.ts"

/** The two streams that the demo writes to: a test gives its own. */
export const Output = Context.Reference<{
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** The width of the terminal behind `err`, or `undefined` if it is none. */
  readonly columns: number | undefined
}>("checkout/Output", {
  defaultValue: () => ({
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    columns: process.stderr.isTTY ? process.stderr.columns : undefined
  })
})

const within = (minimum: number, maximum: number) => (value: number) => value >= minimum && value <= maximum

const flags = {
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Decides which request meets which fault (1)"),
    Flag.filter(within(0, Number.MAX_SAFE_INTEGER), () => "Expected a whole number of at least 0"),
    Flag.withDefault(1)
  ),
  orders: Flag.String("orders").pipe(
    Flag.withDescription(`One JSON order per line (1,000; ${defaultOrders} with --crash)`),
    Flag.withMetavar("FILE"),
    Flag.optional
  ),
  faultRate: Flag.Finite("fault-rate").pipe(
    Flag.withDescription(`Share of requests that meet a fault, 0 to 1 (${defaultFaultRate})`),
    Flag.filter(within(0, 1), () => "Expected a number from 0 to 1"),
    Flag.withDefault(defaultFaultRate)
  ),
  only: Flag.Literals(
    "only",
    clients.map(({ name }) => name)
  ).pipe(Flag.withDescription("Run one alone"), Flag.optional),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object instead of the tables"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  serve: Flag.Boolean("serve").pipe(
    Flag.withDescription("Serve the checkout's own HTTP API, until Ctrl-C"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  dashboard: Flag.Boolean("dashboard").pipe(
    Flag.withDescription("Serve the live page, over changing faults, until Ctrl-C"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("Port of --serve, --dashboard (3000; 0 is a free one)"),
    Flag.filter(within(0, 65_535), () => "Expected a port from 0 to 65535"),
    Flag.withDefault(3_000)
  ),
  crash: Flag.Boolean("crash").pipe(
    Flag.withDescription("Kill and restart a checkout until all orders are done"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  kills: Flag.Int("kills").pipe(
    Flag.withDescription(`How often --crash kills it (${defaultKills})`),
    Flag.filter(within(0, 1_000), () => "Expected a whole number from 0 to 1000"),
    Flag.optional
  )
}

interface Config {
  readonly seed: number
  readonly orders: Option.Option<string>
  readonly faultRate: number
  readonly only: Option.Option<string>
  readonly json: boolean
  readonly serve: boolean
  readonly dashboard: boolean
  readonly port: number
  readonly crash: boolean
  readonly kills: Option.Option<number>
}

const ordersOf = ({ orders }: Config) => loadOrders(Option.getOrElse(orders, () => defaultOrdersFile))

const compare = Effect.fnUntraced(function* (config: Config) {
  const orders = yield* ordersOf(config)
  const chosen = clients.filter(isChosen(config))
  const faults = { seed: config.seed, rate: config.faultRate }
  const output = yield* Output
  output.err(
    `${orders.length} orders, seed ${faults.seed}, fault rate ${faults.rate}: ${chosen.map(({ name }) => name).join(", ")}\n`
  )
  const results: Array<RunResult> = []
  const print = Effect.sync(() => {
    const summary: Summary = { seed: faults.seed, faultRate: faults.rate, orders: orders.length, results }
    output.out(config.json ? `${JSON.stringify(jsonReport(summary))}\n` : textReport(summary))
  })
  const add = (result: RunResult) => void results.push(result)
  yield* Effect.forEach(chosen, (client) =>
    Effect.acquireUseRelease(
      Effect.sync(() => makeProgressReporter(client.name, orders.length, output)),
      ({ update }) => runClient({ client, orders, faults, onProgress: update, onInterrupted: add }),
      ({ end }) => Effect.sync(end)
    ).pipe(Effect.map(add))
  ).pipe(Effect.onInterrupt(() => print))
  yield* print
}, Effect.provide(Providers.layer))

const crash = Effect.fnUntraced(function* (config: Config) {
  const all = yield* ordersOf(config)
  const orders = Option.isSome(config.orders) ? all : all.slice(0, defaultOrders)
  const kills = Option.getOrElse(config.kills, () => defaultKills)
  const faults = { seed: config.seed, rate: config.faultRate }
  const { err, out } = yield* Output
  err(`${orders.length} orders, seed ${faults.seed}, fault rate ${faults.rate}, ${kills} kills\n`)
  const result = yield* runCrashes({
    orders,
    faults,
    kills,
    onKill: (kill, ended) => err(`kill ${kill} of ${kills}: ${ended} of ${orders.length} orders have ended\n`)
  })
  const summary = { seed: faults.seed, faultRate: faults.rate, result }
  out(config.json ? `${JSON.stringify(crashJson(summary))}\n` : crashText(summary))
  if (!holds(result)) return yield* new CrashError({ problem: "not everything was done, and once" })
}, Effect.provide(Providers.layer))

const serve = Effect.fnUntraced(
  function* (config: Config) {
    const client = clients.find(isChosen(config))
    if (client === undefined) return yield* new UsageError({ problem: "there is no client to serve with" })
    const { urls } = yield* (yield* Providers).start({ seed: config.seed, rate: config.faultRate })
    const checkout = Layer.orDie(client.layer({ urls, observe: () => {} }))
    const context = yield* Layer.build(Server.layer(config.port).pipe(Layer.provide(checkout))).pipe(
      Effect.catchTag("ServeError", ({ cause }) => new UsageError({ problem: cannotListen(config.port, cause) }))
    )
    const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
    ;(yield* Output).err(
      `The checkout listens on ${url} (client: ${client.name}, providers' fault rate: ${config.faultRate}).\n\n` +
        `  curl ${url}/health\n` +
        `  head -1 ${relative(process.cwd(), defaultOrdersFile)} |\n` +
        `    curl -i ${url}/checkout -H 'content-type: application/json' -d @-\n\n` +
        "Ctrl-C ends it.\n"
    )
    return yield* Effect.never
  },
  Effect.scoped,
  Effect.provide(Providers.layer)
)

const dashboard = Effect.fnUntraced(function* (config: Config) {
  const orders = yield* ordersOf(config)
  const { err } = yield* Output
  return yield* runDashboard({
    port: config.port,
    seed: config.seed,
    orders,
    onListening: (url) =>
      err(
        `Which integration is slow right now? See ${url}\n\n` +
          `  curl ${url}/snapshot.json\n\n` +
          "The faults change all the time. Ctrl-C ends it.\n\n"
      ),
    onWeather: ({ says }) => err(`now: ${says}\n`)
  }).pipe(Effect.catchTag("ServeError", ({ cause }) => new UsageError({ problem: cannotListen(config.port, cause) })))
}, Effect.provide(Providers.layer))

const isChosen =
  ({ only }: Config) =>
  ({ name }: ClientEntry) =>
    Option.getOrElse(only, () => name) === name

class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

const cannotListen = (port: number, cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && cause.code === "EADDRINUSE"
    ? `port ${port} is in use; choose another with --port, or 0 for a free one`
    : `cannot listen on port ${port}: ${String(cause)}`

type DemoError = UsageError | OrdersFileError | ProvidersError | CrashError | PlatformError.PlatformError

const command = Command.make("demo", flags, (config): Effect.Effect<void, DemoError, FileSystem.FileSystem> => {
  const exclusive = Object.entries({
    "--serve": config.serve,
    "--dashboard": config.dashboard,
    "--crash": config.crash,
    "--json": config.json
  })
    .filter(([, given]) => given)
    .map(([flag]) => flag)
  if ((config.serve || config.dashboard) && exclusive.length > 1) {
    return new UsageError({ problem: `${exclusive[0]} and ${exclusive[1]} exclude each other` })
  }
  if (config.dashboard && Option.isSome(config.only)) {
    return new UsageError({ problem: "--dashboard and --only exclude each other: the peers have no dashboard" })
  }
  if (config.crash && Option.isSome(config.only)) {
    return new UsageError({ problem: "--crash and --only exclude each other: the peers have no outbox" })
  }
  if (!config.crash && Option.isSome(config.kills)) return new UsageError({ problem: "--kills needs --crash" })
  if (config.crash) return crash(config)
  if (config.dashboard) return dashboard(config)
  // A client may log every call: worth reading while it serves, 3,000 lines of noise while it competes.
  return config.serve ? serve(config) : Effect.provideService(compare(config), References.MinimumLogLevel, "Error")
}).pipe(Command.withDescription("Runs orders through three clients, over providers that misbehave on purpose."))

/** Help on standard output when it was asked for; what is wrong with a flag on standard error, without the whole help. */
const presenter = Layer.unwrap(
  Effect.gen(function* () {
    const formatter = yield* CliOutput.Formatter
    const { err, out } = yield* Output
    return CliOutput.layerPresenter({
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "Help") out(`${formatter.formatHelpDoc(event.helpDoc)}\n`)
          if (event._tag === "InvalidInvocation") {
            err(`${event.errors.map(({ message }) => `demo: ${message}`).join("\n")}\n\nSee: npm run demo -- --help\n`)
          }
        })
    })
  })
)

const explain = (cause: Cause.Cause<unknown>): string | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return undefined
  const error = Cause.squash(cause)
  // The presenter has already said what is wrong with the flags.
  if (CliError.isCliError(error)) return undefined
  return isUsage(error) || error instanceof ProvidersError || error instanceof CrashError
    ? `demo: ${error.message}\n`
    : `${Cause.pretty(cause)}\n`
}

const isUsage = (error: unknown): error is Error => error instanceof UsageError || error instanceof OrdersFileError

/** The whole demo, for these arguments. It says what went wrong itself; `exitCode` is left to the caller. */
export const demo = (args: ReadonlyArray<string>): Effect.Effect<void, DemoError | CliError.CliError> =>
  Command.runWith(command, { version: "0.1.0" })(args).pipe(
    Effect.tapCause((cause) => Output.useSync(({ err }) => err(explain(cause) ?? ""))),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter, CliConfig.layer({ builtIns: [GlobalFlag.Help] }))),
    // Standard output belongs to the tables.
    Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
  )

/** 0 done, 1 broken, 2 a wrong flag, file or port, 130 interrupted. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  const error = Cause.squash(exit.cause)
  return isUsage(error) || CliError.isCliError(error) ? 2 : 1
}
