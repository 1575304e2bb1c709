/**
 * Each screen by keyboard alone: Tab reaches everything that can be pressed or filled, one sees where one is, and Tab goes
 * on from there. What has its own keys inside (tabs, menus, lists of radio buttons, grids) is reached as a whole.
 */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { SCREENS } from "./screens.mjs";
import { ADMIN, BASE, firstDevice, launch, live, settled, signIn, visitor } from "./stage.mjs";

const MOST_STOPS = 250;

let browser;
let page;
let context;
let device;
before(async () => {
  browser = await launch();
  device = await firstDevice();
  ({ context, page } = await visitor(browser));
  await signIn(page, ADMIN);
});
after(async () => {
  await context.close();
  await browser.close();
});

/** Run in the page: mark everything that a mouse could use, and return how many that are. */
function markTargets() {
  const usable = "a[href], button, input, select, textarea, summary, [tabindex], [role=button], [role=link], [role=switch], [role=checkbox]";
  const composite = "[role=tablist], [role=menu], [role=menubar], [role=radiogroup], [role=listbox], [role=grid], [role=table], [role=toolbar]";
  let count = 0;
  for (const element of document.querySelectorAll(usable)) {
    const { width, height } = element.getBoundingClientRect();
    const isThere = element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
    const isSeen = isThere && width > 1 && height > 1 && !element.closest("[inert], [aria-hidden=true]");
    const isOff = element.matches(":disabled, [aria-disabled=true], [type=hidden]");
    // A negative tabindex is a stop of the arrow keys inside something larger, or only a place for the focus to be put.
    const isByArrows = element.matches("[tabindex='-1']") && (element.closest(composite) !== null || !element.matches("a[href], button, input, select, textarea"));
    const isWhole = element.matches(composite);
    const isOneOfRadios = element.matches("input[type=radio]:not(:checked)");
    if (!isSeen || isOff || isByArrows || isWhole || isOneOfRadios) continue;
    element.setAttribute("data-target", String(count));
    count += 1;
  }
  return count;
}

/** Run in the page: where the focus is, and whether one sees it. */
function whereFocusIs() {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const parts = [element, element.parentElement, element.closest("label"), element.nextElementSibling].filter((one) => one !== null);
  const isShown = parts.some((one) => {
    const look = getComputedStyle(one);
    return (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0) || look.boxShadow !== "none";
  });
  return {
    target: element.getAttribute("data-target"),
    // The browser itself shows which part of a moment has the focus.
    isShown: isShown || element.matches("input[type=datetime-local]"),
    name: `${element.tagName.toLowerCase()}${element.getAttribute("type") ? `[${element.getAttribute("type")}]` : ""} "${(element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 40)}"`,
  };
}

for (const { name, path } of SCREENS) {
  it(name, async () => {
    await page.goto(BASE + path.replace("{device}", device));
    await live(page).catch(() => page.locator("#content").waitFor());
    await settled(page);
    await page.evaluate(() => { document.activeElement?.blur?.(); });
    const count = await page.evaluate(markTargets);
    assert.ok(count > 5, `${name} has only ${String(count)} places to go to`);
    const reached = new Set();
    const unseen = [];
    let last;
    for (let stop = 0; stop < MOST_STOPS; stop += 1) {
      await page.keyboard.press("Tab");
      const found = await page.evaluate(whereFocusIs);
      if (found === null) {
        if (stop > 0 && reached.size > 0) break; // out of the page's end, into the browser's own
        continue;
      }
      if (found.target !== null && reached.has(found.target) && found.target !== last) break;
      if (found.target !== null) reached.add(found.target);
      if (!found.isShown) unseen.push(found.name);
      last = found.target;
    }
    const missed = await page.evaluate((seen) => [...document.querySelectorAll("[data-target]")]
      .filter((element) => !seen.includes(element.getAttribute("data-target")) && element.isConnected && element.getBoundingClientRect().width > 1)
      .map((element) => element.outerHTML.slice(0, 160)), [...reached]);
    assert.deepEqual(missed, [], `${name}: Tab does not reach these`);
    assert.deepEqual(unseen, [], `${name}: the focus is not seen here`);
  });
}
