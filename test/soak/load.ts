/**
 * The load of a soak: every key is sent until it has a definite answer, and once more. What was answered is kept, and
 * judged against what was done.
 */
import { Effect } from "effect"
import { request } from "node:http"
import { problems } from "../../src/http/Answer.ts"
import { type Answered, attemptHeader, type Order, type Point, pointHeader } from "./protocol.ts"
import type { Server } from "./servers.ts"

export interface Answer {
  readonly attempt: string
  readonly status: number
  readonly body: string
  readonly replayed: boolean
  /** It was done, and the store failed afterwards: a repeat may be told something else. */
  readonly unrecorded: boolean
  readonly problem: string | undefined
}

/** One key: what was asked for, and everything that was answered to it. */
export interface Sent {
  readonly key: string
  decline: boolean
  readonly answers: Array<Answer>
  requests: number
  /** It has a definite answer. */
  answered: boolean
  /** It was sent again after that, and answered again. */
  repeated: boolean
}

interface Destination {
  readonly port: number
  readonly point?: Point | undefined
}

/** Sends a request and reads its answer to the end; undefined if there is no whole answer. */
const send = (sent: Sent, { point, port }: Destination): Effect.Effect<Answer | undefined> =>
  Effect.callback((resume) => {
    const attempt = `${sent.key}/${++sent.requests}`
    const order: Order = { order: sent.key, decline: sent.decline }
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        method: "POST",
        path: "/orders",
        agent: false,
        // Whoever is stopped or struck gives no answer: then another server is asked.
        timeout: point === undefined ? 5_000 : 1_000,
        headers: {
          "content-type": "application/json",
          "idempotency-key": sent.key,
          [attemptHeader]: attempt,
          ...(point === undefined ? {} : { [pointHeader]: point })
        }
      },
      (response) => {
        let body = ""
        response.setEncoding("utf8")
        response.on("data", (text: string) => (body += text))
        response.on("error", () => resume(Effect.undefined))
        response.on("end", () => {
          const { headers, statusCode = 0 } = response
          resume(
            Effect.succeed({
              attempt,
              status: statusCode,
              body,
              replayed: headers["idempotent-replayed"] === "true",
              unrecorded: headers["idempotency-status"] === "unrecorded",
              problem: headers["content-type"]?.startsWith("application/problem+json")
                ? (JSON.parse(body) as { readonly type: string }).type
                : undefined
            })
          )
        })
      }
    )
    outgoing.on("timeout", () => outgoing.destroy())
    outgoing.on("error", () => resume(Effect.undefined))
    outgoing.end(JSON.stringify(order))
    return Effect.sync(() => outgoing.destroy())
  })

/** Whether an answer says to come again. */
const isTransient = ({ problem, status }: Answer): boolean =>
  status === 500 ||
  problem === problems.inProgress ||
  problem === problems.notProcessed ||
  problem === problems.unavailable

/** A few milliseconds: the servers ask for a second, which a test has not. */
const pause = Effect.sleep("40 millis")

/** Sends a key until it has a definite answer, and then once more. */
export const deliver = (
  sent: Sent,
  options: {
    readonly ready: () => ReadonlyArray<Server>
    readonly random: () => number
    /** Where the request is awaited, as long as it is. */
    readonly aim: () => { readonly server: Server; readonly point: Point } | undefined
    readonly onAnswered: () => void
  }
): Effect.Effect<void> => {
  const { aim, onAnswered, random, ready } = options
  const someServer = (): Server | undefined => {
    const servers = ready()
    return servers[Math.floor(random() * servers.length)]
  }
  const once = Effect.suspend(() => {
    const aimed = aim()
    const server = aimed?.server ?? someServer()
    if (server?.port === undefined) return Effect.undefined
    const first = send(sent, { port: server.port, point: aimed?.point })
    const other = random() < 0.3 ? someServer()?.port : undefined
    // A duplicate to another server, while the first is at work.
    const second = other === undefined ? Effect.undefined : Effect.delay(send(sent, { port: other }), "20 millis")
    return Effect.map(Effect.all([first, second], { concurrency: 2 }), (answers) => {
      const definite = answers.filter((answer) => answer !== undefined)
      sent.answers.push(...definite)
      return definite.find((answer) => !isTransient(answer))
    })
  })
  const until: Effect.Effect<void> = Effect.flatMap(once, (answer) =>
    answer === undefined ? Effect.andThen(pause, until) : Effect.void
  )
  return Effect.gen(function* () {
    yield* until
    sent.answered = true
    onAnswered()
    yield* until
    sent.repeated = true
  })
}

// ---- judgement

export interface Judgement {
  readonly lost: ReadonlyArray<string>
  readonly duplicated: ReadonlyArray<string>
  readonly violations: ReadonlyArray<string>
}

/** Judges every key by its answers and by how often it was done. */
export const judge = (all: Iterable<Sent>, effectsOf: (key: string) => number): Judgement => {
  const lost: Array<string> = []
  const duplicated: Array<string> = []
  const violations: Array<string> = []
  for (const sent of all) {
    const { answered, answers, decline, key, repeated } = sent
    const effects = effectsOf(key)
    const final = answers.filter((answer) => !isTransient(answer))
    const violation = (what: string) => violations.push(`${what}: ${key}: ${final.map(lineOf).join(" | ")}`)

    if (!answered) lost.push(`no definite answer: ${key}: ${answers.slice(-3).map(lineOf).join(" | ")}`)
    else if (!repeated) violation("an answered key was not answered again")
    const done = final.some(({ problem, status }) => status < 300 || problem === problems.responseNotStored)
    if (done && effects === 0) lost.push(`answered as done, and not done: ${key}`)
    if (effects > 1) duplicated.push(`done ${effects} times: ${key}`)
    if (effects > 0 && final.some(({ status }) => status === 402)) violation("answered as declined, and done")

    for (const { attempt, body, problem, replayed, status } of final) {
      if (problem === problems.keyReused) violation("the same request was told that its key was reused")
      else if (status !== (decline ? 402 : 201)) violation(`an answer of ${status}`)
      else if ((JSON.parse(body) as Answered).attempt !== attempt && !replayed) violation("a replay does not say so")
    }
    const told = final.filter(({ unrecorded }) => !unrecorded).map(({ body, status }) => `${status} ${body}`)
    if (new Set(told).size > 1) violation("two answers")
  }
  return { lost, duplicated, violations }
}

const lineOf = ({ attempt, body, replayed, status, unrecorded }: Answer): string =>
  `${attempt} ${status}${replayed ? " replayed" : ""}${unrecorded ? " unrecorded" : ""} ${body.slice(0, 120)}`
