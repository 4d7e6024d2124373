import { identity } from "effect/Function"
import type { CallFailure } from "../CallFailure.ts"
import type { Limits } from "../Call.ts"
import type { Decision } from "../Exhaustion.ts"
import * as Exhaustion from "../Exhaustion.ts"
import * as Idempotency from "../Idempotency.ts"
import type { Definition, StreamPlan } from "./definition.ts"
import { check, format, formatBoth } from "./duration.ts"
import { composedBecause } from "./fusable.ts"
import { order, rank, type Slot } from "./order.ts"
import type { Classify } from "../Reason.ts"
import { nameOf, seenAround } from "./nesting.ts"
import type * as P from "./policy.ts"
import { margin } from "./boundary.ts"

/** What an integration gives to the operations that leave a decision open. */
export interface Defaults {
  readonly policy?: P.Any
  readonly shared?: P.Any
  readonly exhausted?: { readonly decision: Decision }
  readonly orElse?: (failure: CallFailure, input: never) => unknown
  readonly classify?: Classify | undefined
  readonly classifyErrors?: Classify | undefined
}

/** An operation with every decision made and its layers in order. */
export interface Stack {
  readonly layers: ReadonlyArray<P.Layer>
  readonly limits: Limits
  readonly lifetime: number
  readonly decision: Decision
  readonly orElse: (failure: CallFailure, input: never) => unknown
  readonly problems: ReadonlyArray<string>
}

const isStateful = (layer: P.Layer) =>
  layer.slot === "circuitBreaker" || layer.slot === "bulkhead" || layer.slot === "rateLimit"

const longest = 600_000

const notOfPieces: ReadonlySet<Slot> = new Set(["hedge", "coalesce", "staleIfError"])

/** What a limit on time means for a stream: it holds until the stream flows. */
const aroundStream = (layer: P.Layer, { applied, limits }: StreamPlan): P.Layer => {
  const { firstByte } = limits
  if (layer.slot === "totalDeadline") {
    const millis = layer.limits.totalDeadline!
    return {
      ...layer,
      describe: `${format(millis)} to the first element, and after a cut to the next, whatever it waits for`
    }
  }
  if (layer.slot !== "attemptTimeout") return layer
  const timed =
    applied === true || firstByte === undefined || firstByte === Infinity
      ? layer
      : { ...layer.tunable!.tune({ ATTEMPT_TIMEOUT: firstByte }), mode: layer.mode }
  const to = firstByte === Infinity ? "status" : "first byte"
  return { ...timed, describe: `${format(timed.limits.attemptTimeout!)} to the ${to}, for each attempt` }
}

/** Puts the layers of an operation and of its integration into the one order. The last of a built-in slot stands. */
export const stackOf = (definition: Definition, defaults: Defaults, override: P.Any | undefined): Stack => {
  const own = override ?? definition.policy ?? defaults.policy
  const all = [...(own?.layers ?? []), ...(defaults.shared?.layers ?? [])]
  const unique = new Map<string, P.Layer>()
  const layers: Array<P.Layer> = []
  for (const layer of all) {
    if (layer.slot === "call" || layer.slot === "attempt") layers.push(layer)
    // A breaker or a bulkhead of the operation stands beside the integration's. Under one name they must be one: the
    // second build of a name with other options is a PolicyError.
    else
      unique.set(
        isStateful(layer) ? `${layer.slot} ${layer.name} ${JSON.stringify(layer.settings)}` : layer.slot,
        layer
      )
  }
  layers.push(...unique.values())
  const stream = definition.stream
  const whole = stream === undefined ? layers : layers.map((layer) => aroundStream(layer, stream))
  layers.splice(0, layers.length, ...whole)
  layers.sort((a, b) => rank(a.slot) - rank(b.slot))
  const limits = Object.assign(
    { attemptTimeout: undefined, totalDeadline: undefined, maxAttempts: 1 },
    ...layers.map((layer) => layer.limits)
  ) as Limits
  const strategy = definition.strategy
  const lifetime =
    strategy._tag === "Keyed" && strategy.lifetime !== "forever"
      ? check("the key's lifetime", strategy.lifetime)
      : undefined
  const settle = strategy._tag === "Reconcilable" ? check("settle", strategy.settle) : undefined
  const problems = [
    ...definition.problems,
    ...layers.flatMap((layer) => layer.problems),
    ...layers
      .filter((layer) => layer.mode === "observe" && !layer.observes)
      .map((layer) => `${layer.name} can't tell what it would do: let it enforce, or switch it off`),
    ...[lifetime?.problem, settle?.problem].filter((problem) => problem !== undefined)
  ]
  if (limits.attemptTimeout === undefined) problems.push("the policy has no attempt timeout")
  if (limits.totalDeadline === undefined) problems.push("the policy has no total deadline")
  const decision = (definition.exhausted ?? defaults.exhausted)?.decision
  const orElse = definition.orElse ?? defaults.orElse
  // The types ask for both; without exactOptionalPropertyTypes an `undefined` can still get through.
  if (decision === undefined) problems.push("there is no decision for exhausted retries: give `exhausted`")
  if (orElse === undefined) problems.push("the provider's failures would leak: give `orElse`")
  if (definition.writeAhead !== undefined && decision?._tag === "Fallback") {
    problems.push(
      "a call that is stored before it is sent has no fallback: the worker goes on with it; give Exhaustion.fail"
    )
  }
  if (stream !== undefined) {
    for (const { name, slot } of layers) {
      if (notOfPieces.has(slot))
        problems.push(`${name} sends twice, or shares or keeps answers: a stream can't have it`)
    }
    if (decision !== undefined && decision._tag !== "Fail") {
      problems.push("a stream can't be replaced or parked when its retries are spent: give Exhaustion.fail")
    }
    if (definition.writeAhead !== undefined) problems.push("a stream can't be stored and sent later")
    if (strategy._tag === "Reconcilable") problems.push("what a look finds is no stream: give Idempotency.keyed")
  }
  const { upload } = definition
  const bounds = definition.writeAhead ?? (decision?._tag === "Park" ? decision.bounds : undefined)
  if (upload !== undefined) {
    for (const { name, slot } of layers) {
      if (notOfPieces.has(slot))
        problems.push(`${name} sends twice, or shares or keeps answers: an upload can't have it`)
    }
    if (upload === "once" && limits.maxAttempts > 1) {
      problems.push("its body can be sent once only: give Policy.retryNever(reason)")
    }
    if (bounds !== undefined) problems.push("an upload can't be stored and sent later: its body is no value")
  }
  if (bounds !== undefined) {
    if (definition.inDeliveries === true && (limits.totalDeadline ?? 0) > longest) {
      const [total, most] = formatBoth(limits.totalDeadline!, longest)
      problems.push(
        `a delivery that waits for ${total} is noticed that late when its process dies: let it wait for ${most} at most, the next one goes on`
      )
    }
    if (bounds.expiresAfter !== undefined) {
      const expires = check("expiresAfter", bounds.expiresAfter)
      if (expires.problem !== undefined) problems.push(expires.problem)
    }
    if (strategy._tag === "AtMostOnce" && definition.writeAhead === undefined) {
      problems.push("a repeat is not safe, so it can't be parked: store it before it is sent, or let it fail")
    }
    const unbounded = bounds.lane === undefined && bounds.expiresAfter === undefined
    if (strategy._tag === "Inherent" && unbounded) {
      problems.push("sent late, it may overwrite what is newer: give it a lane, or expiresAfter")
    }
    if (strategy._tag === "Conditional" && strategy.sends.header === "if-none-match" && unbounded) {
      problems.push("sent late, it may bring back what was deleted since: give it a lane, or expiresAfter")
    }
  }
  if (!layers.some((layer) => layer.slot === "retry")) problems.push("the policy does not decide about retries")
  if (problems.length === 0) {
    // Without a problem neither is missing.
    const attemptTimeout = limits.attemptTimeout!
    const totalDeadline = limits.totalDeadline!
    if (attemptTimeout > totalDeadline) {
      const [attempt, total] = formatBoth(attemptTimeout, totalDeadline)
      problems.push(`the attempt timeout of ${attempt} is longer than the total deadline of ${total}`)
    }
    if (totalDeadline > longest && !layers.some((layer) => layer.longRunning)) {
      const [total, most] = formatBoth(totalDeadline, longest)
      problems.push(`the total deadline of ${total} is longer than ${most}: give totalDeadline a longRunning reason`)
    }
    if (lifetime !== undefined && attemptTimeout + margin(lifetime.millis) > lifetime.millis) {
      const [attempt, remembered] = formatBoth(attemptTimeout, lifetime.millis)
      problems.push(`the attempt timeout of ${attempt} does not fit into the key's lifetime of ${remembered}`)
    }
    if (settle !== undefined && limits.maxAttempts > 1 && settle.millis >= totalDeadline) {
      const [waits, total] = formatBoth(settle.millis, totalDeadline)
      problems.push(`settle of ${waits} is not shorter than the total deadline of ${total}: nothing could be repeated`)
    }
  }
  return {
    layers,
    limits,
    lifetime: lifetime?.millis ?? Infinity,
    decision: decision ?? { _tag: "Fail" },
    orElse: orElse ?? identity,
    problems
  }
}

/**
 * What will happen to one operation's calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface OperationPlan {
  readonly operation: string
  readonly via: string
  readonly repeat: Idempotency.Repeat
  readonly key: string
  /** Outermost first, the fixed layers included. */
  readonly layers: ReadonlyArray<{ readonly slot: string; readonly describe: string }>
  readonly worstCaseAttempts: number
  /** The most requests that one call sends: attempts, and the hedges of each. */
  readonly worstCaseLoad: number
  /**
   * The requests per call in a long outage in which no repeat succeeds, at most: what a budget leaves of the worst case.
   */
  readonly outageLoad: number
  /**
   * The retried calls around this one that this process has seen so far, and the most requests to this provider for each
   * call that they make: with the one allowance that they share, and what it would be without.
   */
  readonly retriedInside: ReadonlyArray<{
    readonly operation: string
    readonly load: number
    readonly unguardedLoad: number
  }>
  /** Milliseconds, the limit of a fallback included. */
  readonly worstCaseTime: number
  readonly exhausted: string
  /**
   * Why its calls are not run by the fused runner, which costs a call a fraction of what one wrapper for each layer costs:
   * a layer of the application, for one. Absent if they are.
   */
  readonly composedBecause?: string | undefined
  /** The limits of a stream, what its end looks like and how it goes on; `worstCaseTime` is that of its first element. */
  readonly stream?: ReadonlyArray<string> | undefined
}

/** Names that say no more than the slot does. */
const defaultNames = new Set([
  "totalDeadline",
  "budget",
  "retry",
  "retryNever",
  "coalesce",
  "staleIfError",
  "hedge",
  "breaker",
  "rateLimit",
  "bulkhead",
  "attemptTimeout"
])

const fixed = new Set<string>(["observe", "translate", "exhausted", "prepare", "attemptSpan", "send", "decode"])

export const planOf = (integration: string, name: string, definition: Definition, stack: Stack): OperationPlan => {
  const http = definition.about.http
  const { extraLoad, maxAttempts } = stack.limits
  const legs = 1 + (stack.limits.hedges ?? 0)
  const worstCaseLoad = maxAttempts * legs
  const because = notFused(stack.layers, definition)
  // One that only looks on bounds nothing.
  const bounded = stack.layers.some((layer) => layer.slot === "budget" && layer.mode === "enforce")
  return {
    operation: name,
    via: http === undefined ? definition.about.transport : `${http.method} ${http.template}`,
    repeat: definition.repeat,
    key: Idempotency.describe(definition),
    layers: order.flatMap(([slot, why]) => [
      ...(fixed.has(slot) || (slot === "auth" && http !== undefined) ? [{ slot, describe: why }] : []),
      ...stack.layers
        .filter((layer) => layer.slot === slot)
        .map((layer) => ({
          slot: defaultNames.has(layer.name) ? slot : `${slot} ${layer.name}`,
          describe: layer.mode === "enforce" ? layer.describe : `${layer.mode}: ${layer.describe}`
        }))
    ]),
    worstCaseAttempts: maxAttempts,
    worstCaseLoad,
    outageLoad: Math.min(worstCaseLoad, bounded && extraLoad !== undefined ? 1 + extraLoad : Infinity),
    retriedInside: seenAround(nameOf(integration, name)).map((around) => {
      const load = around.attempts * (1 + around.hedges) * legs
      return { operation: around.name, load, unguardedLoad: load * maxAttempts }
    }),
    worstCaseTime: (stack.limits.totalDeadline ?? Infinity) + (stack.decision._tag === "Fail" ? 0 : 1_000),
    exhausted:
      definition.writeAhead === undefined
        ? Exhaustion.describe({ decision: stack.decision })
        : "stored before it is sent; the outbox goes on with it",
    ...(because === undefined ? {} : { composedBecause: because }),
    ...(definition.stream === undefined ? {} : { stream: definition.stream.describe })
  }
}

/** What it is run without at the moment counts too: a mode is the calls', and may be changed. */
const notFused = (layers: ReadonlyArray<P.Layer>, definition: Definition): string | undefined => {
  const because = composedBecause(layers, definition)
  if (because !== undefined) return because
  const other = layers.find(({ mode }) => mode !== "enforce")
  return other === undefined ? undefined : `${other.name} is in mode ${other.mode}`
}

const requests = (count: number): string => `${count} ${count === 1 ? "request" : "requests"}`

export const formatPlan = (integration: string, operations: ReadonlyArray<OperationPlan>): string =>
  [
    integration,
    ...operations.flatMap((operation) => [
      `  ${operation.operation}  ${operation.via}  ${operation.repeat}`,
      `    at worst   ${operation.worstCaseAttempts} ${operation.worstCaseAttempts === 1 ? "attempt" : "attempts"}, ${format(operation.worstCaseTime)}`,
      `    load       at most ${requests(operation.worstCaseLoad)} per call${
        operation.outageLoad === operation.worstCaseLoad
          ? ""
          : `, ${Math.ceil(operation.outageLoad * 100) / 100} in a long outage`
      }`,
      ...operation.retriedInside.map(
        (around) =>
          `    inside     ${around.operation}, retried too: at most ${requests(around.load)} together, not ${around.unguardedLoad}`
      ),
      `    repeats    ${operation.key}`,
      `    exhausted  ${operation.exhausted}`,
      ...(operation.composedBecause === undefined ? [] : [`    composed   ${operation.composedBecause}`]),
      ...(operation.stream ?? []).map((line) => `    stream     ${line}`),
      "    layers, outermost first",
      ...operation.layers.map((layer) => `      ${layer.slot.padEnd(16)} ${layer.describe}`)
    ])
  ].join("\n")
