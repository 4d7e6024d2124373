/** `breakwater generate` as a process: what it writes, what it says, and what it ends with. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CliOutput } from "effect/cli"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { bin, diagnosticsOf, run as command } from "../../scripts/run.ts"
import { breakwater } from "./run.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const seconds = 240_000

const shop = `openapi: 3.1.0
info:
  title: Shop API
  version: 1.0.0
servers:
  - url: https://shop.test/v1
paths:
  /orders:
    get:
      operationId: orders/list
      tags: [orders]
      responses:
        "200":
          description: Orders
          content:
            application/json:
              schema: { type: array, items: { $ref: "#/components/schemas/Order" } }
    post:
      operationId: orders/create
      tags: [orders]
      summary: Place an order
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [item]
              properties:
                item: { type: string }
                note: { type: string }
      responses:
        "201":
          description: Placed
          content:
            application/json:
              schema: { $ref: "#/components/schemas/Order" }
        "404":
          description: No such item
          content:
            application/json:
              schema: { $ref: "#/components/schemas/Told" }
  /orders/{id}:
    delete:
      operationId: orders/cancel
      tags: [orders]
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
      responses:
        "204":
          description: Cancelled
  /stock:
    get:
      operationId: stock/levels
      tags: [stock]
      responses:
        "200":
          description: Levels
          content:
            application/json:
              schema: { type: object, required: [items], properties: { items: { type: integer } } }
components:
  securitySchemes:
    token: { type: http, scheme: bearer }
  schemas:
    Order:
      type: object
      required: [id, state]
      properties:
        id: { type: string }
        state: { type: string, enum: [open, sent] }
    Told:
      type: object
      required: [message]
      properties:
        message: { type: string }
`

/** The same shop a version later: an error more, a field that must be given, a state more, one call gone and one new. */
const later = shop
  .replace("version: 1.0.0", "version: 1.1.0")
  .replace("required: [item]\n", "required: [item, note]\n")
  .replace("enum: [open, sent]", "enum: [open, sent, lost]")
  .replace(
    '        "404":\n',
    '        "410":\n          description: Sold out\n          content:\n            application/json:\n              schema: { $ref: "#/components/schemas/Told" }\n        "404":\n'
  )
  .replace("    delete:\n      operationId: orders/cancel", "    put:\n      operationId: orders/replace")
  .replace("operationId: stock/levels", "operationId: stock/levels\n      deprecated: true")

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "breakwater-generate-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const live = (name: string, body: (at: string) => Effect.Effect<void, unknown>) =>
  it.live(name, () => Effect.scoped(Effect.flatMap(folder, body)), seconds)

/** Words that end at 80 columns may be broken there. */
const flat = (text: string) => text.replace(/\s+/g, " ")
const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(CliOutput.displayWidth(line), 80, line)
}

const write = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
const texts = (at: string) =>
  Object.fromEntries(readdirSync(at).map((name) => [name, readFileSync(join(at, name), "utf8")]))

describe("breakwater generate", () => {
  live("writes the contract and, once, an integration; the same again changes nothing", (at) =>
    Effect.gen(function* () {
      const [file, out] = [join(at, "shop.yaml"), join(at, "src/shop")]
      write(file, shop)
      const generate = ["generate", file, "--out", out]
      const first = yield* breakwater(generate)
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      assert.notInclude(first.stdout, "\u001b")
      assert.include(first.stdout, `wrote ${out}/api.ts: 4 operations\n`)
      assert.include(flat(first.stdout), "It does not compile yet: 2 decisions in 1 operation")
      const written = texts(out)
      assert.deepStrictEqual(Object.keys(written).toSorted(), ["api.contract.json", "api.ts", "integration.ts"])
      assert.match(written["api.ts"]!, /^\/\/ Generated by `breakwater generate`\. Do not edit:/)
      assert.include(written["api.ts"], "(Shop API 1.0.0)")
      assert.include(written["integration.ts"], "idempotency: decide_orders_create_idempotency")
      assert.include(written["integration.ts"], 'auth: Auth.bearer(Config.Redacted("SHOP_TOKEN"))')

      write(join(out, "integration.ts"), "// decided by hand\n")
      const again = yield* breakwater(generate)
      assert.deepStrictEqual(
        [again.code, again.stdout.split("\n")[0], again.stderr],
        [0, `${out} is what ${file} gives: 4 operations`, ""]
      )
      assert.deepStrictEqual(texts(out), { ...written, "integration.ts": "// decided by hand\n" })
      const check = yield* breakwater([...generate, "--check"])
      assert.deepStrictEqual([check.code, check.stderr], [0, ""])
    })
  )

  live("reads JSON and YAML by what is in them, and takes the same from both", (at) =>
    Effect.gen(function* () {
      const description = join(root, "examples/generated-github/openapi.json")
      const file = join(at, "openapi.yaml")
      write(file, `\uFEFF${readFileSync(description, "utf8")}`)
      const out = join(at, "out")
      assert.strictEqual((yield* breakwater(["generate", file, "--out", out, "--name", "GitHub"])).code, 0)
      const same = ["generate", description, "--out", out, "--name", "GitHub", "--check"]
      assert.strictEqual((yield* breakwater(same)).code, 0)
    })
  )

  live("says what has changed, and what of it breaks; --check says the same and writes nothing", (at) =>
    Effect.gen(function* () {
      const [file, out] = [join(at, "shop.yaml"), join(at, "shop")]
      write(file, shop)
      const generate = ["generate", file, "--out", out]
      yield* breakwater(generate)
      const before = texts(out)
      write(file, later)

      const check = yield* breakwater([...generate, "--check"])
      assert.strictEqual(check.code, 1)
      assert.include(flat(check.stderr), `${out}/api.ts and ${out}/api.contract.json are not what ${file} gives`)
      assert.include(check.stderr, "To write: npx breakwater generate ")
      assert.deepStrictEqual(texts(out), before)

      const now = yield* breakwater(generate)
      assert.deepStrictEqual([now.code, now.stderr], [0, ""])
      const report = now.stdout.slice(0, now.stdout.indexOf("\nwrote "))
      assert.include(check.stdout, report)
      const [told = "", pasted = ""] = report.split("\nNew, to be pasted")
      fits(told)
      assert.strictEqual(
        told.trimEnd(),
        `The contract of Shop API has changed: of its operations 1 new, 1 gone, 2
changed.

Breaking
  orders.cancel  DELETE /orders/{id}
    is gone
  orders.create  POST /orders
    \`payload.note\` must be given now
    has a new error \`Gone\` (410): \`translate\` will not compile until it has a
      case
  Order, in orders.create, orders.list
    \`state\` can be "lost" too

Compatible
  version 1.1.0, was 1.0.0
  stock.levels  GET /stock
    is deprecated`
      )
      assert.include(pasted, '    ordersReplace: HttpOperation.endpoint(ShopApi, "orders", "replace")')
      assert.strictEqual(texts(out)["integration.ts"], before["integration.ts"])
      assert.notStrictEqual(texts(out)["api.ts"], before["api.ts"])
      assert.strictEqual((yield* breakwater([...generate, "--check"])).code, 0)

      const json = JSON.parse((yield* breakwater([...generate, "--json"])).stdout)
      assert.deepStrictEqual([json.stale, json.wrote, json.operations.length], [[], [], 4])
    })
  )

  live("notices what was edited, formatted or lost, and does not take a file of others for its own", (at) =>
    Effect.gen(function* () {
      const [file, out] = [join(at, "shop.yaml"), join(at, "shop")]
      write(file, shop)
      const generate = ["generate", file, "--out", out]
      const empty = yield* breakwater([...generate, "--check"])
      assert.deepStrictEqual([empty.code, existsSync(out)], [1, false])

      yield* breakwater(generate)
      const { "api.ts": api = "", "api.contract.json": contract = "" } = texts(out)
      write(join(out, "api.ts"), `${api}\nexport const mine = 1\n`)
      const edited = yield* breakwater([...generate, "--check"])
      assert.strictEqual(edited.code, 1)
      assert.include(flat(edited.stderr), "The contract is the same: it was edited, or formatted")
      // Another way to the file, and the line ends of another system, are no edit.
      write(join(out, "api.ts"), api.replace(/^\/\/ .*shop\.yaml.*$/gm, "// elsewhere").replaceAll("\n", "\r\n"))
      write(join(out, "api.contract.json"), JSON.stringify(JSON.parse(contract), null, 4))
      assert.strictEqual((yield* breakwater([...generate, "--check"])).code, 0)

      write(join(out, "api.contract.json"), "<<<<<<< HEAD\n")
      const merged = yield* breakwater(generate)
      assert.strictEqual(merged.code, 0)
      assert.include(flat(merged.stdout), "can't be read, so nothing can be said about what has changed")
      assert.strictEqual(texts(out)["api.contract.json"], contract)

      write(join(out, "api.ts"), "export const mine = 1\n")
      const other = yield* breakwater(generate)
      assert.deepStrictEqual([other.code, other.stdout], [1, ""])
      assert.include(flat(other.stderr), "api.ts was not written by this command")
      assert.strictEqual(texts(out)["api.ts"], "export const mine = 1\n")
    })
  )

  live("takes a part, and says what was perhaps meant where there is none", (at) =>
    Effect.gen(function* () {
      const [file, out] = [join(at, "shop.yaml"), join(at, "shop")]
      write(file, shop)
      const only = (...what: ReadonlyArray<string>) =>
        breakwater(["generate", file, "--out", out, ...what.flatMap((own) => ["--only", own]), "--json"])
      const ids = (stdout: string) => JSON.parse(stdout).operations.map(({ id }: { readonly id: string }) => id)
      assert.deepStrictEqual(ids((yield* only("tag:stock")).stdout), ["stock.levels"])
      assert.deepStrictEqual(ids((yield* only("/orders/{id}")).stdout), ["orders.cancel"])
      assert.deepStrictEqual(ids((yield* only("operation:orders/list", "path:/stock")).stdout), [
        "orders.list",
        "stock.levels"
      ])
      assert.include(readFileSync(join(out, "api.ts"), "utf8"), "--only operation:orders/list --only path:/stock")

      const near = yield* only("tag:order")
      assert.deepStrictEqual([near.code, near.stdout], [2, ""])
      assert.include(flat(near.stderr), "for tag:order there is tag:orders")
      assert.include(flat((yield* only("operation:orders/crate")).stderr), "operation:orders/create")
      const kind = yield* only("orders")
      assert.strictEqual(kind.code, 2)
      assert.include(flat(kind.stderr), "path:/repos/*, tag:issues or operation:issues/create")
    })
  )

  live("refuses what it can't read or write, with a sentence, and leaves nothing behind", (at) =>
    Effect.gen(function* () {
      write(join(at, "swagger.json"), '{"swagger": "2.0", "info": {"title": "Old", "version": "1"}, "paths": {}}')
      write(join(at, "broken.json"), '{\n  "openapi": "3.1.0",\n  "secret": [}\n')
      write(join(at, "comma.json"), '{\n  "openapi": "3.1.0"\n  "secret": 1\n}\n')
      write(join(at, "broken.yaml"), "openapi: 3.1.0\npaths:\n\t- a\n")
      write(join(at, "text.txt"), "hello")
      write(join(at, "shop.yaml"), shop)
      write(join(at, "file"), "")
      const out = join(at, "out")
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, parts: ReadonlyArray<string>]> = [
        [["nix.json", "--out", out], 1, ["nix.json can't be read: there is no such file"]],
        [[at, "--out", out], 1, ["can't be read: it is a folder"]],
        [["https://shop.test/openapi.json", "--out", out], 2, ["nothing is fetched: download"]],
        [[join(at, "swagger.json"), "--out", out], 1, ["This is Swagger 2."]],
        [[join(at, "broken.json"), "--out", out], 1, ["is not JSON: it ends too early, or holds what"]],
        [[join(at, "comma.json"), "--out", out], 1, ["is not JSON: it breaks off at line 3"]],
        [[join(at, "broken.yaml"), "--out", out], 1, ["neither JSON nor YAML", "line 3"]],
        [[join(at, "text.txt"), "--out", out], 1, ["text.txt"]],
        [[join(at, "shop.yaml")], 2, ["out"]],
        [[join(at, "shop.yaml"), "--out", out, "--name", "a-b"], 2, ["letters and digits"]],
        [[join(at, "shop.yaml"), "--out", join(at, "file")], 1, ["a part of its path is a file"]]
      ]
      for (const [args, code, parts] of cases) {
        const ran = yield* breakwater(["generate", ...args])
        assert.deepStrictEqual([ran.code, ran.stdout], [code, ""], args.join(" "))
        for (const part of parts) assert.include(flat(ran.stderr), part)
        assert.notInclude(ran.stderr, "secret")
        assert.notInclude(ran.stderr, "    at ")
      }
      assert.isFalse(existsSync(out))
      const help = yield* breakwater(["generate", "--help"])
      assert.strictEqual(help.code, 0)
      for (const part of ["--only", "--check", "tag:issues", "integration.ts is yours"])
        assert.include(help.stdout, part)
    })
  )
})

describe("what was generated", () => {
  /** A program of a user: a folder with the packages, and nothing of this repository. */
  const program = (at: string) => {
    mkdirSync(join(at, "node_modules"))
    for (const name of ["effect", "@types"])
      symlinkSync(join(root, "node_modules", name), join(at, "node_modules", name))
    symlinkSync(root, join(at, "node_modules/breakwater"))
    const tsconfig = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: { noUnusedLocals: false },
      include: ["src"],
      exclude: []
    }
    write(join(at, "tsconfig.json"), JSON.stringify(tsconfig))
    write(join(at, "package.json"), JSON.stringify({ type: "module" }))
    return () => diagnosticsOf(command(bin("tsc"), ["-p", at, "--pretty", "false"]).stdout)
  }

  live("does not compile until each decision is made, and then it does", (at) =>
    Effect.gen(function* () {
      const compile = program(at)
      const [file, out] = [join(at, "shop.yaml"), join(at, "src")]
      write(file, shop)
      const first = yield* breakwater(["generate", file, "--out", out, "--json"])
      const names: ReadonlyArray<string> = JSON.parse(first.stdout).decisions.map(
        ({ name }: { readonly name: string }) => name
      )
      assert.deepStrictEqual(names, ["decide_orders_create_idempotency", "decide_orders_create_NotFound"])
      const path = join(out, "integration.ts")
      const skeleton = readFileSync(path, "utf8")
      const messages = () => compile().map(({ message }) => message.split("\n")[0])
      assert.deepStrictEqual(
        messages(),
        names.map((name) => `Cannot find name '${name}'.`)
      )

      const half = skeleton.replace(
        "decide_orders_create_idempotency",
        'Idempotency.atMostOnce("the shop has no keys")'
      )
      write(path, half)
      assert.deepStrictEqual(messages(), ["Cannot find name 'decide_orders_create_NotFound'."])

      const whole = half.replace(
        "decide_orders_create_NotFound",
        '() => new ShopUnavailable({ outcome: "Refused", retryAfter: undefined })'
      )
      write(path, whole)
      assert.deepStrictEqual(messages(), [])

      // Left out instead of decided, it is the library that refuses, and names the endpoint.
      write(path, whole.replace(/ *idempotency: .*\n/, ""))
      const [missing] = compile()
      assert.include(missing!.message, '"create", "POST", "/orders"')
      assert.include(missing!.message, "Property 'idempotency' is missing")

      // The shop a version later: the report was right about what no longer compiles, and what it prints can be pasted.
      write(path, whole)
      write(file, later)
      const report = (yield* breakwater(["generate", file, "--out", out])).stdout
      const after = compile()
      assert.lengthOf(after, 2)
      assert.include(after.map(({ message }) => message).join("\n"), "Property 'Gone' is missing")
      const pasted = /^ {4}ordersReplace: .*$/m.exec(report)![0]
      write(
        path,
        whole
          .replace(/ {4}\/\/ DELETE .*\n.*\n/, `${pasted}\n`)
          .replace(
            "NotFound: ",
            'Gone: () => new ShopUnavailable({ outcome: "Refused", retryAfter: undefined }),\n NotFound: '
          )
      )
      assert.deepStrictEqual(messages(), [])
    })
  )

  it.live(
    "in the example is what its description gives",
    () =>
      Effect.gen(function* () {
        const at = "examples/generated-github"
        const args = ["generate", `${at}/openapi.json`, "--out", at, "--name", "GitHub", "--check"]
        const check = yield* breakwater(args)
        assert.deepStrictEqual([check.code, check.stderr], [0, ""])
      }),
    seconds
  )
})
