/**
 * Each screen in both themes at three widths: no rule of WCAG broken, nothing wider than the window, no error of the page.
 * With PULSE_PICTURES set to a directory, the pictures are left there.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { SCREENS } from "./screens.mjs";
import { ADMIN, BASE, firstDevice, launch, live, settled, signIn, violations, visitor } from "./stage.mjs";

const WIDTHS = [360, 768, 1440];
const THEMES = ["light", "dark"];
const pictures = process.env["PULSE_PICTURES"];

let browser;
let device;
before(async () => {
  browser = await launch();
  device = await firstDevice();
  if (pictures) await mkdir(pictures, { recursive: true });
});
after(() => browser.close());

async function look(page, name, theme, width) {
  const picture = pictures && `${pictures}/${name}-${theme}-${String(width)}.png`;
  if (picture) await page.screenshot({ path: picture });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wide <= 0, `${name} is ${String(wide)} px wider than the window of ${String(width)} px`);
  assert.deepEqual(await violations(page), [], name);
}

for (const theme of THEMES) {
  for (const width of WIDTHS) {
    describe(`${theme}, ${String(width)} px`, () => {
      let page;
      let context;
      let errors;
      before(async () => {
        ({ context, page, errors } = await visitor(browser, { width, theme }));
      });
      after(() => context.close());

      it("sign in", async () => {
        await page.goto(BASE);
        await page.locator("input[name=username]").waitFor();
        await look(page, "sign-in", theme, width);
        await signIn(page, ADMIN);
      });
      for (const { name, path } of SCREENS) {
        it(name, async () => {
          await page.goto(BASE + path.replace("{device}", device));
          await live(page).catch(() => page.locator("#content").waitFor());
          await settled(page);
          await look(page, name, theme, width);
          assert.deepEqual(errors, []);
        });
      }
    });
  }
}
