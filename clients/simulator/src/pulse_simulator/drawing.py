"""Charts as inline SVG, and the look of the pages that hold them: what reports of benchmarks and of faults draw with.

Colours come from `STYLE`, for light and dark. Never does: decide what is drawn, or read anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
LEFT: Final = 64
HEIGHT: Final = 92
TOP: Final = 18
Points = Sequence[tuple[float, float | None]]

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --ground: #fff; --card: #f4f6f8; --line: #d5dbe2;
  --data: #1f5fbf; --fault: #c9302c; --good: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf2; --soft: #9aa7b6; --ground: #12161c; --card: #1b212a;
  --line: #313a46; --data: #7db3ff; --fault: #ff7a73; --good: #5fd08f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 2rem auto;
  max-width: 980px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; margin: .7rem 0; }
summary { cursor: pointer; } .good { color: var(--good); } .bad { color: var(--fault); font-weight: 600; }
.soft { color: var(--soft); } svg { width: 100%; height: auto; display: block; margin: .4rem 0; }
svg text { font-size: 10px; fill: var(--soft); } svg .name { font-size: 12px; fill: var(--ink); }
svg .axis { text-anchor: end; } svg .base { stroke: var(--line); } svg polyline { fill: none; stroke: var(--data);
  stroke-width: 1.6; } svg circle { fill: var(--data); } svg .fault { fill: var(--fault); opacity: .16; }
svg .fault-mark { stroke: var(--fault); } svg .phase-mark { stroke: var(--line); } svg .fault-text { fill: var(--fault); }
svg .bar { fill: var(--data); opacity: .75; } svg .bar.missed { fill: var(--fault); } svg .spread { stroke: var(--ink); }
svg .limit { stroke: var(--good); stroke-dasharray: 3 3; }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A value beside others on one scale, and the lowest and the highest that were read; `is_good` colours it."""

    name: str
    value: float
    low: float
    high: float
    is_good: bool
    note: str = ""


def across(at: float, span: float) -> float:
    """Return where a place on the horizontal axis is, from 0 to `span`."""
    return LEFT + (WIDTH - LEFT - 8) * max(0.0, at) / span


def nice(highest: float) -> float:
    """Return the top of an axis that holds `highest`: 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest)


def picture(label: str, height: int, body: str) -> str:
    """Return a picture as wide as all others."""
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'


def chart(title: str, unit: str, points: Points, span: float, *, end: str, behind: str = "") -> str:
    """Return values over 0 to `span`, which the axis calls `end`; where one is None the line has a hole."""
    top = nice(max((value for _, value in points if value is not None), default=0.0))
    return picture(
        title,
        HEIGHT + 16,
        f'<text x="0" y="12" class="name">{escape(title)}</text>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" class="axis">{top:g} {escape(unit)}</text>'
        f'<text x="{LEFT - 6}" y="{HEIGHT}" class="axis">0</text>'
        f'<line x1="{LEFT}" y1="{HEIGHT}" x2="{WIDTH - 8}" y2="{HEIGHT}" class="base"/>'
        f"{behind}{_line(points, top, span)}"
        f'<text x="{WIDTH - 8}" y="{HEIGHT + 13}" class="axis">{escape(end)}</text>',
    )


def bars(title: str, rows: Sequence[Bar], limit: float, limit_name: str) -> str:
    """Return bars below each other with the spread as a line on each, and a line across where the limit is."""
    name_width, step = 300, 20
    top = nice(max([limit, *(min(row.high, limit * 4) for row in rows)]))

    def x(value: float) -> float:
        return name_width + (WIDTH - name_width - 90) * min(value, top) / top

    drawn = [f'<text x="0" y="12" class="name">{escape(title)}</text>']
    for number, row in enumerate(rows):
        y = 24 + number * step
        drawn.append(
            f'<text x="{name_width - 8}" y="{y + 9}" class="axis">{escape(row.name)}</text>'
            f'<rect class="bar{"" if row.is_good else " missed"}" x="{name_width}" y="{y}" '
            f'width="{x(row.value) - name_width:.1f}" height="11"/>'
            f'<line class="spread" x1="{x(row.low):.1f}" y1="{y + 5.5}" x2="{x(row.high):.1f}" y2="{y + 5.5}"/>'
            f'<text x="{WIDTH - 84}" y="{y + 9}">{escape(row.note)}</text>'
        )
    height = 24 + len(rows) * step
    drawn.append(
        f'<line class="limit" x1="{x(limit):.1f}" y1="18" x2="{x(limit):.1f}" y2="{height}"/>'
        f'<text x="{x(limit):.1f}" y="14">{escape(limit_name)}</text>'
    )
    return picture(title, height + 6, "".join(drawn))


def _line(points: Points, top: float, span: float) -> str:
    pieces: list[list[str]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{across(at, span):.1f},{HEIGHT - (HEIGHT - TOP) * value / top:.1f}")
    return "".join(
        f'<polyline points="{" ".join(piece)}"/>' if len(piece) > 1 else f'<circle cx="{x}" cy="{y}" r="1.5"/>'
        for piece in pieces
        if piece
        for x, y in [piece[0].split(",")]
    )
