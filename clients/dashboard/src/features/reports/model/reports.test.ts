import { expect, test } from "vitest";
import { asked, pathOf, readFilters } from "./filters";
import { draftOf, readDraft } from "./schedule-draft";
import { wordKey } from "./words";
import { dayStart, nextDay } from "./zoned";

const NOW = Date.parse("2026-11-21T12:00:00Z");

test("a day begins when the zone's clocks say so, also on the day they change", () => {
  expect(new Date(dayStart("2026-11-21", "UTC")).toISOString()).toBe("2026-11-21T00:00:00.000Z");
  expect(new Date(dayStart("2026-11-21", "Europe/Berlin")).toISOString()).toBe("2026-11-20T23:00:00.000Z");
  expect(new Date(dayStart("2026-03-29", "Europe/Berlin")).toISOString()).toBe("2026-03-28T23:00:00.000Z");
  expect(new Date(dayStart("2026-03-30", "Europe/Berlin")).toISOString()).toBe("2026-03-29T22:00:00.000Z");
  expect(new Date(dayStart("2026-10-26", "Europe/Berlin")).toISOString()).toBe("2026-10-25T23:00:00.000Z");
  expect(new Date(dayStart("2026-11-21", "Pacific/Auckland")).toISOString()).toBe("2026-11-20T11:00:00.000Z");
  expect([nextDay("2026-02-28"), nextDay("2026-12-31")]).toEqual(["2026-03-01", "2027-01-01"]);
});

test("an address keeps what makes sense, and nothing else", () => {
  expect(readFilters({ kind: "weather", days: "8", tz: "Mars/Base", from: "2026-11-20", to: "2026-11-19", devices: 17 })).toEqual({ devices: ["17"] });
  expect(readFilters({ kind: "metrics", days: 30, from: "2026-11-01", to: "2026-11-02", groups: ["a", "a", ""], tz: "UTC" })).toEqual({
    kind: "metrics", from: "2026-11-01", to: "2026-11-02", groups: ["a"], tz: "UTC",
  });
});

test("days of one's own are whole days, both included; metrics are asked of their report only", () => {
  expect(asked({ kind: "metrics", from: "2026-11-01", to: "2026-11-01", tz: "Europe/Berlin", metrics: ["rpm"], period: "hour" }, NOW)).toEqual({
    from: "2026-10-31T23:00:00.000Z", to: "2026-11-01T23:00:00.000Z", tz: "Europe/Berlin", metric: ["rpm"], period: "hour",
  });
  expect(asked({ kind: "audit", days: 1, tz: "UTC", metrics: ["rpm"], devices: ["a", "b"] }, NOW)).toEqual({
    from: "2026-11-20T12:00:00.000Z", to: "2026-11-21T12:00:00.000Z", tz: "UTC", device_id: ["a", "b"],
  });
});

test("a file is asked for by the same question", () => {
  expect(pathOf("audit", { from: "a", to: "b", tz: "Europe/Berlin", device_id: ["x", "y"] }, "csv")).toBe(
    "/api/reports/audit?format=csv&from=a&to=b&tz=Europe%2FBerlin&device_id=x&device_id=y",
  );
});

test("a schedule needs a name, a receiver and a time", () => {
  const draft = draftOf(undefined, "UTC");
  expect(readDraft({ ...draft, at: "7", tz: "x" })).toEqual({ faults: { name: "missing", receivers: "noReceiver", at: "badTime", tz: "badZone" } });
  expect(readDraft({ ...draft, name: "n", receivers: "night@" })).toEqual({ faults: { receivers: "badReceiver" } });
  expect(readDraft({ ...draft, name: " n ", receivers: "a@b.c, a@b.c\nd@e.f", metrics: "rpm" })).toMatchObject({
    body: { name: "n", receivers: ["a@b.c", "d@e.f"], metrics: null, device_ids: null, groups: null },
  });
});

test("texts of the service are found by what they are about", () => {
  expect(wordKey("metrics count", "Readings")).toBe("metrics_count");
  expect(wordKey("figure", "Offline within the range")).toBe("figure_offline_within_the");
  expect(wordKey("note", "A battery's change a day is the slope.")).toBe("note_a_battery_s_change");
});
