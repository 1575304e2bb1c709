"""The life of the window's line: find the agent, start it, greet it, keep talking, and begin again when it is gone.

Guarantees: a request is answered once, whatever happens to the line; its waiting list is bounded (64, a further one is
answered `busy`). Never does: touch a widget.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from pulse_contracts.local_address import local_address
from pulse_contracts.local_protocol import MAX_OPEN_REQUESTS, ErrorBody, ErrorCode, Welcome
from pulse_desktop.link.keeper import AgentKeeper
from pulse_desktop.link.line import Line, LineBrokenError, LineRefusedError, open_line
from pulse_desktop.link.mailbox import Answer, Mailbox, Post
from pulse_desktop.link.state import LinkCause, LinkPhase, LinkState

MAX_WAITING_REQUESTS: Final = 64
LOOK_SECONDS: Final = 0.1
"""How often a started agent's socket is looked for, and a silent one's."""
PATIENCE_SECONDS: Final = 20.0
"""An agent that was started and has no socket after so long is shown as not coming up."""
IN_USE: Final = 4
"""The exit code of an agent whose folder another agent holds (command_line/failures.py)."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A request on its way to the agent; its answer bears the ticket."""

    ticket: int
    method: str
    params: BaseModel | None


class Link:
    """Runs on its own loop; `ask` and `stop` may be called from any thread."""

    def __init__(self, data: Path, keeper: AgentKeeper, mailbox: Mailbox, version: str) -> None:
        self._address = local_address(data)
        self._keeper = keeper
        self._mailbox = mailbox
        self._version = version
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._waiting: deque[Intent] = deque()
        self._state = LinkState(LinkPhase.STARTING, time.time())
        self.welcome: Welcome | None = None

    # -- any thread -------------------------------------------------------------------------------------------------

    def ask(self, intent: Intent) -> None:
        """Send a request as soon as the line and the agent's limit allow it."""
        loop = self._loop
        if loop is None or loop.is_closed():
            self._mailbox.put(Answer(intent.ticket, _unavailable()))
            return
        loop.call_soon_threadsafe(self._take, intent)

    def stop(self) -> None:
        """End the line; the agent goes on."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # it closed by itself meanwhile
                loop.call_soon_threadsafe(task.cancel)

    # -- the link's thread ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._mailbox.put(self._state)
        try:
            while True:
                line = await self._reach()
                await self._talk(line)
        except asyncio.CancelledError:
            if self._line is not None:
                await self._line.close()

    async def _reach(self) -> Line:
        """Return an open line, starting the agent where it is not there."""
        began = time.monotonic()
        while True:
            with suppress(OSError):
                return await open_line(self._address, self._post)
            if self._keeper.look():
                self._show_death()
                began = time.monotonic()
            try:
                is_started = self._keeper.start_if_due()
            except OSError as error:
                self._show(
                    LinkPhase.LOST, str(error), cause=LinkCause.NOT_STARTED, retry_in=self._keeper.seconds_to_start
                )
                is_started = False
            if is_started:
                began = time.monotonic()
            elif time.monotonic() - began > PATIENCE_SECONDS and self._state.phase is LinkPhase.STARTING:
                self._show(LinkPhase.LOST, cause=LinkCause.SILENT)
            await asyncio.sleep(LOOK_SECONDS)

    async def _talk(self, line: Line) -> None:
        try:
            self.welcome = await line.greet(self._version)
            self._line = line
            self._show(LinkPhase.CONNECTED)
            self._send_waiting()
            await line.run()
        except LineRefusedError as refusal:
            self._show(LinkPhase.INCOMPATIBLE, str(refusal), cause=refusal.code)
            await asyncio.sleep(2.0)
        except (LineBrokenError, ValidationError) as error:
            cause = error.cause if isinstance(error, LineBrokenError) else LinkCause.GARBLED
            self._show(LinkPhase.LOST, cause=cause)
        finally:
            self._line = None
            await line.close()

    def _take(self, intent: Intent) -> None:
        if len(self._waiting) >= MAX_WAITING_REQUESTS:
            busy = ErrorBody(code=ErrorCode.BUSY, message="too many requests wait for the agent")
            self._mailbox.put(Answer(intent.ticket, busy))
            return
        if self._line is None and self._state.phase is not LinkPhase.STARTING:
            self._mailbox.put(Answer(intent.ticket, _unavailable()))
            return
        self._waiting.append(intent)
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._line is not None and self._waiting and self._line.open_requests < MAX_OPEN_REQUESTS:
            intent = self._waiting.popleft()
            self._line.request(intent.ticket, intent.method, intent.params)

    def _post(self, post: Post) -> None:
        self._mailbox.put(post)
        if isinstance(post, Answer):
            self._send_waiting()

    def _show_death(self) -> None:
        code = self._keeper.exit_code
        cause = LinkCause.IN_USE if code == IN_USE else ""
        self._show(
            LinkPhase.LOST,
            self._keeper.last_words(),
            cause=cause,
            exit_code=code,
            retry_in=self._keeper.seconds_to_start,
        )

    def _show(
        self,
        phase: LinkPhase,
        detail: str = "",
        *,
        cause: str = "",
        exit_code: int | None = None,
        retry_in: float | None = None,
    ) -> None:
        now = time.time()
        is_same = phase is self._state.phase
        restarts = max(0, self._keeper.starts - 1)
        self._state = LinkState(
            phase=phase,
            since=self._state.since if is_same else now,
            detail=detail or (self._state.detail if is_same else ""),
            cause=cause or (self._state.cause if is_same else ""),
            exit_code=exit_code if exit_code is not None or not is_same else self._state.exit_code,
            restarts=restarts,
            retry_at=None if retry_in is None else now + retry_in,
        )
        if phase is not LinkPhase.CONNECTED:
            while self._waiting:
                self._mailbox.put(Answer(self._waiting.popleft().ticket, _unavailable()))
        self._mailbox.put(self._state)


def _unavailable() -> ErrorBody:
    return ErrorBody(code=ErrorCode.UNAVAILABLE, message="the agent is not there")
