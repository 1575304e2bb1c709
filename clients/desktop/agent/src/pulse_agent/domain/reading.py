"""A reading before and after it is on the disk, and the exact text it is stored and sent as.

Guarantees: what passes `encode_metrics` passes the contract (`pulse_contracts.telemetry.BufferRun`), so that the server
never refuses a row for its form; `recorded_at_us` is fixed when the reading is made and never changes.
Never does: I/O, clocks.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulse_contracts.ids import is_metric_key
from pulse_contracts.telemetry import INT64_MAX, INT64_MIN, MAX_METRICS, MAX_TEXT

Value = bool | int | float | str

ROW_OVERHEAD_BYTES: Final = 40
"""What a row costs beside its metrics (key, time, channel, checksum, page share): an estimate, for the quota."""
DEFAULT_CHANNEL: Final = "default"

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class InvalidReadingError(ValueError):
    """A reading that no server would take: the source is at fault, and sending it again never helps."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source measured: values by metric key, at a moment in Unix microseconds (UTC)."""

    recorded_at_us: int
    metrics: Mapping[str, Value]
    channel: str = DEFAULT_CHANNEL


@dataclass(frozen=True, slots=True)
class EncodedReading:
    """A checked reading, ready for the disk: its metrics as the JSON text that will also be sent."""

    recorded_at_us: int
    metrics: Mapping[str, Value]
    metrics_json: str
    channel: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading that is on the disk, under its sequence."""

    sequence: int
    recorded_at_us: int
    metrics_json: str
    channel: str


@dataclass(frozen=True, slots=True)
class RefusedReading:
    """A reading that the quota or the disk refused; its sequence is declared lost, for this reason."""

    sequence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """Contiguous rows of the outbox, `first` to `last`; `rows_json` is their part of a compact message."""

    first: int
    last: int
    rows_json: str

    @property
    def count(self) -> int:
        """Rows in the run."""
        return self.last - self.first + 1

    def message(self, epoch: int) -> bytes:
        """Return the compact wire form (delivery.md, wire formats) under `epoch`."""
        return f'{{"v":1,"epoch":{epoch},"first":{self.first},"rows":[{self.rows_json}]}}'.encode()


def row_json(recorded_at_us: int, metrics_json: str) -> str:
    """Return one row as it stands in a compact message."""
    return f"[{recorded_at_us},{metrics_json}]"


def run_of(readings: list[StoredReading]) -> Run:
    """Return contiguous readings, in order, as a run."""
    rows = ",".join(row_json(r.recorded_at_us, r.metrics_json) for r in readings)
    return Run(readings[0].sequence, readings[-1].sequence, rows)


def encode_reading(reading: Reading) -> EncodedReading:
    """Check a reading and write its metrics as JSON. Raises InvalidReadingError, naming the metric at fault."""
    if not INT64_MIN <= reading.recorded_at_us <= INT64_MAX:
        raise InvalidReadingError("the time of the reading does not fit 64 bits")
    text = encode_metrics(reading.metrics)
    return EncodedReading(reading.recorded_at_us, reading.metrics, text, reading.channel, stored_size(text))


def stored_size(metrics_json: str) -> int:
    """Return what a row counts against the quota, in bytes."""
    return len(metrics_json.encode()) + ROW_OVERHEAD_BYTES


def encode_metrics(metrics: Mapping[str, Value]) -> str:
    """Check metrics by the contract's limits and return them as compact JSON. Raises InvalidReadingError."""
    if not 1 <= len(metrics) <= MAX_METRICS:
        raise InvalidReadingError(f"a reading has 1 to {MAX_METRICS} metrics, this one {len(metrics)}")
    for key, value in metrics.items():
        if not is_metric_key(key):
            raise InvalidReadingError(f"{key!r} is no metric key")
        fault = _fault_of(value)
        if fault:
            raise InvalidReadingError(f"metric {key}: {fault}")
    return _ENCODER.encode(dict(metrics))


def _fault_of(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int():
            return None if INT64_MIN <= value <= INT64_MAX else "the number does not fit 64 bits"
        case float():
            return None if math.isfinite(value) else "a number must be finite"
        case str():
            return _fault_of_text(value)
        case _:
            return f"{type(value).__name__} is no value of a metric"


def _fault_of_text(text: str) -> str | None:
    if len(text) > MAX_TEXT:
        return f"a text has at most {MAX_TEXT} characters"
    if "\x00" in text:
        return "a text must not hold NUL"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "the text is not Unicode (half a surrogate pair)"
    return None


def checksum(sequence: int, recorded_at_us: int, channel: str, metrics_json: str) -> int:
    """Return the CRC-32 that a row carries; read back, a row with another one was damaged on the disk."""
    return zlib.crc32(f"{sequence}|{recorded_at_us}|{channel}|{metrics_json}".encode())
