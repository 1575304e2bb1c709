/** Alarms by keyboard alone, while the list changes under one's hands. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { api, BASE, launch, settled, signIn, until, visitor } from "./stage.mjs";

const RUN = Date.now().toString(36);
const rules = [];

let browser;
let context;
let page;
let errors;

/** A rule that raises an alarm for every device, and never clears one. */
async function alarmFor(metric, severity) {
  const test = { operator: ">", value: -1000 };
  const rule = { name: `${metric} ${RUN}`, metric, severity, message: "{device_name}: {rule}", condition: { kind: "threshold", test } };
  const { id } = await api("POST", "/api/alert-rules", rule);
  rules.push(id);
  const { total = 0 } = await api("GET", "/api/devices?limit=1");
  await until(async () => (await api("GET", `/api/alerts?rule_id=${id}`)).items.length >= Math.max(total, 1), `alarms of ${metric}`);
}

before(async () => {
  browser = await launch();
  ({ context, page, errors } = await visitor(browser));
});
after(async () => {
  await context.close();
  await browser.close();
  for (const id of rules) await api("DELETE", `/api/alert-rules/${id}`, undefined, { "If-Match": "*" });
});

const focused = () => page.evaluate(() => document.activeElement?.getAttribute("role") ?? document.activeElement?.tagName);
const grid = () => page.getByRole("grid", { name: "Alerts" });
const pressed = async (name) => {
  await page.getByRole("button", { name }).focus();
  await page.keyboard.press("Enter");
};

it("many are acknowledged at once, and the next key is one for the list", async () => {
  await signIn(page);
  await page.goto(`${BASE}/alerts`);
  await settled(page);
  for (const metric of ["temperature", "humidity"]) {
    await alarmFor(metric, "warning");
    await grid().getByText("Active").first().waitFor();
    await pressed("Select all");
    await pressed(/^Acknowledge \d/);
    await page.getByRole("button", { name: /^Acknowledge \d/ }).waitFor({ state: "detached" });
    assert.equal(await focused(), "row");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await focused(), "row");
  }
});

it("a row keeps the focus when alarms come before it", async () => {
  const chosen = grid().getByRole("row").nth(1);
  await chosen.focus();
  const text = await chosen.getByRole("gridcell").nth(2).innerText();
  await alarmFor("produced", "critical");
  await grid().getByText("Critical").first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.querySelectorAll("[role=gridcell]")[2]?.innerText), text);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText(text).first().waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(errors, []);
});
