// Entries of one lane go one after the other.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  again,
  type Bench,
  check,
  claim,
  claims,
  dead,
  delivered,
  discard,
  hour,
  idOf,
  lane,
  learning,
  mine,
  names,
  note,
  offering,
  put,
  redrive,
  resolve,
  same,
  states,
  stored,
  violated
} from "./bench.ts"

const { zero } = Duration
const block = { lane: lane("lane", "block") }
const skip = { lane: lane("lane", "skip") }
const busy = (bench: Bench, what: string, expected: boolean) =>
  Effect.flatMap(bench.b.isBusy({ integration: "billing", name: "lane" }), (is) => same(`busy ${what}`, is, expected))

/** Changes an entry by hand, which must be possible. */
const changed = (bench: Bench, name: string, change: Parameters<Bench["a"]["change"]>[1]) =>
  Effect.gen(function* () {
    const { generation } = yield* stored(bench.a, name)
    yield* same(`${change._tag} of ${name}`, yield* bench.b.change({ id: idOf(name), generation }, change, note), true)
  })

/** Claims and delivers one after the other until nothing is left, and says in which order. */
const drained = Effect.fnUntraced(function* (bench: Bench) {
  const order: Array<string | undefined> = []
  for (;;) {
    const some = yield* claim(bench, order.length % 2 === 0 ? bench.a : bench.b)
    if (some.length === 0) return order
    if (some.length > 1) return yield* violated("claims of one lane", some.length, 1)
    order.push(some[0]?.entry.key)
    yield* bench.b.settle(some[0]!.entry, delivered(), learning())
  }
})

export const lanes = [
  check("lane: its entries are claimed one after the other, in their order", function* (bench) {
    const all = ["e", "d", "c", "b", "a"]
    for (const name of all) yield* put(bench.a, name, block)
    yield* same(
      "places",
      yield* Effect.forEach(all, (name) => Effect.map(stored(bench.b, name), ({ position }) => position)),
      [1, 2, 3, 4, 5]
    )
    yield* same("states", yield* states(bench.b, all), ["Pending", "Waiting", "Waiting", "Waiting", "Waiting"])
    const first = yield* mine(bench, bench.a, "e")
    yield* claims(bench, bench.b, [], "what waits")
    yield* bench.b.settle(first, again(), learning())
    yield* same("after another try", yield* states(bench.b, all), [
      "Pending",
      "Waiting",
      "Waiting",
      "Waiting",
      "Waiting"
    ])
    yield* same("the order", yield* drained(bench), all)
    yield* busy(bench, "after the last", false)
  }),
  check("lane: the next is due as it was offered", function* (bench) {
    yield* put(bench.a, "one", { ...block, lease: hour })
    yield* put(bench.a, "two", { ...block, delay: hour, lease: hour })
    const before = yield* stored(bench.a, "two")
    yield* same(
      "the second",
      [before.state, before.attempts, before.epoch, before.leaseUntil],
      ["Waiting", 0, 0, undefined]
    )
    yield* bench.a.settle(yield* stored(bench.a, "one"), delivered(), learning())
    const after = yield* stored(bench.b, "two")
    yield* same("the second", after, { ...before, state: "Pending", changedAt: after.changedAt })
    yield* claims(bench, bench.a, [], "what is not due")
  }),
  check("lane: an offer with a lease is claimed if the lane is free, and waits if not", function* (bench) {
    const first = yield* put(bench.a, "one", { ...block, lease: hour })
    yield* same("the first", first?.entry.key, "one")
    yield* busy(bench, "while it is claimed", true)
    yield* same("the second", yield* put(bench.b, "two", { ...block, lease: hour }), undefined)
    yield* same("states", yield* states(bench.a, ["one", "two"]), ["Leased", "Waiting"])
  }),
  check("lane: what blocks keeps the others until a person has said what becomes of it", function* (bench) {
    for (const verdict of [dead, { _tag: "NeedsReconcile", why: "sent once" } as const]) {
      for (const change of [redrive, discard, resolve]) {
        const name = (n: number) => `${n} ${verdict._tag} ${change._tag}`
        const [one, two, three] = [name(1), name(2), name(3)]
        yield* put(bench.a, one, block)
        yield* put(bench.a, two, block)
        yield* bench.b.settle(yield* mine(bench, bench.a, one), verdict, learning())
        yield* busy(bench, "while it is blocked", true)
        yield* put(bench.b, three, { ...block, lease: hour })
        yield* same("states", yield* states(bench.a, [one, two, three]), [verdict._tag, "Waiting", "Waiting"])
        yield* claims(bench, bench.a, [], "what is blocked")
        yield* changed(bench, one, change)
        yield* same("the order", yield* drained(bench), change._tag === "Redrive" ? [one, two, three] : [two, three])
      }
    }
  }),
  check("lane: what is skipped is passed, and comes back beside the others", function* (bench) {
    for (const verdict of [dead, { _tag: "NeedsReconcile", why: "sent once" } as const]) {
      const name = (n: number) => `${n} ${verdict._tag}`
      const all = [name(1), name(2), name(3)] as const
      for (const each of all.slice(0, 2)) yield* put(bench.a, each, skip)
      yield* bench.b.settle(yield* mine(bench, bench.a, all[0]), verdict, learning())
      yield* same("the second", yield* states(bench.b, [all[1]]), ["Pending"])
      const second = yield* mine(bench, bench.a, all[1])
      yield* changed(bench, all[0], redrive)
      yield* put(bench.a, all[2], skip)
      yield* same("states", yield* states(bench.b, all), ["Pending", "Leased", "Waiting"])
      yield* bench.b.settle(second, delivered(), learning())
      yield* same("the third, behind the first", yield* states(bench.b, [all[2]]), ["Waiting"])
      yield* bench.b.settle(yield* mine(bench, bench.a, all[0]), verdict, learning())
      yield* same("the third", yield* drained(bench), [all[2]])
      yield* busy(bench, "behind what is skipped", false)
      yield* put(bench.a, `last ${verdict._tag}`, { ...skip, lease: hour })
      yield* bench.a.settle(yield* stored(bench.a, `last ${verdict._tag}`), delivered(), learning())
    }
  }),
  check("lane: one that waits can be given up, and the others go on", function* (bench) {
    for (const name of ["one", "two", "three"]) yield* put(bench.a, name, block)
    yield* changed(bench, "two", discard)
    yield* same("states", yield* states(bench.b, ["one", "two", "three"]), ["Pending", "Discarded", "Waiting"])
    yield* changed(bench, "one", discard)
    yield* same("the order", yield* drained(bench), ["three"])
  }),
  check("lane: where entries say different things, one that blocks waits for those before it", function* (bench) {
    yield* put(bench.a, "one", skip)
    yield* put(bench.a, "two", block)
    yield* bench.a.settle(yield* mine(bench, bench.a, "one"), dead, learning())
    yield* bench.a.settle(yield* mine(bench, bench.a, "two"), dead, learning())
    yield* changed(bench, "one", redrive)
    yield* changed(bench, "two", redrive)
    yield* same("states", yield* states(bench.b, ["one", "two"]), ["Pending", "Waiting"])
    yield* same("the order", yield* drained(bench), ["one", "two"])
  }),
  check("lane: lanes of other names and other integrations have nothing to do with each other", function* (bench) {
    const pairs = [
      ["billing", "l"],
      ["mail", "l"],
      ["billing", "L"],
      ["billing", "l "],
      ["billing1", "l"],
      ["billing", "1l"],
      ["billing", ""],
      ["b", "illingl"]
    ] as const
    for (const [integration, name] of pairs) {
      const own = yield* put(bench.a, `${integration}|${name}`, { integration, lane: lane(name), lease: hour })
      yield* same(`the lane ${name} of ${integration}`, [own?.entry.state, own?.entry.position], ["Leased", 1])
    }
  }),
  check("lane: a lease that has ended is taken over, and nobody passes", function* (bench) {
    yield* put(bench.a, "one", { ...block, lease: zero })
    yield* put(bench.a, "two", block)
    yield* bench.pass(Duration.millis(5))
    yield* mine(bench, bench.b, "one")
    yield* same("states", yield* states(bench.b, ["one", "two"]), ["Leased", "Waiting"])
  }),
  check("race: of many offers to a lane each has a place of its own, and one may go", function* (bench) {
    const all = Array.from({ length: bench.keys }, (_, n) => `k${n}`)
    yield* Effect.forEach(all, (name, n) => put(n % 2 === 0 ? bench.a : bench.b, name, block), {
      concurrency: bench.racers
    })
    const entries = yield* Effect.forEach(all, (name) => stored(bench.a, name))
    const inOrder = entries.toSorted((x, y) => (x.position ?? 0) - (y.position ?? 0))
    yield* same(
      "places",
      inOrder.map(({ position }) => position),
      all.map((_, n) => n + 1)
    )
    yield* same(
      "states",
      inOrder.map(({ state }) => state),
      all.map((_, n) => (n === 0 ? "Pending" : "Waiting"))
    )
    yield* same(
      "the order",
      yield* drained(bench),
      inOrder.map(({ key }) => key)
    )
  }),
  check("race: offers and deliveries of a lane lose nothing, and keep its order", function* (bench) {
    const all = Array.from({ length: bench.keys }, (_, n) => `k${n}`)
    const order: Array<string | undefined> = []
    let active = 0
    const worker = (store: Bench["a"]) =>
      Effect.gen(function* () {
        while (order.length < all.length) {
          const [own, other] = yield* store.claim({ ...names, limit: 2, lease: hour })
          if (own === undefined) {
            yield* bench.exact ? Effect.yieldNow : Effect.sleep(1)
            continue
          }
          if (other !== undefined || ++active > 1) return yield* violated("entries of one lane at once", 2, 1)
          order.push(own.entry.key)
          active--
          yield* store.settle(own.entry, delivered(), learning())
        }
      })
    const offers = (store: Bench["a"], rest: number) =>
      Effect.forEach(
        all.filter((_, n) => n % 2 === rest),
        (name) => store.offer(offering(name, block))
      )
    yield* Effect.all([worker(bench.a), worker(bench.b), offers(bench.a, 0), offers(bench.b, 1)], {
      concurrency: "unbounded"
    })
    const entries = yield* Effect.forEach(all, (name) => stored(bench.a, name))
    yield* same(
      "the order",
      order,
      entries.toSorted((x, y) => (x.position ?? 0) - (y.position ?? 0)).map(({ key }) => key)
    )
  }),
  check("race: entries of a lane that are given up and delivered at once leave none behind", function* (bench) {
    for (let n = 0; n < Math.ceil(bench.keys / 4); n++) {
      const all = Array.from({ length: 6 }, (_, m) => `k${n}/${m}`)
      for (const name of all) yield* put(bench.a, name, block)
      const first = yield* mine(bench, bench.a, all[0]!)
      const give = (name: string, store: Bench["a"]) => store.change({ id: idOf(name), generation: 0 }, discard, note)
      yield* Effect.all(
        [
          bench.b.settle(first, n % 2 === 0 ? delivered() : dead, learning()),
          give(all[1]!, bench.a),
          give(all[3]!, bench.b),
          bench.b.offer(offering(`k${n}/6`, block))
        ],
        { concurrency: "unbounded" }
      )
      if (n % 2 === 1) yield* changed(bench, all[0]!, discard)
      yield* same("the order", yield* drained(bench), [all[2], all[4], all[5], `k${n}/6`])
    }
  })
]
