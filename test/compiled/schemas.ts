/**
 * Arbitrary schemas, and values that they were made for or nearly so. Both are read from a list of choices, so that a
 * failure shrinks to few of them.
 */
import { Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"

/** A list of choices; when it is used up, the first of everything. */
export class Tape {
  private at = 0
  private readonly choices: ReadonlyArray<number>
  constructor(choices: ReadonlyArray<number>) {
    this.choices = choices
  }
  next(n: number): number {
    return (this.choices[this.at++] ?? 0) % n
  }
}

export const Choices = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 }))).check(
  Schema.isMaxLength(60)
)

/** A schema that can be made any number of times with nothing shared, and its encoded values. */
export interface Sample {
  readonly make: () => Schema.Codec<unknown, unknown>
  readonly value: (tape: Tape) => unknown
}

const of = (make: () => Schema.Top, value: (tape: Tape) => unknown): Sample => ({
  make: make as () => Schema.Codec<unknown, unknown>,
  value
})

const texts = ["", "a", "secret-token", "42", "-1.5", "2026-01-31T00:00:00.000Z", " b ", "日本", "__proto__", "a-7"]
const text = (tape: Tape) => texts[tape.next(texts.length)]!
const anything = [undefined, null, true, 0, -1, 1.5, NaN, "", "x", [], {}, [1], { a: 1 }, 2n ** 70n, new Date(0)]

const even = () => Schema.makeFilter((n: number) => n % 2 === 0 || "must be even")

// Those of Effect are copied: one that another test had compiled would not be the interpreter's.
const leaves: ReadonlyArray<Sample> = [
  of(() => Schema.String.annotate({}), text),
  of(
    () => Schema.Number.annotate({}),
    (tape) => tape.next(100) - 50
  ),
  of(
    () => Schema.Boolean.annotate({}),
    (tape) => tape.next(2) === 1
  ),
  of(
    () => Schema.Null.annotate({}),
    () => null
  ),
  of(
    () => Schema.Literals(["a", "b", 1, true]),
    (tape) => (["a", "b", 1, true] as const)[tape.next(4)]
  ),
  of(
    () => Schema.Number.check(Schema.isInt()),
    (tape) => tape.next(9) / 2
  ),
  of(
    () => Schema.Number.check(Schema.isInt(), Schema.isGreaterThan(3), even()),
    (tape) => tape.next(12)
  ),
  of(() => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(3)), text),
  of(() => Schema.String.check(Schema.isPattern(/^[a-z]+$/)), text),
  of(() => Schema.NumberFromString.annotate({}), text),
  of(() => Schema.NumberFromString.check(Schema.isInt()), text),
  of(() => Schema.DateFromString.annotate({}), text),
  of(() => Schema.RedactedFromValue(Schema.String.check(Schema.isMinLength(1))), text),
  of(
    () => Schema.Unknown.annotate({}),
    (tape) => anything[tape.next(anything.length)]
  ),
  of(() => Schema.TemplateLiteral(["a-", Schema.Number]), text),
  of(
    () => Schema.Enum({ One: "a", Two: 2 }),
    (tape) => (["a", 2, "b"] as const)[tape.next(3)]
  ),
  of(
    () =>
      Schema.String.pipe(
        Schema.decodeTo(
          Schema.Number,
          SchemaTransformation.transformEffect<number, string>({
            decode: (text, options) =>
              text === "" ? Effect.fail(new SchemaIssue.InvalidValue({}, text, options)) : Effect.succeed(text.length),
            encode: (n) => Effect.map(Effect.yieldNow, () => "x".repeat(Math.abs(Math.trunc(n)) % 7))
          })
        )
      ),
    text
  )
]

const names = ["a", "b", "__proto__", "kind"]

export const sampleOf = (tape: Tape, depth = 3): Sample => {
  if (depth === 0) return leaves[tape.next(leaves.length)]!
  switch (tape.next(13)) {
    case 1: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () => Schema.Array(item.make()),
        (tape) => Array.from({ length: tape.next(4) }, () => item.value(tape))
      )
    }
    case 2: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () => Schema.NonEmptyArray(item.make()).check(Schema.isMaxLength(2)),
        (tape) => Array.from({ length: tape.next(4) }, () => item.value(tape))
      )
    }
    case 3: {
      const [first, second] = [sampleOf(tape, depth - 1), sampleOf(tape, depth - 1)]
      return of(
        () => Schema.Tuple([first.make(), Schema.optionalKey(second.make())]),
        (tape) => [first.value(tape), ...(tape.next(2) === 0 ? [second.value(tape)] : [])]
      )
    }
    case 4: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () => Schema.Record(Schema.String, item.make()),
        (tape) => Object.fromEntries(Array.from({ length: tape.next(3) }, () => [text(tape), item.value(tape)]))
      )
    }
    case 5: {
      const members = Array.from({ length: 1 + tape.next(3) }, () => sampleOf(tape, depth - 1))
      return of(
        () => Schema.Union(members.map((member) => member.make())),
        (tape) => members[tape.next(members.length)]!.value(tape)
      )
    }
    case 6: {
      const mode = tape.next(2) === 0 ? "anyOf" : "oneOf"
      const members = Array.from({ length: 1 + tape.next(3) }, () => sampleOf(tape, depth - 1))
      return of(
        () =>
          Schema.Union(
            members.map((member, i) => Schema.Struct({ kind: Schema.Literal(`k${i}`), of: member.make() })),
            { mode }
          ),
        (tape) => {
          const i = tape.next(members.length)
          return { kind: `k${tape.next(9) === 0 ? 0 : i}`, of: members[i]!.value(tape) }
        }
      )
    }
    case 7: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () => Schema.NullOr(item.make()),
        (tape) => (tape.next(3) === 0 ? null : item.value(tape))
      )
    }
    case 8: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () => {
          class Made extends Schema.Class<Made>("Made")({ made: item.make() }) {}
          return Made
        },
        (tape) => ({ made: item.value(tape) })
      )
    }
    case 9: {
      const item = sampleOf(tape, depth - 1)
      return of(
        () =>
          Schema.Struct({
            of: item.make(),
            count: Schema.Number.pipe(Schema.withDecodingDefaultKey(Effect.succeed(7))),
            maybe: Schema.OptionFromOptionalKey(Schema.String)
          }).check(Schema.makeFilter(({ count }) => count < 50 || "too many")),
        (tape) => ({
          of: item.value(tape),
          ...(tape.next(2) === 0 ? { count: tape.next(60) } : {}),
          ...(tape.next(2) === 0 ? { maybe: text(tape) } : {})
        })
      )
    }
    case 10: {
      interface Tree {
        readonly value: unknown
        readonly next: ReadonlyArray<Tree>
      }
      const item = sampleOf(tape, depth - 1)
      const value = (tape: Tape, left = 3): unknown => ({
        value: item.value(tape),
        next: left === 0 ? [] : Array.from({ length: tape.next(3) }, () => value(tape, left - 1))
      })
      return of(
        () => {
          const tree: Schema.Codec<Tree, unknown> = Schema.Struct({
            value: item.make(),
            next: Schema.Array(Schema.suspend((): Schema.Codec<Tree, unknown> => tree))
          }) as unknown as Schema.Codec<Tree, unknown>
          return tree
        },
        (tape) => value(tape)
      )
    }
    case 0:
      return leaves[tape.next(leaves.length)]!
    default: {
      const fields = Array.from({ length: tape.next(4) }, () => ({
        name: names[tape.next(names.length)]!,
        how: tape.next(4),
        of: sampleOf(tape, depth - 1)
      }))
      return of(
        () =>
          Schema.Struct(
            Object.fromEntries(
              fields.map(({ how, name, of }) => [
                name,
                how === 1
                  ? Schema.optionalKey(of.make())
                  : how === 2
                    ? Schema.optional(of.make())
                    : how === 3
                      ? Schema.mutableKey(of.make())
                      : of.make()
              ])
            )
          ),
        (tape) =>
          Object.fromEntries(
            fields
              .filter(({ how }) => (how !== 1 && how !== 2) || tape.next(2) === 0)
              .map(({ name, of }): [string, unknown] => [name, of.value(tape)])
              .concat(tape.next(6) === 0 ? [["more", 1]] : [])
          )
      )
    }
  }
}

/** The value, or one that is wrong somewhere. */
export const nearly = (value: unknown, tape: Tape): unknown => {
  if (tape.next(4) !== 0) return value
  if (tape.next(3) === 0) return anything[tape.next(anything.length)]
  if (Array.isArray(value)) {
    const i = tape.next(value.length + 1)
    return value.map((item: unknown, j) => (i === j ? wrong(item, tape) : item))
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value)
    const i = tape.next(entries.length + 1)
    return Object.fromEntries(
      entries
        .filter((_, j) => i !== j || tape.next(3) !== 0)
        .map(([name, item], j) => [name, i === j ? wrong(item, tape) : item])
    )
  }
  return anything[tape.next(anything.length)]
}

const wrong = (value: unknown, tape: Tape): unknown =>
  tape.next(2) === 0 ? nearly(value, tape) : anything[tape.next(anything.length)]
