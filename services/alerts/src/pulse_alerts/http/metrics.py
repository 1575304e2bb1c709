"""What evaluation counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pulse_alerts.use_cases.ports import CounterName
from pulse_chassis.metrics import Counters


def counters(registry: CollectorRegistry) -> Counters[CounterName]:
    """Return the counters, `alerts_<name>_total`."""
    return Counters(
        registry,
        "alerts",
        {
            "readings_evaluated": "Readings that were read from the stream",
            "alarms_raised": "Alarms that rules raised",
            "alarms_cleared": "Alarms that rules cleared",
            "late_alarms_found": "Alarms of the past that were found in late readings",
            "late_spans_examined": "Stretches of late readings that were looked through",
            "holes_filled": "Times that readings had to be taken from the database instead of the stream",
            "readings_filled": "Readings that were taken from the database",
            "evaluations_restarted": "Times that evaluation began anew, after an error or because workers changed",
        },
    )
