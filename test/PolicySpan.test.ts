import { assert, describe, it } from "@effect/vitest"
import { Policy } from "breakwater"
import { Cause, Effect, Exit, Tracer } from "effect"

describe("Policy.span", () => {
  it.effect("runs the effect in an internal span with its attributes", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const named = Effect.map(Effect.currentSpan, ({ name }) => name)
      const program = Effect.all([
        named.pipe(Policy.span("charge", { order: "o-1", attempt: 2 })),
        named.pipe(Policy.span("bare"))
      ])
      assert.deepStrictEqual(yield* Effect.withTracer(program, tracer), ["charge", "bare"])
      assert.deepStrictEqual(
        spans.map(({ attributes, kind, name, status }) => [name, kind, status._tag, Object.fromEntries(attributes)]),
        [
          ["charge", "internal", "Ended", { order: "o-1", attempt: 2 }],
          ["bare", "internal", "Ended", {}]
        ]
      )
    })
  )

  it.effect("a printed failure names the span, and no line of the library", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.fail(new Error("down")).pipe(Policy.span("charge")))
      assert.isTrue(Exit.isFailure(exit))
      const lines = Cause.pretty((exit as Exit.Failure<never, Error>).cause).split("\n")
      // The frame of a span that took a stack ends with a place.
      assert.strictEqual(lines.at(-1)!.trim(), "at charge")
    })
  )
})
