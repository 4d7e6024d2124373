/**
 * An operation as an activity of one of Effect's workflows: its result is stored by the engine, and its key is that of the
 * workflow's execution, the same in every attempt, after every restart and on every machine.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Activity from "effect/workflow/Activity"
import { type WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as Integration from "../Integration.ts"

/**
 * What the workflow knows of a call before it is made, for the input of the operation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Intent {
  /**
   * 32 hexadecimal digits, derived from the workflow's execution id, the integration, the operation and the discriminator.
   * The number of the attempt is no part of it.
   */
  readonly key: string
  /**
   * When the call was first about to be made, in epoch milliseconds. The engine stores it before, so that a workflow that
   * goes on after days does not repeat a key which the provider has forgotten: see `issuedAt` of `Idempotency.keyed`.
   */
  readonly issuedAt: number
}

type InputOf<Method> = Method extends (input: infer In) => unknown ? In : never
type SuccessOf<Method> = Method extends (input: never) => Effect.Effect<infer A, infer _E, infer _R> ? A : never
type ErrorOf<Method> = Method extends (input: never) => Effect.Effect<infer _A, infer E, infer _R> ? E : never

type Fits<Value, Type, What extends string> = [Value] extends [Type]
  ? unknown
  : `this schema does not describe every ${What} of the operation`

/** The answer of an activity is stored whole. */
type NoStream<Method> = Method extends (input: never) => Stream.Stream<infer _A, infer _E>
  ? "the answer of an activity is stored, which a stream can't be: run it to its end in an activity of your own"
  : unknown

/**
 * How an operation is called by a workflow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Data, Method, Success extends Schema.Constraint, Error extends Schema.Constraint> {
  /**
   * What tells this call from others of the same operation in one execution, such as the number of an instalment. The engine
   * stores it, and traces show it: no secret.
   */
  readonly discriminator: (data: Data) => string
  /**
   * The input of the operation. Its `Idempotency.keyed` finds the key there:
   * `keyed(({ key }) => IdempotencyKey.fromStored(key), { issuedAt: ({ issuedAt }) => issuedAt, … })`. An operation whose key
   * is derived from business identity may leave the intent unused.
   */
  readonly input: (data: Data, intent: Intent) => InputOf<Method>
  /** By this the engine stores what the call succeeds with. */
  readonly success: Success & Fits<SuccessOf<Method>, Success["Type"], "success">
  /** By this it stores the application's own errors. */
  readonly error: Error & Fits<ErrorOf<Method>, Error["Type"], "error">
}

/**
 * Makes a function that calls an operation as an activity.
 *
 * **When to use**
 *
 * Use for a step of a workflow. Where a call must happen, but nothing follows from it that a handler could not do, an
 * outbox is less: `Outbox.writeAhead`.
 *
 * **Details**
 *
 * Once the call has ended its result, or its error, is stored, and replays get it without a call. `Activity.retry` makes a
 * new attempt, which sends the same key. An attempt that a crash has cut off is made again, with the same key.
 *
 * **Gotchas**
 *
 * Two calls of one operation with one discriminator in one execution are one call: the second gets the result of the
 * first, whatever its input says. Two charges need two discriminators.
 *
 * A crash repeats a call. So it dies for operations that can't bear that: those that are `atMostOnce`, `reconcilable`
 * ones that do not `lookFirst`, and conditional ones without `mayHaveBeenSent`.
 *
 * **Example** (Charging the instalments of an order)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Policy } from "breakwater"
 * import { WorkflowActivity } from "breakwater/workflow"
 * import { Effect, Layer, Schema } from "effect"
 * import { Workflow, WorkflowEngine } from "effect/workflow"
 *
 * class PaymentsDown extends Schema.TaggedError<PaymentsDown>()("PaymentsDown", {}) {}
 *
 * const Charge = Schema.Struct({ amount: Schema.Int, key: Schema.String, issuedAt: Schema.Number })
 *
 * class Payments extends Integration.Service<Payments>()(
 *   "shop/Payments",
 *   {
 *     policy: Policy.standard({ attemptTimeout: "1 second", totalDeadline: "5 seconds" }),
 *     exhausted: Exhaustion.fail,
 *     orElse: () => new PaymentsDown({})
 *   },
 *   {
 *     charge: Operation.mutation("charge", {
 *       input: Charge,
 *       success: Schema.String,
 *       send: ({ amount }) => Effect.succeed(`charged ${amount}`),
 *       idempotency: Idempotency.keyed(({ key }: typeof Charge.Type) => IdempotencyKey.fromStored(key), {
 *         lifetime: "24 hours",
 *         issuedAt: ({ issuedAt }) => issuedAt
 *       })
 *     })
 *   }
 * ) {}
 *
 * const charge = WorkflowActivity.make(Payments, "charge", {
 *   discriminator: ({ instalment }: { readonly instalment: number; readonly amount: number }) => String(instalment),
 *   input: ({ amount }, intent) => ({ amount, ...intent }),
 *   success: Schema.String,
 *   error: PaymentsDown
 * })
 *
 * const Sell = Workflow.make("Sell", {
 *   payload: { order: Schema.String },
 *   idempotencyKey: ({ order }) => order,
 *   success: Schema.Array(Schema.String),
 *   error: PaymentsDown
 * })
 *
 * const SellLive = Sell.toLayer(() =>
 *   Effect.all([charge({ instalment: 1, amount: 40 }), charge({ instalment: 2, amount: 2 })])
 * ).pipe(Layer.provide(Integration.layer(Payments)), Layer.provideMerge(WorkflowEngine.layerMemory))
 *
 * const program = Effect.provide(Sell.execute({ order: "order-42" }), SellLive)
 * await Effect.runPromise(program) // => ["charged 40", "charged 2"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  Self,
  Id extends string,
  Methods,
  R,
  K extends keyof Methods & string,
  Data,
  Success extends Schema.Constraint,
  Error extends Schema.Constraint
>(
  integration: Integration.ServiceClass<Self, Id, Methods, R>,
  operation: K & NoStream<Methods[K]>,
  options: Options<Data, Methods[K], Success, Error>
): ((
  data: Data
) => Effect.Effect<
  Success["Type"],
  Error["Type"],
  Self | WorkflowEngine | WorkflowInstance | Success["DecodingServices"] | Error["DecodingServices"]
>) => {
  const name = `${Integration.nameOf(integration)}/${operation}`
  return Effect.fnUntraced(function* (data: Data) {
    const unfit = whyUnfit(integration, operation)
    if (unfit !== undefined) return yield* Effect.die(new Error(`WorkflowActivity: ${name} ${unfit}`))
    const { executionId } = yield* WorkflowInstance
    const discriminator = options.discriminator(data)
    const activity = `${name}/${discriminator}`
    // Stored under the first attempt, whichever this one is.
    const issuedAt = yield* Effect.provideService(
      Activity.make({ name: `${activity}/issued`, success: Schema.Number, execute: Clock.currentTimeMillis }),
      Activity.CurrentAttempt,
      1
    )
    const key = IdempotencyKey.toText(IdempotencyKey.derive(name, executionId, discriminator))
    return yield* Activity.make({
      name: activity,
      success: options.success as Success,
      error: options.error as Error,
      execute: Effect.flatMap(integration as unknown as Context.Key<Self, Methods>, (methods) =>
        (methods[operation] as Method<InputOf<Methods[K]>, Success["Type"], Error["Type"]>)(
          options.input(data, { key, issuedAt })
        )
      )
    })
  })
}

type Method<In, A, E> = (input: In) => Effect.Effect<A, E>

/** Why an operation must not be made again after a crash. */
const whyUnfit = (integration: Integration.Any, operation: string): string | undefined => {
  const strategy = integration["~breakwater/Integration"].operations[operation]?.definition.strategy
  if (strategy?._tag === "AtMostOnce") {
    return "may be sent once only, and an activity is made again after a crash: use Outbox.writeAhead"
  }
  if (strategy?._tag === "Conditional" && !strategy.mayHaveBeenSent) {
    return "would take a conflict with its own work for somebody else's after a crash: give its Idempotency mayHaveBeenSent"
  }
  return strategy?._tag === "Reconcilable" && !strategy.lookFirst
    ? "does not look before its first attempt, and an activity is made again after a crash: give Idempotency.reconcilable lookFirst"
    : undefined
}
