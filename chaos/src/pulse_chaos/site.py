"""Where runs take place: one embedded stack with a real workstation, used by one run after the other.

A run that broke an invariant leaves the site unfit: the next one gets a new site, and the old one's files are kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pulse_chaos import namespace, server_clocks
from pulse_local.data_directory import DataDirectory
from pulse_local.servers.postgres import SUPERUSER
from pulse_local.stack_secrets import StackSecrets, load_secrets
from pulse_simulator.embedded_stack import EmbeddedStack, running_stack
from pulse_simulator.gateway_session import GatewaySession
from pulse_simulator.real_agent import NOTE, RealAgent, install_note_plugin

DATABASE_DISK_MIB: Final = 640
"""Small enough to be filled in a moment, large enough for a hundred runs."""
BROKER_DISK_MIB: Final = 64
"""Room for the queues of a run."""
FILLER: Final = "chaos-filler"
_READY_SECONDS: Final = 90.0
_ENVIRONMENT: Final = {
    "PULSE_RATE_LIMITS": "off",
    # The patience of production is minutes; what is shown here is what happens after it, not how long it is.
    "PULSE_COMMANDS_GRACE_SECONDS": "5",
    "PULSE_COMMANDS_SILENCE_SECONDS": "10",
    "PULSE_COMMANDS_RETRY_SECONDS": "1",
    "PULSE_COMMANDS_LONGEST_RETRY_SECONDS": "3",
}


class SiteError(Exception):
    """The site could not be prepared: no verdict about any fault."""


@dataclass(slots=True)
class Site:
    """A running stack, the administrator's session with it, and an enrolled workstation that runs."""

    stack: EmbeddedStack
    session: GatewaySession
    workstation: RealAgent
    folder: Path
    secrets: StackSecrets
    has_small_disks: bool

    @property
    def database_disk(self) -> Path | None:
        """The database's own small disk, where there is one."""
        return self.stack.data / "postgres" if self.has_small_disks else None

    @property
    def broker_disk(self) -> Path | None:
        """The broker's own small disk, where there is one."""
        return self.stack.data / "mosquitto" if self.has_small_disks else None

    @property
    def clocks(self) -> Path:
        """Where the clocks of services can be set (see `server_clocks`)."""
        return self.folder / "clocks"

    @property
    def superuser_url(self) -> str:
        """The database as its superuser sees it."""
        parts = urlsplit(self.stack.database_url)
        login = f"{SUPERUSER}:{self.secrets.database_passwords[SUPERUSER]}@"
        return urlunsplit(parts._replace(netloc=login))

    @property
    def admin(self) -> tuple[str, str]:
        """The administrator's name and password."""
        account = self.stack.description["admin"]
        return str(account["username"]), str(account["password"])

    def port(self, part: str) -> int:
        """Return the TCP port of a server or service."""
        if part == "mosquitto":
            return self.stack.mqtt_port
        if part == "valkey":
            return int(urlsplit(str(self.stack.description["redis_url"])).port or 0)
        return int(urlsplit(str(self.stack.service(part)["url"])).port or 0)

    async def is_ready(self) -> list[str]:
        """Return what is not ready now, as sentences."""
        return [f"{name} is {part['state']}" for name, part in self.stack.parts().items() if part["state"] != "ready"]


@asynccontextmanager
async def open_site(folder: Path, environment: dict[str, str], *, has_small_disks: bool = True) -> AsyncIterator[Site]:
    """Start a stack in a new folder, with a workstation. Raises EmbeddedStackError, GatewayError or SiteError.

    `has_small_disks`: database and broker get small disks of their own, in a namespace of ours, so that these can be filled.
    """
    data = folder / "stack"
    data.mkdir(parents=True)
    disks = {"postgres": (DATABASE_DISK_MIB, "700"), "mosquitto": (BROKER_DISK_MIB, "755")}
    has_small_disks = has_small_disks and namespace.is_own()
    if has_small_disks:
        for name, (size, mode) in disks.items():
            (data / name).mkdir()
            await _run("mount", "-t", "tmpfs", "-o", f"size={size}m,mode={mode}", "chaos", str(data / name))
    clocks = server_clocks.prepare(folder / "clocks")
    try:
        async with running_stack(data, **_ENVIRONMENT, **clocks, **environment) as stack, stack.admin() as session:
            workstation = await _enrol(stack, session, folder)
            try:
                secrets = load_secrets(DataDirectory.at(data).secrets)
                yield Site(stack, session, workstation, folder, secrets, has_small_disks)
            finally:
                workstation.kill()
                if workstation.proxy is not None:
                    await workstation.proxy.close()
    finally:
        if has_small_disks:
            for name in disks:
                await _run("umount", "-l", str(data / name))


async def _enrol(stack: EmbeddedStack, session: GatewaySession, folder: Path) -> RealAgent:
    agent = RealAgent("workstation", folder / "workstation", plugins=install_note_plugin(folder / "plugins"))
    wish = {"id": agent.device_id, "name": agent.device_id, "kind": "workstation"}
    code = (await session.request("POST", "/api/devices/enrolment-codes", json=wish))["code"]
    done = await agent.say("enroll", stack.gateway_url, code, "--no-keyring")
    if done.returncode != 0:
        raise SiteError(f"the workstation could not enrol: {done.stderr}")
    await agent.put_behind_a_proxy()
    agent.start()
    await until_it_knows_note(session, agent)
    return agent


async def until_it_knows_note(session: GatewaySession, agent: RealAgent) -> None:
    """Wait until the server knows what the agent can do. Raises SiteError."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                known: Any = await session.request("GET", f"/api/commands/catalogue?device_id={agent.device_id}")
                if NOTE in json.dumps(known):
                    return
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise SiteError(f"the workstation did not declare {NOTE}: {agent.log()[-2000:]}") from error


async def _run(*command: str) -> None:
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SiteError(f"{' '.join(command)}: {done.stderr.strip()}")


def fill(disk: Path) -> Path:
    """Write a file that leaves a disk no room, also while others write; return it. Only for a disk of our own."""
    file = disk / FILLER
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (2**20, 2**12):
            with suppress(OSError):  # It is full: what was asked for.
                while os.write(descriptor, bytes(size)) == size:
                    pass
    finally:
        os.close(descriptor)
    return file
