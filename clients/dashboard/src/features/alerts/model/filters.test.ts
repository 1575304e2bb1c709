import { expect, test } from "vitest";
import { asked, narrowing, readFilters } from "./filters";

const ID = "5b0d1f6e-7a05-4b67-9a0a-0f4f4b2d6c11";

test("what makes no sense in an address is no filter", () => {
  expect(readFilters({ tab: "else", severity: "fatal", state: "gone", open: "1", edit: "x", from: "yesterday", device: "  " })).toEqual({});
  expect(readFilters({ tab: "rules", edit: "new" })).toEqual({ tab: "rules", edit: "new" });
  expect(readFilters({ device: 17, severity: "critical", open: ID })).toEqual({ device: "17", severity: "critical", open: ID });
});

test("the active tab asks for all that is not cleared, history for everything", () => {
  expect(asked({})).toEqual({ state: ["active", "acknowledged"] });
  expect(asked({ state: "acknowledged", severity: "info" })).toEqual({ state: ["acknowledged"], severity: ["info"] });
  const from = "2026-11-21T08:30";
  expect(asked({ tab: "history", late: "only", from })).toEqual({ is_late: true, from: new Date(from).toISOString() });
});

test("an open alarm does not narrow the list", () => {
  expect(narrowing({ tab: "history", open: ID, device: "d-1" })).toEqual({ device: "d-1" });
});
