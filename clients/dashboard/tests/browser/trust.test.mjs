/** What makes the screen trustworthy: what it says when the line is lost, what it keeps, and how it comes back. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BASE, launch, live, settled, signIn, until, visitor } from "./stage.mjs";

let browser;
let page;
let context;
before(async () => {
  browser = await launch();
  ({ context, page } = await visitor(browser));
  await signIn(page);
});
after(() => browser.close());

const BANNER = "[data-banner=lost]";

const plot = (of) => of.locator("[data-widget=chart-0] .uplot");

/** For how many milliseconds of a stretch the first chart knows nothing, as its hatching says. */
async function unknown(of, from, to) {
  const spans = ((await plot(of).getAttribute("data-gaps")) ?? "").split(" ").filter(Boolean).map((span) => span.split("-").map(Number));
  return spans.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0);
}

/** Which share of the first chart's newest pixels is painted. */
function paintedAtTheEdge(of) {
  return plot(of).locator("canvas").evaluate((canvas) => {
    const over = canvas.parentElement.querySelector(".u-over");
    const scale = canvas.width / canvas.clientWidth;
    const [right, top, height] = [over.offsetLeft + over.offsetWidth, over.offsetTop, over.offsetHeight].map((length) => Math.round(length * scale));
    // Of three seconds in five minutes a pixel or two of the edge are left out: the line may be anywhere.
    const { data } = canvas.getContext("2d").getImageData(right - Math.round(6 * scale), top, Math.round(6 * scale), height);
    let painted = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] > 0) painted += 1;
    return painted / (data.length / 4);
  });
}

describe("the network goes", () => {
  it("the banner is up within three seconds, and actions say why they cannot be", async () => {
    await page.goto(BASE);
    await live(page);
    await settled(page);
    // Offline, the shell comes from the service worker: it must be there before.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const lost = Date.now();
    await context.setOffline(true);
    await page.locator(BANNER).waitFor();
    assert.ok(Date.now() - lost < 3_500, `the banner took ${String(Date.now() - lost)} ms`);
    const edit = page.getByRole("button", { name: "Edit" });
    assert.equal(await edit.getAttribute("aria-disabled"), "true");
    assert.match(await edit.getAttribute("aria-description"), /no connection/i);
  });

  it("values age, and say so in words", async () => {
    await page.locator("[data-freshness-note=stale], [data-freshness-note=ageing]").first().waitFor();
  });

  it("loaded again offline, the page opens and shows the last state as of then", async () => {
    await page.reload();
    await page.locator("[data-as-of]").waitFor();
    await page.getByText("Active devices").waitFor();
  });
});

describe("the network comes", () => {
  it("the page resyncs by itself and the banner goes", async () => {
    await context.setOffline(false);
    await live(page);
    await page.locator(BANNER).waitFor({ state: "detached" });
    await page.locator("[data-as-of]").waitFor({ state: "detached" });
  });

  it("a short loss on an open page is hatched, and ends with what was recovered in its place", async () => {
    await page.goto(BASE);
    await live(page);
    await plot(page).locator(".u-over").waitFor();
    const lost = Date.now();
    await context.setOffline(true);
    await page.locator(BANNER).waitFor();
    // Nothing is known of a growing stretch up to now: it is hatched, and the line ends before it.
    await until(async () => (await unknown(page, lost, Date.now())) >= 3_000, "the loss is a gap in the chart");
    assert.ok((await paintedAtTheEdge(page)) > 0.1, "the gap is hatched");
    const back = Date.now();
    await context.setOffline(false);
    await page.locator("[data-banner=resynced]").waitFor();
    assert.match(await page.locator("[data-banner=resynced]").innerText(), /Resynced, \d+ points? recovered/);
    await until(async () => (await unknown(page, lost, back)) < 1_000, "the gap is filled");
    await page.locator("[data-banner]").waitFor({ state: "detached" });
  });
});

describe("the laptop sleeps for eight hours", () => {
  let sleeper;
  let isAsleep = false;
  const said = [];
  before(async () => {
    sleeper = await visitor(browser);
    // The lid is shut: what was open stays open, and nothing comes through it any more.
    await sleeper.page.routeWebSocket(/\/ws\/live/, (socket) => {
      const server = socket.connectToServer();
      let isDead = false;
      socket.onMessage((message) => {
        isDead ||= isAsleep;
        if (isDead) return;
        said.push(...[JSON.parse(message)].flat());
        server.send(message);
      });
      server.onMessage((message) => {
        isDead ||= isAsleep;
        if (!isDead) socket.send(message);
      });
    });
    await sleeper.page.clock.install();
    await signIn(sleeper.page);
  });
  after(() => sleeper.context.close());

  it("and is right again by itself: another token, another line, the same page", async () => {
    const { page: woken, errors } = sleeper;
    await woken.getByRole("meter").first().waitFor();
    await woken.evaluate(() => { window.isTheSamePage = true; });
    const renewed = woken.waitForResponse((answer) => answer.url().endsWith("/api/auth/refresh"));
    isAsleep = true;
    await woken.clock.fastForward("08:00:00");
    isAsleep = false;
    assert.equal((await renewed).status(), 200);
    await until(() => tokens().length >= 2, "the page signs in to the socket again");
    assert.equal(new Set(tokens()).size, tokens().length, "with a token that is not the old one");
    await live(woken);
    await woken.locator(BANNER).waitFor({ state: "detached" });
    await woken.locator("[data-freshness=fresh]").first().waitFor();
    const figures = () => woken.getByRole("meter").evaluateAll((all) => all.map((one) => one.getAttribute("aria-valuetext")).join());
    const shown = await figures();
    await until(async () => (await figures()) !== shown, "values move again");
    assert.equal(await woken.evaluate(() => window.isTheSamePage), true);
    assert.deepEqual(errors, []);
  });

  const tokens = () => said.filter(({ type }) => type === "auth").map(({ token }) => token);
});
