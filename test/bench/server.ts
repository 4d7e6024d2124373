/** Answers every request on a keep-alive connection with one canned document, as cheaply as Node can. */
import { createServer } from "node:net"

const body = JSON.stringify({
  id: "item-1",
  amount: 4200,
  currency: "EUR",
  lines: Array.from({ length: 12 }, (_, i) => ({ sku: `sku-${i}`, quantity: i + 1, price: 100 * i }))
})
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: keep-alive\r\n\r\n${body}`
)

const server = createServer((socket) => {
  let pending = ""
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1")
    for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
      pending = pending.slice(end + 4)
      socket.write(answer)
    }
  })
})
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as { readonly port: number }).port))
process.once("disconnect", () => process.exit(0))
