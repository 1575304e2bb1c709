"""One connected window: its hello, its calls, who signed in at it, and what is written to it.

Guarantees: a line that is too long, or is no frame, ends the connection with a reason; at most `MAX_OPEN_REQUESTS` calls
are open or have an answer that is not written, and until one is, no further line is read; a call that was begun is
carried out to its end, whether or not the window is still there; a window that reads nothing holds up nobody, and is
let go when a write takes a minute.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pulse_agent.local_access.session import LocalSession, LoginRefusedError
from pulse_agent.local_protocol.calls import Host, answer
from pulse_agent.local_protocol.mailbox import Line, Mailbox
from pulse_agent.local_protocol.permits import may_get
from pulse_chassis.logging import get_logger
from pulse_contracts.local_people import WhoAmI
from pulse_contracts.local_protocol import (
    HELLO_SECONDS,
    MAX_ANSWER_BYTES,
    MAX_OPEN_REQUESTS,
    VERSIONS,
    WINDOW_FRAME,
    ErrorBody,
    ErrorCode,
    Event,
    EventName,
    Failure,
    Hello,
    RefusalCode,
    Refused,
    Request,
    Result,
    Welcome,
)

STUCK_SECONDS: Final = 60.0
WRITE_HIGH_BYTES: Final = 64 * 1024


_log = get_logger("windows")


@dataclass(frozen=True, slots=True)
class WindowLinks:
    """`start` runs a call that outlives the connection; `welcome` answers a hello, by version; `entered`: it was said."""

    start: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    welcome: Callable[[int], Welcome]
    entered: Callable[[Window], None]


class _EndError(Exception):
    """The connection is to end, for this reason."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Window:
    """One connection."""

    def __init__(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, links: WindowLinks
    ) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._links = links
        self._mailbox = Mailbox()
        self._open = 0
        self._slots = asyncio.Semaphore(MAX_OPEN_REQUESTS)
        self.session: LocalSession | None = None
        self.signed_in_ms = 0
        self.follows_log_after: int | None = None
        """The number of the log record up to which this window was told; None: it does not follow the log."""
        self.is_welcome = False
        writer.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    # -- use --------------------------------------------------------------------------------------------------------

    def post(self, name: EventName, data: BaseModel | dict[str, Any]) -> None:
        """Tell the window of something, if it is for whoever is signed in at it."""
        if self.is_welcome and may_get(self.session, name):
            self._mailbox.post(name, data.model_dump(mode="json") if isinstance(data, BaseModel) else data)

    def end_session(self, reason: LoginRefusedError) -> None:
        """Whoever was signed in is not any more, and the window is told why."""
        self.session = None
        self.follows_log_after = None
        self.post(EventName.SESSION, WhoAmI(session=None, reason=reason.reason, message=str(reason)))

    @property
    def open_requests(self) -> int:
        """Calls without an answer."""
        return self._open

    def refuse(self, code: RefusalCode, message: str) -> None:
        """Say why the connection ends, as its last line."""
        self._mailbox.say(_line(Refused(code=code, message=message, versions=list(VERSIONS))))
        self._mailbox.close()

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Speak until either side ends it."""
        writing = asyncio.create_task(self._write(), name="window writes")
        reading = asyncio.create_task(self._read(), name="window reads")
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            self._mailbox.close()
            await writing
            if reading.done():
                reading.result()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self.is_welcome = False
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = await self._frame()
            if first is None:
                return
            self._greet(first)
            while (frame := await self._frame()) is not None:
                await self._slots.acquire()
                self._take(frame)
        except TimeoutError:
            self.refuse(RefusalCode.NO_HELLO, f"no hello within {HELLO_SECONDS:g} s")
        except _EndError as end:
            self.refuse(end.code, str(end))
        except OSError as error:
            _log.debug("window_lost", reason=str(error))

    async def _frame(self) -> Hello | Request | None:
        """Return the next frame; None: the window closed. Raises _EndError."""
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError as error:
            raise _EndError(RefusalCode.LINE_TOO_LONG, "a line was too long") from error
        try:
            return WINDOW_FRAME.validate_json(line)
        except ValidationError as error:
            raise _EndError(RefusalCode.BAD_FRAME, "a line was no frame of this protocol") from error

    def _greet(self, first: Hello | Request) -> None:
        if not isinstance(first, Hello):
            raise _EndError(RefusalCode.NO_HELLO, "the first line is a hello")
        shared = set(VERSIONS) & set(first.versions)
        if not shared:
            spoken = ", ".join(map(str, VERSIONS))
            raise _EndError(RefusalCode.VERSION, f"this agent speaks version {spoken}: update the older of the two")
        self._mailbox.say(_line(self._links.welcome(max(shared))))
        self.is_welcome = True
        self._links.entered(self)

    def _take(self, frame: Hello | Request) -> None:
        if not isinstance(frame, Request):
            raise _EndError(RefusalCode.BAD_FRAME, "a second hello")
        self._open += 1
        self._links.start(self._carry_out(frame), f"window call {frame.method[:64]}")

    async def _carry_out(self, request: Request) -> None:
        try:
            outcome = await answer(self._host, self, request)
        finally:
            self._open -= 1
        self._answer(request.id, outcome)

    def _answer(self, request_id: int, outcome: dict[str, Any] | ErrorBody) -> None:
        if isinstance(outcome, ErrorBody):
            self._mailbox.answer(_line(Failure(id=request_id, error=outcome)))
            return
        line = _line(Result(id=request_id, result=outcome))
        if len(line) > MAX_ANSWER_BYTES:
            large = ErrorBody(code=ErrorCode.TOO_LARGE, message="the answer is too large: ask for less at a time")
            line = _line(Failure(id=request_id, error=large))
        self._mailbox.answer(line)

    async def _write(self) -> None:
        """Write what waits until the mailbox is closed and empty. Raises OSError, TimeoutError."""
        while items := await self._mailbox.take():
            for item in items:
                self._writer.write(item.line if isinstance(item, Line) else self._event(*item))
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._writer.drain()
                if isinstance(item, Line) and item.is_answer:
                    self._slots.release()

    def _event(self, name: EventName, data: dict[str, Any]) -> bytes:
        if name is EventName.LOG:
            data = {**data, "dropped": self._mailbox.dropped(name)}
        return _line(Event(event=name, data=data))


def _line(frame: BaseModel) -> bytes:
    return json.dumps(frame.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
