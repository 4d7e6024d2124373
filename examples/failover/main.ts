/**
 * Failover between two card providers: when a charge may go to the second one, and when it must not.
 *
 * Run it: `npm run example -- examples/failover/main.ts`
 */
import { FaultInjection } from "breakwater/testing"
import { Console, Effect, Layer, Logger } from "effect"
import { Cards, CardsLive, CardsThatChargeTwice } from "./payments.ts"
import { type Faulty, providersWith } from "./providers.ts"

const scene = (what: string, faulty: Faulty, cards: typeof CardsLive = CardsLive) => {
  const { charges, layer } = providersWith(faulty)
  const order = Effect.gen(function* () {
    const { charge } = yield* Cards
    return yield* charge("order-42", 4_200)
  }).pipe(
    Effect.map(({ id, provider }) => `charged at ${provider} as ${id}`),
    Effect.catchTags({
      CardDeclined: ({ code }) => Effect.succeed(`declined: ${code}`),
      ProviderDown: ({ outcome }) => Effect.succeed(`not known to be charged; it is ${outcome}: reconcile it`)
    }),
    Effect.provide(Layer.provide(cards, layer))
  )
  return Effect.gen(function* () {
    const told = yield* order
    const { north, south } = charges()
    yield* Console.log(
      `${what}\n  the caller hears   ${told}\n  the customer paid  ${north} at north, ${south} at south\n`
    )
  })
}

const program = Effect.gen(function* () {
  yield* scene("north can't be reached: nothing was sent, so south may charge", { north: () => FaultInjection.refused })
  yield* scene("north charges and its answer is lost: south must not", { north: () => FaultInjection.responseLost })
  yield* scene(
    "the same, and a plan without the condition",
    { north: () => FaultInjection.responseLost },
    CardsThatChargeTwice
  )
})

await Effect.runPromise(Effect.provide(program, Logger.layer([])))
