import { expect, test } from "vitest";
import { changesOf } from "./changes";

test("only what differs is told, by name", () => {
  expect(changesOf({ name: "a", active: true, roles: ["x"] }, { name: "a", active: false, roles: ["x", "y"] })).toEqual([
    { field: "active", before: "true", after: "false" },
    { field: "roles", before: '["x"]', after: '["x","y"]' },
  ]);
});

test("a field that came or went has nothing on the other side", () => {
  expect(changesOf(null, { email: "a@b" })).toEqual([{ field: "email", before: undefined, after: "a@b" }]);
  expect(changesOf({ email: "a@b" }, {})).toEqual([{ field: "email", before: "a@b", after: undefined }]);
  expect(changesOf(null, undefined)).toEqual([]);
});
