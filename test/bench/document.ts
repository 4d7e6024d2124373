/** The one document that is fetched and decoded: an order with as many lines as its size asks for. */

export interface Order {
  readonly id: string
  readonly amount: number
  readonly currency: string
  readonly lines: ReadonlyArray<{ readonly sku: string; readonly quantity: number; readonly price: number }>
}

const orderOf = (lines: number): Order => ({
  id: "order-1",
  amount: 4200,
  currency: "EUR",
  lines: Array.from({ length: lines }, (_, n) => ({ sku: `sku-${n}`, quantity: n + 1, price: 100 * n }))
})

/** JSON of about 1 KB and about 100 KB. */
export const texts = { "1k": JSON.stringify(orderOf(22)), "100k": JSON.stringify(orderOf(2_150)) } as const

export type Size = keyof typeof texts
