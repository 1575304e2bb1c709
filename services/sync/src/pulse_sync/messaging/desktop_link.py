"""What desktops say comes in, is answered by a few desks at once, and pages, answers and pokes go out.

Guaranteed: a message is acknowledged when its work is done, and only on the connection it came on. What waits here is
bounded by the link. While the database is away messages wait, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from pulse_chassis.backoff import Backoff
from pulse_chassis.broker_link import BrokerLink
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttError
from pulse_chassis.run import Worker
from pulse_contracts.topics import SYNC_UP_FILTER, sender_of, shared
from pulse_sync.messaging.sealed_messages import SealedMessages
from pulse_sync.use_cases.ports import Desktop

GROUP: Final = "sync"
SUBSCRIPTIONS: Final = ((shared(GROUP, SYNC_UP_FILTER), 1),)
EXPIRY_SECONDS: Final = 60
"""An answer that waits for its desktop longer is dropped: the desktop has asked again by then."""
Answer = Callable[[str, bytes], Awaitable[tuple[Desktop, dict[str, Any]] | None]]
_log = get_logger("desktop_link")


class DesktopLink:
    """Has every message answered, and sends what others have to say. Plays the link's `Reader`."""

    def __init__(self, link: BrokerLink, sealed: SealedMessages, *, concurrency: int) -> None:
        self._link = link
        self._sealed = sealed
        self._concurrency = concurrency
        self._waiting: asyncio.Queue[InboundMessage] = asyncio.Queue()
        """Bounded by the link: in messages of QoS 1 by Receive Maximum, in bytes by the reading that stops."""
        self._is_waiting = False

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send messages at QoS 1; what cannot be sent is dropped: the next pull heals it."""
        session = self._link.down
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
                    for number in range(self._concurrency)
                ]
                await self._link.run(stop, self)
                for desk in desks:
                    desk.cancel()

        return Worker("desktop_link", run)

    def connected(self) -> None:
        """Nothing is to be done: desktops ask by themselves."""

    async def settled(self) -> None:
        """Wait until everything that was read is answered."""
        await self._waiting.join()

    def take(self, message: InboundMessage) -> None:
        """Put a message in line."""
        self._link.count(message)
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
        while device_id is not None and self._link.brought(message):
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
        self._link.acknowledge([message])

    def _note_waiting(self, reason: str | None) -> None:
        """Log that messages wait, and that they wait no more, once each."""
        if reason is not None and not self._is_waiting:
            _log.warning("messages_wait", reason=reason)
        elif reason is None and self._is_waiting:
            _log.info("messages_wait_no_more")
        self._is_waiting = reason is not None
