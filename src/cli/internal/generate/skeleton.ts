// The integration that a person finishes: every decision that the contract can't make is a name that does not exist.
import type { Generated, GeneratedOperation, SecurityScheme } from "../openapi/contract.ts"
import { clean } from "../print.ts"

/** A decision that is left to a person. */
export interface Decision {
  /** `issues.create` */
  readonly operation: string
  /** `idempotency`, `success`, or the tag of an error. */
  readonly what: string
  /** The name that the compiler can't find until it is replaced. */
  readonly name: string
}

const decision = (operation: GeneratedOperation, what: string): Decision => ({
  operation: operation.id,
  what,
  name: `decide_${operation.group}_${operation.name}_${what}`
})

export const decisionsOf = (operation: GeneratedOperation): ReadonlyArray<Decision> => [
  ...(operation.needsIdempotency ? [decision(operation, "idempotency")] : []),
  ...(operation.validated ? [] : [decision(operation, "success")]),
  ...operation.errors.map(({ tag }) => decision(operation, tag))
]

const width = 120

/** One line of a comment; a text of the document can't end it or begin another one. */
const comment = (indent: number, text: string): string => {
  const line = `${" ".repeat(indent)}// ${clean(text).replace(/\s+/g, " ").trim()}`
  return line.length <= width ? line : `${line.slice(0, width - 1).trimEnd()}…`
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The property of an operation in the integration: of two groups' `list` there can be both. */
export const propertyOf = ({ group, name }: { readonly group: string; readonly name: string }): string =>
  group + upper(name)

/** The text of an operation as a property of the integration, without a comma at its end. */
export const operationText = (operation: GeneratedOperation, apiName: string): string => {
  const { errors, group, method, name, path } = operation
  const open = new Map(decisionsOf(operation).map((own) => [own.what, own.name]))
  const told = [`${method} ${path}`, operation.summary, operation.deprecated ? "(deprecated)" : undefined]
    .filter((part) => part !== undefined && part !== "")
    .join(" ")
  const options = [
    ...(operation.needsIdempotency
      ? [
          [
            ...(operation.keyHeaders.length === 0
              ? []
              : [comment(6, `The contract has a header for a key: ${operation.keyHeaders.join(", ")}`)]),
            comment(
              6,
              "How a repeat is made safe: keyed · reconcilable · conditional · inherent · readOnly · atMostOnce"
            ),
            `      idempotency: ${open.get("idempotency")}`
          ].join("\n")
        ]
      : []),
    ...(operation.validated
      ? []
      : [
          [
            comment(6, "The contract does not describe the answer: Operation.unvalidated(reason)"),
            `      success: ${open.get("success")}`
          ].join("\n")
        ]),
    ...(errors.length === 0
      ? []
      : [
          [
            "      translate: {",
            errors
              .map(({ description, statuses, tag }) =>
                [
                  comment(8, `${statuses.join(", ")}${description === undefined ? "" : ` ${description}`}`),
                  `        ${tag}: ${open.get(tag)}`
                ].join("\n")
              )
              .join(",\n"),
            "      }"
          ].join("\n")
        ])
  ]
  const call = `    ${propertyOf(operation)}: HttpOperation.endpoint(`
  const args = [apiName, JSON.stringify(group), JSON.stringify(name)]
  const head = `${call}${args.join(", ")}`
  const body =
    options.length === 0
      ? `${head})`.length < width
        ? `${head})`
        : `${call}\n      ${args.join(",\n      ")}\n    )`
      : `${head}, {`.length <= width
        ? `${head}, {\n${options.join(",\n")}\n    })`
        : `${call}\n      ${args.join(",\n      ")},\n      {\n${options.join(",\n").replace(/^/gm, "  ")}\n      }\n    )`
  return `${comment(4, told)}\n${body}`
}

// ---- where it is, and who calls

/** An address that can be called as it stands. */
const isPlace = (server: string): boolean => {
  const url = URL.canParse(server) ? new URL(server) : undefined
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username === "" &&
    url.password === "" &&
    !/[{}?#]/.test(server)
  )
}

/** The credentials of a scheme. The names of the constructors stand here alone. */
const authOf = (scheme: SecurityScheme, stem: string): string | undefined => {
  const secret = (end: string) => `Config.Redacted("${stem}_${end}")`
  if (scheme.type === "http" && scheme.scheme === "basic") {
    return `Auth.basic("${stem.toLowerCase()}", ${secret("PASSWORD")})`
  }
  if (scheme.type === "apiKey" && scheme.parameter !== undefined) {
    const parameter = JSON.stringify(scheme.parameter)
    if (scheme.in === "header") return `Auth.apiKey(${parameter}, ${secret("KEY")})`
    if (scheme.in === "query") return `Auth.queryKey(${parameter}, ${secret("KEY")})`
    return undefined
  }
  return (scheme.type === "http" && scheme.scheme === "bearer") ||
    scheme.type === "oauth2" ||
    scheme.type === "openIdConnect"
    ? `Auth.bearer(${secret("TOKEN")})`
    : undefined
}

const layerText = (generated: Generated, name: string): string => {
  const stem = name.toUpperCase()
  const server = generated.servers.find(isPlace)
  const ways = generated.security.flatMap((scheme) => {
    const auth = authOf(scheme, stem)
    return auth === undefined ? [] : [{ auth, scheme }]
  })
  const [first, ...others] = ways
  const [url, end] = [`  baseUrl: Config.URL("${stem}_URL")`, first === undefined ? "" : ","]
  const otherwise = `Config.withDefault(new URL(${JSON.stringify(server)}))`
  const line = server === undefined ? `${url}${end}` : `${url}.pipe(${otherwise})${end}`
  const baseUrl = line.length <= width ? [line] : [`${url}.pipe(`, `    ${otherwise}`, `  )${end}`]
  return [
    "/** It needs an `HttpClient`: `NodeHttpClient.layerUndici`, or `FetchHttpClient.layer`. */",
    `export const ${name}Live = HttpIntegration.layer(${name}, {`,
    ...(server === undefined && generated.servers.length > 0
      ? [comment(2, `The contract says where it is as: ${generated.servers.join(", ")}`)]
      : []),
    ...baseUrl,
    ...(first?.scheme.scheme === "basic" ? [comment(2, "The user's name is not in the contract.")] : []),
    ...(first === undefined
      ? [comment(2, `The contract names no credentials; perhaps auth: Auth.bearer(Config.Redacted("${stem}_TOKEN"))`)]
      : [
          ...others.map(({ auth, scheme }) => comment(2, `or, as the contract's "${scheme.name}": ${auth}`)),
          `  auth: ${first.auth}`
        ]),
    "})"
  ].join("\n")
}

// ---- the whole

/** The integration's name: the API's without its end. */
export const integrationName = (apiName: string): string => apiName.replace(/(?<=.)Api$/, "")

export const skeleton = (generated: Generated): string => {
  const name = integrationName(generated.apiName)
  const layer = layerText(generated, name)
  const { apiName, operations } = generated
  const own = ["Exhaustion", ...(operations.some((op) => op.needsIdempotency) ? ["Idempotency"] : []), "Integration"]
  const unvalidated = operations.some((op) => !op.validated)
  const imports = [...own, ...(unvalidated ? ["Operation"] : []), "type Outcome", "Policy"].join(", ")
  const open = operations.flatMap(decisionsOf)
  const error = `${name}Unavailable`
  const errorLine = `export class ${error} extends Data.TaggedError("${error}")<{`
  return [
    "/**",
    ` * ${clean(generated.title).replaceAll("*/", "* /")} as an integration.`,
    " *",
    " * This file is yours: it was written once, and no later run of `breakwater generate` touches it. `api.ts` is generated.",
    ...(open.length === 0
      ? []
      : [
          " *",
          " * It compiles once every name that begins with `decide_` is replaced by a decision:",
          " *",
          ...(operations.some((op) => op.needsIdempotency)
            ? [
                " * - `idempotency`: how a repeat is made safe. `Idempotency.keyed` where the provider has keys, `reconcilable` where it",
                " *   can be asked whether it happened, `conditional` by an ETag, `inherent` where twice is as once, `readOnly` where",
                " *   nothing is changed, `atMostOnce` where none of these is true."
              ]
            : []),
          ...(operations.some((op) => op.errors.length > 0)
            ? [
                " * - a case of `translate`: what the caller gets instead of the provider's error, an error class of your own."
              ]
            : []),
          ...(unvalidated
            ? [
                " * - `success`: the contract does not describe the answer. `Operation.unvalidated(reason)` takes it as it is."
              ]
            : [])
        ]),
    " */",
    `import { ${imports} } from "breakwater"`,
    `import { ${layer.includes("  auth: Auth.") ? "Auth, " : ""}HttpIntegration, HttpOperation } from "breakwater/http"`,
    'import { Config, Data, type Duration } from "effect"',
    `import { ${apiName} } from "./api.ts"`,
    "",
    "/** It could not be asked, or not be understood. `outcome` says whether it happened all the same. */",
    ...(errorLine.length <= width
      ? [errorLine]
      : [`export class ${error} extends Data.TaggedError(`, `  "${error}"`, ")<{"]),
    "  readonly outcome: Outcome.Outcome",
    "  readonly retryAfter: Duration.Duration | undefined",
    "}> {}",
    "",
    `export class ${name} extends Integration.Service<${name}>()(`,
    `  "app/${name}",`,
    "  {",
    "    policy: Policy.standard(),",
    "    shared: Policy.shared({ breaker: Policy.breaker() }),",
    "    exhausted: Exhaustion.fail,",
    `    orElse: ({ outcome, retryAfter }) => new ${error}({ outcome, retryAfter })`,
    "  },",
    "  {",
    operations.map((operation) => operationText(operation, apiName)).join(",\n"),
    "  }",
    ") {}",
    "",
    layer,
    ""
  ].join("\n")
}
