/** What makes the screen trustworthy: what it says when the line is lost, what it keeps, and how it comes back. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BASE, launch, live, settled, signIn, visitor } from "./stage.mjs";

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

  it("a short loss on an open page ends with what was recovered", async () => {
    await page.goto(BASE);
    await live(page);
    await context.setOffline(true);
    await page.locator(BANNER).waitFor();
    await context.setOffline(false);
    await page.locator("[data-banner=resynced]").waitFor();
    assert.match(await page.locator("[data-banner=resynced]").innerText(), /Resynced/);
    await page.locator("[data-banner]").waitFor({ state: "detached" });
  });
});
