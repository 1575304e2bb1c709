"""The report of a campaign: `report.json` for programs, `report.html` for people, self-contained."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from pulse_chaos.campaign import Campaign, Outcome
from pulse_chaos.charts import timelines
from pulse_chaos.invariants import SENTENCES
from pulse_chaos.schedule import as_json
from pulse_simulator.drawing import STYLE


def write_report(folder: Path, campaign: Campaign) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    outcomes = [_as_json(outcome) for outcome in campaign.outcomes]
    content = {"made": made, "machine": machine, "is_good": campaign.is_good, "runs": outcomes}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(campaign, made, machine), encoding="utf-8")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    planned, result = outcome.planned, outcome.result
    told: dict[str, Any] = {
        "scenario": planned.scenario.name,
        "seed": planned.seed,
        "schedule": as_json(planned.schedule),
        "is_good": outcome.is_good,
        "why_not_done": outcome.why_not or None,
    }
    if result is not None:
        told |= {
            "seconds": round(result.seconds, 2),
            "findings": [asdict(finding) for finding in result.findings],
            "evidence": asdict(result.evidence),
            "samples": [asdict(sample) | {"backlog": sample.backlog} for sample in result.timeline.samples],
            "events": [asdict(event) for event in result.timeline.events],
        }
    if outcome.shortest is not None:
        told["shortest"] = {
            "schedule": as_json(outcome.shortest.schedule),
            "tries": outcome.shortest.tries,
            "is_minimal": outcome.shortest.is_minimal,
        }
    return told


def _page(campaign: Campaign, made: str, machine: str) -> str:
    done = [outcome for outcome in campaign.outcomes if outcome.result is not None]
    good = sum(outcome.is_good for outcome in done)
    skipped = [outcome for outcome in campaign.outcomes if outcome.result is None]
    notes = "".join(
        f"<tr><td>{escape(o.planned.scenario.name)}</td><td class=n>{o.planned.seed}</td>"
        f"<td>{escape(o.why_not)}</td></tr>"
        for o in skipped
    )
    not_done = f"<h2>Not done</h2><table><tr><th>scenario<th>seed<th>why</tr>{notes}</table>" if notes else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pulse chaos, {made}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{good} of {len(done)} runs went as they should{f', {len(skipped)} not done' if skipped else ''}</h1>"
        f'<p class=soft>{made}, {escape(machine)}. Under "without" one mechanism was taken away, and the verdict had to '
        f"fail.</p>{''.join(_run(outcome) for outcome in done)}{not_done}</html>\n"
    )


def _run(outcome: Outcome) -> str:
    result = outcome.result
    if result is None:
        return ""
    rows = "".join(
        f"<tr><td class={'good' if f.holds else 'bad'}>{'holds' if f.holds else 'broken'}</td>"
        f"<td>{escape(SENTENCES[f.invariant])}</td><td class=soft>{escape(f.detail)}</td></tr>"
        for f in result.findings
    )
    verdict = "as it should" if outcome.is_good else "broken"
    shortest = ""
    if outcome.shortest is not None:
        steps = ", ".join(f"{step.label} at {step.at:g} s" for step in outcome.shortest.schedule)
        shortest = f"<p>Shortest schedule that fails, after {outcome.shortest.tries} tries: {escape(steps)}</p>"
    return (
        f"<details{'' if outcome.is_good else ' open'}><summary><b>{escape(result.scenario)}</b> seed {result.seed} "
        f"<span class={'good' if outcome.is_good else 'bad'}>{verdict}</span> <span class=soft>"
        f"{escape(outcome.planned.scenario.summary)}; {result.seconds:.0f} s</span></summary>"
        f"{timelines(result.timeline)}{shortest}<table>{rows}</table></details>"
    )
