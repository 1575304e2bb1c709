"""What the service counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_chassis.metrics import Counters
from pulse_commands.use_cases.ports import CounterName


def counters(registry: CollectorRegistry) -> Counters[CounterName]:
    """Return the counters, `commands_<name>_total`."""
    return Counters(
        registry,
        "commands",
        {
            "sent": "Commands that somebody sent",
            "cancelled": "Commands that somebody took back",
            "published": "Commands handed to the broker for the first time",
            "asked_again": "Commands published again, for want of an answer",
            "publishes_failed": "Commands that the broker did not take; they are tried again",
            "expired": "Commands that expired before their device was there",
            "given_up": "Commands that became unknown: published, and not answered in time",
            "reports_taken": "Reports of devices that counted, or said nothing new",
            "reports_refused": "Messages on status topics that were refused",
            "reports_dropped": "Messages of QoS 0 on status topics that were dropped for want of room",
            "refused_by_devices": "Messages on command topics that devices refused",
        },
    )
