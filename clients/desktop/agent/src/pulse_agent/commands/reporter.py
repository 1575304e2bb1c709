"""What the device says on its status topic, one report after the other, QoS 1.

Guarantees: after each connect come the capabilities, then the last state of every command whose state the broker has
not taken yet; a state counts as taken when the broker says that somebody gets it. Progress and what a lost link cut off
are not kept: the last state says it. Refusals wait for the next connection, the newest `MAX_REFUSALS`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from pulse_agent.commands.intent_log import Intent
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttSession, NotConnectedError, PacketTooLargeError, WriteBufferFullError
from pulse_contracts.commands import CapabilityReport, CommandSpec, RefusalReport, StatusReport
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import command_status

MAX_PENDING: Final = 256
"""Reports that wait for the link; overflow policy: the oldest goes, the log still knows it is not taken."""
MAX_REFUSALS: Final = 32
RETRY_FIRST_SECONDS: Final = 1.0
RETRY_CEILING_SECONDS: Final = 60.0

_log = get_logger("commands")


class StateKeeper(Protocol):
    """Knows which states the broker has not taken yet."""

    async def unreported(self) -> list[Intent]:
        """Return commands whose last state was not taken."""
        ...

    async def taken(self, jti: str, state: str) -> None:
        """Take note that it was."""
        ...


@dataclass(frozen=True, slots=True)
class _Pending:
    report: StatusReport | RefusalReport | CapabilityReport
    settles: bool = False
    """Whether the broker's yes is to be kept: of a status that is no progress."""


class Reporter:
    """Speaks for one device. `say` at any time; it is sent while `run` runs and a session is there."""

    def __init__(self, client_id: ClientId, keeper: StateKeeper, clock: Clock) -> None:
        self._topic = command_status(client_id)
        self._specs: list[CommandSpec] = []
        self._keeper = keeper
        self._clock = clock
        self._session: MqttSession | None = None
        self._is_greeted = False
        self._pending: deque[_Pending] = deque(maxlen=MAX_PENDING)
        self._refusals: deque[RefusalReport] = deque(maxlen=MAX_REFUSALS)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_CEILING_SECONDS)

    def offer(self, specs: list[CommandSpec]) -> None:
        """Say on every connect that these custom commands are understood."""
        self._specs = specs

    def connected(self, session: MqttSession) -> None:
        """Speak over this session from now on, beginning with what it should know."""
        self._session, self._is_greeted = session, False
        self._backoff.reset()
        self._wake()

    def disconnected(self) -> None:
        """Be silent until the next session."""
        self._session = None
        self._pending.clear()
        self._idle.set()

    def say(self, report: StatusReport) -> None:
        """Send where a command is."""
        if self._session is not None:
            self._pending.append(_Pending(report, settles=report.progress is None))
            self._wake()

    def refuse(self, report: RefusalReport) -> None:
        """Send that something was refused, now or on the next connection."""
        self._refusals.append(report)
        self._wake()

    async def flushed(self, seconds: float) -> None:
        """Return when everything was sent, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            session = self._session
            if session is None:
                continue
            with suppress(NotConnectedError):  # the courier connects again, and `connected` begins anew
                await self._speak(session)

    def _wake(self) -> None:
        self._idle.clear()
        self._work.set()

    async def _speak(self, session: MqttSession) -> None:
        if not self._is_greeted:
            await self._greet(session)
        while self._session is session:
            if self._refusals:
                refusal = self._refusals[0]
                await self._send(session, _Pending(refusal))
                if self._refusals and self._refusals[0] is refusal:  # meanwhile it may have given way to a newer one
                    self._refusals.popleft()
            elif self._pending:
                pending = self._pending.popleft()
                await self._send(session, pending)
            else:
                self._idle.set()
                return

    async def _greet(self, session: MqttSession) -> None:
        now_ms = int(self._clock.now().timestamp() * 1000)
        await self._send(session, _Pending(CapabilityReport(commands=self._specs, at=now_ms)))
        for intent in await self._keeper.unreported():
            await self._send(session, _Pending(intent.report(), settles=True))
        self._is_greeted = True

    async def _send(self, session: MqttSession, pending: _Pending) -> None:
        """Send one report until the broker has taken it. Raises NotConnectedError."""
        payload = pending.report.model_dump_json(exclude_none=True).encode()
        while True:
            try:
                code: int | None = await session.publish(self._topic, payload, 1)
            except WriteBufferFullError:
                code = None
            except PacketTooLargeError:
                _log.error("report_too_large_for_broker", bytes=len(payload))
                return
            if code == 0:
                break
            if self._session is not session:
                raise NotConnectedError("another session has taken over")
            await self._clock.sleep(self._backoff.next_delay())
        self._backoff.reset()
        if pending.settles and isinstance(pending.report, StatusReport):
            await self._keeper.taken(str(pending.report.jti), pending.report.state)
