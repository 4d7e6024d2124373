import { assert, describe, it } from "@effect/vitest"
import { Webhook } from "breakwater"
import { Config, ConfigProvider, Duration, Effect, Redacted, Schema } from "effect"
import { WebCrypto } from "effect/crypto"
import { TestClock } from "effect/testing"
import { createHash, createHmac } from "node:crypto"
import { Webhook as StandardLibrary } from "standardwebhooks"
import StripeLibrary from "stripe"
import { Webhook as SvixLibrary } from "svix"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const secret = (text: string) => Redacted.make(text)

/** 25 January 2024, as seconds. Every test starts here. */
const now = 1706180400
const atNow = TestClock.setTime(now * 1000)

const reasonOf = <A>(self: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(self), (error) => {
    assert.instanceOf(error, Webhook.WebhookError)
    return (error as Webhook.WebhookError).reason
  })

const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
const otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

const address = "https://mycompany.com/myapp.php?foo=1&bar=2"

interface Case {
  readonly webhook: (...secrets: readonly [string, ...Array<string>]) => Webhook.Webhook
  readonly secret: string
  readonly other: string
  readonly body: string
  readonly url?: string
  /** The headers that the signature depends on. */
  readonly headers: ReadonlyArray<string>
}

const secrets = (list: readonly [string, ...Array<string>]) =>
  list.map(secret) as unknown as readonly [Redacted.Redacted, ...Array<Redacted.Redacted>]

const event = JSON.stringify({ id: "evt_1", event_id: "Ev1", type: "invoice.paid", note: "für 5 € ✓" })

const cases: Readonly<Record<string, Case>> = {
  "Standard Webhooks": {
    webhook: (...list) => Webhook.standard({ secrets: secrets(list) }),
    secret: standardSecret,
    other: otherSecret,
    body: event,
    headers: ["webhook-id", "webhook-timestamp", "webhook-signature"]
  },
  Svix: {
    webhook: (...list) => Webhook.standard({ secrets: secrets(list), prefix: "svix" }),
    secret: standardSecret,
    other: otherSecret,
    body: event,
    headers: ["svix-id", "svix-timestamp", "svix-signature"]
  },
  Stripe: {
    webhook: (...list) => Webhook.stripe({ secrets: secrets(list) }),
    secret: "whsec_stripe_1",
    other: "whsec_stripe_2",
    body: event,
    headers: ["stripe-signature"]
  },
  GitHub: {
    webhook: (...list) => Webhook.github({ secrets: secrets(list) }),
    secret: "It's a Secret to Everybody",
    other: "another",
    body: event,
    headers: ["x-hub-signature-256"]
  },
  Slack: {
    webhook: (...list) => Webhook.slack({ secrets: secrets(list) }),
    secret: "8f742231b10e8888abcd99yyyzzz85a5",
    other: "another",
    body: event,
    headers: ["x-slack-request-timestamp", "x-slack-signature"]
  },
  Shopify: {
    webhook: (...list) => Webhook.shopify({ secrets: secrets(list) }),
    secret: "hush",
    other: "another",
    body: event,
    headers: ["x-shopify-hmac-sha256"]
  },
  Twilio: {
    webhook: (...list) => Webhook.twilio({ secrets: secrets(list) }),
    secret: "12345",
    other: "67890",
    body: "Body=f%C3%BCr+5+%E2%82%AC&MessageSid=SM1&MessageStatus=sent",
    url: address,
    headers: ["x-twilio-signature"]
  }
}

const signed = (c: Case, body: string | Uint8Array = c.body, ...list: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* atNow
    const [first = c.secret, ...more] = list
    const headers = yield* Webhook.sign(c.webhook(first, ...more), { id: "id_1", body, url: c.url })
    const delivery: Webhook.Delivery = { headers, body: typeof body === "string" ? bytes(body) : body, url: c.url }
    return delivery
  })

const each = (
  name: string,
  test: (c: Case, provider: string) => Effect.Effect<void, unknown>,
  only: (c: Case) => boolean = () => true
) => {
  for (const [provider, c] of Object.entries(cases)) {
    if (only(c)) it.effect(`${provider}: ${name}`, () => test(c, provider))
  }
}
const timed = (c: Case) => c.webhook(c.secret).tolerance !== undefined

// ---- vectors

describe("vectors of the vendors", () => {
  const accepts = (webhook: Webhook.Webhook, at: number, delivery: Webhook.Delivery) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at * 1000)
      const verified = yield* Webhook.verify(webhook, delivery)
      const [first = 0] = delivery.body
      const tampered = Uint8Array.from(delivery.body)
      tampered[0] = first ^ 1
      assert.strictEqual(yield* reasonOf(Webhook.verify(webhook, { ...delivery, body: tampered })), "BadSignature")
      return verified
    })

  // github.com/standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts and
  // libraries/go/webhook_asymmetric_test.go.
  const message = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: 1614265330, body: bytes('{"test": 2432232314}') }
  const headers = (signature: string) => ({
    "webhook-id": message.id,
    "webhook-timestamp": String(message.at),
    "webhook-signature": signature
  })
  const v1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
  const v1a = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
  const seed = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="

  it.effect("Standard Webhooks v1, with and without the secret's prefix", () =>
    Effect.gen(function* () {
      for (const text of [standardSecret, standardSecret.slice("whsec_".length)]) {
        const webhook = Webhook.standard({ secrets: secret(text) })
        const { id, signedAt } = yield* accepts(webhook, message.at, { headers: headers(v1), body: message.body })
        assert.deepStrictEqual([id, signedAt], [message.id, message.at * 1000])
        const made = yield* Webhook.sign(webhook, { id: message.id, body: message.body, at: message.at * 1000 })
        assert.deepStrictEqual(made, headers(v1))
      }
    })
  )

  it.effect("Standard Webhooks v1a, and with its public key alone", () =>
    Effect.gen(function* () {
      const pair = Webhook.standard({ secrets: secret(seed) })
      yield* accepts(pair, message.at, { headers: headers(v1a), body: message.body })
      const made = yield* Webhook.sign(pair, { id: message.id, body: message.body, at: message.at * 1000 })
      assert.deepStrictEqual(made, headers(v1a))

      // The public key of that seed, by an implementation of its own.
      const key = yield* Effect.promise(() =>
        crypto.subtle.importKey(
          "pkcs8",
          Buffer.concat([
            Buffer.from("302e020100300506032b657004220420", "hex"),
            Buffer.from(seed.slice("whsk_".length), "base64")
          ]),
          "Ed25519",
          true,
          ["sign"]
        )
      )
      const { x } = yield* Effect.promise(() => crypto.subtle.exportKey("jwk", key))
      const open = Webhook.standard({
        secrets: secret(`whpk_${Buffer.from(x!, "base64url").toString("base64")}`)
      })
      yield* accepts(open, message.at, { headers: headers(`${v1} ${v1a}`), body: message.body })
      assert.strictEqual(
        yield* reasonOf(Webhook.verify(open, { headers: headers(v1), body: message.body })),
        "BadSignature"
      )
      assert.strictEqual(yield* reasonOf(Webhook.sign(open, { id: "a", body: "{}" })), "Misconfigured")
    })
  )

  // docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation".
  it.effect("GitHub", () =>
    Effect.gen(function* () {
      const verified = yield* accepts(Webhook.github({ secrets: secret("It's a Secret to Everybody") }), now, {
        headers: {
          "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
          "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"
        },
        body: bytes("Hello, World!")
      })
      assert.strictEqual(verified.id, "72d3162e-cc78-11e3-81ab-4c9367dc0958")
    })
  )

  // api.slack.com, "Verifying requests from Slack".
  it.effect("Slack", () =>
    Effect.gen(function* () {
      const body = bytes(
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
          "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
          "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
          "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
      )
      const verified = yield* accepts(
        Webhook.slack({ secrets: secret("8f742231b10e8888abcd99yyyzzz85a5") }),
        1531420618,
        {
          headers: {
            "content-type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
          },
          body
        }
      )
      assert.strictEqual(verified.id, "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
      assert.strictEqual((yield* verified.payload as Effect.Effect<{ command: string }>).command, "/webhook-collect")
    })
  )

  // github.com/twilio/twilio-node, spec/validation.spec.js.
  const call = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
  const twilio: ReadonlyArray<readonly [name: string, url: string, body: string, signature: string]> = [
    ["a form", address, call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="],
    ["a form, signed without the port", address.replace(".com", ".com:1234"), call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="],
    [
      "a form, signed with the port",
      address.replace(".com", ".com:1234").replace("https", "http"),
      call,
      "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="
    ],
    ["a form, signed with port 443", address, call, "kvajT1Ptam85bY51eRf/AJRuM3w="],
    ["a form, signed with port 80", address.replace("https", "http"), call, "0ZXoZLH/DfblKGATFgpif+LLRf4="],
    ["credentials in the address", address.replace("//", "//user:pass@"), call, "CukzLTc1tT5dXEDIHm/tKBanW10="],
    ["a user in the address", address.replace("//", "//user@"), call, "2YRLlVAflCqxaNicjMpJcSTgzSs="],
    ["credentials, with the port", address.replace("//", "//user:pass@"), call, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="],
    ["an apostrophe in the query", `${address}&Body=It's+amazing`, call, "dsq4Ehbj6cs+KdTkpF5sSSplOWw="],
    [
      "a parameter that comes twice",
      address,
      "MessagingBinding.Address=%2B1415xxxxxxx&MessagingBinding.Address=%2B1325xxxxxxx",
      "83O6e2vORAoJHUNzJjDWN1jz+BA="
    ],
    [
      "equal values of one parameter",
      address,
      "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
      "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    ],
    [
      "JSON, by its digest",
      `${address}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620`,
      '{"property": "value", "boolean": true}',
      "a9nBmqA0ju/hNViExpshrM61xv4="
    ],
    [
      "JSON, its digest alone in the query",
      "https://mycompany.com/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
      '{"property": "value", "boolean": true}',
      "y77kIzt2vzLz71DgmJGsen2scGs="
    ],
    [
      "an empty object",
      `${address}&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`,
      "{}",
      "Ldidvp12m26NI7eqEvxnEpkd9Hc="
    ]
  ]
  for (const [name, url, body, signature] of twilio) {
    it.effect(`Twilio: ${name}`, () =>
      Effect.gen(function* () {
        const webhook = Webhook.twilio({ secrets: secret("12345") })
        const delivery = { headers: { "X-Twilio-Signature": signature }, body: bytes(body), url }
        yield* accepts(webhook, now, delivery)
        const elsewhere = url.replace("foo=1", "foo=2").replace("myapp.php?body", "other.php?body")
        assert.strictEqual(yield* reasonOf(Webhook.verify(webhook, { ...delivery, url: elsewhere })), "BadSignature")
      })
    )
  }

  // Shopify publishes no vector; its documentation computes it so.
  it.effect("Shopify, against Node's HMAC", () =>
    Effect.gen(function* () {
      const body = bytes(event)
      const signature = createHmac("sha256", "hush").update(body).digest("base64")
      const { id } = yield* accepts(Webhook.shopify({ secrets: secret("hush") }), now, {
        headers: { "X-Shopify-Hmac-SHA256": signature, "X-Shopify-Webhook-Id": "b54557e4" },
        body
      })
      assert.strictEqual(id, "b54557e4")
    })
  )
})

// ---- the vendors' own libraries

describe("libraries that we did not write", () => {
  const bodies = [event, '{\r\n  "a": "\\r\\n",\r\n  "b": "日本語 🎉"\r\n}\r\n', "{}", `${event}\n`]
  const libraries = [
    ["standardwebhooks", new StandardLibrary(standardSecret), "webhook"],
    ["svix", new SvixLibrary(standardSecret), "svix"]
  ] as const

  for (const [name, library, prefix] of libraries) {
    const webhook = Webhook.standard({ secrets: secret(standardSecret), prefix })

    it.effect(`what ${name} signs is accepted, and what it does not sign is not`, () =>
      Effect.gen(function* () {
        yield* atNow
        for (const body of bodies) {
          const signature = library.sign("msg_1", new Date(now * 1000), body)
          const headers = {
            [`${prefix}-id`]: "msg_1",
            [`${prefix}-timestamp`]: String(now),
            [`${prefix}-signature`]: signature
          }
          assert.strictEqual((yield* Webhook.verify(webhook, { headers, body: bytes(body) })).id, "msg_1")
          const next = { ...headers, [`${prefix}-id`]: "msg_2" }
          assert.strictEqual(
            yield* reasonOf(Webhook.verify(webhook, { headers: next, body: bytes(body) })),
            "BadSignature"
          )
        }
      })
    )

    it.effect(`what we sign is accepted by ${name}, which reads the computer's clock`, () =>
      Effect.gen(function* () {
        for (const body of bodies) {
          const headers = yield* Webhook.sign(webhook, { id: "msg_1", body, at: Date.now() })
          library.verify(body, headers as never)
          assert.throws(() => library.verify(`${body} `, headers as never))
          // While the secret is rotated there are two signatures, ours the second.
          const both = Webhook.standard({ secrets: [secret(otherSecret), secret(standardSecret)], prefix })
          library.verify(body, (yield* Webhook.sign(both, { id: "msg_1", body, at: Date.now() })) as never)
        }
      })
    )
  }

  it.effect("stripe signs for us, and we for stripe", () =>
    Effect.gen(function* () {
      yield* atNow
      const { webhooks } = new StripeLibrary("sk_test_1")
      const webhook = Webhook.stripe({ secrets: secret("whsec_1") })
      for (const body of [event, '{"id":"evt_2","b":"日本語 🎉\\r\\n"}']) {
        const header = webhooks.generateTestHeaderString({ payload: body, secret: "whsec_1", timestamp: now })
        const verified = yield* Webhook.verify(webhook, {
          headers: { "Stripe-Signature": header },
          body: bytes(body)
        })
        assert.strictEqual(verified.id, JSON.parse(body).id)
        const ours = yield* Webhook.sign(webhook, { id: "evt", body, at: Date.now() })
        assert.strictEqual(webhooks.constructEvent(body, ours["stripe-signature"]!, "whsec_1").id, JSON.parse(body).id)
        assert.throws(() => webhooks.constructEvent(body, ours["stripe-signature"]!, "whsec_2"))
      }
    })
  )
})

// ---- tampering

describe("tampering", () => {
  each("no bit of the body can be changed, and nothing added or left out", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c)
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      const original = yield* check(delivery)
      for (let at = 0; at < delivery.body.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const body = Uint8Array.from(delivery.body)
          body[at]! ^= 1 << bit
          const attempt = check({ ...delivery, body })
          // Twilio signs what the parameters say, not how they are spelled: %c3 is %C3.
          if (c.url !== undefined && /%[0-9a-f]{2}/.test(new TextDecoder().decode(body))) {
            const same = yield* Effect.exit(Effect.flatMap(attempt, ({ payload }) => payload))
            if (same._tag === "Success") {
              assert.deepStrictEqual(same.value, yield* original.payload)
              continue
            }
          }
          assert.include(["BadSignature", "Malformed"], yield* reasonOf(attempt), `byte ${at}, bit ${bit}`)
        }
      }
      for (const body of [delivery.body.slice(1), delivery.body.slice(0, -1), bytes(`${c.body}x`), bytes("")]) {
        assert.strictEqual(yield* reasonOf(check({ ...delivery, body })), "BadSignature")
      }
    })
  )

  each("no character of a header that is part of the signature can be changed", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c, c.body, c.secret)
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      for (const name of c.headers) {
        const text = delivery.headers[name] as string
        assert.isString(text, name)
        for (let at = 0; at < text.length; at++) {
          for (let bit = 0; bit < 7; bit++) {
            const changed = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ (1 << bit))}${text.slice(at + 1)}`
            const reason = yield* reasonOf(check({ ...delivery, headers: { ...delivery.headers, [name]: changed } }))
            assert.include(["BadSignature", "Malformed", "Stale"], reason, `${name}, character ${at}, bit ${bit}`)
          }
        }
      }
    })
  )

  each("a body that was parsed and written again does not verify", (c) =>
    Effect.gen(function* () {
      const text = c.url === undefined ? `{"id":"evt_1",  "event_id":"Ev1","n":1.0}` : c.body
      const delivery = yield* signed(c, text)
      yield* Webhook.verify(c.webhook(c.secret), delivery)
      const again = c.url === undefined ? JSON.stringify(JSON.parse(text)) : c.body.replace("sent", "sent ")
      assert.strictEqual(
        yield* reasonOf(Webhook.verify(c.webhook(c.secret), { ...delivery, body: bytes(again) })),
        "BadSignature"
      )
    })
  )

  each("another secret's signature is refused, and one for another address too", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c, c.body, c.other)
      assert.strictEqual(yield* reasonOf(Webhook.verify(c.webhook(c.secret), delivery)), "BadSignature")
      if (c.url === undefined) return
      const right = yield* signed(c)
      for (const url of [`${address}&x=1`, address.replace("my", "your"), address.replace("https", "http")]) {
        assert.strictEqual(yield* reasonOf(Webhook.verify(c.webhook(c.secret), { ...right, url })), "BadSignature")
      }
    })
  )

  for (const [provider, c] of Object.entries(cases)) {
    it.effect.prop(
      `${provider}: any text verifies as the bytes that were signed, and as no others`,
      { text: Schema.String, flip: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })) },
      ({ flip, text }) =>
        Effect.gen(function* () {
          const body = bytes(
            c.url === undefined
              ? JSON.stringify({ id: "evt_1", event_id: "Ev1", text })
              : new URLSearchParams({ Body: text }).toString()
          )
          const delivery = yield* signed(c, body)
          const check = yield* Webhook.verifier(c.webhook(c.other, c.secret))
          yield* check(delivery)
          const changed = Uint8Array.from(body)
          changed[flip % body.length]! ^= 1 << (flip % 8)
          const attempt = Effect.flatMap(check({ ...delivery, body: changed }), ({ payload }) => payload)
          const exit = yield* Effect.exit(attempt)
          if (c.url !== undefined && exit._tag === "Success") {
            assert.deepStrictEqual(exit.value, yield* (yield* check(delivery)).payload)
          } else assert.include(["BadSignature", "Malformed"], yield* reasonOf(attempt))
        }),
      { arbitrary: { runs: 40, seed: "breakwater" } }
    )
  }
})

// ---- rotation

describe("rotation", () => {
  each("a signature of any active secret is accepted, wherever the secret stands", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c)
      yield* Webhook.verify(c.webhook(c.secret, c.other), delivery)
      yield* Webhook.verify(c.webhook(c.other, c.secret), delivery)
      assert.strictEqual(yield* reasonOf(Webhook.verify(c.webhook(c.other), delivery)), "BadSignature")
    })
  )

  it.effect("any one of several signatures is enough, wherever it stands, among versions that are not known", () =>
    Effect.gen(function* () {
      const c = cases["Standard Webhooks"]!
      const delivery = yield* signed(c)
      const right = delivery.headers["webhook-signature"] as string
      const wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
      for (const list of [
        [right, wrong],
        [wrong, right],
        [wrong, "v2,Ceo5qEr0", "v1,!!!", right, wrong]
      ]) {
        const headers = { ...delivery.headers, "webhook-signature": list.join(" ") }
        yield* Webhook.verify(c.webhook(c.secret), { ...delivery, headers })
        yield* Webhook.verify(c.webhook(c.other, c.secret), { ...delivery, headers })
      }
      const many = { ...delivery.headers, "webhook-signature": [...Array(40).fill(wrong), right].join(" ") }
      assert.strictEqual(
        yield* reasonOf(Webhook.verify(c.webhook(c.secret), { ...delivery, headers: many })),
        "Malformed"
      )
    })
  )

  it.effect("Stripe's header with several v1 signatures, and v0 counts for nothing", () =>
    Effect.gen(function* () {
      const c = cases["Stripe"]!
      const delivery = yield* signed(c)
      const header = delivery.headers["stripe-signature"] as string
      const right = header.split(",")[1]!
      const wrong = `v1=${"ab".repeat(32)}`
      const verify = (text: string) =>
        Webhook.verify(c.webhook(c.secret), { ...delivery, headers: { "stripe-signature": text } })
      yield* verify(`t=${now},${wrong},${right}`)
      yield* verify(`t=${now},${right},${wrong}`)
      yield* verify(`t=${now},v0=${"00".repeat(32)},${wrong}, ${right}`)
      assert.strictEqual(yield* reasonOf(verify(`t=${now},${right.replace("v1", "v0")}`)), "Malformed")
      assert.strictEqual(yield* reasonOf(verify(`t=${now},${wrong},${right.replace("v1", "v0")}`)), "BadSignature")
      assert.strictEqual(yield* reasonOf(verify(`t=${now},t=${now},${right}`)), "Malformed")
      assert.strictEqual(yield* reasonOf(verify(right)), "Malformed")
    })
  )

  it.effect("with several secrets every one is tried, also after one has matched", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const delivery = yield* signed(c)
      let macs = 0
      const subtle = new Proxy(crypto.subtle, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as unknown
          if (typeof value !== "function") return value
          return (...args: ReadonlyArray<unknown>) => {
            if (name === "sign") macs++
            return Reflect.apply(value, target, args) as unknown
          }
        }
      })
      const counting = { subtle, getRandomValues: crypto.getRandomValues.bind(crypto) } as unknown as typeof crypto
      for (const list of [
        [c.secret, c.other, "third"],
        [c.other, "third", c.secret],
        [c.other, "third", "fourth"]
      ] as const) {
        macs = 0
        yield* Effect.exit(
          Effect.provideService(
            Webhook.verify(c.webhook(list[0], ...list.slice(1)), delivery),
            WebCrypto.WebCrypto,
            counting
          )
        )
        assert.strictEqual(macs, 3)
      }
    })
  )

  it.effect("secrets of an effect are read for every delivery, and what it fails with is not shown", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const delivery = yield* signed(c)
      let active: ReadonlyArray<string> = [c.other]
      const check = yield* Webhook.verifier(
        Webhook.github({ secrets: Effect.suspend(() => Effect.succeed(active.map(secret))) })
      )
      assert.strictEqual(yield* reasonOf(check(delivery)), "BadSignature")
      active = [c.other, c.secret]
      yield* check(delivery)
      active = []
      assert.strictEqual(yield* reasonOf(check(delivery)), "Misconfigured")

      const failing = yield* Webhook.verifier(Webhook.github({ secrets: Effect.fail("token s3cret was refused") }))
      const error = yield* Effect.flip(failing(delivery))
      assert.strictEqual(error.reason, "SecretsUnavailable")
      assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error)}`, "s3cret")
    })
  )
})

// ---- time

describe("time", () => {
  each(
    "5 minutes before and after arrival are accepted, a second more is not",
    (c) =>
      Effect.gen(function* () {
        const delivery = yield* signed(c)
        const check = yield* Webhook.verifier(c.webhook(c.secret))
        const cases = [
          [now - 300, true],
          [now - 301, false],
          [now + 300, true],
          [now + 301, false]
        ] as const
        for (const [at, accepted] of cases) {
          yield* TestClock.setTime(at * 1000)
          if (accepted) yield* check(delivery)
          else assert.strictEqual(yield* reasonOf(check(delivery)), "Stale")
          // The same arrival, looked at later.
          yield* TestClock.setTime((now + 86_400) * 1000)
          if (accepted) yield* check({ ...delivery, receivedAt: at * 1000 })
          else assert.strictEqual(yield* reasonOf(check({ ...delivery, receivedAt: at * 1000 })), "Stale")
        }
        yield* TestClock.setTime((now + 300) * 1000 + 999)
        yield* check(delivery)
      }),
    timed
  )

  it.effect("the tolerance can be set, and a time is digits alone", () =>
    Effect.gen(function* () {
      const c = cases["Standard Webhooks"]!
      const delivery = yield* signed(c)
      const check = yield* Webhook.verifier(
        Webhook.standard({ secrets: secret(c.secret), tolerance: Duration.seconds(10) })
      )
      yield* TestClock.setTime((now + 10) * 1000)
      yield* check(delivery)
      yield* TestClock.setTime((now + 11) * 1000)
      assert.strictEqual(yield* reasonOf(check(delivery)), "Stale")
      for (const text of ["hello", "1e9", "-1", `${now}.0`, `0x65b23ef0`, ` ${now} 1`, "9".repeat(13)]) {
        const headers = { ...delivery.headers, "webhook-timestamp": text }
        assert.strictEqual(yield* reasonOf(check({ ...delivery, headers })), "Malformed", text)
      }
    })
  )

  it("an id is remembered for longer than its provider repeats", () => {
    for (const c of Object.values(cases)) {
      const { retryHorizon, timeToLive } = c.webhook(c.secret)
      assert.isTrue(Duration.isGreaterThanOrEqualTo(timeToLive, retryHorizon))
    }
    assert.strictEqual(Duration.toHours(cases["Standard Webhooks"]!.webhook("a").retryHorizon), 75.6)
    assert.strictEqual(Duration.toHours(cases["Stripe"]!.webhook("a").retryHorizon), 72)
    assert.isAtLeast(Duration.toDays(cases["GitHub"]!.webhook("a").timeToLive), 3650)
  })
})

// ---- headers, encodings, sizes

describe("what arrives", () => {
  each("names of headers in any case; one that is missing, empty or there twice is refused", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c)
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      const all = Object.entries(delivery.headers) as ReadonlyArray<[string, string]>
      yield* check({ ...delivery, headers: Object.fromEntries(all.map(([k, v]) => [k.toUpperCase(), v])) })
      for (const name of c.headers) {
        const value = delivery.headers[name] as string
        const others = Object.fromEntries(all.filter(([key]) => key !== name))
        const reason = (headers: Webhook.Delivery["headers"]) => reasonOf(check({ ...delivery, headers }))
        assert.strictEqual(yield* reason(others), "MissingHeader", name)
        assert.strictEqual(yield* reason({ ...others, [name]: "" }), "MissingHeader", name)
        assert.strictEqual(yield* reason({ ...others, [name]: [value, value] }), "Malformed", name)
        assert.strictEqual(yield* reason({ ...others, [name]: value, [name.toUpperCase()]: value }), "Malformed", name)
        yield* check({ ...delivery, headers: { ...others, [name]: [value] } })
      }
    })
  )

  const broken: ReadonlyArray<readonly [provider: string, header: string, values: ReadonlyArray<string>]> = [
    ["Standard Webhooks", "webhook-signature", ["v1", "v1,", "v1,%%%", "v1,abc", "v2,AAAA", "garbage"]],
    ["Stripe", "stripe-signature", [`t=${now}`, `t=${now},v1=`, `t=${now},v1=xyz`, `t=${now},v1=ABCDEF`, "garbage"]],
    ["GitHub", "x-hub-signature-256", ["sha256=", "sha256=xyz", "sha256=abc", "sha1=ab12", "ab12"]],
    ["Slack", "x-slack-signature", ["v0=", "v0=xyz", "v1=ab12", "ab12"]],
    ["Shopify", "x-shopify-hmac-sha256", ["%%%", "abc", "YWJj=", "a b="]],
    ["Twilio", "x-twilio-signature", ["%%%", "abc", "YWJj="]]
  ]
  for (const [provider, header, values] of broken) {
    it.effect(`${provider}: a signature that is none is malformed, and one that is too short does not match`, () =>
      Effect.gen(function* () {
        const c = cases[provider]!
        const delivery = yield* signed(c)
        const check = yield* Webhook.verifier(c.webhook(c.secret))
        const reason = (text: string) =>
          reasonOf(check({ ...delivery, headers: { ...delivery.headers, [header]: text } }))
        for (const text of values) assert.strictEqual(yield* reason(text), "Malformed", text)
        const short = (delivery.headers[header] as string).replace(/[^,=]+=?$/, (end) =>
          end.endsWith("=") ? "YWJj" : end.slice(0, 32)
        )
        assert.strictEqual(yield* reason(short), "BadSignature", short)
      })
    )
  }

  it.effect("GitHub's signature in capitals is another spelling, and not accepted", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const delivery = yield* signed(c)
      const text = delivery.headers["x-hub-signature-256"] as string
      const headers = { ...delivery.headers, "x-hub-signature-256": `sha256=${text.slice(7).toUpperCase()}` }
      assert.strictEqual(yield* reasonOf(Webhook.verify(c.webhook(c.secret), { ...delivery, headers })), "Malformed")
    })
  )

  each("a body that is too large is refused before anything is looked at", (c) =>
    Effect.gen(function* () {
      const body = new Uint8Array(1024 * 1024 + 1)
      assert.strictEqual(
        yield* reasonOf(Webhook.verify(c.webhook(c.secret), { headers: {}, body, url: c.url })),
        "TooLarge"
      )
    })
  )

  it.effect("a mebibyte is not too large, and the limit can be set", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const body = new Uint8Array(1024 * 1024).fill(32)
      yield* Webhook.verify(c.webhook(c.secret), yield* signed(c, body))
      const small = Webhook.github({ secrets: secret(c.secret), maxBytes: 10 })
      assert.strictEqual(yield* reasonOf(Webhook.verify(small, yield* signed(c, "12345678901"))), "TooLarge")
      yield* Webhook.verify(small, yield* signed(c, "1234567890"))
    })
  )

  it.effect("the headers of Svix are not those of Standard Webhooks, and the two are not mixed", () =>
    Effect.gen(function* () {
      const delivery = yield* signed(cases["Svix"]!)
      const webhook = cases["Standard Webhooks"]!.webhook(standardSecret)
      assert.strictEqual(yield* reasonOf(Webhook.verify(webhook, delivery)), "MissingHeader")
    })
  )

  it.effect("an id with a full stop, by which a captured delivery could be cut elsewhere, is refused", () =>
    Effect.gen(function* () {
      yield* atNow
      const webhook = Webhook.standard({ secrets: secret(standardSecret) })
      // Signed for id "a", at an old time, with a body that its sender's customer has chosen.
      const old = yield* Webhook.sign(webhook, { id: "a", at: 1000, body: `${now}.{"type":"forged"}` })
      const headers = { ...old, "webhook-id": "a.1", "webhook-timestamp": String(now) }
      const delivery = { headers, body: bytes('{"type":"forged"}') }
      // The very bytes that were signed, cut elsewhere.
      const key = Buffer.from(standardSecret.slice("whsec_".length), "base64")
      const content = `a.1.${now}.{"type":"forged"}`
      assert.strictEqual(old["webhook-signature"], `v1,${createHmac("sha256", key).update(content).digest("base64")}`)
      assert.strictEqual(yield* reasonOf(Webhook.verify(webhook, delivery)), "Malformed")
      assert.strictEqual(yield* reasonOf(Webhook.sign(webhook, { id: "a.b", body: "{}" })), "Misconfigured")
    })
  )
})

// ---- what a stranger tries with what was captured, and what a mistake would let through

describe("hostile deliveries", () => {
  const form = { "content-type": "application/x-www-form-urlencoded" }
  // What somebody wrote into a message of Slack, or into a commit.
  const inner = encodeURIComponent('{"forged":true,"event_id":"Ev9"}')
  const captured = `{"event_id":"Ev1","text":"hello&payload=${inner}&"}`

  for (const provider of ["Slack", "GitHub"]) {
    it.effect(`${provider}: a header that is not signed does not turn JSON into a form with another event in it`, () =>
      Effect.gen(function* () {
        const c = cases[provider]!
        for (const body of [captured, `\n [${captured}]`]) {
          const delivery = yield* signed(c, body)
          const verified = yield* Webhook.verify(c.webhook(c.secret), {
            ...delivery,
            headers: { ...delivery.headers, ...form }
          })
          assert.deepStrictEqual(yield* verified.payload, JSON.parse(body))
          assert.notStrictEqual(verified.id, "Ev9")
        }
      })
    )
  }

  it.effect("Twilio: a form of half a million parameters costs no more than it is long", () =>
    Effect.gen(function* () {
      const c = cases["Twilio"]!
      const body = bytes("a&".repeat(512 * 1024))
      const delivery = { headers: { "x-twilio-signature": "YWJj" }, body, url: c.url }
      assert.strictEqual(yield* reasonOf(Webhook.verify(c.webhook(c.secret), delivery)), "BadSignature")
    })
  )

  it.effect("Twilio: a token, which is not signed, can't pass for the id of a message or for a digest", () =>
    Effect.gen(function* () {
      const c = cases["Twilio"]!
      const id = (body: string, token: string) =>
        Effect.flatMap(signed(c, body), (delivery) =>
          Webhook.verify(c.webhook(c.secret), {
            ...delivery,
            headers: { ...delivery.headers, "i-twilio-idempotency-token": token }
          })
        )
      assert.strictEqual((yield* id("CallSid=CA1", "0c6b2ba5-9a1c")).id, "0c6b2ba5-9a1c")
      for (const token of ["SM1:sent", `sha256:${"ab".repeat(32)}`]) {
        assert.strictEqual(yield* reasonOf(id("CallSid=CA1", token)), "Malformed", token)
      }
      // Two messages that a joining colon would make one.
      for (const [sid, status] of [
        ["SM1:a", "b"],
        ["SM1", "a:b"]
      ] as const) {
        const body = new URLSearchParams({ MessageSid: sid, MessageStatus: status }).toString()
        assert.strictEqual((yield* id(body, "t-1")).id, "t-1")
      }
    })
  )

  it.effect("a time of arrival that is none does not switch the check of the time off", () =>
    Effect.gen(function* () {
      const c = cases["Stripe"]!
      const delivery = yield* signed(c)
      for (const receivedAt of [NaN, Infinity, -Infinity]) {
        assert.strictEqual(
          yield* reasonOf(Webhook.verify(c.webhook(c.secret), { ...delivery, receivedAt })),
          "Misconfigured"
        )
      }
    })
  )

  it.effect("limits that are none are found when the verifier is made", () =>
    Effect.gen(function* () {
      const secrets = secret("hush")
      for (const maxBytes of [NaN, Infinity, 0, -1, 1.5]) {
        assert.strictEqual(yield* reasonOf(Webhook.verifier(Webhook.github({ secrets, maxBytes }))), "Misconfigured")
      }
      for (const tolerance of [NaN, Duration.infinity, Duration.zero, Duration.negate(Duration.minutes(5))]) {
        assert.strictEqual(yield* reasonOf(Webhook.verifier(Webhook.stripe({ secrets, tolerance }))), "Misconfigured")
      }
    })
  )

  it.effect("an ed25519 signature of a wrong length is a bad one, and no defect", () =>
    Effect.gen(function* () {
      yield* atNow
      const open = Webhook.standard({ secrets: secret(`whpk_${Buffer.alloc(32, 0xff).toString("base64")}`) })
      for (const length of [1, 63, 64, 65, 1024]) {
        const headers = {
          "webhook-id": "a",
          "webhook-timestamp": String(now),
          "webhook-signature": `v1a,${Buffer.alloc(length, 7).toString("base64")}`
        }
        assert.strictEqual(yield* reasonOf(Webhook.verify(open, { headers, body: bytes("{}") })), "BadSignature")
      }
    })
  )

  each("a header that is very long, or not ASCII, is no signature and no defect", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c)
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      for (const name of c.headers) {
        for (const text of ["a".repeat(1_000_000), " ".repeat(100_000) + "=", "v1,".repeat(100_000), "ü€🎉", "\0"]) {
          const reason = yield* reasonOf(check({ ...delivery, headers: { ...delivery.headers, [name]: text } }))
          assert.include(["Malformed", "BadSignature"], reason, `${name}: ${text.slice(0, 10)}`)
        }
      }
    })
  )

  it.effect("a secret store that dies is one that can't be reached, and what it said is not shown", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const delivery = yield* signed(c)
      const dying = yield* Webhook.verifier(Webhook.github({ secrets: Effect.die(new Error("token s3cret")) }))
      const exit = yield* Effect.exit(dying(delivery))
      assert.notInclude(`${String(exit)}${JSON.stringify(exit)}`, "s3cret")
      assert.strictEqual(yield* reasonOf(dying(delivery)), "SecretsUnavailable")
    })
  )

  it.effect("the places of an event that does not match are short, and on one line", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const decode = Webhook.event(Schema.Record(Schema.String, Schema.Int))
      const of = (body: string) =>
        Effect.flatMap(signed(c, body), (delivery) =>
          Effect.flatMap(Webhook.verify(c.webhook(c.secret), delivery), decode)
        )
      const { message } = yield* Effect.flip(of(JSON.stringify({ [`a\n${"b".repeat(5000)}`]: "x" })))
      assert.isBelow(message.length, 300)
      assert.notInclude(message, "\n")
    })
  )
})

// ---- ids

describe("ids", () => {
  const verified = (c: Case, body: string, headers: Webhook.Delivery["headers"] = {}, url = c.url) =>
    Effect.gen(function* () {
      yield* atNow
      const own = yield* Webhook.sign(c.webhook(c.secret), { id: "id_1", body, url })
      return yield* Webhook.verify(c.webhook(c.secret), {
        headers: { ...own, ...headers },
        body: bytes(body),
        url
      })
    })

  it.effect("Stripe's is the event's, from the body; a body without one is malformed", () =>
    Effect.gen(function* () {
      const c = cases["Stripe"]!
      assert.deepInclude(yield* verified(c, '{"id":"evt_9"}'), { id: "evt_9", fingerprint: "" })
      for (const body of ["{}", '{"id":1}', '{"id":""}', '{"id":"a b"}', "null", "[]", "", "{"]) {
        assert.strictEqual(yield* reasonOf(verified(c, body)), "Malformed", body)
      }
    })
  )

  it.effect("Slack's is the event's, the trigger's, or the digest of what was signed", () =>
    Effect.gen(function* () {
      const c = cases["Slack"]!
      const form = { "content-type": "application/x-www-form-urlencoded" }
      assert.strictEqual((yield* verified(c, '{"event_id":"Ev2"}')).id, "Ev2")
      assert.strictEqual((yield* verified(c, "command=%2Fa&trigger_id=1.2.3", form)).id, "1.2.3")
      const interaction = yield* verified(c, `payload=${encodeURIComponent('{"trigger_id":"4.5","type":"x"}')}`, form)
      assert.strictEqual(interaction.id, "4.5")
      assert.deepStrictEqual(yield* interaction.payload, { trigger_id: "4.5", type: "x" })
      const plain = yield* verified(c, '{"type":"app_rate_limited"}')
      const digest = createHash("sha256").update(`v0:${now}:{"type":"app_rate_limited"}`).digest("hex")
      assert.strictEqual(plain.id, `sha256:${digest}`)
      assert.strictEqual(plain.handshake, undefined)
      const test = yield* verified(c, '{"type":"url_verification","challenge":"3eZbrw1a"}')
      assert.strictEqual(test.handshake, "3eZbrw1a")
    })
  )

  it.effect("an id that the signature does not cover is compared with its body", () =>
    Effect.gen(function* () {
      for (const provider of ["GitHub", "Shopify"]) {
        const c = cases[provider]!
        const { fingerprint, id } = yield* verified(c, event)
        assert.strictEqual(id, "id_1")
        assert.strictEqual(fingerprint, createHash("sha256").update(event).digest("hex"))
      }
      assert.strictEqual((yield* verified(cases["Standard Webhooks"]!, event)).fingerprint, "")
      assert.strictEqual(
        yield* reasonOf(verified(cases["GitHub"]!, event, { "x-github-delivery": "a b" })),
        "Malformed"
      )
      assert.strictEqual(
        yield* reasonOf(verified(cases["GitHub"]!, event, { "x-github-delivery": undefined })),
        "MissingHeader"
      )
    })
  )

  it.effect("Shopify's may be the event's", () =>
    Effect.gen(function* () {
      yield* atNow
      const webhook = Webhook.shopify({ secrets: secret("hush"), dedupe: "event" })
      const headers = yield* Webhook.sign(webhook, { id: "ev-1", body: "{}" })
      const both = { ...headers, "x-shopify-webhook-id": "wh-1" }
      assert.strictEqual(headers["x-shopify-event-id"], "ev-1")
      assert.strictEqual((yield* Webhook.verify(webhook, { headers: both, body: bytes("{}") })).id, "ev-1")
    })
  )

  it.effect("Twilio's is signed where it can be, else the token, else the digest", () =>
    Effect.gen(function* () {
      const c = cases["Twilio"]!
      const id = (body: string, headers?: Webhook.Delivery["headers"]) =>
        Effect.map(verified(c, body, headers), ({ fingerprint, id }) => [id, fingerprint === ""])
      assert.deepStrictEqual(yield* id("MessageSid=SM1&MessageStatus=sent"), ["SM1:sent", true])
      assert.deepStrictEqual(yield* id("SmsSid=SM2&SmsStatus=received"), ["SM2:received", true])
      assert.deepStrictEqual(yield* id("CallSid=CA1&CallStatus=ringing&SequenceNumber=0"), ["CA1:ringing:0", true])
      // One call asks many times for what to do next: its status is no id.
      assert.deepStrictEqual(yield* id("CallSid=CA1&CallStatus=in-progress"), ["id_1", false])
      const none = { "i-twilio-idempotency-token": undefined }
      const digest = createHash("sha256").update(`${address}CallSidCA1CallStatusin-progress`).digest("hex")
      assert.deepStrictEqual(yield* id("CallSid=CA1&CallStatus=in-progress", none), [`sha256:${digest}`, true])

      const json = '{"MessageSid":"SM3","MessageStatus":"read"}'
      const hash = createHash("sha256").update(json).digest("hex")
      const url = `${address}&bodySHA256=${hash}`
      const message = yield* verified(c, json, {}, url)
      assert.strictEqual(message.id, "SM3:read")
      assert.deepStrictEqual(yield* message.payload, JSON.parse(json))
      assert.strictEqual(
        yield* reasonOf(verified(c, json, {}, `${address}&bodySHA256=${hash.toUpperCase()}`)),
        "Malformed"
      )
    })
  )

  it.effect("Twilio behind a proxy: the address that Twilio was given, with the query of the call", () =>
    Effect.gen(function* () {
      yield* atNow
      const body = "MessageSid=SM1&MessageStatus=sent"
      const inner = "http://10.0.0.7:8080/internal/twilio?tenant=7"
      const plain = Webhook.twilio({ secrets: secret("12345") })
      const signedFor = (url: string) => Webhook.sign(plain, { id: "t", body, url })
      const check = (publicUrl: string, headers: Readonly<Record<string, string>>, url = inner) =>
        Webhook.verify(Webhook.twilio({ secrets: secret("12345"), publicUrl }), { headers, body: bytes(body), url })

      yield* check("https://shop.test", yield* signedFor("https://shop.test/internal/twilio?tenant=7"))
      yield* check("https://shop.test/hooks/twilio", yield* signedFor("https://shop.test/hooks/twilio?tenant=7"))
      const other = yield* signedFor("https://shop.test/hooks/twilio?tenant=8")
      assert.strictEqual(yield* reasonOf(check("https://shop.test/hooks/twilio", other)), "BadSignature")
      assert.strictEqual(yield* reasonOf(check("no url", other)), "Misconfigured")
      assert.strictEqual(yield* reasonOf(check("https://shop.test", other, "no url")), "Malformed")
      assert.strictEqual(yield* reasonOf(Webhook.verify(plain, { headers: other, body: bytes(body) })), "Misconfigured")
      const configured = Webhook.twilio({ secrets: secret("12345"), publicUrl: Config.String("PUBLIC_URL") })
      yield* Webhook.verify(configured, {
        headers: yield* signedFor("https://shop.test/internal/twilio?tenant=7"),
        body: bytes(body),
        url: inner
      }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ PUBLIC_URL: "https://shop.test" }))))
    })
  )
})

// ---- configuration, errors, events

describe("configuration", () => {
  it.effect("a secret that can't work fails when the verifier is made, without being shown", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<readonly [webhook: Webhook.Webhook, detail: string]> = [
        [Webhook.github({ secrets: secret("") }), "secret 1 is empty"],
        [Webhook.github({ secrets: [secret("good"), secret("s3cret\n")] }), "secret 2 has white space around it"],
        [Webhook.standard({ secrets: secret("whsec_s3cret!") }), "secret 1 is no Base64 (whsec_…, whpk_… or whsk_…)"],
        [Webhook.standard({ secrets: secret("whsec_") }), "secret 1 is no Base64 (whsec_…, whpk_… or whsk_…)"],
        [Webhook.standard({ secrets: secret("whpk_czNjcmV0") }), "secret 1 is no ed25519 key: it has 6 bytes, not 32"],
        [Webhook.github({ secrets: Config.succeed([]) }), "there is no secret"]
      ]
      for (const [webhook, detail] of bad) {
        const error = yield* Effect.flip(Webhook.verifier(webhook))
        assert.instanceOf(error, Webhook.WebhookError)
        assert.deepInclude(error, { reason: "Misconfigured", detail })
        assert.notInclude(`${String(error)}${JSON.stringify(error)}`, "s3cret")
      }
    })
  )

  it.effect("secrets are read from the configuration, and one that is missing is a ConfigError", () =>
    Effect.gen(function* () {
      const c = cases["Stripe"]!
      const delivery = yield* signed(c)
      const webhook = Webhook.stripe({ secrets: [Config.Redacted("NEW"), Config.Redacted("OLD")] })
      const provider = (values: Record<string, string>) =>
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values)))
      yield* Webhook.verify(webhook, delivery).pipe(provider({ NEW: "whsec_x", OLD: c.secret }))
      const error = yield* Effect.flip(Webhook.verifier(webhook).pipe(provider({ NEW: "whsec_x" })))
      assert.strictEqual(error._tag, "ConfigError")
    })
  )

  each("no error shows a secret, a signature or the body", (c) =>
    Effect.gen(function* () {
      const delivery = yield* signed(c)
      const expected = c.headers.map((name) => (delivery.headers[name] as string).split(/[,=]/).at(-1)!)
      const wrong = yield* signed(c, c.body, c.other)
      const late = { ...delivery, receivedAt: (now + 1000) * 1000 }
      const attempts = [wrong, { ...delivery, headers: {} }, { ...delivery, body: bytes("x") }]
      for (const attempt of timed(c) ? [...attempts, late] : attempts) {
        const exit = yield* Effect.exit(Webhook.verify(c.webhook(c.secret), attempt))
        const text = `${String(exit)}${JSON.stringify(exit)}`
        assert.include(text, "WebhookError")
        assert.notInclude(text, c.secret)
        assert.notInclude(text, "invoice.paid")
        for (const signature of expected) {
          if (signature.length > 20) assert.notInclude(text, signature)
        }
      }
    })
  )

  it.effect("an event that does not match names the places, and nothing of what stands there", () =>
    Effect.gen(function* () {
      const c = cases["Standard Webhooks"]!
      const decode = Webhook.event(
        Schema.Struct({ type: Schema.Literal("paid"), data: Schema.Struct({ amount: Schema.Int }) })
      )
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      const of = (body: string) =>
        Effect.flatMap(signed(c, body), (delivery) => Effect.flatMap(check(delivery), decode))
      assert.deepStrictEqual(yield* of('{"type":"paid","data":{"amount":5}}'), { type: "paid", data: { amount: 5 } })
      const error = yield* Effect.flip(of('{"type":"paid","data":{"amount":"card 4242"}}'))
      assert.strictEqual(yield* reasonOf(Effect.fail(error)), "InvalidEvent")
      assert.strictEqual(
        error.message,
        "Standard Webhooks webhook: the event does not match its schema at data.amount; extend the schema; the provider delivers the event again"
      )
      assert.notInclude(JSON.stringify(error), "4242")
      assert.strictEqual(yield* reasonOf(of("no json")), "Malformed")
    })
  )

  it.effect("GitHub's form holds the event as JSON; bytes that are no UTF-8 are malformed", () =>
    Effect.gen(function* () {
      const c = cases["GitHub"]!
      const check = yield* Webhook.verifier(c.webhook(c.secret))
      const form = yield* signed(c, `payload=${encodeURIComponent('{"zen":"ü"}')}`)
      const headers = { ...form.headers, "content-type": "application/x-www-form-urlencoded" }
      assert.deepStrictEqual(yield* (yield* check({ ...form, headers })).payload, { zen: "ü" })
      const latin = yield* check(yield* signed(c, Uint8Array.from([0x22, 0xfc, 0x22])))
      assert.strictEqual(yield* reasonOf(latin.payload), "Malformed")
    })
  )
})
