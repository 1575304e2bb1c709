"""The report of a whole run as one self-contained page: the table, how it stands to the committed one, and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from pulse_bench.hardware import Hardware
from pulse_bench.results import Results
from pulse_bench.rows import Row, Trend, rows_of, trends
from pulse_bench.whole_run import Taken
from pulse_simulator.drawing import STYLE, Bar, bars, chart

_CLASS: Final = {Trend.BETTER: "good", Trend.WORSE: "bad", Trend.SAME: "soft"}


def write_report(folder: Path, hardware: Hardware, taken: Taken, before: Results | None, *, is_quick: bool) -> Path:
    """Write `report.html` and return its path."""
    rows = rows_of(taken.figures)
    stands = trends(rows, before.figures) if before is not None else {}
    made = datetime.now(UTC).isoformat(timespec="seconds")
    judged = [row for row in rows if row.is_met is not None]
    met = sum(bool(row.is_met) for row in judged)
    quick = "<p class=bad>A quick run: small loads, no figures to keep.</p>" if is_quick else ""
    not_read = "".join(f"<tr><td>{escape(name)}<td>{escape(why)}</tr>" for name, why in taken.not_read.items())
    missing = f"<h2>Not read</h2><table>{not_read}</table>" if not_read else ""
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pulse bench, {made}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{met} of {len(judged)} targets met</h1><p class=soft>{made}, {escape(str(hardware))}</p>{quick}"
        f"{_shares(judged)}<table><tr><th>what<th>read<th>target<th>met<th>committed before</tr>"
        f"{''.join(_line(row, stands.get(row.key)) for row in rows)}</table>{missing}{_growth(taken.figures)}"
        f"{_spreads(rows)}</html>\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _line(row: Row, stand: tuple[Row, Trend] | None) -> str:
    met = {True: "<td class=good>yes", False: "<td class=bad>no", None: "<td>–"}[row.is_met]
    earlier = ""
    if stand is not None:
        old, trend = stand
        earlier = f"<span class={_CLASS[trend]}>{old.median:{old.form}}, {trend.value}</span>"
    return f"<tr><td>{escape(row.what)}<td>{escape(row.read)}<td>{escape(row.wanted)}{met}<td>{earlier}</tr>"


def _shares(rows: Sequence[Row]) -> str:
    """Draw how much of each target is reached, to the right of the line when it is met."""
    drawn = []
    for row in rows:
        share = row.share
        if share is not None and row.limit is not None:
            ends = sorted((value / row.limit if row.is_floor else row.limit / value) for value in row.values if value)
            drawn.append(Bar(row.what, share, ends[0], ends[-1], bool(row.is_met), f"{share:.2f} ×"))
    return bars("How much of its target each figure reaches", drawn, 1.0, "target") if drawn else ""


def _spreads(rows: Sequence[Row]) -> str:
    """Draw the single runs of each figure that was read several times."""
    pictures = []
    for row in rows:
        if len(row.values) > 2:
            points = [(float(n), value) for n, value in enumerate(row.values)]
            pictures.append(chart(row.what, row.unit, points, len(points) - 1, end=f"run {len(points)}"))
    return f"<h2>Run by run</h2>{''.join(pictures)}" if pictures else ""


def _growth(figures: Mapping[str, Any]) -> str:
    """Draw the cost of a reading over the number of devices, each step ten times the one before."""
    runs = figures.get("growth", {}).get("devices", [])
    if len(runs) < 2:
        return ""
    first = math.log10(runs[0]["devices"])
    points = [(math.log10(run["devices"]) - first, float(run["total_us"])) for run in runs]
    end = f"{runs[0]['devices']:,} to {runs[-1]['devices']:,} devices"
    return chart("CPU of a reading, ingest and PostgreSQL", "µs", points, points[-1][0], end=end)
