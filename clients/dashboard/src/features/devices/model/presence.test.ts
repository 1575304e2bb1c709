import { expect, it } from "vitest";
import { absencesOf, presentShare } from "./presence";

const at = (time: string): number => Date.parse(`2026-11-21T${time}:00Z`);

it("counts only what lies within the window, and what has not ended until now", () => {
  const rows = [
    { started_at: "2026-11-21T11:00:00Z", ended_at: null },
    { started_at: "2026-11-21T01:00:00Z", ended_at: "2026-11-21T03:00:00Z" },
  ];
  const absences = absencesOf(rows, at("02:00"));
  expect(absences).toEqual([{ from: at("11:00"), to: undefined }, { from: at("02:00"), to: at("03:00") }]);
  expect(presentShare(absences, at("02:00"), at("12:00"))).toBeCloseTo(0.8);
});

it("is whole when nothing is known to be missing", () => {
  expect(presentShare([], at("02:00"), at("12:00"))).toBe(1);
  expect(absencesOf([{ started_at: 17, ended_at: null }], 0)).toEqual([]);
});
