/**
 * One day of a person with the product, on one stack and with one real agent: what is seen is true, what is pressed
 * happens, and what somebody else may do is theirs alone.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, it } from "node:test";
import { Agent } from "./agent.mjs";
import { ADMIN, api, launch, settled, signIn, until, visitor } from "./stage.mjs";

const RUN = Date.now().toString(36);
const DEVICE = `desk-${RUN}`;
const ROLE = `watcher ${RUN}`;
const PERSON = { username: `wanda-${RUN}`, password: "seven quiet lanterns 41" };

/** What the same person's address is changed to, here and there. */
const MAILS = { desk: `desk-${RUN}@example.org`, web: `web-${RUN}@example.org` };

let browser;
let agent;
let context;
let page;
let errors;
before(async () => {
  browser = await launch();
  agent = await Agent.enrol(DEVICE);
  await agent.start();
  ({ context, page, errors } = await visitor(browser));
});
after(async () => {
  await browser.close();
  await agent.dispose();
  // Nobody finds anything of this afterwards.
  const whatever = { "If-Match": "*" };
  await api("DELETE", `/api/devices/${DEVICE}`, undefined, whatever);
  for (const [path, name] of [["users", PERSON.username], ["roles", ROLE]]) {
    const { items } = await api("GET", `/api/${path}?q=${encodeURIComponent(name)}`);
    for (const { id } of items) await api("DELETE", `/api/${path}/${id}`, undefined, whatever);
  }
});

/** Go to a screen as people do: by the navigation. */
async function go(screen) {
  await page.getByRole("navigation").getByRole("link", { name: screen }).click();
  await page.getByRole("heading", { level: 1, name: screen }).waitFor();
}

async function openDevice() {
  await go("Devices");
  await page.getByRole("searchbox").fill(DEVICE);
  await page.getByRole("row").filter({ hasText: DEVICE }).click();
  await page.getByRole("heading", { level: 1, name: DEVICE }).waitFor();
}

const dialog = () => page.getByRole("dialog");
const press = (name) => dialog().getByRole("button", { name, exact: true }).click();
/** What was done is said; what could not be done is said in the dialog, and why. */
async function told(text) {
  const refused = dialog().getByRole("alert");
  const notice = page.getByRole("region", { name: "Notifications" }).getByText(text);
  await notice.or(refused).first().waitFor();
  assert.equal(await refused.count(), 0, await refused.allInnerTexts().then((texts) => texts.join()));
}
const row = (...texts) => texts.reduce((found, text) => found.filter({ hasText: text }), page.getByRole("row"));

it("somebody signs in, opens a device and sees a value change", async () => {
  await signIn(page);
  await openDevice();
  const value = page.locator("dl div").filter({ has: page.getByText("pressure", { exact: true }) }).locator("[data-freshness=fresh]");
  await value.waitFor();
  const first = await value.innerText();
  await until(async () => (await value.innerText()) !== first, "the value changes");
  const rhythm = page.locator("dt", { hasText: "Measures every" }).locator("+ dd");
  await rhythm.filter({ hasText: /^1 s$/ }).waitFor();
});

it("what was measured is exported, and the file holds it", async () => {
  await page.locator("#content").getByRole("link", { name: "History" }).click();
  await page.getByRole("button", { name: "Export" }).click();
  const coming = page.waitForEvent("download");
  await press("Download");
  const file = await coming;
  assert.match(file.suggestedFilename(), /\.csv$/);
  const [header, ...lines] = (await readFile(await file.path(), "utf8")).trim().split(/\r?\n/);
  assert.equal(header, "device_id,metric,recorded_at,value,quality");
  const readings = lines.map((line) => line.split(","));
  assert.ok(readings.every(([deviceId, , , , quality]) => deviceId === DEVICE && quality === "good"));
  assert.deepEqual([...new Set(readings.map(([, metric]) => metric))].sort(), ["is_running", "mode", "pieces", "pressure", "temperature"]);
  const temperatures = readings.filter(([, metric]) => metric === "temperature");
  assert.ok(temperatures.length >= 2);
  assert.ok(temperatures.every(([, , , value]) => Number(value) > 55 && Number(value) < 85));
  const times = temperatures.map(([, , at]) => Date.parse(at));
  assert.deepEqual(times, [...new Set(times)].sort((a, b) => a - b));
  assert.ok(Math.max(...times) <= Date.now() + 1_000);
});

it("an alarm is acknowledged, and everybody sees by whom", async () => {
  await go("Alerts");
  // Every new site has a rule for temperatures above 50.
  await row(DEVICE, "Active").click();
  await press("Acknowledge");
  await told("You take care of it.");
  await page.keyboard.press("Escape");
  await row(DEVICE, "Acknowledged").waitFor();
  const { items } = await api("GET", `/api/alerts?device_id=${DEVICE}`);
  assert.deepEqual(items.map(({ state, acknowledged }) => [state, acknowledged.username]), [["acknowledged", ADMIN.username]]);
});

it("a command is sent, and the agent's answer is seen to come", async () => {
  await go("Commands");
  await page.getByRole("button", { name: "Send a command" }).click();
  await dialog().getByRole("checkbox", { name: DEVICE }).check();
  await dialog().getByLabel("What", { exact: true }).selectOption("PING");
  await press("Send to 1 device");
  await row(DEVICE, "PING", "Succeeded").click();
  await dialog().getByText("Result", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
});

it("the interval is changed, and the device measures faster", async () => {
  await go("Configuration");
  await page.getByRole("button", { name: "Add an entry" }).click();
  await dialog().getByLabel("For", { exact: true }).selectOption("device");
  await dialog().getByLabel("Device", { exact: true }).selectOption(DEVICE);
  await dialog().getByLabel("Key", { exact: true }).selectOption("telemetry.interval_ms");
  await dialog().getByLabel(/^Value/).fill("200");
  await press("Save");
  await told("Saved as version 1.");
  await openDevice();
  await page.locator("dt", { hasText: "Measures every" }).locator("+ dd").filter({ hasText: /^0\.2 s$/ }).waitFor();
  await page.locator("#content").getByRole("link", { name: "Config" }).click();
  await row("telemetry.interval_ms", "200", "In force").waitFor();
});

it("a role of its own is made, a user has it, and a device is shared with them", async () => {
  await go("Users and roles");
  await page.getByRole("tab", { name: "Roles" }).click();
  await page.getByRole("button", { name: "New role" }).click();
  await dialog().getByLabel("Name", { exact: true }).fill(ROLE);
  for (const right of ["devices:read", "telemetry:read"]) await dialog().getByRole("checkbox", { name: right }).check();
  await press("Create");
  await told(`${ROLE} is created.`);
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByRole("button", { name: "New user" }).click();
  await dialog().getByLabel("Name", { exact: true }).fill(PERSON.username);
  await dialog().getByLabel("Password", { exact: true }).fill(PERSON.password);
  await dialog().getByRole("checkbox", { name: ROLE }).check();
  await press("Create");
  await told(`${PERSON.username} is created.`);
  await row(PERSON.username, ROLE).waitFor();
  await openDevice();
  const sharing = page.locator("section").filter({ has: page.getByRole("heading", { name: "Owner and sharing" }) });
  await sharing.getByText(`${ADMIN.username} (you)`).waitFor();
  await sharing.getByLabel("Name", { exact: true }).fill("nobody of this name");
  await sharing.getByRole("button", { name: "Share" }).click();
  await sharing.getByText("There is no user of this name.").waitFor();
  await sharing.getByLabel("Name", { exact: true }).fill(PERSON.username);
  await sharing.getByRole("button", { name: "Share" }).click();
  await sharing.getByLabel(`What ${PERSON.username} may do`).selectOption("control");
  await until(
    async () => (await api("GET", `/api/devices/${DEVICE}/shares`)).items.some(({ user, level }) => user === PERSON.username && level === "control"),
    "the share's level is another",
  );
});

it("the new user sees what the role allows, and no more", async () => {
  const theirs = await visitor(browser);
  await signIn(theirs.page, PERSON);
  const links = theirs.page.getByRole("navigation").getByRole("link");
  assert.deepEqual(await links.allInnerTexts(), ["Dashboard", "Devices", "History"]);
  await links.filter({ hasText: "Devices" }).click();
  await theirs.page.getByText("1 of 1 online").waitFor();
  await theirs.page.getByRole("row").filter({ hasText: DEVICE }).click();
  await theirs.page.locator("[data-freshness=fresh]").first().waitFor();
  const rotate = theirs.page.getByRole("button", { name: "New key" });
  await rotate.waitFor();
  assert.match(await rotate.getAttribute("aria-description"), /devices:write/);
  // What is not for them is not there, whoever knows the address.
  const [foreign] = (await api("GET", "/api/devices?limit=200")).items.filter(({ id }) => id !== DEVICE);
  await theirs.page.evaluate((path) => { history.pushState({}, "", path); }, `/devices/${foreign.id}`);
  await theirs.page.getByText("it is not yours to see").waitFor();
  await theirs.page.evaluate(() => { history.pushState({}, "", "/users"); });
  await theirs.page.getByText("You may not see this").waitFor();
  assert.deepEqual(theirs.errors, []);
  await theirs.context.close();
});

it("what was edited in two places is put side by side, and the choice holds", async () => {
  const signed = ["--user", ADMIN.username, "--password-stdin"];
  const given = `${ADMIN.password}\n`;
  await until(
    async () => (await agent.say(["users", "show", PERSON.username, ...signed], given)).code === 0,
    "the new user is on the workstation, which the administrator may sign in on",
    60_000,
  );
  await agent.stop();
  const edited = await agent.say(["users", "edit", PERSON.username, "--email", MAILS.desk, ...signed], given);
  assert.equal(edited.code, 0, edited.output);
  await go("Users and roles");
  await row(PERSON.username).click();
  await dialog().getByLabel("E-mail").fill(MAILS.web);
  await press("Save");
  await told(`${PERSON.username} is saved.`);
  await go("Sync");
  await page.getByRole("tab", { name: /^Conflicts/ }).click();
  await agent.start();
  const conflict = page.getByRole("listitem").filter({ hasText: `${PERSON.username}, edited in two places` });
  await conflict.waitFor({ timeout: 60_000 });
  for (const version of [MAILS.desk, MAILS.web]) await conflict.getByRole("cell", { name: version }).waitFor();
  await conflict.getByRole("button", { name: "Take the desktop's version" }).click();
  await told("The other version holds now.");
  await conflict.waitFor({ state: "detached" });
  const { items } = await api("GET", `/api/users?q=${PERSON.username}`);
  assert.deepEqual(items.map(({ email }) => email), [MAILS.desk]);
});

it("how the pages look goes along to another browser", async () => {
  const choose = async (name) => {
    await page.getByRole("button", { name: /^Account of/ }).click();
    await page.getByRole("menuitem", { name }).click();
  };
  for (const name of ["Dark", "Compact"]) await choose(name);
  await until(async () => {
    const { theme, density } = await api("GET", "/api/preferences");
    return theme === "dark" && density === "compact";
  }, "the server has what was chosen");
  const other = await visitor(browser);
  await signIn(other.page);
  await other.page.locator("html[data-theme=dark][data-density=compact]").waitFor();
  await other.context.close();
  for (const name of ["Like the system", "Comfortable"]) await choose(name);
  await until(async () => (await api("GET", "/api/preferences")).density === "comfortable", "the server has the last choice");
  await settled(page);
  assert.deepEqual(errors, []);
  await context.close();
});
