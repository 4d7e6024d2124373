// Signature Version 4 against the signatures that AWS publishes: its signing test suite (the requests are written down here
// in our own words), and the examples of S3's documentation.
import { assert, describe, it } from "@effect/vitest"
import { Auth } from "breakwater/http"
import { Config, ConfigProvider, Effect, Option, Redacted } from "effect"
import { HttpBody, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { canonicalPath, openSigner, type Unsigned } from "../../src/http/internal/sigV4.ts"
import { connect, failureOf, fine, json, type Orders, World } from "./tokens.ts"
import { quiet } from "./wire.ts"

const suite = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}
const at = Date.UTC(2015, 7, 30, 12, 36)
const session = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
const sts =
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

interface Vector extends Partial<Omit<Unsigned, "payload">> {
  readonly token?: string
  readonly body?: string
  readonly signature: string
}

const unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
const posted = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
const form = {
  "content-length": "13",
  "x-amz-content-sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
}

/**
 * Those of the suite that a signature in a header has. Not here: signatures in the query, which `Auth` does not make, and
 * the six with a path that is not normalised, which no service name but S3's has (see below).
 */
const vectors: Readonly<Record<string, Vector>> = {
  "get-header-key-duplicate": {
    headers: { "my-header1": "value2,value2,value1" },
    signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
  },
  "get-header-value-multiline": {
    headers: { "my-header1": "value1\n  value2\n     value3" },
    signature: "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"
  },
  "get-header-value-order": {
    headers: { "my-header1": "value4,value1,value3,value2" },
    signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"
  },
  "get-header-value-trim": {
    headers: { "my-header1": " value1", "my-header2": ' "a   b   c"' },
    signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
  },
  "get-relative-normalized": { path: "/example/..", signature: vanilla },
  "get-relative-relative-normalized": { path: "/example1/example2/../..", signature: vanilla },
  "get-slash-dot-slash-normalized": { path: "/./", signature: vanilla },
  "get-slash-normalized": { path: "//", signature: vanilla },
  "get-slash-pointless-dot-normalized": {
    path: "/./example",
    signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"
  },
  "get-slashes-normalized": {
    path: "//example//",
    signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"
  },
  "get-space-normalized": {
    path: "/example space/",
    signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"
  },
  "get-unreserved": {
    path: `/${unreserved}`,
    signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"
  },
  "get-utf8": { path: "/ሴ", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
  "get-vanilla": { signature: vanilla },
  "get-vanilla-query": { signature: vanilla },
  "get-vanilla-empty-query-key": {
    query: [["Param1", "value1"]],
    signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"
  },
  "get-vanilla-query-order-encoded": {
    query: [
      ["Param-3", "Value3"],
      ["Param", "Value2"],
      ["ሴ", "Value1"]
    ],
    signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"
  },
  "get-vanilla-query-order-key-case": {
    query: [
      ["Param2", "value2"],
      ["Param1", "value1"]
    ],
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
  },
  "get-vanilla-query-unreserved": {
    query: [[unreserved, unreserved]],
    signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"
  },
  "get-vanilla-utf8-query": {
    query: [["ሴ", "bar"]],
    signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"
  },
  "get-vanilla-with-session-token": {
    token: session,
    signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
  },
  "post-header-key-case": { method: "POST", signature: posted },
  "post-header-key-sort": {
    method: "POST",
    headers: { "my-header1": "value1" },
    signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"
  },
  "post-header-value-case": {
    method: "POST",
    headers: { "my-header1": "VALUE1" },
    signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"
  },
  "post-sts-header-after": { method: "POST", signature: posted },
  "post-sts-header-before": {
    method: "POST",
    token: sts,
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
  },
  "post-vanilla": { method: "POST", signature: posted },
  "post-vanilla-query": {
    method: "POST",
    query: [["Param1", "value1"]],
    signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"
  },
  "post-x-www-form-urlencoded": {
    method: "POST",
    headers: { ...form, "content-type": "application/x-www-form-urlencoded" },
    body: "Param1=value1",
    signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
  },
  "post-x-www-form-urlencoded-parameters": {
    method: "POST",
    headers: { ...form, "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: "Param1=value1",
    signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"
  }
}

const signatureOf = (authorization: string | undefined) => /Signature=([0-9a-f]{64})$/.exec(authorization ?? "")?.[1]

describe("the signing test suite of AWS", () => {
  for (const [name, { body = "", signature, token, ...request }] of Object.entries(vectors)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const sign = yield* openSigner({ service: "service", region: "us-east-1" })
        const headers = yield* sign(
          {
            method: "GET",
            host: "example.amazonaws.com",
            path: "/",
            query: [],
            headers: {},
            payload: new TextEncoder().encode(body),
            ...request
          },
          token === undefined ? suite : { ...suite, sessionToken: Redacted.make(token) },
          at
        )
        assert.strictEqual(headers["x-amz-date"], "20150830T123600Z")
        assert.strictEqual(headers["x-amz-security-token"], token)
        assert.strictEqual(signatureOf(headers["authorization"]), signature)
      })
    )
  }

  it("leaves a path alone for S3, and encodes it once more for every other service", () => {
    for (const path of ["/example1/example2/../..", "/example/..", "/./", "/./example", "//", "//example//"]) {
      assert.strictEqual(canonicalPath("s3", path), path)
    }
    assert.strictEqual(canonicalPath("s3", "/a%20b"), "/a%20b")
    assert.strictEqual(canonicalPath("dynamodb", "/a%20b"), "/a%2520b")
  })
})

// ---- through Auth, with the examples of S3's documentation

const s3 = {
  service: "s3",
  region: "us-east-1",
  credentials: {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
  }
}
const bucket = "https://examplebucket.s3.amazonaws.com"

const signed = (auth: Auth.Auth, request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function* () {
    const authorize = yield* auth.open({ integration: "test" }) as Effect.Effect<Auth.Authorize>
    const authorized = yield* authorize(request)
    return yield* authorized.sign!(authorized.request)
  })

describe("Auth.awsSigV4", () => {
  const examples: ReadonlyArray<readonly [string, HttpClientRequest.HttpClientRequest, string]> = [
    [
      "GET of an object",
      HttpClientRequest.get(`${bucket}/test.txt`, { headers: { range: "bytes=0-9" } }),
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    ],
    [
      "PUT of an object",
      HttpClientRequest.put(`${bucket}/test$file.text`, {
        headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
        body: HttpBody.raw("Welcome to Amazon S3.")
      }),
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    ],
    [
      "GET of a subresource",
      HttpClientRequest.get(bucket, { urlParams: { lifecycle: "" } }),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    ],
    [
      "GET of a list",
      HttpClientRequest.get(bucket, { urlParams: { prefix: "J", "max-keys": "2" } }),
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    ]
  ]
  it.effect.each(examples)("%s", ([, request, signature]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2013, 4, 24))
      const { headers } = yield* signed(Auth.awsSigV4(s3), request)
      assert.strictEqual(signatureOf(headers["authorization"]), signature)
    })
  )

  it.effect("sends path and query as they are signed", () =>
    Effect.gen(function* () {
      const request = HttpClientRequest.get(`${bucket}/a(b)%2Fc d`, { urlParams: { z: "1 +~*", a: "é'" } })
      const sent = Option.getOrThrow(HttpClientRequest.toUrl(yield* signed(Auth.awsSigV4(s3), request)))
      assert.strictEqual(sent.href, `${bucket}/a%28b%29%2Fc%20d?a=%C3%A9%27&z=1%20%2B~%2A`)
    })
  )

  it.effect("signs S3's streams without their bytes, and refuses those of others", () =>
    Effect.gen(function* () {
      const form = HttpClientRequest.put(`${bucket}/x`, { body: HttpBody.formData(new FormData()) })
      const { headers } = yield* signed(Auth.awsSigV4(s3), form)
      assert.strictEqual(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD")
      const world = new World()
      const error = yield* Effect.flip(signed(Auth.awsSigV4({ ...s3, service: "sqs" }), form))
      assert.include(String(error), "a body that is no bytes can't be signed for sqs")
      assert.lengthOf(world.calls, 0)
    })
  )

  const calling = (world: World, auth: Auth.Auth) => connect(world, auth)

  it.effect("signs every attempt with its own time, over all headers that stay", () =>
    Effect.gen(function* () {
      const world = new World()
      yield* TestClock.setTime(at)
      const orders: Orders["Service"] = yield* calling(
        world,
        Auth.awsSigV4({ ...s3, service: "execute-api", credentials: { ...suite, sessionToken: Redacted.make("st") } })
      )
      yield* orders.create({ payload: { order: "7" } })
      yield* TestClock.adjust("1 second")
      yield* orders.create({ payload: { order: "7" } })
      const [first, second] = world.calls
      assert.deepStrictEqual(
        [first!.headers["x-amz-date"], second!.headers["x-amz-date"]],
        ["20150830T123600Z", "20150830T123601Z"]
      )
      assert.notStrictEqual(first!.headers["authorization"], second!.headers["authorization"])
      // Over what was sent, the key among it.
      for (const { body, headers, method, url } of world.calls) {
        const names = /SignedHeaders=([^,]+)/.exec(headers["authorization"]!)![1]!.split(";")
        assert.includeMembers(names, ["content-type", "host", "idempotency-key", "x-amz-date", "x-amz-security-token"])
        assert.notIncludeMembers(names, ["content-length"])
        const sign = yield* openSigner({ service: "execute-api", region: "us-east-1" })
        const kept = names.filter((name) => !["host", "x-amz-date", "x-amz-security-token"].includes(name))
        const again = yield* sign(
          {
            method,
            host: url.host,
            path: url.pathname,
            query: [],
            headers: Object.fromEntries(kept.map((name) => [name, headers[name]!])),
            payload: new TextEncoder().encode(body)
          },
          { ...suite, sessionToken: Redacted.make("st") },
          at + world.calls.findIndex((call) => call.headers === headers) * 1000
        )
        assert.strictEqual(headers["authorization"], again["authorization"])
      }
    }).pipe(Effect.provide(quiet))
  )

  it.effect("after a 403 a configuration that has changed is read, and the request sent once more", () =>
    Effect.gen(function* () {
      const world = new World()
      const env = { ID: "AKIA1", KEY: "k1" }
      const auth = Auth.awsSigV4({
        ...s3,
        credentials: Config.all({ accessKeyId: Config.String("ID"), secretAccessKey: Config.Redacted("KEY") })
      })
      const provider = ConfigProvider.make((path) =>
        Effect.succeed(path[0] === "ID" || path[0] === "KEY" ? ConfigProvider.makeValue(env[path[0]]) : undefined)
      )
      const orders = yield* Effect.provideService(connect(world, auth), ConfigProvider.ConfigProvider, provider)
      world.api = (asked, n) => (asked.headers["authorization"]!.includes("AKIA1/") ? json(403, {}) : fine(asked, n))
      assert.strictEqual(failureOf(yield* Effect.exit(orders.list())).reason.status, 403)
      assert.lengthOf(world.calls, 1)
      yield* TestClock.adjust("1 second")
      env.ID = "AKIA2"
      yield* orders.list()
      assert.lengthOf(world.calls, 3)
    }).pipe(Effect.provide(quiet))
  )
})
