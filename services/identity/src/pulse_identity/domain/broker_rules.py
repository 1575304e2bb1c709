"""What a device or a service may do on a broker that asks us about each connection (EMQX), as ordered rules.

The first rule that matches decides, the last ones deny everything: also what a broker leaves open when no rule matches.
A `#` does not match topics that begin with `$` (MQTT 5, 4.7.2), so those have a denial of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pulse_contracts import topics
from pulse_contracts.broker_accounts import SERVICE_READS, SERVICE_WRITES
from pulse_contracts.ids import ClientId


@dataclass(frozen=True, slots=True)
class BrokerRule:
    """One rule: whether an action on a topic filter is allowed."""

    is_allowed: bool
    action: Literal["publish", "subscribe", "all"]
    topic: str


def rules_of(device_id: ClientId) -> tuple[BrokerRule, ...]:
    """Return a device's rules, the denial of everything last."""
    return _rules(topics.device_writes(device_id), (*topics.device_reads(device_id), topics.SYNC_UPDATE_FILTER))


def rules_of_service(account: str) -> tuple[BrokerRule, ...]:
    """Return the rules of a service's account, the denial of everything last."""
    return _rules(SERVICE_WRITES[account], SERVICE_READS[account])


def _rules(writes: Iterable[str], reads: Iterable[str]) -> tuple[BrokerRule, ...]:
    return (
        *(BrokerRule(True, "publish", topic) for topic in writes),
        *(BrokerRule(True, "subscribe", topic) for topic in reads),
        BrokerRule(False, "all", "$SYS/#"),
        BrokerRule(False, "all", "#"),
    )


def is_allowed(rules: Sequence[BrokerRule], action: str, topic: str) -> bool:
    """Return what the first rule that covers the topic (of a subscription: its whole filter) says; without one, no.

    `action` is "publish" or "subscribe"; any other is not allowed.
    """
    for rule in rules:
        if rule.action in {action, "all"} and _covers(rule.topic, topic):
            return rule.is_allowed
    return False


def _covers(rule_filter: str, topic: str) -> bool:
    """Whether a filter matches a topic, or everything that another filter matches (MQTT 5, 4.7)."""
    wanted, given = rule_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in {"#", "+"}:
        return False
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(given) or given[place] == "#" or part not in {"+", given[place]}:
            return False
    return len(wanted) == len(given)
