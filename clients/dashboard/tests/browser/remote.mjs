/**
 * One page, driven from another program: JSON lines on standard input, one JSON line as the answer to each, in order.
 *
 * {"do":"sign_in","username":…,"password":…}     sign in and wait until what is shown is live
 * {"do":"go","path":…}                           go to a screen, without loading the page again
 * {"do":"see","where":…,"within_ms":…}           wait until it is to be seen; answers with its text
 * {"do":"read","where":…}                        the text that stands there now
 * {"do":"click"|"show","where":…}                show: bring it into sight
 * {"do":"fill"|"choose"|"check","where":…,"value":…}
 * {"do":"open","path":…}                         load a page, as somebody who is not signed in yet
 * {"do":"film","folder":…}                       from now on, each picture that the window shows, named by its Unix milliseconds
 * {"do":"picture","file":…}                      what the window shows, as PNG
 *
 * `where` is how people find something: {"role","name"}, {"label"}, {"text"} or {"css"}, with "has" for a text in it and "within"
 * for the `where` that it is in. The answer is {"ok":true,"text":…,"took_ms":…} or {"ok":false,"error":…}; errors of the page's own
 * come with the last answer, to {"do":"end"}. PULSE_VISITOR is who looks, as JSON: width, height, scale, theme, language.
 */
import { createInterface } from "node:readline";
import { writeFile } from "node:fs/promises";
import { BASE, launch, PATIENCE_MS, signIn, signInHere, visitor } from "./stage.mjs";

const browser = await launch();
// Whoever asked is gone: no browser stays behind, whatever is being waited for.
process.once("SIGTERM", () => { void browser.close().finally(() => { process.exit(1); }); });
const { page, errors } = await visitor(browser, JSON.parse(process.env["PULSE_VISITOR"] ?? "{}"));

function find({ role, name, label, text, css, has, within }) {
  const root = within === undefined ? page : find(within);
  const found = (() => {
    if (role !== undefined) return root.getByRole(role, name === undefined ? {} : { name, exact: true });
    if (label !== undefined) return root.getByLabel(label, { exact: true });
    return text === undefined ? root.locator(css) : root.getByText(text);
  })();
  return (has === undefined ? found : found.filter({ hasText: has })).first();
}

const DEEDS = {
  sign_in: async (who) => {
    const isAsked = await page.locator("input[name=username]").isVisible();
    await (isAsked ? signInHere(page, who) : signIn(page, who));
  },
  go: async ({ path }) => { await page.evaluate((where) => { history.pushState({}, "", where); }, path); },
  see: async ({ where, within_ms: timeout = PATIENCE_MS }) => {
    await find(where).waitFor({ timeout });
    return find(where).innerText();
  },
  read: ({ where }) => find(where).innerText(),
  show: ({ where }) => find(where).scrollIntoViewIfNeeded(),
  click: ({ where }) => find(where).click(),
  fill: ({ where, value }) => find(where).fill(value),
  choose: async ({ where, value }) => { await find(where).selectOption(value); },
  check: ({ where }) => find(where).check(),
  open: async ({ path }) => {
    await page.goto(BASE + path);
    await page.locator("input[name=username]").waitFor();
  },
  film: async ({ folder }) => {
    await page.screenshot({ path: `${folder}/${String(Date.now())}.jpg`, type: "jpeg", quality: 95, scale: "css" });
    const inside = await page.context().newCDPSession(page);
    inside.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
      const name = `${folder}/${String(Math.round((metadata.timestamp ?? Date.now() / 1_000) * 1_000))}.jpg`;
      void writeFile(name, Buffer.from(data, "base64")).then(() => inside.send("Page.screencastFrameAck", { sessionId }));
    });
    await inside.send("Page.startScreencast", { format: "jpeg", quality: 95 });
  },
  picture: async ({ file }) => { await page.screenshot({ path: file }); },
  end: async () => {
    await browser.close();
    return errors.join("\n");
  },
};

async function answerTo(order) {
  const began = Date.now();
  try {
    const text = await DEEDS[order.do](order);
    return { ok: true, text: text ?? "", took_ms: Date.now() - began };
  } catch (error) {
    return { ok: false, error: `${JSON.stringify(order)}: ${String(error)}`, took_ms: Date.now() - began };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await answerTo(order))}\n`);
  if (order.do === "end") break;
}
await browser.close();
