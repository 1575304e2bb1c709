/** The script that reads the figures works. What it reads is judged on a quiet machine: `make figures-dashboard`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SCRIPT = fileURLToPath(new URL("../../scripts/figures.mjs", import.meta.url));

it("every figure can be read", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, "--brief", "--only", "load,input,charts"], { timeout: 600_000 });
  for (const name of ["sign-in", "after a reload", "answer to a key", "readings over the socket", "frames", "long tasks"]) assert.match(stdout, new RegExp(name));
  assert.doesNotMatch(stdout, /FAILS/);
});
