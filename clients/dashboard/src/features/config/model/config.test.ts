import { expect, test } from "vitest";
import { addressOf, idOf, readFilters } from "./filters";
import { draftOf, readSpec } from "./spec-draft";
import { standingOf } from "./standing";

test("an entry's id is its address, and back", () => {
  expect(addressOf("all//log.level")).toEqual({ scope: "all", target: "-", key: "log.level" });
  expect(addressOf("group/hall/2/log.level")).toEqual({ scope: "group", target: "hall/2", key: "log.level" });
  expect(addressOf("device//log.level")).toBeUndefined();
  expect(addressOf("nobody/x/log.level")).toBeUndefined();
  for (const id of ["all//log.level", "device/PRESS-1/log.level"]) expect(idOf(addressOf(id)!)).toBe(id);
});

test("an address keeps what makes sense, and nothing else", () => {
  expect(readFilters({ tab: "device", device: 17, other: 17, lagging: "true", page: "0", open: "x", scope: "room" })).toEqual({
    tab: "device", device: "17", lagging: true,
  });
  expect(readFilters({ tab: "entries", open: "all//a.b", page: 3 })).toEqual({ open: "all//a.b", page: 3 });
});

test("an error counts more than being behind", () => {
  expect(standingOf({ applied_version: 2, is_in_force: false, error: "no room" })).toBe("refused");
  expect(standingOf({ applied_version: 2, is_in_force: false, error: null })).toBe("lagging");
  expect(standingOf({ applied_version: null, is_in_force: false, error: null })).toBe("waiting");
  expect(standingOf({ applied_version: 3, is_in_force: true, error: null })).toBe("inForce");
  expect(standingOf({ applied_version: null, is_in_force: null, error: null })).toBe("nothing");
});

test("a key's spec comes back as it was drafted", () => {
  const spec = { type: "integer", description: "Rounds", unit: "1/min", minimum: 1, maximum: 9, max_length: 256, choices: null, is_required: false, default: 3 } as const;
  expect(readSpec(draftOf(spec))).toEqual({ spec });
});

test("bounds, lengths and usual values that cannot be are told by field", () => {
  const draft = draftOf(undefined);
  expect(readSpec({ ...draft, minimum: "9", maximum: "1" })).toEqual({ faults: { maximum: "outOfOrder" } });
  expect(readSpec({ ...draft, minimum: "few" })).toEqual({ faults: { minimum: "notNumber" } });
  expect(readSpec({ ...draft, type: "text", longest: "0" })).toMatchObject({ faults: { longest: "badLength" } });
  expect(readSpec({ ...draft, type: "text", choices: "a\nb", usual: "c" })).toEqual({ faults: { usual: "badUsual" } });
  expect(readSpec({ ...draft, type: "text_list", choices: "a\nb\na", usual: "a\nb" })).toMatchObject({
    spec: { choices: ["a", "b"], default: ["a", "b"] },
  });
});
