"""Exports by COPY: PostgreSQL writes the lines, and the bytes go through as they come.

A line is one text. It is copied as CSV whose quote (0x01) and delimiter (0x02) occur in no line, so that nothing is
escaped; where a text has a line break of its own COPY sets the quotes after all, and they are taken out again here.
Times are written by adding the offset of the zone, which is constant within a piece. Names of devices and metrics hold no
quote of any kind (`pulse_contracts.ids`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from pulse_chassis.csv_text import csv_cell
from pulse_gateway.domain.export import (
    Decimal,
    ExportForm,
    ExportFormat,
    ExportSeries,
    Layout,
    Piece,
    metrics_of,
    quoted,
)
from pulse_gateway.domain.interval import moment
from pulse_gateway.storage.pool import ReadPool

_QUOTE: Final = "\x01"
_DELIMITER: Final = "\x02"
_TIME: Final = "overlay((d.recorded_at + $3::interval)::timestamp::text placing 'T' from 11)"
_READINGS: Final = """
unnest($1::int[], $2::text[]) with ordinality as w (series_id, name, number)
cross join lateral (
    select s.recorded_at, s.seq, s.value, s.whole, s.flag, s.text, s.quality from telemetry.sample_data s
    where s.series_id = w.series_id and s.recorded_at >= $4 and s.recorded_at < $5
    order by s.recorded_at, s.seq
) as d
"""
_GUARDED: Final = r"""case when d.text ~ E'^[=+@\t\r\n-]' then '''' else '' end || replace(d.text, E'\x01', '')"""
"""As `pulse_chassis.csv_text.csv_cell` does it."""
_VALUE: Final = """
case when d.whole is not null then d.whole::text when d.value is not null then {number}
     when d.flag is not null then d.flag::text else {text} end
"""

Sink = Callable[[bytes], Awaitable[None]]


class PostgresExportCopy:
    """Implements `ExportCopy`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    async def copy(self, series: Sequence[ExportSeries], form: ExportForm, piece: Piece, sink: Sink) -> int:
        """Write the lines of a piece into the sink, and return how many. Raises UnavailableError."""

        async def write(data: bytes) -> None:
            await sink(data.replace(b"\x01", b"") if b"\x01" in data else data)

        statement, names = _statement(series, form, piece.zone_text)
        async with self._pool.connection() as connection:
            done = await connection.copy_from_query(
                statement,
                [found.series_id for found in series],
                names,
                timedelta(microseconds=piece.offset_us),
                moment(piece.start_us),
                moment(piece.end_us),
                output=write,
                format="csv",
                quote=_QUOTE,
                delimiter=_DELIMITER,
            )
        return int(done.rpartition(" ")[2])


def _statement(series: Sequence[ExportSeries], form: ExportForm, zone: str) -> tuple[str, list[str]]:
    """Return the statement, and for each series the text that its lines begin with or are built from."""
    if form.layout is Layout.LONG:
        return (_long_csv if form.format is ExportFormat.CSV else _long_json)(series, form, zone)
    return (_wide_csv if form.format is ExportFormat.CSV else _wide_json)(series, form, zone)


def _long_csv(series: Sequence[ExportSeries], form: ExportForm, zone: str) -> tuple[str, list[str]]:
    cut = form.separator.character
    names = [f"{_cell(found.device_id, form)}{cut}{_cell(found.metric, form)}{cut}" for found in series]
    line = f"w.name, {_TIME}, '{zone}{cut}', {_csv_value(form)}, '{cut}', d.quality"
    return f"select concat({line}) from {_READINGS}", names  # noqa: S608 -- constants and names of our own


def _long_json(series: Sequence[ExportSeries], form: ExportForm, zone: str) -> tuple[str, list[str]]:
    del form
    names = [
        f'{{"device_id":{json.dumps(found.device_id)},"metric":{json.dumps(found.metric)},"recorded_at":"'
        for found in series
    ]
    line = f"""w.name, {_TIME}, '{zone}","value":', {_json_value()}, ',"quality":"', d.quality, '"}}'"""
    return f"select concat({line}) from {_READINGS}", names  # noqa: S608 -- constants and names of our own


def _wide_csv(series: Sequence[ExportSeries], form: ExportForm, zone: str) -> tuple[str, list[str]]:
    cut = form.separator.character
    metrics = metrics_of(series)
    cells = ", ".join(
        f"'{cut}', max(v) filter (where number = any('{{{numbers}}}'::int[]))"
        for metric in metrics
        for numbers in [",".join(str(n) for n, found in enumerate(series, start=1) if found.metric == metric)]
    )
    rows = f"select w.name, w.number, d.recorded_at, d.seq, {_csv_value(form)} as v from {_READINGS}"  # noqa: S608 -- as above
    line = f"d.name, '{cut}', {_TIME}, '{zone}', {cells}"
    return _by_moment(line, rows), [_cell(found.device_id, form) for found in series]


def _wide_json(series: Sequence[ExportSeries], form: ExportForm, zone: str) -> tuple[str, list[str]]:
    del form
    keys = ", ".join("'" + json.dumps(found.metric) + ":'" for found in series)
    rows = f"select w.name, w.number, d.recorded_at, d.seq, {_json_value()} as v from {_READINGS}"  # noqa: S608 -- as above
    pairs = f"string_agg((array[{keys}])[number] || v, ',' order by number)"
    line = f"""d.name, '","recorded_at":"', {_TIME}, '{zone}","metrics":{{', {pairs}, '}}}}'"""
    return _by_moment(line, rows), [f'{{"device_id":"{found.device_id}' for found in series]


def _by_moment(line: str, rows: str) -> str:
    """All readings of a device that were sent together have one moment and one sequence."""
    grouping = "group by d.name, d.recorded_at, d.seq order by d.name, d.recorded_at, d.seq"
    return f"select concat({line}) from ({rows}) as d {grouping}"  # noqa: S608 -- as above


def _cell(name: str, form: ExportForm) -> str:
    return quoted(str(csv_cell(name)), form)


def _csv_value(form: ExportForm) -> str:
    number = "d.value::text" if form.decimal is Decimal.POINT else "replace(d.value::text, '.', ',')"
    return _VALUE.format(number=number, text=f"""'"' || replace({_GUARDED}, '"', '""') || '"'""")


def _json_value() -> str:
    return _VALUE.format(number="d.value::text", text="to_json(d.text)::text")
