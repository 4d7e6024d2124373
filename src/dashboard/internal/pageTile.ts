/** The part of the page's script that makes a tile and keeps it up to date. It stands inside the function of pageScript.ts. */
export const tile = String.raw`// ---- a tile

const causes = { provider: "slow: provider", queue: "slow: queue", retries: "slow: retries", breaker: "breaker open" };
const breakers = {
  closed: "\u25cf closed",
  half_open: "\u25d0 half-open",
  open: "\u25a0 open",
  forced_open: "\u25a0 forced open",
  forced_closed: "\u25cf forced closed"
};

const pair = (parent, label, group) => {
  const value = el("dd", {});
  parent.append(el("div", { class: group }, el("dt", {}, label), value));
  return value;
};

let tileIds = 0;
const makeTile = ({ name }) => {
  const id = "tile-" + ++tileIds;
  const toggle = el("button", { type: "button", "aria-expanded": "false", "aria-controls": id + "-inside" },
    el("bdi", { class: "name" }, visible(name)));
  const badge = el("span", { class: "badge" });
  const reason = el("p", { class: "reason" });
  const quiet = el("p", { class: "idle" }, "No calls in the last minute");
  const numbers = el("dl", { class: "numbers" });
  const heat = makeHeat();
  const time = makeTime();
  const pictures = el("div", { class: "pictures" }, heat.node, time.node);
  const inside = el("div", { class: "inside", id: id + "-inside" });
  inside.hidden = true;
  const heading = el("h3", { id: id }, toggle);
  const node = el("article", { class: "tile", "aria-labelledby": id },
    el("div", { class: "face" }, el("div", { class: "top" }, heading, badge), reason,
      el("div", { class: "figures" }, quiet, numbers), pictures),
    inside);
  const tile = {
    node, name, toggle, badge, reason, quiet, inside, heat, time, pictures, details: null, data: null,
    p50: pair(numbers, "p50", "big"),
    p95: pair(numbers, "p95", "big"),
    p99: pair(numbers, "p99", "big"),
    rate: pair(numbers, "Calls", ""),
    errors: pair(numbers, "Errors", ""),
    attempts: pair(numbers, "Attempts a call", ""),
    active: pair(numbers, "Running", "pair"),
    breaker: pair(numbers, "Breaker", "pair"),
    queue: pair(numbers, "Waiting", "pair")
  };
  toggle.addEventListener("click", () => {
    if (state.open.has(name)) state.open.delete(name);
    else state.open.add(name);
    writeAddress();
    updateTile(tile, tile.data);
  });
  return tile;
};

/** A figure that may be missing. Nothing is never shown as 0. */
const figure = (node, value, format, missing) => {
  say(node, isNumber(value) ? format(value) : missing);
  node.classList.toggle("none", !isNumber(value));
};
const errorsInto = (node, ratio) => {
  figure(node, ratio, (r) => (r >= 0.2 ? "\u25b2\u25b2 " : r >= 0.02 ? "\u25b2 " : "") + percent(r), "no calls");
  mark(node, "data-kind", !isNumber(ratio) || ratio < 0.02 ? null : ratio < 0.2 ? "warn" : "bad");
};
const runningText = ({ active, oldestActiveMs }) =>
  active === 0 ? "none" : active.toLocaleString("en") + (isNumber(oldestActiveMs) ? ", oldest\u00a0" + duration(oldestActiveMs) : "");
const callsEnded = ({ outcomes }) => Object.values(outcomes || {}).reduce((sum, n) => sum + n, 0);

const updateTile = (tile, data) => {
  tile.data = data;
  const ended = callsEnded(data);
  const idle = ended === 0 && data.active === 0;
  const missing = ended === 0 ? "no calls" : "none sent";
  const troubled = isNumber(data.errorRatio) && data.errorRatio >= 0.02;
  const kind = data.slow !== null ? "slow" : idle ? "idle" : troubled ? "warn" : "ok";
  mark(tile.node, "data-state", kind);
  mark(tile.badge, "data-kind", kind);
  say(tile.badge, data.slow !== null ? "\u25b2 " + (causes[data.slow.cause] || "slow")
    : idle ? "\u25cb no calls" : troubled ? "\u25c6 errors" : "\u25cf fine");
  say(tile.reason, data.slow === null ? "" : visible(data.slow.reason));
  show(tile.reason, data.slow !== null);
  figure(tile.p50, data.p50Ms, duration, missing);
  figure(tile.p95, data.p95Ms, duration, missing);
  figure(tile.p99, data.p99Ms, duration, missing);
  figure(tile.rate, ended === 0 ? null : data.rate, perTime, "no calls");
  errorsInto(tile.errors, data.errorRatio);
  figure(tile.attempts, data.attemptsPerCall, (n) => trim(n, 3), missing);
  // One sentence in the place of six figures that there are not.
  for (const node of [tile.p50, tile.p95, tile.p99, tile.rate, tile.errors, tile.attempts]) show(node.parentNode, ended > 0);
  say(tile.quiet, data.active === 0 ? "No calls in the last minute" : "No call has ended in the last minute");
  show(tile.quiet, ended === 0);
  say(tile.active, runningText(data));
  say(tile.breaker, data.breaker === null ? "no breaker" : breakers[data.breaker] || visible(data.breaker));
  tile.breaker.classList.toggle("none", data.breaker === null);
  mark(tile.breaker, "data-kind", data.breaker === "open" || data.breaker === "forced_open" ? "bad" : data.breaker === "half_open" ? "warn" : null);
  say(tile.queue, data.queue === null ? "no queue" : data.queue.depth === 0 ? "none"
    : data.queue.depth.toLocaleString("en") + (isNumber(data.queue.oldestAgeMs) ? ", oldest\u00a0" + duration(data.queue.oldestAgeMs) : ""));
  tile.queue.classList.toggle("none", data.queue === null);
  mark(tile.queue, "data-kind", data.queue !== null && data.queue.depth > 0 ? "warn" : null);
  const open = state.open.has(data.name);
  mark(tile.toggle, "aria-expanded", String(open));
  mark(tile.node, "data-open", String(open));
  show(tile.inside, open);
  show(tile.heat.node, data.heat.some((column) => column.counts.some((n) => n > 0)));
  show(tile.time.node, data.time !== null);
  updateHeat(tile.heat, data);
  updateTime(tile.time, data.time);
  // What nobody has opened is not built: fifty tables of failures would cost more than all the rest.
  if (open) {
    if (tile.details === null) tile.details = makeDetails(tile.inside, visible(data.name));
    updateDetails(tile.details, data);
  } else if (tile.details !== null) {
    tile.inside.replaceChildren();
    tile.details = null;
  }
};

// ---- the heat strip: two minutes in columns of five seconds, latency upwards, the number of calls as strength

const columnMs = 5000;
const columnCount = 24;
const makeHeat = () => {
  const canvas = el("canvas", { role: "img" });
  const top = el("span", {});
  const bottom = el("span", {});
  const node = el("div", { class: "heat" },
    el("div", { class: "scale", "aria-hidden": "true" }, top, bottom), canvas,
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, "2 min ago"), el("span", {}, "latency"), el("span", {}, "now")));
  return { node, canvas, top, bottom, drawn: "" };
};
const bucketName = (bounds, index) =>
  index === 0 ? "under " + duration(bounds[0]) : index >= bounds.length ? "over " + duration(bounds[bounds.length - 1])
    : duration(bounds[index - 1]) + " to " + duration(bounds[index]);
const bucketTotals = (data, bounds) => {
  const totals = new Array(bounds.length + 1).fill(0);
  for (const column of data.heat) column.counts.forEach((n, index) => { if (index < totals.length) totals[index] += n; });
  return totals;
};
const heatText = (data, bounds) => {
  const totals = bucketTotals(data, bounds);
  const all = totals.reduce((sum, n) => sum + n, 0);
  if (all === 0) return "Latency of the last two minutes: no calls";
  const most = totals.indexOf(Math.max(...totals));
  const slowest = totals.findLastIndex((n) => n > 0);
  return "Latency of the last two minutes: " + count(all, "call", "calls") + ", most of them " + bucketName(bounds, most) +
    ", the slowest " + bucketName(bounds, slowest);
};
let palette = null;
const readPalette = () => {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  };
  palette = { stops: [rgb("--heat-fast"), rgb("--heat-middle"), rgb("--heat-slow")], version: palette === null ? 1 : palette.version + 1 };
};
const updateHeat = (heat, data) => {
  const bounds = shown.heatBounds;
  if (bounds.length === 0) return;
  mark(heat.canvas, "aria-label", heatText(data, bounds));
  say(heat.top, "> " + duration(bounds[bounds.length - 1]));
  say(heat.bottom, "< " + duration(bounds[0]));
  const width = heat.canvas.clientWidth;
  const height = heat.canvas.clientHeight;
  if (width === 0) return;
  // The last column is the one that runs now, so that idle time shows as a gap and not as an end.
  const last = Math.floor(shown.at / columnMs);
  const drawing = [width, height, palette.version, last, ...data.heat.map((c) => c.at + ":" + c.counts.join())].join("|");
  if (heat.drawn === drawing) return;
  heat.drawn = drawing;
  const scale = devicePixelRatio || 1;
  heat.canvas.width = Math.round(width * scale);
  heat.canvas.height = Math.round(height * scale);
  const draw = heat.canvas.getContext("2d");
  draw.scale(scale, scale);
  const rows = bounds.length + 1;
  const most = Math.max(1, ...data.heat.flatMap((column) => column.counts));
  const x = width / columnCount;
  const y = height / rows;
  for (const column of data.heat) {
    const at = columnCount - 1 - (last - Math.floor(column.at / columnMs));
    if (at < 0 || at >= columnCount) continue;
    column.counts.forEach((n, row) => {
      if (n === 0 || row >= rows) return;
      const warmth = (2 * row) / (rows - 1);
      const stop = warmth < 1 ? 0 : 1;
      const color = palette.stops[stop].map((from, i) => Math.round(from + (palette.stops[stop + 1][i] - from) * (warmth - stop)));
      // Few calls stay visible: one slow call among a thousand is what the strip is for.
      const strength = 0.3 + 0.7 * Math.sqrt(n / most);
      draw.fillStyle = "rgba(" + color.join() + "," + strength.toFixed(3) + ")";
      draw.fillRect(at * x + 0.5, height - (row + 1) * y, x - 1, Math.max(1, y - 0.5));
    });
  }
};

// ---- where the time goes

const makeTime = () => {
  const part = (kind) => el("i", { class: kind });
  const key = (kind) => el("span", { class: "key " + kind });
  const parts = ["provider", "queue", "retries"].map((kind) => ({ kind, bar: part(kind), key: key(kind) }));
  const node = el("div", { class: "time" },
    el("div", { class: "stack", "aria-hidden": "true" }, ...parts.map((p) => p.bar)),
    el("p", { class: "legend" }, ...parts.map((p) => p.key)));
  return { node, parts };
};
const partNames = { provider: "provider", queue: "waiting", retries: "between attempts" };
const updateTime = (view, time) => {
  if (time === null) return;
  const total = time.providerMs + time.queueMs + time.retriesMs;
  for (const { bar, key, kind } of view.parts) {
    const ms = time[kind + "Ms"];
    const share = total > 0 ? ms / total : 0;
    const grow = share.toFixed(3);
    if (bar.style.flexGrow !== grow) bar.style.flexGrow = grow;
    say(key, partNames[kind] + " " + (ms > 0 ? duration(ms) : "none") + (share >= 0.005 ? " (" + Math.round(share * 100) + "\u00a0%)" : ""));
  }
};

// ---- what a tile shows when it is open

const scroller = (label, table) => el("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": label }, table);
const tableOf = (heads) => {
  const body = el("tbody", {});
  const row = el("tr", {}, ...heads.map(([text, kind]) => el("th", { scope: "col", class: kind || "" }, text)));
  return { table: el("table", {}, el("thead", {}, row), body), body };
};
const makeDetails = (parent, name) => {
  const operations = tableOf([["Operation"], ["Calls", "figure"], ["Errors", "figure"], ["p50", "figure"], ["p95", "figure"], ["p99", "figure"], ["Attempts a call", "figure"], ["Running", "figure"]]);
  const operationsQuiet = el("p", { class: "quiet" }, "No operation has been called yet.");
  const operationsRegion = scroller("Operations of " + name, operations.table);
  const failures = tableOf([["When"], ["Operation"], ["Reason"], ["How it ended"], ["Did it happen?"], ["Attempts", "figure"], ["Took", "figure"], ["Ids"]]);
  const failuresQuiet = el("p", { class: "quiet" }, "None since this process began to watch.");
  failures.table.className = "failures";
  const failuresRegion = scroller("Recent failures of " + name, failures.table);
  const outcomes = el("tbody", {});
  const outcomesQuiet = el("p", { class: "quiet" }, "No call has ended in the last minute.");
  const latencies = el("tbody", {});
  const latenciesQuiet = el("p", { class: "quiet" }, "No call in the last two minutes.");
  const circuits = tableOf([["Breaker"], ["Circuit"], ["State"]]);
  const circuitsRegion = scroller("Circuits of " + name, circuits.table);
  const circuitsPart = el("section", {}, el("h4", {}, "Circuits"), circuitsRegion);
  const plan = el("div", { class: "plan" });
  const planQuiet = el("p", { class: "quiet" }, "No plan is known.");
  parent.replaceChildren(
    el("h4", {}, "Operations, last minute"), operationsRegion, operationsQuiet,
    el("h4", {}, "Recent failures"), failuresRegion, failuresQuiet,
    el("div", { class: "columns" },
      el("section", {}, el("h4", {}, "How calls ended, last minute"),
        el("table", { class: "plain" }, el("caption", { class: "unseen" }, "How calls ended"), outcomes), outcomesQuiet),
      el("section", {}, el("h4", {}, "Calls by latency, last two minutes"),
        el("table", { class: "plain" }, el("caption", { class: "unseen" }, "Calls by latency"), latencies), latenciesQuiet),
      circuitsPart),
    el("h4", {}, "Plan"), plan, planQuiet);
  return { operations, operationsRegion, operationsQuiet, failures, failuresRegion, failuresQuiet, outcomes, outcomesQuiet, latencies, latenciesQuiet, circuits, circuitsPart, plan, planQuiet, planShown: "" };
};

const updateDetails = (details, data) => {
  keyed(details.operations.body, data.operations, (o) => o.name, makeOperation, updateOperation);
  show(details.operationsRegion, data.operations.length > 0);
  show(details.operationsQuiet, data.operations.length === 0);

  const seen = new Map();
  const failures = data.failures.map((failure) => {
    const id = [failure.at, failure.operation, failure.correlationId, failure.callOutcome].join("|");
    const times = (seen.get(id) || 0) + 1;
    seen.set(id, times);
    return { failure, id: id + "|" + times };
  });
  keyed(details.failures.body, failures, (f) => f.id, ({ failure }) => makeFailure(failure), () => {});
  show(details.failuresRegion, data.failures.length > 0);
  show(details.failuresQuiet, data.failures.length === 0);

  const ended = callsEnded(data);
  bars(details.outcomes, Object.entries(data.outcomes || {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).map(([name, n]) => [name.replaceAll("_", " "), n]), ended);
  show(details.outcomesQuiet, ended === 0);
  const totals = bucketTotals(data, shown.heatBounds);
  const all = totals.reduce((sum, n) => sum + n, 0);
  bars(details.latencies, totals.map((n, index) => [bucketName(shown.heatBounds, index), n]).filter(([, n]) => n > 0), all);
  show(details.latenciesQuiet, all === 0);

  keyed(details.circuits.body, data.circuits, (c) => c.breaker + "|" + c.key, () => {
    const cells = [el("td", { class: "text" }), el("td", { class: "text" }), el("td", {})];
    return { node: el("tr", {}, ...cells), cells };
  }, ({ cells }, c) => {
    say(cells[0], visible(c.breaker));
    say(cells[1], c.key === "" ? "all calls" : visible(c.key));
    say(cells[2], breakers[c.state] || visible(c.state));
  });
  show(details.circuitsPart, data.circuits.length > 0);

  // A plan changes when the process is another one, and what a reader has unfolded stays so until then.
  const planNow = JSON.stringify(data.plan);
  if (details.planShown !== planNow) {
    details.planShown = planNow;
    details.plan.replaceChildren(...data.plan.map(planOf));
    show(details.planQuiet, data.plan.length === 0);
  }
};

const bars = (body, rows, all) =>
  keyed(body, rows, ([name]) => name, ([name]) => {
    const value = el("td", { class: "figure" });
    const bar = el("i", {});
    return { node: el("tr", {}, el("th", { scope: "row" }, visible(name)), value, el("td", { class: "share", "aria-hidden": "true" }, bar)), value, bar };
  }, ({ bar, value }, [, n]) => {
    say(value, n.toLocaleString("en"));
    const width = (all > 0 ? (100 * n) / all : 0).toFixed(1) + "%";
    if (bar.style.width !== width) bar.style.width = width;
  });

const makeOperation = ({ name }) => {
  const cells = {};
  for (const cell of ["rate", "errors", "p50", "p95", "p99", "attempts", "active"]) cells[cell] = el("td", { class: "figure" });
  return { node: el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, visible(name))), ...Object.values(cells)), cells };
};
const updateOperation = ({ cells }, data) => {
  const ended = callsEnded(data);
  const missing = ended === 0 ? "no calls" : "none sent";
  figure(cells.rate, ended === 0 ? null : data.rate, perTime, "no calls");
  errorsInto(cells.errors, data.errorRatio);
  figure(cells.p50, data.p50Ms, duration, missing);
  figure(cells.p95, data.p95Ms, duration, missing);
  figure(cells.p99, data.p99Ms, duration, missing);
  figure(cells.attempts, data.attemptsPerCall, (n) => trim(n, 3), missing);
  say(cells.active, runningText(data));
};

const happened = { NotSent: "\u25cb no, not sent", Refused: "\u25cb no, refused", Unknown: "? unknown", Applied: "\u25cf yes" };
const makeFailure = (failure) => {
  const ids = el("dl", { class: "ids" });
  const id = (label, value) => {
    if (value === null || value === undefined || value === "") return;
    const button = el("button", { type: "button", class: "copy", "aria-label": "Copy " + label + " " + visible(value) }, "Copy");
    button.addEventListener("click", () => copy(String(value), label, button));
    ids.append(el("dt", {}, label), el("dd", {}, el("code", {}, visible(value))), el("dd", {}, button));
  };
  id("trace id", failure.traceId);
  id("correlation id", failure.correlationId);
  id("key", failure.key);
  id("provider request id", failure.requestId);
  const cell = (text, kind) => el("td", { class: kind || "" }, text);
  const labelled = (label, text) => el("td", { class: "figure", "data-label": label }, text);
  return {
    node: el("tr", {},
      el("td", { class: "figure" }, el("time", { datetime: new Date(failure.at).toISOString() }, clock(failure.at))),
      el("th", { scope: "row" }, el("bdi", {}, visible(failure.operation))),
      cell(visible(failure.reason), "text"),
      cell(visible(failure.callOutcome.replaceAll("_", " "))),
      cell(happened[failure.outcome] || visible(failure.outcome)),
      labelled("Attempts", String(failure.attempts)),
      labelled("Took", duration(failure.latencyMs)),
      el("td", { class: "wide" }, ids))
  };
};

const repeats = { Safe: "safe", Idempotent: "idempotent", AtMostOnce: "at most once" };
const planOf = (operation) => {
  const facts = [
    "at worst " + count(operation.worstCaseAttempts, "attempt", "attempts") + ", " +
      (isNumber(operation.worstCaseTime) ? duration(operation.worstCaseTime) : "without an end"),
    "at most " + count(operation.worstCaseLoad, "request", "requests") + " a call" +
      (isNumber(operation.outageLoad) && operation.outageLoad !== operation.worstCaseLoad ? ", " + trim(operation.outageLoad, 3) + " in a long outage" : ""),
    "repeats: " + operation.key,
    "exhausted: " + operation.exhausted,
    ...operation.retriedInside.map((around) => "inside " + around.operation + ", retried too: at most " + count(around.load, "request", "requests") + " together")
  ];
  return el("details", {},
    el("summary", {}, el("bdi", {}, visible(operation.operation)), " ", el("span", {}, visible(operation.via + ", " + (repeats[operation.repeat] || operation.repeat)))),
    el("p", { class: "facts" }, visible(facts.join(" \u00b7 "))),
    el("ol", {}, ...operation.layers.map(({ describe, slot }) => el("li", {}, el("code", {}, visible(slot)), el("span", {}, visible(describe))))));
};

const copy = async (text, label, button) => {
  let copied = false;
  try {
    await navigator.clipboard.writeText(text);
    copied = true;
  } catch {
    // Over plain HTTP from another machine a browser has no clipboard: the way of old still works there.
    const field = el("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    copied = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  say(button, copied ? "Copied" : "Not copied");
  announce((copied ? "Copied the " : "Could not copy the ") + label);
  setTimeout(() => say(button, "Copy"), 1500);
};`
