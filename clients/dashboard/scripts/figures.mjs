/**
 * Reads the figures of the specification in headless Chromium before the real stack, and fails above them.
 *
 * `npm run figures` starts a stack with eight devices that send ten times a second, and reads all. Parts: `-- --only charts,heap`.
 * `--heap-minutes` says how long the long run is; `--brief` reads each for a moment, judges nothing but whether it can be
 * read, and is what the tests run. `--json` writes what was read to a file. A machine that does other things meanwhile is seen in
 * the figures: nothing else should run.
 */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SCREENS } from "../tests/browser/screens.mjs";
import { ADMIN, api, BASE, launch, live, settled, signIn } from "../tests/browser/stage.mjs";

const PARTS = ["sizes", "load", "shift", "input", "charts", "heap"];
const LIMITS = { lcpMs: 1_200, inpMs: 100, cls: 0.02, fps: 55, longTaskMsPerS: 20, heapMb: 20 };
const MB = 1024 * 1024;
const RATE_HZ = 10;
const WINDOW_S = 60;
const METRICS = ["temperature", "humidity", "produced"];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: PARTS.join() },
    brief: { type: "boolean", default: false },
    seconds: { type: "string", default: "20" },
    "heap-minutes": { type: "string", default: "10" },
    json: { type: "string" },
  },
});
const parts = options.only.split(",");
const seconds = options.brief ? 1 : Number(options.seconds);
const heapMinutes = options.brief ? 0.02 : Number(options["heap-minutes"]);

const vitals = await readFile(createRequire(import.meta.url).resolve("web-vitals").replace(/web-vitals\.(umd\.cjs|js)$/, "web-vitals.attribution.iife.js"), "utf8");
/** Runs in the page before anything of its own: the newest word of each vital stands in `window.vitals`, and whose doing it is. */
const WATCH_VITALS = `${vitals};
  window.vitals = {};
  for (const [name, on] of [["lcp", webVitals.onLCP], ["cls", webVitals.onCLS], ["inp", webVitals.onINP]])
    on(({ value, attribution: of }) => {
      window.vitals[name] = value;
      window.vitals[name + "By"] = [of.largestShiftTarget, of.interactionType, of.interactionTarget, of.inputDelay, of.processingDuration, of.presentationDelay]
        .filter((one) => one !== undefined).map((one) => (typeof one === "number" ? Math.round(one) + " ms" : one)).join(" ");
    }, { reportAllChanges: true, durationThreshold: 16 });`;

const read = [];
/** Note a figure; what is worse than its limit fails the run, unless it is a brief one. */
function note(name, value, limit, unit, isBetter = "less") {
  const holds = Number.isFinite(value) && (options.brief || limit === undefined || (isBetter === "less" ? value <= limit : value >= limit));
  read.push({ name, value, limit, unit, holds });
  const bound = limit === undefined ? "" : `${isBetter === "less" ? "≤" : "≥"} ${String(limit)}`;
  console.log(`${value.toFixed(value < 1 ? 4 : 1).padStart(9)} ${unit.padEnd(6)} ${bound.padEnd(8)} ${name}${holds ? "" : "  FAILS"}`);
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

async function visitor(browser) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en" });
  context.setDefaultTimeout(60_000);
  await context.addInitScript({ content: WATCH_VITALS });
  return { context, page: await context.newPage() };
}

const vital = (page, name) => page.evaluate((one) => window.vitals[one], name);
/** What came last has been painted and measured. */
const painted = (page) => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300))); }));

async function readSizes() {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL("sizes.mjs", import.meta.url))], { encoding: "utf8" });
  console.log(stdout.trimEnd());
  note("bundles above their limit", status === 0 ? 0 : 1, 0, "");
}

/** How long the largest thing on the page takes: as a stranger sees it for the first time, and as one's own dashboard again. */
async function readLoad(browser) {
  const times = options.brief ? 1 : 5;
  const first = [];
  const again = [];
  for (let round = 0; round < times; round += 1) {
    const { context, page } = await visitor(browser);
    await page.goto(BASE);
    await page.locator("input[name=username]").waitFor();
    await painted(page);
    first.push(await vital(page, "lcp"));
    await signIn(page);
    await page.locator("[data-widget]").first().waitFor();
    await page.reload();
    await live(page);
    await settled(page);
    await painted(page);
    again.push(await vital(page, "lcp"));
    await context.close();
  }
  note("largest paint, sign-in, nothing cached (median)", median(first), LIMITS.lcpMs, "ms");
  note("largest paint, dashboard after a reload (median)", median(again), LIMITS.lcpMs, "ms");
}

/** How far things jump while each screen loads and then lives for a moment. */
async function readShift(browser) {
  const [device] = await deviceIds(1);
  const { context, page } = await visitor(browser);
  await signIn(page);
  let worst = { name: "none", cls: 0 };
  for (const { name, path } of options.brief ? SCREENS.slice(0, 2) : SCREENS) {
    await page.goto(BASE + path.replace("{device}", device));
    await live(page);
    await settled(page);
    await painted(page);
    const cls = (await vital(page, "cls")) ?? 0;
    if (cls > LIMITS.cls) console.log(`  ${name}: ${cls.toFixed(4)} by ${await vital(page, "clsBy")}`);
    if (cls >= worst.cls) worst = { name, cls };
  }
  note(`layout shift, worst of all screens (${worst.name})`, worst.cls, LIMITS.cls, "");
  await context.close();
}

/** Ask again every two seconds until there is an answer; a stack that has just started has no devices yet. */
async function awaited(what, ask) {
  const until = Date.now() + 180_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > until) throw new Error(`no ${what} in three minutes: is the simulator running?`);
    await new Promise((done) => { setTimeout(done, 2_000); });
  }
}

/** The ids of the devices, in order, once there are so many. */
function deviceIds(atLeast) {
  return awaited(`${String(atLeast)} devices`, async () => {
    const { items } = await api("GET", "/api/devices?limit=100");
    return items.length >= atLeast ? items.map(({ id }) => id).sort() : undefined;
  });
}

/** Charts of one line each, all of them in sight; returns the dashboard's id and the last of its devices. */
async function makeBoard(count) {
  const ids = await deviceIds(options.brief ? 1 : Math.ceil(count / METRICS.length));
  const charts = Array.from({ length: count }, (_, index) => ({
    id: `c${String(index)}`,
    kind: "chart",
    title: `Chart ${String(index + 1)}`,
    series: [{ device_id: ids[Math.floor(index / METRICS.length) % ids.length], metric: METRICS[index % METRICS.length] }],
    window_seconds: WINDOW_S,
  }));
  const [columns, w, h] = count > 12 ? [6, 4, 2] : [4, 6, 3];
  const places = charts.map(({ id }, index) => ({ i: id, x: (index % columns) * w, y: Math.floor(index / columns) * h, w, h }));
  const wanted = { name: `Figures ${String(count)}`, widgets: charts, layouts: { lg: places } };
  const { items: known } = await api("GET", "/api/dashboards");
  const { id } = known.find(({ name }) => name === wanted.name) ?? (await api("POST", "/api/dashboards", wanted));
  return { id, last: charts.at(-1).series[0].device_id };
}

/** Wait until the charts have a window full of points, so that 600 are drawn and not 60. */
async function windowFull(device) {
  if (options.brief) return;
  await awaited(`full window of ${device}`, async () => {
    const now = Date.now();
    const query = new URLSearchParams({
      device_id: device, metric: METRICS[0], from: new Date(now - WINDOW_S * 1000).toISOString(), to: new Date(now).toISOString(), max_points: "3000",
    });
    const { series } = await api("GET", `/api/telemetry/history?${query}`);
    return (series[0]?.points.length ?? 0) >= WINDOW_S * RATE_HZ * 0.95 ? true : undefined;
  });
}

/** Count the readings that the socket brings a page. */
function countRows(page) {
  const counted = { rows: 0 };
  page.on("websocket", (socket) => {
    const raw = new Set();
    socket.on("framesent", ({ payload }) => {
      for (const frame of [JSON.parse(String(payload))].flat()) if (frame.type === "subscribe" && frame.topic === "telemetry.raw") raw.add(frame.sub);
    });
    socket.on("framereceived", ({ payload }) => {
      for (const frame of [JSON.parse(String(payload))].flat()) if (frame.type === "data" && raw.has(frame.sub)) counted.rows += frame.rows.length;
    });
  });
  return counted;
}

/** Frames, and milliseconds spent in long tasks, over a while. */
const watchFrames = (page, forMs) =>
  page.evaluate(
    (ms) =>
      new Promise((done) => {
        let frames = 0;
        let long = 0;
        const watch = new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) long += duration; });
        watch.observe({ type: "longtask" });
        const begin = performance.now();
        const turn = (now) => {
          frames += 1;
          if (now - begin < ms) {
            requestAnimationFrame(turn);
            return;
          }
          watch.disconnect();
          done({ fps: (1000 * (frames - 1)) / (now - begin), longTaskMsPerS: (1000 * long) / (now - begin) });
        };
        requestAnimationFrame(turn);
      }),
    forMs,
  );

async function readCharts(browser, count) {
  const { id, last } = await makeBoard(count);
  await windowFull(last);
  const { context, page } = await visitor(browser);
  const counted = countRows(page);
  await signIn(page);
  await page.goto(`${BASE}/?dashboard=${id}`);
  await page.locator(".u-over").nth(count - 1).waitFor();
  await live(page);
  await settled(page);
  // Opening is not what is read here: the first seconds belong to it.
  await watchFrames(page, options.brief ? 200 : 5_000);
  counted.rows = 0;
  const begin = Date.now();
  const { fps, longTaskMsPerS } = await watchFrames(page, seconds * 1000);
  const rate = (counted.rows * 1000) / (Date.now() - begin);
  const name = `${String(count)} charts × ${String(WINDOW_S * RATE_HZ)} points at ${String(RATE_HZ)} Hz`;
  note(`${name}: readings over the socket`, rate, count * RATE_HZ * 0.9, "/s", "more");
  note(`${name}: frames`, fps, LIMITS.fps, "fps", "more");
  note(`${name}: long tasks`, longTaskMsPerS, LIMITS.longTaskMsPerS, "ms/s");
  await context.close();
}

/** What a person does all day, with twelve charts running; the slowest answer counts. */
async function readInput(browser) {
  const { id } = await makeBoard(12);
  const { context, page } = await visitor(browser);
  await signIn(page);
  await page.goto(`${BASE}/?dashboard=${id}`);
  await page.locator(".u-over").nth(11).waitFor();
  await settled(page);
  const press = async (...keys) => {
    for (const key of keys) {
      await page.keyboard.press(key);
      await painted(page);
    }
  };
  const go = async (name) => {
    await page.locator("aside").getByRole("link", { name, exact: true }).click();
    await settled(page);
    await painted(page);
  };
  await press("?", "Escape", "Control+k", "d", "e", "v", "Escape", " ", " ");
  if (!options.brief) {
    for (const name of ["Devices", "History", "Alerts", "Commands", "Configuration", "Users and roles", "Synchronisation", "Audit log", "Reports", "Devices"]) {
      const link = page.locator("aside").getByRole("link", { name, exact: true });
      if ((await link.count()) > 0) await go(name);
    }
    await press("/", "p", "u", "m", "p");
    await page.getByRole("row").nth(1).click();
    await settled(page);
    for (const tab of await page.getByRole("tab").all()) {
      await tab.click();
      await settled(page);
      await painted(page);
    }
    await go("Dashboard");
    await page.locator(".u-over").first().hover();
    await press("Control+k", "Escape");
  }
  const slowest = (await vital(page, "inp")) ?? Number.NaN;
  if (slowest > LIMITS.inpMs) console.log(`  ${await vital(page, "inpBy")} (waiting, working, painting)`);
  note("slowest answer to a key or a press", slowest, LIMITS.inpMs, "ms");
  await context.close();
}

/** What is really used: everything that can be collected has been. */
async function heapMb(session) {
  for (let times = 0; times < 3; times += 1) await session.send("HeapProfiler.collectGarbage");
  const { usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await session.send("Runtime.getHeapUsage");
  return (usedSize + embedderHeapUsedSize + backingStorageSize) / MB;
}

/**
 * A long run: half of the time twelve charts are left alone, half of it somebody goes through the product and comes back.
 * Read before and after with forced collections, script, document and buffers together.
 */
async function readHeap(browser) {
  const { id } = await makeBoard(12);
  const { context, page } = await visitor(browser);
  const session = await context.newCDPSession(page);
  await session.send("HeapProfiler.enable");
  const onBoard = async () => {
    await page.locator("aside").getByRole("link", { name: "Dashboard", exact: true }).click();
    await page.locator(".u-over").first().waitFor();
    await settled(page);
  };
  const round = async () => {
    for (const path of ["/devices", "/history", "/alerts", "/commands", "/audit"]) {
      await page.locator(`aside a[href="${path}"]`).click();
      await settled(page);
    }
    await onBoard();
  };
  await signIn(page);
  await page.goto(`${BASE}/?dashboard=${id}`);
  await page.locator(".u-over").nth(11).waitFor();
  // What is loaded once and what is kept for coming back are there after a few rounds.
  for (let times = 0; times < (options.brief ? 1 : 3); times += 1) await round();
  await page.waitForTimeout(options.brief ? 200 : 30_000);
  const before = await heapMb(session);
  await page.waitForTimeout((heapMinutes * 60_000) / 2);
  const left = await heapMb(session);
  const until = Date.now() + (heapMinutes * 60_000) / 2;
  let rounds = 0;
  for (; Date.now() < until; rounds += 1) await round();
  await page.waitForTimeout(options.brief ? 200 : 10_000);
  const after = await heapMb(session);
  note(`heap at the start of the long run`, before, undefined, "MB");
  note(`heap growth, ${String(heapMinutes / 2)} min of twelve charts left alone`, left - before, LIMITS.heapMb, "MB");
  note(`heap growth after ${String(rounds)} more rounds through six screens`, after - before, LIMITS.heapMb, "MB");
  await context.close();
}

const browser = await launch();
console.log(`${os.cpus().length} × ${os.cpus()[0]?.model ?? "?"}, no GPU, Chromium ${browser.version()}, load ${os.loadavg()[0]?.toFixed(1) ?? "?"}`);
try {
  if (ADMIN.password === "") throw new Error("no stack: run `npm run figures`, or set PULSE_BASE and PULSE_PASSWORD");
  if (parts.includes("sizes")) await readSizes();
  if (parts.includes("load")) await readLoad(browser);
  if (parts.includes("shift")) await readShift(browser);
  if (parts.includes("input")) await readInput(browser);
  if (parts.includes("charts")) for (const count of options.brief ? [12] : [12, 24]) await readCharts(browser, count);
  if (parts.includes("heap")) await readHeap(browser);
} finally {
  await browser.close();
}
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(read, null, 2)}\n`);
process.exit(read.every(({ holds }) => holds) ? 0 : 1);
