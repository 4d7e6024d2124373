import { tile } from "./pageTile.ts"

/**
 * The script of the dashboard's page: it shows the snapshots that the server sends, and changes what is on the page in
 * place. Whatever comes from a snapshot goes through `textContent` or `setAttribute`, so a name cannot become markup.
 */
export const js = String.raw`"use strict";
(() => {
const base = new URL(".", document.currentScript.src);
const byId = (id) => document.getElementById(id);

// ---- theme: the system's, unless the reader has chosen; set before anything is painted.

const themes = ["system", "dark", "light"];
const stored = (read) => { try { return read(); } catch { return null; } };
const themeKey = "breakwater-dashboard-theme";
let theme = stored(() => localStorage.getItem(themeKey));
if (!themes.includes(theme)) theme = "system";
const applyTheme = () => {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
};
applyTheme();

// ---- words

// A control or direction character is shown by its number: it must neither vanish nor turn the words around it.
const odd = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]/g;
const visible = (text) =>
  String(text).replace(odd, (c) => "\u27e8U+" + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");

const trim = (value, digits) => Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 2 });
const duration = (ms) => {
  if (ms < 0.1) return "<\u00a00.1\u00a0ms";
  if (ms < 999.5) return trim(ms, ms < 100 ? 2 : 3) + "\u00a0ms";
  if (ms < 59950) return trim(ms / 1000, ms < 9950 ? 2 : 3) + "\u00a0s";
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return Math.floor(seconds / 60) + "\u00a0min" + (seconds % 60 ? "\u00a0" + (seconds % 60) + "\u00a0s" : "");
  return Math.floor(seconds / 3600) + "\u00a0h\u00a0" + Math.floor((seconds % 3600) / 60) + "\u00a0min";
};
const perTime = (rate) => (rate >= 1 ? trim(rate, 3) + "/s" : rate > 0 ? trim(rate * 60, 2) + "/min" : "none");
const percent = (ratio) =>
  (ratio === 0 ? "0" : ratio < 0.001 ? "<\u00a00.1" : ratio > 0.999 && ratio < 1 ? ">\u00a099.9" : trim(ratio * 100, ratio < 0.1 ? 2 : 3)) + "\u00a0%";
const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// ---- nodes

const el = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
/** Writes only what differs: a node that stays as it is costs no layout, and a selection in it survives. */
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const mark = (node, name, value) => {
  if (value === null) { if (node.hasAttribute(name)) node.removeAttribute(name); }
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const show = (node, shown) => { if (node.hidden === shown) node.hidden = !shown; };

/** Keeps one child for each item, in the order of the items; only what is out of place moves. */
const keyed = (parent, items, keyOf, make, update) => {
  const nodes = parent.nodesByKey || (parent.nodesByKey = new Map());
  const keys = items.map(keyOf);
  const wanted = new Set(keys);
  for (const [key, made] of nodes) if (!wanted.has(key)) { made.node.remove(); nodes.delete(key); }
  let place = parent.firstChild;
  items.forEach((item, index) => {
    let made = nodes.get(keys[index]);
    if (made === undefined) nodes.set(keys[index], (made = make(item)));
    if (made.node !== place) parent.insertBefore(made.node, place);
    else place = place.nextSibling;
    update(made, item);
  });
};

// ---- the address: what is filtered and what is open

const state = { filter: "", open: new Set() };
const readAddress = () => {
  const given = new URLSearchParams(location.hash.slice(1));
  state.filter = given.get("filter") || "";
  state.open = new Set(given.getAll("open"));
};
const writeAddress = () => {
  const given = new URLSearchParams();
  if (state.filter !== "") given.set("filter", state.filter);
  for (const name of state.open) given.append("open", name);
  const hash = given.toString();
  history.replaceState(null, "", hash === "" ? location.pathname + location.search : "#" + hash);
};

${tile}

// ---- the page

let shown = { heatBounds: [], at: 0 };
let snapshot = null;
const announce = (text) => say(byId("said"), text);

// Which integration is slow is announced when it changes, and when it has lasted for two snapshots: the sentence itself
// has figures in it that change every second.
let announced = null;
let pending = { what: null, times: 0 };
const announceHeadline = ({ headline, slowest }) => {
  const what = slowest === null ? "" : slowest.integration + " " + slowest.cause;
  pending = pending.what === what ? { what, times: pending.times + 1 } : { what, times: 1 };
  if (announced === what || (announced !== null && pending.times < 2)) return;
  announced = what;
  announce(visible(headline));
};

const matches = (integration, words) => {
  const text = [integration.name, ...integration.operations.map((o) => o.name), integration.slow === null ? "" : "slow " + integration.slow.cause, integration.breaker === null ? "" : "breaker " + integration.breaker.replaceAll("_", " ")].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

/** The order of the last time, with what is new at the end: nothing moves under a pointer, or away from the focus. */
const heldOrder = (integrations, tiles) => {
  const before = new Map();
  let place = 0;
  for (const node of tiles.children) before.set(node.integration, place++);
  return integrations.map((item, index) => ({ item, at: before.has(item.name) ? before.get(item.name) : place + index }))
    .sort((a, b) => a.at - b.at).map(({ item }) => item);
};
let pointed = false;
const isHeld = (tiles) => pointed || tiles.contains(document.activeElement);

const render = () => {
  if (snapshot === null) return;
  const { headline, integrations, since, slowest } = snapshot;
  const now = byId("now");
  mark(now, "data-state", slowest === null ? "calm" : "slow");
  say(now.querySelector(".mark"), slowest === null ? "\u2713" : "\u25b2");
  say(byId("headline"), visible(headline));
  announceHeadline(snapshot);
  const title = slowest === null ? "Integrations" : "\u25b2 " + visible(slowest.integration) + ": " + slowest.cause;
  if (document.title !== title) document.title = title;
  say(byId("process"), "This process only, since " + clock(since) + ".");
  // A process that was restarted within a second is another one all the same.
  mark(byId("process"), "title", isNumber(since) ? new Date(since).toISOString() : null);

  const tiles = byId("tiles");
  const held = isHeld(tiles);
  const ordered = held ? heldOrder(integrations, tiles) : integrations;
  keyed(tiles, ordered, (i) => i.name, (integration) => {
    const tile = makeTile(integration);
    tile.node.integration = integration.name;
    return tile;
  }, updateTile);
  show(byId("held"), held && ordered.some((item, index) => item !== integrations[index]));
  filterTiles();
};

const filterTiles = () => {
  const { integrations } = snapshot;
  const words = state.filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  let found = 0;
  for (const integration of integrations) {
    const matching = matches(integration, words);
    if (matching) found++;
    const { node } = byId("tiles").nodesByKey.get(integration.name);
    // A hidden canvas has no width: what it missed is drawn when it is seen.
    if (matching && node.hidden) { show(node, true); updateTile(byId("tiles").nodesByKey.get(integration.name), integration); }
    else show(node, matching);
  }
  const slow = integrations.filter((i) => i.slow !== null).length;
  say(byId("count"), words.length > 0 ? found + " of " + count(integrations.length, "integration", "integrations") + " shown"
    : count(integrations.length, "integration", "integrations") + (slow > 0 ? ", " + slow + " slow" : ""));
  const empty = byId("empty");
  show(empty, found === 0);
  say(empty, integrations.length === 0 ? "No integration has been built in this process yet." : found === 0 ? "Nothing matches the filter." : "");
  return found;
};

// ---- the stream

let source = null;
let retry = null;
let tries = 0;
let receivedAt = null;
let failed = false;
const connection = (name, glyph, text) => {
  const node = byId("connection");
  mark(node, "data-state", name);
  say(node.querySelector(".mark"), glyph);
  say(node.querySelector(".words"), text);
  document.body.classList.toggle("outdated", receivedAt !== null && (name === "reconnecting" || name === "stale"));
};
const showConnection = () => {
  if (failed) connection("reconnecting", "\u25b2", receivedAt === null ? "reconnecting\u2026" : "reconnecting\u2026 stale since " + clock(receivedAt));
  else if (receivedAt === null) connection("connecting", "\u25cb", "connecting\u2026");
  else if (Date.now() - receivedAt > 5000) connection("stale", "\u25b2", "stale since " + clock(receivedAt));
  else connection("live", "\u25cf", "live");
};
const disconnect = () => {
  clearTimeout(retry);
  retry = null;
  if (source !== null) source.close();
  source = null;
};
const connect = () => {
  disconnect();
  if (document.hidden) return;
  const stream = (source = new EventSource(new URL("events", base)));
  stream.addEventListener("message", (event) => {
    let next;
    try { next = JSON.parse(event.data); } catch { return; }
    const wasFailed = failed;
    failed = false;
    tries = 0;
    receivedAt = Date.now();
    snapshot = next;
    shown = { heatBounds: next.heatBounds, at: next.at };
    showConnection();
    render();
    if (wasFailed) announce("Connected again");
  });
  stream.addEventListener("error", () => {
    if (source !== stream) return;
    // A browser gives up for good where a proxy has answered with an error, so the next try is ours.
    disconnect();
    if (!failed) announce("The connection is lost");
    failed = true;
    showConnection();
    retry = setTimeout(connect, Math.min(5000, 500 * 2 ** tries++) * (0.75 + Math.random() / 2));
  });
};

const start = () => {
  readPalette();
  const again = () => { readPalette(); render(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("resize", render);

  const button = byId("theme");
  const name = () => say(button, "Theme: " + theme);
  name();
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    stored(() => (theme === "system" ? localStorage.removeItem(themeKey) : localStorage.setItem(themeKey, theme)));
    applyTheme();
    name();
    again();
  });

  const filter = byId("filter");
  let announcing = null;
  const filterNow = () => {
    writeAddress();
    if (snapshot === null) return;
    const found = filterTiles();
    clearTimeout(announcing);
    announcing = setTimeout(() => announce(count(found, "integration", "integrations") + " shown"), 700);
  };
  filter.addEventListener("input", () => { state.filter = filter.value; filterNow(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
      filter.select();
    }
    if (event.key === "Escape" && document.activeElement === filter && filter.value !== "") {
      event.preventDefault();
      filter.value = state.filter = "";
      filterNow();
    }
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("integrations").focus();
    byId("integrations").scrollIntoView();
  });

  const tiles = byId("tiles");
  tiles.addEventListener("pointerenter", (event) => { pointed = event.pointerType === "mouse"; });
  tiles.addEventListener("pointerleave", () => { pointed = false; render(); });
  tiles.addEventListener("focusout", () => setTimeout(render, 0));

  const fromAddress = () => { readAddress(); filter.value = state.filter; render(); };
  addEventListener("hashchange", fromAddress);
  fromAddress();

  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  setInterval(showConnection, 1000);
  connect();
};
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
})();
`
