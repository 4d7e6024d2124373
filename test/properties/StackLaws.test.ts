// The laws of `Policy.stack`: it is associative, `noop` is its unit, built-in layers come in the library's order whatever
// the order of arguments, and the last of a place stands.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Integration, Operation, Policy } from "breakwater"
import { Arbitrary, Effect, Schema } from "effect"
import { order } from "../../src/internal/order.ts"
import { between, Failed, oneOf, tries } from "./support.ts"

const custom = (slot: "call" | "attempt", name: string) =>
  Policy.make({ slot: slot as "call", name, build: () => Effect.succeed((step: Policy.CallStep) => step) })

/** One of each kind, with numbers that tell which it was. */
const one = (n: number): Policy.Any => {
  const number = 1 + Math.floor(n / 10)
  switch (n % 10) {
    case 0:
      return Policy.totalDeadline(60_000 + number)
    case 1:
      return Policy.budget({ capacity: 100 + number })
    case 2:
      return Policy.retry(undefined, { maxAttempts: number })
    case 3:
      return Policy.breaker({ consecutive: number, name: `breaker ${number % 2}` })
    case 4:
      return Policy.bulkhead({ concurrency: number, name: `bulkhead ${number % 2}` })
    case 5:
      return Policy.attemptTimeout(1_000 + number)
    case 6:
      return Policy.retryNever(`for the reason ${number}`)
    case 7:
      return custom("call", `call ${number}`)
    case 8:
      return custom("attempt", `attempt ${number}`)
    default:
      return Policy.withMode(Policy.budgetRatio({ ratio: number / 100 }), "observe")
  }
}

const policies = (minLength: number, maxLength: number) =>
  Arbitrary.map(Arbitrary.array(between(0, 99), { minLength, maxLength }), (numbers) => numbers.map(one))

const stack = (policies: ReadonlyArray<Policy.Any>): Policy.Any =>
  policies.length === 0 ? Policy.noop : Policy.stack(...(policies as [Policy.Any, ...Array<Policy.Any>]))

/** What will happen, as data. */
const planOf = (policy: Policy.Any) => {
  class Any extends Integration.Service<Any>()(
    "test/Any",
    {
      policy: policy as Policy.Policy<Policy.Provides, "any">,
      exhausted: Exhaustion.fail,
      orElse: (failure) => new Failed({ failure })
    },
    { get: Operation.query("get", { success: Schema.Json, send: () => Effect.succeed("ok") }) }
  ) {}
  return Integration.plan(Any).operations[0]!
}

describe("the laws of stack", () => {
  it.effect.prop(
    "it is associative",
    { a: policies(0, 4), b: policies(0, 4), c: policies(0, 4) },
    ({ a, b, c }) =>
      Effect.sync(() => {
        const [x, y, z] = [stack(a), stack(b), stack(c)]
        const left = Policy.stack(Policy.stack(x, y), z)
        const right = Policy.stack(x, Policy.stack(y, z))
        assert.deepStrictEqual(planOf(left), planOf(right))
        // And the layers are the same values in the same order, so that nothing else can tell them apart.
        assert.strictEqual(left.layers.length, right.layers.length)
        for (const [n, layer] of left.layers.entries()) assert.strictEqual(layer, right.layers[n])
      }),
    tries(300)
  )

  it.effect.prop(
    "noop is its unit, from either side",
    { a: policies(1, 6) },
    ({ a }) =>
      Effect.sync(() => {
        const policy = stack(a)
        for (const with_ of [Policy.stack(Policy.noop, policy), Policy.stack(policy, Policy.noop)]) {
          assert.deepStrictEqual(with_.layers, policy.layers)
          assert.deepStrictEqual(planOf(with_), planOf(policy))
        }
      }),
    tries(200)
  )

  it.effect.prop(
    "built-in layers come in the library's order, and custom ones of a place in that of the arguments",
    { a: policies(1, 12) },
    ({ a }) =>
      Effect.sync(() => {
        const places = planOf(stack(a)).layers.map(({ slot }) => slot.split(" ")[0]!)
        const ranks = places.map((place) => order.findIndex(([slot]) => slot === place))
        assert.notInclude(ranks, -1)
        assert.deepStrictEqual(
          ranks,
          ranks.toSorted((x, y) => x - y)
        )
        for (const slot of ["call", "attempt"]) {
          assert.deepStrictEqual(
            planOf(stack(a))
              .layers.filter((layer) => layer.slot.split(" ")[0] === slot)
              .map(({ describe }) => describe),
            a.flatMap(({ layers }) => layers.filter((layer) => layer.slot === slot).map(({ describe }) => describe))
          )
        }
      }),
    tries(300)
  )

  it.effect.prop(
    "the last of a place stands, and those of other places may be given in any order",
    { a: policies(1, 10), by: between(0, 0xffff) },
    ({ a, by }) =>
      Effect.sync(() => {
        const single = ["totalDeadline", "budget", "retry", "attemptTimeout"]
        const last = new Map(a.flatMap(({ layers }) => layers.map((layer) => [layer.slot as string, layer] as const)))
        for (const { describe, slot } of planOf(stack(a)).layers) {
          const place = slot.split(" ")[0]!
          if (!single.includes(place)) continue
          const { describe: expected, mode } = last.get(place)!
          assert.strictEqual(describe, mode === "enforce" ? expected : `${mode}: ${expected}`)
        }
        // One of each place, shuffled: nothing but the place says where it runs.
        const each = [...last].filter(([slot]) => single.includes(slot)).map(([, layer]) => layer)
        const shuffled = each.toSorted((x, y) => hash(x.slot, by) - hash(y.slot, by))
        const of = (layers: ReadonlyArray<Policy.Layer>) => planOf({ ...Policy.noop, layers } as Policy.Any)
        assert.deepStrictEqual(of(shuffled), of(each))
      }),
    tries(300)
  )

  it.effect.prop(
    "what a stack decides is what its parts decide",
    { a: policies(0, 5), mode: oneOf(["enforce", "observe", "off"]) },
    ({ a, mode }) =>
      Effect.sync(() => {
        const policy = stack(a)
        assert.deepStrictEqual(
          Policy.withMode(policy, mode).layers,
          a.flatMap((part) => Policy.withMode(part, mode).layers)
        )
      }),
    tries(100)
  )
})

const hash = (text: string, by: number): number =>
  [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0) * (by + 7)) % 9973, by)
