"""Names of the IANA time zone database."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def checked_time_zone(name: str) -> str:
    """Return the name. Raises ValueError when there is no such zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        message = "is no time zone of the IANA database"
        raise ValueError(message) from None
    return name
