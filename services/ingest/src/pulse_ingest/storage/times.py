"""Microseconds since 1970, as everything before SQL counts, and PostgreSQL's aware datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return the moment; it must lie within the years 1 to 9999, as every time of receipt does."""
    return _EPOCH + timedelta(microseconds=us)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
