/**
 * Validating what came back, as a layer for any effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { CallFailure } from "./CallFailure.ts"
import { alone } from "./internal/alone.ts"
import { nowOf } from "./internal/timer.ts"
import * as Reason from "./Reason.ts"

/** A schema error on one line. */
export const describeIssue = (error: { readonly message: string }): string =>
  error.message
    .replace(/\n\s*/g, " ")
    .replace(/\["((?:[^"\\]|\\.)*)"\]/g, (step, name: string) => (isField(name) ? step : '["…"]'))

/**
 * The names in a record are data: addresses, accounts, tokens. A path does not say whether a name is of a record or of a
 * struct, so one that does not read like a field's is left out.
 */
const isField = (name: string): boolean => /^[\w$-]{1,40}$/.test(name) && name.replace(/\D/g, "").length <= 2

/**
 * Decodes what an effect succeeds with. A value that does not match fails as `InvalidResponse` with outcome `Applied`:
 * the provider did what it was asked, and a repeat would do it again.
 *
 * **Details**
 *
 * An operation decodes by its own `success` schema; this is for effects outside one. Place it inside `retry`.
 *
 * @category layers
 * @since 0.1.0
 */
export const decode =
  <A, RD>(schema: Schema.ConstraintDecoder<A, RD>) =>
  <E, R>(self: Effect.Effect<unknown, E, R>): Effect.Effect<A, E | CallFailure, R | RD> => {
    const parse = Schema.decodeUnknownEffect(schema)
    return Effect.flatMap(self, (value) =>
      Effect.catch(parse(value) as Effect.Effect<A, Schema.SchemaError, RD>, (error) =>
        Effect.withFiber((fiber) => {
          const now = nowOf(fiber)
          const call = alone("decode", now)
          const reason = Reason.make("InvalidResponse", { message: describeIssue(error) })
          return Effect.fail(call.fail(reason, "not transient", now))
        })
      )
    )
  }
