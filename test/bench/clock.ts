/** CPU time of this thread, and what a loop of calls takes of it. */

/** Nanoseconds. The clock ticks every few milliseconds, so a window must be long: see `window`. */
export const cpuNanos = (): number => {
  const { system, user } = process.threadCpuUsage()
  return (system + user) * 1000
}

/** Half a second: one tick of the clock is less than one percent of it. */
const window = 500_000_000

/** Effect compositions take tens of thousands of calls until V8 has settled on their code. */
const warmup = { calls: 60_000, nanos: 1_200_000_000, atMost: 4_000_000_000 }

export type Loop = (n: number) => Promise<void>

/** Runs until the code is warm; returns the calls of the last step and the CPU that one of them took. */
export const warm = async (run: Loop): Promise<number> => {
  const began = cpuNanos()
  let calls = 0
  let n = 64
  for (;;) {
    const before = cpuNanos()
    await run(n)
    calls += n
    const now = cpuNanos()
    const spent = now - began
    if (spent >= warmup.atMost || (spent >= warmup.nanos && calls >= warmup.calls)) {
      return (now - before) / n
    }
    if (now - before < 50_000_000) n *= 2
  }
}

/** Nanoseconds of CPU per call, in one window after the code is warm. */
export const timed = async (run: Loop): Promise<number> => {
  const each = Math.max(1, await warm(run))
  const step = Math.max(1, Math.ceil(20_000_000 / each))
  const before = cpuNanos()
  let calls = 0
  for (;;) {
    await run(step)
    calls += step
    const spent = cpuNanos() - before
    if (spent >= window) return spent / calls
  }
}
