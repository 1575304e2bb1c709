"""A window as the agent sees it: speaks the local protocol over the real socket, checks every line against the contract."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pulse_contracts.local_address import local_address
from pulse_contracts.local_protocol import (
    AGENT_FRAME,
    EVENTS,
    MAX_ANSWER_BYTES,
    METHODS,
    ErrorBody,
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

PATIENCE_SECONDS = 60.0


class CallFailedError(Exception):
    """The agent answered with an error."""

    def __init__(self, error: ErrorBody) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class WindowPeer:
    """`events` are all that came, as (name, data). Use as an async context manager; leaving closes the socket."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self.events: list[tuple[str, Any]] = []
        self.welcome: Welcome | None = None
        self.refused: Refused | None = None
        self.is_closed = False

    async def __aenter__(self) -> Self:
        await self.connect()
        self.send(Hello(versions=[1], window=Program(name="test", version="1")).model_dump())
        self.read()
        await self.until(lambda: self.welcome or self.is_closed, "a welcome")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                opened = await asyncio.open_unix_connection(local_address(self._data), limit=MAX_ANSWER_BYTES)
                self.reader, self.writer = opened
                return
            except OSError:
                assert asyncio.get_running_loop().time() < deadline, "no socket"
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        self.writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def send(self, frame: dict[str, Any] | bytes) -> None:
        self.writer.write(frame if isinstance(frame, bytes) else json.dumps(frame).encode() + b"\n")

    def read(self) -> None:
        """Begin to take what the agent says."""
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **params: Any) -> Any:
        """Return the result as its model; raises CallFailedError."""
        number = self.begin(method, **params)
        async with asyncio.timeout(PATIENCE_SECONDS):
            result = await self._answers[number]
        return METHODS[method].result.model_validate(result)

    def begin(self, method: str, **params: Any) -> int:
        """Send a request and do not wait."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self.send(Request(id=number, method=method, params=params).model_dump())
        return number

    async def error(self, method: str, **params: Any) -> ErrorBody:
        """Return the error that a call must end with."""
        try:
            result = await self.call(method, **params)
        except CallFailedError as failed:
            return failed.error
        raise AssertionError(f"{method} was carried out: {result}")

    def told(self, name: EventName) -> list[Any]:
        return [data for told, data in self.events if told == name]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"not in time: {what}; told: {self.events[-5:]}"
            self._news.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _read(self) -> None:
        try:
            while line := await self.reader.readline():
                self._take(AGENT_FRAME.validate_json(line))
                self._news.set()
        except ConnectionError:
            pass
        self.is_closed = True
        self._news.set()

    def _take(self, frame: Welcome | Refused | Result | Failure | Event) -> None:
        match frame:
            case Welcome():
                self.welcome = frame
            case Refused():
                self.refused = frame
            case Result():
                self._answers[frame.id].set_result(frame.result)
            case Failure():
                self._answers[frame.id].set_exception(CallFailedError(frame.error))
                self._answers[frame.id].exception()
            case Event():
                self.events.append((frame.event, EVENTS[EventName(frame.event)].data.model_validate(frame.data)))
