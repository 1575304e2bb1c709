"""One agent in this process with its door, for tests that are its windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from pulse_agent.app import Agent
from pulse_agent.domain.reading import Reading
from pulse_agent.replica.live import LiveReplica
from pulse_agent.replica.replica import Replica

ANNA, BOB = str(UUID(int=1)), str(UUID(int=2))
READERS = str(UUID(int=12))
PASSWORDS = {"anna": "correct horse 1", "bob": "correct horse 2"}
EVERYTHING = [
    "config:read", "config:write", "devices:write", "roles:read", "roles:write", "sync:read", "sync:resolve",
    "system:read", "telemetry:read", "users:read", "users:write", "commands:send",
]  # fmt: skip


class Running:
    """One agent in this process, with its door."""

    def __init__(self, window: Any, data: Path, agent: Agent, live: LiveReplica, restarts: list[bool]) -> None:
        self._window = window
        self.data = data
        self.agent = agent
        self.live = live
        self.restarts = restarts

    def window(self) -> Any:
        return self._window(self.data)

    async def sync(self, peer: Any, talk: Callable[..., None]) -> None:
        """Let the replica and sync's side speak until nothing is due."""

        def work(replica: Replica) -> None:
            replica.connected()
            talk(replica, peer)
            replica.disconnected()

        await self.live.ask(work)


async def signed_in(window: Any, name: str = "anna") -> Any:
    await window.call("sign_in", username=name, password=PASSWORDS[name])
    return window


def reading(number: int, **metrics: Any) -> Reading:
    return Reading(int(time.time() * 1_000_000) - (1_000 - number) * 1_000_000, {"n": number, **metrics}, "test")
