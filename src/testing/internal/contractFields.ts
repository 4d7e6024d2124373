// Which fields of an answer a schema knows: walked over the encoded side, through unions, arrays, records and recursion.
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { JsonType } from "../ContractReport.ts"

/** What was seen of one place, over all answers. */
export interface Ignored {
  readonly types: Set<JsonType>
  count: number
}

export interface Optional {
  came: number
}

/** The fields of all answers of one status. Places are written `data[].card.brand`, and `meta.*` for a record's values. */
export class Fields {
  readonly ignored = new Map<string, Ignored>()
  readonly optional = new Map<string, Optional>()
  /** How many objects stood at each place. */
  private readonly objects = new Map<string, number>()

  /** How many objects there were that could have held the field. */
  of(place: string): number {
    return this.objects.get(parentOf(place)) ?? 0
  }

  /** Looks at one answer that these schemas decode. */
  add(schemas: ReadonlyArray<Schema.Constraint>, value: unknown): void {
    const asts = schemas.map(({ ast }) => SchemaAST.toEncoded(ast))
    this.first(asts, value, "")
  }

  /** A union takes its first member that fits, so the others' fields are ignored. */
  private first(asts: ReadonlyArray<SchemaAST.AST>, value: unknown, place: string): void {
    const fitting = asts.length === 1 ? asts[0] : asts.find((ast) => accepts(ast, value))
    if (fitting !== undefined) this.walk(fitting, value, place)
  }

  private walk(ast: SchemaAST.AST, value: unknown, place: string): void {
    if (typeof value !== "object" || value === null) return
    switch (ast._tag) {
      case "Suspend":
        return this.walk(ast.thunk(), value, place)
      case "Union":
        return this.first(ast.types, value, place)
      case "Arrays":
        if (!Array.isArray(value)) return
        return value.forEach((item, i) => {
          const type = ast.elements[i] ?? ast.rest[0]
          if (type !== undefined) this.walk(type, item, `${place}[]`)
        })
      case "Objects":
        return Array.isArray(value) ? undefined : this.object(ast, value as Readonly<Record<string, unknown>>, place)
    }
  }

  private object(ast: SchemaAST.Objects, value: Readonly<Record<string, unknown>>, place: string): void {
    this.objects.set(place, (this.objects.get(place) ?? 0) + 1)
    const known = new Map(ast.propertySignatures.map(({ name, type }) => [name, type]))
    // `{}` takes any object.
    const any = known.size === 0 && ast.indexSignatures.length === 0
    for (const [name, type] of known) {
      if (!SchemaAST.isOptional(type)) continue
      const at = below(place, String(name))
      const optional = this.optional.get(at) ?? { came: 0 }
      if (Object.hasOwn(value, name)) optional.came++
      this.optional.set(at, optional)
    }
    for (const [name, field] of Object.entries(value)) {
      const type = known.get(name)
      const index = type === undefined ? ast.indexSignatures.find((own) => accepts(own.parameter, name)) : undefined
      if (type !== undefined) this.walk(type, field, below(place, name))
      else if (index !== undefined) this.walk(index.type, field, below(place, "*"))
      else if (!any) {
        const at = below(place, name)
        const ignored = this.ignored.get(at) ?? { types: new Set(), count: 0 }
        ignored.count++
        ignored.types.add(typeOf(field))
        this.ignored.set(at, ignored)
      }
    }
  }
}

/** A name with a dot or a bracket in it is quoted, so that a place always reads one way. */
const below = (place: string, name: string): string => {
  const step = /^[^.[\]"]+$/.test(name) ? name : JSON.stringify(name)
  return place === "" ? step : `${place}.${step}`
}

const parentOf = (place: string): string => place.replace(/\.?(?:"(?:[^"\\]|\\.)*"|[^."]+)$/, "")

const typeOf = (value: unknown): JsonType =>
  value === null ? "null" : Array.isArray(value) ? "array" : (typeof value as JsonType)

const known = new WeakMap<SchemaAST.AST, (value: unknown) => boolean>()

const accepts = (ast: SchemaAST.AST, value: unknown): boolean => {
  const is = known.get(ast) ?? Schema.is(Schema.make<Schema.Codec<unknown>>(ast))
  known.set(ast, is)
  return is(value)
}
