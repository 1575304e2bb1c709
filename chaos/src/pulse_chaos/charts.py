"""Timelines of a run as inline SVG: load, faults, backlog, latency. Colours come from the page's style, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from pulse_chaos.timeline import Event, Sample, Timeline
from pulse_simulator.drawing import HEIGHT, TOP, WIDTH, Points, across, chart, picture


def bands(events: Sequence[Event], span: float) -> str:
    """Return the faults as shades for a chart."""
    drawn = []
    for event in events:
        if event.is_fault:
            left, right = across(event.at, span), across(event.at + event.lasts, span)
            drawn.append(
                f'<rect class="fault" x="{left:.1f}" y="{TOP}" width="{max(2.0, right - left):.1f}" '
                f'height="{HEIGHT - TOP}"><title>{escape(event.what)} at {event.at:g} s</title></rect>'
            )
    return "".join(drawn)


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
        x = across(event.at, span)
        mark = "fault" if event.is_fault else "phase"
        marks.append(
            f'<line class="{mark}-mark" x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{12 + 13 * (number % 4)}"/>'
            f'<text x="{min(x + 3, WIDTH - 110):.1f}" y="{13 + 13 * (number % 4)}" class="{mark}-text">'
            f"{escape(event.what)}</text>"
        )
    return picture("what happened when", 62, "".join(marks))


def timelines(timeline: Timeline) -> str:
    """Return the charts of one run."""
    samples = [sample for sample in timeline.samples if sample.at >= 0]
    span = max([sample.at for sample in samples] + [event.at + event.lasts for event in timeline.events] + [1.0])
    shades, end = bands(timeline.events, span), f"{span:.0f} s"
    backlog = [(s.at, None if s.backlog is None else float(s.backlog)) for s in samples]
    return (
        _phases(timeline, span)
        + chart("Load", "/s", _rate(samples), span, end=end, behind=shades)
        + chart("Backlog", "", backlog, span, end=end, behind=shades)
        + chart("Latency", "ms", [(s.at, s.latency_ms) for s in samples], span, end=end, behind=shades)
    )
