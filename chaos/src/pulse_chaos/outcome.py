"""What is to be run and what became of it, as plain data: it crosses between processes, and a report is made of it.

`as_json` and `parse_outcome` are each other's inverse, so that a report can be gone on with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pulse_chaos.invariants import CommandFate, Evidence, Finding, Invariant, broken
from pulse_chaos.scenarios import SCENARIOS, Scenario
from pulse_chaos.schedule import Schedule, Step
from pulse_chaos.schedule import as_json as steps_as_json
from pulse_chaos.shrinking import Shortest
from pulse_chaos.timeline import Event, Sample, Timeline


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to do; `skipped` says why this machine cannot. `is_quick`: half of the time for load and faults."""

    scenario: Scenario
    seed: int
    schedule: Schedule
    is_quick: bool = False
    skipped: str | None = None

    @property
    def title(self) -> str:
        """What people read."""
        return f"{self.scenario.name} seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run that came to its end found out."""

    evidence: Evidence
    findings: list[Finding]
    timeline: Timeline
    seconds: float

    @property
    def is_good(self) -> bool:
        """Tell whether every invariant holds."""
        return not broken(self.findings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planned run: a result, or why there is none."""

    planned: Planned
    result: Result | None = None
    why_not: str = ""
    shortest: Shortest | None = None
    is_error: bool = False
    """It was begun and ended without a verdict."""
    logs: str = ""
    """Where the logs of a run that did not go well are."""

    @property
    def is_good(self) -> bool:
        """Tell whether it went as it should: all invariants held, or those failed that were expected to."""
        if self.result is None:
            return False
        found = broken(self.result.findings)
        expected = self.planned.scenario.expects
        return found >= expected if expected else not found


def planned_as_json(planned: Planned) -> dict[str, Any]:
    """Return the run to do as JSON has it."""
    return {
        "scenario": planned.scenario.name,
        "seed": planned.seed,
        "quick": planned.is_quick,
        "schedule": steps_as_json(planned.schedule),
    }


def parse_planned(told: dict[str, Any]) -> Planned:
    """Read what `planned_as_json` wrote. Raises KeyError for a scenario that is not there any more."""
    schedule = tuple(Step(**step) for step in told["schedule"])
    return Planned(SCENARIOS[told["scenario"]], told["seed"], schedule, told["quick"])


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as a report has it."""
    result = outcome.result
    told: dict[str, Any] = planned_as_json(outcome.planned) | {
        "is_good": outcome.is_good,
        "is_error": outcome.is_error,
        "why_not_done": outcome.why_not or None,
        "logs": outcome.logs or None,
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
        told["shortest"] = asdict(outcome.shortest)
    return told


def parse_outcome(told: dict[str, Any]) -> Outcome:
    """Read what `as_json` wrote. Raises KeyError and TypeError where it is something else."""
    result = shortest = None
    if "findings" in told:
        fates = [CommandFate(**fate) for fate in told["evidence"]["commands"]]
        samples = [Sample(**{k: v for k, v in sample.items() if k != "backlog"}) for sample in told["samples"]]
        result = Result(
            Evidence(**(told["evidence"] | {"commands": fates})),
            [Finding(Invariant(f["invariant"]), f["holds"], f["detail"]) for f in told["findings"]],
            Timeline(samples, [Event(**event) for event in told["events"]]),
            told["seconds"],
        )
    if "shortest" in told:
        steps = tuple(Step(**step) for step in told["shortest"]["schedule"])
        shortest = Shortest(steps, told["shortest"]["tries"], told["shortest"]["is_minimal"])
    why_not, logs = told["why_not_done"] or "", told["logs"] or ""
    return Outcome(parse_planned(told), result, why_not, shortest, told["is_error"], logs)
