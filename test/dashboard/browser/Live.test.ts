/** The page over the real dashboard, real integrations and real calls. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { violations } from "./axe.ts"
import { launch, missing, open, type OpenOptions, skip, type Watched } from "./chromium.ts"
import { openShop, type Shop, type ShopOptions } from "./shop.ts"

let browser: Browser
beforeAll(async () => {
  if (!skip) browser = await launch()
})
afterAll(() => browser?.close())

const withShop = async (
  options: ShopOptions,
  use: (world: Watched & { readonly shop: Shop }) => Promise<void>,
  watching: OpenOptions = {}
) => {
  const shop = await openShop(options)
  const watched = await open(browser, shop.url, watching)
  try {
    await watched.page.waitForSelector("#connection[data-state=live]")
    await use({ ...watched, shop })
    assert.deepStrictEqual(watched.faults, [])
  } finally {
    await watched.close()
    await shop.stop()
  }
}

const snapshotOf = (shop: Shop): Promise<{ readonly slowest: unknown; readonly headline: string }> =>
  fetch(`${shop.url}/snapshot.json`).then((_) => _.json() as never)

describe.skipIf(skip)(`the dashboard in a browser${skip ? ` (skipped: ${missing})` : ""}`, { timeout: 60_000 }, () => {
  it("names a provider that has become slow within 3 seconds, and that it is the provider", () =>
    withShop({}, async ({ page, shop }) => {
      assert.strictEqual(await page.locator("#now").getAttribute("data-state"), "calm")
      shop.slow(1_500)
      await page.locator("#headline", { hasText: "Payments" }).waitFor({ timeout: 3_000 })
      assert.strictEqual(await page.locator("#now").getAttribute("data-state"), "slow")
      const tile = page.locator(".tile", { hasText: "shop/Payments" })
      await tile.locator(".badge", { hasText: "slow: provider" }).waitFor()
      assert.strictEqual(await page.locator(".badge[data-kind=slow]").count(), 1, "and the other integration is not")
    }))

  it("shows the same after a reload as before", () =>
    withShop({}, async ({ page }) => {
      await page.getByRole("button", { name: "shop/Shipping" }).click()
      await page.reload()
      await page.waitForSelector("#connection[data-state=live]")
      const details = page.locator(".tile[data-open=true]")
      assert.include(await details.innerText(), "GET /orders/:id")
      assert.strictEqual(await page.locator(".tile").count(), 2)
    }))

  it("goes on after the server has been restarted on the same port", () =>
    withShop(
      {},
      async ({ page, shop }) => {
        const began = await page.locator("#process").getAttribute("title")
        assert.match(began ?? "", /^\d{4}-\d\d-\d\dT/)
        await shop.stop()
        await page.waitForSelector("#connection[data-state=reconnecting]")
        const again = await openShop({ port: shop.port, parties: [["shop/New", "call"]] })
        try {
          await page.waitForSelector("#connection[data-state=live]")
          await page.locator(".tile", { hasText: "shop/New" }).waitFor()
          assert.notStrictEqual(await page.locator("#process").getAttribute("title"), began)
        } finally {
          await again.stop()
        }
      },
      { ignore: /ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE/ }
    ))

  it("shows fifty integrations more, and axe objects to nothing", () =>
    withShop(
      { parties: Array.from({ length: 50 }, (_, n) => [`shop/Party ${n}`, `operation ${n}`] as const) },
      async ({ page }) => {
        await page.waitForSelector(".tile:nth-child(52):last-child")
        await page.getByRole("searchbox").fill("operation 49")
        assert.strictEqual(await page.locator(".tile:visible").count(), 1)
        await page.getByRole("searchbox").fill("")
        assert.deepStrictEqual(await violations(page), [])
      }
    ))

  it("shows a hostile integration and operation as text", () => {
    const name = `<img src=x onerror=alert(1)> "'\u202E\u0007`
    return withShop({ parties: [[name, name]] }, async ({ page }) => {
      const tile = page.locator(".tile", { hasText: "<img src=x onerror=alert(1)>" })
      await tile.getByRole("button").first().click()
      assert.include(await tile.innerText(), `<img src=x onerror=alert(1)> "'\u27e8U+202E\u27e9\u27e8U+0007\u27e9`)
      assert.strictEqual(await page.locator("main img").count(), 0)
    })
  })

  it("works with a slash at the end of its address, and below a deeper path", () =>
    withShop({ path: "/internal/integrations" }, async ({ page, shop }) => {
      await page.goto(`${shop.url}/`)
      await page.waitForSelector("#connection[data-state=live]")
      assert.strictEqual(await page.locator(".tile").count(), 2)
      assert.strictEqual((await snapshotOf(shop)).slowest, null)
    }))
})
