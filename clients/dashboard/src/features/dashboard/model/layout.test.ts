import { describe, expect, it } from "vitest";
import type { Place, Widget } from "./document";
import { compact, complete, flow, GRIDS, gridFor, stepped } from "./layout";
import type { Step } from "./layout";

const text = (id: string): Widget => ({ id, kind: "text", text: id, size: "normal" });
const place = (i: string, x: number, y: number, w: number, h: number): Place => ({ i, x, y, w, h });

function overlapping(places: readonly Place[]): string[] {
  return places.flatMap((a) =>
    places
      .filter((b) => a.i < b.i && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
      .map((b) => `${a.i} and ${b.i}`),
  );
}

describe("a layout", () => {
  it("places every widget, inside, and none on another, at every width", () => {
    const widgets: Widget[] = [
      { id: "k", kind: "kpi", figures: ["devices"] },
      ...["a", "b", "c", "d", "e"].map(text),
      { id: "g", kind: "devices" },
    ];
    for (const { columns } of GRIDS) {
      const places = flow(widgets, columns);
      expect(places.map((one) => one.i).sort()).toEqual(widgets.map((one) => one.id).sort());
      expect(overlapping(places)).toEqual([]);
      for (const one of places) expect(one.x + one.w).toBeLessThanOrEqual(columns);
    }
  });

  it("falls upwards and leaves no hole above a widget", () => {
    expect(compact([place("a", 0, 7, 4, 2), place("b", 0, 20, 4, 1)], 12)).toEqual([place("a", 0, 0, 4, 2), place("b", 0, 2, 4, 1)]);
  });

  it("gives a new widget a place below what was kept, and forgets what is gone", () => {
    const places = complete([text("a"), text("new")], [place("a", 0, 0, 6, 2), place("gone", 6, 0, 6, 2)], 12);
    expect(places.map((one) => one.i)).toEqual(["a", "new"]);
    expect(overlapping(places)).toEqual([]);
  });

  it("stays whole whatever is pressed, and as often", () => {
    const steps: Step[] = ["left", "right", "up", "down", "wider", "narrower", "taller", "shorter"];
    let places = flow(["a", "b", "c", "d", "e", "f"].map(text), 24);
    let seed = 7;
    for (let turn = 0; turn < 500; turn += 1) {
      seed = (seed * 48_271) % 2_147_483_647;
      const id = "abcdef"[seed % 6] ?? "a";
      places = stepped(places, id, steps[seed % 8] ?? "up", 24);
      expect(overlapping(places)).toEqual([]);
      expect(places).toHaveLength(6);
      for (const one of places) {
        expect(one.x).toBeGreaterThanOrEqual(0);
        expect(one.x + one.w).toBeLessThanOrEqual(24);
      }
    }
  });

  it("moves up past what stands above, and down again", () => {
    const start = [place("a", 0, 0, 12, 2), place("b", 0, 2, 12, 3)];
    const moved = stepped(start, "b", "up", 12);
    expect(moved.find((one) => one.i === "b")?.y).toBe(0);
    const back = stepped(moved, "b", "down", 12);
    expect(back.find((one) => one.i === "a")?.y).toBe(0);
  });

  it("has a grid for every width", () => {
    expect([320, 500, 800, 1600].map((width) => gridFor(width).name)).toEqual(["xs", "sm", "md", "lg"]);
  });
});
