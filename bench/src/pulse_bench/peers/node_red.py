"""Node-RED as a peer: installed on demand through npm into a temporary directory, with a flow of two nodes.

`mqtt in` gives each message to a function that writes to PostgreSQL with the library `pg`: one INSERT a message, or
hand-batched, what came in 50 ms or 500 messages in one statement. Both without deduplication or acks to the device: Node-RED
acknowledges a message before a flow has seen it.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pulse_bench.errors import BenchError
from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER

CLIENT_ID: Final = "node-red"
VERSIONS: Final = ("node-red@4", "pg@8")
_INSTALL_SECONDS: Final = 600.0
_STOP_SECONDS: Final = 10.0
_SINGLE: Final = """
const pool = global.get("pool");
const run = msg.payload, id = msg.topic.split("/")[1];
for (const [at, m] of run.rows) {
  await pool.query("insert into bench_peer.reading values ($1, $2, $3, $4, $5)",
    [id, new Date(at / 1000), m.temperature, m.pressure, m.is_active]);
}
"""
_BATCHED: Final = """
const pool = global.get("pool");
const waiting = context.get("waiting") || [];
const run = msg.payload, id = msg.topic.split("/")[1];
for (const [at, m] of run.rows) waiting.push([id, new Date(at / 1000), m.temperature, m.pressure, m.is_active]);
const flush = () => {
  const rows = context.get("waiting");
  if (!rows.length) return;
  context.set("waiting", []);
  const columns = [0, 1, 2, 3, 4].map((n) => rows.map((row) => row[n]));
  pool.query("insert into bench_peer.reading select * from " +
    "unnest($1::text[], $2::timestamptz[], $3::float[], $4::float[], $5::bool[])", columns).catch((error) => node.error(error));
};
context.set("waiting", waiting);
if (!context.get("timer")) context.set("timer", setInterval(flush, 50));
if (waiting.length >= 500) flush();
"""
FLOWS: Final = {"single insert": _SINGLE, "hand-batched": _BATCHED}


async def install_node_red(folder: Path) -> None:
    """Install Node-RED and pg below a folder.

    Raises:
        BenchError: there is no npm, or it failed; the message says so.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BenchError("npm is not installed: install Node.js 20 or newer to measure Node-RED beside us")
    command = (npm, "install", "--no-audit", "--no-fund", "--omit=optional", "--prefix", str(folder), *VERSIONS)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(_INSTALL_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise BenchError(f"npm did not install Node-RED within {_INSTALL_SECONDS:g} s") from error
    if process.returncode != 0:
        raise BenchError(f"npm could not install Node-RED: {said.decode(errors='replace').strip()[-300:]}")


@asynccontextmanager
async def node_red(installed: Path, data: Path, flow: str, broker_port: int, database_url: str) -> AsyncIterator[None]:
    """Run one of the flows inside of the block. Who waits for its subscription asks the broker. Raises BenchError."""
    data.mkdir(parents=True)
    (data / "flows.json").write_text(json.dumps(_flow(FLOWS[flow], broker_port)), encoding="utf-8")
    (data / "settings.js").write_text(_settings(installed, database_url), encoding="utf-8")
    red = installed / "node_modules" / "node-red" / "red.js"
    command = ("node", str(red), "--userDir", str(data), "--settings", str(data / "settings.js"), "flows.json")
    with (data / "node-red.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=log, stderr=STDOUT)
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


def _settings(installed: Path, database_url: str) -> str:
    pg = json.dumps(str(installed / "node_modules" / "pg"))
    pool = f"new (require({pg})).Pool({{connectionString: {json.dumps(database_url)}, max: 10}})"
    return (
        "module.exports = { uiPort: 0, uiHost: '127.0.0.1', httpAdminRoot: false, httpNodeRoot: false, "
        "logging: { console: { level: 'warn' } }, telemetry: { enabled: false }, "
        f"functionGlobalContext: {{ pool: {pool} }} }};\n"
    )


def _flow(function: str, broker_port: int) -> list[dict[str, Any]]:
    broker = {
        "id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(broker_port), "clientid": CLIENT_ID,
        "protocolVersion": "4", "keepalive": "60", "cleansession": True, "autoConnect": True,
    }  # fmt: skip
    source = {
        "id": "in", "type": "mqtt in", "z": "flow", "topic": TELEMETRY_BUFFER_FILTER, "qos": "1", "datatype": "json",
        "broker": "broker", "inputs": 0, "wires": [["store"]], "x": 100, "y": 100,
    }  # fmt: skip
    store = {
        "id": "store", "type": "function", "z": "flow", "func": function, "outputs": 0, "timeout": 0, "noerr": 0,
        "initialize": "", "finalize": "", "libs": [], "wires": [], "x": 300, "y": 100,
    }  # fmt: skip
    return [{"id": "flow", "type": "tab", "label": "bench"}, broker, source, store]
