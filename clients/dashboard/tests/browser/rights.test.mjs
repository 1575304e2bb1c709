/** What somebody may do can change while they look: the page follows at once, without being loaded again. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { api, launch, live, signIn, visitor } from "./stage.mjs";

const RUN = Date.now().toString(36);
const PERSON = { username: `rita-${RUN}`, password: "nine patient bridges 52" };
const RIGHTS = ["devices:read", "telemetry:read", "users:read", "audit:read"];
const LIMIT_MS = 1_000;
const ROUNDS = 3;

let browser;
let context;
let page;
let role;
let user;
before(async () => {
  browser = await launch();
  role = await api("POST", "/api/roles", { name: `clerk ${RUN}`, description: "", permissions: RIGHTS });
  user = await api("POST", "/api/users", { ...PERSON, roles: [role.name] });
  ({ context, page } = await visitor(browser));
  await signIn(page, PERSON);
});
after(async () => {
  await browser.close();
  await api("DELETE", `/api/users/${user.id}`, undefined, { "If-Match": "*" });
  await api("DELETE", `/api/roles/${role.id}`, undefined, { "If-Match": "*" });
});

/** Note when the page itself shows that a screen is not to be seen any more. */
const watch = () =>
  page.evaluate(() => {
    window.refusedAt = new Promise((resolve) => {
      new MutationObserver((_changes, observer) => {
        if (!document.body.innerText.includes("You may not see this")) return;
        observer.disconnect();
        resolve(Date.now());
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
  });

const change = (path, body) => api("PATCH", path, body, { "If-Match": "*" });

it("a right that is taken away while its screen is open is gone from it within a second", async (t) => {
  const took = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.getByRole("navigation").getByRole("link", { name: "Audit log" }).click();
    await page.getByRole("grid").waitFor();
    await watch();
    await change(`/api/roles/${role.id}`, { permissions: RIGHTS.filter((right) => right !== "audit:read") });
    const taken = Date.now();
    took.push((await page.evaluate(() => window.refusedAt)) - taken);
    await page.getByRole("navigation").getByRole("link", { name: "Audit log" }).waitFor({ state: "detached" });
    await change(`/api/roles/${role.id}`, { permissions: RIGHTS });
    // What is given comes by itself as well.
    await page.getByRole("grid").waitFor();
  }
  t.diagnostic(`${took.join(", ")} ms after the answer`);
  // A machine that is busy with other things may be late once; the product may not.
  const [, median] = took.sort((a, b) => a - b);
  assert.ok(median <= LIMIT_MS, `it took ${took.join(", ")} ms`);
});

it("a role that is taken away takes all of its screens and its values", async () => {
  await page.getByRole("navigation").getByRole("link", { name: "Users and roles" }).click();
  await page.getByRole("grid").waitFor();
  await watch();
  await change(`/api/users/${user.id}`, { roles: [] });
  await page.evaluate(() => window.refusedAt);
  const links = page.getByRole("navigation").getByRole("link");
  await page.getByRole("navigation").getByRole("link", { name: "Devices" }).waitFor({ state: "detached" });
  assert.deepEqual(await links.allInnerTexts(), ["Dashboard"]);
  await links.click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.getByText("Active devices").waitFor();
  assert.deepEqual([...new Set(await page.locator("[data-freshness]").allInnerTexts())], ["—"]);
  await live(page);
});
