"""What people do during a run: commands to the workstation, and edits of one person on the web and on the workstation.

Errors of a gateway that is away are expected and counted; what was done is read from the stack afterwards.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from pulse_chaos.site import Site
from pulse_simulator.gateway_session import GatewayError
from pulse_simulator.real_agent import NOTE

COMMAND_SECONDS: Final = 20
"""How long a command is good for: all have ended soon after the last was sent."""
_COMMAND_PERIOD: Final = 0.8
_WEB_PERIOD: Final = 2.5
_DESK_PERIOD: Final = 4.0
_MOST_DESK_EDITS: Final = 2
_READY_SECONDS: Final = 60.0


_CONFLICTS: Final = """
select op_id::text from sync.sync_conflict where desktop_id = $1 union
select op_id::text from identity.applied_operations where desktop_id = $1 and outcome ->> 'outcome' = 'conflict_lost'
"""


class NotPreparedError(Exception):
    """What a run needs could not be prepared."""


async def conflicts_of(site: Site) -> list[str]:
    """Return the workstation's operations that lost or are in the conflict log, since the site began."""
    return [row[0] for row in await site.stack.fetch(_CONFLICTS, site.workstation.device_id)]


@dataclass(slots=True)
class Requests:
    """Commands and edits of one run. `prepare` before the load, `run` beside it."""

    site: Site
    name: str
    user_id: str = ""
    sent: int = 0
    unanswered: int = 0
    web_edits: int = 0
    desk_edits: int = 0
    good_until: dict[str, float] = field(default_factory=dict)
    """Until when each command that was answered is good, by this machine's clock: a server's may be wrong."""
    earlier_commands: frozenset[str] = frozenset()
    """Those of runs before this one."""
    earlier_edits: frozenset[str] = frozenset()
    """Operations of runs before this one that lost or were logged as conflicts."""

    async def prepare(self) -> None:
        """Make the person whom both sides will edit, and wait until the workstation has them."""
        session, device = self.site.session, self.site.workstation.device_id
        body = {"username": self.name, "password": f"a long password of {self.name}", "roles": ["viewer"]}
        self.user_id = str((await session.request("POST", "/api/users", json=body))["id"])
        rows = await self.site.stack.fetch("select id::text from commands.command_view")
        self.earlier_commands = frozenset(row[0] for row in rows)
        self.earlier_edits = frozenset(await conflicts_of(self.site))
        share = {"user": self.name, "level": "control"}
        await session.request("POST", f"/api/devices/{device}/shares", json=share)
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await asyncio.to_thread(self._is_on_the_workstation):
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise NotPreparedError(f"{self.name} did not reach the workstation") from error

    def _is_on_the_workstation(self) -> bool:
        replica = self.site.workstation.data / "replica.db"
        with closing(sqlite3.connect(f"file:{replica}?mode=ro", uri=True, timeout=10)) as connection:
            return bool(connection.execute("select 1 from users where id = ?", (self.user_id,)).fetchall())

    async def run(self) -> None:
        """Send commands and edit until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._command_forever())
            group.create_task(self._edit_on_the_web())
            group.create_task(self._edit_at_the_desk())

    async def _command_forever(self) -> None:
        number = 0
        while True:
            number += 1
            body = {
                "device_ids": [self.site.workstation.device_id],
                "name": NOTE,
                "args": {"n": number},
                "ttl_s": COMMAND_SECONDS,
            }
            self.sent += 1
            try:
                made = await self.site.session.request("POST", "/api/commands", json=body)
                until = time.time() + COMMAND_SECONDS
                self.good_until.update({str(command["id"]): until for command in made["commands"]})
            except GatewayError:
                self.unanswered += 1
            await asyncio.sleep(_COMMAND_PERIOD)

    async def _edit_on_the_web(self) -> None:
        while True:
            await asyncio.sleep(_WEB_PERIOD)
            email = f"{self.name}-web-{self.web_edits}@example.org"
            with suppress(GatewayError):
                await self.site.session.request(
                    "PATCH", f"/api/users/{self.user_id}", json={"email": email}, if_match="*"
                )
                self.web_edits += 1

    async def _edit_at_the_desk(self) -> None:
        for number in range(_MOST_DESK_EDITS):
            await asyncio.sleep(_DESK_PERIOD)
            email = f"{self.name}-desk-{number}@example.org"
            saying = asyncio.create_task(self._say("users", "edit", self.name, "--email", email))
            try:
                done = await asyncio.shield(saying)
            except asyncio.CancelledError:
                # It is a program of its own and goes on: an edit that it makes later would be one that nobody waits for.
                await saying
                raise
            self.desk_edits += done.returncode == 0

    async def disagree(self) -> None:
        """Edit the same field at the desk and then on the web: while neither hears of the other, one of the two must lose."""
        done = await self._say("users", "edit", self.name, "--email", f"{self.name}-alone@example.org")
        self.desk_edits += done.returncode == 0
        with suppress(GatewayError):  # Then none has lost, and the verdict says that the run shows nothing.
            email = {"email": f"{self.name}-meanwhile@example.org"}
            await self.site.session.request("PATCH", f"/api/users/{self.user_id}", json=email, if_match="*")
            self.web_edits += 1

    async def _say(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        admin, password = self.site.admin
        return await self.site.workstation.say(*arguments, "--user", admin, "--password-stdin", given=f"{password}\n")
