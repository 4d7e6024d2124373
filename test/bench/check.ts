/** Does a peer do what its row says? Nothing is measured before every claim was seen to be true. */
import type { Feature, Leaf, Peer, Settings } from "./peer.ts"
import { settings as ordinary } from "./peer.ts"

type Outcome = { readonly _tag: "Resolved"; readonly value: unknown } | { readonly _tag: "Rejected" }

/** A call settles, or its peer hangs: then a check says so instead of waiting for ever. */
const settledWithin =
  (within: number) =>
  async (call: Promise<unknown>): Promise<Outcome> => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not settled within ${within} ms`)), within)
    })
    const outcome = call.then(
      // A peer may return its failure as a value, as an Effect program has it.
      (value): Outcome =>
        (value as { readonly _tag?: string } | undefined)?._tag === "Failure"
          ? { _tag: "Rejected" }
          : { _tag: "Resolved", value: (value as { readonly value?: unknown } | undefined)?.value ?? value },
      (): Outcome => ({ _tag: "Rejected" })
    )
    try {
      return await Promise.race([outcome, late])
    } finally {
      clearTimeout(timer)
    }
  }

const expect = (fine: boolean, problem: string): void => {
  if (!fine) throw new Error(problem)
}

/** Never answers; rejects when its signal is aborted, as an API that takes a signal does. */
const hanging =
  (seen: Array<AbortSignal | undefined>): Leaf =>
  (signal) => {
    seen.push(signal)
    return new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true })
    })
  }

const withSettings = (over: Partial<Settings>): Settings => ({ ...ordinary, observed: true, ...over })

const ok: Leaf = () => Promise.resolve("ok")
const failing = (calls: { n: number }): Leaf => {
  return () => {
    calls.n++
    return Promise.reject(new Error("down"))
  }
}

type Settled = (call: Promise<unknown>) => Promise<Outcome>

const checks: Readonly<Record<Feature, (make: Peer["make"], settled: Settled) => Promise<void>>> = {
  retry: async (make, settled) => {
    let calls = 0
    const leaf: Leaf = () => (++calls === 1 ? Promise.reject(new Error("down")) : Promise.resolve("ok"))
    const outcome = await settled((await make(leaf, withSettings({}))).call())
    expect(outcome._tag === "Resolved" && calls === 2, `one failure: ${outcome._tag} after ${calls} attempts`)
  },
  attemptTimeout: async (make, settled) => {
    const began = performance.now()
    const outcome = await settled((await make(hanging([]), withSettings({ attempt: 50, retries: 0 }))).call())
    const took = performance.now() - began
    expect(outcome._tag === "Rejected" && took < 2_000, `a hanging attempt: ${outcome._tag} after ${took} ms`)
  },
  totalTimeout: async (make, settled) => {
    const began = performance.now()
    // Fifty attempts would take three seconds.
    const settings = withSettings({ attempt: 60, total: 150, retries: 50 })
    const outcome = await settled((await make(hanging([]), settings)).call())
    const took = performance.now() - began
    expect(outcome._tag === "Rejected" && took < 2_000, `a hanging call: ${outcome._tag} after ${took} ms`)
  },
  abort: async (make, settled) => {
    const seen: Array<AbortSignal | undefined> = []
    await settled((await make(hanging(seen), withSettings({ attempt: 50, retries: 0 }))).call())
    expect(seen[0]?.aborted === true, "the signal of an attempt that was cut is not aborted")
  },
  breaker: async (make, settled) => {
    const calls = { n: 0 }
    const { call } = await make(failing(calls), withSettings({ retries: 0, consecutive: 5, open: 60_000 }))
    for (let i = 0; i < 5; i++) await settled(call())
    expect(calls.n === 5, `${calls.n} of 5 calls were made before the circuit opened`)
    const outcome = await settled(call())
    expect(outcome._tag === "Rejected" && calls.n === 5, "a call was made though the circuit was open")
  },
  bulkhead: async (make, settled) => {
    const waiting: Array<() => void> = []
    let running = 0
    let most = 0
    const leaf: Leaf = () => {
      most = Math.max(most, ++running)
      return new Promise((resolve) =>
        waiting.push(() => {
          running--
          resolve("ok")
        })
      )
    }
    const { call } = await make(leaf, withSettings({ concurrency: 1 }))
    const both = [call(), call()].map(settled)
    // Both would be running by now, were there no bulkhead.
    const releasing = setInterval(() => waiting.shift()?.(), 10)
    const outcomes = await Promise.all(both).finally(() => clearInterval(releasing))
    expect(
      most === 1 && outcomes.every(({ _tag }) => _tag === "Resolved"),
      `${most} at a time where 1 may run: ${outcomes.map(({ _tag }) => _tag).join(", ")}`
    )
  },
  span: async (make, settled) => {
    const { call, spans } = await make(ok, withSettings({}))
    const before = spans?.() ?? 0
    await settled(call())
    const ended = (spans?.() ?? 0) - before
    // One for the call, and where a peer has them one for its attempt.
    expect(ended === 1 || ended === 2, `${ended} spans ended with one call`)
  },
  metrics: async (make, settled) => {
    const { call, counted } = await make(ok, withSettings({}))
    const before = (await counted?.()) ?? 0
    for (let i = 0; i < 3; i++) await settled(call())
    const made = ((await counted?.()) ?? 0) - before
    expect(made === 3, `3 calls were counted as ${made}`)
  },
  key: async (make, settled) => {
    const keys: Array<string | undefined> = []
    const leaf: Leaf = (_, key) => {
      keys.push(key)
      return keys.length === 1 ? Promise.reject(new Error("down")) : Promise.resolve("ok")
    }
    const { call } = await make(leaf, withSettings({}))
    await settled(call())
    await settled(call())
    const [first, again, next] = keys
    expect(
      first !== undefined && first === again && next !== undefined && next !== first,
      "attempts of a call share no key, or calls share one"
    )
  },
  decode: async (make, settled) => {
    const fine = await settled((await make(ok, withSettings({}))).call())
    expect(fine._tag === "Resolved" && fine.value === "ok", `a right answer: ${fine._tag}`)
    const outcome = await settled((await make(() => Promise.resolve({ no: 1 }), withSettings({ retries: 0 }))).call())
    expect(outcome._tag === "Rejected", "a wrong answer was accepted")
  }
}

/** The claims of a peer that are not true; `patience` is how many milliseconds a call may take before it counts as hanging. */
export const check = async (
  id: string,
  { has, make }: Pick<Peer, "has" | "make">,
  patience = 5_000
): Promise<ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const settled = settledWithin(patience)
  const answer = await settled((await make(ok, ordinary)).call())
  if (answer._tag !== "Resolved" || answer.value !== "ok") problems.push(`${id}: a call is not answered`)
  for (const feature of has) {
    await checks[feature](make, settled).catch((error: unknown) => {
      problems.push(`${id}: ${feature}: ${(error as Error).message}`)
    })
  }
  return problems
}
