/**
 * The provider process: three hostile HTTP servers per run, on ports of their own. Started by `provider/handle.ts`,
 * controlled over IPC. The sockets are Node's own; the keys are remembered by breakwater's receiver (`provider/state.ts`).
 */
import type { CommandMessage, Replies, ReplyMessage } from "./provider/protocol.ts"
import { HostileRun } from "./provider/wire.ts"

const runs = new Map<number, HostileRun>()

const obey = async ({ command }: CommandMessage): Promise<Replies[keyof Replies]> => {
  if (command.type === "start") {
    const run = new HostileRun(command.plan)
    runs.set(command.run, run)
    return run.start()
  }
  const run = runs.get(command.run)
  if (run === undefined) throw new Error(`no run ${command.run}`)
  switch (command.type) {
    case "change":
      run.change(command.plan)
      return null
    case "settle":
      await run.settle()
      return null
    case "audit":
      return run.audit()
    case "stop":
      run.stop()
      runs.delete(command.run)
      return null
  }
}

const reply = (message: ReplyMessage): void => {
  if (process.connected) process.send?.(message)
}

process.on("message", (message: CommandMessage) => {
  obey(message).then(
    (ok) => reply({ id: message.id, ok }),
    (error: unknown) => reply({ id: message.id, error: String(error) })
  )
})

// Ctrl-C reaches the whole process group. The harness still needs the ledger then, so only it decides when we end:
// by closing the channel, which also happens when it dies.
process.on("SIGINT", () => {})
process.on("SIGTERM", () => {})
process.on("disconnect", () => process.exit(0))
