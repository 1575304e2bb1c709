"""One routing point for what the server sends beside acks: handlers by topic, on the connection that delivers readings.

Guarantees: a handler's filters are asked for on every connection, after the ack topic and without holding it up; a
handler that fails, or whose topics the broker refuses, is logged and never ends the connection. Never does: know
what is in a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttError, MqttSession, NotConnectedError

_log = get_logger("downlink")


class Downlink(Protocol):
    """A part of the agent that hears from the server on topics of its own. All methods are called in the event loop."""

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        """Which topics, as (filter, QoS) pairs."""
        ...

    def receive(self, message: InboundMessage, session: MqttSession) -> None:
        """Take a message of one of the filters; must not block, and acks it by `session.ack` when it is dealt with."""
        ...

    def connected(self, session: MqttSession) -> None:
        """The filters are granted on this session: publish through it until `disconnected`."""
        ...

    def disconnected(self) -> None:
        """The session is gone. Also called when `connected` never was."""
        ...


class DownlinkRouter:
    """Gives each message to the handlers of its topic; a new connection is told by `open`, its end by `close`."""

    def __init__(self, downlinks: Sequence[Downlink]) -> None:
        self._downlinks = tuple(downlinks)
        self._refused: set[str] = set()

    async def open(self, session: MqttSession) -> None:
        """Subscribe for every handler and tell it. Never raises for a refusal: delivery goes on without that handler."""
        for downlink in self._downlinks:
            name = type(downlink).__name__
            try:
                await session.subscribe(downlink.filters)
            except NotConnectedError:
                return
            except MqttError as error:
                log = _log.debug if name in self._refused else _log.warning
                log("subscription_refused", handler=name, reason=str(error))
                self._refused.add(name)
                continue
            self._refused.discard(name)
            downlink.connected(session)

    def close(self) -> None:
        """Tell every handler that the session is gone."""
        for downlink in self._downlinks:
            downlink.disconnected()

    def route(self, message: InboundMessage, session: MqttSession) -> bool:
        """Hand the message to the first handler of its topic; False when there is none."""
        for downlink in self._downlinks:
            if any(matches(topic_filter, message.topic) for topic_filter, _ in downlink.filters):
                try:
                    downlink.receive(message, session)
                except Exception:  # noqa: BLE001 # a message boundary: what one message breaks must not stop delivery
                    _log.exception("downlink_failed", handler=type(downlink).__name__, topic=message.topic)
                    session.ack(message)
                return True
        return False


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic is one of a filter's; `+` stands for one level, `#` is not used by this product."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(found) and all(one in ("+", other) for one, other in zip(wanted, found, strict=True))
