/** The shop over an outbox, the worker that serves it, and the tools of who looks after it: all of today's code. */
import { Integration, Outbox, OutboxAdmin, OutboxStore, OutboxWorker, Telemetry } from "breakwater"
import { Cause, Context, Effect, Layer, Logger, Option, References } from "effect"
import { SqlClient } from "effect/sql"
import { inputOf, makeProvider, type OperationName, Provider, Shop } from "./outboxShop.ts"

/** What of an offer a scenario has its own way with. */
export type Tweak = Partial<Pick<OutboxStore.Offer, "lease" | "delay" | "expiresAfter">>

const handlersOf = (told: Array<string>) => {
  const tell = (how: string, input: { readonly order: string } | undefined) =>
    Effect.sync(() => void told.push(`${how} ${input?.order}`))
  const one = {
    onDelivered: ({ id }: { readonly id: string }, { input }: { readonly input: { readonly order: string } }) =>
      tell(`delivered as ${id}:`, input),
    onDead: (error: { readonly _tag: string }, { input }: { readonly input: { readonly order: string } | undefined }) =>
      tell(`dead of ${error._tag}:`, input),
    onNeedsReconcile: ({ input, why }: OutboxWorker.Ended<{ readonly order: string } | undefined>) =>
      tell(`unclear (${why}):`, input)
  }
  return { charge: one, pay: one, fax: one, park: one, once: one, ship: one, tell: one }
}

export type World = Effect.Success<ReturnType<typeof worldOf>>

export const worldOf = Effect.fnUntraced(function* (store: OutboxStore.Store, sql: SqlClient.SqlClient) {
  const provider = makeProvider()
  const told: Array<string> = []
  let tweak: Tweak | undefined
  let claimed: OutboxStore.Claimed | undefined
  const watched: OutboxStore.Store = {
    ...store,
    offer: (offer) =>
      Effect.map(store.offer({ ...offer, ...tweak }), (offered) => {
        if (tweak === undefined || offered._tag !== "Stored") return offered
        // The claim is the scenario's.
        claimed = offered.claim
        return { _tag: "Stored", claim: undefined }
      })
  }
  // Whatever ends badly here is told to a person, and there is none.
  const quiet = Layer.mergeAll(
    Layer.succeed(Telemetry.LogLevels, { ok: undefined, failed: undefined }),
    Logger.layer([]),
    Layer.succeed(References.MinimumLogLevel, "None")
  )
  const context = yield* Layer.build(
    Integration.layer(Shop).pipe(
      Layer.provide(Layer.succeed(Provider, provider)),
      Layer.provideMerge(Layer.succeed(OutboxStore.OutboxStore, watched)),
      Layer.provideMerge(Layer.succeed(SqlClient.SqlClient, sql)),
      Layer.provideMerge(quiet)
    )
  )
  const shop = Context.get(context, Shop)
  const admin = yield* Effect.provideService(OutboxAdmin.make, OutboxStore.OutboxStore, store)

  /** A worker for these operations, until its scope closes. */
  const work = (operations?: ReadonlyArray<OperationName>) => {
    const own: OutboxStore.Store = {
      ...store,
      claim: (options) =>
        operations === undefined || operations.some((name) => name === options.operation)
          ? store.claim(options)
          : Effect.succeed([])
    }
    const layer = OutboxWorker.layer(Shop, handlersOf(told), { pollInterval: "20 millis", keepResults: "30 days" })
    return Effect.asVoid(Effect.provideContext(Layer.build(layer), Context.add(context, OutboxStore.OutboxStore, own)))
  }
  const entry = (id: string) =>
    Effect.flatMap(
      store.get(id),
      Option.match({ onNone: () => Effect.die(new Error(`${id} is gone`)), onSome: Effect.succeed })
    )
  return {
    store,
    provider,
    told,
    admin,
    work,
    entry,
    /** A call by itself, as it ends. */
    call: (operation: OperationName, input = inputOf("")) => Effect.provideContext(shop[operation](input), context),
    /** A call in a transaction, so that it is stored and not sent. */
    queue: (operation: Exclude<OperationName, "park">, order: string, tweaks: Tweak = {}) =>
      Effect.gen(function* () {
        tweak = tweaks
        claimed = undefined
        const call = Effect.provideContext(shop[operation](inputOf(order)), context)
        const stored = yield* Effect.ensuring(
          sql.withTransaction(call),
          Effect.sync(() => void (tweak = undefined))
        )
        if (!Outbox.isQueued(stored)) return yield* Effect.die(new Error(`${order} was sent`))
        return { id: stored.id, claim: claimed as OutboxStore.Claimed | undefined }
      }),
    /** Works for one operation until an entry is in one of these states. */
    workUntil: (operation: OperationName, id: string, state: Outbox.Entry["state"]) =>
      Effect.scoped(
        Effect.andThen(
          work([operation]),
          Effect.repeat(
            Effect.andThen(
              Effect.sleep("10 millis"),
              Effect.map(entry(id), (found) => found.state)
            ),
            { until: (found) => found === state }
          )
        )
      ).pipe(
        Effect.timeout("20 seconds"),
        Effect.catchCause((cause) => Effect.die(new Error(`${id}: ${Cause.pretty(cause)}`)))
      )
  }
})
