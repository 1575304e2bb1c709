"""Export readings: what it will be, and its pieces one after the other into a sink."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pulse_chassis.errors import InvalidError
from pulse_gateway.domain.export import (
    ExportQuestion,
    ExportSeries,
    Piece,
    ending,
    heading,
    metrics_of,
    piece_length,
    pieces,
)
from pulse_gateway.domain.export_job import ExportPlan
from pulse_gateway.domain.rollup_plan import Resolution, RollupState, Segment, plan
from pulse_gateway.use_cases.export_ports import ExportCopy, Sink
from pulse_gateway.use_cases.history_ports import SeriesReader

MAX_SERIES = 2_000


async def plan_export(question: ExportQuestion, reader: SeriesReader, max_rows: int, instead: str) -> ExportPlan:
    """Return what will be exported. Raises InvalidError for more than `max_rows` rows, saying what to do instead."""
    start, end = question.start_us, question.end_us
    async with reader.snapshot() as snapshot:
        found = await snapshot.series(question.device_ids, question.metrics)
        if len(found) > MAX_SERIES:
            message = f"these are {len(found)} series, more than {MAX_SERIES}: ask for fewer devices or metrics"
            raise InvalidError(message, code="too_many_series", field="query.device_id")
        states = await snapshot.rollups(found, start, end)
        plans = {s.series_id: _kept(start, end, states[s.series_id]) for s in found}
        rows = sum((await snapshot.count(plans, max_rows + 1)).values())
    if rows > max_rows:
        message = f"this export has at least {rows:,} rows, more than {max_rows:,}: {instead}"
        raise InvalidError(message, code="too_many_rows")
    series = tuple(ExportSeries(s.series_id, s.device_id, s.metric) for s in found)
    return ExportPlan(series, rows, piece_length(end - start, rows))


def _kept(start_us: int, end_us: int, state: RollupState) -> list[Segment]:
    """Return how the readings are counted that are still there."""
    return plan(
        min(max(start_us, state.kept_from.get(Resolution.RAW, start_us)), end_us), end_us, Resolution.HOUR, state
    )


async def write_export(question: ExportQuestion, export: ExportPlan, copy: ExportCopy, sink: Sink) -> int:
    """Write a whole export into the sink and return its rows. Raises UnavailableError, and what the sink raises."""
    rows = 0
    await sink(heading(question.form, metrics_of(export.series)).encode())
    for piece in pieces_of(question, export):
        rows += await copy.copy(export.series, question.form, piece, sink)
    await sink(ending(question.form, rows).encode())
    return rows


def pieces_of(question: ExportQuestion, export: ExportPlan) -> list[Piece]:
    """Return the pieces of an export."""
    zone = ZoneInfo(question.zone_name)
    return list(pieces(question.start_us, question.end_us, export.piece_us, zone)) if export.series else []
