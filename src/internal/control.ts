import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Mode } from "../Call.ts"
import { type BreakerControl, isBreakerControl } from "./breaker.ts"
import type { Gate, Switch } from "./gate.ts"
import { rank, type Slot } from "./order.ts"
import type { OperationPlan } from "./plan.ts"

/** Where the service of an integration keeps what a control reaches. */
export const ControlId = "~breakwater/Control"

/** What a control reaches of one built integration. */
export interface Controlled {
  readonly integration: string
  readonly operations: ReadonlyArray<string>
  readonly gates: ReadonlyArray<Gate>
  /** The shared state of its layers, by the name that they asked for. */
  readonly states: ReadonlyMap<string, { readonly state: unknown }>
  readonly switch: Switch
  /** What operators forced, by breaker and key. */
  readonly forced: Map<string, Forced>
  /** The plan of what was built, with the numbers of the configuration and the modes of the moment. */
  readonly plan: () => ReadonlyArray<OperationPlan>
}

/**
 * How one layer of one operation acts.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerMode {
  readonly operation: string
  /** The layer's place in the order, such as `circuitBreaker`. */
  readonly slot: string
  readonly name: string
  readonly mode: Mode
  /** What the policy or the configuration says, to which `resume` goes back. */
  readonly initial: Mode
  /** Whether it can be set to `observe`. */
  readonly observes: boolean
}

/**
 * One circuit, of one breaker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circuit {
  readonly breaker: string
  readonly key: string
  readonly state: "Closed" | "Open" | "HalfOpen"
  /** What an operator forced it to, whatever its own state is. */
  readonly forced: "open" | "closed" | null
}

/**
 * What an operator forced a breaker, or one of its circuits, to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Forced {
  readonly breaker: string
  /** `null` for every circuit. */
  readonly key: string | null
  readonly to: "open" | "closed"
}

/**
 * An integration at one moment. It holds no secret, no input and no answer; the keys of circuits are the application's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly integration: string
  /** Whether `forceOpen()` has switched the whole integration off. */
  readonly switchedOff: boolean
  readonly modes: ReadonlyArray<LayerMode>
  readonly circuits: ReadonlyArray<Circuit>
  readonly forced: ReadonlyArray<Forced>
  /** As `Integration.plan`, but with the numbers of the configuration and the modes of the moment. */
  readonly plan: ReadonlyArray<OperationPlan>
}

/**
 * A change that could not be made. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ControlError extends Data.TaggedError("ControlError")<{
  readonly integration: string
  readonly reason: "NoSuchOperation" | "NoSuchLayer" | "CanNotObserve" | "NoSuchBreaker" | "NotBuilt"
  readonly detail: string
}> {
  override get message(): string {
    return `${this.integration}: ${this.detail}`
  }
}

/**
 * Who makes a change, and why: both stand in the log line that tells of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Because {
  readonly reason?: string | undefined
  readonly by?: string | undefined
}

/**
 * Which circuits are forced.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForceOptions extends Because {
  /** The name of a breaker. Default: all of them. */
  readonly breaker?: string | undefined
  /** The key of one circuit. Default: every circuit, whatever was forced before. */
  readonly key?: string | undefined
}

/**
 * The switches of a running integration. Every change is told by a log line at level Warn.
 *
 * @category models
 * @since 0.1.0
 */
export interface Control<in Operations extends string> {
  readonly integration: string
  /** Every layer of every operation, outermost first. */
  readonly modes: Effect.Effect<ReadonlyArray<LayerMode>>
  readonly circuits: Effect.Effect<ReadonlyArray<Circuit>>
  /** All of it as data that `JSON.stringify` keeps. */
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * Sets how layers act from now on: those whose place (`circuitBreaker`) or name is `policy`, in one operation or in all.
   * What a layer has read for an attempt that runs stays. Gives the layers that it set.
   */
  readonly setMode: (
    options: { readonly policy: string; readonly operation?: Operations | undefined; readonly mode: Mode } & Because
  ) => Effect.Effect<ReadonlyArray<LayerMode>, ControlError>
  /**
   * Sets every limit to `observe`: total deadline, budget, circuit breaker, rate limit, bulkhead and attempt timeout. They
   * bound nothing then, and tell what they would have done. Other layers stay as they are.
   */
  readonly shadow: (options?: Because) => Effect.Effect<ReadonlyArray<LayerMode>>
  /** Everything back to what the policy and the configuration say, and every circuit back to its own state. */
  readonly resume: (options?: Because) => Effect.Effect<void>
  /**
   * Turns attempts away as `CircuitOpen`, until `resume` or `forceClosed`. Without `breaker` and `key` it switches the
   * whole integration off, with or without a breaker, and whatever mode a breaker is in. With them it acts through the
   * breaker: one in `observe` only tells, and one that is `off` does nothing. The log line says so.
   */
  readonly forceOpen: (options?: ForceOptions) => Effect.Effect<void, ControlError>
  /**
   * Lets attempts through whatever the circuits say. Without `breaker` and `key` it also lifts `forceOpen()`; with them it
   * does not.
   */
  readonly forceClosed: (options?: ForceOptions) => Effect.Effect<void, ControlError>
}

/** The layers that cut a call or turn it away. */
const limits: ReadonlySet<Slot> = new Set<Slot>([
  "totalDeadline",
  "budget",
  "circuitBreaker",
  "rateLimit",
  "bulkhead",
  "attemptTimeout"
])

const list = (values: Iterable<string>): string => [...new Set(values)].join(", ")

const breakersOf = (controlled: Controlled): ReadonlyMap<string, BreakerControl> => {
  const found = new Map<string, BreakerControl>()
  for (const [name, { state }] of controlled.states) {
    if (name.startsWith("breaker ") && isBreakerControl(state)) found.set(name.slice("breaker ".length), state)
  }
  return found
}

const modeOf = ({ initial, mode, name, observes, operation, slot }: Gate): LayerMode => ({
  operation,
  slot,
  name,
  mode,
  initial,
  observes
})

/** The control of a built integration, or of a mock, which has nothing to control. */
export const make = (integration: string, built: Controlled | undefined): Control<string> => {
  const gates =
    built?.gates.toSorted(
      (a, b) =>
        built.operations.indexOf(a.operation) - built.operations.indexOf(b.operation) || rank(a.slot) - rank(b.slot)
    ) ?? []

  const refuse = (reason: ControlError["reason"], detail: string) =>
    Effect.fail(new ControlError({ integration, reason, detail }))

  const tell = (change: string, message: string, because: Because | undefined): Effect.Effect<void> =>
    Effect.annotateLogs(Effect.logWarning(`${integration}: ${message}`), {
      integration,
      change,
      ...(because?.by === undefined ? {} : { by: because.by }),
      ...(because?.reason === undefined ? {} : { reason: because.reason })
    })

  const set = (chosen: ReadonlyArray<Gate>, mode: (gate: Gate) => Mode): ReadonlyArray<LayerMode> =>
    chosen.map((gate) => {
      gate.mode = mode(gate)
      return modeOf(gate)
    })

  const circuitsNow = (): ReadonlyArray<Circuit> =>
    built === undefined
      ? []
      : [...breakersOf(built)].flatMap(([breaker, control]) =>
          control.circuits().map(({ forced, key, state }) => ({ breaker, key, state, forced: forced ?? null }))
        )

  const force = (to: "open" | "closed", options: ForceOptions | undefined) =>
    Effect.suspend(() => {
      if (built === undefined) return refuse("NotBuilt", "it is a mock, which sends nothing")
      const { breaker, key } = options ?? {}
      const breakers = breakersOf(built)
      if (breaker !== undefined && !breakers.has(breaker)) {
        return refuse("NoSuchBreaker", `there is no breaker ${breaker}; there is ${list(breakers.keys()) || "none"}`)
      }
      if (key !== undefined && breakers.size === 0) {
        return refuse("NoSuchBreaker", "there is no breaker that could have this circuit")
      }
      const whole = breaker === undefined && key === undefined
      if (whole) built.switch.off = to === "open"
      for (const [name, control] of breakers) {
        if (breaker !== undefined && breaker !== name) continue
        control.force(key, to)
        // Without a key it holds for every circuit, whatever was forced before.
        for (const [id, other] of key === undefined ? built.forced : []) {
          if (other.breaker === name) built.forced.delete(id)
        }
        built.forced.set(JSON.stringify([name, key ?? null]), { breaker: name, key: key ?? null, to })
      }
      const which = key === undefined ? "every circuit" : `the circuit ${key}`
      const idle = gates.filter(
        ({ mode, name, slot }) =>
          slot === "circuitBreaker" && mode !== "enforce" && (breaker === undefined || name === breaker)
      )
      const but = idle.map(({ mode, name, operation }) => `${name} of ${operation} is in ${mode}`)
      return tell(
        to === "open" ? "forceOpen" : "forceClosed",
        whole
          ? `an operator switched it ${to === "open" ? "off: every attempt is turned away" : "on, whatever its circuits say"}`
          : `an operator forced ${which} of ${breaker ?? list(breakers.keys())} ${to}${but.length === 0 ? "" : `, but ${list(but)}`}`,
        options
      )
    })

  return {
    integration,
    modes: Effect.sync(() => gates.map(modeOf)),
    circuits: Effect.sync(circuitsNow),
    snapshot: Effect.sync(() => ({
      integration,
      switchedOff: built?.switch.off ?? false,
      modes: gates.map(modeOf),
      circuits: circuitsNow(),
      forced: [...(built?.forced.values() ?? [])],
      plan: built?.plan() ?? []
    })),
    setMode: ({ by, mode, operation, policy, reason }) =>
      Effect.suspend(() => {
        if (built === undefined) return refuse("NotBuilt", "it is a mock, which has no layers")
        if (operation !== undefined && !built.operations.includes(operation)) {
          return refuse("NoSuchOperation", `there is no operation ${operation}; there is ${list(built.operations)}`)
        }
        const within = gates.filter((gate) => operation === undefined || gate.operation === operation)
        const chosen = within.filter((gate) => gate.slot === policy || gate.name === policy)
        if (chosen.length === 0) {
          const where = operation === undefined ? "" : ` in ${operation}`
          const names = list(within.flatMap(({ name, slot }) => (name === slot ? [slot] : [slot, name])))
          return refuse("NoSuchLayer", `there is no layer ${policy}${where}; there is ${names}`)
        }
        const blind = mode === "observe" ? chosen.filter((gate) => !gate.observes) : []
        if (blind.length > 0) {
          return refuse(
            "CanNotObserve",
            `${list(blind.map(({ name }) => name))} can't tell what it would do: let it enforce, or switch it off`
          )
        }
        const changed = set(chosen, () => mode)
        return Effect.as(
          tell("setMode", `an operator set ${policy} of ${list(changed.map((each) => each.operation))} to ${mode}`, {
            by,
            reason
          }),
          changed
        )
      }),
    shadow: (because) =>
      Effect.suspend(() => {
        const changed = set(
          gates.filter(({ observes, slot }) => observes && limits.has(slot)),
          () => "observe"
        )
        return Effect.as(tell("shadow", "an operator set every limit to observe: they bound nothing", because), changed)
      }),
    resume: (because) =>
      Effect.suspend(() => {
        set(gates, (gate) => gate.initial)
        if (built !== undefined) {
          built.switch.off = false
          for (const control of breakersOf(built).values()) control.force(undefined, undefined)
          built.forced.clear()
        }
        return tell("resume", "an operator went back to what its policy says", because)
      }),
    forceOpen: (options) => force("open", options),
    forceClosed: (options) => force("closed", options)
  }
}
