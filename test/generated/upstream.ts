/**
 * An upstream that knows nothing of breakwater: it reads an OpenAPI description, and has every request and every answer of
 * its own judged by openapi-backend (Ajv). What it answers are the description's examples.
 */
import addFormats from "ajv-formats"
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { type Document, OpenAPIBackend, type Request } from "openapi-backend"

/** A request as it came, and what the validator has against it. */
export interface Judged {
  readonly operation: string | undefined
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: unknown
  /** Empty for a request that keeps to the description. */
  readonly problems: ReadonlyArray<string>
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Array<Buffer> = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString("utf8")
}

const said = (errors: ReadonlyArray<{ readonly instancePath: string; readonly message?: string }> | null | undefined) =>
  (errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`.trim())

/**
 * `nullable` beside `oneOf`, without a `type`, as GitHub writes it: Ajv knows it beside a type only. In the words of OpenAPI
 * 3.1 it is another form, `null`.
 */
const readable = <A>(value: A): A => {
  if (Array.isArray(value)) return value.map(readable) as A
  if (typeof value !== "object" || value === null) return value
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(value).map(([name, own]): [string, unknown] => [name, readable(own)])
  )
  if (nullable === undefined) return rest as A
  return (nullable === true && !("type" in rest) ? { anyOf: [rest, { type: "null" }] } : { nullable, ...rest }) as A
}

/** Who judges by a description. Its validators are compiled once. */
export const judgeOf = (definition: Document): Effect.Effect<OpenAPIBackend> =>
  Effect.promise(async () => {
    const api = new OpenAPIBackend({
      definition: { ...readable(definition), openapi: "3.1.0" } as Document,
      strict: true,
      coerceTypes: true,
      customizeAjv: (ajv) => {
        addFormats.default(ajv)
        return ajv
      }
    })
    await api.init()
    return api
  })

export interface Served {
  readonly url: string
  readonly seen: ReadonlyArray<Judged>
  /** Answers that the description does not allow, which were not given. */
  readonly wrong: ReadonlyArray<string>
}

/** Serves what the description says, until the scope ends. `answer` may give another answer than the example. */
export const serve = (
  api: OpenAPIBackend,
  answer: (judged: Judged) => Answer | undefined
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<Judged> = []
    const wrong: Array<string> = []

    const judge = (request: IncomingMessage, text: string): Judged => {
      const asked: Request = {
        method: request.method ?? "",
        path: (request.url ?? "").split("?")[0]!,
        query: (request.url ?? "").split("?")[1] ?? "",
        headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, value ?? ""])),
        ...(text === "" ? {} : { body: text })
      }
      const operation = api.matchOperation(asked)
      const type = request.headers["content-type"]
      return {
        operation: operation?.operationId,
        method: asked.method,
        url: request.url ?? "",
        headers: request.headers,
        body: text === "" ? undefined : JSON.parse(text),
        problems:
          operation === undefined
            ? ["there is no such operation"]
            : [
                ...said(api.validateRequest(asked, operation).errors),
                ...(text === "" || type === "application/json" ? [] : [`a body of the type ${type}`])
              ]
      }
    }

    const example = (operation: string): Answer => {
      const { mock, status } = api.mockResponseForOperation(operation)
      return { status, body: status === 204 ? undefined : mock }
    }

    const server = createServer((request, response) => {
      void textOf(request).then((text) => {
        const judged = judge(request, text)
        seen.push(judged)
        const send = ({ body, status }: Answer) =>
          response
            .writeHead(status, body === undefined ? {} : { "content-type": "application/json; charset=utf-8" })
            .end(body === undefined ? undefined : JSON.stringify(body))
        if (judged.problems.length > 0 || judged.operation === undefined) {
          return send({ status: 400, body: { message: judged.problems.join("; ") } })
        }
        const given = answer(judged) ?? example(judged.operation)
        const { errors } =
          given.body === undefined
            ? { errors: undefined }
            : api.validateResponse(given.body, judged.operation, given.status)
        for (const problem of said(errors)) wrong.push(`${judged.operation} ${given.status}: ${problem}`)
        return send(said(errors).length === 0 ? given : { status: 500, body: {} })
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, wrong }
  })
