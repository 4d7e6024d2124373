/** What the browser is given. */
export const page: { readonly html: string; readonly css: string; readonly js: string } = {
  html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Integrations</title>
<link rel="stylesheet" href="{{base}}/style.css"><script src="{{base}}/app.js" defer></script></head><body><main></main></body></html>`,
  css: "main { white-space: pre; }",
  js: `const source = new EventSource(new URL("events", document.currentScript.src))
source.onmessage = ({ data }) => { document.querySelector("main").textContent = JSON.parse(data).headline }`
}
