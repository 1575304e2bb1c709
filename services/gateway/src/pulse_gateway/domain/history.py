"""Stored readings page by page: what is asked for, where a page ends, and how that place is written down.

A cursor is opaque to clients. It holds a place and a fingerprint of the question, never a right: the scope of the
caller is checked again for each page, so a cursor of somebody else opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import orjson

from pulse_contracts.telemetry import MetricValue

MAX_PAGE: Final = 5_000
MAX_ROWS_MERGED: Final = 500_000
"""A page is merged from a page of each series: more than so many rows in all are refused."""
Order = Literal["asc", "desc"]


class TooManySeriesError(ValueError):
    """The pages of so many series are not merged at once."""

    def __init__(self, series: int) -> None:
        super().__init__(series)
        self.series = series


class BadCursorError(ValueError):
    """The text is not a cursor of this question."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: behind this reading."""

    recorded_at_us: int
    sequence_no: int
    series_id: int


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """One page of some devices' readings. `start` is inclusive, `end` exclusive; None is open."""

    device_ids: tuple[str, ...]
    metrics: tuple[str, ...] | None
    start: datetime | None
    end: datetime | None
    order: Order
    limit: int
    after: Place | None = None

    @property
    def fingerprint(self) -> str:
        """What must be the same for a cursor to be continued."""
        question = [
            sorted(self.device_ids),
            sorted(self.metrics) if self.metrics is not None else None,
            self.start.isoformat() if self.start else None,
            self.end.isoformat() if self.end else None,
            self.order,
        ]
        return hashlib.sha256(orjson.dumps(question)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredReading:
    """One stored value."""

    device_id: str
    metric: str
    recorded_at: datetime
    received_at: datetime
    value: MetricValue
    quality: str
    epoch: int
    sequence_no: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The readings of a page, and the place to go on from when there are more."""

    readings: tuple[StoredReading, ...]
    next_place: Place | None


def write_cursor(query: HistoryQuery, place: Place) -> str:
    """Return the place as an opaque text."""
    fields = [1, query.fingerprint, place.recorded_at_us, place.sequence_no, place.series_id]
    return base64.urlsafe_b64encode(orjson.dumps(fields)).rstrip(b"=").decode()


def read_cursor(query: HistoryQuery, text: str) -> Place:
    """Return the place that a cursor of this question means. Raises BadCursorError."""
    try:
        fields = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadCursorError from error
    match fields:
        case [1, str(fingerprint), int(recorded_at), int(sequence), int(series)] if (
            fingerprint == query.fingerprint
            and not any(isinstance(field, bool) for field in fields)
            and abs(recorded_at) < 2**62
            and 0 <= sequence < 2**63
            and 0 <= series < 2**31
        ):
            return Place(recorded_at, sequence, series)
    raise BadCursorError
