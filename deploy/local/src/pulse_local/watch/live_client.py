"""A client of the live socket that comes back by itself: subscribe, then iterate over frames.

    async with LiveClient("http://127.0.0.1:8080", tokens) as client:
        await client.subscribe("telemetry.latest", interval_ms=250)
        async for frame in client:
            show(frame)          # asking for the next frame says that this one was applied

What it guarantees: frames of a subscription come in the server's order. A position is stored only when the frame was
applied, that is when the next one is asked for; what was received but not applied before a cut is thrown away and
comes again by resume, so that over any number of cuts each event is applied exactly once, in order (twice at most for
the one frame that was being applied for more than a second while the link came back, and applying twice is harmless).
A hole that cannot be resumed is always told by a `gap` frame. Reconnection follows the close code's range,
`token_expiring` is answered in-band. Memory is bounded: what is not consumed stays in the server, which then treats
us as slow.

It never draws, prints or reads files. Frames are the contract's models (`pulse_contracts.frames`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final, Self

from pulse_contracts.frames import (
    AckFrame,
    AuthRefreshFrame,
    ClientInfo,
    DataFrame,
    ErrorFrame,
    EventFrame,
    Filter,
    GapFrame,
    HeartbeatFrame,
    PingFrame,
    PongFrame,
    Position,
    SnapshotFrame,
    StateFrame,
    TokenExpiringFrame,
    TuneFrame,
    UnsubscribedFrame,
    UnsubscribeFrame,
)
from pulse_local.watch.connection import LiveConnection, MalformedFrameError, socket_url
from pulse_local.watch.inbox import Inbox
from pulse_local.watch.live_types import (
    AppliedFrame,
    Counters,
    LinkState,
    LinkStatus,
    LiveStoppedError,
    TokenRefusedError,
    TokenSource,
    TokenUnavailableError,
)
from pulse_local.watch.reconnection import LinkEndedError, ReconnectPolicy, Verdict
from pulse_local.watch.subscription import Subscription

_SETTLE_S: Final = 1.0
"""How long a reconnection waits for the frame in hand to be applied."""
_RETRY_S: Final = 1.0
_REFRESH_RETRY_S: Final = 5.0


class LiveClient:
    """See the module. `url` is the gateway's (`http…` or `ws…`); use as an async context manager."""

    def __init__(
        self,
        url: str,
        token_source: TokenSource,
        *,
        client: ClientInfo | None = None,
        policy: ReconnectPolicy | None = None,
    ) -> None:
        self._url = socket_url(url)
        self._tokens = token_source
        self._client = client or ClientInfo(name="pulse", version="0.1.0")
        self._policy = policy or ReconnectPolicy()
        self._subscriptions: dict[str, Subscription] = {}
        self._first_answers: dict[str, asyncio.Event] = {}
        self._requests: dict[int, str] = {}
        self._pings: dict[int, asyncio.Future[PongFrame]] = {}
        self._inbox = Inbox()
        self._connection: LiveConnection | None = None
        self._was_served = False
        self._must_renew = False
        self._task: asyncio.Task[None] | None = None
        self._stopped: LiveStoppedError | None = None
        self.status = LinkStatus(LinkState.CONNECTING, since=time.monotonic())
        self.counters = Counters()
        self.server_clock_offset_s = 0.0
        """Server time minus ours, as of the last hello or heartbeat; good to a network's delay."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="live-client")
        self._task.add_done_callback(lambda _: self._inbox.wake())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    # What the application asks for.

    async def subscribe(
        self,
        topic: str,
        *,
        name: str | None = None,
        filter: Filter | None = None,  # noqa: A002 - the protocol's word
        interval_ms: int | None = None,
        since: Position | None = None,
        snapshot: bool = True,
    ) -> str:
        """Ask for a topic, now and after every cut; return the subscription's name. The answer comes by the iterator.

        `since` begins behind a place that was applied earlier (for example the `live` of a REST reply).
        """
        name = name or topic
        if name in self._subscriptions:
            raise ValueError(f"there is a subscription {name!r} already")
        subscription = Subscription(name, topic, filter or Filter(), interval_ms, snapshot, position=since)
        self._subscriptions[name] = subscription
        self._first_answers[name] = asyncio.Event()
        if self._connection is not None:
            await self._request(self._connection, subscription)
        return name

    async def until_answered(self, name: str, timeout_s: float = 10.0) -> None:
        """Wait until the server first answered this subscription; what it said comes by the iterator."""
        async with asyncio.timeout(timeout_s):
            await self._first_answers[name].wait()

    async def unsubscribe(self, name: str) -> None:
        """End a subscription; frames that are on their way are not yielded any more."""
        self._subscriptions.pop(name)
        self._first_answers.pop(name)
        if self._connection is not None:
            await self._connection.send(UnsubscribeFrame(type="unsubscribe", id=self._connection.next_id(), sub=name))

    async def tune(self, name: str, *, interval_ms: int | None = None, paused: bool | None = None) -> None:
        """Change the rate of a subscription or pause it; holds over reconnections."""
        subscription = self._subscriptions[name]
        if interval_ms is not None:
            subscription.interval_ms = interval_ms
        if paused is not None:
            subscription.is_paused = paused
        if self._connection is not None:
            await self._tune(self._connection, name, interval_ms, paused)

    async def ping(self, timeout_s: float = 5.0) -> float:
        """Return the round trip to the gateway in seconds; raise TimeoutError or ConnectionError without a link."""
        connection = self._connection
        if connection is None:
            raise ConnectionError("there is no link")
        request_id = connection.next_id()
        answer: asyncio.Future[PongFrame] = asyncio.get_running_loop().create_future()
        self._pings[request_id] = answer
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await connection.send(PingFrame(type="ping", id=request_id))
                await answer
        finally:
            self._pings.pop(request_id, None)
        return time.monotonic() - started

    def position(self, name: str) -> Position | None:
        """Return the place up to which a subscription was applied: what to store for `since`."""
        return self._subscriptions[name].position

    # Frames, applied one by one.

    def __aiter__(self) -> AsyncIterator[AppliedFrame]:
        return self

    async def __anext__(self) -> AppliedFrame:
        self._settle()
        while True:
            if self._task is not None and self._task.done() and self._inbox.is_empty:
                self._task.result()  # Raises what killed it: a bug must not look like a quiet link.
                raise self._stopped or LiveStoppedError("the client was closed")
            frame = await self._inbox.take()
            if frame is None:
                continue
            if isinstance(frame, HeartbeatFrame) or not self._concerns_us(frame):
                self._settle()
                continue
            self.counters.count(frame)
            return frame

    def _concerns_us(self, frame: AppliedFrame) -> bool:
        return frame.sub is None or frame.sub in self._subscriptions

    def _settle(self) -> None:
        """The frame in hand was applied: from now on a resume begins behind it."""
        match self._inbox.settle():
            case HeartbeatFrame(pos=positions):
                for name, offset in positions.items():
                    if name in self._subscriptions:
                        self._subscriptions[name].quiet_until(offset)
            case AckFrame(sub=str(name)) as ack if name in self._subscriptions:
                self._subscriptions[name].acknowledged(ack)
            case SnapshotFrame() | DataFrame() | StateFrame() | EventFrame() as frame:
                if frame.sub in self._subscriptions:
                    self._subscriptions[frame.sub].applied(frame)
            case ErrorFrame(sub=str(name), retryable=False) | UnsubscribedFrame(sub=name, retryable=False):
                self._subscriptions.pop(name, None)
            case _:
                pass

    # The link, in a task of its own.

    async def _run(self) -> None:
        while True:
            try:
                end = await self._one_link()
            finally:
                self._forget_requests()
            if end.verdict is Verdict.STOP:
                # Nothing will come again, so what came is still handed out before the iterator says that it is over.
                self._stopped = LiveStoppedError(end.reason, end.code)
                self._set_status(LinkState.STOPPED, end.reason)
                return
            self.counters.discarded += self._inbox.end_link()
            self._must_renew = self._must_renew or end.verdict is Verdict.MEND
            if self._was_served and not isinstance(end, MalformedFrameError):
                self._policy.succeeded()
            delay = self._policy.delay(end)
            self._set_status(LinkState.WAITING, end.reason, retry_in=delay)
            await asyncio.sleep(delay)
            await self._inbox.until_settled(_SETTLE_S)

    async def _one_link(self) -> LinkEndedError:
        """Connect and read until the end, and return it."""
        self._set_status(LinkState.CONNECTING)
        self._was_served = False
        try:
            token = await self._tokens.token(renew=self._must_renew)
            connection = await LiveConnection.open(self._url, token, self._client)
        except TokenRefusedError as refused:
            return LinkEndedError(str(refused), verdict=Verdict.STOP)
        except TokenUnavailableError as missing:
            return LinkEndedError(str(missing), verdict=Verdict.RESUME)
        except LinkEndedError as end:
            return end
        self._must_renew = False
        self.counters.connections += 1
        outcome = LinkEndedError("the link was closed")
        if connection.hello is not None:
            self._learn_clock(connection.hello.server_time)
        try:
            async with asyncio.TaskGroup() as group:
                await self._serve(connection, group)
        except* LinkEndedError as ends:
            outcome = _first(ends)
        finally:
            self.counters.bytes_received += connection.bytes_received
            self.counters.unknown_frames += connection.unknown_frames
            await connection.close()
        return outcome

    async def _serve(self, connection: LiveConnection, group: asyncio.TaskGroup) -> None:
        self._connection = connection
        self._set_status(LinkState.LIVE)
        for subscription in tuple(self._subscriptions.values()):
            await self._request(connection, subscription)
        async for frame in connection.frames(self._policy.dead_after_heartbeats):
            match frame:
                case PongFrame():
                    if (waiting := self._pings.pop(frame.id, None)) and not waiting.done():
                        waiting.set_result(frame)
                case TokenExpiringFrame():
                    group.create_task(self._refresh_token(connection, frame.expires_in))
                case AckFrame() | ErrorFrame():
                    await self._on_answer(connection, group, frame)
                case HeartbeatFrame():
                    self._learn_clock(frame.server_time)
                    await self._inbox.put(frame)
                case SnapshotFrame() | DataFrame() | StateFrame() | EventFrame() | GapFrame():
                    await self._inbox.put(frame)
                case UnsubscribedFrame():
                    if frame.retryable:
                        self._retry(connection, group, frame.sub, _RETRY_S)
                    await self._inbox.put(frame)
                case _:
                    pass  # hello and ready came before; bye is the connection's.

    async def _on_answer(
        self, connection: LiveConnection, group: asyncio.TaskGroup, answer: AckFrame | ErrorFrame
    ) -> None:
        name = self._requests.pop(answer.id or 0, None)
        if name is None:
            return  # The answer to a tune, an unsubscribe or a token: nothing depends on it.
        self._was_served = True
        if name not in self._subscriptions:
            return
        self._first_answers[name].set()
        if isinstance(answer, ErrorFrame) and answer.retryable:
            self._retry(connection, group, name, max(_RETRY_S, (answer.retry_after_ms or 0) / 1000))
        elif isinstance(answer, AckFrame) and self._subscriptions[name].is_paused:
            await self._tune(connection, name, None, paused=True)
        await self._inbox.put(answer.model_copy(update={"sub": name}))

    def _retry(self, connection: LiveConnection, group: asyncio.TaskGroup, name: str, delay_s: float) -> None:
        async def ask_again() -> None:
            await asyncio.sleep(delay_s)
            if name in self._subscriptions:
                await self._request(connection, self._subscriptions[name])

        group.create_task(ask_again())

    async def _request(self, connection: LiveConnection, subscription: Subscription) -> None:
        request_id = connection.next_id()
        self._requests[request_id] = subscription.name
        await connection.send(subscription.request(request_id))

    async def _tune(self, connection: LiveConnection, name: str, interval_ms: int | None, paused: bool | None) -> None:
        await connection.send(
            TuneFrame(type="tune", id=connection.next_id(), sub=name, interval_ms=interval_ms, paused=paused)
        )

    async def _refresh_token(self, connection: LiveConnection, expires_in_s: float) -> None:
        deadline = time.monotonic() + expires_in_s
        while time.monotonic() < deadline:
            try:
                token = await self._tokens.token(renew=True)
            except TokenUnavailableError:
                await asyncio.sleep(_REFRESH_RETRY_S)
                continue
            except TokenRefusedError as refused:
                raise LinkEndedError(str(refused), verdict=Verdict.STOP) from None
            await connection.send(AuthRefreshFrame(type="auth_refresh", id=connection.next_id(), token=token))
            self.counters.token_refreshes += 1
            return

    def _forget_requests(self) -> None:
        """Forget what was asked on a link that is gone: its answers will not come."""
        self._connection = None
        self._requests.clear()
        for waiting in self._pings.values():
            waiting.cancel()
        self._pings.clear()

    def _learn_clock(self, server_time_ms: int) -> None:
        self.server_clock_offset_s = server_time_ms / 1000 - time.time()

    def _set_status(self, state: LinkState, detail: str = "", retry_in: float | None = None) -> None:
        now = time.monotonic()
        self.status = LinkStatus(state, detail, now, None if retry_in is None else now + retry_in)


def _first(ends: ExceptionGroup[LinkEndedError]) -> LinkEndedError:
    error: BaseException = ends
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LinkEndedError)  # noqa: S101 - `except*` selected nothing else
    return error
