"""What an operator decides about the edge of every service, as text: other origins, and rates by group of routes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

OFF: Final = "off"
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](?::[0-9]{1,5})?")
_RATE: Final = re.compile(r"([a-z]+)=([1-9][0-9]{0,8})/([1-9][0-9]{0,6})")


class RateClass(StrEnum):
    """Groups of routes that are counted together, for each caller and service."""

    READ = "read"
    WRITE = "write"
    CREDENTIALS = "credentials"
    """Whatever takes or makes a password, a one-time code or a refresh token."""
    TELEMETRY = "telemetry"
    """Readings over HTTP; how many readings a device may send is ingest's own limit."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`requests` at once, and as many again in each `seconds`."""

    requests: int
    seconds: int


DEFAULT_RATES: Final[Mapping[RateClass, Rate]] = {
    RateClass.READ: Rate(1200, 60),
    RateClass.WRITE: Rate(300, 60),
    # A crowd behind one address signs in together in the morning; wrong passwords have a stricter count of their own.
    RateClass.CREDENTIALS: Rate(60, 60),
    RateClass.TELEMETRY: Rate(6000, 60),
}


def parse_origins(text: str) -> frozenset[str]:
    """Return the origins of a comma-separated list as browsers write them; raises ValueError for anything else."""
    origins = {part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()}
    if any(_ORIGIN.fullmatch(origin) is None for origin in origins):
        message = "is a list of origins like https://app.example or http://localhost:5173; no path and no *"
        raise ValueError(message)
    return frozenset(origins)


def parse_rates(text: str) -> Mapping[RateClass, Rate] | None:
    """Return the rates of `class=requests/seconds,…` over the defaults; None for `off`. Raises ValueError."""
    if text.strip().lower() == OFF:
        return None
    rates = dict(DEFAULT_RATES)
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _RATE.fullmatch(part)
        if found is None or found[1] not in set(RateClass):
            message = f"is a list of class=requests/seconds with the classes {', '.join(RateClass)}; or `{OFF}`"
            raise ValueError(message)
        rates[RateClass(found[1])] = Rate(int(found[2]), int(found[3]))
    return rates
