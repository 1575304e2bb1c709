"""A clock that is set wrong for a while and right again leaves nothing behind."""

from typing import Any

import pytest

from pulse_chassis.mqtt import InboundMessage
from pulse_ingest.messaging.mqtt_source import MqttSource

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000


class Link:
    def count(self, _: Any) -> None: ...


class Pump:
    def __init__(self) -> None:
        self.received: list[int] = []

    def offer_certain(self, message: Any) -> None:
        self.received.append(message.received_us)

    offer_live = offer_certain


def received_at(*moments: int) -> list[int]:
    """Return when messages were received that came at these moments of the clock."""
    pump, clock = Pump(), iter(moments)
    source = MqttSource(Link(), pump, None, lambda: next(clock))  # type: ignore[arg-type]
    for _ in moments:
        source.take(InboundMessage("telemetry/D/live", b"{}", 1, 1, False, 1))
    return pump.received


def test_two_messages_of_one_moment_never_share_it() -> None:
    assert received_at(NOW_US, NOW_US, NOW_US - 5, NOW_US + 1) == [NOW_US, NOW_US + 1, NOW_US + 2, NOW_US + 3]


@pytest.mark.parametrize("leap", [HOUR_US, 2_000_000])
def test_after_a_leap_forward_and_back_messages_have_the_right_time_at_once(leap: int) -> None:
    received = received_at(NOW_US, NOW_US + leap, NOW_US + 10)
    assert received == [NOW_US, NOW_US + leap, NOW_US + 10]
