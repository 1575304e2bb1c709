/** A browser before the real product: where it is, who signs in, and how to look at it. Used by all tests here. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const BASE = process.env["PULSE_BASE"] ?? "http://127.0.0.1:8080";
export const ADMIN = { username: process.env["PULSE_USERNAME"] ?? "admin", password: process.env["PULSE_PASSWORD"] ?? "" };
/** A busy machine is no failure. */
export const PATIENCE_MS = 45_000;
const POLL_MS = 200;

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function launch() {
  return chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ARGUMENTS });
}

/** A browser of somebody: of this size and theme, in this language. Fails the test on any error of the page's own. */
export async function visitor(browser, { width = 1440, height = 900, scale = 1, theme = "light", language = "en", storageState } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, deviceScaleFactor: scale, colorScheme: theme, locale: language, reducedMotion: "reduce", ...(storageState ? { storageState } : {}),
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const errors = [];
  context.on("weberror", (event) => errors.push(event.error().message));
  const page = await context.newPage();
  return { context, page, errors };
}

export async function signIn(page, who = ADMIN, path = "/") {
  await page.goto(BASE + path);
  await signInHere(page, who);
}

/** Sign in on the page that asks for it. */
export async function signInHere(page, { username, password }) {
  await page.locator("input[name=username]").fill(username);
  await page.locator("input[name=password]").fill(password);
  await page.keyboard.press("Enter");
  await page.locator("#content").waitFor();
  await live(page);
}

/** Wait until the page says that what it shows is live. */
export async function live(page) {
  await page.locator("header").getByText(/^Live$/).waitFor();
}

/** Wait until nothing on the page is on its way any more. */
export async function settled(page) {
  await page.locator("#content").waitFor();
  await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
}

/** Ask again and again until it is so. */
export async function until(isSo, what, patienceMs = PATIENCE_MS) {
  const deadline = Date.now() + patienceMs;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `did not happen within ${String(patienceMs / 1_000)} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The admin's token, past the page: good for longer than any test. */
let token;

async function signedIn() {
  const answer = await fetch(`${BASE}/api/auth/login`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(ADMIN),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

/** A request of the signed-in admin, past the page: to set the stage. */
export async function api(method, path, body, headers = {}) {
  token ??= signedIn();
  const answer = await fetch(BASE + path, {
    method,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${await token}`, "Idempotency-Key": crypto.randomUUID(), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${String(answer.status)} ${await answer.clone().text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** The name of a device that is there; the simulator may just be registering its own. */
export async function firstDevice() {
  let found;
  await until(async () => { ({ items: [found] } = await api("GET", "/api/devices?limit=1")); return found !== undefined; }, "a device is registered");
  return found.id;
}

/** Every rule that axe knows of WCAG 2.2 A and AA; returns what is wrong, in words. */
export async function violations(page) {
  // Not as a script of the page: its policy forbids that, and shall.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return result.violations.map(({ id, nodes }) => ({ id, nodes: nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.failureSummary ?? ""}`) }));
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes.join(" | ")}`);
}
