/**
 * One client over HTTP, in a process that stays: `httpChild.ts CLIENT ORIGIN`. It checks what it claims, warms up and says
 * `ready`, or what is wrong; then it answers every message with the figures of one slice.
 */
import { clients, type HttpClientPeer, isClient, type Slice } from "./http.ts"
import { cpuNanos } from "./clock.ts"

const [, , id, origin] = process.argv
if (!isClient(id) || origin === undefined) throw new Error(`there is no client ${id}`)

const concurrency = 16
/** Milliseconds: more than a hundred ticks of the CPU's clock. */
const length = 600
const ordinary = 10_000

const slice = async (call: () => Promise<unknown>, millis = length): Promise<Slice> => {
  const latencies: Array<number> = []
  const cpu = cpuNanos()
  const began = performance.now()
  const until = began + millis
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (;;) {
        const started = performance.now()
        if (started >= until) return
        await call()
        latencies.push(performance.now() - started)
      }
    })
  )
  const took = performance.now() - began
  const spent = cpuNanos() - cpu
  latencies.sort((a, b) => a - b)
  return {
    cpu: spent / latencies.length / 1_000,
    perSecond: (latencies.length * 1_000) / took,
    p50: latencies[Math.floor(latencies.length * 0.5)]!,
    p99: latencies[Math.floor(latencies.length * 0.99)]!
  }
}

const succeeds = (call: () => Promise<unknown>): Promise<boolean> =>
  call().then(
    (value) => (value as { readonly amount?: unknown }).amount === 4200,
    () => false
  )

const problemOf = async ({ has, make }: HttpClientPeer): Promise<string | undefined> => {
  if (!(await succeeds(await make(origin, "/item", ordinary)))) return "the document is not read"
  if (
    has.includes("decode") &&
    (await (
      await make(origin, "/wrong", ordinary)
    )().then(
      () => true,
      () => false
    ))
  ) {
    return "a wrong document is accepted"
  }
  if (has.includes("retry")) {
    const call = await make(origin, "/flaky", ordinary)
    for (let n = 0; n < 2; n++) if (!(await succeeds(call))) return "a 503 is not retried"
  }
  if (has.includes("timeout")) {
    const call = await make(origin, "/hang", 50)
    const began = performance.now()
    if (await succeeds(call)) return "nothing was answered, and read all the same"
    if (performance.now() - began > 3_000) return "a request that hangs is not cut"
  }
  return undefined
}

const peer = await clients[id]()
const problem = await problemOf(peer)
if (problem === undefined) {
  const call = await peer.make(origin, "/item", ordinary)
  const began = cpuNanos()
  while (cpuNanos() - began < 2_000_000_000) await slice(call, 300)
  process.on("message", () => {
    void slice(call).then((figures) => process.send!(figures))
  })
  process.send!("ready")
} else process.send!(problem)
process.once("disconnect", () => process.exit(0))
