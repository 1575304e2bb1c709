"""One connection's life: hello, welcome, then live and buffer path side by side, until the link or the agent ends.

Guarantees: nothing is sent before the welcome that answers this connection's newest hello, and no ack counts before it
or under another epoch, so a clone's acks never delete our rows. A welcome whose head is not our own reading (rolled
back, cloned) is answered with a hello that asks for a new epoch. Never does: reconnect (see `courier.py`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

from pulse_agent.delivery.drain import NO_MATCHING_SUBSCRIBERS, NOT_AUTHORIZED, Drain, PublishNotAuthorizedError
from pulse_agent.delivery.live import LivePublisher
from pulse_agent.delivery.messages import read_downlink
from pulse_agent.delivery.wiring import Wiring
from pulse_agent.domain.connection import Cause, ConnectionReason, ConnectionState
from pulse_agent.domain.reading import StoredReading
from pulse_agent.outbox.rows import Rejection
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_chassis.backoff import Backoff
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttSession, NotConnectedError, PacketTooLargeError, WriteBufferFullError
from pulse_contracts.acks import Ack, Welcome
from pulse_contracts.presence import HEARTBEAT_SECONDS
from pulse_contracts.topics import ack as ack_topic
from pulse_contracts.topics import heartbeat as heartbeat_topic

HELLO_PATIENCE_SECONDS: Final = 5.0
"""How long a hello waits for its welcome; longer than a busy server needs, as each hello may cost an epoch."""
HELLO_RETRY_CEILING_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 2.0
MAX_NEWS: Final = 16
"""Welcomes not looked at yet; overflow policy: the oldest goes, as only the newest counts."""

_log = get_logger("conversation")


class Ending(StrEnum):
    """Why a conversation ended."""

    STOPPED = "stopped"
    LINK_LOST = "link_lost"
    NOT_AUTHORIZED = "not_authorized"
    TAKEN_OVER = "taken_over"


class Conversation:
    """Speaks over one connected session. `receive` takes what comes on it."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._ack_topic = ack_topic(wiring.speaker.client_id)
        self._session: MqttSession | None = None
        self._asked: int | None = None
        self._epoch: int | None = None
        self._live: LivePublisher | None = None
        self._draining: asyncio.Task[None] | None = None
        self._news: asyncio.Queue[Welcome | None] = asyncio.Queue(MAX_NEWS)
        self._backoff = Backoff(1.0, HELLO_RETRY_CEILING_SECONDS)
        self.was_welcomed = False

    # -- what comes -------------------------------------------------------------------------------------------------

    def receive(self, message: InboundMessage) -> None:
        """Take a message of the session: an ack or welcome here, anything else by its topic's handler.

        What is ours is acked at once: acks are idempotent and a lost one heals by itself.
        """
        session = self._session
        if session is not None and message.topic != self._ack_topic and self._wiring.downlinks.route(message, session):
            return
        if session is not None:
            session.ack(message)
        match read_downlink(message.payload):
            case Welcome() as welcome:
                self._take_welcome(welcome)
            case Ack() as ack if self._epoch is not None and ack.epoch == self._epoch:
                self._take_ack(ack)
            case Ack():
                _log.debug("ack_of_another_epoch_ignored")
            case None:
                _log.warning("downlink_not_understood", bytes=len(message.payload))

    def on_stored(self, stored: list[StoredReading]) -> None:
        """Take rows that are on the disk now."""
        if self._live is not None:
            self._live.publish(stored)

    def _tell(self, news: Welcome | None) -> None:
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait(news)

    def _take_welcome(self, welcome: Welcome) -> None:
        """Pass on the answer to the newest hello; one that numbers no answers is believed as it comes.

        Rows sent after the answer to an older hello could be stored before the newest is decided.
        """
        wiring = self._wiring
        wiring.server_time.observe(welcome.server_time)
        if welcome.id is None or welcome.id == self._asked:
            self._tell(welcome)
        elif self._asked is None or welcome.id < self._asked:
            _log.debug("welcome_of_an_older_hello_ignored", id=welcome.id, asked=self._asked)
        else:  # this instance was set back, with all its memory: a virtual machine from its snapshot
            _log.warning("hello_counted_back", heard=welcome.id, asked=self._asked)
            wiring.last_hello = welcome.id
            self._ask_again()

    def _ask_again(self) -> None:
        self._close()
        self._tell(None)

    def _take_ack(self, ack: Ack) -> None:
        wiring, now = self._wiring, self._wiring.clock.monotonic()
        wiring.server_time.observe(ack.server_time)
        if ack.unknown_epoch:
            self._ask_again()
            return
        rejections = [Rejection(number, code, detail) for number, code, detail in ack.rej if number is not None]
        covered = [(1, ack.cum), *ack.ok] if ack.cum else list(ack.ok)
        if rejections:
            # Before the deletion, in the same queue: a rejected sequence is covered as well, and must be kept.
            wiring.outbox.reject(rejections)
            wiring.counts.rejected_rows += len(rejections)
            covered += [(rejection.sequence, rejection.sequence) for rejection in rejections]
        wiring.outbox.acknowledge(covered)
        for low, high in covered:
            wiring.schedule.settled(low, high, now)
        wiring.schedule.credit(ack.credit.rows_s, ack.credit.window, now)
        wiring.counts.acks += 1
        wiring.counts.last_ack_at = wiring.clock.now().timestamp()
        wiring.work.set()

    # -- life -------------------------------------------------------------------------------------------------------

    async def hold(self, session: MqttSession, stop: asyncio.Event) -> Ending:
        """Speak until the link is lost or `stop` is set; then say goodbye. Raises MqttError when not let in."""
        self._session = session
        await session.subscribe([(self._ack_topic, 1)])
        routing = asyncio.create_task(self._wiring.downlinks.open(session), name="downlinks")
        greeting = asyncio.create_task(self._greet(session), name="greeting")
        beating = asyncio.create_task(self._beat(session), name="heartbeat")
        closing = asyncio.create_task(session.wait_closed(), name="link")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        tasks: set[asyncio.Task[Any]] = {greeting, beating, closing, stopping}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and not closing.done():
                await self._say_goodbye(session)
                return Ending.STOPPED
            if closing.done():
                reason = closing.result()
                _log.info("link_lost", reason_code=reason.reason_code, reason=reason.text)
                return _ending_of(reason.reason_code)
            for task in (greeting, beating):
                if task.done():
                    task.result()
            return Ending.LINK_LOST
        except NotConnectedError:
            return Ending.LINK_LOST
        except PublishNotAuthorizedError as error:
            _log.warning("publish_not_authorized", reason=str(error))
            return Ending.NOT_AUTHORIZED
        finally:
            self._close()
            for task in (*tasks, routing):
                task.cancel()
            await asyncio.gather(*tasks, routing, return_exceptions=True)
            self._wiring.downlinks.close()

    async def _say_goodbye(self, session: MqttSession) -> None:
        wiring = self._wiring
        farewell = wiring.speaker.goodbye(wiring.outbox.stats, wiring.clock.now())
        with suppress(NotConnectedError, WriteBufferFullError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await session.publish(heartbeat_topic(wiring.speaker.client_id), farewell, 1)
                await session.disconnect()

    async def _beat(self, session: MqttSession) -> None:
        wiring = self._wiring
        topic = heartbeat_topic(wiring.speaker.client_id)
        while True:
            with suppress(WriteBufferFullError, PacketTooLargeError):  # a full socket: the next beat will do
                session.publish_nowait(topic, wiring.speaker.heartbeat(wiring.outbox.stats, wiring.clock.now()), 0)
            await wiring.clock.sleep(HEARTBEAT_SECONDS)

    async def _greet(self, session: MqttSession) -> None:
        """Say hello until there is a welcome; look at each further welcome; raise what the drain raises."""
        epoch = self._wiring.outbox.stats.epoch
        while True:
            if self._epoch is None and not await self._say_hello(session, epoch):
                await self._wait_before_hello()
                continue
            news, was_heard = await self._hear()
            if not was_heard:
                continue
            if news is None:
                epoch = self._wiring.outbox.stats.epoch
            elif await self._accept(session, news):
                self._backoff.reset()
            else:
                self._close()
                if epoch == 0:
                    await self._wait_before_hello()
                epoch = 0

    async def _say_hello(self, session: MqttSession, epoch: int) -> bool:
        wiring = self._wiring
        while not self._news.empty():  # news of before this hello would be taken for its answer
            self._news.get_nowait()
        wiring.last_hello += 1
        self._asked = wiring.last_hello
        hello = wiring.speaker.hello(wiring.outbox.stats, epoch, self._asked)
        code = await session.publish(heartbeat_topic(wiring.speaker.client_id), hello, 1)
        if code == NOT_AUTHORIZED:
            raise PublishNotAuthorizedError("the broker refused the hello")
        return code < NO_MATCHING_SUBSCRIBERS

    async def _wait_before_hello(self) -> None:
        await self._wiring.clock.sleep(self._show_no_answer())

    def _show_no_answer(self) -> float:
        delay = self._backoff.next_delay()
        cause = Cause(ConnectionReason.NO_ANSWER, retry_seconds=delay)
        self._wiring.show(ConnectionState.OFFLINE_BUFFERING, cause)
        return delay

    async def _hear(self) -> tuple[Welcome | None, bool]:
        """Return the next news and True, or False when a hello stayed without an answer."""
        if self._epoch is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HELLO_PATIENCE_SECONDS):
                    return await self._news.get(), True
            with suppress(TimeoutError):  # late is in time until the hello is said again
                async with asyncio.timeout(self._show_no_answer()):
                    return await self._news.get(), True
            return None, False
        listening = asyncio.create_task(self._news.get())
        draining = self._draining
        watched: list[asyncio.Task[Any]] = [listening] if draining is None else [listening, draining]
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if draining is not None and draining.done() and not draining.cancelled():
                draining.result()
            return (listening.result(), True) if listening.done() else (None, True)
        finally:
            listening.cancel()

    async def _accept(self, session: MqttSession, welcome: Welcome) -> bool:
        """Open under the welcome's epoch; False when it speaks of readings that are not ours."""
        outbox, wiring = self._wiring.outbox, self._wiring
        try:
            if not await self._is_our_past(welcome):
                _log.warning("outbox_rolled_back_or_cloned", epoch=welcome.epoch, head=welcome.head)
                return False
            if welcome.epoch != outbox.stats.epoch:
                _log.info("epoch_adopted", epoch=welcome.epoch, before=outbox.stats.epoch)
                await outbox.adopt_epoch(welcome.epoch)
        except OutboxUnavailableError as error:
            _log.warning("welcome_not_kept", reason=str(error))
            return False
        received = [(1, welcome.cum), *welcome.received]
        now = wiring.clock.monotonic()
        outbox.acknowledge(received)
        wiring.schedule.welcomed((outbox.stats.oldest_unacked, outbox.stats.next_sequence - 1), received, now)
        wiring.schedule.credit(welcome.credit.rows_s, welcome.credit.window, now)
        self._open(session, welcome.epoch)
        return True

    async def _is_our_past(self, welcome: Welcome) -> bool:
        """Tell whether what the server has received can be ours; also under a new epoch, in which nothing is yet."""
        outbox = self._wiring.outbox
        highest = max(welcome.cum, *(high for _, high in welcome.received), *(welcome.head or (0,))[:1])
        if highest >= outbox.stats.next_sequence:
            return False
        if welcome.head is None:
            return True
        ours = await outbox.recorded_at(welcome.head[0])
        return ours is None or ours == welcome.head[1]

    def _open(self, session: MqttSession, epoch: int) -> None:
        self._stop_draining()
        self._epoch = epoch
        self._live = LivePublisher(self._wiring, session, epoch)
        self._draining = asyncio.create_task(Drain(self._wiring, session, epoch).run(), name="drain")
        self.was_welcomed = True
        _log.info("welcomed", epoch=epoch, backlog=self._wiring.schedule.backlog_rows)

    def _close(self) -> None:
        self._epoch = None
        self._live = None
        self._stop_draining()
        self._wiring.schedule.disconnected()

    def _stop_draining(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None


def _ending_of(reason_code: int | None) -> Ending:
    match reason_code:
        case 0x8E:
            return Ending.TAKEN_OVER
        case 0x87 | 0x86:
            return Ending.NOT_AUTHORIZED
        case _:
            return Ending.LINK_LOST
