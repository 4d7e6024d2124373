// Keys, fingerprints, tenants, and who may ask.
import { problems } from "../../../http/Answer.ts"
import { carriedOut, check, fresh, json, refused, replay, same } from "./bench.ts"

export const requests = [
  check("a request is carried out once, and its answer told again", function* (bench) {
    const first = yield* bench.send({ key: "k1" })
    yield* fresh("the first answer", first, 201)
    for (const n of [2, 3]) yield* replay(`answer ${n}`, yield* bench.send({ key: "k1" }), first)
    yield* carriedOut(bench, 1, "for one key")
    yield* fresh("another key", yield* bench.send({ key: "k2" }), 201)
    yield* carriedOut(bench, 2, "for two keys")
  }),

  check("a bare token and a quoted string are the same key", function* (bench) {
    const first = yield* bench.send({ key: "a-b:c" })
    yield* replay("the quoted key", yield* bench.send({ key: '"a-b:c"' }), first)
    const odd = yield* bench.send({ key: '"say \\"hi\\""'.replaceAll(" ", "") })
    yield* fresh("a key with quotes in it", odd, 201)
    yield* carriedOut(bench, 2, "for two keys")
    yield* fresh("255 characters", yield* bench.send({ key: "k".repeat(255) }), 201)
  }),

  check("a request that changes something needs a key, and one that can be one", function* (bench) {
    yield* refused("a request without a key", yield* bench.send({}), 400, problems.keyMissing)
    for (const key of ['""', "a b", '"a b"', '"a', 'k", "l', "k1, k2", '"k1", "k2"', "k".repeat(256), "\u00e4"]) {
      const answer = yield* bench.send({ key })
      yield* refused(`the key ${key.slice(0, 12)}`, answer, 400, problems.keyInvalid)
    }
    yield* carriedOut(bench, 0, "without a key")
  }),

  check("a GET passes through, whatever key it has", function* (bench) {
    for (const _ of [1, 2]) yield* fresh("a GET", yield* bench.send({ method: "GET", key: "k" }), 201)
    yield* fresh("a GET without a key", yield* bench.send({ method: "GET" }), 201)
    yield* fresh("a POST with the key of a GET", yield* bench.send({ key: "k" }), 201)
    yield* carriedOut(bench, 4, "for three GETs and a POST")
  }),

  check("a key with another request is refused, and does not tell what is stored", function* (bench) {
    bench.desk.answer = () => json(201, { secret: "s3cret" })
    const first = yield* bench.send({ key: "k" })
    const others = [
      { what: "another body", body: '{"amount":2}' },
      { what: "another parameter", path: "/things/2" },
      { what: "another query", path: "/things/1?dry=true" },
      { what: "another media type", type: "text/plain" },
      { what: "no body", body: "" }
    ]
    for (const { what, ...other } of others) {
      const answer = yield* bench.send({ key: "k", ...other })
      yield* refused(what, answer, 422, problems.keyReused)
      yield* same(`what ${what} is told`, answer.text.includes("s3cret"), false)
    }
    yield* carriedOut(bench, 1, "for six requests with one key")
    yield* replay("the first request", yield* bench.send({ key: "k" }), first)
  }),

  check("JSON is compared as a value, anything else byte by byte", function* (bench) {
    const first = yield* bench.send({ key: "json", body: '{"a":1,"b":{"c":[1,2],"d":null}}' })
    const again = yield* bench.send({ key: "json", body: '{ "b": {"d": null, "c": [1, 2.0]},\n "a": 1e0 }' })
    yield* replay("the same value", again, first)
    const charset = yield* bench.send({
      key: "json",
      body: '{"a":1,"b":{"c":[1,2],"d":null}}',
      type: "application/json; charset=utf-8"
    })
    yield* replay("the same value with a charset", charset, first)
    const order = yield* bench.send({ key: "json", body: '{"a":1,"b":{"c":[2,1],"d":null}}' })
    yield* refused("a list in another order", order, 422, problems.keyReused)
    const bytes = yield* bench.send({
      key: "bytes",
      body: Uint8Array.of(0, 255, 128),
      type: "application/octet-stream"
    })
    const one = { key: "bytes", body: Uint8Array.of(0, 255, 129), type: "application/octet-stream" }
    yield* refused("one bit", yield* bench.send(one), 422, problems.keyReused)
    yield* replay("the same bytes", yield* bench.send({ ...one, body: Uint8Array.of(0, 255, 128) }), bytes)
  }),

  check("a form of parts is compared by its parts, not by their boundary", function* (bench) {
    const form = (boundary: string, value: string, file = "x") =>
      ({
        key: "form",
        type: `multipart/form-data; boundary=${boundary}`,
        body: [
          `--${boundary}`,
          'content-disposition: form-data; name="note"',
          "",
          value,
          `--${boundary}`,
          'content-disposition: form-data; name="file"; filename="a.bin"',
          "content-type: application/octet-stream",
          "",
          file,
          `--${boundary}--`,
          ""
        ].join("\r\n")
      }) as const
    const first = yield* bench.send(form("one", "hello"))
    yield* fresh("a form", first, 201)
    yield* replay("the same parts", yield* bench.send(form("two", "hello")), first)
    yield* refused("another field", yield* bench.send(form("two", "bye")), 422, problems.keyReused)
    yield* refused("another file", yield* bench.send(form("two", "hello", "y")), 422, problems.keyReused)
  }),

  check("a request that is too large to be compared is refused before it claims its key", function* (bench) {
    const { request } = bench.harness.limits ?? { request: 1024 * 1024 }
    const large = yield* bench.send({ key: "k", body: "x".repeat(request + 1), type: "text/plain" })
    yield* refused("a large request", large, 413, problems.requestTooLarge)
    yield* carriedOut(bench, 0, "for a large request")
    yield* fresh("another request with its key", yield* bench.send({ key: "k" }), 201)
    yield* fresh("the largest", yield* bench.send({ key: "l", body: "x".repeat(request), type: "text/plain" }), 201)
  }),

  check("keys of tenants, and of methods, are apart", function* (bench) {
    const alice = yield* bench.send({ key: "k", tenant: "alice" })
    const bob = yield* bench.send({ key: "k", tenant: "bob" })
    yield* fresh("the second tenant", bob, 201)
    yield* fresh("a PUT", yield* bench.send({ key: "k", method: "PUT" }), 201)
    yield* carriedOut(bench, 3, "for two tenants and a PUT")
    yield* replay("the first tenant", yield* bench.send({ key: "k", tenant: "alice" }), alice)
    yield* replay("the second tenant", yield* bench.send({ key: "k", tenant: "bob" }), bob)
  }),

  check("who may not do it reads nothing and records nothing", function* (bench) {
    const before = yield* bench.send({ key: "k", tenant: undefined })
    yield* same("the status without credentials", before.status, 401)
    yield* carriedOut(bench, 0, "without credentials")
    const first = yield* bench.send({ key: "k" })
    yield* fresh("the first request that may", first, 201)
    const after = yield* bench.send({ key: "k", tenant: undefined })
    yield* same("the status without credentials, when it was done", after.status, 401)
    yield* same("what is told without credentials", after.text === first.text, false)
    const wrong = yield* bench.send({ key: "k", tenant: undefined, body: '{"amount":2}' })
    yield* same("the status without credentials, of another request", wrong.status, 401)
    yield* replay("the request that may", yield* bench.send({ key: "k" }), first)
  })
]
