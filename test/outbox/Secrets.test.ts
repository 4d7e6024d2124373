/** Secrets in stored calls: what is redacted, what is enciphered, and what stays when a call has ended. */
import { assert, describe, it } from "@effect/vitest"
import {
  type CallFailure,
  Exhaustion,
  Idempotency,
  IdempotencyKey,
  Integration,
  Operation,
  Outbox,
  OutboxStore,
  OutboxStoreMemory,
  OutboxWorker,
  Policy,
  Reason,
  Undelivered
} from "breakwater"
import { HttpOperation } from "breakwater/http"
import { FaultInjection, IntegrationTest, Upstream } from "breakwater/testing"
import { Data, Duration, Effect, Layer, Logger, Redacted, References, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { TestClock } from "effect/testing"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

const { settle } = IntegrationTest

/** No text that is stored or logged may hold one of these. */
const secrets = { password: "hunter2-of-ada", pin: "4711-of-ada", token: "minted-for-ada" }

const Login = Schema.Struct({ user: Schema.String, password: Schema.RedactedFromValue(Schema.String) })
const Minted = Schema.Struct({ id: Schema.String, token: Schema.RedactedFromValue(Schema.String) })
class Locked extends Schema.TaggedError<Locked>()(
  "Locked",
  { user: Schema.String, hint: Schema.String },
  { httpApiStatus: 423 }
) {}
class VaultApi extends HttpApi.make("vault").add(
  HttpApiGroup.make("vault").add(
    HttpApiEndpoint.post("mint", "/tokens", {
      headers: { "x-pin": Schema.RedactedFromValue(Schema.String) },
      payload: Login,
      success: Minted,
      error: Locked
    })
  )
) {}

class VaultUpstream extends Upstream.Service<VaultUpstream>()("test/VaultUpstream", VaultApi, {
  state: () => ({ locked: false }),
  handlers: {
    vault: {
      mint: ({ payload: { user } }, { state }) =>
        state.locked
          ? Effect.fail(new Locked({ user, hint: `ask about ${secrets.password}` }))
          : Effect.succeed({ id: `t_${user}`, token: Redacted.make(secrets.token) })
    }
  }
}) {}

class LockedOut extends Data.TaggedError("LockedOut")<{ readonly user: string; readonly hint: string }> {}
class VaultDown extends Data.TaggedError("VaultDown")<{
  readonly reason: Reason.Tag
  readonly message: string
  readonly parkFailed: string | undefined
}> {}

const Secret = Schema.Struct({
  user: Schema.String,
  password: Schema.Redacted(Schema.String, { label: "password" }),
  pins: Schema.Array(Schema.Redacted(Schema.String))
})
const Never = Schema.Struct({
  user: Schema.String,
  password: Schema.Redacted(Schema.String, { disallowJsonEncode: true })
})

/** What an operation without HTTP was sent, and whether it arrives. */
const sdk: { readonly sent: Array<unknown>; down: boolean } = { sent: [], down: false }

const keyed = <In extends { readonly user: string }>(name: string) =>
  Idempotency.keyed(({ user }: In) => IdempotencyKey.derive(name, user), { lifetime: "24 hours" })
const send = (input: unknown) =>
  Effect.suspend(() => {
    sdk.sent.push(input)
    return sdk.down ? Effect.fail("down") : Effect.succeed({ id: "1" })
  })
const store = {
  success: Schema.Struct({ id: Schema.String }),
  send,
  classify: () => Reason.unavailable()
}
const mint = {
  idempotency: Idempotency.keyed(
    ({ payload }: { readonly payload: typeof Login.Type }) => IdempotencyKey.derive("mint", payload.user),
    { lifetime: "24 hours" }
  ),
  translate: { Locked: ({ hint, user }: Locked) => new LockedOut({ user, hint }) }
}

class Vault extends Integration.Service<Vault>()(
  "test/Vault",
  {
    policy: Policy.standard({ maxAttempts: 2 }),
    exhausted: Exhaustion.fail,
    orElse: ({ message, parkFailed, reason }: CallFailure.CallFailure) =>
      new VaultDown({ reason: reason._tag, message, parkFailed })
  },
  {
    mint: Outbox.writeAhead(HttpOperation.endpoint(VaultApi, "vault", "mint", mint)),
    parkMint: HttpOperation.endpoint(VaultApi, "vault", "mint", { ...mint, exhausted: Exhaustion.park }),
    keep: Outbox.writeAhead(
      Operation.mutation("keep", { ...store, input: Secret, idempotency: keyed<typeof Secret.Type>("keep") })
    ),
    never: Outbox.writeAhead(
      Operation.mutation("never", { ...store, input: Never, idempotency: keyed<typeof Never.Type>("never") })
    ),
    parkNever: Operation.mutation("parkNever", {
      ...store,
      input: Never,
      idempotency: keyed<typeof Never.Type>("parkNever"),
      exhausted: Exhaustion.park
    })
  }
) {}

interface Told {
  readonly what: string
  readonly of: unknown
  readonly input: unknown
  readonly why: string | undefined
}
const told: { readonly list: Array<Told>; failing: number } = { list: [], failing: 0 }
const tell = (what: string, of: unknown, { input, why }: OutboxWorker.Ended<unknown>) =>
  Effect.suspend(() => {
    if (told.failing-- > 0) return Effect.fail("not now")
    told.list.push({ what, of, input, why })
    return Effect.void
  })
const handlers = {
  onDelivered: (result: unknown, entry: OutboxWorker.Ended<unknown>) => tell("delivered", result, entry),
  onDead: (error: unknown, entry: OutboxWorker.Ended<unknown>) => tell("dead", error, entry),
  onNeedsReconcile: (entry: OutboxWorker.Ended<unknown>) => tell("unclear", undefined, entry)
}
const Worker = OutboxWorker.layer(Vault, {
  mint: handlers,
  parkMint: handlers,
  keep: handlers,
  never: handlers,
  parkNever: handlers
})

/** A cipher as an application would have it. It reads only what was written with the key that it has now. */
const aes = { key: randomBytes(32) }
const Enciphered = Layer.succeed(OutboxStore.Cipher, {
  encrypt: (text) =>
    Effect.sync(() => {
      const iv = randomBytes(12)
      const cipher = createCipheriv("aes-256-gcm", aes.key, iv)
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64")
    }),
  decrypt: (text) =>
    Effect.try({
      try: () => {
        const bytes = Buffer.from(text, "base64")
        const decipher = createDecipheriv("aes-256-gcm", aes.key, bytes.subarray(0, 12))
        decipher.setAuthTag(bytes.subarray(12, 28))
        return decipher.update(bytes.subarray(28), undefined, "utf8") + decipher.final("utf8")
      },
      catch: (cause) => cause
    })
})

const work = (time: Parameters<typeof TestClock.adjust>[0] = "1 minute") =>
  Effect.scoped(Effect.andThen(Layer.build(Worker), TestClock.adjust(time)))
const entries = Effect.flatMap(OutboxStore.OutboxStore, (store) => store.list({}, { limit: 100 }))
const only = Effect.map(entries, (all) => {
  assert.strictEqual(all.length, 1)
  return all[0]!
})

type Has = Vault | VaultUpstream | IntegrationTest.Recording | OutboxStore.OutboxStore
const effect = (name: string, layers: { readonly cipher: boolean }, body: () => Effect.Effect<void, unknown, Has>) =>
  it.effect(name, () =>
    Effect.suspend(() => {
      told.list.length = 0
      told.failing = 0
      sdk.sent.length = 0
      sdk.down = false
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>((options) => void lines.push(Logger.formatJson.log(options)))
      const test = Layer.provideMerge(IntegrationTest.layer(Vault, VaultUpstream), OutboxStoreMemory.layer)
      return Effect.gen(function* () {
        yield* body()
        const recorded = yield* IntegrationTest.Recording
        const text = [
          ...lines,
          ...recorded.spans.map(({ attributes, name }) => JSON.stringify([name, ...attributes])),
          JSON.stringify(recorded.calls)
        ].join("\n")
        for (const secret of Object.values(secrets)) assert.notInclude(text, secret)
      }).pipe(
        Effect.provide(layers.cipher ? Layer.provide(test, Enciphered) : test),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
    })
  )

const login = {
  headers: { "x-pin": Redacted.make(secrets.pin) },
  payload: { user: "ada-lovelace", password: Redacted.make(secrets.password) }
}
const twice = FaultInjection.times(2, FaultInjection.status(503))
const kept = {
  user: "ada-lovelace",
  password: Redacted.make(secrets.password, { label: "password" }),
  pins: [Redacted.make(secrets.pin)]
}

describe("a redacted field", () => {
  for (const name of ["mint", "parkMint"] as const) {
    effect(
      `of ${name} is sent as it is, is masked where a person reads it, and goes with the delivery`,
      { cipher: false },
      () =>
        Effect.gen(function* () {
          const upstream = yield* VaultUpstream
          yield* upstream.inject(twice)
          yield* settle<unknown, unknown, never>((yield* Vault)[name](login))
          const { payload } = yield* only
          // What is looked for where a cipher is given.
          for (const word of ["ada-lovelace", "/tokens", "<redacted", "eyJ1c2VyIjoi", secrets.password, secrets.pin]) {
            assert.include(payload, word)
          }
          const { shown } = JSON.parse(payload) as { readonly shown: string }
          assert.deepStrictEqual(JSON.parse(shown), {
            headers: { "x-pin": "<redacted>" },
            payload: { user: "ada-lovelace", password: "<redacted>" }
          })
          yield* work()
          assert.strictEqual(upstream.requests.length, 3)
          for (const { headers, text } of upstream.requests) {
            assert.deepStrictEqual(JSON.parse(text), { user: "ada-lovelace", password: secrets.password })
            assert.strictEqual(headers["x-pin"], secrets.pin)
          }
          const [{ input, of, what }] = told.list as [Told]
          assert.strictEqual(what, "delivered")
          assert.deepStrictEqual(input, login)
          assert.deepStrictEqual(of, { id: "t_ada-lovelace", token: Redacted.make(secrets.token) })
          const entry = yield* only
          const result = yield* Outbox.await(Vault, name, entry.id)
          assert.strictEqual(Redacted.value(result.token), secrets.token)
          // The request is gone; the result, with its token, is kept for those who wait for it.
          assert.strictEqual(entry.payload, "")
          assert.isUndefined(entry.answer)
          assert.notInclude(JSON.stringify(entry), secrets.password)
          assert.notInclude(JSON.stringify(entry), secrets.pin)
        })
    )
  }

  effect("of an operation without HTTP keeps its label, and gets to `send` as it was", { cipher: false }, () =>
    Effect.gen(function* () {
      sdk.down = true
      yield* settle((yield* Vault).keep(kept))
      const { payload } = yield* only
      assert.strictEqual(
        (JSON.parse(payload) as { readonly shown: string }).shown,
        `{"user":"ada-lovelace","password":"<redacted:password>","pins":["<redacted>"]}`
      )
      sdk.down = false
      yield* work()
      assert.strictEqual(sdk.sent.length, 3)
      for (const input of sdk.sent) assert.deepStrictEqual(input, kept)
      assert.deepStrictEqual(told.list[0]!.input, kept)
      assert.strictEqual((yield* only).payload, "")
    })
  )

  effect("that forbids its own JSON is not stored, and so not sent", { cipher: false }, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        settle((yield* Vault).never({ user: "ada-lovelace", password: Redacted.make(secrets.password) }))
      )
      assert.strictEqual(error.reason, "InvalidInput")
      assert.include(error.message, "the input can't be stored")
      assert.notInclude(error.message, secrets.password)
      assert.deepStrictEqual(sdk.sent, [])
      sdk.down = true
      const second = yield* Effect.flip(
        settle((yield* Vault).parkNever({ user: "ada-lovelace", password: Redacted.make(secrets.password) }))
      )
      assert.strictEqual(second.reason, "Unavailable")
      assert.include(second.parkFailed, "the input can't be stored")
      assert.notInclude(second.parkFailed, secrets.password)
      assert.deepStrictEqual(yield* entries, [])
    })
  )
})

describe("a cipher", () => {
  /** No part of the request, of the answer or of the error can be read in what is stored. */
  const unreadable = Effect.map(only, (entry) => {
    const text = JSON.stringify(entry)
    // The last is how the body of the request begins, in base64.
    for (const word of [
      ...Object.values(secrets),
      "ada-lovelace",
      "/tokens",
      "<redacted",
      "ask about",
      "eyJ1c2VyIjoi"
    ]) {
      assert.notInclude(text, word)
    }
    return entry
  })

  for (const name of ["mint", "parkMint"] as const) {
    effect(`leaves nothing of ${name} readable, and its calls are made`, { cipher: true }, () =>
      Effect.gen(function* () {
        const upstream = yield* VaultUpstream
        yield* upstream.inject(twice)
        yield* settle<unknown, unknown, never>((yield* Vault)[name](login))
        assert.isAbove((yield* unreadable).payload.length, 100)
        told.failing = 1_000
        yield* work("10 seconds")
        const waiting = yield* unreadable
        assert.strictEqual(waiting.state, "Pending")
        assert.isString(waiting.answer)
        told.failing = 0
        yield* work()
        const done = yield* unreadable
        assert.strictEqual(done.state, "Delivered")
        assert.strictEqual(done.payload, "")
        assert.isUndefined(done.answer)
        assert.isString(done.result)
        assert.strictEqual(upstream.requests.length, 3)
        assert.deepStrictEqual(JSON.parse(upstream.requests[2]!.text), JSON.parse(upstream.requests[0]!.text))
        assert.deepStrictEqual(told.list, [
          {
            what: "delivered",
            of: { id: "t_ada-lovelace", token: Redacted.make(secrets.token) },
            input: login,
            why: undefined
          }
        ])
        const result = yield* Outbox.await(Vault, name, done.id)
        assert.strictEqual(Redacted.value(result.token), secrets.token)
      })
    )
  }

  effect("holds for a declared error whose handler has not run", { cipher: true }, () =>
    Effect.gen(function* () {
      const upstream = yield* VaultUpstream
      yield* upstream.inject(twice)
      upstream.state.locked = true
      yield* settle((yield* Vault).parkMint(login))
      told.failing = 2
      yield* work("1 second")
      assert.isString((yield* unreadable).answer)
      yield* work("10 minutes")
      assert.strictEqual(upstream.requests.length, 3)
      assert.deepStrictEqual(told.list, [
        {
          what: "dead",
          of: new LockedOut({ user: "ada-lovelace", hint: `ask about ${secrets.password}` }),
          input: login,
          why: "rejected"
        }
      ])
      assert.strictEqual((yield* unreadable).state, "Dead")
    })
  )

  effect("whose key is lost leaves the call dead, and kept; with the key back it can be made", { cipher: true }, () =>
    Effect.gen(function* () {
      const store = yield* OutboxStore.OutboxStore
      const upstream = yield* VaultUpstream
      yield* upstream.inject(FaultInjection.times(2, FaultInjection.refused))
      yield* settle((yield* Vault).mint(login))
      const { key } = aes
      aes.key = randomBytes(32)
      yield* work()
      assert.strictEqual(upstream.requests.length, 2)
      const dead = yield* unreadable
      assert.strictEqual(dead.state, "Dead")
      assert.strictEqual(dead.why, "schema")
      assert.deepStrictEqual(
        told.list.map(({ input, of, what, why }) => ({
          what,
          why,
          input,
          of: of instanceof Undelivered ? `${of.why} ${of.outcome}` : of
        })),
        [{ what: "dead", why: "schema", input: undefined, of: "schema NotSent" }]
      )
      aes.key = key
      const note = { action: "redrive", by: "me", evidence: "the key is back" } as const
      assert.isTrue(yield* store.change(dead, { _tag: "Redrive", delay: Duration.zero, newKey: undefined }, note))
      yield* work()
      assert.strictEqual(upstream.requests.length, 3)
      assert.strictEqual((yield* unreadable).state, "Delivered")
    })
  )

  effect("whose key is lost after it happened leaves it to be reconciled", { cipher: true }, () =>
    Effect.gen(function* () {
      const upstream = yield* VaultUpstream
      yield* settle((yield* Vault).mint(login))
      const { key } = aes
      aes.key = randomBytes(32)
      yield* work()
      aes.key = key
      const entry = yield* unreadable
      assert.strictEqual(upstream.requests.length, 1)
      assert.strictEqual(entry.outcome, "Applied")
      assert.deepStrictEqual(
        told.list.map(({ what, why }) => `${what} ${why}`),
        ["unclear schema"]
      )
    })
  )

  it.effect("that fails when it should encipher leaves the call unsent", () =>
    Effect.gen(function* () {
      sdk.sent.length = 0
      const error = yield* Effect.flip(settle((yield* Vault).keep(kept)))
      assert.strictEqual(error.reason, "NotStored")
      assert.include(error.message, "the cipher of the outbox failed")
      assert.notInclude(error.message, "vault is sealed")
      assert.deepStrictEqual(sdk.sent, [])
      assert.deepStrictEqual(yield* entries, [])
    }).pipe(
      Effect.provide(
        Layer.provide(
          Layer.provideMerge(IntegrationTest.layer(Vault, VaultUpstream), OutboxStoreMemory.layer),
          Layer.succeed(OutboxStore.Cipher, { encrypt: () => Effect.fail("vault is sealed"), decrypt: Effect.succeed })
        )
      )
    )
  )
})
