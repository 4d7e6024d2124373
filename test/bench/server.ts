/**
 * Answers every request on a keep-alive connection with one canned document, as cheaply as Node can, so that the client is
 * what is measured. Other paths are for checks: `/wrong` another document, `/flaky` every other request 503, `/hang` nothing.
 */
import { createServer } from "node:net"
import { texts } from "./document.ts"

const answer = (status: string, body: string) =>
  Buffer.from(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: keep-alive\r\n\r\n${body}`
  )
const right = answer("200 OK", texts["1k"])
const wrong = answer("200 OK", texts["1k"].replace('"amount":4200', '"amount":"4200"'))
const unavailable = answer("503 Service Unavailable", "{}")

let flaky = 0

const answerTo = (head: string): Buffer | undefined => {
  if (head.startsWith("GET /item ")) return right
  if (head.startsWith("GET /wrong ")) return wrong
  if (head.startsWith("GET /flaky ")) return flaky++ % 2 === 0 ? unavailable : right
  return undefined
}

const server = createServer((socket) => {
  let pending = ""
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1")
    for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
      const head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      const found = answerTo(head)
      if (found !== undefined) socket.write(found)
    }
  })
})
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as { readonly port: number }).port))
process.once("disconnect", () => process.exit(0))
