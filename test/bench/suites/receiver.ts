/** The receiving side over a PostgreSQL that syncs its commits to a disk. */
import { once } from "node:events"
import { ask, start, stop } from "../spawn.ts"
import type { Round, Suite } from "../suite.ts"

const run: Suite["run"] = async ({ rounds, say }) => {
  say("checking and warming up")
  const child = start("receiverChild.ts", [])
  try {
    await ask(child)
    const measured: Array<Round> = []
    for (let n = 1; n <= rounds; n++) {
      say(`round ${n} of ${rounds}`)
      measured.push((await ask(child, "round")) as Round)
    }
    child.send("end")
    await once(child, "exit")
    return measured
  } finally {
    await stop(child)
  }
}

export const receiver = (): Promise<Suite> =>
  Promise.resolve({
    name: "receiver",
    title: "A claim and its completion over PostgreSQL on loopback, fsync on",
    method: "median time of 300 new keys per case and round, one call of each case after the other",
    rows: [
      { id: "transaction", name: "breakwater: both in one transaction", unit: "µs" },
      { id: "separate", name: "breakwater: one transaction each, which outlives a crash in between", unit: "µs" },
      {
        id: "hand",
        name: "one transaction by hand: INSERT … ON CONFLICT DO NOTHING, UPDATE",
        unit: "µs",
        docs: "https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT",
        lacks: ["limit of the wait for a lock", "lease", "fence", "take-over", "steps", "typed outcome"]
      }
    ],
    targets: [
      {
        name: "receiver, claim and complete, PostgreSQL on loopback, fsync on: time / one transaction by hand",
        ratio: (round) => round["transaction"]! / round["hand"]!,
        target: 1.3
      }
    ],
    missing: () =>
      process.env["DATABASE_URL"] === undefined
        ? "DATABASE_URL is not set: FSYNC=on .ci/stores npm run bench -- --only receiver starts a server of its own"
        : undefined,
    run
  })
