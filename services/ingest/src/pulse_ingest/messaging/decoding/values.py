"""Metric names and values, timestamps, sequences: the rules of `pulse_contracts.telemetry`, without Pydantic.

A refusal names the metric and the rule, never the value: a value may be a secret that went to the wrong field.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pulse_contracts.ids import MAX_SEQUENCE, is_metric_key
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import INT64_MAX, INT64_MIN, MAX_METRICS, MAX_TEXT
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.messaging.decoding.json_document import is_text_sound

EARLIEST_US: Final = -210_000_000_000_000_000
"""About 4685 BC, within what PostgreSQL's timestamptz can hold; anything earlier is stored as this, and suspect."""
LATEST_US: Final = INT64_MAX - 100_000_000_000_000_000
"""About the year 291000, likewise."""
MAX_KNOWN_KEYS: Final = 50_000
"""Names of metrics that are remembered as valid; beyond it they are checked anew each time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_valid_keys: set[str] = set()


def are_known_keys(metrics: dict[str, Any]) -> bool:
    """Tell whether each name was found valid before."""
    return metrics.keys() <= _valid_keys


def metrics_refusal(metrics: Any) -> Refusal | None:  # noqa: PLR0911, PLR0912 -- inlined: a hot loop
    """Return what is wrong with an object of metrics, None when nothing is."""
    if type(metrics) is not dict:
        return Refusal(RejectionCode.BAD_SHAPE, "metrics are not a JSON object")
    if not 1 <= len(metrics) <= MAX_METRICS:
        return count_refusal(len(metrics))
    for key, value in metrics.items():
        if key not in _valid_keys:
            if not is_metric_key(key):
                return Refusal(RejectionCode.BAD_METRIC_KEY, "a metric's name is 1 to 64 of A-Z a-z 0-9 _ . : / -")
            if len(_valid_keys) < MAX_KNOWN_KEYS:
                _valid_keys.add(key)
        kind = type(value)
        if kind is float:
            if value - value != 0.0:  # true of nothing but NaN and the infinities, and cheaper than math.isfinite
                return Refusal(RejectionCode.BAD_VALUE, f"{key} is not a finite number")
        elif kind is int:
            if not INT64_MIN <= value <= INT64_MAX:
                return Refusal(RejectionCode.BAD_VALUE, f"{key} does not fit into 64 bits")
        elif kind is str:
            wrong = _text_error(value)
            if wrong:
                return Refusal(RejectionCode.BAD_VALUE, f"{key} {wrong}")
        elif kind is not bool:
            return Refusal(RejectionCode.BAD_VALUE, f"{key} is not a number, boolean or text")
    return None


def _text_error(text: str) -> str | None:
    if len(text) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if "\x00" in text:
        return "holds NUL"
    return None if text.isascii() or is_text_sound(text) else "is not a text"


def count_refusal(count: int) -> Refusal:
    """Return the refusal for a reading with none, or too many, metrics."""
    if count == 0:
        return Refusal(RejectionCode.NO_METRICS, "no metrics")
    return Refusal(RejectionCode.TOO_MANY_METRICS, f"{count} metrics, at most {MAX_METRICS} are taken")


def is_whole(value: Any, low: int, high: int) -> bool:
    """Tell whether a value is an integer (not a boolean, not 1.0) within these bounds."""
    return type(value) is int and low <= value <= high


def sequence_refusal(value: Any) -> Refusal | None:
    """Return what is wrong with an optional `sequence_no`."""
    if value is None or is_whole(value, 0, MAX_SEQUENCE):
        return None
    return Refusal(RejectionCode.BAD_SEQUENCE, f"sequence_no is not an integer from 0 to {MAX_SEQUENCE}")


def clamped(recorded_us: int) -> int:
    """Return a time that PostgreSQL can hold: odd times are stored and marked, never refused."""
    return min(max(recorded_us, EARLIEST_US), LATEST_US)


def parse_timestamp(value: Any) -> int | Refusal:
    """Return microseconds since 1970 of an ISO 8601 text (no zone: UTC) or of Unix time in milliseconds."""
    kind = type(value)
    if kind is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _BAD_TIMESTAMP
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return clamped((moment - _EPOCH) // _MICROSECOND)
    if kind is float and math.isfinite(value) and value.is_integer():
        value, kind = int(value), int
    if kind is int or kind is bool:
        return clamped(int(value) * 1000)
    return _BAD_TIMESTAMP


_BAD_TIMESTAMP: Final = Refusal(
    RejectionCode.BAD_TIMESTAMP, "timestamp is neither ISO 8601 nor Unix time in milliseconds"
)
