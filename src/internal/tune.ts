// Numbers and modes of layers from a configuration, checked together with all that the code says.
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Mode } from "../Call.ts"
import { PolicyError } from "../PolicyError.ts"
import type { Definition } from "./definition.ts"
import type { Slot } from "./order.ts"
import { type Defaults, type Stack, stackOf } from "./plan.ts"
import * as P from "./policy.ts"
import {
  catalogue,
  distance,
  isShared,
  kinds,
  modeName,
  prefixes,
  settingName,
  shortened,
  switchable,
  upperSnake
} from "./tuneNames.ts"

// ---- what can be set

/** One number, or the mode, of one layer of one operation. */
interface Target {
  readonly operation: string
  readonly layer: number
  /** A setting's name; `undefined` for the mode. */
  readonly key: string | undefined
  readonly kind: P.Setting["kind"] | "mode"
  /** The name without any prefix. */
  readonly base: string
}

/** A variable that was given. */
interface Variable {
  readonly name: string
  readonly text: string
  readonly value: number | string
}

type Values = ReadonlyMap<Target, number | string>

const targetsOf = (operation: string, stack: Stack, several: ReadonlySet<Slot>): ReadonlyArray<Target> =>
  stack.layers.flatMap((layer, index): ReadonlyArray<Target> => [
    ...Object.entries(layer.tunable?.settings ?? {}).map(([key, { kind }]) => ({
      operation,
      layer: index,
      key,
      kind,
      base: settingName(layer, key, several.has(layer.slot))
    })),
    { operation, layer: index, key: undefined, kind: "mode", base: modeName(layer, several.has(layer.slot)) }
  ])

/** The layers of an operation with other numbers and modes. */
const apply = (stack: Stack, values: Values): ReadonlyArray<P.Layer> =>
  stack.layers.map((layer, index) => {
    const numbers: Record<string, number> = {}
    let mode = layer.mode
    for (const [target, value] of values) {
      if (target.layer !== index) continue
      if (target.key === undefined) mode = value as Mode
      else numbers[target.key] = value as number
    }
    return Object.keys(numbers).length === 0 || layer.tunable === undefined
      ? { ...layer, mode }
      : { ...layer.tunable.tune(numbers), mode }
  })

// ---- reading

/** The names of all values below a path, as a variable would have them. A provider that can't enumerate gives none. */
const namesUnder = (
  provider: ConfigProvider.ConfigProvider,
  path: ConfigProvider.Path,
  depth = 0
): Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError> =>
  Effect.flatMap(provider.load(path), (node) => {
    const own = node?.value === undefined ? [] : [path.join("_")]
    return node?._tag !== "Record" || depth > 12
      ? Effect.succeed(own)
      : Effect.map(
          Effect.forEach(node.keys, (key) => namesUnder(provider, [...path, key], depth + 1)),
          (below) => [...own, ...below.flat()]
        )
  })

/**
 * Reads the numbers and modes of every layer from the current `ConfigProvider`, and gives the stacks that they make. All
 * that is wrong with any of them is one `PolicyError`.
 */
export const configured = (options: {
  readonly integration: string
  readonly prefix: string
  readonly operations: Readonly<Record<string, { readonly definition: Definition }>>
  readonly defaults: Defaults
  readonly overrides: Readonly<Record<string, P.Any | undefined>>
}): Effect.Effect<ReadonlyMap<string, Stack>, PolicyError> =>
  Effect.gen(function* () {
    const { defaults, integration, operations, overrides, prefix } = options
    const fail = (problems: ReadonlyArray<string>) =>
      Effect.fail(new PolicyError({ integration, operation: "(layer)", problems }))
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(prefix)) {
      return yield* fail([`config must be a prefix such as STRIPE, got ${JSON.stringify(prefix)}`])
    }
    const names = Object.keys(operations)
    const bare = new Map(
      names.map((name) => [name, stackOf(operations[name]!.definition, defaults, overrides[name])] as const)
    )

    // Which places have layers of several names: there, a variable says which it means.
    const inPlace = new Map<Slot, Set<string>>()
    for (const { layers } of bare.values()) {
      for (const { name, slot } of layers) {
        if (prefixes[slot] !== undefined) inPlace.set(slot, (inPlace.get(slot) ?? new Set()).add(name))
      }
    }
    const several = new Set([...inPlace].filter(([, found]) => found.size > 1).map(([slot]) => slot))

    const targets = new Map(names.map((name) => [name, targetsOf(name, bare.get(name)!, several)] as const))
    const bases = new Map<string, P.Setting["kind"] | "mode">()
    /** Names that could mean several layers, with those that say which. */
    const vague = new Map<string, Set<string>>()
    for (const { base, key, kind, layer, operation } of [...targets.values()].flat()) {
      bases.set(base, kind)
      const { slot } = bare.get(operation)!.layers[layer]!
      if (!several.has(slot)) continue
      const short = key ?? `${upperSnake(slot)}_MODE`
      vague.set(short, (vague.get(short) ?? new Set()).add(base))
    }
    const nobodys = [...catalogue, ...switchable.map((slot) => `${upperSnake(slot)}_MODE`)].filter(
      (name) => !bases.has(name) && !vague.has(name)
    )

    // ---- what was given

    const problems: Array<string> = []
    const given = new Map<string, string>()
    const known = new Map<string, { readonly base: string; readonly operation: string | undefined }>()
    const read = Effect.fnUntraced(function* (base: string, operation: string | undefined) {
      const path = operation === undefined ? [prefix, base] : [prefix, upperSnake(operation), base]
      const name = path.join("_")
      const before = known.get(name)
      if (before !== undefined && (before.operation !== operation || before.base !== base)) {
        if (given.has(name)) {
          const one = before.operation ?? "the integration"
          problems.push(`${name} may mean ${before.base} of ${one} or ${base} of ${operation}: rename one of them`)
        }
        return
      }
      known.set(name, { base, operation })
      const text = Option.getOrUndefined(yield* Config.option(Config.schema(Schema.String, path)))
      if (text !== undefined) given.set(name, text.trim())
    })
    const unread = yield* Effect.result(
      Effect.gen(function* () {
        for (const base of bases.keys()) yield* read(base, undefined)
        for (const base of [...vague.keys(), ...nobodys]) yield* read(base, undefined)
        for (const name of names) {
          for (const base of [...bases.keys(), ...vague.keys(), ...nobodys]) yield* read(base, name)
        }
      })
    )
    if (unread._tag === "Failure") {
      return yield* fail([`the configuration below ${prefix} could not be read: ${unread.failure.message}`])
    }

    const variables = new Map<string, Variable>()
    const unusable = new Set<string>()
    for (const [name, text] of given) {
      const { base, operation } = known.get(name)!
      const kind = bases.get(base)
      const meant = vague.get(base)
      if (meant !== undefined) {
        const start = name.slice(0, -base.length)
        const clear = [...meant].map((each) => `${start}${each}`)
        problems.push(`${name}=${shortened(text)}: several layers could be meant, say which: ${clear.join(", ")}`)
        continue
      }
      if (kind === undefined || (operation !== undefined && !targets.get(operation)!.some((of) => of.base === base))) {
        problems.push(`${name}=${shortened(text)}: no layer of ${operation ?? integration} takes it`)
        continue
      }
      const value = kinds[kind].read(text)
      if (value === undefined) {
        problems.push(`${name}=${shortened(text)}: expected ${kinds[kind].expected}`)
        unusable.add(name)
      } else variables.set(name, { name, text, value })
    }

    // ---- near misses

    const provider = yield* ConfigProvider.ConfigProvider
    const roots = prefix.includes("_") ? [[prefix], prefix.split("_")] : [[prefix]]
    const present = yield* Effect.orElseSucceed(
      Effect.map(
        Effect.forEach(roots, (path) => namesUnder(provider, path)),
        (found) => new Set(found.flat())
      ),
      () => new Set<string>()
    )
    for (const name of present) {
      if (known.has(name)) continue
      // `STRIPE_2_ATTEMPT_TIMEOUT` may be the whole name of another prefix, but for an operation that is misspelt.
      const nested = [...bases.keys()].some((base) => name.endsWith(`_${base}`))
      const near = [...known]
        .filter(([, { operation }]) => !nested || operation !== undefined)
        .map(([other]) => [distance(name, other, 2), other] as const)
        .filter(([far]) => far <= 2)
        .toSorted(([a], [b]) => a - b)[0]
      if (near !== undefined) problems.push(`${name} is not known: did you mean ${near[1]}?`)
    }

    // ---- all of it together

    const shows = new Map<string, Array<string>>()
    const stacks = new Map<string, Stack>()
    for (const name of names) {
      const { definition: said } = operations[name]!
      // The code's limit for the first byte is in its layers already, and the configuration goes before it.
      const definition = said.stream === undefined ? said : { ...said, stream: { ...said.stream, applied: true } }
      const before = bare.get(name)!
      const build = (values: Values): Stack =>
        values.size === 0 ? before : stackOf(definition, withoutLayers(defaults), P.fromLayers(apply(before, values)))
      const nameOf = new Map<Target, string>()
      const values = new Map<Target, number | string>()
      const broken = new Set<Target>()
      for (const target of targets.get(name)!) {
        const own = `${prefix}_${upperSnake(name)}_${target.base}`
        const general = `${prefix}_${target.base}`
        const from = given.has(own) && known.get(own)!.operation === name ? own : general
        if (unusable.has(from)) broken.add(target)
        const variable = variables.get(from)
        if (variable === undefined) continue
        const layer = before.layers[target.layer]!
        const others = names.filter(
          (other) =>
            other !== name && bare.get(other)!.layers.some((at) => at.slot === layer.slot && at.name === layer.name)
        )
        if (
          from === own &&
          from !== general &&
          target.key !== undefined &&
          isShared(layer, target.key) &&
          others.length > 0
        ) {
          problems.push(
            `${own}: ${layer.name} is one for ${[name, ...others].join(", ")}: set ${general} for all of them`
          )
          broken.add(target)
          continue
        }
        nameOf.set(target, from)
        values.set(target, variable.value)
      }
      const current = (target: Target): number | undefined => {
        const value = values.get(target) ?? before.layers[target.layer]!.tunable?.settings[target.key ?? ""]?.value
        return typeof value === "number" ? value : undefined
      }
      /** Whether a problem depends on it: it goes away, or reads otherwise, with another number or with the code's. */
      const depends = (problem: string, target: Target): boolean => {
        const without = new Map(values)
        without.delete(target)
        const other = new Map(values)
        const value = target.key === undefined ? undefined : current(target)
        if (value !== undefined) other.set(target, value * 2 + 1)
        return !build(without).problems.includes(problem) || !build(other).problems.includes(problem)
      }
      // A number that makes no sense hides contradictions between the others. So it is told, and left out.
      let more = false
      const told = new Set<string>()
      do {
        const causing = new Set<Target>()
        for (const problem of build(values).problems) {
          if (told.has(problem) || [...broken].some((target) => depends(problem, target))) continue
          told.add(problem)
          const causes = [...values.keys()].filter((target) => depends(problem, target))
          const from = causes.map((target) => {
            const { name, text } = variables.get(nameOf.get(target)!)!
            return `${name}=${shortened(text)}`
          })
          const shown = from.length === 0 ? problem : `${problem} (from ${[...new Set(from)].join(", ")})`
          shows.set(shown, [...(shows.get(shown) ?? []), name])
          for (const target of causes) causing.add(target)
        }
        for (const target of causing) {
          broken.add(target)
          values.delete(target)
        }
        more = causing.size > 0
      } while (more)
      stacks.set(name, build(values))
    }
    for (const [shown, of] of shows) problems.push(`${of.join(", ")}: ${shown}`)
    return problems.length > 0 ? yield* fail(problems) : stacks
  })

const withoutLayers = ({ policy: _policy, shared: _shared, ...rest }: Defaults): Defaults => rest
