// What the cases of the receiver's conformance kit share: a handler that does what a case says, requests, and claims.
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Equal from "effect/Equal"
import type * as Scope from "effect/Scope"
import { type Arrived, type Harness, type Reply, Violation } from "../../ReceiverHarness.ts"

/** The handler of a case, in the server's hands. */
export class Desk {
  /** Every request that was carried out. */
  readonly carriedOut: Array<Arrived> = []
  /** How the next ones are answered. */
  answer: (request: Arrived, n: number) => Reply | Promise<Reply> = (_, n) => json(201, { n })
  private waiting: Array<() => void> = []

  readonly handle = (request: Arrived): Promise<Reply> => {
    const n = this.carriedOut.push(request)
    for (const wake of this.waiting.splice(0)) wake()
    return Promise.resolve().then(() => this.answer(request, n))
  }

  /** Waits for the n-th request to be carried out. */
  arrived(n: number): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.carriedOut.length >= n
        ? Effect.void
        : Effect.andThen(
            Effect.callback<void>((resume) => {
              this.waiting.push(() => resume(Effect.void))
            }),
            this.arrived(n)
          )
    )
  }
}

/** A door that the handler waits at. */
export class Gate {
  private pass: () => void = () => {}
  readonly opened = new Promise<void>((resolve) => {
    this.pass = resolve
  })
  readonly open = Effect.sync(() => this.pass())
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
  readonly text: string
  /** The type of its problem document, if it is one. */
  readonly problem: string | undefined
}

export interface Sent {
  readonly method?: "POST" | "PUT" | "GET"
  readonly path?: string
  readonly key?: string | undefined
  /** Default: the first tenant; `undefined` sends no credentials. */
  readonly tenant?: string | undefined
  readonly body?: string | Uint8Array
  readonly type?: string
}

export interface Bench {
  readonly harness: Harness
  readonly desk: Desk
  readonly send: (sent: Sent) => Effect.Effect<Answer, unknown>
}

/** One case, and how it looks at a server. */
export interface Check {
  readonly name: string
  readonly body: (bench: Bench) => Effect.Effect<unknown, unknown>
}

export const check = (name: string, body: (bench: Bench) => Effect.fn.Return<unknown, unknown>): Check => ({
  name,
  body: Effect.fnUntraced(body)
})

export const json = (status: number, value: unknown, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value)
})

const decoder = new TextDecoder()

export const open = (harness: Harness): Effect.Effect<Bench, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const desk = new Desk()
    const { client, url } = yield* harness.open(desk.handle)
    return { harness, desk, send: (sent) => send(client, url, sent) }
  })

const send = (client: HttpClient.HttpClient, url: string, sent: Sent): Effect.Effect<Answer, unknown> => {
  const { body = '{"amount":1}', key, method = "POST", path = "/things/1", type = "application/json" } = sent
  const tenant = "tenant" in sent ? sent.tenant : "alice"
  const request = HttpClientRequest.make(method)(`${url}${path}`, {
    headers: {
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...(tenant === undefined ? {} : { authorization: `Bearer ${tenant}` })
    }
  })
  const whole =
    method === "GET"
      ? request
      : typeof body === "string"
        ? HttpClientRequest.bodyText(request, body, type)
        : HttpClientRequest.bodyUint8Array(request, body, type)
  return Effect.flatMap(client.execute(whole), (response) =>
    Effect.map(response.arrayBuffer, (buffer): Answer => {
      const bytes = new Uint8Array(buffer)
      const text = decoder.decode(bytes)
      return {
        status: response.status,
        headers: response.headers,
        body: bytes,
        text,
        problem: problemOf(response, text)
      }
    })
  )
}

const problemOf = (response: { readonly headers: Answer["headers"] }, text: string): string | undefined => {
  if (response.headers["content-type"]?.startsWith("application/problem+json") !== true) return undefined
  return /"type"\s*:\s*"([^"]*)"/.exec(text)?.[1]
}

// ---- claims about answers

const violated = (what: string, actual: unknown, expected: unknown): Effect.Effect<never, Violation> =>
  Effect.fail(new Violation({ what, actual, expected }))

export const same = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, Violation> =>
  Equal.equals(actual, expected) ? Effect.void : violated(what, actual, expected)

export const carriedOut = (bench: Bench, times: number, what: string): Effect.Effect<void, Violation> =>
  same(`how often the handler ran ${what}`, bench.desk.carriedOut.length, times)

const marker = "idempotent-replayed"

/** Headers that a replay must have as the first answer had them. */
const told = ["content-type", "content-language", "location", "content-location", "etag", "last-modified", "link"]

/** The first answer: no replay. */
export const fresh = (what: string, answer: Answer, status: number): Effect.Effect<void, Violation> =>
  Effect.andThen(
    same(`the status of ${what}`, answer.status, status),
    same(`${marker} of ${what}`, answer.headers[marker], undefined)
  )

export const sameBytes = (what: string, actual: Uint8Array, expected: Uint8Array): Effect.Effect<void, Violation> =>
  actual.length === expected.length && actual.every((byte, n) => byte === expected[n])
    ? Effect.void
    : violated(what, Array.from(actual.subarray(0, 100)), Array.from(expected.subarray(0, 100)))

/** The stored answer of this one. */
export const replay = (what: string, answer: Answer, of: Answer): Effect.Effect<void, Violation> =>
  Effect.gen(function* () {
    yield* same(`the status of ${what}`, answer.status, of.status)
    yield* sameBytes(`the body of ${what}`, answer.body, of.body)
    for (const name of told) yield* same(`${name} of ${what}`, answer.headers[name], of.headers[name])
    yield* same(`${marker} of ${what}`, answer.headers[marker], "true")
  })

/** This problem, and nothing of what is stored. */
export const refused = (
  what: string,
  answer: Answer,
  status: number,
  problem: string
): Effect.Effect<void, Violation> =>
  Effect.andThen(
    same(`the status of ${what}`, answer.status, status),
    same(`the problem of ${what}`, answer.problem, problem)
  )

export const isRefused = (answer: Answer, problem: string): boolean => answer.problem === problem

export const holds = (
  what: string,
  fine: boolean,
  actual: unknown,
  expected: string
): Effect.Effect<void, Violation> => (fine ? Effect.void : violated(what, actual, expected))
