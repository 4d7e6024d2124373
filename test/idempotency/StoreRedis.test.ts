import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as StoreConformance from "../../src/testing/StoreConformance.ts"
import * as redis from "./redis.ts"
import { storeSuite } from "./StoreSuite.ts"

const { skip } = redis

storeSuite(
  { name: "Redis, with a clock that stands still", open: redis.settable(), forgets: "itself" },
  { live: true, skip }
)

storeSuite({ name: "Redis, in real time", open: redis.real, forgets: "itself" }, { live: true, skip })

/** Defects of the scripts: what is replaced, by what, and which case finds it. */
const mutants: Readonly<Record<string, readonly [part: string, by: string, foundBy: string]>> = {
  "no epoch predicate": [`or int(epoch) ~= ARGV[2]`, "", "fences: an owner is stale"],
  "overwrite on claim": ["if not absent then", "if false then", "R3: a live lease"],
  "one TTL for lease and record": [
    "local nextLease = now + lease",
    "local nextLease = now + ttl",
    "R4: a lease that has"
  ],
  "epochs that do not grow": ["math.max(micros, epoch + 1)", "micros", "O4: a chain"],
  "what is held is not indexed": ['redis.call("ZADD", index, int(createdAt), member)', "", "held: what is taken over"],
  "what is lost is not held": ['or (lost and policy == "hold")', "", "R5, R8"],
  "a resolution without a look": ["if not held then", "if false then", "O8: nothing is resolved"],
  "steps of a rerun": ['if absent or policy ~= "resume" then', "if absent then", "R4: a lease that has"]
}

describe.skipIf(skip !== undefined)(
  `the kit finds defects of the scripts${skip === undefined ? "" : `: ${skip}`}`,
  () => {
    for (const [name, [part, by, foundBy]] of Object.entries(mutants)) {
      it.live(name, () =>
        Effect.gen(function* () {
          let changed = 0
          const open = redis.settable((lua) => {
            if (lua.includes(part)) changed++
            return lua.replaceAll(part, by)
          })
          const one = StoreConformance.cases.find((one) => one.name.startsWith(foundBy))!
          yield* Effect.flip(one.run({ name, open, forgets: "itself" }))
          assert.isAbove(changed, 0)
        })
      )
    }
  }
)
