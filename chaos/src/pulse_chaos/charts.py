"""Timelines of a run as inline SVG: load, faults, backlog, latency. Colours come from the page's style, light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

from pulse_chaos.timeline import Event, Sample, Timeline

_WIDTH: Final = 860
_LEFT: Final = 64
_HEIGHT: Final = 92
_TOP: Final = 18
Points = Sequence[tuple[float, float | None]]


def _x(at: float, span: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 8) * max(0.0, at) / span


def _nice(highest: float) -> float:
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest)


def _line(points: Points, top: float, span: float) -> str:
    """Draw a line; where nothing is known it has a hole."""
    pieces: list[list[str]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{_x(at, span):.1f},{_HEIGHT - (_HEIGHT - _TOP) * value / top:.1f}")
    return "".join(
        f'<polyline points="{" ".join(piece)}"/>' if len(piece) > 1 else f'<circle cx="{x}" cy="{y}" r="1.5"/>'
        for piece in pieces
        if piece
        for x, y in [piece[0].split(",")]
    )


def _bands(events: Sequence[Event], span: float) -> str:
    drawn = []
    for event in events:
        if event.is_fault:
            left, right = _x(event.at, span), _x(event.at + event.lasts, span)
            drawn.append(
                f'<rect class="fault" x="{left:.1f}" y="{_TOP}" width="{max(2.0, right - left):.1f}" '
                f'height="{_HEIGHT - _TOP}"><title>{escape(event.what)} at {event.at:g} s</title></rect>'
            )
    return "".join(drawn)


def _chart(title: str, unit: str, points: Points, events: Sequence[Event], span: float) -> str:
    known = [value for _, value in points if value is not None]
    top = _nice(max(known, default=0.0))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 16}" role="img" aria-label="{escape(title)}">'
        f'<text x="0" y="12" class="name">{escape(title)}</text>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" class="axis">{top:g} {escape(unit)}</text>'
        f'<text x="{_LEFT - 6}" y="{_HEIGHT}" class="axis">0</text>'
        f'<line x1="{_LEFT}" y1="{_HEIGHT}" x2="{_WIDTH - 8}" y2="{_HEIGHT}" class="base"/>'
        f"{_bands(events, span)}{_line(points, top, span)}"
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT + 13}" class="axis">{span:.0f} s</text></svg>'
    )


def _rate(samples: Sequence[Sample]) -> Points:
    rates: list[tuple[float, float | None]] = []
    for before, after in pairwise(samples):
        seconds = after.at - before.at
        if seconds > 0:
            rates.append((after.at, max(0.0, (after.accepted - before.accepted) / seconds)))
    return rates


def _phases(timeline: Timeline, span: float) -> str:
    marks = []
    for number, event in enumerate(e for e in timeline.events):
        x = _x(event.at, span)
        mark = "fault" if event.is_fault else "phase"
        marks.append(
            f'<line class="{mark}-mark" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{12 + 13 * (number % 4)}"/>'
            f'<text x="{min(x + 3, _WIDTH - 110):.1f}" y="{13 + 13 * (number % 4)}" class="{mark}-text">'
            f"{escape(event.what)}</text>"
        )
    return f'<svg viewBox="0 0 {_WIDTH} 62" role="img" aria-label="what happened when">{"".join(marks)}</svg>'


def timelines(timeline: Timeline) -> str:
    """Return the charts of one run."""
    samples = [sample for sample in timeline.samples if sample.at >= 0]
    span = max([sample.at for sample in samples] + [event.at + event.lasts for event in timeline.events] + [1.0])
    events = timeline.events
    return (
        _phases(timeline, span)
        + _chart("Load", "/s", _rate(samples), events, span)
        + _chart(
            "Backlog", "", [(s.at, None if s.backlog is None else float(s.backlog)) for s in samples], events, span
        )
        + _chart("Latency", "ms", [(s.at, s.latency_ms) for s in samples], events, span)
    )
