// The bytes of a key and of an encoded body are frozen: a key that changes with an upgrade is a second charge.
import { assert, describe, it } from "@effect/vitest"
import { Exhaustion, Idempotency, IdempotencyKey, Integration, Policy } from "breakwater"
import { HttpIntegration, HttpOperation } from "breakwater/http"
import { FaultInjection } from "breakwater/testing"
import { Arbitrary, Context, Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import { sha256, toHex } from "../src/internal/sha256.ts"
import {
  AcmeApi,
  between,
  callOf,
  Failed,
  failureOf,
  thing,
  type Name,
  seededly,
  settle,
  tries,
  world
} from "./properties/support.ts"

/** The recipe as the documentation gives it, over Node's own hash: SHA-256 over the length-prefixed parts, 16 bytes. */
const recipe = (parts: ReadonlyArray<string>): string => {
  const hash = createHash("sha256")
  for (const part of parts) {
    const bytes = Buffer.from(part, "utf8")
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    hash.update(length).update(bytes)
  }
  return hash.digest().subarray(0, 16).toString("hex")
}

const derive = ([operation, ...intent]: ReadonlyArray<string>) =>
  IdempotencyKey.derive(operation!, ...(intent as [string]))

// Never change a line of these. A change of the recipe needs a constructor of another name.
const vectors: ReadonlyArray<readonly [parts: ReadonlyArray<string>, text: string, uuid: string]> = [
  [["charge", "order-42"], "3c6c393618ab536ca1c29741ce58cda7", "3c6c3936-18ab-836c-a1c2-9741ce58cda7"],
  [["a", "bc"], "b534ce16ac9c8b36823f39a395ce8e0e", "b534ce16-ac9c-8b36-823f-39a395ce8e0e"],
  [["ab", "c"], "f2939f903016e5bb29b1e4a61cdbd376", "f2939f90-3016-85bb-a9b1-e4a61cdbd376"],
  [["a", "b", "c"], "db0a8b920d42f074b0a75e382383d31f", "db0a8b92-0d42-8074-b0a7-5e382383d31f"],
  [["abc", ""], "2ddb14a1438cb06f0658085e174f50ef", "2ddb14a1-438c-806f-8658-085e174f50ef"],
  [["", "abc"], "c3494ca1a2cf8eeb8a11ded316fb55b8", "c3494ca1-a2cf-8eeb-8a11-ded316fb55b8"],
  [["", ""], "af5570f5a1810b7af78caf4bc70a660f", "af5570f5-a181-8b7a-b78c-af4bc70a660f"],
  [["charge", ""], "0f6c8f9b85af6b0b451fde6a9cd2ec9d", "0f6c8f9b-85af-8b0b-851f-de6a9cd2ec9d"],
  [["charge", "order", "42"], "54da9c6da72e6fe497a0e4bd95159819", "54da9c6d-a72e-8fe4-97a0-e4bd95159819"],
  [["charge", "order-42", "1"], "37236bae0c7fbee190052bb3c0ea1718", "37236bae-0c7f-8ee1-9005-2bb3c0ea1718"],
  [["charge", "order-42", "2"], "eccbc0bce9e975d8ebc9db889a33bd74", "eccbc0bc-e9e9-85d8-abc9-db889a33bd74"],
  [["zahlung", "Bestellung-äöüß-€"], "2294e62420461658a0e4fefb2fe137c0", "2294e624-2046-8658-a0e4-fefb2fe137c0"],
  [["支払い", "注文-🍣-四二"], "3d8b51115b7a758069507a8ea1b4a9ad", "3d8b5111-5b7a-8580-a950-7a8ea1b4a9ad"],
  // Composed and decomposed letters are other bytes, so other keys: nothing is normalised.
  [["charge", "e\u0301"], "b189d358d68de81889cf95b4b5c7d1ad", "b189d358-d68d-8818-89cf-95b4b5c7d1ad"],
  [["charge", "\u00e9"], "a6425c2c38927f39933d3b42182f556c", "a6425c2c-3892-8f39-933d-3b42182f556c"],
  [["charge", "line\nbreak\u0000nul"], "b17e00d8cacbbcf5e3f44dd44c8f9b14", "b17e00d8-cacb-8cf5-a3f4-4dd44c8f9b14"],
  [["charge", "x".repeat(55)], "7087f41099517f80a56160a45aea2b58", "7087f410-9951-8f80-a561-60a45aea2b58"],
  [["charge", "x".repeat(1_000)], "20f8ea02e1c5d17b10f92cb57c0dd9d9", "20f8ea02-e1c5-817b-90f9-2cb57c0dd9d9"],
  [["charge", "x".repeat(100_000)], "8095ae645c99bd6f92024dc79bf62a53", "8095ae64-5c99-8d6f-9202-4dc79bf62a53"],
  [["x".repeat(64), "y".repeat(64)], "607bd336915fc86ff434244dfaf7839b", "607bd336-915f-886f-b434-244dfaf7839b"]
]

describe("IdempotencyKey", () => {
  it.each(vectors.map(([parts, text, uuid]) => [parts.map((part) => part.slice(0, 20)), parts, text, uuid] as const))(
    "the vector of %j",
    (_shown, parts, text, uuid) => {
      const key = derive(parts)
      assert.strictEqual(IdempotencyKey.toText(key), text)
      assert.strictEqual(IdempotencyKey.toText(key), recipe(parts))
      assert.strictEqual(IdempotencyKey.toUuid(key), uuid)
    }
  )

  it("all of them differ", () => {
    assert.strictEqual(new Set(vectors.map(([, text]) => text)).size, vectors.length)
  })

  const part = Arbitrary.schema(Schema.String)
  it.prop(
    "agrees with the recipe for any parts",
    [Arbitrary.array(part, { minLength: 2, maxLength: 6 })],
    ([parts]) => {
      assert.strictEqual(IdempotencyKey.toText(derive(parts)), recipe(parts))
    },
    tries(300)
  )

  it.prop(
    "parts that are cut elsewhere are another intent",
    {
      text: Arbitrary.schema(Schema.String.check(Schema.isMinLength(2))),
      first: between(0, 100),
      second: between(0, 100)
    },
    ({ first, second, text }) => {
      const cut = (at: number) => [text.slice(0, at % (text.length + 1)), text.slice(at % (text.length + 1))]
      const [a, b] = [cut(first), cut(second)]
      // A cut through a pair of surrogates leaves halves that have no bytes of their own.
      if ([...a, ...b].some((part) => /\p{Surrogate}/u.test(part))) return
      assert.strictEqual(
        IdempotencyKey.toText(derive(a)) === IdempotencyKey.toText(derive(b)),
        JSON.stringify(a) === JSON.stringify(b)
      )
    },
    tries(300)
  )

  it.prop(
    "a UUID is version 8, variant 10, and the key's bytes else",
    [part, part],
    ([a, b]) => {
      const key = IdempotencyKey.derive(a, b)
      const uuid = IdempotencyKey.toUuid(key)
      assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      const [bytes, text] = [uuid.replaceAll("-", ""), IdempotencyKey.toText(key)]
      for (let i = 0; i < 32; i++) if (i !== 12 && i !== 16) assert.strictEqual(bytes[i], text[i])
    },
    tries(100)
  )

  it("a stored key is sent as it is, in either format", () => {
    const key = IdempotencyKey.fromStored("Order/42#a")
    assert.strictEqual(IdempotencyKey.toText(key), "Order/42#a")
    assert.strictEqual(IdempotencyKey.toUuid(key), "Order/42#a")
  })

  it("is recognised, and a string is none", () => {
    assert.isTrue(IdempotencyKey.isIdempotencyKey(IdempotencyKey.derive("a", "b")))
    assert.isTrue(IdempotencyKey.isIdempotencyKey(IdempotencyKey.fromStored("a")))
    for (const other of ["a", undefined, null, {}, 1]) assert.isFalse(IdempotencyKey.isIdempotencyKey(other))
  })
})

describe("sha256", () => {
  it("agrees with node:crypto at every length around its blocks", () => {
    for (let length = 0; length <= 260; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff)
      assert.strictEqual(toHex(sha256(bytes)), createHash("sha256").update(bytes).digest("hex"), `${length} bytes`)
    }
  })
})

describe("encoded bodies", () => {
  // What goes over the wire for the same call, frozen: the body, and the header that carries the key.
  const frozen: ReadonlyArray<readonly [Name, string, string | undefined]> = [
    ["charge", '{"order":"o-1","amount":2}', "7e703e9f41ed04be0f7e4acd5309424a"],
    ["pay", '{"order":"o-1","amount":2,"meta":{"idempotency_key":"5fc61df4220611a489a0a9363d9ae5a6"}}', undefined],
    [
      "graph",
      '{"query":"mutation","variables":{"order":"o-1","idempotencyKey":"9c01588d-fd8e-8712-b7bb-9f50001c6d0c"}}',
      undefined
    ],
    ["put", '{"id":"o-1","amount":2}', undefined],
    ["get", "", undefined]
  ]

  it.effect.each(frozen)("%s", ([name, body, header]) =>
    Effect.gen(function* () {
      const { acme, provider } = yield* world()
      yield* settle(callOf(acme, name))
      const [request] = provider.requests
      assert.strictEqual(request!.text, body)
      assert.strictEqual(request!.headers["idempotency-key"], header)
      assert.strictEqual(request!.headers["content-type"], body === "" ? undefined : "application/json")
      assert.strictEqual(request!.headers["content-length"], body === "" ? undefined : String(request!.body.length))
    }).pipe(seededly(1))
  )

  const placed = (placement: Idempotency.Placement, key: IdempotencyKey.IdempotencyKey) =>
    Effect.gen(function* () {
      const provider = FaultInjection.make({ respond: () => ({ body: thing }) })
      class Placed extends Integration.Service<Placed>()(
        "test/Placed",
        { policy: Policy.standard(), exhausted: Exhaustion.fail, orElse: (failure) => new Failed({ failure }) },
        {
          charge: HttpOperation.endpoint(AcmeApi, "acme", "charge", {
            idempotency: Idempotency.keyed(() => key, { lifetime: "forever", placement }),
            translate: { CardError: () => new Failed({ failure: undefined as never }) }
          })
        }
      ) {}
      const layer = HttpIntegration.layer(Placed, { baseUrl: "https://acme.example" })
      const client = Context.get(yield* Layer.build(Layer.provide(layer, provider.layer)), Placed)
      const exit = yield* settle(client.charge({ payload: { order: "o-1", amount: 2 } }))
      return { request: provider.requests[0], failure: failureOf(exit) }
    })

  it.effect.each([
    [Idempotency.header({ quoted: true }), '"3c6c393618ab536ca1c29741ce58cda7"'],
    [Idempotency.header({ format: "uuid" }), "3c6c3936-18ab-836c-a1c2-9741ce58cda7"],
    [Idempotency.header({ name: "X-Key", quoted: true, format: "uuid" }), '"3c6c3936-18ab-836c-a1c2-9741ce58cda7"']
  ] as const)("a header %j", ([placement, value]) =>
    Effect.gen(function* () {
      const { request } = yield* placed(placement, IdempotencyKey.derive("charge", "order-42"))
      assert.strictEqual(request!.headers[(placement as { readonly name: string }).name], value)
    }).pipe(seededly(1))
  )

  it.effect.each([
    ["", "the idempotency key is empty"],
    ["x".repeat(256), "the idempotency key has 256 characters, the provider takes 255"],
    ["ünïcode", "the idempotency key has characters other than visible ASCII"],
    ["a b", "the idempotency key has characters other than visible ASCII"],
    ["a\r\nx-admin: 1", "the idempotency key has characters other than visible ASCII"]
  ])("refuses the stored key %j before anything is sent", ([text, message]) =>
    Effect.gen(function* () {
      const { failure, request } = yield* placed(Idempotency.header(), IdempotencyKey.fromStored(text!))
      assert.isUndefined(request)
      assert.strictEqual(failure!.reason._tag, "InvalidInput")
      assert.strictEqual(failure!.outcome, "NotSent")
      assert.strictEqual(failure!.reason.message, message)
    }).pipe(seededly(1))
  )

  it.effect("escapes a stored key that is quoted", () =>
    Effect.gen(function* () {
      const { request } = yield* placed(Idempotency.header({ quoted: true }), IdempotencyKey.fromStored('a"b\\c'))
      assert.strictEqual(request!.headers["idempotency-key"], '"a\\"b\\\\c"')
    }).pipe(seededly(1))
  )

  it("describes each placement", () => {
    assert.deepStrictEqual(Idempotency.header(), {
      _tag: "Header",
      name: "idempotency-key",
      quoted: false,
      format: "hex",
      maxLength: 255
    })
    assert.deepStrictEqual(Idempotency.bodyField("idempotency_key"), {
      _tag: "BodyField",
      path: ["idempotency_key"],
      format: "hex",
      maxLength: 64
    })
    assert.deepStrictEqual(Idempotency.graphqlDirective(), {
      _tag: "GraphqlDirective",
      variable: "idempotencyKey",
      format: "uuid",
      maxLength: 255
    })
  })
})
