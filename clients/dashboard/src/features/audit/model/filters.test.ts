import { expect, test } from "vitest";
import { asked, readFilters } from "./filters";

test("what makes no sense in an address is no filter", () => {
  expect(readFilters({ actor: "  ", outcome: "maybe", from: "yesterday", page: 3 })).toEqual({});
  expect(readFilters({ actor: " anna ", outcome: "refused" })).toEqual({ actor: "anna", outcome: "refused" });
});

test("local times are asked for as moments", () => {
  const local = "2026-11-21T08:30";
  expect(asked({ action: "user.*", from: local })).toEqual({ action: "user.*", from: new Date(local).toISOString() });
});
