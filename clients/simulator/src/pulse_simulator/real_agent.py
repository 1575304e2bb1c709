"""A real agent in a process of its own, as on somebody's machine: enrolled, started, killed, and spoken to by its own command
line. With its plug-in it knows one command, NOTE, and notes on the disk each time that it does it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pulse_simulator.tcp_proxy import TcpProxy

NOTE: Final = "NOTE"
_NOTED: Final = "noted.txt"
_ANSWER_SECONDS: Final = 120.0
_PLUGIN: Final = """
import os, time
from pulse_agent.commands.command import AgentCommand
from pulse_contracts.commands import CommandSpec
from pulse_contracts.value_specs import ValueSpec, ValueType

SPEC = CommandSpec(name="NOTE", description="Notes a number", arguments={"n": ValueSpec(type=ValueType.INTEGER)})

def create(options):
    async def note(invocation):
        file = os.open(options.data / "noted.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{invocation.jti} {time.time():.3f}\\n".encode())
        os.fsync(file)
        os.close(file)
        return {"noted": invocation.arguments["n"]}

    return AgentCommand(SPEC, note)
"""


def install_note_plugin(folder: Path) -> Path:
    """Make a folder that, on PYTHONPATH, gives agents the command NOTE; return it."""
    metadata = folder / "note_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "note_plugin.py").write_text(_PLUGIN, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: note-plugin\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[pulse_agent.commands]\nnote = note_plugin:create\n", encoding="utf-8")
    return folder


@dataclass(slots=True)
class RealAgent:
    """One agent's folder and, while it runs, its process."""

    device_id: str
    data: Path
    plugins: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    proxy: TcpProxy | None = None
    options: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Run the agent."""
        environment = os.environ | ({"PYTHONPATH": str(self.plugins)} if self.plugins else {})
        with (self.data / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "pulse_agent", "run", "--data", str(self.data), *self.options],
                stdout=log,
                stderr=log,
                env=environment,
            )

    def kill(self) -> None:
        """Kill the agent as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def say(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run `pulse-agent ARGUMENTS` on this agent's folder, with `given` on its standard input."""

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "pulse_agent", *arguments, "--data", str(self.data)],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=_ANSWER_SECONDS,
            )

        return await asyncio.to_thread(run)

    async def status(self) -> dict[str, Any]:
        """Return what `pulse-agent status --json` says."""
        done = await self.say("status", "--json")
        assert done.returncode == 0, done.stderr  # noqa: S101 - a tool of tests
        return dict(json.loads(done.stdout))

    async def put_behind_a_proxy(self) -> TcpProxy:
        """Lead its connection to the broker through a proxy that can be cut; before it is started."""
        file = self.data / "device.json"
        device = json.loads(file.read_text(encoding="utf-8"))
        port = "tls_port" if device["tls_port"] else "port"
        self.proxy = TcpProxy(device["host"], device[port])
        await self.proxy.start()
        device[port] = self.proxy.port
        file.write_text(json.dumps(device), encoding="utf-8")
        return self.proxy

    def noted(self) -> Counter[str]:
        """Return how often it did each command, as its plug-in wrote it down on the disk."""
        return Counter(jti for jti, _ in self._notes())

    def noted_last(self) -> dict[str, float]:
        """Return when it did each command for the last time, in Unix seconds by this machine's clock."""
        return {jti: float(at) for jti, at in self._notes()}

    def _notes(self) -> list[tuple[str, str]]:
        file = self.data / _NOTED
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [(jti, at) for jti, _, at in (line.partition(" ") for line in lines)]

    def log(self) -> str:
        """Return what the agent logged."""
        return (self.data / "agent.log").read_text(encoding="utf-8")
