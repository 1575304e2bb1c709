"""What notifications count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_alerts.use_cases.notification_ports import NotificationCounter
from pulse_chassis.metrics import Counters


def notification_counters(registry: CollectorRegistry) -> Counters[NotificationCounter]:
    """Return the counters, `alerts_<name>_total`."""
    return Counters(
        registry,
        "alerts",
        {
            "notifications_planned": "Steps of alarms that a channel is to be told of",
            "notifications_suppressed": "Steps that a channel would be told of, had they not come late or been shelved",
            "messages_formed": "Messages made of what waited for a channel",
            "messages_sent": "Messages that a receiver took",
            "messages_failed": "Messages that will not be tried again, and were not taken as far as anybody knows",
            "messages_retried": "Attempts after which a message is tried again",
            "messages_doubtful": "Attempts that were cut off, so that nobody knows whether they came through",
        },
    )
