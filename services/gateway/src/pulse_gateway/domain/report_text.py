"""A report as text: JSON for programs, CSV for spreadsheets, a page for people and printers.

The page stands alone: no script, nothing loaded, its style sheet inside and named by its digest in the page's own
policy, so that it is the same from this server, from a mail and from a disk. Every value is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

from pulse_chassis.csv_text import BYTE_ORDER_MARK, csv_lines
from pulse_gateway.domain.report import Cell, Column, ColumnKind, Report

_NUMBERS: Final[frozenset[ColumnKind]] = frozenset({"number", "seconds", "milliseconds", "percent"})
_NONE: Final = "–"
_STYLE: Final = """
:root{--ink:#16202b;--soft:#5b6775;--line:#d5dbe2;--band:#f4f6f8;--mark:#1f6feb;--low:#b3261e}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.5rem;max-width:90rem;color:var(--ink);background:#fff;
 font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
header{border-bottom:2px solid var(--ink);padding-bottom:.75rem;margin-bottom:1rem}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem}
header p,footer p{margin:0;color:var(--soft)}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem;margin:1rem 0 1.25rem}
dl div{min-width:7rem}
dt{color:var(--soft);font-size:.8rem}
dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.82rem}
th{text-align:left;border-bottom:1px solid var(--ink);padding:.35rem .6rem .35rem 0;vertical-align:bottom;font-weight:600}
td{border-bottom:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top;overflow-wrap:break-word;
 max-width:26rem}
tbody tr:nth-child(even) td{background:var(--band)}
td:first-child{white-space:nowrap}
td:nth-child(2):not(.n){min-width:8rem}
.n{text-align:right;font-variant-numeric:tabular-nums}
td.n,.t{white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;width:4.5rem;height:.3rem;margin:.2rem 0 0 auto}
dd svg{margin-left:0}
svg .all{fill:var(--line)} svg .part{fill:var(--mark)} svg .low{fill:var(--low)}
footer{margin-top:1.25rem;border-top:1px solid var(--line);padding-top:.75rem;font-size:.8rem}
footer p+p{margin-top:.25rem}
@page{size:A4 landscape;margin:14mm 12mm 16mm;@bottom-right{content:counter(page) " / " counter(pages);
 font:9px system-ui,sans-serif;color:#5b6775}}
@media print{body{padding:0;max-width:none;font-size:10px}.wide{overflow:visible}table{font-size:7.5px}
 td,td.t{white-space:normal;overflow-wrap:anywhere}td:first-child,td:nth-child(2):not(.n){white-space:normal;min-width:4.5rem}svg{width:3rem}
 thead{display:table-header-group}tr,dl,header{break-inside:avoid}h1{font-size:18px}dd{font-size:14px}
 td,th{padding:.2rem .35rem .2rem 0}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY: Final = f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; base-uri 'none'; form-action 'none'"
"""What the page may do: show itself."""
_LOW_PERCENT: Final = 95.0
"""A bar below this is shown in the colour of what needs a look; its number stands beside it."""


def report_json(report: Report) -> dict[str, Any]:
    """Return the report for programs; moments are in UTC."""
    keys = [column.key for column in report.columns]
    return {
        "kind": report.question.kind.value,
        "title": report.title,
        "from": _utc(report.question.start),
        "to": _utc(report.question.end),
        "time_zone": report.question.zone,
        "made_at": _utc(report.made_at),
        "columns": [{"key": column.key, "label": column.label, "kind": column.kind} for column in report.columns],
        "figures": [
            {"label": figure.label, "value": _plain(figure.value), "kind": figure.kind} for figure in report.figures
        ],
        "rows": [dict(zip(keys, map(_plain, row), strict=True)) for row in report.rows],
        "notes": list(report.notes),
    }


def report_csv(report: Report, *, has_mark: bool) -> str:
    """Return the report for spreadsheets: a line with the keys, then the rows; moments in the report's zone."""
    zone = ZoneInfo(report.question.zone)
    lines: Iterable[Sequence[Cell]] = (
        [cell.astimezone(zone) if isinstance(cell, datetime) else cell for cell in row] for row in report.rows
    )
    text = csv_lines([[column.key for column in report.columns], *lines])
    return BYTE_ORDER_MARK + text if has_mark else text


def report_page(report: Report) -> str:
    """Return the report for people: one HTML document, to be read and to be printed."""
    zone = ZoneInfo(report.question.zone)
    start, end = (_to_the_minute(moment, zone) for moment in (report.question.start, report.question.end))
    span = f"{start} to {end} ({escape(report.question.zone)})"
    title = escape(report.title)
    figures = "".join(
        f"<div><dt>{escape(figure.label)}</dt><dd>{_shown(figure.value, figure.kind, zone)}</dd></div>"
        for figure in report.figures
    )
    head = "".join(f"<th{_class(column)} scope=col>{escape(column.label)}</th>" for column in report.columns)
    body = "".join(_row(report.columns, row, zone) for row in report.rows)
    table = (
        f'<div class="wide" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        if report.rows
        else "<p>Nothing happened in this range.</p>"
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}, {span}</title>'
        f"<style>{_STYLE}</style></head><body><header><h1>{title}</h1><p>{span}</p></header>"
        f"<main><dl>{figures}</dl>{table}</main>"
        f"<footer>{notes}<p>PrecisionPulse, made {_local(report.made_at, zone)}. {len(report.rows):,} rows.</p></footer>"
        "</body></html>\n"
    )


def report_summary(report: Report) -> str:
    """Return the figures as plain text: what stands in a mail."""
    zone = ZoneInfo(report.question.zone)
    start, end = (_to_the_minute(moment, zone) for moment in (report.question.start, report.question.end))
    lines = [report.title, f"{start} to {end} ({report.question.zone})", ""]
    lines += [f"{figure.label}: {_text(figure.value, figure.kind, zone)}" for figure in report.figures]
    return "\n".join([*lines, f"Rows: {len(report.rows):,}", "", *report.notes]).rstrip() + "\n"


def _row(columns: Sequence[Column], row: Sequence[Cell], zone: ZoneInfo) -> str:
    cells = (
        f"<td{_class(column)}>{_shown(cell, column.kind, zone)}</td>" for column, cell in zip(columns, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _class(column: Column) -> str:
    if column.kind in _NUMBERS:
        return " class=n"
    return " class=t" if column.kind == "time" else ""


def _shown(cell: Cell, kind: ColumnKind, zone: ZoneInfo) -> str:
    text = escape(_text(cell, kind, zone))
    if kind == "percent" and isinstance(cell, int | float):
        share = min(100.0, max(0.0, float(cell)))
        look = "part" if share >= _LOW_PERCENT else "low"
        return (
            f'{text}<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100"'
            f' height="6"/><rect class="{look}" width="{share:.1f}" height="6"/></svg>'
        )
    return text


def _text(cell: Cell, kind: ColumnKind, zone: ZoneInfo) -> str:
    if cell is None or cell == "":
        return _NONE
    if isinstance(cell, datetime):
        return _local(cell, zone)
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return cell if isinstance(cell, str) else _number(cell, kind)


def _number(number: float, kind: ColumnKind) -> str:
    if kind == "percent":
        # Never rounded up to a whole that it is not.
        return f"{int(number * 100) / 100:.2f} %"
    if kind == "seconds":
        return _duration(number)
    if kind == "milliseconds":
        return f"{number:,.0f} ms"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}" if abs(number) < 1e6 else f"{number:,.0f}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) if told else "0 s"


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _to_the_minute(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _plain(cell: Cell) -> Any:
    return _utc(cell) if isinstance(cell, datetime) else cell


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
