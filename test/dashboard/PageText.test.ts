import { assert, describe, it } from "@effect/vitest"
import { page } from "../../src/dashboard/internal/page.ts"

describe("the texts of the dashboard's page", () => {
  it("hold no inline script, style or handler, and name no other host", () => {
    assert.notMatch(page.html, /\sstyle=|<style|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)/i)
    // A namespace is a name, and is not fetched.
    const texts = [page.html, page.css, page.js].map((text) => text.replaceAll("%3A", ":").replaceAll("%2F", "/"))
    for (const text of texts) {
      assert.notMatch(text.replaceAll("http://www.w3.org/2000/svg", ""), /https?:|\/\/[a-z0-9-]+\.[a-z]/i)
      assert.notMatch(text, /@import|url\(/)
    }
  })

  it("name what they load below the path of the mount alone", () => {
    const addresses = [...page.html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!)
    assert.deepStrictEqual(
      addresses.filter((address) => !address.startsWith("data:")),
      ["{{base}}/style.css", "{{base}}/app.js", "#integrations", "{{base}}/snapshot.json", "{{base}}/snapshot.json"]
    )
    assert.notInclude(page.js + page.css, "{{base}}")
  })

  it("never make markup of data", () => {
    assert.notMatch(page.js, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\b/)
  })
})
