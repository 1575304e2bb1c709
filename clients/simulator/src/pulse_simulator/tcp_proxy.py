"""A TCP link that can be cut on purpose, between clients and a server, in the test's or simulator's own process.

What it guarantees: while the link is whole, every byte passes unchanged, in order, in both directions, half-closes
included. While it is cut, no byte passes in that direction and nobody is told, as with an unplugged cable; when it is
restored, the bytes go on where they stopped, as TCP's retransmission would have it, and a connection that was tried
and given up meanwhile never reaches the server. A reset closes with RST. Memory is bounded: a cut direction keeps a
few chunks of 64 KiB for each connection and leaves the rest in the sender's socket. It never looks into the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Self

_CHUNK: Final = 64 * 1024
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: close() then sends RST instead of FIN."""


class Direction(StrEnum):
    """Which way bytes go: up is from the client to the server."""

    UP = "up"
    DOWN = "down"


class _Reader(asyncio.StreamReader):
    """A reader that tells at once that its peer has hung up, even while bytes are still unread."""

    has_hung_up = False

    def feed_eof(self) -> None:
        self.has_hung_up = True
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self.has_hung_up = True
        super().set_exception(exc)


def _reset(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        writer.transport.abort()


class TcpProxy:
    """A listening port whose connections lead to `upstream_host:upstream_port`.

    Use it as an async context manager, or call `start` and `close`. All methods belong to the event loop's thread.
    """

    def __init__(self, upstream_host: str, upstream_port: int, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._gates = {direction: asyncio.Event() for direction in Direction}
        self._links: set[tuple[asyncio.StreamWriter, ...]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._budget: int | None = None
        self._when_spent: Callable[[], None] = self.reset
        self.accepted = 0
        """Connections ever accepted."""
        self.bytes_passed: dict[Direction, int] = dict.fromkeys(Direction, 0)
        self.restore()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._host

    @property
    def port(self) -> int:
        """Where it listens; stays the same over `refuse` and `accept`."""
        return self._port

    @property
    def connections(self) -> int:
        """How many connections exist now."""
        return len(self._links)

    async def start(self) -> None:
        """Begin to listen; the port is known afterwards."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(limit=_CHUNK, loop=loop), self._on_client, loop=loop),
            self._host,
            self._port,
            backlog=1024,
        )
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and reset every connection."""
        await self.refuse()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self, *directions: Direction) -> None:
        """Let nothing pass in these directions (none given: in both), without telling anybody."""
        for direction in directions or tuple(Direction):
            self._gates[direction].clear()

    def restore(self) -> None:
        """Let everything pass again, and forget a `reset_after` or `cut_after`."""
        self._budget = None
        for gate in self._gates.values():
            gate.set()

    def reset(self) -> None:
        """Reset all connections with RST; new ones are welcome at once."""
        for writers in tuple(self._links):
            _reset(*writers)

    def reset_after(self, byte_count: int) -> None:
        """Reset all connections as soon as this many more bytes went up: a cut in the middle of a frame."""
        self._budget, self._when_spent = byte_count, self.reset

    def cut_after(self, byte_count: int) -> None:
        """Cut the way up as soon as this many more bytes went up: in the middle of whatever is being sent."""
        self._budget, self._when_spent = byte_count, lambda: self.cut(Direction.UP)

    async def refuse(self) -> None:
        """Reset all connections and refuse new ones, until `accept`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        await asyncio.sleep(0)  # The aborted transports tell their tasks in the next turn of the loop.

    async def accept(self) -> None:
        """Listen again on the same port after `refuse`."""
        if self._server is None:
            await self.start()

    def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        upstream = await self._reach_upstream(reader, client)
        if upstream is None:
            _reset(client)
        else:
            await self._join((reader, client), upstream)

    async def _reach_upstream(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        waiting = (client,)
        self._links.add(waiting)
        try:
            # Behind a cut cable a SYN gets no answer. Ours was answered by the kernel, so the client waits here
            # instead.
            for gate in self._gates.values():
                await gate.wait()
            if client.transport.is_closing() or (isinstance(reader, _Reader) and reader.has_hung_up):
                return None
            return await asyncio.open_connection(*self._upstream, limit=_CHUNK)
        except OSError:
            return None
        except asyncio.CancelledError:
            _reset(client)
            raise
        finally:
            self._links.discard(waiting)

    async def _join(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        writers = (client[1], server[1])
        self._links.add(writers)
        try:
            for writer in writers:
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(client[0], server[1], Direction.UP))
                group.create_task(self._pump(server[0], client[1], Direction.DOWN))
            for writer in writers:
                writer.close()
        except* OSError:
            pass  # One end is gone; the other must hear of it the same way.
        finally:
            self._links.discard(writers)
            if not all(writer.is_closing() for writer in writers):
                _reset(*writers)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        while chunk := await reader.read(_CHUNK):
            while chunk:
                await self._gates[way].wait()
                allowed = self._within_budget(chunk) if way is Direction.UP else chunk
                chunk = chunk[len(allowed) :]
                writer.write(allowed)
                await writer.drain()
                self.bytes_passed[way] += len(allowed)
                if self._budget == 0:
                    self._budget = None
                    self._when_spent()
        await self._gates[way].wait()
        if not writer.is_closing():
            writer.write_eof()

    def _within_budget(self, chunk: bytes) -> bytes:
        if self._budget is None:
            return chunk
        allowed = chunk[: self._budget]
        self._budget -= len(allowed)
        return allowed
