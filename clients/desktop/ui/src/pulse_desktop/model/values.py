"""The current value of a metric: as text, with its unit and how fresh it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pulse_contracts.local_status import LatestValue
from pulse_desktop.texts.catalogue import Texts

MIN_STALE_SECONDS: Final = 5.0
STALE_FACTOR: Final = 5.0
AGEING_FACTOR: Final = 2.0
"""As on the dashboard: fresh below twice the usual distance of readings; here stale from five times on."""

_UNITS: Final = {
    "percent": "%",
    "pct": "%",
    "celsius": "°C",
    "bytes": "B",
    "mb": "MB",
    "hz": "Hz",
    "ms": "ms",
    "seconds": "s",
    "volts": "V",
}


class Freshness(StrEnum):
    """How much a value can be trusted to be the one of now."""

    FRESH = "fresh"
    AGEING = "ageing"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class ValueView:
    """What is shown of a metric."""

    text: str
    unit: str
    age: str
    freshness: Freshness


def value_view(name: str, latest: LatestValue, interval: float | None, now: float, texts: Texts) -> ValueView:
    """Work out what is shown at `now` (Unix seconds); `interval` is the usual distance of readings, if it is known."""
    at = latest.at_ms / 1000
    age = max(0.0, now - at)
    usual = interval or 1.0
    freshness = Freshness.FRESH
    if age > max(MIN_STALE_SECONDS, STALE_FACTOR * usual):
        freshness = Freshness.STALE
    elif age > max(2.0, AGEING_FACTOR * usual):
        freshness = Freshness.AGEING
    template = texts.home.stale if freshness is Freshness.STALE else texts.home.fresh
    return ValueView(
        text=texts.format.reading(latest.value, is_fractional=isinstance(latest.value, float)),
        unit=unit_of(name),
        age=template.format(age=texts.format.ago(at, now)),
        freshness=freshness,
    )


def unit_of(name: str) -> str:
    """Return the unit that a metric's name tells (`cpu_percent`); empty when it tells none."""
    return _UNITS.get(name.rsplit("_", 1)[-1].rsplit(".", 1)[-1].lower(), "")


def chosen_metric(names: list[str], wanted: str | None) -> str | None:
    """Return the metric to show first: the one that was chosen before, while it is there."""
    if wanted in names:
        return wanted
    return min(names, default=None)
