"""Series by interval as the lines of a file: long, or wide with a column for each metric."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from pulse_chassis.csv_text import BYTE_ORDER_MARK, csv_cell
from pulse_gateway.domain.aggregates import Value
from pulse_gateway.domain.export import Decimal, ExportForm, ExportFormat, Layout, ending
from pulse_gateway.domain.interval import moment
from pulse_gateway.domain.series_query import SeriesAnswer

Line = dict[str, Value]


def series_text(answers: Sequence[SeriesAnswer], names: Sequence[str], form: ExportForm, zone: tzinfo) -> str:
    """Return the whole file."""
    lines = _long(answers, names, zone) if form.layout is Layout.LONG else _wide(answers, names, zone)
    if form.format is ExportFormat.NDJSON:
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines) + ending(form, len(lines))
    first = ["device_id", "metric", "from", *names] if form.layout is Layout.LONG else ["device_id", "from"]
    columns = list(dict.fromkeys([*first, *(name for line in lines for name in line)]))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=form.separator.character, lineterminator="\n")
    writer.writerow([csv_cell(column) for column in columns])
    writer.writerows([_cell(line.get(column), form) for column in columns] for line in lines)
    return (BYTE_ORDER_MARK if form.has_bom else "") + buffer.getvalue()


def _cell(value: Value, form: ExportForm) -> object:
    if isinstance(value, float) and form.decimal is Decimal.COMMA:
        return repr(value).replace(".", ",")
    return csv_cell(value)


def _long(answers: Iterable[SeriesAnswer], names: Sequence[str], zone: tzinfo) -> list[Line]:
    lines: list[Line] = []
    for answer in answers:
        for row in answer.rows:
            line: Line = {"device_id": answer.series.device_id, "metric": answer.series.metric}
            line["from"] = _time(row[0], zone)
            line.update(zip(names, row[1:], strict=True))
            lines.append(line)
    return lines


def _wide(answers: Iterable[SeriesAnswer], names: Sequence[str], zone: tzinfo) -> list[Line]:
    lines: dict[tuple[str, Value], Line] = {}
    for answer in answers:
        metric = answer.series.metric
        columns = [metric if len(names) == 1 else f"{metric} {name}" for name in names]
        for row in answer.rows:
            device = answer.series.device_id
            line = lines.setdefault((device, row[0]), {"device_id": device, "from": _time(row[0], zone)})
            line.update(zip(columns, row[1:], strict=True))
    return [lines[key] for key in sorted(lines, key=lambda key: (key[0], float(key[1] or 0)))]


def _time(at_ms: Value, zone: tzinfo) -> str:
    assert isinstance(at_ms, int)  # noqa: S101 -- narrows a type
    return moment(at_ms * 1000).astimezone(zone).isoformat()
