/** Tokens: where they are, and where they never are. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BASE, launch, live, signIn, visitor } from "./stage.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const TOKEN = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/;

describe("a token", () => {
  it("is in no address, no storage, no cookie that a script can read, and no message of the page", async () => {
    const { context, page } = await visitor(browser);
    const addresses = [];
    const messages = [];
    page.on("request", (request) => addresses.push(request.url()));
    page.on("websocket", (socket) => addresses.push(socket.url()));
    page.on("console", (message) => messages.push(message.text()));
    await signIn(page);
    const kept = await page.evaluate(async () => {
      const databases = await indexedDB.databases();
      const names = await caches.keys();
      const cached = await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map((request) => request.url)));
      return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, databases, cached]);
    });
    assert.doesNotMatch(kept, TOKEN);
    assert.doesNotMatch(kept, /pulse_refresh/);
    assert.doesNotMatch([...addresses, ...messages].join("\n"), TOKEN);
    assert.doesNotMatch(addresses.join("\n"), /token=/i);
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
