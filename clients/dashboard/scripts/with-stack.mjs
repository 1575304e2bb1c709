/**
 * Starts the embedded stack of this working copy with simulated devices, runs a command before it, and stops it again:
 * `node scripts/with-stack.mjs [--devices N] [--rate HZ] -- command…`. The command finds the stack in PULSE_BASE, PULSE_USERNAME
 * and PULSE_PASSWORD, as the tests in a browser do, and the stack's own file in PULSE_STACK. With PULSE_BASE set already, nothing is started.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const pulse = join(root, ".venv/bin/pulse");
const { values, positionals } = parseArgs({
  options: { devices: { type: "string", default: "8" }, rate: { type: "string", default: "10" }, prefix: { type: "string", default: "pump" } },
  allowPositionals: true,
});
const [command, ...rest] = positionals;

function run(environment) {
  return new Promise((resolve) => {
    const child = spawn(command, rest, { stdio: "inherit", env: { ...process.env, ...environment } });
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => { console.error(error.message); resolve(1); });
    child.on("exit", (code) => { resolve(code ?? 1); });
  });
}

async function withStack() {
  if (!existsSync(pulse) || !existsSync(join(root, "clients/dashboard/dist/index.html"))) {
    console.error("run `make build` first: this needs the stack and the built dashboard");
    return 1;
  }
  // A short path: sockets of the servers live below it.
  const data = mkdtempSync(join(tmpdir(), "pulse-fig-"));
  const stackFile = join(data, "stack.json");
  const environment = { ...process.env, PULSE_RATE_LIMITS: "off" };
  let simulator;
  try {
    const up = spawnSync(pulse, ["up", "--detach", "--data", data], { cwd: root, env: environment, encoding: "utf8", timeout: 180_000 });
    if (up.status !== 0) {
      console.error(up.stdout, up.stderr);
      return 1;
    }
    simulator = spawn(
      pulse,
      ["simulate", "--devices", values.devices, "--rate", values.rate, "--prefix", values.prefix, "--duration", "6h",
        "--data", join(data, "simulator"), "--stack", stackFile],
      { cwd: root, env: environment, stdio: "ignore" },
    );
    const stack = JSON.parse(readFileSync(stackFile, "utf8"));
    return await run({
      PULSE_BASE: stack.gateway_url, PULSE_USERNAME: stack.admin.username, PULSE_PASSWORD: stack.admin.password, PULSE_STACK: stackFile,
    });
  } finally {
    if (simulator !== undefined && simulator.exitCode === null) {
      const ended = new Promise((resolve) => { simulator.on("exit", resolve); });
      simulator.kill("SIGTERM");
      await ended;
    }
    spawnSync(pulse, ["down", "--data", data], { cwd: root, env: environment, timeout: 120_000 });
    rmSync(data, { recursive: true, force: true });
  }
}

process.exit(process.env["PULSE_BASE"] === undefined ? await withStack() : await run({}));
