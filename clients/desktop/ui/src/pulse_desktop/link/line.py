"""One connection to the agent: greeting, requests with numbers, answers and events, checked against the contract.

Guarantees: what does not fit the contract ends the connection instead of reaching the window; every request that was
sent is answered once, with `unavailable` when the line ends before.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

from pydantic import BaseModel, ValidationError

from pulse_contracts.local_enrolment import StepEvent
from pulse_contracts.local_protocol import (
    AGENT_FRAME,
    EVENTS,
    HELLO_SECONDS,
    MAX_ANSWER_BYTES,
    METHODS,
    VERSIONS,
    ErrorBody,
    ErrorCode,
    Event,
    EventName,
    Failure,
    Hello,
    Program,
    Refused,
    Request,
    Result,
    Welcome,
)
from pulse_desktop.link.mailbox import Answer, Told
from pulse_desktop.link.state import LinkCause

_EVENT_NAMES: Final = frozenset(EventName)


class LineRefusedError(Exception):
    """An agent is there and does not want to talk to us; code and message are its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LineBrokenError(Exception):
    """The line ended, or something came that is no frame."""

    def __init__(self, cause: LinkCause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Line:
    """An open connection. `post` takes answers and events; nothing is sent before `greet`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, post: Callable[[Answer | Told], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._post = post
        self._numbers = count(1)
        self._open: dict[int, tuple[int, str]] = {}

    @property
    def open_requests(self) -> int:
        """How many requests are not answered yet."""
        return len(self._open)

    async def greet(self, version: str) -> Welcome:
        """Say hello and return the agent's welcome. Raises LineRefusedError, LineBrokenError."""
        self._send(Hello(versions=list(VERSIONS), window=Program(name="pulse-desktop", version=version)))
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                frame = await self._read()
        except TimeoutError as error:
            raise LineBrokenError(LinkCause.SILENT) from error
        match frame:
            case Welcome():
                return frame
            case Refused():
                raise LineRefusedError(frame.code, frame.message)
        raise LineBrokenError(LinkCause.GARBLED)

    def request(self, ticket: int, method: str, params: BaseModel | None) -> None:
        """Send a request whose answer is posted under `ticket`."""
        number = next(self._numbers)
        self._open[number] = (ticket, method)
        fields = {} if params is None else params.model_dump(mode="json", exclude_unset=True)
        self._send(Request(id=number, method=method, params=fields))

    async def run(self) -> None:
        """Take what comes until the line ends. Raises LineBrokenError, LineRefusedError with the reason."""
        try:
            while True:
                self._take(await self._read())
        finally:
            gone = ErrorBody(code=ErrorCode.UNAVAILABLE, message="the agent is gone")
            for ticket, _ in self._open.values():
                self._post(Answer(ticket, gone))
            self._open.clear()

    async def close(self) -> None:
        """Close our end."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _take(self, frame: object) -> None:
        match frame:
            case Result(id=number, result=fields) if number in self._open:
                ticket, method = self._open.pop(number)
                self._post(Answer(ticket, METHODS[method].result.model_validate(fields)))
            case Failure(id=number, error=error) if number in self._open:
                ticket, _ = self._open.pop(number)
                self._post(Answer(ticket, error))
            case Event(event=name, data=fields) if name in _EVENT_NAMES:
                event = EventName(name)
                data = EVENTS[event].data.model_validate(fields)
                if isinstance(data, StepEvent):
                    ticket, _ = self._open.get(data.request, (0, ""))
                    data = data.model_copy(update={"request": ticket or data.request})
                self._post(Told(event, data))
            case Refused():
                raise LineRefusedError(frame.code, frame.message)

    async def _read(self) -> object:
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, OSError) as error:
            raise LineBrokenError(LinkCause.CLOSED) from error
        except asyncio.LimitOverrunError as error:
            raise LineBrokenError(LinkCause.GARBLED) from error
        try:
            return AGENT_FRAME.validate_json(line)
        except ValidationError as error:
            if _is_unknown_type(line):
                return None
            raise LineBrokenError(LinkCause.GARBLED) from error

    def _send(self, frame: BaseModel) -> None:
        self._writer.write(frame.model_dump_json().encode() + b"\n")


def _is_unknown_type(line: bytes) -> bool:
    """Whether a line is an object of a type that a later agent may have added."""
    known = {"welcome", "refused", "result", "error", "event"}
    try:
        return json.loads(line).get("type") not in known
    except (ValueError, AttributeError):
        return False


async def open_line(address: str, post: Callable[[Answer | Told], None]) -> Line:
    """Connect to the agent's socket, or named pipe. Raises OSError."""
    if os.name != "nt":
        reader, writer = await asyncio.open_unix_connection(address, limit=MAX_ANSWER_BYTES)
        return Line(reader, writer, post)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_ANSWER_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_pipe_connection(lambda: protocol, address)  # type: ignore[attr-defined] # Windows
    return Line(reader, asyncio.StreamWriter(transport, protocol, reader, loop), post)
