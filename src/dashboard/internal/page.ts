/**
 * The dashboard's page, as three texts that the server sends as they are, but for `{{base}}`: the path that it is mounted
 * at, without a slash at its end.
 *
 * They are written by hand for a browser, so that no build step stands between what is read here and what runs there. The
 * page needs nothing from another host, and no inline script or style: `default-src 'none'` and `'self'` are enough.
 */
import { js } from "./pageScript.ts"
import { css } from "./pageStyle.ts"

// As an image of its own, since a browser that finds none asks the server's root for one.
const icon =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#2c7d9c" stroke-width="2.4" stroke-linecap="round"><path d="M3 9c3-3 6-3 9 0s6 3 9 0M3 16c3-3 6-3 9 0s6 3 9 0"/></svg>'
  )

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<title>Integrations</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="{{base}}/style.css">
<script src="{{base}}/app.js"></script>
</head>
<body>
<a class="skip" href="#integrations" id="skip">Skip to the integrations</a>
<header>
<h1><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 9c3-3 6-3 9 0s6 3 9 0M3 16c3-3 6-3 9 0s6 3 9 0"/></svg>Integrations <span>breakwater</span></h1>
<p class="connection" id="connection" data-state="connecting"><span class="mark" aria-hidden="true">\u25cb</span><span class="words">connecting\u2026</span></p>
<div class="tools" role="search">
<label class="unseen" for="filter">Show only integrations and operations whose name holds</label>
<input id="filter" type="search" placeholder="Filter (press /)" autocomplete="off" spellcheck="false">
<button class="button" type="button" id="theme">Theme: system</button>
</div>
</header>
<main>
<section class="now" id="now" data-state="waiting" aria-labelledby="now-title">
<span class="mark" aria-hidden="true">\u2026</span>
<h2 id="now-title">Slow right now</h2>
<p class="headline" id="headline">Waiting for the first figures.</p>
</section>
<noscript><p class="empty">This page needs JavaScript. The same figures are in <a href="{{base}}/snapshot.json">snapshot.json</a>, and in the terminal with breakwater top.</p></noscript>
<section aria-labelledby="integrations">
<div class="bar">
<h2 id="integrations" tabindex="-1">Most trouble first</h2>
<p id="count"></p>
<p class="held" id="held" hidden>Order is held while you point or focus here</p>
</div>
<p class="empty" id="empty" hidden></p>
<div class="tiles" id="tiles"></div>
</section>
<p class="unseen" role="status" id="said"></p>
</main>
<footer>
<p><span id="process">This process only.</span> Figures are of the last minute; <em>slow</em> looks at the last 10 seconds and at the calls that run. <a href="{{base}}/snapshot.json">snapshot.json</a></p>
</footer>
</body>
</html>
`

/** The texts of the page. */
export const page: { readonly html: string; readonly css: string; readonly js: string } = { html, css, js }
