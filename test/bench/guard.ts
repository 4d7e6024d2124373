/**
 * `npm run bench:guard`: has a call become more expensive than the committed table, test/bench/table.json, says?
 *
 * Garbage per call is compared with the committed bytes (5 %); that figure is steady. Ratios of CPU are compared with their
 * target and 15 %, or with the committed ratio and 15 % where the table says that the target is missed; what is over its
 * limit is measured once more and then judged by the least CPU of all rounds, since a neighbour may have been at work.
 */
import type { CaseId } from "./cases.ts"
import { bytesVerdict, ratioVerdict, type Verdict } from "./budget.ts"
import { readTable } from "./report.ts"
import { leastOf, resultOf, type Round, type Target } from "./suite.ts"
import { checked, inProcess, measureCase, measureRound } from "./suites/inProcess.ts"

const guarded = [
  "breakwater",
  "breakwater-otel",
  "breakwater-key",
  "breakwater-effect",
  "breakwater-parity"
] as const satisfies ReadonlyArray<CaseId>

const rounds = 2

const print = (line: string) => process.stdout.write(`${line}\n`)
const told = ({ fine, line }: Verdict): boolean => {
  print(`${fine ? "ok  " : "FAIL"} ${line}`)
  return fine
}

/** The cases that a target reads, found by what its ratio asks of a round. */
const needs = ({ ratio }: Target): ReadonlyArray<CaseId> => {
  const asked = new Set<CaseId>()
  ratio(
    new Proxy<Round>(
      {},
      {
        get: (_, id) => {
          asked.add(id as CaseId)
          return 1
        }
      }
    )
  )
  return [...asked]
}

const measure = async (targets: ReadonlyArray<Target>): Promise<ReadonlyArray<Round>> => {
  const ids = [...new Set(targets.flatMap(needs))]
  const measured: Array<Round> = []
  for (let n = 0; n < rounds; n++) measured.push(await measureRound("time", ids, () => {}))
  return measured
}

const main = async (): Promise<number> => {
  const table = readTable()
  if (table === undefined) {
    print("bench:guard: there is no test/bench/table.json: npm run bench -- --write")
    return 1
  }
  const began = performance.now()
  const { targets } = await inProcess()
  await checked([...new Set([...guarded, ...targets.flatMap(needs)])])

  let fine = true
  for (const id of guarded) fine = told(bytesVerdict(table, id, await measureCase("bytes", id))) && fine

  const judge = (judged: ReadonlyArray<Target>, measured: ReadonlyArray<Round>) =>
    judged.map((target) => ({ target, verdict: ratioVerdict(table, target, resultOf(target, measured)) }))
  const measured = await measure(targets)
  const first = judge(targets, measured)
  const over = first.filter(({ verdict }) => !verdict.fine)
  for (const { verdict } of first) if (verdict.fine) told(verdict)
  if (over.length > 0) {
    for (const { verdict } of over) print(`     ${verdict.line}: over, once more`)
    const again = over.map(({ target }) => target)
    const least = leastOf([...measured, ...(await measure(again))])
    for (const { verdict } of judge(again, [least])) fine = told(verdict) && fine
  }
  print(
    `bench:guard: ${fine ? "no worse than committed" : "worse than committed"}, ${((performance.now() - began) / 1000).toFixed(0)} s`
  )
  return fine ? 0 : 1
}

process.exitCode = await main().catch((problem: unknown) => {
  print(`bench:guard: ${(problem as Error).message}`)
  return 1
})
