/**
 * Writes `orders.ndjson`: `node examples/checkout/generate-orders.ts`. The same 1,000 orders every time; a test holds
 * the committed file equal to what this file makes.
 */
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { currencies, defaultOrdersFile, type Order } from "./orders.ts"

const catalogue: ReadonlyArray<readonly [sku: string, cents: number]> = [
  ["MUG-BLUE", 1290],
  ["MUG-WHITE", 1190],
  ["TEAPOT-1L", 3450],
  ["KETTLE-STEEL", 5990],
  ["GRINDER-HAND", 4725],
  ["FILTER-100", 695],
  ["BEANS-ETH-250", 1150],
  ["BEANS-COL-1000", 3280],
  ["SCALE-DIGITAL", 2899],
  ["APRON-LINEN-M", 3900],
  ["POSTER-A2-MAP", 2400],
  ["CANDLE-CEDAR", 1875],
  ["NOTEBOOK-A5", 995],
  ["PEN-GEL-3", 649],
  ["BAG-CANVAS", 1499],
  ["LAMP-DESK-E27", 8990],
  ["RUG-JUTE-120", 12900],
  ["CHAIR-OAK", 24900]
]
const firstNames = "ada amir beata chen dara elif femi greta hugo ines jonas kemal lea mara nils olga pia quinn".split(
  " "
)
const lastNames =
  "adler baker costa diaz ekberg fuchs gallo haas ito jansen kaya lind moreau novak okafor petrov rossi".split(" ")
const hosts = ["example.com", "example.org", "example.net", "mail.example.com"]
const cards = ["visa", "mastercard", "amex", "maestro"]

/** `count` orders from a small generator with a fixed start: no clock, no `Math.random`. */
export const generateOrders = (count: number): ReadonlyArray<Order> => {
  const next = mulberry32(20_261_124)
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <A>(values: ReadonlyArray<A>): A => values[below(values.length)] as A
  const token = () => (0x100000 + below(0xefffff)).toString(16)
  return Array.from({ length: count }, (_, index) => {
    // Most baskets are small, a few are large.
    const size = 1 + Math.floor(next() ** 3 * 5)
    const basket = new Map<string, { readonly sku: string; readonly quantity: number; readonly cents: number }>()
    while (basket.size < size) {
      const [sku, cents] = pick(catalogue)
      basket.set(sku, { sku, quantity: 1 + Math.floor(next() ** 2 * 4), cents })
    }
    const items = [...basket.values()]
    const lines = items.map(({ quantity, sku }) => ({ sku, quantity })) as unknown as Order["lines"]
    return {
      id: `ord_${String(index + 1).padStart(4, "0")}_${token().slice(0, 4)}`,
      lines,
      amount: items.reduce((sum, item) => sum + item.cents * item.quantity, 0),
      currency: pick(currencies),
      email: `${pick(firstNames)}.${pick(lastNames)}${below(90) + 10}@${pick(hosts)}`,
      cardToken: `tok_${pick(cards)}_${token()}`
    }
  })
}

export const ordersText = (): string =>
  generateOrders(1_000)
    .map((order) => `${JSON.stringify(order)}\n`)
    .join("")

const mulberry32 = (start: number) => {
  let state = start
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(defaultOrdersFile, ordersText())
