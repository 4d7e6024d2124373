/**
 * The style of the dashboard's page. Colours are variables, so that the page's own switch and `prefers-color-scheme` set the
 * same few lines; none of them carries a meaning alone.
 */

const light = `
  color-scheme: light;
  --ground: #f4f6f8;
  --panel: #ffffff;
  --raised: #f0f3f6;
  --line: #dbe1e7;
  --strong-line: #b9c3cd;
  --text: #17212b;
  --soft: #4d5b69;
  --accent: #0b6380;
  --calm: #1b6e4c;
  --warn: #8a4b00;
  --bad: #b3261e;
  --calm-ground: #e6f3ed;
  --warn-ground: #fdf1de;
  --bad-ground: #fdeceb;
  --provider: #2c7d9c;
  --queue: #c07f1c;
  --retries: #9a4f8f;
  --heat-fast: #2c7d9c;
  --heat-middle: #d79a1e;
  --heat-slow: #c7331f;
  --shadow: 0 1px 2px rgb(23 33 43 / 6%);`

const dark = `
  color-scheme: dark;
  --ground: #0e1419;
  --panel: #151d24;
  --raised: #1c262f;
  --line: #28343f;
  --strong-line: #425260;
  --text: #e4ebf1;
  --soft: #a0afbd;
  --accent: #7cc7e0;
  --calm: #7fd1a9;
  --warn: #f0bb6b;
  --bad: #ff9a8f;
  --calm-ground: #14291f;
  --warn-ground: #2e2413;
  --bad-ground: #331b19;
  --provider: #4aa3c4;
  --queue: #d9a04a;
  --retries: #c384ba;
  --heat-fast: #4fb3d4;
  --heat-middle: #e8b44a;
  --heat-slow: #ff6a4d;
  --shadow: none;`

export const css = `:root {${light}
}
@media (prefers-color-scheme: dark) {
  :root {${dark.replaceAll("\n", "\n  ")}
  }
}
:root[data-theme="light"] {${light}
}
:root[data-theme="dark"] {${dark}
}

*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--text);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere;
}
h1, h2, h3, h4, p, dl, dd, ol, ul { margin: 0; padding: 0; }
ol, ul { list-style: none; }
[hidden] { display: none !important; }
code { font: 12px/1.4 ui-monospace, "SF Mono", "Cascadia Mono", "Liberation Mono", "DejaVu Sans Mono", monospace; }
a { color: var(--accent); }
button, input { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  margin: -1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
.skip { position: absolute; left: 12px; top: -60px; padding: 8px 12px; background: var(--panel); z-index: 2; }
.skip:focus { top: 8px; }

header, main, footer { max-width: 1480px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; padding-top: 16px; padding-bottom: 12px; }
h1 { font-size: 15px; font-weight: 600; display: flex; align-items: center; gap: 8px; }
h1 svg { width: 20px; height: 20px; fill: none; stroke: var(--accent); stroke-width: 2; stroke-linecap: round; }
h1 span { color: var(--soft); font-weight: 400; }
.connection {
  display: inline-flex;
  align-items: center;
  gap: 6px;
  padding: 2px 10px;
  border: 1px solid var(--line);
  border-radius: 999px;
  background: var(--panel);
  color: var(--soft);
  font-size: 13px;
}
.connection[data-state="live"] .mark { color: var(--calm); }
.connection[data-state="reconnecting"], .connection[data-state="stale"] {
  border-color: currentcolor;
  background: var(--warn-ground);
  color: var(--warn);
}
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin-left: auto; }
.tools input {
  width: 220px;
  padding: 5px 10px;
  border: 1px solid var(--strong-line);
  border-radius: 6px;
  background: var(--panel);
}
.tools input::placeholder { color: var(--soft); opacity: 1; }
.button {
  padding: 5px 10px;
  border: 1px solid var(--strong-line);
  border-radius: 6px;
  background: var(--panel);
  cursor: pointer;
}
.button:hover { background: var(--raised); }

.now {
  display: grid;
  grid-template-columns: auto 1fr;
  gap: 2px 14px;
  align-items: center;
  padding: 16px 20px;
  margin-bottom: 18px;
  border: 1px solid var(--line);
  border-left: 5px solid var(--calm);
  border-radius: 8px;
  background: var(--panel);
  box-shadow: var(--shadow);
}
.now[data-state="slow"] { border-left-color: var(--bad); }
.now[data-state="waiting"] { border-left-color: var(--strong-line); }
.now .mark { grid-row: span 2; font-size: 26px; line-height: 1; color: var(--calm); width: 1.1em; text-align: center; }
.now[data-state="slow"] .mark { color: var(--bad); }
.now[data-state="waiting"] .mark { color: var(--soft); }
.now h2 { font-size: 12px; font-weight: 500; color: var(--soft); }
.headline { font-size: 20px; line-height: 1.3; font-weight: 600; text-wrap: pretty; }
.outdated .now, .outdated .tiles { filter: grayscale(1); }

.bar { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; margin-bottom: 10px; }
.bar h2 { font-size: 14px; font-weight: 600; }
.bar p { color: var(--soft); font-size: 13px; }
.bar .held { margin-left: auto; }

.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr)); gap: 12px; align-items: start; }
.tile {
  min-width: 0;
  border: 1px solid var(--line);
  border-radius: 8px;
  background: var(--panel);
  box-shadow: var(--shadow);
}
.tile[data-state="slow"] { border-color: var(--bad); }
.tile[data-open="true"] { grid-column: 1 / -1; }
@media (min-width: 900px) {
  .tile[data-open="true"] .face { display: grid; grid-template-columns: 1fr 1fr; column-gap: 36px; align-items: end; }
  .tile[data-open="true"] .top, .tile[data-open="true"] .reason { grid-column: 1 / -1; }
  .tile[data-open="true"] .heat { margin-top: 0; }
}
.face { padding: 10px 14px 14px; }
.top { display: flex; align-items: flex-start; gap: 10px; }
.top h3 { flex: 1; min-width: 0; font-size: 15px; line-height: 1.35; }
.top h3 button {
  display: flex;
  gap: 7px;
  width: 100%;
  padding: 3px 0;
  border: 0;
  background: none;
  font-weight: 600;
  text-align: left;
  cursor: pointer;
}
.top h3 button::before { content: "\\25b8" / ""; flex: none; color: var(--soft); transition: rotate .12s; }
.top h3 button[aria-expanded="true"]::before { rotate: 90deg; }
.top h3 button:hover { color: var(--accent); }
.name { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.badge {
  flex: none;
  margin-top: 3px;
  padding: 1px 8px;
  border-radius: 999px;
  background: var(--raised);
  color: var(--soft);
  font-size: 12px;
  white-space: nowrap;
}
.badge[data-kind="ok"] { background: var(--calm-ground); color: var(--calm); }
.badge[data-kind="warn"] { background: var(--warn-ground); color: var(--warn); }
.badge[data-kind="slow"] { background: var(--bad-ground); color: var(--bad); font-weight: 600; }
.reason { padding: 0 0 2px 18px; color: var(--bad); font-size: 13px; }

.numbers { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)) auto; gap: 8px 10px; margin-top: 8px; }
.numbers dt { color: var(--soft); font-size: 11.5px; white-space: nowrap; }
.numbers dd { font-size: 13.5px; line-height: 1.35; overflow-wrap: normal; }
.numbers .big dd { font-size: 16px; font-weight: 600; white-space: nowrap; letter-spacing: -.01em; }
.numbers .pair { grid-column: span 2; }
.numbers dd.none { color: var(--soft); font-weight: 400; font-size: 13.5px; white-space: normal; }
.numbers dd[data-kind="warn"] { color: var(--warn); }
.numbers dd[data-kind="bad"] { color: var(--bad); }

.idle { color: var(--soft); font-size: 16px; margin-top: 8px; padding-left: 18px; }
.heat { display: grid; grid-template-columns: auto 1fr; gap: 0 8px; margin-top: 12px; font-size: 11px; color: var(--soft); }
.heat .scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; min-width: 44px; }
.heat canvas { display: block; width: 100%; height: 54px; border-radius: 4px; background: var(--raised); }
.heat .axis { grid-column: 2; display: flex; justify-content: space-between; padding-top: 3px; line-height: 1.2; }

.time { margin-top: 10px; }
.stack { display: flex; height: 8px; gap: 1px; border-radius: 4px; overflow: hidden; background: var(--raised); }
.stack i { flex: 0 1 0; min-width: 0; }
.stack .provider, .key.provider::before { background: var(--provider); }
.stack .queue, .key.queue::before {
  background: repeating-linear-gradient(135deg, var(--queue) 0 3px, var(--panel) 3px 4px);
}
.stack .retries, .key.retries::before {
  background: repeating-linear-gradient(90deg, var(--retries) 0 2px, var(--panel) 2px 3px);
}
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 5px; font-size: 12px; color: var(--soft); }
.key::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 5px; border-radius: 2px; vertical-align: -1px; }

.inside { padding: 2px 14px 16px; border-top: 1px solid var(--line); }
.inside h4 { margin: 14px 0 6px; font-size: 13px; font-weight: 600; }
.inside .quiet { color: var(--soft); font-size: 13px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 0 28px; align-items: start; }
.scroll { overflow: auto; max-height: 340px; border: 1px solid var(--line); border-radius: 6px; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
th, td { padding: 5px 10px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: normal; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { position: sticky; top: 0; background: var(--raised); color: var(--soft); font-weight: 500; font-size: 12px; white-space: nowrap; }
tbody th { font-weight: 500; min-width: 110px; max-width: 340px; overflow-wrap: anywhere; }
td.figure, th.figure { text-align: right; white-space: nowrap; }
td.text { min-width: 130px; max-width: 320px; overflow-wrap: anywhere; }
.ids { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 2px 8px; align-items: center; min-width: 260px; max-width: 380px; }
.ids dt { color: var(--soft); font-size: 12px; white-space: nowrap; }
.ids dd { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.copy { padding: 0 7px; border: 1px solid var(--line); border-radius: 4px; background: var(--panel); color: var(--soft); font-size: 11.5px; line-height: 20px; cursor: pointer; }
.copy:hover { border-color: var(--strong-line); color: var(--text); }
.plain td, .plain th { padding: 3px 10px 3px 0; border: 0; }
.plain .share { width: 45%; }
.plain .share i { display: block; height: 8px; margin-top: 6px; border-radius: 2px; background: var(--provider); }
.plan details { border-top: 1px solid var(--line); padding: 6px 0; }
.plan details:first-of-type { border-top: 0; }
.plan summary { cursor: pointer; font-weight: 500; }
.plan summary span { color: var(--soft); font-weight: 400; }
.plan .facts { margin: 6px 0; color: var(--soft); }
.plan ol li { display: grid; grid-template-columns: minmax(90px, 150px) 1fr; gap: 2px 14px; padding: 2px 0; font-size: 13px; }
.plan ol code { color: var(--soft); }

.empty { padding: 28px 20px; border: 1px dashed var(--strong-line); border-radius: 8px; color: var(--soft); text-align: center; }
footer { padding-top: 22px; padding-bottom: 30px; color: var(--soft); font-size: 13px; }

@media (max-width: 620px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  .tools { width: 100%; margin-left: 0; }
  .tools input { flex: 1; width: auto; min-width: 0; }
  .now { padding: 12px 14px; gap: 2px 10px; }
  .headline { font-size: 17px; }
  .numbers { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .numbers .pair { grid-column: span 1; }
  .bar .held { margin-left: 0; }
  .plan ol li { grid-template-columns: 1fr; gap: 0; }
  .button, .tools input { padding-top: 8px; padding-bottom: 8px; }
  .copy { line-height: 26px; }
  .failures thead { position: absolute; clip-path: inset(50%); }
  .failures tr { display: block; padding: 8px 10px; border-bottom: 1px solid var(--line); }
  .failures tr > * { display: inline-block; min-width: 0; padding: 0 12px 2px 0; border: 0; }
  .failures tr > .text, .failures tr > .wide { display: block; max-width: none; padding-right: 0; }
  .failures [data-label]::before { content: attr(data-label) " "; color: var(--soft); }
  .ids { grid-template-columns: auto minmax(0, 1fr) auto; min-width: 0; max-width: none; margin-top: 4px; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
@media (forced-colors: active) {
  .stack i, .key::before, .plain .share i { forced-color-adjust: none; }
  .now, .tile { border: 1px solid; }
}
`
