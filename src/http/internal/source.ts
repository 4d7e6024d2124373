// The body of one attempt, if that is a stream: read no further than the attempt lasts, whatever the client does.
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describeIssue } from "../../PolicyDecode.ts"
import * as Reason from "../../Reason.ts"
import * as Upload from "../Upload.ts"

type Request = HttpClientRequest.HttpClientRequest
type Pieces = readonly [Uint8Array, ...Array<Uint8Array>]
type Read = Pull.Pull<Pieces, unknown>

/** What clients are told of a body that failed. Why it did is the caller's, and goes past them. */
class Broken extends Error {
  override readonly name = "SourceFailed"
}

/** The bodies that can be sent once only and were asked for. */
const taken = new WeakSet<object>()

const lengthProblem = (length: number, bytes: number, ended: boolean): string | undefined =>
  bytes > length
    ? `the body has more than the ${length} bytes that it was said to have`
    : ended && bytes < length
      ? `the body has ${bytes} of the ${length} bytes that it was said to have`
      : undefined

/** One body being read. */
class Source {
  /** Why it failed by itself, if it did. */
  failed: Reason.Reason | undefined
  private readonly length: number | undefined
  private readonly read: Read
  private bytes = 0
  private handed = false
  private opened = false
  private stopped = false
  private reading: Fiber.Fiber<Pieces, unknown> | undefined

  constructor(read: Read, length: number | undefined) {
    this.read = read
    this.length = length
  }

  private fail(message: string, cause?: unknown): Effect.Effect<never, Broken> {
    this.failed ??= Reason.make("SourceFailed", { message, cause, outcome: this.handed ? "Unknown" : "NotSent" })
    return Effect.fail(new Broken("the body could not be made"))
  }

  /**
   * The next pieces. They are read by a fiber of their own, so that the end of the attempt ends it, whoever of the client's
   * fibers asked for them.
   */
  readonly next: Read = Effect.suspend(() => {
    if (this.stopped) return Effect.interrupt
    return Effect.flatMap(Effect.forkDetach(this.read, { startImmediately: true }), (reading) => {
      this.reading = reading
      return Effect.flatMap(
        Effect.onInterrupt(Fiber.await(reading), () => Fiber.interrupt(reading)),
        (exit): Read => (Exit.isSuccess(exit) ? this.taken(exit.value) : this.ended(exit.cause))
      )
    })
  })

  private taken(pieces: Pieces): Read {
    for (const piece of pieces) this.bytes += piece.length
    const problem = this.length === undefined ? undefined : lengthProblem(this.length, this.bytes, false)
    return problem === undefined ? Effect.succeed(pieces) : this.fail(problem)
  }

  private ended(cause: Cause.Cause<unknown>): Read {
    if (this.stopped) return Effect.interrupt
    if (Pull.isDoneCause(cause)) {
      const problem = this.length === undefined ? undefined : lengthProblem(this.length, this.bytes, true)
      return problem === undefined ? Cause.done() : this.fail(problem)
    }
    const error = Cause.squash(cause)
    return this.fail(
      Schema.isSchemaError(error)
        ? `an element of the body can't be encoded: ${describeIssue(error)}`
        : "the body could not be made: its stream failed",
      error
    )
  }

  /** The body for the client, with the pieces that were read before it was asked. */
  stream(first: Pieces | undefined): Stream.Stream<Uint8Array, unknown> {
    this.handed = true
    return Stream.fromPull(
      Effect.suspend(() => {
        // A client that repeats by itself would send what is left of it.
        if (this.opened) return this.fail("the client asked for the body a second time")
        this.opened = true
        let head = first
        return Effect.succeed(
          Effect.suspend((): Read => {
            if (head === undefined) return first === undefined ? Cause.done() : this.next
            const pieces = head
            head = undefined
            return Effect.succeed(pieces)
          })
        )
      })
    )
  }

  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stopped = true
      return this.reading === undefined ? Effect.void : Fiber.interrupt(this.reading)
    })
  }
}

/**
 * Makes one attempt with a body of its own. Its first piece is taken before anything is sent: if there is none to be had, it
 * certainly did not happen. However the attempt ends, the stream has ended, and what it acquired is released.
 */
export const withSource = (
  request: Request,
  upload: Upload.Upload<unknown>,
  context: Context.Context<never>,
  attempt: (request: Request) => Effect.Effect<unknown, Reason.Reason>
): Effect.Effect<unknown, Reason.Reason> =>
  Effect.suspend(() => {
    const { body } = request
    if (body._tag !== "Stream") return attempt(request)
    if (Upload.kindOf(upload) === "once") {
      if (taken.has(upload)) {
        return Effect.fail(
          Reason.make("SourceFailed", { message: "this body can be sent once only, and was sent before" })
        )
      }
      taken.add(upload)
    }
    const scope = Scope.makeUnsafe()
    let source: Source | undefined
    const exchange = Effect.flatMap(
      Effect.provideService(Stream.toPull(body.stream), Scope.Scope, scope),
      (read): Effect.Effect<unknown, Reason.Reason> => {
        const opened = new Source(Effect.provideContext(read as Read, context), upload.contentLength)
        source = opened
        return Effect.matchCauseEffect(
          Effect.flatMap(
            Pull.catchDone(opened.next, () => Effect.succeed(undefined)),
            (first) =>
              attempt(
                HttpClientRequest.setBody(
                  request,
                  HttpBody.stream(opened.stream(first), body.contentType, upload.contentLength)
                )
              )
          ),
          {
            onSuccess: (value) => (opened.failed === undefined ? Effect.succeed(value) : Effect.fail(opened.failed)),
            onFailure: (cause) =>
              Effect.failCause(
                // What an answer says stands, but for a success that was told of half a body.
                Cause.map(cause as Cause.Cause<Reason.Reason | Broken>, (error) =>
                  error instanceof Broken || (opened.failed !== undefined && !isAnswer(error)) ? opened.failed! : error
                )
              )
          }
        )
      }
    )
    return Effect.onExit(exchange, (exit) =>
      Effect.andThen(
        Effect.suspend(() => source?.stop ?? Effect.void),
        Scope.close(scope, exit)
      )
    )
  })

const isAnswer = ({ status }: Reason.Reason): boolean => status !== undefined && (status < 200 || status >= 300)
