import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { PERMISSIONS } from "./permission";

it("knows the permissions that the contracts know", () => {
  const source = readFileSync(new URL("../../../../../libs/contracts/src/pulse_contracts/permissions.py", import.meta.url), "utf8");
  const named = [...source.matchAll(/^ {4}[A-Z_]+ = "([a-z_]+:[a-z]+)"$/gm)].map((match) => match[1]);
  expect([...PERMISSIONS].sort()).toEqual(named.sort());
});
