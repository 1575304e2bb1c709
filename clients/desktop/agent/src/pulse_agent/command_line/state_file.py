"""A small file beside the outbox in which the running agent says how it is: for `status`, and for people with `cat`.

Written whole (beside, then renamed) on each change of state and every 5 s; not synced, it is worth nothing after a
crash, and `status` looks at the agent's lock to know whether anybody still writes it.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pulse_agent.app import Agent
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.presence import HEARTBEAT_SECONDS

STATE_FILE: Final = "state.json"

_log = get_logger("state_file")


class StateFile:
    """Keeps `path` telling how `agent` is doing."""

    def __init__(self, path: Path, agent: Agent, clock: Clock) -> None:
        self._path = path
        self._agent = agent
        self._clock = clock
        self._changed = asyncio.Event()
        self._is_failing = False
        agent.on_state(lambda _: self._changed.set())

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`, and once more then."""
        while not stop.is_set():
            self._write()
            self._changed.clear()
            waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._changed.wait())]
            try:
                await asyncio.wait(waits, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _write(self) -> None:
        status = self._agent.status()
        text = json.dumps(
            {
                "pid": os.getpid(),
                "at": self._clock.now().isoformat(timespec="seconds"),
                "state": status.state.value,
                "buffered": status.stats.rows,
                "fullness": status.stats.fullness.value,
                "connections": status.counts.connections,
                "acks": status.counts.acks,
                "last_ack_at": status.counts.last_ack_at,
                "live_rows": status.counts.live_rows,
                "buffer_rows": status.counts.buffer_rows,
                "window": status.window,
                "refused": status.refused,
            }
        )
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:  # a full disk must not end delivery
            if not self._is_failing:
                _log.warning("state_file_not_written", reason=str(error))
            self._is_failing = True
        else:
            self._is_failing = False


def read_state(path: Path) -> dict[str, Any] | None:
    """Return what the agent last said; None when it said nothing readable."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None
