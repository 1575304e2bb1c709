"""What a device may do on a broker that asks us about each connection (EMQX), as an ordered list of rules.

The first rule that matches decides, the last ones deny everything: also what a broker leaves open when no rule matches.
A `#` does not match topics that begin with `$` (MQTT 5, 4.7.2), so those have a denial of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pulse_contracts import topics
from pulse_contracts.ids import ClientId


@dataclass(frozen=True, slots=True)
class BrokerRule:
    """One rule: whether an action on a topic filter is allowed."""

    is_allowed: bool
    action: Literal["publish", "subscribe", "all"]
    topic: str


def rules_of(device_id: ClientId) -> tuple[BrokerRule, ...]:
    """Return a device's rules, the denial of everything last."""
    writes = tuple(BrokerRule(True, "publish", topic) for topic in topics.device_writes(device_id))
    reads = tuple(
        BrokerRule(True, "subscribe", topic) for topic in (*topics.device_reads(device_id), topics.SYNC_UPDATE_FILTER)
    )
    return (*writes, *reads, BrokerRule(False, "all", "$SYS/#"), BrokerRule(False, "all", "#"))
