/** The page alone, over snapshots by hand. */
import { assert, describe, it } from "@effect/vitest"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { violations } from "./axe.ts"
import {
  begin,
  type Canned,
  failure,
  heat,
  idle,
  integration,
  operation,
  plan,
  serve,
  slow,
  snapshot
} from "./canned.ts"
import { launch, missing, open, skip, type Watched } from "./chromium.ts"

let browser: Browser
beforeAll(async () => {
  if (!skip) browser = await launch()
})
afterAll(() => browser?.close())

interface World extends Watched {
  readonly canned: Canned
}

/** A server with this snapshot, and a page that shows it. The page must have done nothing wrong at the end. */
const withPage = async (
  first: ReturnType<typeof snapshot>,
  use: (world: World) => Promise<void>,
  options: BrowserContextOptions & { path?: string; suffix?: string; ignore?: RegExp } = {}
) => {
  const { path, suffix, ...others } = options
  const canned = await serve(first, path === undefined ? {} : { path })
  const watched = await open(browser, canned.url + (suffix ?? ""), others)
  await watched.page.waitForSelector("#connection[data-state=live]")
  try {
    await use({ ...watched, canned })
    assert.deepStrictEqual(watched.faults, [])
  } finally {
    await watched.close()
    await canned.stop()
  }
}

const names = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate("[...document.querySelectorAll('.tile:not([hidden]) .name')].map((node) => node.textContent)")

const text = (page: Page, selector: string): Promise<string> =>
  page
    .locator(selector)
    .innerText()
    .then((_) => _.replaceAll("\u00a0", " "))

/** Waits until there are so many tiles. */
const tileCount = (page: Page, count: number) => page.waitForSelector(`.tile:nth-child(${count}):last-child`)

const toggle = (page: Page, name: string) => page.getByRole("button", { name, exact: true })

const three = [
  slow("shop/Payments", "provider", "its provider answers late"),
  integration("shop/Inventory", { queue: { depth: 3, oldestAgeMs: 240 } }),
  idle("shop/Tax")
]

/** Moves the time on, so that a page can be asked whether it has seen this one. */
const later = (integrations: Parameters<typeof snapshot>[0], seconds: number) =>
  snapshot(integrations, { at: begin + seconds * 1_000, since: begin - seconds * 1_000 })

/** Sends a snapshot and waits until the page shows it. */
const show = async ({ canned, page }: World, next: ReturnType<typeof snapshot>) => {
  const seen = `since ${await page.evaluate<string>(`new Date(${next.since}).toLocaleTimeString("en-GB")`)}.`
  canned.send(next)
  await page.locator("#process", { hasText: seen }).waitFor()
}

describe.skipIf(skip)(`the dashboard's page${skip ? ` (skipped: ${missing})` : ""}`, { timeout: 60_000 }, () => {
  it("shows the headline, and a tile for each integration in the order that was given", () =>
    withPage(snapshot(three), async ({ page }) => {
      assert.strictEqual(await text(page, "#headline"), "shop/Payments is slow right now: its provider answers late.")
      assert.strictEqual(await page.title(), "\u25b2 shop/Payments: provider")
      assert.deepStrictEqual(await names(page), ["shop/Payments", "shop/Inventory", "shop/Tax"])
      const first = await text(page, ".tile >> nth=0")
      for (const part of ["slow: provider", "380 ms", "4.2 s", "8.9 s", "12.5/s", "4.1 %", "1.01", "14, oldest 9.1 s"])
        assert.include(first, part)
      assert.include(first, "provider 1.6 s (94 %)")
      assert.include(first, "\u25cf closed")
      assert.include(await text(page, ".tile >> nth=1"), "3, oldest 240 ms")
    }))

  it("says that there were no calls, and never 0 ms", () =>
    withPage(snapshot([idle("shop/Tax")]), async ({ page }) => {
      const tile = await text(page, ".tile")
      assert.include(tile, "No calls in the last minute")
      assert.notMatch(tile, /\d/)
      assert.strictEqual(await text(page, "#headline"), "No integration is slow right now.")
      await toggle(page, "shop/Tax").click()
      assert.notMatch(await text(page, ".tile"), /\b0\b|NaN|null|undefined/)
    }))

  it("has no percentiles of calls that were never sent", () =>
    withPage(
      snapshot([
        integration("shop/Search", {
          breaker: "open",
          errorRatio: 1,
          p50Ms: null,
          p95Ms: null,
          p99Ms: null,
          attemptsPerCall: null,
          active: 0,
          oldestActiveMs: null,
          time: null,
          heat: [],
          outcomes: { rejected_breaker: 90 }
        })
      ]),
      async ({ page }) => {
        const tile = await text(page, ".tile")
        assert.strictEqual(tile.split("none sent").length - 1, 4)
        assert.include(tile, "100 %")
        assert.include(tile, "\u25a0 open")
        assert.notMatch(tile, /\bms\b/)
      }
    ))

  for (const [path, suffix] of [
    ["/integrations", ""],
    ["/integrations", "/"],
    ["/internal/of/a shop", ""],
    ["/internal/of/a shop", "/"],
    ["", "/"]
  ] as const) {
    it(`works at ${path}${suffix}`, () =>
      withPage(snapshot(three), async ({ page }) => assert.strictEqual((await names(page)).length, 3), {
        path: encodeURI(path),
        suffix
      }))
  }

  it("shows hostile names as text", () => {
    const names = [
      "<img src=x onerror=alert(1)>",
      `"><script>alert(2)</script>`,
      `'"&amp;\`\${alert(3)}`,
      "\u202Eevil\u2066\u0000\u0007\u001b[31m",
      "x".repeat(400)
    ]
    const hostile = names.map((name) =>
      slow(name, "provider", name, {
        operations: [operation(name)],
        circuits: [{ breaker: name, key: name, state: name }],
        failures: [failure(begin, { operation: name, reason: name, correlationId: name, key: name, requestId: name })],
        plan: [{ ...plan(name), key: name, exhausted: name, via: name, layers: [{ slot: name, describe: name }] }]
      })
    )
    return withPage(snapshot(hostile, { headline: names.join(" ") }), async ({ page }) => {
      for (const button of await page.locator(".tile h3 button").all()) await button.click()
      for (const summary of await page.locator(".plan summary").all()) await summary.click()
      assert.strictEqual(await page.locator("main img, main script, main iframe").count(), 0)
      const first = await page.locator(".tile").first().innerText()
      // The name, the reason, the operation, the failure's, the circuit's and the plan's.
      assert.isAtLeast(first.split("<img src=x onerror=alert(1)>").length - 1, 8)
      const turned = await page.locator(".tile").nth(3).innerText()
      assert.include(
        turned,
        "\u27e8U+202E\u27e9evil\u27e8U+2066\u27e9\u27e8U+0000\u27e9\u27e8U+0007\u27e9\u27e8U+001B\u27e9[31m"
      )
      // Only what is not printable is shown by its number.
      const shown = await page.locator("main").innerText()
      for (const character of ["\u0000", "\u0007", "\u001b", "\u202E", "\u2066"]) assert.notInclude(shown, character)
      assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), 1280)
    })
  })

  it("keeps filter and open tiles in the address, over a reload and in a page that is sent on", () =>
    withPage(snapshot(three), async ({ page }) => {
      await toggle(page, "shop/Inventory").click()
      await page.getByRole("searchbox").fill("shop inv")
      assert.deepStrictEqual(await names(page), ["shop/Inventory"])
      assert.strictEqual(await text(page, "#count"), "1 of 3 integrations shown")
      const { hash } = new URL(page.url())
      assert.strictEqual(hash, "#filter=shop+inv&open=shop%2FInventory")

      await page.reload()
      await page.waitForSelector("#connection[data-state=live]")
      assert.deepStrictEqual(await names(page), ["shop/Inventory"])
      assert.isTrue(await page.getByRole("group", { name: "Operations of shop/Inventory" }).isVisible())

      await page.evaluate("location.hash = 'open=shop/Tax'")
      await page.locator(".tile[data-open=true]", { hasText: "shop/Tax" }).waitFor()
      assert.strictEqual((await names(page)).length, 3)
      assert.strictEqual(await page.getByRole("searchbox").inputValue(), "")

      await page.getByRole("searchbox").fill("nobody")
      assert.strictEqual(await text(page, "#empty"), "Nothing matches the filter.")
    }))

  it("keeps the chosen theme, and follows the system's without one", () =>
    withPage(
      snapshot(three),
      async ({ page }) => {
        const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
        const light = await ground()
        await page.emulateMedia({ colorScheme: "dark" })
        const dark = await ground()
        assert.notStrictEqual(dark, light)
        await page.emulateMedia({ colorScheme: "light" })
        const button = page.getByRole("button", { name: /Theme/ })
        assert.strictEqual(await button.innerText(), "Theme: system")
        await button.click()
        assert.strictEqual(await ground(), dark)
        await page.reload()
        assert.strictEqual(await ground(), dark)
        assert.strictEqual(await button.innerText(), "Theme: dark")
        await button.click()
        await page.emulateMedia({ colorScheme: "dark" })
        assert.strictEqual(await ground(), light)
      },
      { colorScheme: "light" }
    ))

  it("says that it is reconnecting, since when its figures are old, and goes on after a restart", () =>
    withPage(
      snapshot(three),
      async ({ canned, page }) => {
        await canned.stop()
        const connection = page.locator("#connection")
        await page.waitForSelector("#connection[data-state=reconnecting]")
        assert.match(await connection.innerText(), /reconnecting\u2026 stale since \d\d:\d\d:\d\d/)
        assert.strictEqual(await text(page, "#said"), "The connection is lost")
        // What was known stays readable.
        assert.strictEqual((await names(page)).length, 3)

        const again = await serve(snapshot([idle("shop/Tax")]), { port: canned.port })
        await page.waitForSelector("#connection[data-state=live]")
        await tileCount(page, 1)
        assert.deepStrictEqual(await names(page), ["shop/Tax"])
        assert.strictEqual(await text(page, "#said"), "Connected again")
        await again.stop()
      },
      { ignore: /ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE/ }
    ))

  it("says that figures are stale where the server is silent", () =>
    withPage(snapshot(three), async ({ page }) => {
      await page.clock.install()
      await page.reload()
      await page.waitForSelector("#connection[data-state=live]")
      await page.clock.fastForward(7_000)
      await page.waitForSelector("#connection[data-state=stale]")
      assert.match(await page.locator("#connection").innerText(), /stale since \d\d:\d\d:\d\d/)
    }))

  it("listens only while it is seen", () =>
    withPage(snapshot(three), async (world) => {
      const { canned, page } = world
      await canned.listening(1)
      const turn = (hidden: boolean) =>
        page.evaluate(
          `Object.defineProperty(document, "hidden", { configurable: true, value: ${hidden} });` +
            `document.dispatchEvent(new Event("visibilitychange"))`
        )
      await turn(true)
      await canned.listening(0)
      canned.send(later([idle("shop/Tax")], 60))
      await turn(false)
      await canned.listening(1)
      await tileCount(page, 1)
    }))

  it("does not move tiles under the pointer or away from the focus", () =>
    withPage(snapshot(three), async (world) => {
      const { page } = world
      const turned = three.toReversed()
      await page.locator(".tile").nth(1).hover()
      await show(world, later(turned, 60))
      assert.deepStrictEqual(await names(page), ["shop/Payments", "shop/Inventory", "shop/Tax"])
      assert.isTrue(await page.locator("#held").isVisible())
      await page.mouse.move(5, 5)
      await page.waitForSelector("#held", { state: "hidden" })
      assert.deepStrictEqual(await names(page), ["shop/Tax", "shop/Inventory", "shop/Payments"])

      await toggle(page, "shop/Tax").focus()
      await show(world, later([integration("shop/New"), ...three], 120))
      assert.deepStrictEqual(await names(page), ["shop/Tax", "shop/Inventory", "shop/Payments", "shop/New"])
      await page.getByRole("searchbox").focus()
      await page.waitForSelector("#held", { state: "hidden" })
      assert.deepStrictEqual(await names(page), ["shop/New", "shop/Payments", "shop/Inventory", "shop/Tax"])
    }))

  it("announces what is slow once, and not every second", () =>
    withPage(snapshot(three), async (world) => {
      const { page } = world
      assert.strictEqual(await text(page, "#said"), "shop/Payments is slow right now: its provider answers late.")
      await page.evaluate(
        `window.said = []; new MutationObserver(() => said.push(document.getElementById("said").textContent))
           .observe(document.getElementById("said"), { childList: true, characterData: true, subtree: true })`
      )
      for (let second = 1; second <= 5; second++) {
        await show(world, { ...later(three, second), headline: `shop/Payments is slow right now: p95 ${second} s.` })
      }
      assert.deepStrictEqual(await page.evaluate("said"), [])
      const calm = [integration("shop/Payments")]
      await show(world, later(calm, 6))
      assert.deepStrictEqual(await page.evaluate("said"), [], "one snapshot may be a flicker")
      await show(world, later(calm, 7))
      assert.deepStrictEqual(await page.evaluate("said"), ["No integration is slow right now."])
    }))

  it("changes fifty integrations in place", () => {
    const fifty = (second: number) =>
      Array.from({ length: 50 }, (_, index) =>
        integration(`shop/Integration ${index}`, {
          p95Ms: 100 + index + second,
          heat: heat(begin + second * 1_000, { bucket: 2 + (index % 6), calls: 10 + second })
        })
      )
    return withPage(snapshot(fifty(0)), async (world) => {
      const { page } = world
      await page.evaluate("window.before = [...document.querySelectorAll('#tiles *')]")
      for (let second = 1; second <= 10; second++) await show(world, later(fifty(second), second))
      assert.isTrue(
        await page.evaluate<boolean>(
          `(() => { const after = [...document.querySelectorAll("#tiles *")];
             return after.length === before.length && after.every((node, index) => node === before[index]) })()`
        )
      )
      assert.include(await text(page, ".tile >> nth=49"), "159 ms")
      // Turned round, the same tiles stand in another order.
      await show(world, later(fifty(11).toReversed(), 11))
      assert.deepStrictEqual((await names(page)).slice(0, 2), ["shop/Integration 49", "shop/Integration 48"])
      assert.isTrue(await page.evaluate<boolean>("before.every((node) => node.isConnected)"))
      // Every strip has been painted.
      assert.isTrue(
        await page.evaluate<boolean>(
          `[...document.querySelectorAll("canvas")].every((canvas) => canvas.getContext("2d")
             .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))`
        )
      )
    })
  })

  it("can be used by keyboard alone", () =>
    withPage(
      snapshot(three),
      async ({ page }) => {
        const focused = () =>
          page.evaluate<string>(
            `(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim()`
          )
        const { keyboard } = page
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "Skip to the integrations")
        assert.isTrue(await page.evaluate<boolean>("document.activeElement.getBoundingClientRect().top >= 0"))
        await keyboard.press("Enter")
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "shop/Payments")
        const outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert.strictEqual(await page.evaluate(outline), "solid", "the focus is visible")
        await keyboard.press("Enter")
        assert.strictEqual(await toggle(page, "shop/Payments").getAttribute("aria-expanded"), "true")
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "Operations of shop/Payments")
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "Recent failures of shop/Payments")
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "Copy trace id 4bf92f3577b34da6a3ce929d0e0e4736")
        await keyboard.press("Enter")
        await page.locator("#said", { hasText: "Copied the trace id" }).waitFor()
        assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), "4bf92f3577b34da6a3ce929d0e0e4736")
        assert.strictEqual(await focused(), "Copy trace id 4bf92f3577b34da6a3ce929d0e0e4736")
        for (let step = 0; (await focused()) !== "charge POST /v1/charges, idempotent"; step++) {
          assert.isBelow(step, 20, "the plan is reached")
          await keyboard.press("Tab")
        }
        await keyboard.press("Enter")
        assert.include(await text(page, ".plan"), "30 s over everything")

        await keyboard.press("/")
        await keyboard.type("inv")
        assert.deepStrictEqual(await names(page), ["shop/Inventory"])
        await keyboard.press("Escape")
        assert.strictEqual((await names(page)).length, 3)
        await keyboard.press("Tab")
        assert.strictEqual(await focused(), "Theme: system")
        await keyboard.press("Space")
        assert.strictEqual(await focused(), "Theme: dark")
      },
      { permissions: ["clipboard-read", "clipboard-write"] }
    ))

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 360]) {
      it(`has nothing that axe objects to, ${colorScheme}, ${width} pixels wide`, () =>
        withPage(
          snapshot([
            ...three,
            integration("shop/Search", {
              breaker: "half_open",
              errorRatio: 0.4,
              circuits: [{ breaker: "breaker", key: "eu", state: "half_open" }]
            })
          ]),
          async ({ page }) => {
            assert.deepStrictEqual(await violations(page), [], "closed")
            for (const button of await page.locator(".tile h3 button").all()) await button.click()
            await page.locator(".plan summary").first().click()
            assert.deepStrictEqual(await violations(page), [], "open")
            assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth"), width)
            assert.strictEqual(await page.locator("canvas:not([aria-label])").count(), 0)
          },
          { colorScheme, viewport: { width, height: 800 } }
        ))
    }
  }
})
