/**
 * Does the provider still keep the contract? Real answers against an `HttpApi`: which decode and which don't, which
 * declared errors occur, and which fields nobody reads.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as Schema from "effect/Schema"
import type { Exchange, Response } from "./Exchange.ts"
import { isOf, jsonOf, jsonSchemas, nameOf, type Reader, readerOf, streams } from "./internal/contractAnswer.ts"
import type { EndpointReport, Report, Status, Undecodable } from "./ContractReport.ts"
import { Fields } from "./internal/contractFields.ts"
import { mostSpecific, type Route, routesOf } from "./internal/routes.ts"

export { format } from "./internal/contractFormat.ts"
export type {
  DeclaredError,
  EndpointReport,
  IgnoredField,
  JsonType,
  NeverCame,
  Report,
  Status,
  Undecodable
} from "./ContractReport.ts"

/**
 * Options of `check`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Where the provider is. Only its path counts: it stands before every path of the contract. Default: nothing. */
  readonly baseUrl?: string | URL | undefined
}

/**
 * Checks exchanges against a contract.
 *
 * **When to use**
 *
 * In CI, over a cassette, to see that a change of a schema still reads what the provider sent; and over a fresh recording,
 * to see that the provider still sends what the schema reads. For the second, run the tests with
 * `BREAKWATER_CASSETTE=record` against the provider's sandbox, say every night, and check the file that they wrote.
 *
 * **Details**
 *
 * An answer is decoded exactly as an operation decodes it: the status first, then the body against the schemas that are
 * declared for it. Fields are looked at in JSON answers that decode, through unions (the member that decodes), arrays,
 * records and recursive schemas. Where a cassette holds `[redacted]`, nothing can be said, and the report counts such
 * answers as `hidden`.
 *
 * **Example** (A field that changed its type)
 *
 * ```ts
 * import { Contract } from "breakwater/testing"
 * import { Effect, Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 *
 * class Cards extends HttpApi.make("cards").add(
 *   HttpApiGroup.make("charges").add(
 *     HttpApiEndpoint.get("get", "/charges/:id", {
 *       params: { id: Schema.String },
 *       success: Schema.Struct({ id: Schema.String, amount: Schema.Int })
 *     })
 *   )
 * ) {}
 *
 * const recorded = (body: unknown) => ({
 *   request: { method: "GET", url: "https://api.example/charges/ch_1", headers: {} },
 *   response: { status: 200, headers: { "content-type": "application/json" }, body: { json: body } },
 *   elapsed: 40
 * })
 *
 * const report = await Effect.runPromise(
 *   Contract.check(Cards, [
 *     recorded({ id: "ch_1", amount: 4200, livemode: false }),
 *     recorded({ id: "ch_2", amount: "42.00" })
 *   ])
 * )
 *
 * Contract.isBroken(report) // => true
 * report.endpoints[0]?.undecodable // => [{ status: 200, at: "amount", message: "Expected number", count: 1 }]
 * report.endpoints[0]?.ignored // => [{ status: 200, at: "livemode", types: ["boolean"], count: 1, of: 1 }]
 * ```
 *
 * **Example** (A cassette, in CI)
 *
 * ```ts no-run
 * import { Cassette, Contract } from "breakwater/testing"
 * import { Console, Effect } from "effect"
 * import { HttpApi } from "effect/http-api"
 *
 * const Stripe = HttpApi.make("stripe") // your contract
 *
 * export const check = Effect.gen(function* () {
 *   const exchanges = yield* Cassette.read("test/cassettes/stripe.ndjson")
 *   const report = yield* Contract.check(Stripe, exchanges, { baseUrl: "https://api.stripe.com" })
 *   yield* Console.log(Contract.format(report)) // JSON.stringify(report) for machines
 *   if (Contract.isBroken(report)) return yield* Effect.die("the provider broke the contract")
 * })
 * ```
 *
 * @category checking
 * @since 0.1.0
 */
export const check = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  exchanges: ReadonlyArray<Exchange>,
  options: Options = {}
): Effect.Effect<Report, never, HttpApiGroup.ClientServices<Groups>> =>
  Effect.gen(function* () {
    const prefix = prefixOf(options.baseUrl)
    const routes = routesOf(api)
    // Any API is `HttpApi.Top` to whoever reflects it; a constraint can't be shown to be one.
    const books = new Map(
      routes.map((route) => [route, new Book(route, readerOf(api as unknown as HttpApi.Top, route))])
    )
    const patterns = routes.map((route) => ({ ...route, route, whole: new RegExp(`^${route.pattern}/?$`) }))
    const unmatched = new Map<string, { method: string; path: string; count: number }>()
    for (const exchange of exchanges) {
      const { method } = exchange.request
      const path = new URL(exchange.request.url, "http://relative.invalid").pathname
      const below = path.startsWith(prefix) ? path.slice(prefix.length) : undefined
      const found =
        below === undefined
          ? undefined
          : mostSpecific(patterns.filter((one) => one.method === method && one.whole.test(below)))
      if (found === undefined) {
        const key = `${method} ${path}`
        unmatched.set(key, { method, path, count: (unmatched.get(key)?.count ?? 0) + 1 })
      } else yield* books.get(found.route)!.add(exchange)
    }
    const report: Report = {
      contract: 1,
      api: api.identifier,
      exchanges: exchanges.length,
      endpoints: Array.from(books.values(), (book) => book.report()),
      unmatched: Array.from(unmatched.values())
    }
    return report
  }) as Effect.Effect<Report, never, HttpApiGroup.ClientServices<Groups>>

/**
 * Whether the provider, or the schema, broke the contract: answers of a declared status don't decode, or a 2xx came that
 * is not declared.
 *
 * **Details**
 *
 * With `strict` it also counts any status that is not declared, requests that belong to no endpoint, endpoints that were
 * never exercised, and fields that no schema reads. A declared error that never occurred does not break a contract.
 *
 * @category checking
 * @since 0.1.0
 */
export const isBroken = (report: Report, options?: { readonly strict?: boolean | undefined }): boolean =>
  report.endpoints.some(
    ({ statuses, undecodable }) =>
      undecodable.length > 0 ||
      statuses.some(({ declared, status }) => declared === "no" && status >= 200 && status < 300)
  ) ||
  (options?.strict === true &&
    (report.unmatched.length > 0 ||
      report.endpoints.some(
        ({ exchanges, ignored, statuses }) =>
          exchanges === 0 || ignored.length > 0 || statuses.some(({ declared }) => declared === "no")
      )))

const prefixOf = (baseUrl: string | URL | undefined): string =>
  baseUrl === undefined ? "" : new URL(baseUrl, "http://relative.invalid").pathname.replace(/\/$/, "")

/** What is known of one endpoint so far. */
class Book {
  private readonly route: Route
  private readonly read: Reader
  private readonly streaming: boolean
  private readonly errors: ReadonlyArray<{ readonly status: number; readonly schema: Schema.Top; count: number }>
  private readonly statuses = new Map<number, number>()
  private readonly undecodable = new Map<string, Undecodable>()
  private readonly fields = new Map<number, Fields>()
  private exchanges = 0
  private lost = 0
  private decoded = 0
  private hidden = 0

  constructor(route: Route, read: Reader) {
    this.route = route
    this.read = read
    this.streaming = streams(route)
    this.errors = Array.from(route.errors).flatMap(([status, schemas]) =>
      schemas.map((schema) => ({ status, schema, count: 0 }))
    )
  }

  add({ response }: Exchange): Effect.Effect<void, never, unknown> {
    this.exchanges++
    if (response === undefined || response.cut === true) this.lost++
    if (response === undefined) return Effect.void
    const { status } = response
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    if (response.cut === true || !["success", "error"].includes(this.declared(status))) return Effect.void
    return Effect.map(this.read(response), (read) => {
      switch (read._tag) {
        case "Hidden":
          this.hidden++
          return
        case "Mismatched":
          // The same place may fail in many elements of a list: it counts once.
          for (const [key, mismatch] of new Map(
            read.mismatches.map((it) => [`${status} ${it.at} ${it.message}`, it])
          )) {
            const count = (this.undecodable.get(key)?.count ?? 0) + 1
            this.undecodable.set(key, { status, ...mismatch, count })
          }
          return
        case "DeclaredError": {
          const declared = this.errors.find((one) => one.status === status && isOf(one.schema, read.error))
          if (declared !== undefined) declared.count++
        }
      }
      this.decoded++
      this.look(response)
    })
  }

  report(): EndpointReport {
    const { endpoint, group, method, path } = this.route
    return {
      group: group.identifier,
      endpoint: endpoint.identifier,
      method,
      path,
      exchanges: this.exchanges,
      lost: this.lost,
      statuses: Array.from(this.statuses, ([status, count]) => ({
        status,
        count,
        declared: this.declared(status)
      })).toSorted((a, b) => a.status - b.status),
      decoded: this.decoded,
      hidden: this.hidden,
      undecodable: Array.from(this.undecodable.values()),
      errors: this.errors.map(({ count, schema, status }) => ({ status, name: nameOf(schema), count })),
      ignored: Array.from(this.fields).flatMap(([status, fields]) =>
        Array.from(fields.ignored, ([at, { count, types }]) => ({
          status,
          at,
          types: Array.from(types),
          count,
          of: fields.of(at)
        }))
      ),
      neverCame: Array.from(this.fields).flatMap(([status, fields]) =>
        Array.from(fields.optional)
          .filter(([, { came }]) => came === 0)
          .map(([at]) => ({ status, at, of: fields.of(at) }))
      )
    }
  }

  private declared(status: number): Status["declared"] {
    if (this.route.successes.has(status)) return "success"
    if (this.route.errors.has(status)) return "error"
    return this.streaming && (status === 101 || (status >= 200 && status < 300)) ? "stream" : "no"
  }

  private look({ body, status }: Response): void {
    const json = body === undefined ? undefined : jsonOf(body)
    const schemas = jsonSchemas([...(this.route.successes.get(status) ?? []), ...(this.route.errors.get(status) ?? [])])
    if (json === undefined || schemas.length === 0) return
    const fields = this.fields.get(status) ?? new Fields()
    this.fields.set(status, fields)
    fields.add(schemas, json.value)
  }
}
