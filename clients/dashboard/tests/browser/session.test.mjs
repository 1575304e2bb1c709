/** Tokens: where they are, and where they never are. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ADMIN, BASE, launch, live, signIn, until, visitor } from "./stage.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Everything that a page of this origin can find in its browser: storages, databases, caches with what is in them. */
async function kept() {
  const whole = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => { resolve(request.result); };
    request.onerror = () => { reject(request.error); };
  });
  const databases = [];
  for (const { name } of await indexedDB.databases()) {
    const database = await whole(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const found = database.transaction(store).objectStore(store);
      databases.push([name, store, await whole(found.getAllKeys()), await whole(database.transaction(store).objectStore(store).getAll())]);
    }
    database.close();
  }
  const cached = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const answer = await cache.match(request);
      cached.push([request.url, [...request.headers], [...answer.headers], await answer.text()]);
    }
  }
  return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, databases, cached]);
}

/** What every part of the stack wrote down so far. */
async function logs() {
  const folder = process.env["PULSE_LOGS"];
  if (folder === undefined) return "";
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  assert.ok(texts.some((text) => text.includes("http_listening")), "these are the right logs");
  return texts.join("\n");
}

const TOKEN = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/;

describe("a token", () => {
  it("is in no address, no storage, no cookie that a script can read, no message of the page and no log", async () => {
    const { context, page } = await visitor(browser);
    const addresses = [];
    const messages = [];
    context.on("request", (request) => addresses.push(request.url(), request.headers()["referer"] ?? ""));
    page.on("websocket", (socket) => addresses.push(socket.url()));
    page.on("console", (message) => messages.push(message.text()));
    const answered = page.waitForResponse((answer) => answer.url().endsWith("/api/auth/login"));
    await signIn(page);
    // The shell is cached, and the last state is kept, when both had their time.
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await until(() => page.evaluate(kept).then((text) => text.includes("pulse-last-state")), "a state is kept");
    const { access_token: access } = await (await answered).json();
    assert.match(access, TOKEN);
    const refresh = (await context.cookies()).find(({ httpOnly }) => httpOnly)?.value;
    assert.ok(refresh !== undefined && refresh.length > 20);
    const secrets = [access, refresh, ADMIN.password];
    const places = { storages: await page.evaluate(kept), addresses: addresses.join("\n"), messages: messages.join("\n"), logs: await logs() };
    for (const [place, text] of Object.entries(places)) {
      assert.doesNotMatch(text, TOKEN, `something like a token is in the ${place}`);
      for (const secret of secrets) assert.ok(!text.includes(secret), `a secret is in the ${place}`);
    }
    assert.doesNotMatch(places.storages, /pulse_refresh/);
    assert.doesNotMatch(places.addresses, /token=/i);
    await context.close();
  });

  it("is renewed by the cookie when the page is loaded again, and in a second tab", async () => {
    const { context, page } = await visitor(browser);
    await signIn(page);
    await page.reload();
    await live(page);
    const other = await context.newPage();
    await other.goto(BASE);
    await live(other);
    await context.close();
  });

  it("is gone from every tab after signing out in one", async () => {
    const { context, page } = await visitor(browser);
    await signIn(page);
    const other = await context.newPage();
    await other.goto(BASE);
    await live(other);
    await page.getByRole("button", { name: /^Account of/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.locator("input[name=username]").waitFor();
    await other.locator("input[name=username]").waitFor();
    await context.close();
  });

  it("refused, the page says so without saying which part was wrong", async () => {
    const { context, page } = await visitor(browser);
    await page.goto(BASE);
    await page.locator("input[name=username]").fill("nobody-here");
    await page.locator("input[name=password]").fill("not the password");
    await page.keyboard.press("Enter");
    assert.match(await page.getByRole("alert").innerText(), /Name or password is wrong/);
    await context.close();
  });
});

describe("the policy of the page", () => {
  it("allows no script within the page and none from elsewhere", async () => {
    const answer = await fetch(BASE);
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(await answer.text(), /<script(?![^>]*\ssrc=)/);
  });

  it("keeps hashed files for ever and asks for everything else", async () => {
    const page = await (await fetch(BASE)).text();
    const script = /\/assets\/[\w.-]+\.js/.exec(page)?.[0];
    assert.match((await fetch(BASE + script)).headers.get("cache-control") ?? "", /immutable/);
    assert.equal((await fetch(`${BASE}/sw.js`)).headers.get("cache-control"), "no-cache");
  });
});
