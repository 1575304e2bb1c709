"""The report of a soak: `report.json` for programs, `report.html` for people, self-contained, with a plot of every curve."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from pulse_chaos.charts import bands, timelines
from pulse_chaos.invariants import SENTENCES
from pulse_chaos.schedule import as_json as steps_as_json
from pulse_chaos.soak_run import Counted, Soaked
from pulse_chaos.timeline import Event
from pulse_chaos.trends import Kind, Point, Verdict, rate_of
from pulse_simulator.drawing import STYLE, Points, chart

_TITLES: Final = {
    Kind.MEMORY: "Memory",
    Kind.FILES: "Open files",
    Kind.CONNECTIONS: "Connections",
    Kind.STREAM: "Streams",
    Kind.TABLE: "Tables",
    Kind.DEAD_ROWS: "Dead rows",
    Kind.LOGS: "Logs",
    Kind.LOAD: "Load, and what grows with it",
}


def write_soak(folder: Path, soaked: Soaked, of_revision: str) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    content = {"made": made, "machine": machine, "revision": of_revision, **_as_json(soaked)}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(soaked, f"{made}, {machine}, revision {of_revision}"), encoding="utf-8")


def _as_json(soaked: Soaked) -> dict[str, Any]:
    result = soaked.result
    return {
        "is_good": soaked.is_good,
        "seed": soaked.plan.seed,
        "seconds": soaked.plan.seconds,
        "warm_up_seconds": soaked.plan.warm_up,
        "limit": soaked.limit,
        "rate": soaked.rate,
        "agents": soaked.plan.agents,
        "devices": soaked.plan.devices,
        "schedule": steps_as_json(soaked.plan.schedule),
        "counted": asdict(soaked.counted),
        "findings": [asdict(finding) for finding in result.findings],
        "evidence": asdict(result.evidence),
        "events": [asdict(event) for event in result.timeline.events],
        "samples": [asdict(sample) | {"backlog": sample.backlog} for sample in result.timeline.samples],
        "curves": [_curve_as_json(verdict) for verdict in soaked.verdicts],
    }


def _curve_as_json(verdict: Verdict) -> dict[str, Any]:
    curve = verdict.curve
    return {
        "name": curve.name,
        "kind": curve.kind,
        "unit": curve.unit,
        "bound": curve.bound,
        "holds": verdict.holds,
        "detail": verdict.detail,
        "trend": None if verdict.trend is None else asdict(verdict.trend) | {"growth": verdict.trend.growth},
        "points": [[point.at, point.value, point.life] for point in curve.points],
    }


def summary_lines(soaked: Soaked) -> list[str]:
    """Return the outcome in a few lines for a terminal: what was loaded, what broke, what grew."""
    counted = soaked.counted
    limit = "given" if soaked.limit is None else f"{soaked.plan.share:.0%} of {soaked.limit:,.0f}"
    told = [
        f"{soaked.rate:,.0f} readings/s ({limit}), {soaked.plan.seconds / 60:g} min, {len(soaked.plan.schedule)} faults",
        _load_in_words(counted),
    ]
    told += [f"BROKEN load: {line}" for line in counted.short[:10]]
    told += [f"BROKEN {f.invariant}: {f.detail}" for f in soaked.result.findings if not f.holds]
    told += [f"GROWS {v.curve.name}: {v.detail}" for v in soaked.verdicts if not v.holds]
    unjudged = [v.curve.name for v in soaked.verdicts if not v.is_judged]
    if unjudged:
        told.append(f"too short to judge: {', '.join(unjudged)}")
    return told


def _load_in_words(counted: Counted) -> str:
    return (
        f"load: {counted.generated:,} readings of agents, {counted.acked:,} acknowledged, {counted.stored:,} values "
        f"stored, {counted.doubled} twice, {counted.outstanding} outstanding, {counted.lost} declared lost"
    )


def _page(soaked: Soaked, origin: str) -> str:
    timeline = soaked.result.timeline
    findings = "".join(
        f"<tr><td class={'good' if f.holds else 'bad'}>{'holds' if f.holds else 'broken'}</td>"
        f"<td>{escape(SENTENCES[f.invariant])}</td><td class=soft>{escape(f.detail)}</td></tr>"
        for f in soaked.result.findings
    )
    counted = soaked.counted
    load = (
        f"<tr><td class={'good' if counted.holds else 'bad'}>{'holds' if counted.holds else 'broken'}</td>"
        f"<td>what the load's agents measured is in the table once</td><td class=soft>"
        f"{escape(_load_in_words(counted))}; {escape('; '.join(counted.short) or 'none missing')}</td></tr>"
    )
    groups = "".join(_group(soaked, kind) for kind in Kind)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pulse soak, {escape(origin)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{'Nothing lost, nothing grows' if soaked.is_good else 'Something is wrong'}</h1>"
        f"<p class=soft>{escape(origin)}. {escape(summary_lines(soaked)[0])}, seed {soaked.plan.seed}.</p>"
        f"{timelines(timeline)}<table>{load}{findings}</table>{groups}</html>\n"
    )


def _group(soaked: Soaked, kind: Kind) -> str:
    verdicts = [verdict for verdict in soaked.verdicts if verdict.curve.kind is kind]
    if not verdicts:
        return ""
    is_good = all(verdict.holds for verdict in verdicts)
    span = max(point.at for verdict in verdicts for point in verdict.curve.points)
    behind = bands(_faults(soaked), span)
    rows = "".join(
        f"<tr><td class={'good' if v.holds else 'bad'}>{'flat' if v.holds else 'grows'}</td>"
        f"<td>{escape(v.curve.name)}</td><td class=soft>{escape(v.detail)}</td></tr>"
        for v in verdicts
    )
    plots = "".join(
        chart(v.curve.name, v.curve.unit, _drawn(v.curve.points), span, end=f"{span:.0f} s", behind=behind)
        + (chart(f"{v.curve.name}, a second", "/s", _drawn(rate_of(v.curve.points)), span, end="", behind=behind))
        * (v.curve.name == "load: stored by agents")
        for v in verdicts
    )
    return (
        f"<details{'' if is_good else ' open'}><summary><b>{_TITLES[kind]}</b> "
        f"<span class={'good' if is_good else 'bad'}>{'holds' if is_good else 'grows'}</span></summary>"
        f"<table>{rows}</table>{plots}</details>"
    )


def _faults(soaked: Soaked) -> list[Event]:
    return [event for event in soaked.result.timeline.events if event.is_fault]


def _drawn(points: list[Point]) -> Points:
    """A new life begins with a hole in the line."""
    drawn: list[tuple[float, float | None]] = []
    life: int | None = None
    for point in points:
        if life is not None and point.life != life:
            drawn.append((point.at, None))
        life = point.life
        drawn.append((point.at, point.value))
    return drawn
