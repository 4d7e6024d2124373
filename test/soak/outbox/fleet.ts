/**
 * The processes of the outbox's soak: started, struck at a point, and started again.
 */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import type { Bundle } from "../bundle.ts"
import type { PgWire } from "../pgWire.ts"
import type { Strike } from "./plan.ts"
import type { Isolation } from "../../idempotency/racing/stores.ts"
import type { Disturbance } from "./disturbance.ts"
import { type Asked, leaseMillis, onTheWire, type Order, type Point, type Setup, type Told } from "./protocol.ts"

/** What became of a transaction, as its process told. `gone`: it did not, and will not. */
export type Ending = (Told & { readonly _tag: "Ended" })["how"] | "gone"

export interface Aim {
  readonly point: Point
  readonly strike: Strike
  readonly since: number
  /** Somebody is at the point. */
  arrived: boolean
}

export interface Process {
  readonly index: number
  name: string
  child: ChildProcess
  /** It takes orders. */
  ready: boolean
  /** It was killed, or told to end. */
  dead: boolean
  aim: Aim | undefined
  /** How often it was about to lose its connections, or had lost them. */
  cuts: number
  /** Until when it may meet a connection that is lost. */
  cutUntil: number
  readonly places: Map<string, (ending: Ending) => void>
  readonly redrives: Map<string, () => void>
}

export interface Options {
  readonly setup: Omit<Setup, "keepsCode" | "name">
  readonly bundle: Bundle
  readonly processes: number
  readonly random: () => number
  readonly wire: PgWire | undefined
  readonly isolation: Isolation | undefined
  /** Ends the connections of a process, and says how many it were. */
  readonly cutOff: (name: string, then: (connections: number) => void) => void
  readonly onDisturbed: (by: Disturbance, what: "order" | "verdict") => void
  readonly onStruck: (aim: Aim, counts: boolean) => void
  readonly onOffered: (order: string, by: Process) => void
  readonly onSweep: (sweep: string) => void
  readonly onSwept: (forgotten: number) => void
  readonly onFenced: () => void
  readonly onBroken: (what: string) => void
}

/** How long a point is waited for, in milliseconds. */
const patience = 8_000
/** How long after a cut a process may still come upon it, in milliseconds: what it does for a call ends by then. */
const aftermath = 2 * leaseMillis

export type Fleet = Effect.Success<ReturnType<typeof fleetOf>>

export const fleetOf = (options: Options) =>
  Effect.gen(function* () {
    const {
      bundle,
      cutOff,
      isolation,
      onBroken,
      onDisturbed,
      onFenced,
      onOffered,
      onStruck,
      onSweep,
      onSwept,
      random,
      setup,
      wire
    } = options
    const all: Array<Process> = []
    let closed = false
    let started = 0
    /** Whether what failed did so because of what is done to it here. */
    const isDisturbed = (process_: Process, what: "order" | "verdict", by: Disturbance | undefined): boolean => {
      const isSo =
        by === "connection" ? performance.now() < process_.cutUntil : by === "conflict" && isolation === "serializable"
      if (isSo) onDisturbed(by!, what)
      return isSo
    }
    const send = ({ child }: Process, asked: Asked) => void (child.connected && child.send(asked, () => {}))

    const start = (process_: Process) => {
      const name = `${process_.index}.${++started}`
      const child = fork(bundle.file, [JSON.stringify({ ...setup, name, keepsCode: started === 1 } satisfies Setup)], {
        env: { ...process.env, NODE_COMPILE_CACHE: bundle.cache },
        execArgv: [],
        stdio: ["ignore", "inherit", "inherit", "ipc"]
      })
      Object.assign(process_, { name, child, ready: false, dead: false, aim: undefined })
      child.on("message", (told: Told) => {
        // What a process said before it was killed may come later than its death. It did it all the same.
        if (told._tag === "Swept") onSwept(told.forgotten)
        else if (told._tag === "Fenced") onFenced()
        else if (told._tag === "Broken") {
          if (!isDisturbed(process_, "verdict", told.by)) onBroken(told.what)
        } else if (process_.child === child) heard(process_, told)
      })
      // The channel of a process that was killed.
      child.on("error", () => {})
      child.on("exit", (code, signal) => {
        process_.ready = false
        if (closed) return
        if (signal !== "SIGKILL" && !process_.dead) onBroken(`a process ended by itself: ${code ?? signal}`)
        if (process_.aim !== undefined) struck(process_, process_.aim, false)
        const asking = [...process_.places.values()].map((ended) => () => ended("gone"))
        for (const gone of [...asking, ...process_.redrives.values()]) gone()
        process_.places.clear()
        process_.redrives.clear()
        start(process_)
      })
    }

    const heard = (process_: Process, told: Exclude<Told, { readonly _tag: "Swept" | "Fenced" | "Broken" }>) => {
      switch (told._tag) {
        case "Ready":
          process_.ready = true
          return
        case "Offered":
          return onOffered(told.order, process_)
        case "Ended": {
          const ended = process_.places.get(told.order)
          process_.places.delete(told.order)
          // Who is told to end gives up what it is at.
          if (told.how === "failed" && !process_.dead && !isDisturbed(process_, "order", told.by))
            onBroken(`a transaction failed (${told.by ?? "by itself"}): ${told.order}: ${told.why}`)
          return ended?.(told.how)
        }
        case "Redriven": {
          process_.redrives.get(told.id)?.()
          return void process_.redrives.delete(told.id)
        }
      }
      const { aim } = process_
      const point = told._tag === "At" ? told.point : "during verdict commit"
      if (told._tag === "At" && told.sweep !== undefined) onSweep(told.sweep)
      if (process_.dead || aim === undefined || aim.arrived || aim.point !== point)
        return send(process_, { _tag: "GoOn" })
      aim.arrived = true
      if (told._tag === "Committing") return commits(process_, aim, told.backend)
      if (aim.strike === "stop") return stop(process_, aim)
      if (aim.strike === "cut") return cut(process_, aim)
      // One statement, or one of many, each of which takes about a millisecond.
      if (point === "during redrive") return killAfter(random() * 4, process_, aim)
      if (point === "during sweep") return killAfter(random() * 20, process_, aim)
      kill(process_, aim)
    }

    const commits = (process_: Process, aim: Aim, backend: number | undefined) => {
      // A commit to a file: some milliseconds, of which one is met.
      if (backend === undefined) return killAfter(random() < 0.5 ? 0 : random() * 10, process_, aim)
      const isHeld = wire!.hold(backend, random() < 0.5 ? "statement" : "answer", () =>
        aim.strike === "cut" ? cut(process_, aim) : kill(process_, aim)
      )
      if (!isHeld) struck(process_, aim, false)
      send(process_, { _tag: "GoOn" })
    }

    const killAfter = (millis: number, process_: Process, aim: Aim) => {
      if (millis === 0) return kill(process_, aim)
      setTimeout(() => kill(process_, aim), millis)
    }
    const kill = (process_: Process, aim: Aim) => {
      if (process_.aim !== aim) return
      process_.child.kill("SIGKILL")
      process_.dead = true
      process_.ready = false
      struck(process_, aim, true)
    }
    const struck = (process_: Process, aim: Aim, counts: boolean) => {
      process_.aim = undefined
      onStruck(aim, counts)
    }
    const cut = (process_: Process, aim: Aim) => {
      const { child } = process_
      process_.cuts++
      process_.cutUntil = Infinity
      cutOff(process_.name, (connections) => {
        process_.cuts++
        process_.cutUntil = performance.now() + aftermath
        if (closed || process_.child !== child) return
        send(process_, { _tag: "GoOn" })
        struck(process_, aim, connections > 0)
      })
    }
    const stop = (process_: Process, aim: Aim) => {
      const { child } = process_
      child.kill("SIGSTOP")
      process_.ready = false
      // Its lease began before, and another one looks for what is left ten times a second.
      setTimeout(() => {
        if (closed || process_.child !== child) return
        child.kill("SIGCONT")
        send(process_, { _tag: "GoOn" })
        process_.ready = true
        struck(process_, aim, true)
      }, leaseMillis * 1.4)
    }

    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (let index = 0; index < options.processes; index++) {
          const process_ = { index, cuts: 0, cutUntil: 0, places: new Map(), redrives: new Map() } as unknown as Process
          all.push(process_)
          start(process_)
        }
      }),
      () =>
        Effect.callback<void>((resume) => {
          closed = true
          let left = all.length
          for (const { child } of all) {
            const gone = () => (--left === 0 ? resume(Effect.void) : undefined)
            if (child.exitCode !== null || child.signalCode !== null) gone()
            else {
              child.once("exit", gone)
              child.kill("SIGKILL")
            }
          }
        })
    )
    return {
      ready: () => all.filter(({ ready }) => ready),
      place: (process_: Process, order: Order): Effect.Effect<Ending> =>
        Effect.callback((resume) => {
          process_.places.set(order.order, (ending) => resume(Effect.succeed(ending)))
          send(process_, { _tag: "Order", order })
        }),
      commit: (process_: Process, order: string) => send(process_, { _tag: "Commit", order }),
      /** Returns when the process has done it, or is gone. */
      redrive: (process_: Process, entry: { readonly id: string; readonly generation: number }): Effect.Effect<void> =>
        Effect.callback((resume) => {
          process_.redrives.set(entry.id, () => resume(Effect.void))
          send(process_, { _tag: "Redrive", ...entry })
        }),
      aimAt: (process_: Process, next: Pick<Aim, "point" | "strike">) => {
        process_.aim = { ...next, since: performance.now(), arrived: false }
        if (!onTheWire.has(next.point)) send(process_, { _tag: "Arm", point: next.point })
      },
      /** Gives up aims at points to which nobody comes. */
      forget: () => {
        for (const process_ of all) {
          const { aim } = process_
          if (aim === undefined || aim.arrived || performance.now() - aim.since < patience) continue
          send(process_, { _tag: "Arm", point: undefined })
          struck(process_, aim, false)
        }
      },
      /** The provider is at work for a request of this process. How much longer it is to be, in milliseconds. */
      atWork: (name: string | undefined, isRedriven: boolean): number => {
        const process_ = all.find((one) => one.name === name && !one.dead)
        const aim = process_?.aim
        if (process_ === undefined || aim === undefined || aim.arrived || !onTheWire.has(aim.point)) return 0
        if (aim.point === "during redriven attempt" && !isRedriven) return 0
        aim.arrived = true
        if (aim.point === "during graceful stop") {
          process_.child.kill("SIGTERM")
          process_.dead = true
          process_.ready = false
          killAfter(1 + random() * 250, process_, aim)
          return random() * 400
        }
        if (aim.strike === "stop") stop(process_, aim)
        else kill(process_, aim)
        return random() < 0.5 ? 0 : random() * 50
      },
      describe: () =>
        all
          .map(({ aim, dead, name, ready }) => {
            const aimed = aim === undefined ? "no aim" : `${aim.strike} ${aim.point} ${aim.arrived}`
            return `${name} ${ready ? "ready" : dead ? "dead" : "away"}, ${aimed}`
          })
          .join("; ")
    }
  }) satisfies Effect.Effect<unknown, never, Scope.Scope>
