"""One socket of `precisionpulse.v1`: opened, signed in, then frames in their order until it ends.

It speaks the handshake, decodes and checks every frame against the contracts, ignores types it does not know, notices
a silent link by the time of the last frame, and stays below the server's message rate. It never reconnects, keeps no
queue and knows no subscriptions; whatever way it ends, `frames` raises LinkEndedError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import from_json
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from pulse_contracts.frames import (
    AUTH_TIMEOUT_MS,
    SUBPROTOCOL,
    AckFrame,
    AuthFrame,
    ByeFrame,
    ClientInfo,
    DataFrame,
    ErrorFrame,
    EventFrame,
    Frame,
    GapFrame,
    HeartbeatFrame,
    HelloFrame,
    PongFrame,
    ReadyFrame,
    ServerFrame,
    SnapshotFrame,
    StateFrame,
    TokenExpiringFrame,
    UnsubscribedFrame,
)
from pulse_local.watch.reconnection import LinkEndedError, Verdict, verdict_for_http
from pulse_simulator.gateway_session import is_loopback

LIVE_PATH: Final = "/ws/live"
OPEN_TIMEOUT_S: Final = 10.0
_MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Far above what a server may send in one message (64 KiB a frame, some frames in a batch), and a bound all the
same."""
_BURST: Final = 25
_PACE_S: Final = 0.11
"""The server allows 10 messages a second and a burst of 30; asking for 32 subscriptions at once must not hit that."""

_FRAMES: Final[Mapping[str, type[Frame]]] = {
    str(model.model_fields["type"].default): model
    for model in (
        HelloFrame,
        ReadyFrame,
        AckFrame,
        ErrorFrame,
        SnapshotFrame,
        DataFrame,
        StateFrame,
        EventFrame,
        GapFrame,
        HeartbeatFrame,
        TokenExpiringFrame,
        UnsubscribedFrame,
        PongFrame,
        ByeFrame,
    )
}


class MalformedFrameError(LinkEndedError):
    """The server sent something that the contract does not allow; going on would mean losing what it said."""


def decode(raw: str | bytes) -> tuple[list[ServerFrame], int]:
    """Return the frames of one message in order, and how many of unknown type were left out."""
    try:
        parsed = from_json(raw)
        items = parsed if isinstance(parsed, list) else [parsed]
        frames: list[ServerFrame] = []
        unknown = 0
        for item in items:
            model = _FRAMES.get(item["type"])
            if model is None:
                unknown += 1
            else:
                frames.append(model.model_validate(item))  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError) as error:
        # A ValidationError quotes its input, which may be long; the first line says which field of what.
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise MalformedFrameError(f"the server sent a frame that cannot be read: {detail}") from error
    return frames, unknown


def socket_url(gateway_url: str) -> str:
    """Return the live socket's URL for a gateway's (`http…` becomes `ws…`; a URL of a socket stays as it is)."""
    parts = urlsplit(gateway_url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path if parts.path.endswith(LIVE_PATH) else parts.path.rstrip("/") + LIVE_PATH
    return f"{scheme}://{parts.netloc}{path}"


class LiveConnection:
    """One signed-in socket. Make it with `open`; read `frames` in one task, `send` from any."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last_id = 0
        self._bye: ByeFrame | None = None
        self._tokens = float(_BURST)
        self._paced_at = asyncio.get_running_loop().time()
        self._sending = asyncio.Lock()
        self._early: list[ServerFrame] = []
        self.ready: ReadyFrame
        self.hello: HelloFrame | None = None
        self.unknown_frames = 0
        self.bytes_received = 0

    @classmethod
    async def open(cls, url: str, token: str, client: ClientInfo) -> Self:
        """Connect to the socket at `url` (`ws…`), sign in with `token`, and return when the server is ready."""
        connection = cls(await _dial(url))
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_MS / 1000):
                await connection._sign_in(token, client)
        except TimeoutError:
            await connection.close()
            raise LinkEndedError("the server did not answer the sign-in in time") from None
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _sign_in(self, token: str, client: ClientInfo) -> None:
        auth_id = self.next_id()
        await self.send(AuthFrame(type="auth", id=auth_id, token=token, client=client, features=["batch"]))
        while True:
            frames = await self._receive()
            for position, frame in enumerate(frames):
                match frame:
                    case HelloFrame():
                        self.hello = frame
                    case ReadyFrame():
                        self.ready = frame
                        self._early = frames[position + 1 :]
                        return
                    case ErrorFrame(id=request_id) if request_id == auth_id:
                        # The close that follows says more by its code; without one, the error decides.
                        await self._await_close(frame)
                    case _:
                        self._note(frame)

    async def _await_close(self, refusal: ErrorFrame) -> None:
        verdict = Verdict.RESUME if refusal.retryable else Verdict.STOP
        try:
            async with asyncio.timeout(2.0):
                while True:
                    for frame in await self._receive():
                        self._note(frame)
        except TimeoutError:
            raise LinkEndedError(
                refusal.message, verdict=verdict, retry_after_s=(refusal.retry_after_ms or 0) / 1000
            ) from None

    def next_id(self) -> int:
        """Return a request id that this connection did not use yet."""
        self._last_id += 1
        return self._last_id

    async def send(self, frame: Frame) -> None:
        """Send one frame, after a short wait if there were many; a dead link shows in `frames`, not here."""
        async with self._sending:
            loop = asyncio.get_running_loop()
            self._tokens = min(float(_BURST), self._tokens + (loop.time() - self._paced_at) / _PACE_S)
            self._paced_at = loop.time()
            if self._tokens < 1:
                await asyncio.sleep((1 - self._tokens) * _PACE_S)
            self._tokens -= 1
            try:
                await self._socket.send(frame.model_dump_json(exclude_none=True))
            except ConnectionClosed:
                return

    async def frames(self, dead_after_heartbeats: float) -> AsyncIterator[ServerFrame]:
        """Yield every frame after `ready`; raise LinkEndedError when the link ends, or is silent for too long."""
        for frame in self._early:
            self._note(frame)
            yield frame
        silence_s = dead_after_heartbeats * self.ready.heartbeat_ms / 1000
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    received = await self._receive()
            except TimeoutError:
                raise LinkEndedError(f"nothing heard for {silence_s:g} s") from None
            for frame in received:
                self._note(frame)
                yield frame

    def _note(self, frame: ServerFrame) -> None:
        if isinstance(frame, ByeFrame):
            self._bye = frame

    async def _receive(self) -> list[ServerFrame]:
        try:
            raw = await self._socket.recv()
        except ConnectionClosed as closed:
            raise self._ended(closed) from None
        self.bytes_received += len(raw)
        frames, unknown = decode(raw)
        self.unknown_frames += unknown
        return frames

    def _ended(self, closed: ConnectionClosed) -> LinkEndedError:
        code = closed.rcvd.code if closed.rcvd else None
        bye = self._bye
        if bye is None:
            reason = (closed.rcvd.reason if closed.rcvd else "") or "the link broke"
            return LinkEndedError(reason, code=code)
        # The close frame can be lost with the link; `bye` said the same before.
        return LinkEndedError(bye.reason, code=code or bye.code, retry_after_s=(bye.retry_after_ms or 0) / 1000)

    async def close(self) -> None:
        """Close politely within a second, then let go."""
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close()
        except TimeoutError:
            self._socket.transport.abort()


async def _dial(url: str) -> ClientConnection:
    try:
        return await connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=None,  # The protocol has heartbeats of its own, and its own rule for silence.
            max_size=_MAX_FRAME_BYTES,
            proxy=None if is_loopback(url) else True,
        )
    except InvalidStatus as refused:
        status = refused.response.status_code
        raise LinkEndedError(
            f"the gateway answered HTTP {status} instead of opening the socket", verdict=verdict_for_http(status)
        ) from None
    except InvalidURI as wrong:
        raise LinkEndedError(str(wrong), verdict=Verdict.STOP) from None
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise LinkEndedError(f"the gateway cannot be reached: {str(error) or type(error).__name__}") from None
