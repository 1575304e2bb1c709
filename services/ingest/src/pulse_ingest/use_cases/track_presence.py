"""Who is there: hellos, heartbeats, last wills, and silence.

Guaranteed: OFFLINE within a tick of a last will and of the end of the allowed silence, written before it is told; a
message of a device that is not registered changes nothing. After each (re)connect to the broker the sweep waits as long
as the silence it looks for: what was said while we were away is not the client's silence.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Heartbeat, Hello, PresenceStatus
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import DeferredError, Refusal
from pulse_ingest.domain.batch import Message
from pulse_ingest.domain.clock_offset import ClockOffset
from pulse_ingest.domain.presence import Sighting, SightingBook
from pulse_ingest.domain.token_bucket import RateLimit, TokenBuckets
from pulse_ingest.use_cases.greet_client import GreetClient
from pulse_ingest.use_cases.ports import DeviceRegistry, Downlink, PresenceStore
from pulse_ingest.use_cases.report_devices import ReportDevices

TICK_SECONDS: Final = 0.5
WRITE_SECONDS: Final = 1.0
HELLO_LIMIT: Final = RateLimit(rows_s=1.0, burst=10.0)
"""Hellos a second and at once: each costs a transaction."""
AT_ONCE: Final = 4
"""Hellos of different clients that are decided side by side, so that a fleet that reconnects is served in seconds."""
LONGEST_RETRY_SECONDS: Final = 2.0
MAX_OFFSETS: Final = 100_000
MICROSECONDS: Final = 1_000_000

_log = get_logger("track_presence")
_OTHER_CLIENT: Final = Refusal(RejectionCode.WRONG_CLIENT, "the payload names another client than its sender")


@dataclass(frozen=True, slots=True)
class Silence:
    """Seconds without a word after which a client counts as offline."""

    heartbeating: float
    plain: float


@dataclass(eq=False)
class TrackPresence:
    """Takes messages of the heartbeat topics by `offer`; `run` is one worker."""

    store: PresenceStore
    registry: DeviceRegistry
    book: SightingBook
    greet: GreetClient
    devices: ReportDevices
    downlink: Downlink
    clock: Clock
    silence: Silence
    reject: Callable[[Message], None]
    read: Callable[[bytes], Hello | Heartbeat | Refusal]
    connected_since: Callable[[], float | None]
    _hellos: TokenBuckets = field(init=False, default_factory=lambda: TokenBuckets(HELLO_LIMIT))
    _offsets: OrderedDict[ClientId, ClockOffset] = field(init=False, default_factory=OrderedDict)
    _certain: deque[Message] = field(init=False, default_factory=deque)
    _beats: dict[ClientId, Message] = field(init=False, default_factory=dict)
    _arrived: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _blind_until: float = field(init=False, default=float("-inf"))

    def offer(self, message: Message, *, is_certain: bool) -> None:
        """Take a message of a heartbeat topic. Of the uncertain ones (QoS 0) only a client's newest is kept."""
        if is_certain:
            self._certain.append(message)
        else:
            self._beats[message.client_id] = message
        self._arrived.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Handle messages as they come, write sightings each second, sweep."""
        stopping = asyncio.create_task(stop.wait(), name="presence_stop")
        written_at = self.clock.monotonic()
        try:
            while not stop.is_set():
                arrived = asyncio.create_task(self._arrived.wait(), name="presence_arrived")
                await asyncio.wait({stopping, arrived}, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                await self._handle_arrived(stop)
                if self.clock.monotonic() - written_at >= WRITE_SECONDS:
                    written_at = self.clock.monotonic()
                    await self._write_and_sweep()
            await self._write()
        except DeferredError as error:
            if not stop.is_set():
                raise
            _log.warning("sightings_not_written", reason=str(error))
        finally:
            stopping.cancel()

    async def _handle_arrived(self, stop: asyncio.Event) -> None:
        self._arrived.clear()
        beats, self._beats = self._beats, {}
        pending = deque(beats.values())
        backoff = Backoff(0.1, LONGEST_RETRY_SECONDS)
        while pending or self._certain:
            queue = pending or self._certain
            group = _of_different_clients(queue)
            results = await asyncio.gather(*map(self._handle, group), return_exceptions=True)
            again = [message for message, error in zip(group, results, strict=True) if error is not None]
            for error in results:
                if isinstance(error, DeferredError):
                    self._note_outage(error)
                elif error is not None:
                    raise error
            queue.extendleft(reversed(again))
            if again:
                if stop.is_set():
                    return
                await self.clock.sleep(backoff.next_delay())

    async def _handle(self, message: Message) -> None:
        if self.registry.unknown([message.client_id]):
            await self.registry.learn([message.client_id])
        device = self.registry.find(message.client_id)
        if device is None or not device.is_active:
            self.reject(message)  # the pipeline finds the same, writes it down and acknowledges it
            return
        said = self.read(message.payload)
        if isinstance(said, Refusal) or said.client_id != message.client_id:
            message.content = said if isinstance(said, Refusal) else _OTHER_CLIENT
            self.reject(message)
            return
        if isinstance(said, Hello):
            await self._on_hello(said, message)
        elif said.status is PresenceStatus.OFFLINE:
            await self._on_goodbye(said, message)
        else:
            self._on_heartbeat(said, message)
        self.downlink.acknowledge([message])

    async def _on_hello(self, hello: Hello, message: Message) -> None:
        if not self._hellos.take(message.client_id, 1, self.clock.monotonic()):
            _log.warning("hello_ignored", client_id=message.client_id, reason="too many")
            return
        await self.greet(hello, message.received_us)

    def _on_heartbeat(self, beat: Heartbeat, message: Message) -> None:
        line = self.book.line(message.client_id, message.received_us)
        line.heartbeat_us = message.received_us
        line.instance = beat.instance or line.instance
        line.agent_version = beat.version or line.agent_version
        line.buffered = beat.buffered if beat.buffered is not None else line.buffered
        if beat.ts is not None:
            offset = self._offsets.get(message.client_id)
            if offset is None:
                if len(self._offsets) >= MAX_OFFSETS:
                    self._offsets.popitem(last=False)
                offset = self._offsets[message.client_id] = ClockOffset()
            line.clock_offset_ms = offset.observe(beat.ts, message.received_us / 1000)

    async def _on_goodbye(self, beat: Heartbeat, message: Message) -> None:
        await self._write()  # so that what was heard before the goodbye does not come after it
        reason = beat.reason or "last will"
        change = await self.store.say_offline(message.client_id, beat.instance, message.received_us, reason)
        if change is not None:
            self.devices.status_changed(change)

    async def _write_and_sweep(self) -> None:
        try:
            await self._write()
            await self._sweep()
        except DeferredError as error:
            self._note_outage(error)

    def _note_outage(self, error: DeferredError) -> None:
        """While nothing could be written down, silence means nothing: the sweep starts to listen anew."""
        now = self.clock.monotonic()
        is_new = now - self._blind_until > 2 * LONGEST_RETRY_SECONDS
        self._blind_until = now
        if is_new:
            _log.warning("presence_deferred", reason=str(error))

    async def _write(self) -> None:
        lines = self.book.take()
        try:
            changes = await self.store.write(lines)
        except BaseException:
            self.book.put_back(lines)
            raise
        for line in lines:
            if _says_something(line):
                self.devices.was_seen(line)
        for change in changes:
            self.devices.status_changed(change)

    async def _sweep(self) -> None:
        since = self.connected_since()
        if since is None or self._arrived.is_set():
            return  # what waits to be handled may be a sign of life
        listening = self.clock.monotonic() - max(since, self._blind_until)
        if listening < self.silence.heartbeating:
            return
        now_us = int(self.clock.now().timestamp() * MICROSECONDS)
        # A silence longer than we have been listening cannot be told from our own absence.
        plain = self.silence.plain if listening >= self.silence.plain else float(10**9)
        for change in await self.store.sweep(
            now_us, int(self.silence.heartbeating * MICROSECONDS), int(plain * MICROSECONDS)
        ):
            self.devices.status_changed(change)


def _of_different_clients(queue: deque[Message]) -> list[Message]:
    """Take messages from the front that may be handled side by side: a client's own are handled in their order."""
    group: dict[ClientId, Message] = {}
    while queue and len(group) < AT_ONCE and queue[0].client_id not in group:
        message = queue.popleft()
        group[message.client_id] = message
    return list(group.values())


def _says_something(line: Sighting) -> bool:
    return line.heartbeat_us is not None
