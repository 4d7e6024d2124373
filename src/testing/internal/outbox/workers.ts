// What becomes of what a person says of an entry: a real worker, and the tools of a person, with the store between them.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Exhaustion from "../../../Exhaustion.ts"
import * as Idempotency from "../../../Idempotency.ts"
import * as Integration from "../../../Integration.ts"
import * as Operation from "../../../Operation.ts"
import * as Outbox from "../../../Outbox.ts"
import * as OutboxAdmin from "../../../OutboxAdmin.ts"
import type { State } from "../../../OutboxEntry.ts"
import { OutboxStore } from "../../../OutboxStore.ts"
import * as OutboxWorker from "../../../OutboxWorker.ts"
import * as Policy from "../../../Policy.ts"
import * as Reason from "../../../Reason.ts"
import { type Bench, check, type Check, same, violated } from "./bench.ts"

class Away extends Data.TaggedError("Away") {}

/** Letters have no key: what may have been posted is not posted again unless a person says so. */
const makePost = (send: (to: string) => Effect.Effect<unknown, string>) =>
  class Post extends Integration.Service<Post>()(
    "breakwater/testing/Post",
    { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: () => new Away() },
    {
      letter: Outbox.writeAhead(
        Operation.mutation("letter", {
          input: Schema.String,
          success: Schema.Struct({ id: Schema.String }),
          idempotency: Idempotency.atMostOnce("a letter has no key"),
          send,
          classify: () => Reason.disconnected()
        })
      )
    }
  ) {}

const signed = { by: "ada", evidence: "she asked them" }

/** A letter of which nobody knows whether it was posted, and who looks after it. */
const lostLetter = Effect.fnUntraced(function* (bench: Bench) {
  const told: Array<string> = []
  let posts = 0
  let failing = 0
  const Post = makePost((to) =>
    Effect.suspend(() => (++posts === 1 ? Effect.fail("the line broke") : Effect.succeed({ id: `posted to ${to}` })))
  )
  const store = Layer.succeed(OutboxStore, bench.a)
  const post = Integration.layer(Post).pipe(Layer.provideMerge(store))
  const worker = OutboxWorker.layer(
    Post,
    {
      letter: {
        onDelivered: ({ id }, { input }) =>
          Effect.suspend(() => {
            told.push(`${input}: ${id}`)
            return failing-- > 0 ? Effect.fail("not now") : Effect.void
          }),
        onDead: ({ _tag }) => Effect.sync(() => void told.push(`dead: ${_tag}`)),
        onNeedsReconcile: ({ why }) => Effect.sync(() => void told.push(`unclear: ${why}`))
      }
    },
    { schedule: Schedule.spaced(bench.lease), pollInterval: "50 millis" }
  ).pipe(Layer.provide(post))
  const entry = Effect.flatMap(bench.a.list({ integration: Post.key }, { limit: 2 }), ([first, other]) =>
    first === undefined || other !== undefined
      ? violated("what is stored of the letter", [first, other], "one entry")
      : Effect.succeed(first)
  )

  /** A worker, until the entry is in this state and so much was told of it. */
  const work = Effect.fnUntraced(function* (state: State, count: number) {
    yield* Layer.build(Layer.fresh(worker))
    for (let n = 0; n < 400; n++) {
      if (told.length >= count && (yield* entry).state === state) return
      yield* Effect.yieldNow
      yield* bench.pass(Duration.zero)
    }
    return yield* violated(`an entry that a worker is at, told of: ${told.join(", ")}`, yield* entry, state)
  }, Effect.scoped)

  yield* Effect.exit(
    Effect.provide(
      Effect.flatMap(Post, ({ letter }) => letter("Grace")),
      post
    )
  )
  yield* work("NeedsReconcile", 1)
  yield* same("what was told", told.splice(0), ["unclear: sent once"])
  return {
    id: (yield* entry).id,
    entry,
    told,
    work,
    admin: yield* Effect.provideService(OutboxAdmin.make, OutboxStore, bench.b),
    posts: () => posts,
    fail: (times: number) => void (failing = times),
    result: (id: string) => Effect.provide(Outbox.await(Post, "letter", id), post)
  }
})

/** What the worker logs is expected. */
const quietly = ({ body, name }: Check): Check => ({
  name,
  body: (bench) => Effect.provide(body(bench), Logger.layer([]))
})

export const workers: ReadonlyArray<Check> = [
  check(
    "worker: a person's answer is told until its handler has run to its end, stored, and nothing is sent",
    function* (bench) {
      const { admin, entry, fail, id, posts, result, told, work } = yield* lostLetter(bench)
      fail(1)
      yield* admin.resolve(id, { ...signed, result: { id: "seen by ada" } })
      yield* work("Pending", 1)
      yield* bench.pass(bench.lease)
      yield* work("Delivered", 2)
      yield* same("what was told", told, ["Grace: seen by ada", "Grace: seen by ada"])
      yield* same("how often it was sent", posts(), 1)
      const { answer, generation, outcome, payload, why } = yield* entry
      yield* same("the entry", [outcome, payload, answer, why, generation], ["Applied", "", undefined, undefined, 1])
      yield* same("who waits for it gets", yield* result(id), { id: "seen by ada" })
      const audits = yield* bench.a.audits(id)
      yield* same(
        "the notes",
        audits.map(({ action, by, evidence }) => [action, by, evidence]),
        [["resolve", signed.by, signed.evidence]]
      )
    }
  ),
  check("worker: what a person has made again without a key is sent once more, and told", function* (bench) {
    const { admin, entry, id, posts, result, told, work } = yield* lostLetter(bench)
    const refused = yield* Effect.flip(admin.redrive(id, signed))
    yield* same("a redrive without again", refused.reason, "NeedsNewKey")
    yield* admin.redrive(id, { ...signed, again: true })
    yield* work("Delivered", 1)
    yield* same("what was told", told, ["Grace: posted to Grace"])
    yield* same("how often it was sent", posts(), 2)
    const { attempts, generation, key, outcome } = yield* entry
    yield* same("the entry", [outcome, attempts, generation, key], ["Applied", 1, 1, undefined])
    yield* same("who waits for it gets", yield* result(id), { id: "posted to Grace" })
  })
].map(quietly)
