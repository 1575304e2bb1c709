/**
 * Takes the pictures of `docs/screens`: every screen in both themes at 1440 px, some at 360 px, of a small plant with some history.
 * `npm run pictures` starts a stack for it; `-- --only dashboard,alerts` takes some of them again. Look at every one afterwards.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SCREENS } from "../tests/browser/screens.mjs";
import { ADMIN, BASE, launch, live, settled, signIn } from "../tests/browser/stage.mjs";
import { smallPng } from "./small-png.mjs";
import { stagePlant } from "./picture-plant.mjs";

const { values: options } = parseArgs({ options: { only: { type: "string" }, to: { type: "string" }, themes: { type: "string", default: "light,dark" } } });
const directory = options.to ?? fileURLToPath(new URL("../../../docs/screens", import.meta.url));
const NARROW = ["sign-in", "dashboard", "devices", "device", "history-curves", "alerts", "commands", "sync-conflicts"];
const only = options.only?.split(",");
const isWanted = (name) => only === undefined || only.includes(name);

/** What a screen of the product shows, as soon as it shows it all. */
async function take(page, name, theme, width) {
  if (!isWanted(name)) return;
  // Charts are drawn a few at a frame, and figures settle with the first values.
  await page.waitForTimeout(800);
  await writeFile(`${directory}/${name}-${theme}-${String(width)}.png`, smallPng(await page.screenshot()));
}

async function takeAll(browser, plant, theme, width, screens) {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 780 : 900 }, colorScheme: theme, locale: "en-GB", timezoneId: "Europe/Berlin", reducedMotion: "reduce",
  });
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  await page.goto(BASE);
  await page.locator("input[name=username]").waitFor();
  await take(page, "sign-in", theme, width);
  await signIn(page, ADMIN);
  for (const { name, path } of screens) {
    await page.goto(BASE + path.replace("{device}", path.startsWith("/history") ? plant.device : plant.desk));
    await live(page);
    await settled(page);
    await take(page, name, theme, width);
  }
  await context.close();
}

const browser = await launch();
const plant = await stagePlant();
try {
  await mkdir(directory, { recursive: true });
  for (const theme of options.themes.split(",")) {
    await takeAll(browser, plant, theme, 1440, SCREENS.filter(({ name }) => isWanted(name)));
    if (theme === "light") await takeAll(browser, plant, theme, 360, SCREENS.filter(({ name }) => isWanted(name) && NARROW.includes(name)));
  }
} finally {
  await browser.close();
  await plant.dispose();
}
