/**
 * Calls that must happen: stored before they are sent, and made until they have happened or a person has to decide.
 *
 * **Details**
 *
 * Two ways lead into an outbox, and only the first survives a crash at any moment.
 *
 * | | stored | a crash of this process |
 * |---|---|---|
 * | `Outbox.writeAhead(operation)` | before attempt 1, in the caller's SQL transaction if there is one | loses nothing that was committed |
 * | `Exhaustion.park` | when the policy has given up | in the middle of the retries loses the call |
 *
 * A stored call keeps its key and its bytes. An `OutboxWorker` makes it, and runs a handler for what becomes of it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Bounds } from "./Exhaustion.ts"
import type * as Idempotency from "./Idempotency.ts"
import type * as Integration from "./Integration.ts"
import { durablesOf, resultOf } from "./internal/durable.ts"
import * as Operation from "./Operation.ts"
import type { Parked, Queued } from "./OutboxEntry.ts"
import { OutboxError } from "./OutboxError.ts"
import { OutboxStore } from "./OutboxStore.ts"

export { isParked, isQueued, type Entry, type Parked, type Queued } from "./OutboxEntry.ts"

type Fits<M, In> = "Inherent" extends M
  ? "sent late, this operation may overwrite what is newer: use Outbox.writeAheadWith(operation, { lane }) or ({ expiresAfter })"
  : Operation.Storable<In>

interface NoStream {
  readonly "~streams"?: "a stream can't be stored and sent later: nobody would take its elements"
}

/**
 * Stores the calls of an operation before they are sent.
 *
 * **When to use**
 *
 * Use for what must happen once the business write is committed: a charge, a shipment, a message.
 *
 * **Details**
 *
 * - Within a transaction of the outbox's own `SqlClient` the call succeeds with `Queued`: it is committed, or rolled back,
 *   with the transaction, and nothing is sent before the outermost commit. Then a worker makes it.
 * - Within a transaction of another database the call fails, and nothing is stored: `NotStored`, in `orElse`.
 * - Outside of a transaction it is stored and tried at once. It succeeds with the answer, or with `Queued` if another try is
 *   needed, which a worker makes.
 *
 * If it can't be stored it is not sent. The integration and the key are one call: a second one with the same bytes gets the
 * first one's result or its `Queued`, one with other bytes fails as `KeyConflict`. What becomes of every stored call is told
 * to the handlers of an `OutboxWorker`, also of one that was answered at once.
 *
 * An `atMostOnce` operation is sent once: if it is not known what became of that, its entry needs to be reconciled.
 *
 * What a handler is told is kept until it has run. So an operation of `Operation.query` or `Operation.mutation` that has
 * `translate` gives the schema of its declared errors as `error`; without it the layer fails with a `PolicyError`.
 *
 * **Example** (A charge that is stored with its order, or not at all)
 *
 * ```ts
 * import { Exhaustion, Idempotency, IdempotencyKey, Integration, Operation, Outbox, Policy } from "breakwater"
 * import { SqlOutboxStore } from "breakwater/sql"
 * import { SqliteClient } from "breakwater/sql/node"
 * import { Data, Effect, Layer, Schema } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * class BankDown extends Data.TaggedError("BankDown") {}
 * class Bank extends Integration.Service<Bank>()(
 *   "shop/Bank",
 *   { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new BankDown() },
 *   {
 *     charge: Outbox.writeAhead(
 *       Operation.mutation("charge", {
 *         input: Schema.Struct({ order: Schema.String }),
 *         success: Schema.Struct({ id: Schema.String }),
 *         idempotency: Idempotency.keyed(
 *           ({ order }: { readonly order: string }) => IdempotencyKey.derive("charge", order),
 *           { lifetime: "1 day" }
 *         ),
 *         send: ({ order }) => Effect.succeed({ id: `ch_${order}` })
 *       })
 *     )
 *   }
 * ) {}
 *
 * const BankLive = Integration.layer(Bank).pipe(
 *   Layer.provide(SqlOutboxStore.layer()),
 *   Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" }))
 * )
 * const program = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   const bank = yield* Bank
 *   yield* sql`CREATE TABLE orders (id TEXT)`
 *   const place = (order: string) => Effect.andThen(sql`INSERT INTO orders VALUES (${order})`, bank.charge({ order }))
 *   yield* Effect.ignore(sql.withTransaction(Effect.andThen(place("1"), Effect.fail("out of stock"))))
 *   const second = yield* sql.withTransaction(place("2"))
 *   const stored = yield* sql`SELECT operation FROM breakwater_outbox`
 *   return { stored: stored.length, queued: Outbox.isQueued(second) }
 * })
 *
 * await Effect.runPromise(Effect.provide(program, BankLive)) // => { stored: 1, queued: true }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const writeAhead = <In, A, E, R, M extends Idempotency.Kind, Open extends Operation.Decision>(
  operation: Operation.Operation<In, A, E, R, M, Open> & Fits<M, In> & NoStream
): Operation.Operation<In, A | Queued, E, R | OutboxStore, M, Open> => stored(operation, {})

/**
 * `writeAhead`, in a lane or for a limited time.
 *
 * **Details**
 *
 * The calls of one lane are made one after the other, in the order in which they were committed. Transactions that store
 * into one lane take turns until they end.
 *
 * @category constructors
 * @since 0.1.0
 */
export const writeAheadWith = <In, A, E, R, M extends Idempotency.Kind, Open extends Operation.Decision>(
  operation: Operation.Operation<In, A, E, R, M, Open> & Operation.Storable<In> & NoStream,
  bounds: Bounds<In> & ({ readonly lane: (input: In) => string } | { readonly expiresAfter: Duration.Input })
): Operation.Operation<In, A | Queued, E, R | OutboxStore, M, Open> => stored(operation, bounds as Bounds<never>)

const stored = (operation: Operation.Any, bounds: Bounds<never>): never =>
  Operation.fromDefinition({ ...operation.definition, writeAhead: bounds }) as never

/**
 * The operations of a client whose calls may be stored, by name.
 *
 * @category type-level
 * @since 0.1.0
 */
export type DurableName<Methods> = {
  [K in keyof Methods]: Methods[K] extends (input: never) => Effect.Effect<infer A, infer _E, infer _R>
    ? [Extract<A, Parked | Queued>] extends [never]
      ? never
      : K
    : never
}[keyof Methods]

/**
 * The operations of a client whose calls are stored before they are sent, by name.
 *
 * @category type-level
 * @since 0.1.0
 */
export type WriteAheadName<Methods> = {
  [K in keyof Methods]: Methods[K] extends (input: never) => Effect.Effect<infer A, infer _E, infer _R>
    ? [Extract<A, Queued>] extends [never]
      ? never
      : K
    : never
}[keyof Methods]

/**
 * The identity of an integration's queue among the services of an effect. It is not the integration: who has it alone can
 * call nobody, and so may run in a transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Queue<in out Self> {
  readonly "~breakwater/Outbox/Queue": (_: Self) => Self
}

/**
 * The operations of an integration that are written ahead, as a service of their own.
 *
 * **When to use**
 *
 * Use in the handler of a `Receiver.transactional`, which refuses the integration itself: what is stored there is committed
 * or rolled back with the handler's writes, and sent afterwards. Provide its `layer` over the integration's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const queue = <Self, Id extends string, Methods, R>(
  integration: Integration.ServiceClass<Self, Id, Methods, R>
): Context.Service<Queue<Self>, Pick<Methods, WriteAheadName<Methods>>> & {
  readonly layer: Layer.Layer<Queue<Self>, never, Self>
} => {
  const tag = Context.Service<Queue<Self>, Pick<Methods, WriteAheadName<Methods>>>(
    `breakwater/Outbox/Queue/${integration.key}`
  )
  return Object.assign(tag, {
    layer: Layer.effect(
      tag,
      Effect.map(integration, (methods) => methods as Pick<Methods, WriteAheadName<Methods>>)
    ) as Layer.Layer<Queue<Self>, never, Self>
  })
}

/**
 * What a stored call succeeds with in the end.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Result<Method> = Method extends (input: never) => Effect.Effect<infer A, infer _E, infer _R>
  ? Exclude<A, Parked | Queued>
  : never

/**
 * Waits until a stored call has ended, and gives its result.
 *
 * **Details**
 *
 * It asks the store, at first after 50 milliseconds and then less often, up to once per second. A result is kept for a day
 * after the delivery, unless the worker says otherwise. Fails with an `OutboxError` if the call died, needs to be reconciled
 * or was discarded. It never ends while nobody delivers: give it a timeout.
 *
 * @category running
 * @since 0.1.0
 */
const await_ = <Self, Id extends string, Methods, R, K extends DurableName<Methods> & string>(
  integration: Integration.ServiceClass<Self, Id, Methods, R>,
  operation: K,
  call: string | Pick<Queued | Parked, "id">
): Effect.Effect<Result<Methods[K]>, OutboxError, Self | OutboxStore> =>
  Effect.gen(function* () {
    const id = typeof call === "string" ? call : call.id
    const methods = yield* integration
    const durable = durablesOf(methods)?.[operation]
    if (durable === undefined) {
      return yield* Effect.die(new Error(`Outbox.await: ${integration.key} ${operation} stores no calls, or is a mock`))
    }
    const store = yield* OutboxStore
    let pause = 50
    while (true) {
      const found = yield* Effect.mapError(
        store.get(id),
        (cause) =>
          new OutboxError({
            reason: "StoreFailed",
            id,
            state: undefined,
            why: undefined,
            message: cause.message,
            cause
          })
      )
      if (
        Option.isNone(found) ||
        found.value.integration !== durable.integration ||
        found.value.operation !== durable.operation
      ) {
        return yield* new OutboxError({
          reason: "NotFound",
          id,
          state: undefined,
          why: undefined,
          message: `there is no stored call ${id} of ${durable.integration} ${operation}`
        })
      }
      const { state, why } = found.value
      if (state === "Delivered") {
        return (yield* Effect.mapError(
          resultOf(durable, found.value),
          (reason) => new OutboxError({ reason: "ResultGone", id, state, why, message: reason.message })
        )) as Result<Methods[K]>
      }
      if (state === "Dead" || state === "NeedsReconcile" || state === "Discarded") {
        return yield* new OutboxError({
          reason: "NotDelivered",
          id,
          state,
          why,
          message: `the stored call ${id} is ${state}${why === undefined ? "" : `: ${why}`}`
        })
      }
      yield* Effect.sleep(Duration.millis(pause))
      pause = Math.min(pause * 2, 1_000)
    }
  })

export { await_ as await }
