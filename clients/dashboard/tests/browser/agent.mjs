/** A real agent of the product, as on somebody's desk: enrolled, started, stopped, and spoken to by its own command line. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { api, BASE } from "./stage.mjs";

const PYTHON = process.env["PULSE_PYTHON"] ?? fileURLToPath(new URL("../../../../.venv/bin/python", import.meta.url));

export class Agent {
  #process;

  constructor(deviceId, data) {
    this.deviceId = deviceId;
    this.data = data;
  }

  /** Make a workstation of this name and enrol an agent as it. */
  static async enrol(deviceId) {
    const { code } = await api("POST", "/api/devices/enrolment-codes", { id: deviceId, name: deviceId, kind: "workstation" });
    const agent = new Agent(deviceId, await mkdtemp(join(tmpdir(), "pulse-agent-")));
    const done = await agent.say(["enroll", BASE, code, "--no-keyring"]);
    assert.equal(done.code, 0, done.output);
    return agent;
  }

  /** Run it, with a simulated machine to measure. */
  async start() {
    const log = await open(join(this.data, "agent.log"), "a");
    const source = "simulated:seed=1";
    this.#process = spawn(PYTHON, ["-m", "pulse_agent", "run", "--data", this.data, "--source", source], {
      stdio: ["ignore", log.fd, log.fd],
    });
    await log.close();
  }

  /** End it in order; it can be started again. */
  async stop() {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    running.kill("SIGTERM");
    await once(running, "exit");
  }

  /** `pulse-agent ARGUMENTS` on its folder; `given` is what it reads. */
  async say(args, given = "") {
    const running = spawn(PYTHON, ["-m", "pulse_agent", ...args, "--data", this.data]);
    let output = "";
    for (const stream of [running.stdout, running.stderr]) stream.on("data", (text) => { output += text; });
    running.stdin.end(given);
    const [code] = await once(running, "close");
    return { code, output };
  }

  async dispose() {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}
