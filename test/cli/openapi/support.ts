import { assert } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { HttpApiClient, type HttpApi } from "effect/http-api"
import { createHash } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Generated, Options } from "../../../src/cli/internal/openapi/contract.ts"
import { generate } from "../../../src/cli/internal/openapi/generate.ts"

/** Git-ignored. The file must stand in the repository, or it would not find `effect`. */
const folder = fileURLToPath(new URL("../../../.specs/test/", import.meta.url))

type Json = Readonly<Record<string, unknown>>

export interface Loaded extends Generated {
  readonly module: Readonly<Record<string, unknown>>
  readonly schema: (name: string) => Schema.Codec<unknown>
  /** Whether a schema of the file takes a value, and gives it back as it was. */
  readonly takes: (name: string, value: unknown) => boolean
  readonly operation: (id: string) => Generated["operations"][number]
  /** Calls an operation against an answer, and says what was sent and what came of it. */
  readonly call: (id: string, input: unknown, answer: () => Response) => Promise<Called>
}

export interface Called {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly exit: Exit.Exit<unknown, unknown>
}

/** A description of one path per schema is enough for most tests. */
export const describe31 = (schemas: Json, paths: Json = {}, extra: Json = {}): Json => ({
  openapi: "3.1.0",
  info: { title: "Shop API", version: "1" },
  components: { schemas },
  paths: {
    ...Object.fromEntries(
      Object.keys(schemas).map((name, index) => [
        `/schemas/${index}`,
        {
          get: {
            tags: ["schemas"],
            operationId: `read${index}`,
            responses: {
              "200": {
                description: "It",
                content: {
                  "application/json": {
                    schema: { $ref: `#/components/schemas/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` }
                  }
                }
              }
            }
          }
        }
      ])
    ),
    ...paths
  },
  ...extra
})

export const generated = (document: unknown, options?: Options) => Effect.runPromise(generate(document, options))

export const load = async (document: unknown, options?: Options): Promise<Loaded> => {
  const made = await generated(document, options)
  const name = createHash("sha256").update(made.source).digest("hex").slice(0, 24)
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}${name}.ts`, made.source)
  const module = (await import(/* @vite-ignore */ pathToFileURL(`${folder}${name}.ts`).href)) as Record<string, unknown>
  const schema = (name: string) => {
    assert.isTrue(Schema.isSchema(module[name]), `the file has no schema ${name}`)
    return module[name] as Schema.Codec<unknown>
  }
  return {
    ...made,
    module,
    schema,
    takes: (name, value) => {
      const exit = Effect.runSyncExit(Schema.decodeUnknownEffect(schema(name))(value))
      if (Exit.isSuccess(exit)) assert.deepStrictEqual(Schema.encodeUnknownSync(schema(name))(exit.value), exit.value)
      return Exit.isSuccess(exit)
    },
    operation: (id) => {
      const found = made.operations.find((operation) => operation.id === id)
      assert.isDefined(found, `no operation ${id}`)
      return found!
    },
    call: async (id, input, answer) => {
      const [group, endpoint] = id.split(".") as [string, string]
      let sent: Omit<Called, "exit"> = { url: "", headers: {}, body: undefined }
      const httpClient = HttpClient.make((request, url) => {
        const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : undefined
        sent = { url: `${url.pathname}${url.search}`, headers: request.headers, body }
        return Effect.succeed(HttpClientResponse.fromWeb(request, answer()))
      })
      const call = await Effect.runPromise(
        HttpApiClient.endpoint(module[made.apiName] as HttpApi.HttpApi<string, never>, {
          group: group as never,
          endpoint: endpoint as never,
          httpClient,
          baseUrl: "http://shop"
        }) as Effect.Effect<(input: unknown) => Effect.Effect<unknown, unknown>>
      )
      const exit = await Effect.runPromiseExit(call(input))
      return { ...sent, exit }
    }
  }
}

export const json =
  (body: unknown, status = 200, type = "application/json") =>
  () =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": type } })
