import { expect, test } from "vitest";
import { readFilters, sortName, sortState } from "./filters";
import { byThing, lacking } from "./rights";

test("rights stand together by what they are about", () => {
  const rights = ["users:read", "devices:read", "users:write"].map((name) => ({ name }));
  expect(byThing(rights).map(({ thing, rights: of }) => [thing, of.map(({ name }) => name)])).toEqual([
    ["users", ["users:read", "users:write"]],
    ["devices", ["devices:read"]],
  ]);
});

test("what somebody lacks is what they cannot give", () => {
  const roles = [
    { name: "viewer", permissions: ["devices:read"] },
    { name: "admin", permissions: ["devices:read", "users:write", "audit:read"] },
  ];
  expect(lacking(roles, ["viewer"], ["devices:read"])).toEqual([]);
  expect(lacking(roles, ["viewer", "admin"], ["devices:read"])).toEqual(["audit:read", "users:write"]);
});

test("a sort goes to the table and back", () => {
  expect(sortState("-email")).toEqual([{ id: "email", desc: true }]);
  expect(sortName(sortState("-email"))).toBe("-email");
  expect(sortName([{ id: "roles", desc: false }])).toBeUndefined();
  expect(readFilters({ page: 1, is_active: false, sort: "shoe" })).toEqual({ is_active: false });
});
