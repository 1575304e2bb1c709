"""An export: which readings, in which form, and the pieces that it is read and written in.

Long: a line for each reading. Wide: a line for each device and moment, a column for each metric. Readings come by
stretches of time, so that an export of any length is read in pieces of about the same number of rows; each series is in
order of time from the first line to the last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from enum import StrEnum
from typing import Final

from pulse_chassis.csv_text import BYTE_ORDER_MARK, csv_cell
from pulse_gateway.domain.interval import DAY_US, MINUTE_US, moment

MAX_STREAMED_ROWS: Final = 20_000_000
"""A minute and more of streaming; what is larger is made in the background."""
MAX_JOB_ROWS: Final = 200_000_000
PIECE_ROWS: Final = 100_000
_LONGEST_PIECE_US: Final = 7 * DAY_US
_MICROSECOND: Final = timedelta(microseconds=1)


class ExportFormat(StrEnum):
    """Comma-separated values, or a JSON object a line."""

    CSV = "csv"
    NDJSON = "ndjson"


class Layout(StrEnum):
    """A line for each reading, or for each device and moment."""

    LONG = "long"
    WIDE = "wide"


class Separator(StrEnum):
    """What stands between the cells of a line."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"

    @property
    def character(self) -> str:
        """The character itself."""
        return {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t"}[self]


class Decimal(StrEnum):
    """What stands in a number before its fraction."""

    POINT = "point"
    COMMA = "comma"


@dataclass(frozen=True, slots=True)
class ExportForm:
    """How an export is written."""

    format: ExportFormat = ExportFormat.CSV
    layout: Layout = Layout.LONG
    separator: Separator = Separator.COMMA
    decimal: Decimal = Decimal.POINT
    has_bom: bool = False

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return "text/csv; charset=utf-8" if self.format is ExportFormat.CSV else "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """Which readings, and how they are written. `start_us` is included, `end_us` is not."""

    device_ids: tuple[str, ...]
    metrics: tuple[str, ...] | None
    start_us: int
    end_us: int
    zone_name: str
    form: ExportForm


@dataclass(frozen=True, slots=True)
class ExportSeries:
    """A series as an export names it."""

    series_id: int
    device_id: str
    metric: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time within which the zone keeps its offset from UTC."""

    start_us: int
    end_us: int
    offset_us: int

    @property
    def zone_text(self) -> str:
        """The offset as ISO 8601 writes it."""
        if self.offset_us == 0:
            return "Z"
        minutes, sign = abs(self.offset_us) // MINUTE_US, "-" if self.offset_us < 0 else "+"
        return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def piece_length(span_us: int, rows: int) -> int:
    """Return how long a piece is so that it has about `PIECE_ROWS` rows."""
    return min(_LONGEST_PIECE_US, max(MINUTE_US, span_us * PIECE_ROWS // max(1, rows)))


def pieces(start_us: int, end_us: int, length_us: int, zone: tzinfo) -> Iterator[Piece]:
    """Give the pieces of a range in order; what is read of them does not depend on where a run begins."""
    at = start_us
    while at < end_us:
        until, offset = min(at + length_us, end_us), _offset(at, zone)
        if _offset(until - 1, zone) != offset:
            until = _first_change(at, until, zone)
        yield Piece(at, until, offset)
        at = until


def _offset(at_us: int, zone: tzinfo) -> int:
    return (moment(at_us).astimezone(zone).utcoffset() or timedelta(0)) // _MICROSECOND


def _first_change(low: int, high: int, zone: tzinfo) -> int:
    """Return the moment at which the zone changes its offset, by halving."""
    offset = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
    return high


def heading(form: ExportForm, metrics: Sequence[str]) -> str:
    """Return what stands before the first reading."""
    if form.format is ExportFormat.NDJSON:
        return ""
    columns = ["device_id", "metric", "recorded_at", "value", "quality"]
    if form.layout is Layout.WIDE:
        columns = ["device_id", "recorded_at", *metrics]
    cells = [quoted(str(csv_cell(column)), form) for column in columns]
    return (BYTE_ORDER_MARK if form.has_bom else "") + form.separator.character.join(cells) + "\n"


def ending(form: ExportForm, rows: int) -> str:
    """Return what stands behind the last reading: lines of JSON end with one that says how many there are."""
    return json.dumps({"end": {"rows": rows}}) + "\n" if form.format is ExportFormat.NDJSON else ""


def metrics_of(series: Sequence[ExportSeries]) -> list[str]:
    """Return the metrics of these series, each once, in order."""
    return sorted({found.metric for found in series})


def quoted(cell: str, form: ExportForm) -> str:
    """Return a cell in quotes where it needs them."""
    needs_quotes = any(character in cell for character in (form.separator.character, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if needs_quotes else cell


def file_name(question: ExportQuestion) -> str:
    """Return a name that says what is in the file, in characters that every system takes."""
    devices = question.device_ids[0] if len(question.device_ids) == 1 else f"{len(question.device_ids)}-devices"
    metrics = question.metrics[0] if question.metrics is not None and len(question.metrics) == 1 else ""
    days = [f"{moment(at):%Y%m%dT%H%M}" for at in (question.start_us, question.end_us)]
    name = "_".join(filter(None, ("pulse", devices, metrics, *days)))
    return f"{re.sub('[^A-Za-z0-9._-]', '-', name)}.{question.form.format}"
