/**
 * The servers of a soak: processes that are started, struck at a point, and started again.
 */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import type { Bundle } from "./bundle.ts"
import type { PgWire } from "./pgWire.ts"
import type { Go, Point, Setup, Told } from "./protocol.ts"

/**
 * - `kill`: SIGKILL.
 * - `stop`: SIGSTOP for longer than a lease, while the others go on, and then SIGCONT.
 * - `cut`: the process lives, and loses its connection to the database.
 */
export type Strike = "kill" | "stop" | "cut"

/** A request that is awaited at a point, by one server. */
export interface Aim {
  readonly key: string
  readonly point: Point
  readonly strike: Strike
  readonly server: Server
  /** The request is at the point. */
  arrived: boolean
  /** Which of its requests that is. */
  attempt: string
}

export interface Server {
  readonly index: number
  child: ChildProcess
  dead: boolean
  /** Where it listens; undefined while it starts or is stopped. */
  port: number | undefined
  aim: Aim | undefined
  /** A request that is to hold a claim while the process is killed for another one that holds none. */
  companion: string | undefined
}

export interface Options {
  readonly setup: Omit<Setup, "keepsCode">
  readonly bundle: Bundle
  readonly servers: number
  readonly random: () => number
  readonly wire: PgWire | undefined
  readonly isAnswered: (key: string) => boolean
  /** Sends a request of another key to this server, which is awaited after its claim. Returns its key. */
  readonly sendCompanion: (server: Server) => string
  /** It was struck. A kill counts if the process held a claim. */
  readonly onStruck: (aim: Aim, counts: boolean) => void
  readonly onSwept: (forgotten: number) => void
  readonly onFenced: (key: string) => void
  readonly onBroken: (what: string) => void
}

export interface Servers {
  /** Those that listen. */
  readonly ready: () => ReadonlyArray<Server>
  readonly describe: () => string
}

export const servers = (options: Options): Effect.Effect<Servers, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bundle, isAnswered, onBroken, onFenced, onStruck, onSwept, random, sendCompanion, setup, wire } = options
    const all: Array<Server> = []
    let closed = false
    let started = 0

    const start = (server: Server) => {
      const child = fork(bundle.file, [JSON.stringify({ ...setup, keepsCode: ++started === 1 })], {
        env: { ...process.env, NODE_COMPILE_CACHE: bundle.cache },
        execArgv: [],
        stdio: ["ignore", "inherit", "inherit", "ipc"]
      })
      server.child = child
      server.dead = false
      server.port = undefined
      server.companion = undefined
      child.on("message", (told: Told) => {
        // What a process said before it was killed may come later than its death. It did it all the same.
        if (told._tag === "Swept") onSwept(told.forgotten)
        else if (server.child === child && !server.dead) heard(server, told)
      })
      // The channel of a process that was killed.
      child.on("error", () => {})
      child.on("exit", (code, signal) => {
        server.port = undefined
        if (closed) return
        if (signal !== "SIGKILL") onBroken(`a server ended by itself: ${code ?? signal}`)
        start(server)
      })
    }

    const go = (server: Server, key: string) => server.child.send({ go: key } satisfies Go, () => {})

    const heard = (server: Server, told: Exclude<Told, { readonly _tag: "Swept" }>) => {
      switch (told._tag) {
        case "Ready":
          server.port = told.port
          return
        case "Fenced":
          return onFenced(told.key)
        case "Broken":
          return onBroken(told.what)
      }
      const { aim } = server
      if (aim === undefined) return go(server, told.key)
      if (told.key === server.companion) return kill(server, aim, true)
      if (told.key !== aim.key) return go(server, told.key)
      // A repeat of the same request, whose client had given up too early.
      if (aim.arrived) return
      aim.arrived = true
      aim.attempt = told.attempt
      if (told._tag === "Committing") return commits(server, aim, told)
      if (aim.strike === "stop") return stop(server, aim)
      // One sweep of many, each of which takes less than a millisecond.
      if (aim.point === "during sweep" && told.claims > 0) return killAfter(random() * 5, server, aim)
      if (told.claims > 0) return kill(server, aim, true)
      server.companion = sendCompanion(server)
      const child = server.child
      setTimeout(() => {
        if (server.child === child && server.aim === aim) kill(server, aim, false)
      }, 4_000)
    }

    const commits = (server: Server, aim: Aim, { backend }: Told & { readonly _tag: "Committing" }) => {
      if (backend === undefined) {
        // A commit to a file: some milliseconds, of which one is met.
        if (aim.strike === "stop") return stop(server, aim)
        const after = random() < 0.5 ? 0 : random() * 10
        if (after === 0) return kill(server, aim, true)
        return killAfter(after, server, aim)
      }
      const isHeld = wire!.hold(backend, random() < 0.5 ? "statement" : "answer", ({ cut }) => {
        if (aim.strike === "kill") return kill(server, aim, true)
        cut()
        struck(server, aim, true)
      })
      if (!isHeld) struck(server, aim, false)
      go(server, aim.key)
    }

    const killAfter = (millis: number, server: Server, aim: Aim) => {
      const { child } = server
      setTimeout(() => {
        if (server.child === child && server.aim === aim) kill(server, aim, true)
      }, millis)
    }

    const kill = (server: Server, aim: Aim, counts: boolean) => {
      server.child.kill("SIGKILL")
      server.dead = true
      server.port = undefined
      struck(server, aim, counts)
    }

    const struck = (server: Server, aim: Aim, counts: boolean) => {
      server.aim = undefined
      onStruck(aim, counts)
    }

    const stop = (server: Server, aim: Aim) => {
      const { child, port } = server
      child.kill("SIGSTOP")
      server.port = undefined
      const since = performance.now()
      const { leaseMillis, mode } = setup
      const wait = () => {
        const passed = performance.now() - since
        if (closed || server.child !== child) return
        // Under a lease another server takes over; what a transaction holds nobody can take.
        const isOver = mode === "transactional" || isAnswered(aim.key) || passed > 30_000
        if (passed < 1.3 * leaseMillis || !isOver) return void setTimeout(wait, 20)
        child.kill("SIGCONT")
        go(server, aim.key)
        server.port = port
        struck(server, aim, true)
      }
      wait()
    }

    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (let index = 0; index < options.servers; index++) {
          const server = { index, aim: undefined, companion: undefined } as unknown as Server
          all.push(server)
          start(server)
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
      ready: () => all.filter(({ port }) => port !== undefined),
      describe: () =>
        all
          .map(({ aim, companion, index, port }) => {
            const aimed = aim === undefined ? "no aim" : `${aim.strike} ${aim.point} ${aim.key} ${aim.arrived}`
            return `${index} ${port === undefined ? "away" : "ready"}, ${aimed}, ${companion ?? "alone"}`
          })
          .join("; ")
    }
  })
