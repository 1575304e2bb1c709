import type { Breakpoint, Place, Widget, WidgetKind } from "./document";

/** Columns of each width, and from how many pixels on it holds. */
export const GRIDS: readonly { readonly name: Breakpoint; readonly from: number; readonly columns: number }[] = [
  { name: "lg", from: 1100, columns: 24 },
  { name: "md", from: 720, columns: 12 },
  { name: "sm", from: 460, columns: 6 },
  { name: "xs", from: 0, columns: 2 },
];

export type Grid = (typeof GRIDS)[number];

const WIDEST: Grid = { name: "lg", from: 1100, columns: 24 };

/** The grid for a width in pixels. */
export function gridFor(width: number): Grid {
  return GRIDS.find((grid) => width >= grid.from) ?? WIDEST;
}

/** How large a widget is at first, of 24 columns; a row is as high as three lines. */
const SIZES: Record<WidgetKind, readonly [width: number, height: number]> = {
  kpi: [24, 2],
  value: [4, 2],
  chart: [12, 4],
  gauge: [4, 3],
  indicator: [4, 3],
  alerts: [10, 4],
  devices: [14, 4],
  table: [12, 4],
  commands: [8, 4],
  text: [8, 2],
};

function sizeOf(widget: Widget, columns: number): readonly [number, number] {
  const [width, height] = SIZES[widget.kind];
  if (columns <= 2) return [widget.kind === "value" || widget.kind === "indicator" ? 1 : columns, widget.kind === "kpi" ? 4 : height];
  const scaled = Math.max(Math.ceil((width * columns) / 24), columns >= 12 ? 3 : 2);
  return [Math.min(columns, columns <= 6 && width > 8 ? columns : scaled), widget.kind === "kpi" && columns <= 6 ? 4 : height];
}

function overlaps(a: Place, b: Place): boolean {
  return a.i !== b.i && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** Let everything fall upwards until it stands on something; nothing overlaps. What comes first in reading order stays. */
export function compact(places: readonly Place[], columns: number): Place[] {
  const settled: Place[] = [];
  for (const place of [...places].sort((a, b) => a.y - b.y || a.x - b.x)) {
    const w = Math.min(place.w, columns);
    const one = { ...place, w, x: Math.min(place.x, columns - w) };
    while (settled.some((other) => overlaps(one, other))) one.y += 1;
    while (one.y > 0 && !settled.some((other) => overlaps({ ...one, y: one.y - 1 }, other))) one.y -= 1;
    settled.push(one);
  }
  return settled;
}

/** Where widgets stand that nobody placed: in their order, from the left, row by row. */
export function flow(widgets: readonly Widget[], columns: number): Place[] {
  const places: Place[] = [];
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  for (const widget of widgets) {
    const [w, h] = sizeOf(widget, columns);
    if (x + w > columns) {
      x = 0;
      y += rowHeight;
      rowHeight = 0;
    }
    places.push({ i: widget.id, x, y, w, h });
    x += w;
    rowHeight = Math.max(rowHeight, h);
  }
  return compact(places, columns);
}

/** A complete layout: the kept places, and a place below them for each widget that has none. */
export function complete(widgets: readonly Widget[], kept: readonly Place[] | undefined, columns: number): Place[] {
  if (kept === undefined || kept.length === 0) return flow(widgets, columns);
  const known = new Set(kept.map((place) => place.i));
  const ids = new Set(widgets.map((widget) => widget.id));
  const below = kept.reduce((bottom, place) => Math.max(bottom, place.y + place.h), 0);
  const missing = flow(widgets.filter((widget) => !known.has(widget.id)), columns).map((place) => ({ ...place, y: place.y + below }));
  return compact([...kept.filter((place) => ids.has(place.i)), ...missing], columns);
}

/** A step of the keyboard menu. */
export type Step = "left" | "right" | "up" | "down" | "wider" | "narrower" | "taller" | "shorter";

const LEAST_HEIGHT = 1;
const MOST_HEIGHT = 40;

/** Move or resize one widget by a step; the others make room. */
export function stepped(places: readonly Place[], id: string, step: Step, columns: number): Place[] {
  const place = places.find((one) => one.i === id);
  if (place === undefined) return [...places];
  const unit = Math.max(1, Math.round(columns / 12));
  const next = { ...place };
  if (step === "left") next.x = Math.max(0, place.x - unit);
  if (step === "right") next.x = Math.min(columns - place.w, place.x + unit);
  if (step === "wider") next.w = Math.min(columns - place.x, place.w + unit);
  if (step === "narrower") next.w = Math.max(unit, place.w - unit);
  if (step === "taller") next.h = Math.min(MOST_HEIGHT, place.h + 1);
  if (step === "shorter") next.h = Math.max(LEAST_HEIGHT, place.h - 1);
  const others = places.filter((one) => one.i !== id);
  const isBeside = (other: Place): boolean => other.x < place.x + place.w && place.x < other.x + other.w;
  if (step === "up") {
    // Above the nearest one that is in the way.
    const above = others.filter((other) => isBeside(other) && other.y < place.y).sort((a, b) => b.y - a.y)[0];
    next.y = above?.y ?? 0;
    return compact([next, ...others.map((other) => (other.i === above?.i ? { ...other, y: next.y + next.h } : other))], columns);
  }
  if (step === "down") {
    const under = others.filter((other) => isBeside(other) && other.y > place.y).sort((a, b) => a.y - b.y)[0];
    if (under === undefined) return [...places];
    next.y = place.y + under.h;
    return compact([...others.map((other) => (other.i === under.i ? { ...other, y: place.y } : other)), next], columns);
  }
  return compact([next, ...others.map((other) => (overlaps(next, other) ? { ...other, y: next.y + next.h } : other))], columns);
}
