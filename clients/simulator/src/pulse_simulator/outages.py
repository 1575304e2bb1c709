"""When the link is cut, and how: the schedule behind `--outage`.

An outage is written `DURATION@START`, optionally with its kind after a colon: `20s@15s`, `1m@2m:reset`, `5s@30s:up`.
Pure: this module parses and orders, `fleet.py` carries out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

_DURATION: Final = re.compile(r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)?")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class InvalidScheduleError(ValueError):
    """A duration or an outage that cannot be read, or two outages at once."""


class OutageKind(StrEnum):
    """What happens to the link."""

    CUT = "cut"
    """Nothing passes either way, and nobody is told: an unplugged cable."""
    UP = "up"
    """Nothing passes from the clients to the broker: they hear acks no more, but only because none are due."""
    DOWN = "down"
    """Nothing passes from the broker to the clients: what they send arrives, its acks do not."""
    RESET = "reset"
    """Connections are reset and new ones are refused: a broker or a firewall that went away."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One cut of the link, by time since the run began."""

    start: timedelta
    duration: timedelta
    kind: OutageKind = OutageKind.CUT

    @property
    def end(self) -> timedelta:
        """When the link is whole again."""
        return self.start + self.duration


def parse_duration(text: str) -> timedelta:
    """Read `1500ms`, `20s`, `1.5m`, `2h`, or a bare number of seconds; raise InvalidScheduleError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidScheduleError(f"{text!r} is not a duration: write for example 500ms, 20s, 5m or 1h")
    try:
        return timedelta(seconds=float(match["amount"]) * _UNIT_SECONDS[match["unit"]])
    except OverflowError:
        raise InvalidScheduleError(f"{text!r} is longer than a duration can be") from None


def parse_outage(text: str) -> Outage:
    """Read `DURATION@START[:cut|up|down|reset]`; raise InvalidScheduleError when it is no outage."""
    times, _, kind = text.strip().partition(":")
    duration, at, start = times.partition("@")
    if not at:
        raise InvalidScheduleError(f"{text!r} is not an outage: write for example 20s@15s, or 20s@15s:reset")
    try:
        parsed = Outage(parse_duration(start), parse_duration(duration), OutageKind(kind or OutageKind.CUT))
    except ValueError as error:
        if isinstance(error, InvalidScheduleError):
            raise
        kinds = ", ".join(OutageKind)
        raise InvalidScheduleError(f"{kind!r} is not a kind of outage: use one of {kinds}") from None
    if not parsed.duration:
        raise InvalidScheduleError(f"{text!r} lasts no time at all")
    return parsed


def parse_schedule(texts: Sequence[str]) -> tuple[Outage, ...]:
    """Read all outages and order them by start; two that overlap are refused, because one link is cut once."""
    ordered = tuple(sorted((parse_outage(text) for text in texts), key=lambda outage: outage.start))
    for earlier, later in pairwise(ordered):
        if later.start < earlier.end:
            raise InvalidScheduleError(
                f"the outage at {later.start.total_seconds():g} s begins before the one at "
                f"{earlier.start.total_seconds():g} s has ended"
            )
    return ordered
