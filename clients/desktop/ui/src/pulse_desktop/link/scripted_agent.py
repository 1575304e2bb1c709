"""An agent that says what it is told to: the fake beside the line, for tests of windows and for pictures of them.

Speaks the contract over a real socket, from a thread of its own, and checks each request against it. `answers` has, by
method, a model or what makes one of the parameters; a method without an answer is refused as unknown.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pulse_contracts.local_address import local_address
from pulse_contracts.local_protocol import (
    METHODS,
    WINDOW_FRAME,
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
from pulse_contracts.local_status import Status

Reply = BaseModel | ErrorBody
Answers = dict[str, Reply | Callable[[Any], Reply]]


class ScriptedAgent:
    """Use as a context manager. `asked` holds what came, oldest first; `refusal` turns every window away."""

    def __init__(self, data: Path, status: Status, answers: Answers) -> None:
        self.status = status
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []
        self.refusal: Refused | None = None
        self._data = data
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted agent", daemon=True)

    def __enter__(self) -> ScriptedAgent:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def tell(self, name: EventName, data: BaseModel) -> None:
        """Say something to every window."""
        event = Event(event=name.value, data=data.model_dump(mode="json"))
        self._do(self._broadcast(event))

    def show(self, status: Status) -> None:
        """Tell a new state, also to windows that come later."""
        self.status = status
        self.tell(EventName.STATE, status)

    def hang_up(self) -> None:
        """Close every connection; the socket stays."""
        self._do(self._close_lines())

    # -- the agent's thread -----------------------------------------------------------------------------------------

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        address = local_address(self._data)
        Path(address).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = await asyncio.start_unix_server(self._accept, address)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._close_lines()
        with suppress(FileNotFoundError):
            os.unlink(local_address(self._data))  # noqa: PTH108 # an address, not a path, on every system

    async def _close_lines(self) -> None:
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _broadcast(self, frame: BaseModel) -> None:
        for writer in self._writers:
            writer.write(frame.model_dump_json().encode() + b"\n")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, ValidationError):
            return  # a window that is gone, or speaks nonsense, is not served any more
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = WINDOW_FRAME.validate_json(await reader.readline())
        if not isinstance(hello, Hello) or self.refusal is not None:
            if self.refusal is not None:
                writer.write(self.refusal.model_dump_json().encode() + b"\n")
                await writer.drain()
            return
        status = self.status
        welcome = Welcome(
            version=1,
            agent=Program(name="pulse-agent", version=status.versions.agent),
            mode=status.mode,
            pid=status.pid,
            started_ms=status.started_ms,
            methods=sorted(self.answers),
        )
        state = Event(event=EventName.STATE.value, data=status.model_dump(mode="json"))
        for frame in (welcome, state):
            writer.write(frame.model_dump_json().encode() + b"\n")
        self._writers.add(writer)
        while line := await reader.readline():
            request = WINDOW_FRAME.validate_json(line)
            if isinstance(request, Request):
                writer.write(self._reply(request).model_dump_json().encode() + b"\n")

    def _reply(self, request: Request) -> BaseModel:
        answer = self.answers.get(request.method)
        spec = METHODS.get(request.method)
        if answer is None or spec is None:
            unknown = ErrorBody(code=ErrorCode.UNKNOWN_METHOD, message=f"there is no method {request.method}")
            return Failure(id=request.id, error=unknown)
        params = spec.params.model_validate(request.params)
        self.asked.append((request.method, params))
        found = answer(params) if callable(answer) else answer
        if isinstance(found, ErrorBody):
            return Failure(id=request.id, error=found)
        return Result(id=request.id, result=found.model_dump(mode="json"))
