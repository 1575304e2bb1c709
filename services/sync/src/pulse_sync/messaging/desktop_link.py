"""The two connections to the broker: what desktops say comes in on one, pages, answers and pokes go out on the other.

Two, because Mosquitto 2.0 loses count of Receive Maximum on a connection that also publishes at QoS 1 (as ingest found).

Guaranteed: MQTT 5 with a Receive Maximum, the shared subscription is made on every connect, a message is acknowledged
when its work is done, and only on the connection it came on. What waits here is bounded in messages by Receive Maximum
and in bytes by `WAITING_BYTES`; beyond that the broker keeps it. While the database is away messages wait, in order.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttConnectionError, MqttEndpoint, MqttError, MqttSession
from pulse_chassis.run import Worker
from pulse_contracts.topics import SYNC_UP_FILTER, sender_of, shared
from pulse_sync.messaging.sealed_messages import SealedMessages
from pulse_sync.use_cases.ports import Desktop

GROUP: Final = "sync"
WAITING_BYTES: Final = 32 * 1024 * 1024
EXPIRY_SECONDS: Final = 60
"""An answer that waits for its desktop longer is dropped: the desktop has asked again by then."""
Answer = Callable[[str, bytes], Awaitable[tuple[Desktop, dict[str, Any]] | None]]
_log = get_logger("desktop_link")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How to connect: `worker_id` is unique among the workers of one broker."""

    endpoint: MqttEndpoint
    worker_id: str
    receive_maximum: int
    concurrency: int


class DesktopLink:
    """Keeps the link up, has every message answered, and sends what others have to say."""

    def __init__(self, options: LinkOptions, sealed: SealedMessages) -> None:
        self._options = options
        self._sealed = sealed
        self._client_id = f"sync-{options.worker_id}-{secrets.token_hex(4)}"
        self._up: MqttSession | None = None
        self._down: MqttSession | None = None
        self._waiting: asyncio.Queue[InboundMessage] = asyncio.Queue()
        """Holds no more than Receive Maximum: the broker sends no message beyond it."""
        self._bytes = 0
        self._is_full = False
        self._is_away = False
        self._is_waiting = False

    @property
    def is_open(self) -> bool:
        """Whether both connections are up and the subscription is made."""
        return bool(self._up and self._up.is_open and self._down and self._down.is_open)

    async def check(self) -> None:
        """Raise unless the broker is there: for /readyz."""
        if not self.is_open:
            raise MqttConnectionError(None, "not connected to the broker")

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages at QoS 1; what cannot be sent is dropped: the next pull heals it."""
        session = self._down
        if session is None:
            return
        try:
            await session.publish_many(messages, 1, expiry_seconds=EXPIRY_SECONDS)
        except MqttError as error:
            _log.warning("messages_not_sent", count=len(messages), reason=str(error))

    async def send(self, desktop: Desktop, body: dict[str, Any]) -> None:
        """Send one signed and sealed message to a desktop. Raises SealError when its key is none."""
        await self.publish([self._sealed.seal(desktop.device_id, desktop.seal_key, body)])

    def worker(self, answer: Answer) -> Worker:
        """Return the worker; asked to stop, it answers what it has read."""

        async def run(stop: asyncio.Event) -> None:
            async with asyncio.TaskGroup() as group:
                desks = [
                    group.create_task(self._work(answer, stop), name=f"desk_{number}")
                    for number in range(self._options.concurrency)
                ]
                await self._stay_connected(stop)
                for desk in desks:
                    desk.cancel()

        return Worker("desktop_link", run)

    # -- the connections ---------------------------------------------------------------------------------------------

    async def _stay_connected(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait(), name="link_stop")
        backoff = Backoff(0.2, 5.0)
        try:
            while not stop.is_set():
                try:
                    await self._connect()
                except MqttError as error:
                    await self._disconnect()
                    if not self._is_away:
                        _log.warning("broker_away", reason=str(error))
                    self._is_away = True
                    await asyncio.wait({stopping}, timeout=backoff.next_delay())
                    continue
                self._is_away = False
                backoff.reset()
                await self._serve(stopping)
        finally:
            stopping.cancel()
            await self._disconnect()

    async def _connect(self) -> None:
        options = self._options
        down = await MqttSession.connect(
            options.endpoint, client_id=f"{self._client_id}-down", on_message=lambda _message: None
        )
        self._down = down
        up = await MqttSession.connect(
            options.endpoint,
            client_id=self._client_id,
            receive_maximum=options.receive_maximum,
            on_message=self._on_message,
        )
        self._up, self._bytes, self._is_full = up, 0, False
        await up.subscribe([(shared(GROUP, SYNC_UP_FILTER), 1)])
        _log.info("broker_connected", client_id=self._client_id)

    async def _serve(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for the end of either connection, or for the stop; then settle what was read and end both."""
        sessions = [session for session in (self._up, self._down) if session is not None]
        closing = {asyncio.create_task(session.wait_closed()) for session in sessions}
        try:
            await asyncio.wait({*closing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and self._up is not None:
                self._up.pause_reading()
                settled = asyncio.create_task(self._waiting.join(), name="link_drain")
                await asyncio.wait({*closing, settled}, return_when=asyncio.FIRST_COMPLETED)
                settled.cancel()
        finally:
            await self._disconnect()
            reasons = await asyncio.gather(*closing)
        if not stopping.done():
            _log.warning("broker_lost", reason=reasons[0].text)

    async def _disconnect(self) -> None:
        up, down = self._up, self._down
        self._up = self._down = None
        for session in (up, down):
            if session is not None:
                await session.disconnect()

    # -- messages ----------------------------------------------------------------------------------------------------

    def _on_message(self, message: InboundMessage) -> None:
        self._bytes += len(message.payload)
        if self._bytes > WAITING_BYTES and not self._is_full and self._up is not None:
            self._is_full = True
            self._up.pause_reading()
        self._waiting.put_nowait(message)

    async def _work(self, answer: Answer, stop: asyncio.Event) -> None:
        while True:
            message = await self._waiting.get()
            try:
                await self._settle(message, answer, stop)
            finally:
                self._waiting.task_done()

    async def _settle(self, message: InboundMessage, answer: Answer, stop: asyncio.Event) -> None:
        device_id = sender_of(message.topic, SYNC_UP_FILTER)
        backoff = Backoff(0.2, 5.0)
        while device_id is not None and self._is_ours(message):
            try:
                said = await answer(device_id, message.payload)
                if said is not None:
                    await self.send(*said)
                self._note_waiting(None)
                break
            except UnavailableError as error:
                self._note_waiting(error.message)
                try:
                    async with asyncio.timeout(backoff.next_delay()):
                        await stop.wait()
                except TimeoutError:
                    continue
                return  # Not acknowledged: the broker gives it to somebody else.
            except Exception as error:  # noqa: BLE001 -- a message boundary: one bad message must not stop the others
                _log.error("message_failed", desktop=device_id, exc_info=error)
                break
        self._acknowledge(message)

    def _note_waiting(self, reason: str | None) -> None:
        """Log that messages wait, and that they wait no more, once each."""
        if reason is not None and not self._is_waiting:
            _log.warning("messages_wait", reason=reason)
        elif reason is None and self._is_waiting:
            _log.info("messages_wait_no_more")
        self._is_waiting = reason is not None

    def _is_ours(self, message: InboundMessage) -> bool:
        """Whether the connection it came on is still there; else the broker has given it to somebody already."""
        return self._up is not None and message.session == self._up.session

    def _acknowledge(self, message: InboundMessage) -> None:
        session = self._up
        if session is None or message.session != session.session:
            return
        session.ack(message)
        self._bytes -= len(message.payload)
        if self._is_full and self._bytes <= WAITING_BYTES // 2:
            self._is_full = False
            session.resume_reading()
