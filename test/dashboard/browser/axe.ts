/** What axe finds on a page, as sentences: nothing on one that everybody can use. */
import axe from "axe-core"
import type { Page } from "playwright-core"

interface Results {
  readonly violations: ReadonlyArray<{
    readonly id: string
    readonly help: string
    readonly nodes: ReadonlyArray<{ readonly target: ReadonlyArray<string>; readonly failureSummary?: string }>
  }>
  readonly passes: ReadonlyArray<unknown>
}

/** All rules that axe has, best practices included. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  // By the debugger's protocol, which the page's policy does not bind.
  await page.evaluate(axe.source)
  const { passes, violations } = await page.evaluate<Results>("axe.run()")
  // A run that looked at nothing finds nothing.
  if (passes.length < 20) return [`axe passed only ${passes.length} rules`]
  return violations.flatMap(({ help, id, nodes }) =>
    nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")}: ${node.failureSummary ?? ""}`)
  )
}
