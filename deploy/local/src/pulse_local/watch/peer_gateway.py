"""A peer for tests of live clients: it serves `precisionpulse.v1` on a real socket, from memory, with faults on demand.

It is not our gateway and shares no code with it: it follows gateway.md on its own, for two topics (`alerts` as a log,
any other as a state of rows), so that a client is tested against the protocol and not against its twin. It checks no
token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from uuid import UUID

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from pulse_contracts import frames as f

USER: Final = f.UserInfo(id=UUID(int=1), username="admin", roles=["admin"], permissions=[])


def _is_longer(items: Sized, count: int) -> bool:
    return len(items) > count


class Tokens:
    """Gives tokens in order, and says how often a new one was wanted."""

    def __init__(self) -> None:
        self.given = 0
        self.renewed = 0
        self.failure: Exception | None = None

    async def token(self, *, renew: bool = False) -> str:
        """Return the next token, or raise `failure` if it is set."""
        if self.failure is not None:
            raise self.failure
        self.renewed += renew
        self.given += 1
        return f"token-{self.given}"


class PeerGateway:
    """A log of events and a state of rows, served by the protocol's rules, page by page, with holes on demand."""

    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.log: list[int] = []
        self.trimmed = 0
        """How many of the oldest events are gone."""
        self.state: dict[tuple[str, str], tuple[int, float]] = {}
        self.changes: list[tuple[str, str, int, float]] = []
        self.heartbeat_ms = 15_000
        self.page_rows = 2
        self.auth_error: f.ErrorFrame | None = None
        self.refuse_subscribe: list[f.ErrorFrame] = []
        self.seen: list[f.ClientFrame] = []
        self.sockets: set[ServerConnection] = set()
        self.changed = asyncio.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self.port}"

    async def add_event(self, number: int) -> None:
        """Append an event to the log `alerts`."""
        async with self.changed:
            self.log.append(number)
            self.changed.notify_all()

    async def set_value(self, device: str, metric: str, ts: int, value: float) -> None:
        """Change one row of the state."""
        async with self.changed:
            self.state[device, metric] = (ts, value)
            self.changes.append((device, metric, ts, value))
            self.changed.notify_all()

    def cut(self) -> None:
        """Break every connection without a word."""
        for socket in tuple(self.sockets):
            socket.transport.abort()

    async def close(self, code: int, reason: str = "said so", *, bye: bool = True) -> None:
        """Close every connection with this code, after a `bye` unless told otherwise."""
        for socket in tuple(self.sockets):
            if bye:
                await self._send(socket, f.ByeFrame(code=code, reason=reason))
            await socket.close(code, reason)

    async def broadcast(self, frame: f.Frame) -> None:
        """Send a frame to every connection."""
        for socket in tuple(self.sockets):
            await self._send(socket, frame)

    async def _send(self, socket: ServerConnection, *frames: f.Frame) -> None:
        texts = [frame.model_dump_json(exclude_none=True) for frame in frames]
        await socket.send(texts[0] if len(texts) == 1 else "[" + ",".join(texts) + "]")

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one connection to its end."""
        self.sockets.add(socket)
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._send(socket, f.HelloFrame(server="peer", server_time=int(time.time() * 1000), conn="c1"))
            async for raw in socket:
                frame = f.CLIENT_FRAME.validate_json(raw)
                self.seen.append(frame)
                match frame:
                    case f.AuthFrame():
                        if self.auth_error is not None:
                            await self._send(socket, self.auth_error.model_copy(update={"id": frame.id}))
                            await socket.close(4001)
                            return
                        await self._send(
                            socket,
                            f.ReadyFrame(id=frame.id, user=USER, token_expires_in=600, heartbeat_ms=self.heartbeat_ms),
                        )
                    case f.SubscribeFrame():
                        tasks.append(asyncio.create_task(self._stream(socket, frame)))
                    case f.PingFrame():
                        await self._send(socket, f.PongFrame(id=frame.id, server_time=0))
                    case _:
                        await self._send(socket, f.AckFrame(id=frame.id))
        except ConnectionClosed:
            pass
        finally:
            self.sockets.discard(socket)
            for task in tasks:
                task.cancel()

    async def _stream(self, socket: ServerConnection, request: f.SubscribeFrame) -> None:
        try:
            if self.refuse_subscribe:
                error = self.refuse_subscribe.pop(0)
                await self._send(socket, error.model_copy(update={"id": request.id, "sub": request.sub}))
            elif request.topic == f.Topic.ALERTS:
                await self._stream_log(socket, request)
            else:
                await self._stream_state(socket, request)
        except ConnectionClosed:
            pass

    def _place(self, request: f.SubscribeFrame, end: int, first: int) -> tuple[int, bool | None]:
        """Return where to begin, and whether the client's place could be resumed."""
        if request.since is None:
            return end, None
        begin = int(request.since.offset)
        is_recovered = request.since.epoch == self.epoch and begin >= first
        return (begin, True) if is_recovered else (end, False)

    def _ack(self, request: f.SubscribeFrame, offset: int, recovered: bool | None) -> f.AckFrame:
        return f.AckFrame(
            id=request.id,
            sub=request.sub,
            topic=request.topic,
            epoch=self.epoch,
            offset=str(offset),
            recovered=recovered,
        )

    async def _stream_log(self, socket: ServerConnection, request: f.SubscribeFrame) -> None:
        sent, recovered = self._place(request, len(self.log), self.trimmed)
        first: list[f.Frame] = [self._ack(request, sent, recovered)]
        if recovered is False:
            first.append(f.GapFrame(sub=request.sub, reason=f.GapReason.TRIMMED, from_ts=0, to_ts=1))
        await self._send(socket, *first)
        while True:
            async with self.changed:
                await self.changed.wait_for(partial(_is_longer, self.log, sent))
            number = self.log[sent]
            sent += 1
            item = f.EventItem(id=str(number), ts=0, kind="raised", data={"n": number})
            await self._send(socket, f.EventFrame(sub=request.sub, offset=str(sent), items=[item]))

    async def _stream_state(self, socket: ServerConnection, request: f.SubscribeFrame) -> None:
        sent, recovered = self._place(request, len(self.changes), 0)
        await self._send(socket, self._ack(request, sent, recovered))
        if not recovered:
            rows = [(d, m, ts, v, "good") for (d, m), (ts, v) in self.state.items()]
            pages = [rows[i : i + self.page_rows] for i in range(0, len(rows), self.page_rows)] or [[]]
            for number, page in enumerate(pages):
                await self._send(
                    socket,
                    f.SnapshotFrame(
                        sub=request.sub,
                        epoch=self.epoch,
                        offset=str(sent),
                        page=number,
                        last=page is pages[-1],
                        rows=page,
                    ),
                )
                await asyncio.sleep(0)
        while True:
            async with self.changed:
                await self.changed.wait_for(partial(_is_longer, self.changes, sent))
            device, metric, ts, value = self.changes[sent]
            sent += 1
            await self._send(
                socket, f.DataFrame(sub=request.sub, offset=str(sent), rows=[(device, metric, ts, value, "good")], n=1)
            )


@asynccontextmanager
async def peer_gateway() -> AsyncIterator[PeerGateway]:
    """Run a peer on a free port of the loopback interface."""
    peer = PeerGateway()
    server = await serve(
        peer.serve, "127.0.0.1", 0, subprotocols=[Subprotocol(f.SUBPROTOCOL)], ping_interval=None, compression=None
    )
    peer.port = int(next(iter(server.sockets)).getsockname()[1])
    try:
        yield peer
    finally:
        peer.cut()
        server.close()
        await server.wait_closed()
