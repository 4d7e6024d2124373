// The five layers stand alone on any effect, and a policy's type says what it decides.
import { type CallFailure, Policy } from "breakwater"
import { Context, Effect, Schedule, type Schema } from "effect"
import { BadOrder, CardDeclined, type CardError, Charge, PaymentsUnavailable } from "../contract.ts"
import { expectType } from "../support.ts"

class Database extends Context.Service<Database, {}>()("Database") {}
declare const send: Effect.Effect<string, CardError, Database>
type Failure = CallFailure.CallFailure

expectType<Effect.Effect<string, CardError | Failure, Database>>()(send.pipe(Policy.attemptTimeout("1 second")))
expectType<Effect.Effect<string, CardError | Failure, Database>>()(send.pipe(Policy.totalDeadline("3 seconds")))
expectType<Effect.Effect<string, Failure, Database>>()(send.pipe(Policy.retry()))
expectType<Effect.Effect<string, Failure, Database>>()(
  send.pipe(Policy.retry(Schedule.recurs(3), { maxAttempts: 2, repeats: "it reads" }))
)
expectType<Effect.Effect<typeof Charge.Type, CardError | Failure, Database>>()(send.pipe(Policy.decode(Charge)))
expectType<Effect.Effect<string, BadOrder | PaymentsUnavailable, Database>>()(
  send.pipe(
    Policy.translate({ CardError: (error: CardError) => new BadOrder({ param: error.code }) }, (failure) => {
      expectType<Failure>()(failure)
      return new PaymentsUnavailable({ outcome: failure.outcome })
    })
  )
)
expectType<Effect.Effect<string, CardError, Database>>()(send.pipe(Policy.span("call", { attempt: 1 })))

// All five: no failure of the toolkit is left.
expectType<Effect.Effect<typeof Charge.Type, CardDeclined | PaymentsUnavailable, Database>>()(
  send.pipe(
    Policy.decode(Charge),
    Policy.attemptTimeout("1 second"),
    Policy.retry(),
    Policy.totalDeadline("3 seconds"),
    Policy.translate(
      { CardError: ({ code }: CardError) => new CardDeclined({ code }) },
      ({ outcome }) => new PaymentsUnavailable({ outcome })
    ),
    Policy.span("call")
  )
)

// A schema that needs a service brings it along.
declare const needy: Schema.Codec<number, string, Database>
expectType<Effect.Effect<number, Failure, Database>>()(Effect.succeed("1").pipe(Policy.decode(needy)))

// What each decides.
const decides = <P extends Policy.Says>(_policy: Policy.Policy<P, "any" | "safe">): P => null!
expectType<"attemptTimeout" | "totalDeadline" | "retry">()(decides(Policy.standard()))
expectType<"attemptTimeout">()(decides(Policy.attemptTimeout("1 second")))
expectType<"totalDeadline">()(decides(Policy.totalDeadline("1 second")))
expectType<"retry">()(decides(Policy.retry()))
expectType<"retry" | "once">()(decides(Policy.retryNever("it is slow")))
expectType<"attemptTimeout" | "retry">()(
  decides(Policy.stack(Policy.retry(), Policy.attemptTimeout("1 second"), Policy.bulkhead({ concurrency: 1 })))
)
