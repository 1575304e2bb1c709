"""Commands go down to their devices, reports come up; each is acknowledged by hand, on the connection that it came on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from pulse_chassis.broker_link import BrokerLink
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttError
from pulse_commands.messaging.report_reading import read_report
from pulse_commands.use_cases.take_reports import Arrival
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import COMMAND_STATUS_FILTER, sender_of, shared
from pulse_contracts.topics import command as command_topic

GROUP: Final = "commands"
SUBSCRIPTIONS: Final = ((shared(GROUP, COMMAND_STATUS_FILTER), 1),)
SEND_SECONDS: Final = 10.0
FIRST_FAILURE_CODE: Final = 0x80

_log = get_logger("command_link")


class Offer(Protocol):
    """Where reports go."""

    def __call__(self, arrival: Arrival, *, is_certain: bool) -> None:
        """Take a report; one that is certain (QoS 1) waits to be acknowledged."""
        ...


class CommandLink:
    """Plays `Downlink`, `Receipts` and the link's `Reader`, for those that `serve` named."""

    def __init__(self, link: BrokerLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._offer: Offer = _nowhere
        self._on_connect: Callable[[], None] = lambda: None
        self._drained = asyncio.Event()
        self._connected_at: datetime | None = None

    def serve(self, offer: Offer, on_connect: Callable[[], None], drained: asyncio.Event) -> None:
        """Work for these, before the link runs: `offer` takes reports, `on_connect` hears that the link is (again) up, and
        `drained` is set when all that was read is settled."""
        self._offer = offer
        self._on_connect = on_connect
        self._drained = drained

    @property
    def connected_at(self) -> datetime | None:
        """Since when the link is up; None while it is down."""
        return None if self._link.connected_at is None else self._connected_at

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` and until everything that was read is settled."""
        await self._link.run(stop, self)

    def connected(self) -> None:
        """Note the moment and tell whoever has something to send."""
        self._connected_at = self._clock.now()
        self._on_connect()

    async def settled(self) -> None:
        """Wait until every report that was read is settled."""
        await self._drained.wait()

    async def send(self, device_id: str, token: str, keep_seconds: int) -> bool:
        """Hand a token to the broker, QoS 2, not retained; say whether the broker took it."""
        session = self._link.down
        if session is None:
            return False
        topic = command_topic(ClientId(device_id))
        try:
            async with asyncio.timeout(SEND_SECONDS):
                code = await session.publish(topic, token.encode(), 2, expiry_seconds=keep_seconds)
        except (MqttError, TimeoutError) as error:
            _log.warning("command_not_published", device_id=device_id, reason=str(error) or "no answer in time")
            return False
        if code >= FIRST_FAILURE_CODE:
            _log.warning("command_not_published", device_id=device_id, code=code)
        return code < FIRST_FAILURE_CODE

    def acknowledge(self, receipts: Sequence[object]) -> None:
        """PUBACK what the broker brought on the connection that is up; what came on an earlier one comes again."""
        self._link.acknowledge([receipt for receipt in receipts if isinstance(receipt, InboundMessage) and receipt.qos])

    def take(self, message: InboundMessage) -> None:
        """Read a report and offer it."""
        if message.qos > 0:
            self._link.count(message)
        sender = sender_of(message.topic, COMMAND_STATUS_FILTER)
        if sender is None:
            _log.warning("report_from_nobody", topic=message.topic[:200])
            self.acknowledge([message])
            return
        self._offer(Arrival(sender, read_report(message.payload), message), is_certain=message.qos > 0)


def _nowhere(arrival: Arrival, *, is_certain: bool) -> None:
    """Until somebody is served nothing is read."""
    del arrival, is_certain
