import { expect, test } from "vitest";
import { askedRows, askedSeries, exportBody, exportPath } from "./asked";
import { namesOf, readFilters, stretchOf } from "./filters";
import { charts, drawn, lengthOf } from "./lines";
import type { SeriesItem } from "./lines";

const FROM = Date.parse("2026-11-21T08:00:00Z");
const HOUR = 3_600_000;
const item = (points: SeriesItem["points"], change: Partial<SeriesItem> = {}): SeriesItem => ({
  device_id: "P-1", metric: "temperature", kind: "number", source: "raw", resolution_ms: 0, columns: ["ts", "avg"], points, ...change,
});
const hours = (...values: SeriesItem["points"][number][number][]): SeriesItem["points"] =>
  values.map((value, index) => [FROM + index * HOUR, value]);

test("what makes no sense in an address is left out", () => {
  expect(readFilters({ devices: " P-1,,P-2,P-1 ", range: "2y", interval: "1 hour", agg: "mode", tab: "rows" })).toEqual({ devices: "P-1,P-2", tab: "rows" });
  expect(readFilters({ from: "2026-11-21T09:00:00Z", to: "2026-11-21T08:00:00Z", range: "7d" })).toEqual({ range: "7d" });
});

test("a device that is called like a number is still a device", () => {
  expect(readFilters({ devices: 17 })).toEqual({ devices: "17" });
});

test("a cursor counts only with the fixed stretch that it was given for", () => {
  expect(readFilters({ range: "7d", cursor: "abc" })).toEqual({ range: "7d" });
  expect(readFilters({ from: "2026-11-21T08:00:00Z", to: "2026-11-21T09:00:00Z", cursor: "abc" }).cursor).toBe("abc");
});

test("a stretch up to now moves with it, a fixed one does not", () => {
  expect(stretchOf({ range: "6h" }, FROM)).toEqual({ from: FROM - 6 * HOUR, to: FROM });
  expect(stretchOf({ from: "2026-11-21T08:00:00Z", to: "2026-11-21T09:00:00Z" }, 0)).toEqual({ from: FROM, to: FROM + HOUR });
  expect(namesOf(undefined)).toEqual([]);
});

test("without an interval a chart asks for points, with one for its aggregate", () => {
  const stretch = { from: FROM, to: FROM + HOUR };
  expect(askedSeries({ devices: "P-1", tz: "UTC" }, stretch)).toMatchObject({ device_id: ["P-1"], max_points: 1_500, tz: "UTC" });
  expect(askedSeries({ devices: "P-1", interval: "5m", agg: "max" }, stretch)).toMatchObject({ interval: "5m", agg: ["max"], fill: "null" });
  expect(askedRows({ devices: "P-1", order: "asc" }, stretch)).toMatchObject({ order: "asc", limit: 200 });
});

test("an export says what it holds, and exports intervals only where it is told to", () => {
  const stretch = { from: FROM, to: FROM + HOUR };
  const filters = { devices: "P-1,P-2", metrics: "temperature", interval: "5m", tz: "UTC" };
  const form = { format: "csv", layout: "wide", isContinental: true, isAggregated: false } as const;
  expect(exportBody(filters, stretch, form)).toMatchObject({ device_id: ["P-1", "P-2"], separator: "semicolon", decimal: "comma", layout: "wide" });
  expect(exportPath(filters, stretch, form)).toContain("device_id=P-1%2CP-2");
  expect(exportPath(filters, stretch, form)).not.toContain("interval");
  expect(exportPath(filters, stretch, { ...form, isAggregated: true })).toContain("interval=5m");
  expect(exportBody(filters, stretch, { ...form, format: "ndjson" })).not.toHaveProperty("separator");
});

test("one empty interval is a hole, at the ends too", () => {
  const reply = { from: FROM, to: FROM + 6 * HOUR, interval: "1h", downsample: null };
  const found = drawn(item(hours(1, null, 3, 4, null, null)), reply);
  expect(found?.series.gaps(reply)).toEqual([
    { from: FROM, to: FROM + 2 * HOUR },
    { from: FROM + 3 * HOUR, to: FROM + 6 * HOUR },
  ]);
  expect(found).toMatchObject({ count: 3, low: 1, high: 4, last: 4 });
  expect(drawn(item(hours(1, 2, 3, 4, 5, 6)), reply)?.series.gaps(reply)).toEqual([]);
});

test("before the first reading there is a hole, as after the last", () => {
  const reply = { from: FROM - 10 * HOUR, to: FROM + 10 * HOUR, interval: null, downsample: "lttb" as const };
  expect(drawn(item(hours(1, 2, 3, 4)), reply)?.series.gaps(reply)).toEqual([
    { from: reply.from, to: FROM },
    { from: FROM + 3 * HOUR, to: reply.to },
  ]);
  expect(drawn(item(hours(1, 2, 3, 4)), reply)?.series.gaps({ from: FROM, to: FROM + 3 * HOUR })).toEqual([]);
});

test("booleans are drawn as 0 and 1, and what has no number is not drawn", () => {
  const reply = { from: FROM, to: FROM + HOUR, interval: null, downsample: "lttb" as const };
  expect(drawn(item(hours(true, false)), reply)).toMatchObject({ low: 0, high: 1 });
  expect(drawn(item(hours("running")), reply)).toBeUndefined();
});

test("thinned points may stand apart as far as they were thinned", () => {
  const reply = { from: FROM, to: FROM + 1_500 * 60_000, interval: null, downsample: "lttb" as const };
  const points = Array.from({ length: 1_500 }, (_, index): [number, number] => [FROM + index * 60_000, index]);
  points.splice(700, 3);
  expect(drawn(item(points), reply)?.series.gaps({ from: FROM, to: FROM + 1_499 * 60_000 })).toEqual([]);
  points.splice(600, 20);
  expect(drawn(item(points), reply)?.series.gaps({ from: FROM, to: FROM + 1_499 * 60_000 })).toHaveLength(1);
});

test("each metric has a chart of its own, unless all are wanted together", () => {
  const reply = { from: FROM, to: FROM + HOUR, interval: null, downsample: "lttb" as const };
  const all = ["b", "a", "b"].map((metric) => drawn(item(hours(1, 2), { metric }), reply)!);
  expect(charts(all, false).map(([name, lines]) => [name, lines.length])).toEqual([["a", 1], ["b", 2]]);
  expect(charts(all, true).map(([, lines]) => lines.length)).toEqual([3]);
  expect([lengthOf("15m"), lengthOf("1mo"), lengthOf("x")]).toEqual([900_000, 31 * 86_400_000, 0]);
});
