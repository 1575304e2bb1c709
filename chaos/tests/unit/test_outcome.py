"""What crosses between processes and sittings: nothing is lost on the way, and only verdicts by the same code count."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pulse_chaos.campaign import Campaign
from pulse_chaos.invariants import CommandFate, Evidence, judge
from pulse_chaos.outcome import Outcome, Planned, Result, as_json, parse_outcome, parse_planned, planned_as_json
from pulse_chaos.report import read_verdicts, write_report
from pulse_chaos.revision import revision
from pulse_chaos.runner import reason_of
from pulse_chaos.scenarios import SCENARIOS
from pulse_chaos.schedule import Step
from pulse_chaos.shrinking import Shortest
from pulse_chaos.timeline import Event, Sample, Timeline


def planned(name: str = "kill-ingest", seed: int = 7, *, is_quick: bool = True) -> Planned:
    return Planned(SCENARIOS[name], seed, SCENARIOS[name].schedule(seed), is_quick)


def finished(one: Planned) -> Outcome:
    evidence = Evidence(
        accepted=5,
        missing=["agent 1 a"],
        commands=[CommandFate("a", "succeeded", 1)],
        lost_edits=["op"],
        logged_losers=["op"],
        drain_seconds=None,
        most_memory_mib={"ingest": 120.5},
    )
    timeline = Timeline([Sample(0.5, 10, None, 1.5, 3), Sample(1.0, 20, 12, None, 0)], [Event(0.2, "kill", 1.0, True)])
    shortest = Shortest((Step(1.0, "kill", "ingest"),), 3, is_minimal=True)
    return Outcome(one, Result(evidence, judge(evidence), timeline, 12.25), "", shortest, logs="kept-001")


@pytest.mark.parametrize("outcome", [finished(planned()), Outcome(planned(), why_not="the worker died", is_error=True)])
def test_an_outcome_survives_being_written_down(outcome) -> None:
    assert parse_outcome(json.loads(json.dumps(as_json(outcome)))) == outcome


def test_a_run_to_do_survives_being_written_down() -> None:
    assert parse_planned(json.loads(json.dumps(planned_as_json(planned())))) == planned()


def test_a_run_without_a_verdict_is_never_good() -> None:
    assert not Outcome(planned(), why_not="the time was over").is_good


def test_a_report_is_gone_on_with_by_the_same_code_alone_and_only_from_verdicts(tmp_path: Path) -> None:
    done, cut_short = finished(planned(seed=1)), Outcome(planned(seed=2), why_not="interrupted")
    campaign = Campaign(tmp_path, Console(file=io.StringIO()), outcomes=[cut_short, done])
    assert read_verdicts(tmp_path, "code-1") == []
    write_report(tmp_path, campaign, "code-1")
    assert read_verdicts(tmp_path, "code-1") == [done]
    assert read_verdicts(tmp_path, "code-2") == []


def test_what_is_no_report_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"revision": "code-1", "runs": [{}]}', encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be gone on with"):
        read_verdicts(tmp_path, "code-1")


def test_a_revision_is_the_same_for_the_same_files() -> None:
    assert revision() == revision()
    assert len(revision()) == 12


def test_a_run_that_died_of_several_errors_names_each() -> None:
    died = ExceptionGroup("two tasks", [ValueError("the first"), ExceptionGroup("inner", [OSError("the second")])])
    assert reason_of(died) == "ValueError: the first; OSError: the second"
