/** One's own dashboard: changed by keyboard alone, kept on the server, found again in another browser. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { api, BASE, launch, live, settled, signIn, visitor } from "./stage.mjs";

let browser;
before(async () => {
  browser = await launch();
  // These tests begin with nobody's dashboard.
  const { items } = await api("GET", "/api/dashboards");
  for (const { id, version } of items) await api("DELETE", `/api/dashboards/${id}`, undefined, { "If-Match": `"${String(version)}"` });
});
after(() => browser.close());

const order = (page) =>
  page.locator("[data-widget]").evaluateAll((elements) =>
    elements
      .map((element) => ({ id: element.dataset.widget, top: element.getBoundingClientRect().top, left: element.getBoundingClientRect().left }))
      .sort((a, b) => a.top - b.top || a.left - b.left)
      .map(({ id }) => id),
  );

it("a value changes before one's eyes", async () => {
  const { context, page } = await visitor(browser);
  await signIn(page);
  const gauge = page.getByRole("meter").first();
  await gauge.waitFor();
  const first = await gauge.getAttribute("aria-valuetext");
  await page.waitForFunction((before) => document.querySelector("[role=meter]")?.getAttribute("aria-valuetext") !== before, first);
  await context.close();
});

it("a widget moved with the keyboard is there after a reload, in another browser", async () => {
  const { context, page } = await visitor(browser);
  await signIn(page);
  await page.locator("[data-widget=chart-0]").waitFor();
  const before = await order(page);
  await page.getByRole("button", { name: "Edit" }).focus();
  await page.keyboard.press("Enter");
  const handle = page.locator("[data-widget=chart-0]").getByRole("button", { name: /^Move or resize/ });
  await handle.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menuitem", { name: "Move up" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Done" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("Saved").waitFor();
  await page.locator("[data-widget=chart-0]").waitFor();
  const moved = await order(page);
  assert.notDeepEqual(moved, before);
  await context.close();

  const other = await visitor(browser);
  await signIn(other.page);
  await other.page.goto(BASE);
  await live(other.page);
  await settled(other.page);
  await other.page.locator("[data-widget=chart-0]").waitFor();
  assert.deepEqual(await order(other.page), moved);
  await other.context.close();
});

it("dragging over a chart shows that stretch, and one press brings it back to live", async () => {
  const { context, page } = await visitor(browser);
  await signIn(page);
  const plot = page.locator("[data-widget=chart-0] .u-over");
  await plot.waitFor();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await page.getByRole("button", { name: "Back to live" }).click();
  await page.getByRole("button", { name: "Back to live" }).waitFor({ state: "detached" });
  await context.close();
});
