// One answer that comes piece by piece: read as fast as it is taken, to an end that its protocol vouches for.
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { CallRecord } from "../../internal/call.ts"
import { format } from "../../internal/duration.ts"
import { cutAt } from "../../internal/streamLimits.ts"
import { Alarm, cutBy, type StreamRecord } from "../../internal/streaming.ts"
import { nowOf } from "../../internal/timer.ts"
import { describeIssue } from "../../PolicyDecode.ts"
import * as Reason from "../../Reason.ts"
import type { EndData } from "../../Streaming.ts"
import { type Body, Broken, Told } from "./streamBody.ts"
import type { Resumer } from "./streamResume.ts"

type Response = HttpClientResponse.HttpClientResponse

/** How the answer of an operation is read. */
export interface Reading {
  readonly body: Body
  readonly end: EndData | undefined
  readonly resumer: Resumer | undefined
}

/** That the mark of the end was read. */
const finished = new Broken("finished", false)

/** Why a stream that is cut now failed. Before its first element it is a lost body like any other. */
const cutNow = (
  call: CallRecord,
  resumer: Resumer | undefined,
  details: Reason.Details,
  why: string | undefined,
  more?: Reason.Details
): Reason.Reason => {
  const stream = call.stream!
  const after = why === undefined ? "" : `: ${why}`
  return stream.elements === 0
    ? Reason.make("BodyLost", {
        ...details,
        message: `status ${details.status}, but its stream was cut before its first element${after}`,
        // The status of a stream comes before the work is done.
        outcome: "Unknown",
        ...more
      })
    : Reason.make("Truncated", {
        ...details,
        message: `${cutAt(stream)}${after}`,
        transient: resumer?.can(stream) === true,
        ...more
      })
}

/** The bytes, counted and timed. Their end is an end only if the protocol says that it is. */
const timed = (
  response: Response,
  stream: StreamRecord,
  alarm: Alarm,
  fiber: Fiber.Fiber<unknown, unknown>
): Stream.Stream<Uint8Array, unknown> => {
  const { headers } = response
  const length = headers["content-encoding"] === undefined ? Number(headers["content-length"] ?? NaN) : NaN
  // Nothing but the end of the connection would end it, and that may be a cut. HTTP/2 has its own mark.
  const untold =
    headers["content-length"] === undefined &&
    headers["transfer-encoding"] === undefined &&
    headers.connection?.toLowerCase() === "close"
  let received = 0
  const read = (chunks: readonly [Uint8Array, ...Array<Uint8Array>]) => {
    const now = nowOf(fiber)
    for (const chunk of chunks) received += chunk.length
    stream.bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    stream.firstByteAt ??= now
    stream.answers(now)
    return chunks
  }
  return Stream.transformPull(response.stream, (pull) => {
    const next = Pull.matchEffect(pull, {
      onSuccess: (chunks) => Effect.succeed(read(chunks as readonly [Uint8Array, ...Array<Uint8Array>])),
      onFailure: (cause): Effect.Effect<never, unknown> => {
        const error = Cause.findErrorOption(cause)
        return error._tag === "Some" &&
          HttpClientError.isHttpClientError(error.value) &&
          error.value.reason._tag === "EmptyBodyError"
          ? Cause.done()
          : Effect.failCause(cause)
      },
      onDone: (): Effect.Effect<never, unknown> =>
        received < length
          ? Effect.fail(new Broken(`${received} of ${length} bytes came`, true))
          : untold
            ? Effect.fail(new Broken("the connection was closed, and nothing says that it was complete", true))
            : Cause.done()
    })
    return Effect.succeed(
      Effect.suspend(() => {
        const now = nowOf(fiber)
        if (stream.answeredAt !== undefined) alarm.set(now + stream.idle, now)
        return Effect.onExit(next, () => {
          alarm.set(Infinity, nowOf(fiber))
          return Effect.void
        })
      })
    ) as never
  })
}

/** Reads an answer to its end, handing over each element when it was asked for. */
export const read = (
  { body, end, resumer }: Reading,
  response: Response,
  call: CallRecord,
  details: Reason.Details,
  limit: number
): Effect.Effect<void, Reason.Reason, unknown> =>
  Effect.withFiber((fiber) => {
    const stream = call.stream!
    const alarm = new Alarm()
    let retry: number | undefined
    const lost = (why: string, more?: Reason.Details) => {
      stream.stall(nowOf(fiber))
      return cutNow(call, resumer, details, why, {
        ...(retry === undefined || stream.elements === 0 ? {} : { retryAfter: Duration.millis(retry) }),
        ...more
      })
    }
    const pend = () => {
      call.pending = cutNow(call, resumer, details, undefined)
    }
    pend()
    if (stream.boundToStatus) stream.answers(nowOf(fiber))

    const wrong = (error: unknown): Reason.Reason => {
      const number = stream.elements + 1
      if (error instanceof Told) {
        const declared = Cause.findErrorOption(error.cause)
        return declared._tag === "None"
          ? lost("the provider says that it died", { transient: false })
          : Reason.make("Declared", {
              ...details,
              message: `element ${number} is a declared error`,
              error: declared.value,
              outcome: "Unknown"
            })
      }
      return Reason.make("InvalidResponse", {
        ...details,
        message: `element ${number}: ${Schema.isSchemaError(error) ? describeIssue(error) : "it could not be decoded"}`,
        outcome: "Unknown"
      })
    }

    /** The elements among some pieces, and what ends the stream after them. */
    const take = (raws: ReadonlyArray<unknown>) =>
      Effect.gen(function* () {
        const elements: Array<unknown> = []
        const taken: Array<unknown> = []
        let stop: (() => Reason.Reason) | Broken | undefined
        for (const raw of raws) {
          const isNew = resumer === undefined ? true : resumer.isNew(stream, raw)
          if (isNew === false) continue
          if (isNew !== true) {
            stop = () => lost(isNew, { transient: false })
            break
          }
          if (end?._tag === "Marker" && end.test(raw as never)) {
            stop = finished
            break
          }
          let element = raw
          if (body.decode !== undefined) {
            const exit = yield* Effect.exit(body.decode(raw))
            if (Exit.isFailure(exit)) {
              const error = Cause.findErrorOption(exit.cause)
              if (error._tag === "None") return yield* Effect.failCause(exit.cause as Cause.Cause<never>)
              stop = () => wrong(error.value)
              break
            }
            element = exit.value
          }
          elements.push(element)
          taken.push(raw)
          if (end?._tag === "LastElement" && end.test(element as never)) {
            stop = finished
            break
          }
        }
        yield* hand(elements, taken)
        if (stop !== undefined) return yield* Effect.fail(typeof stop === "function" ? stop() : stop)
        if (elements.length > 0) yield* stream.handoff.demand
      })

    const hand = (elements: ReadonlyArray<unknown>, taken: ReadonlyArray<unknown>) =>
      elements.length === 0
        ? Effect.void
        : Effect.map(stream.handoff.demand, () => {
            if (resumer !== undefined) for (const raw of taken) resumer.delivered(stream, raw)
            stream.offer(elements as never, nowOf(fiber))
            pend()
          })

    const ended = (): Effect.Effect<void, Reason.Reason> =>
      end === undefined
        ? Effect.void
        : Effect.fail(lost(end._tag === "Endless" ? "the provider ended it" : "it ended without the mark of its end"))

    const pieces = body.split(timed(response, stream, alarm, fiber), limit, (millis) => {
      retry = millis
    })
    const reading = Effect.matchCauseEffect(Stream.runForEachArray(pieces, take), {
      onSuccess: ended,
      onFailure: (cause) => {
        const error = Cause.findErrorOption(cause)
        if (error._tag === "None") return Effect.failCause(cause as Cause.Cause<never>)
        if (error.value === finished) return Effect.void
        if (error.value instanceof Broken) {
          return Effect.fail(
            error.value.cut
              ? lost(error.value.message)
              : Reason.make("InvalidResponse", {
                  ...details,
                  message: `element ${stream.elements + 1}: ${error.value.message}`,
                  outcome: "Unknown"
                })
          )
        }
        return HttpClientError.isHttpClientError(error.value)
          ? Effect.fail(lost("the connection was lost", { cause: error.value }))
          : Effect.fail(error.value as Reason.Reason)
      }
    })
    return cutBy(reading as Effect.Effect<void, Reason.Reason>, alarm, nowOf(fiber), () =>
      Effect.fail(lost(`nothing came for ${format(stream.idle)}`))
    )
  })

/** What was asked for is no more to be had. */
export const notResumed = (call: CallRecord, details: Reason.Details, why: string): Reason.Reason =>
  cutNow(call, undefined, details, why)
