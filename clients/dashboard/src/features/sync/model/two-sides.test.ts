import { expect, test } from "vitest";
import { readFilters } from "./filters";
import { rowName, twoSides } from "./two-sides";

const conflict = {
  row_id: "7f",
  winner: "server" as const,
  applied: ["is_active"],
  desktop_fields: { email: "anna@plant", is_active: false, password: true },
  server_fields: { username: "anna", email: "anna@office", is_active: true },
};

test("both sides stand field by field, with the one that is in force", () => {
  expect(twoSides(conflict, "changed")).toEqual([
    { field: "email", desktop: "anna@plant", server: "anna@office", inForce: "server" },
    { field: "is_active", desktop: "false", server: "true", inForce: "desktop" },
    { field: "password", desktop: "changed", server: "—", inForce: "server" },
  ]);
  expect(twoSides({ ...conflict, winner: "desktop" }, "changed").every((field) => field.inForce === "desktop")).toBe(true);
});

test("a row has a name that people know, where it has one", () => {
  expect(rowName(conflict)).toBe("anna");
  expect(rowName({ ...conflict, desktop_fields: {}, server_fields: {} })).toBe("7f");
});

test("what makes no sense in an address is no filter", () => {
  expect(readFilters({ tab: "log", entity: "cats", page: 0, status: "applied" })).toEqual({ tab: "log", status: "applied" });
});
