/**
 * Debian's Chromium, driven by Playwright, and a page of it that remembers everything it should not have done: errors on
 * the console, refused content, requests to another host.
 */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { existsSync } from "node:fs"

const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

/** Why the suite cannot run here, or `undefined` where it can. */
export const missing = existsSync(executable)
  ? undefined
  : `no Chromium at ${executable}: install the package chromium, or name another with CHROMIUM`

/** Whether to skip: never in CI, where the absence of a browser is a failure. */
export const skip = missing !== undefined && process.env["CI"] === undefined

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: executable,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })

export interface Watched {
  readonly page: Page
  /** What went wrong so far: empty for a page that behaves. */
  readonly faults: Array<string>
  readonly close: () => Promise<void>
}

export interface OpenOptions extends BrowserContextOptions {
  /** Which faults a test causes on purpose. */
  readonly ignore?: RegExp
}

/** A page in a profile of its own. */
export const open = async (browser: Browser, url: string, options: OpenOptions = {}): Promise<Watched> => {
  const { ignore, ...settings } = options
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...settings })
  const page = await context.newPage()
  const faults: Array<string> = []
  const add = (fault: string) => {
    if (ignore === undefined || !ignore.test(fault)) faults.push(fault)
  }
  const { host } = new URL(url)
  // A violation of the policy is an error on Chromium's console as well.
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") add(`console: ${message.text()}`)
  })
  page.on("pageerror", (error) => add(`error: ${error.message}`))
  page.on("dialog", (dialog) => {
    add(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on("request", (request) => {
    const to = new URL(request.url())
    if (to.protocol !== "data:" && to.host !== host) add(`request to another host: ${request.url()}`)
  })
  page.on("response", (response) => {
    if (response.status() >= 400) add(`${response.status()}: ${response.url()}`)
  })
  await page.goto(url)
  return { page, faults, close: () => context.close() }
}
