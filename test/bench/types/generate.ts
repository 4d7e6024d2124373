/**
 * Writes what the budget of test/types/budget.json is measured on: an `HttpApi` of 200 endpoints, and an integration of
 * 50 of them. The same every time.
 */

export const endpoints = 200
export const operations = 50
const groups = 10

const kinds = ["get", "list", "create", "replace", "remove"] as const

interface Generated {
  readonly group: string
  readonly name: string
  readonly kind: (typeof kinds)[number]
}

const all: ReadonlyArray<Generated> = Array.from({ length: endpoints }, (_, n) => {
  const kind = kinds[n % kinds.length]!
  return { group: `group${n % groups}`, name: `${kind}${n}`, kind }
})

const declaration = ({ kind, name }: Generated): string => {
  const success = `success: Thing${name}`
  const path = `"/${name}/:id"`
  const params = "params: { id: Schema.String }"
  switch (kind) {
    case "get":
      return `HttpApiEndpoint.get("${name}", ${path}, { ${params}, ${success}, error: NotFound })`
    case "list":
      return `HttpApiEndpoint.get("${name}", "/${name}", {
        query: { page: Schema.Int, size: Schema.optional(Schema.Int), search: Schema.optional(Schema.String) },
        success: Schema.Array(Thing${name})
      })`
    case "create":
      return `HttpApiEndpoint.post("${name}", "/${name}", {
        payload: New${name},
        ${success},
        error: [Invalid, Conflict]
      })`
    case "replace":
      return `HttpApiEndpoint.put("${name}", ${path}, { ${params}, payload: New${name}, ${success}, error: Invalid })`
    case "remove":
      return `HttpApiEndpoint.delete("${name}", ${path}, { ${params}, ${success}, error: NotFound })`
  }
}

const schemas = ({ name }: Generated): string => `
const New${name} = Schema.Struct({
  title: Schema.String,
  amount: Schema.Int,
  currency: Schema.Literals(["EUR", "USD"]),
  due: Schema.DateTimeUtcFromString,
  tags: Schema.Array(Schema.String),
  note: Schema.optional(Schema.String)
})
const Thing${name} = Schema.Struct({ ...New${name}.fields, id: Schema.String, created: Schema.DateTimeUtcFromString })`

/** An `HttpApi` as an application or a code generator would write it. */
export const api = (): string => `import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.String }) {}
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", { path: Schema.String }) {}
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { id: Schema.String }) {}
${all.map(schemas).join("")}

export class Api extends HttpApi.make("api")${Array.from(
  { length: groups },
  (_, g) => `
  .add(
    HttpApiGroup.make("group${g}").add(
      ${all
        .filter(({ group }) => group === `group${g}`)
        .map(declaration)
        .join(",\n      ")}
    )
  )`
).join("")} {}
`

/** Every fourth endpoint, so that all groups and kinds occur. */
const used = all.filter((_, n) => n % (endpoints / operations) === 0)

const operation = ({ group, kind, name }: Generated): string => {
  const missing = "NotFound: ({ id }) => new Missing({ id })"
  const invalid = "Invalid: ({ path }) => new Refused({ path })"
  const options =
    kind === "list"
      ? ""
      : kind === "create"
        ? `, {
      idempotency: Idempotency.keyed(({ payload }) => IdempotencyKey.derive("${name}", payload.title), {
        lifetime: "24 hours"
      }),
      translate: { ${invalid}, Conflict: ({ id }) => new Missing({ id }) }
    }`
        : `, { translate: { ${kind === "replace" ? invalid : missing} } }`
  return `${name}: HttpOperation.endpoint(Api, "${group}", "${name}"${options})`
}

const thing = `{ title: "a", amount: 1, currency: "EUR" as const, due, tags: [] }`

const call = ({ kind, name }: Generated): string => {
  switch (kind) {
    case "get":
    case "remove":
      return `yield* client.${name}({ params: { id: "1" } })`
    case "list":
      return `yield* client.${name}({ query: { page: 1 } })`
    case "create":
      return `yield* client.${name}({ payload: ${thing} })`
    case "replace":
      return `yield* client.${name}({ params: { id: "1" }, payload: ${thing} })`
  }
}

/** An integration of 50 operations, its layer, and a program that calls each. */
export const integration =
  (): string => `import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { DateTime, Effect, Schema } from "effect"
import { Api } from "./api.ts"

export class Missing extends Schema.TaggedError<Missing>()("Missing", { id: Schema.String }) {}
export class Refused extends Schema.TaggedError<Refused>()("Refused", { path: Schema.String }) {}
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { outcome: Schema.String }) {}

export class Client extends Integration.Service<Client>()(
  "bench/Client",
  {
    policy: Policy.standard(),
    shared: Policy.shared({ breaker: Policy.breaker() }),
    exhausted: Exhaustion.fail,
    orElse: ({ outcome }) => new Unavailable({ outcome })
  },
  {
    ${used.map(operation).join(",\n    ")}
  }
) {
  static readonly layer = HttpIntegration.layer(this, { baseUrl: "https://example.com" })
}

const due = DateTime.makeUnsafe(0)

export const program = Effect.gen(function* () {
  const client = yield* Client
  ${used.map(call).join("\n  ")}
}).pipe(Effect.provide(Client.layer))
`

/** The same imports, without an operation: what the integration is measured against. */
export const baseline = (): string => `import * as breakwater from "breakwater"
import * as http from "breakwater/http"
import { Api } from "./api.ts"

export const all = [breakwater, http, Api]
`
