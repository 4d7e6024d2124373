/**
 * `npm run screenshots`: docs/dashboard/{light,dark,phone}.png, from the real page in a browser, over a snapshot by hand
 * (test/dashboard/browser/gallery.ts). Look at them before they are committed.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { crc32, deflateSync, inflateSync } from "node:zlib"
import { serve } from "../test/dashboard/browser/canned.ts"
import { launch, missing, open } from "../test/dashboard/browser/chromium.ts"
import { morning } from "../test/dashboard/browser/gallery.ts"
import { isMain, root } from "./run.ts"

const limit = 200_000

const pictures = [
  { name: "light", colorScheme: "light", viewport: { width: 1180, height: 900 }, deviceScaleFactor: 1, hash: "" },
  {
    name: "dark",
    colorScheme: "dark",
    viewport: { width: 1180, height: 900 },
    deviceScaleFactor: 1,
    hash: "#open=shop%2FPayments"
  },
  { name: "phone", colorScheme: "light", viewport: { width: 360, height: 760 }, deviceScaleFactor: 2, hash: "" }
] as const

/** The same picture with its pixels packed as tightly as they go. A browser packs for speed. */
export const pack = (png: Buffer): Buffer => {
  const chunks: Array<{ readonly type: string; readonly data: Buffer }> = []
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at)
    chunks.push({ type: png.toString("latin1", at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) })
    at += length + 12
  }
  const pixels = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data)))
  const header = chunks.find(({ type }) => type === "IHDR")!.data
  const write = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(data.length, 0)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  }
  return Buffer.concat([
    png.subarray(0, 8),
    write("IHDR", header),
    write("IDAT", deflateSync(pixels, { level: 9, memLevel: 9 })),
    write("IEND", Buffer.alloc(0))
  ])
}

const main = async (): Promise<number> => {
  if (missing !== undefined) {
    console.error(`screenshots: ${missing}`)
    return 1
  }
  const folder = join(root, "docs/dashboard")
  mkdirSync(folder, { recursive: true })
  const server = await serve(morning)
  const browser = await launch()
  let bad = 0
  for (const { hash, name, ...options } of pictures) {
    const { close, faults, page } = await open(browser, server.url + hash, options)
    await page.waitForSelector("#connection[data-state=live]")
    const png = pack(await page.screenshot())
    writeFileSync(join(folder, `${name}.png`), png)
    await close()
    console.log(`docs/dashboard/${name}.png: ${Math.ceil(png.length / 1000)} KB`)
    for (const fault of faults) console.error(`screenshots: ${name}: ${fault}`)
    if (png.length > limit) console.error(`screenshots: ${name}: more than ${limit / 1000} KB`)
    if (faults.length > 0 || png.length > limit) bad++
  }
  await browser.close()
  await server.stop()
  return bad > 0 ? 1 : 0
}

if (isMain(import.meta.url)) process.exitCode = await main()
