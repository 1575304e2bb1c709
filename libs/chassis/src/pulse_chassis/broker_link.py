"""A service's two connections to the broker: what clients say comes in on one, what the service says goes out on the other.

Two, because Mosquitto 2.0 loses count of Receive Maximum on a connection that also publishes at QoS 1: measured here,
18,000 messages in flight where 500 were agreed, and with them the bound of our memory.

Guaranteed: MQTT 5 with a Receive Maximum; the subscriptions are made on every connect; a message is acknowledged by hand,
and only on the connection it came on; the link is made again with a growing pause for as long as the process lives. On
`stop` nothing more is read, what was read is settled, then the broker is told goodbye.

What was read and is not settled is bounded twice: in messages by Receive Maximum, and in bytes here, because 2,000 messages
of the largest size would be half a gigabyte. Above the bound reading stops until half of it is settled; meanwhile the
broker keeps the rest.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttConnectionError, MqttEndpoint, MqttError, MqttSession

SESSION_SECONDS: Final = 7 * 86_400
"""How long the broker keeps a durable session's messages while no worker of that name is there."""
WAITING_BYTES: Final = 32 * 1024 * 1024
TAKEN_OVER: Final = 0x8E
STEADY_SECONDS: Final = 10.0
"""A link that ended sooner is made again after a pause that grows: two workers that fight for one name, which Mosquitto 2.0
does not tell apart from any other end, would otherwise throw each other out a hundred times a second."""

BrokerSession = Literal["durable", "ephemeral"]

_log = get_logger("broker_link")


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How to connect: `service` and `worker_id` make the client id, so the latter is unique among workers of one broker.

    `subscriptions` are filters with the QoS that is asked for. A durable session outlives its connections for
    `SESSION_SECONDS`; an ephemeral one has a client id of its own each time the process starts.
    """

    endpoint: MqttEndpoint
    service: str
    worker_id: str
    subscriptions: tuple[tuple[str, int], ...]
    receive_maximum: int
    session: BrokerSession = "ephemeral"
    waiting_bytes: int = WAITING_BYTES
    reads_traces: bool = False


class Reader(Protocol):
    """Who gets what is read."""

    def connected(self) -> None:
        """Hear that the link is (again) up, with its subscriptions made."""
        ...

    def take(self, message: InboundMessage) -> None:
        """Take a message; called in the loop that reads, so it must not wait."""
        ...

    async def settled(self) -> None:
        """Wait until everything that was taken is settled."""
        ...


class BrokerLink:
    """The current connections; `run` is the worker that keeps them up."""

    def __init__(self, options: LinkOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._bytes = 0
        self._is_full = False
        self.up: MqttSession | None = None
        self.down: MqttSession | None = None
        self.connected_at: float | None = None
        """Monotonic seconds since when both connections are up and subscribed; None while they are not."""
        self.connects = 0
        """Connections made, ever."""
        self._backoff = Backoff(0.2, 5.0)
        suffix = "" if options.session == "durable" else f"-{secrets.token_hex(4)}"
        self.client_id = f"{options.service}-{options.worker_id}{suffix}"

    @property
    def longest_pause(self) -> float:
        """How long the next pause between two connections can be, in seconds."""
        return self._backoff.bound

    @property
    def is_open(self) -> bool:
        """Whether both connections are up."""
        return bool(self.up and self.up.is_open and self.down and self.down.is_open)

    async def check(self) -> None:
        """Raise MqttConnectionError unless the broker is there: for /readyz."""
        if not self.is_open:
            raise MqttConnectionError(None, "not connected to the broker")

    def count(self, message: InboundMessage) -> None:
        """Count the bytes of a message that waits for `acknowledge`, and stop reading when there are too many."""
        self._bytes += len(message.payload)
        if self._bytes > self._options.waiting_bytes and not self._is_full and self.up is not None:
            self._is_full = True
            self.up.pause_reading()

    def brought(self, message: InboundMessage) -> bool:
        """Whether the connection that is up brought it; if not, the broker has given it to somebody else already."""
        return self.up is not None and message.session == self.up.session

    def acknowledge(self, messages: Iterable[InboundMessage]) -> None:
        """PUBACK counted messages that are dealt with; what came on an earlier connection comes again."""
        session = self.up
        if session is None:
            return
        for message in messages:
            if message.session == session.session:
                session.ack(message)
                self._bytes -= len(message.payload)
        if self._is_full and self._bytes <= self._options.waiting_bytes // 2:
            self._is_full = False
            session.resume_reading()

    async def run(self, stop: asyncio.Event, reader: Reader) -> None:
        """Stay connected until `stop` and until everything that was read is settled."""
        stopping = asyncio.create_task(stop.wait(), name="broker_link_stop")
        is_away = False
        try:
            while not stop.is_set():
                try:
                    await self._connect(reader)
                except MqttError as error:
                    await self._disconnect()
                    if not is_away:
                        _log.warning("broker_away", reason=str(error))
                    is_away = True
                    await asyncio.wait({stopping}, timeout=self._backoff.next_delay())
                    continue
                is_away = False
                began = self._clock.monotonic()
                await self._serve(stopping, reader)
                if self._clock.monotonic() - began >= STEADY_SECONDS:
                    self._backoff.reset()
                else:
                    await asyncio.wait({stopping}, timeout=self._backoff.next_delay())
        finally:
            stopping.cancel()
            await self._disconnect()

    async def _connect(self, reader: Reader) -> None:
        options = self._options
        is_durable = options.session == "durable"
        # The way down first: a durable session's messages come at once, and want their answers.
        self.down = await MqttSession.connect(
            options.endpoint, client_id=f"{self.client_id}-down", on_message=_nothing_is_subscribed
        )
        self._bytes, self._is_full = 0, False  # before the first message, which may come together with the CONNACK
        self.up = await MqttSession.connect(
            options.endpoint,
            client_id=self.client_id,
            clean_start=not is_durable,
            session_expiry=SESSION_SECONDS if is_durable else 0,
            receive_maximum=options.receive_maximum,
            on_message=reader.take,
            reads_traces=options.reads_traces,
        )
        await self.up.subscribe(list(options.subscriptions))
        self.connected_at = self._clock.monotonic()
        self.connects += 1
        _log.info("broker_connected", client_id=self.client_id, session_present=self.up.session_present)
        reader.connected()

    async def _disconnect(self) -> None:
        up, down = self.up, self.down
        self.up = self.down = self.connected_at = None
        for session in (up, down):
            if session is not None:
                await session.disconnect()

    async def _serve(self, stopping: asyncio.Task[bool], reader: Reader) -> None:
        """Wait for the end of either connection, or for the stop; then end both."""
        sessions = [session for session in (self.up, self.down) if session is not None]
        closing = {asyncio.create_task(session.wait_closed()) for session in sessions}
        try:
            await asyncio.wait({*closing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not any(task.done() for task in closing):
                await self._settle(closing, reader)
            ended = [task for task in closing if task.done()]
        finally:
            await self._disconnect()
            reasons = await asyncio.gather(*closing, return_exceptions=True)
        for reason in reasons:
            if isinstance(reason, BaseException):
                raise reason
        if stopping.done() or not ended:
            return
        lost = ended[0].result()
        _log.warning("broker_lost", reason=lost.text, code=lost.reason_code)
        if lost.reason_code == TAKEN_OVER:
            _log.error("worker_id_taken", worker_id=self._options.worker_id)

    async def _settle(self, closing: Iterable[asyncio.Task[object]], reader: Reader) -> None:
        """Read nothing more, and wait until what was read is settled or a connection ends."""
        if self.up is not None:
            self.up.pause_reading()
        self._is_full = False
        settled = asyncio.create_task(reader.settled(), name="broker_link_settle")
        try:
            await asyncio.wait({*closing, settled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()


def _nothing_is_subscribed(_message: InboundMessage) -> None:
    """On the way down nothing comes."""
