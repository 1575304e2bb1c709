"""The report of a campaign: `report.json` for programs, `report.html` for people, self-contained."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from pulse_chaos.campaign import Campaign
from pulse_chaos.charts import timelines
from pulse_chaos.invariants import SENTENCES
from pulse_chaos.outcome import Outcome, as_json, parse_outcome
from pulse_chaos.scenarios import SCENARIOS
from pulse_simulator.drawing import STYLE

FILE: Final = "report.json"


def write_report(folder: Path, campaign: Campaign, of_revision: str) -> None:
    """Write both files; each is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, Python {platform.python_version()}"
    names = list(SCENARIOS)
    outcomes = sorted(campaign.outcomes, key=lambda o: (o.planned.seed, names.index(o.planned.scenario.name)))
    content = {
        "made": made,
        "machine": machine,
        "revision": of_revision,
        "is_good": campaign.is_good,
        "is_complete": campaign.is_complete,
        "runs": [as_json(outcome) for outcome in outcomes],
    }
    _replace(folder / FILE, json.dumps(content, indent=1) + "\n")
    _replace(folder / "report.html", _page(outcomes, f"{made}, {machine}, revision {of_revision}"))


def _replace(file: Path, text: str) -> None:
    beside = file.with_name(file.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def read_verdicts(folder: Path, of_revision: str) -> list[Outcome]:
    """Return the runs of this revision that came to a verdict, as a report of before has them; none where there is none.

    Raises ValueError with a sentence for people.
    """
    file = folder / FILE
    if not file.exists():
        return []
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.get("revision") != of_revision:
            return []
        return [parse_outcome(run) for run in content["runs"] if run["why_not_done"] is None]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} cannot be gone on with: {error!r}") from None


def _page(outcomes: Sequence[Outcome], origin: str) -> str:
    done = [outcome for outcome in outcomes if outcome.result is not None]
    good = sum(outcome.is_good for outcome in done)
    skipped = [outcome for outcome in outcomes if outcome.result is None]
    notes = "".join(
        f"<tr><td>{escape(o.planned.scenario.name)}</td><td class=n>{o.planned.seed}</td>"
        f"<td>{escape(o.why_not)}</td></tr>"
        for o in skipped
    )
    not_done = f"<h2>Not done</h2><table><tr><th>scenario<th>seed<th>why</tr>{notes}</table>" if notes else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>pulse chaos, {escape(origin)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{good} of {len(done)} runs went as they should{f', {len(skipped)} not done' if skipped else ''}</h1>"
        f'<p class=soft>{escape(origin)}. Under "without" one mechanism was taken away, and the verdict had to '
        f"fail.</p>{''.join(_run(outcome) for outcome in done)}{not_done}</html>\n"
    )


def _run(outcome: Outcome) -> str:
    planned, result = outcome.planned, outcome.result
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
        f"<details{'' if outcome.is_good else ' open'}><summary><b>{escape(planned.scenario.name)}</b> seed {planned.seed} "
        f"<span class={'good' if outcome.is_good else 'bad'}>{verdict}</span> <span class=soft>"
        f"{escape(planned.scenario.summary)}; {result.seconds:.0f} s</span></summary>"
        f"{timelines(result.timeline)}{shortest}<table>{rows}</table></details>"
    )
