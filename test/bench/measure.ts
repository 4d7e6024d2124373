/** Measuring one call: CPU time of the main thread and garbage, case beside case, in rounds of random order. */

export interface Case {
  readonly name: string
  /** Runs `n` calls, one after the other or `concurrency` at a time. */
  readonly run: (n: number) => Promise<void>
}

export interface Figures {
  readonly name: string
  /** Nanoseconds of CPU per call: the median round, and the best. */
  readonly cpu: number
  readonly best: number
  /** Microseconds of wall time per call, of the median round. */
  readonly wall: number
  /** Bytes of heap per call. */
  readonly bytes: number
}

const cpuNanos = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) * 1000
}

/** A window must be long: the thread's CPU clock ticks coarsely. */
const window = 400_000_000

const calibrate = async (run: Case["run"]): Promise<number> => {
  let n = 64
  for (;;) {
    const before = cpuNanos()
    const began = performance.now()
    await run(n)
    const cpu = cpuNanos() - before
    if (cpu > window / 4 || performance.now() - began > 2_000)
      return Math.max(64, Math.round((n * window) / Math.max(cpu, 1)))
    n *= 4
  }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

export const measure = async (cases: ReadonlyArray<Case>, rounds: number): Promise<ReadonlyArray<Figures>> => {
  const sizes = new Map<string, number>()
  const samples = new Map<string, Array<{ cpu: number; wall: number }>>()
  for (const { name, run } of cases) {
    await run(20_000)
    sizes.set(name, await calibrate(run))
    samples.set(name, [])
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of cases.toSorted(() => Math.random() - 0.5)) {
      const n = sizes.get(name)!
      const before = cpuNanos()
      const began = performance.now()
      await run(n)
      samples.get(name)!.push({ cpu: (cpuNanos() - before) / n, wall: ((performance.now() - began) * 1000) / n })
    }
  }
  const out: Array<Figures> = []
  for (const { name, run } of cases) {
    const own = samples.get(name)!
    out.push({
      name,
      cpu: median(own.map(({ cpu }) => cpu)),
      best: Math.min(...own.map(({ cpu }) => cpu)),
      wall: median(own.map(({ wall }) => wall)),
      bytes: await allocated(run)
    })
  }
  return out
}

/** Bytes per call. Without `--expose-gc` and a large young generation a collection may fall inside: the least of five. */
const allocated = async (run: Case["run"]): Promise<number> => {
  let least = Infinity
  const n = 2_000
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    await run(n)
    const used = (process.memoryUsage().heapUsed - before) / n
    if (used > 0) least = Math.min(least, used)
  }
  return least
}

export const table = (title: string, figures: ReadonlyArray<Figures>, reference: string): string => {
  const base = figures.find(({ name }) => name === reference)!
  const width = Math.max(...figures.map(({ name }) => name.length))
  const row = (name: string, ...cells: ReadonlyArray<string>) =>
    `  ${name.padEnd(width)}  ${cells.map((cell) => cell.padStart(10)).join(" ")}`
  return [
    title,
    row("", "CPU ns", "best ns", "wall µs", "bytes", `× ${"ref".padStart(3)}`),
    ...figures.map(({ best, bytes, cpu, name, wall }) =>
      row(
        name,
        cpu.toFixed(0),
        best.toFixed(0),
        wall.toFixed(1),
        Number.isFinite(bytes) ? bytes.toFixed(0) : "-",
        (cpu / base.cpu).toFixed(2)
      )
    ),
    `  ref: ${reference}`
  ].join("\n")
}
